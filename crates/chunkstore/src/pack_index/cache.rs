//! The index of a repository in local files, so that opening reads only what is new.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk_run::{DiskRun, DiskRunWriter, RunMeta};
use super::{MERGE_RATIO, Merged, PackIndex, Run};
use crate::catalogue::SegmentInfo;

/// The file that names the others, oldest first; replaced as a whole.
const MANIFEST: &str = "runs";
/// Entries in memory from which they are worth a file: 7 MB.
const SPILL_SLOTS: usize = 1 << 18;

/// Which index objects files stand for.
pub(crate) type Cached = BTreeMap<[u8; 16], SegmentInfo>;

/// A folder with the index of one repository.
///
/// Several processes may use it: files are written under new names, and what a process has open
/// stays readable. Anything wrong with it costs reading the index from the repository, no more.
#[derive(Clone, Debug)]
pub(crate) struct IndexCache {
    folder: PathBuf,
    repository: [u8; 16],
}

impl IndexCache {
    pub(crate) fn new(folder: PathBuf, repository: [u8; 16]) -> Self {
        Self { folder, repository }
    }

    /// The index as far as files have it, and which index objects that is. Empty if anything is
    /// wrong with them.
    pub(crate) fn load(&self) -> (PackIndex, Cached) {
        match self.try_load() {
            Ok(loaded) => loaded,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(folder = %self.folder.display(), %error, "an index cache is unusable");
                }
                Default::default()
            }
        }
    }

    fn try_load(&self) -> io::Result<(PackIndex, Cached)> {
        let manifest = fs::read_to_string(self.folder.join(MANIFEST))?;
        let mut index = PackIndex::default();
        let mut cached = Cached::new();
        for name in manifest.lines() {
            let base = index.packs.len() as u32;
            let (run, meta) = DiskRun::open(&self.folder.join(plain(name)?), base)?;
            if meta.repository != self.repository {
                return Err(io::Error::other("it belongs to another repository"));
            }
            for (number, pack) in (base..).zip(meta.packs) {
                index.by_name.insert(pack.name, number);
                index.packs.push(pack);
            }
            cached.extend(meta.segments);
            index.runs.push(Run::Disk(Arc::new(run)));
        }
        Ok((index, cached))
    }

    /// Whether enough of an index is in memory to be worth a file.
    pub(crate) fn is_worth_storing(index: &PackIndex) -> bool {
        let memory = index
            .runs
            .iter()
            .filter(|run| matches!(run, Run::Memory(_)));
        memory.map(Run::len).sum::<usize>() >= SPILL_SLOTS
    }

    /// Puts what is in memory into a file `name`, together with files that are not much larger.
    ///
    /// `segments` are the index objects that the index was made of.
    pub(crate) fn store(&self, index: &PackIndex, segments: &Cached, name: &str) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let old = fs::read_to_string(self.folder.join(MANIFEST)).unwrap_or_default();
        let old: Vec<&str> = old.lines().collect();
        let in_files = index
            .runs
            .iter()
            .filter(|run| matches!(run, Run::Disk(_)))
            .count();
        let mut merged: usize = index.runs.iter().skip(in_files).map(Run::len).sum();
        let mut stay = in_files.min(old.len());
        while let Some(last) = stay.checked_sub(1).and_then(|at| index.runs.get(at))
            && last.len() < merged.saturating_mul(MERGE_RATIO)
        {
            merged += last.len();
            stay -= 1;
        }
        let (left, joined) = index.runs.split_at(stay);
        let base = left.iter().map(|run| match run {
            Run::Disk(run) => run.packs_end(),
            Run::Memory(_) => 0,
        });
        let base = base.max().unwrap_or(0);
        let mut known = Cached::new();
        for name in old.iter().take(stay) {
            let (_, meta) = DiskRun::open(&self.folder.join(plain(name)?), 0)?;
            known.extend(meta.segments);
        }
        let segments = segments.iter().filter(|(id, _)| !known.contains_key(*id));
        let mut meta = RunMeta {
            repository: self.repository,
            packs: Vec::new(),
            segments: segments.map(|(id, info)| (*id, info.clone())).collect(),
        };
        let path = self.folder.join(name);
        self.write(&path, index, (joined, base), &mut meta)?;
        DiskRun::open(&path, 0)?;
        let names: Vec<&str> = old.iter().take(stay).copied().chain([name]).collect();
        self.replace_manifest(&names)?;
        self.sweep(&names);
        Ok(())
    }

    fn write(
        &self,
        path: &Path,
        index: &PackIndex,
        (runs, base): (&[Run], usize),
        meta: &mut RunMeta,
    ) -> io::Result<()> {
        let mut numbers = Vec::new();
        for (number, pack) in index.packs.iter().enumerate().skip(base) {
            let stays = !index.gone.contains(&(number as u32));
            numbers.push(stays.then_some(meta.packs.len() as u32));
            if stays {
                meta.packs.push(pack.clone());
            }
        }
        let mut writer = DiskRunWriter::create(path)?;
        for mut slot in Merged::of(runs) {
            let at = (slot.pack as usize).checked_sub(base);
            if let Some(Some(number)) = at.and_then(|at| numbers.get(at)) {
                slot.pack = *number;
                writer.push(&slot)?;
            }
        }
        if super::run::any_broken(runs) {
            return Err(io::Error::other("a file of the index is damaged"));
        }
        writer.finish(meta)
    }

    fn replace_manifest(&self, names: &[&str]) -> io::Result<()> {
        let new = self.folder.join(format!("{MANIFEST}.new"));
        fs::write(&new, names.join("\n"))?;
        fs::rename(new, self.folder.join(MANIFEST))
    }

    /// Removes files that nothing names; what another process has open may stay on some systems
    /// until the next time.
    fn sweep(&self, names: &[&str]) {
        let names: HashSet<&str> = names.iter().copied().chain([MANIFEST]).collect();
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if !entry
                .file_name()
                .to_str()
                .is_some_and(|name| names.contains(name))
            {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        let _ = fs::remove_file(self.folder.join(MANIFEST));
    }
}

