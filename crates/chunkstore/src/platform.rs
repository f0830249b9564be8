//! What differs between operating systems.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Fills `bytes` from `offset` of a file.
#[cfg(unix)]
pub(crate) fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

/// Fills `bytes` from `offset` of a file.
#[cfg(windows)]
pub(crate) fn read_exact_at(file: &File, bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    let mut rest = bytes;
    while !rest.is_empty() {
        let read = file.seek_read(rest, offset)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        offset += read as u64;
        rest = rest.get_mut(read..).unwrap_or_default();
    }
    Ok(())
}

/// Has files opened past the system's cache. What is written to them must be aligned: its address,
/// its place in the file and its length.
#[cfg(target_os = "linux")]
pub(crate) fn past_the_cache(options: &mut OpenOptions) -> io::Result<&mut OpenOptions> {
    use std::os::unix::fs::OpenOptionsExt;
    Ok(options.custom_flags(libc::O_DIRECT))
}

/// Has files opened past the system's cache. What is written to them must be aligned: its address,
/// its place in the file and its length.
#[cfg(windows)]
pub(crate) fn past_the_cache(options: &mut OpenOptions) -> io::Result<&mut OpenOptions> {
    use std::os::windows::fs::OpenOptionsExt;
    const FILE_FLAG_NO_BUFFERING: u32 = 0x2000_0000;
    Ok(options.custom_flags(FILE_FLAG_NO_BUFFERING))
}

/// Other systems have no flag for it.
#[cfg(not(any(target_os = "linux", windows)))]
pub(crate) fn past_the_cache(_: &mut OpenOptions) -> io::Result<&mut OpenOptions> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Makes the names in a folder last.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Windows writes names down by itself.
#[cfg(windows)]
pub(crate) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
