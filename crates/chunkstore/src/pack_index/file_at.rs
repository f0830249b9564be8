//! Reading from a place in a file: what differs between operating systems.

use std::fs::File;
use std::io;

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