/// A name that is a file's and leads nowhere else.
fn plain(name: &str) -> io::Result<&str> {
    let is_plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
    match is_plain {
        true => Ok(name),
        false => Err(io::Error::other("its list of files is damaged")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{IndexSegment, Slot};
    use super::*;
    use crate::chunk_id::ChunkId;
    use crate::layout::PackName;
    use crate::pack_index::PackInfo;
    use crate::seal::{ObjectKind, Suite};

    fn id(number: u64) -> ChunkId {
        ChunkId::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes())
    }

    fn segment(pack: u8, numbers: std::ops::Range<u64>) -> IndexSegment {
        let info = PackInfo {
            name: PackName([pack; 32]),
            kind: ObjectKind::DataPack,
            suite: Suite::Aes256Gcm,
            epoch: 1,
            salt: [pack; 16],
            len: 1 << 20,
            header_len: 100,
        };
        let mut slots: Vec<Slot> = numbers
            .map(|number| Slot {
                id: id(number).short(),
                pack: 0,
                offset: number as u32,
                len_flags: 100,
            })
            .collect();
        slots.sort_unstable();
        IndexSegment {
            packs: vec![info],
            slots,
        }
    }

    fn info(segment: &IndexSegment) -> SegmentInfo {
        SegmentInfo {
            entries: segment.slots.len(),
            packs: segment.packs.iter().map(|pack| pack.name).collect(),
        }
    }

    /// Adds three segments, storing after each, and compares with the same in memory.
    fn filled(folder: &Path) -> (IndexCache, PackIndex, PackIndex) {
        let cache = IndexCache::new(folder.to_path_buf(), [9; 16]);
        let mut memory = PackIndex::default();
        let (mut index, mut segments) = cache.load();
        for pack in 0..3u8 {
            let from = u64::from(pack) * 20_000;
            let segment = segment(pack, from..from + 20_000 + 777 * u64::from(pack));
            segments.insert([pack; 16], info(&segment));
            memory.add(segment.clone());
            index.add(segment);
            cache
                .store(&index, &segments, &format!("run{pack}"))
                .unwrap();
            let (loaded, cached) = cache.load();
            assert_eq!(cached, segments);
            index = loaded;
        }
        (cache, index, memory)
    }

    #[test]
    fn files_say_what_memory_says() {
        let folder = tempfile::tempdir().unwrap();
        let (_, mut index, memory) = filled(folder.path());
        assert_eq!(index.chunk_count(), memory.chunk_count());
        for number in 0..63_000 {
            let id = id(number);
            assert_eq!(index.find(&id), memory.find(&id), "{number}");
        }
        let name = PackName([1; 32]);
        let mut slots = memory.pack_slots(&name).unwrap().1;
        slots.sort_unstable();
        let mut found = index.pack_slots(&name).unwrap().1;
        found.sort_unstable();
        assert_eq!(found, slots);
        assert!(!index.is_broken());
        index.retain_packs(|pack| *pack != name);
        assert!(!index.contains(&id(30_000), &HashSet::new()));
        assert!(index.contains(&id(10_000), &HashSet::new()));
    }

    #[test]
    fn damage_of_a_file_is_met_and_makes_nothing_up() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, _, memory) = filled(folder.path());
        let manifest = fs::read_to_string(folder.path().join(MANIFEST)).unwrap();
        let path = folder.path().join(manifest.lines().next().unwrap());
        let whole = fs::read(&path).unwrap();
        let mut damaged = whole.clone();
        damaged[5_000] ^= 1;
        fs::write(&path, &damaged).unwrap();
        let (index, _) = cache.load();
        for number in 0..60_000 {
            let (id, known) = (id(number), index.is_broken());
            let found = index.find(&id);
            assert!(found == memory.find(&id) || known || index.is_broken());
        }
        assert!(index.is_broken());
        for at in [
            whole.len() - 1,
            whole.len() - 20,
            whole.len() - 60,
            whole.len() / 2 * 2 - 500,
        ] {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x40;
            fs::write(&path, &damaged).unwrap();
            assert!(cache.try_load().is_err(), "{at}");
        }
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(cache.try_load().is_err());
        let other = IndexCache::new(folder.path().to_path_buf(), [8; 16]);
        fs::write(&path, &whole).unwrap();
        assert!(other.try_load().is_err() && cache.try_load().is_ok());
        fs::write(folder.path().join(MANIFEST), "../../etc/passwd").unwrap();
        assert_eq!(cache.load().0.chunk_count(), 0);
    }
}
