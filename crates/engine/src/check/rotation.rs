//! Reading a part of the repository at each check, so that all of it is read again and again.
//!
//! When which part was read is remembered in the cache folder: it says nothing about the
//! repository that another machine would have to know.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chunkstore::CheckPart;
use serde::{Deserialize, Serialize};

use super::ReadData;
use crate::blocking::in_background;
use crate::error::{Doing, Result};
use crate::vault::Vault;

const FILE: &str = "check-rotation.json";
/// A file of this kind is a few kilobytes.
const MAX_BYTES: u64 = 1 << 20;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The part of a repository that a check read.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct PartRead {
    /// Which, from 1.
    pub number: u32,
    /// Of how many.
    pub of: u32,
    /// How many of the parts this machine has read so far, this one included; with rotation only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts_read: Option<u32>,
    /// Since when every part was read at least once, in milliseconds since 1970-01-01T00:00:00Z;
    /// absent while some never was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_since_unix_ms: Option<i64>,
}

/// When each part was read last.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
struct Rotation {
    of: u32,
    read_unix_ms: BTreeMap<u32, i64>,
}

impl Rotation {
    /// The first part that was never read, otherwise the one for which it is longest ago. Where
    /// nothing is remembered the day decides, so that a machine that forgets reads on as well.
    fn next(&self, of: u32, now_unix_ms: i64) -> u32 {
        if self.of != of || self.read_unix_ms.is_empty() {
            let days = now_unix_ms.div_euclid(DAY_MS).rem_euclid(i64::from(of));
            return u32::try_from(days).unwrap_or(0) + 1;
        }
        let last_read = |part: &u32| self.read_unix_ms.get(part).copied().unwrap_or(i64::MIN);
        (1..=of).min_by_key(last_read).unwrap_or(1)
    }

    fn note(&mut self, part: CheckPart, now_unix_ms: i64) {
        if self.of != part.of() {
            *self = Self {
                of: part.of(),
                read_unix_ms: BTreeMap::new(),
            };
        }
        self.read_unix_ms.insert(part.number(), now_unix_ms);
    }

    fn shown(&self, part: CheckPart) -> PartRead {
        let read = self.read_unix_ms.len();
        let all = read == part.of() as usize;
        let earliest = self.read_unix_ms.values().min().copied();
        PartRead {
            number: part.number(),
            of: part.of(),
            parts_read: u32::try_from(read).ok(),
            all_since_unix_ms: earliest.filter(|_| all),
        }
    }
}

impl Vault {
    /// Which part a check reads; `None` for everything or nothing.
    pub(super) async fn part_to_read(&self, read: ReadData) -> Result<Option<CheckPart>> {
        let (number, of) = match read {
            ReadData::None | ReadData::All => return Ok(None),
            ReadData::Part(part) => return Ok(Some(part)),
            ReadData::Rotate(of) => {
                // Refused before the arithmetic.
                CheckPart::new(1, of).doing(|| "check a part of the repository".into())?;
                (self.rotation().await?.next(of, self.now_unix_ms()), of)
            }
        };
        let part = CheckPart::new(number, of);
        part.doing(|| "check a part of the repository".into())
            .map(Some)
    }

    /// Remembers what was read.
    pub(super) async fn note_read(
        &self,
        read: ReadData,
        part: Option<CheckPart>,
    ) -> Result<Option<PartRead>> {
        let Some(part) = part else { return Ok(None) };
        if !matches!(read, ReadData::Rotate(_)) {
            return Ok(Some(PartRead {
                number: part.number(),
                of: part.of(),
                ..PartRead::default()
            }));
        }
        let mut rotation = self.rotation().await?;
        rotation.note(part, self.now_unix_ms());
        let shown = rotation.shown(part);
        let path = self.rotation_path();
        in_background(move || write(&path, &rotation)).await?;
        Ok(Some(shown))
    }

    async fn rotation(&self) -> Result<Rotation> {
        let path = self.rotation_path();
        in_background(move || Ok(read(&path).unwrap_or_default())).await
    }

    fn rotation_path(&self) -> PathBuf {
        self.cache.join(self.id()).join(FILE)
    }
}

/// What is remembered; a file that is gone or damaged is as good as none.
fn read(path: &Path) -> Option<Rotation> {
    if std::fs::metadata(path).ok()?.len() > MAX_BYTES {
        return None;
    }
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Replaces the file as a whole.
fn write(path: &Path, rotation: &Rotation) -> Result<()> {
    let what = || format!("remember in {} what was read", path.display());
    let text = serde_json::to_vec(rotation)
        .map_err(std::io::Error::other)
        .doing(what)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).doing(what)?;
    }
    let new = path.with_extension("new");
    std::fs::write(&new, text).doing(what)?;
    std::fs::rename(&new, path).doing(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_take_turns_and_the_day_decides_where_nothing_is_remembered() {
        let mut rotation = Rotation::default();
        let now = 20_000 * DAY_MS;
        assert_eq!(rotation.next(3, now), 20_000 % 3 + 1);
        // A day later, 20,001, which three divides.
        assert_eq!(rotation.next(3, now + DAY_MS), 1);
        let mut order = Vec::new();
        for step in 0..7 {
            let number = rotation.next(3, now);
            let part = CheckPart::new(number, 3).unwrap();
            rotation.note(part, now + step);
            order.push((number, rotation.shown(part).all_since_unix_ms));
        }
        let numbers: Vec<u32> = order.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [3, 1, 2, 3, 1, 2, 3]);
        let since: Vec<_> = order
            .iter()
            .map(|(_, since)| since.map(|t| t - now))
            .collect();
        let expected = [None, None, Some(0), Some(1), Some(2), Some(3), Some(4)];
        assert_eq!(since, expected);
        // Other parts are other packs.
        rotation.note(CheckPart::new(4, 5).unwrap(), now);
        assert_eq!((rotation.of, rotation.read_unix_ms.len()), (5, 1));
    }
}
