//! How much memory this process holds and has held.
//!
//! Only Linux tells without linking to the system library by hand; elsewhere every function here
//! answers `None`, and a test that bounds memory has nothing to assert.

#[cfg(target_os = "linux")]
mod platform {
    pub(super) fn status_bytes(field: &str) -> Option<u64> {
        parse(&std::fs::read_to_string("/proc/self/status").ok()?, field)
    }

    pub(super) fn reset_peak() -> Option<()> {
        // Writing 5 sets VmHWM to the present VmRSS: proc(5), /proc/pid/clear_refs.
        std::fs::write("/proc/self/clear_refs", "5").ok()
    }

    /// A line is `VmHWM:     1234 kB`; the unit is always kB, meaning 1,024 bytes.
    pub(super) fn parse(status: &str, field: &str) -> Option<u64> {
        let rest = status
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
        let kilobytes: u64 = rest.split_whitespace().next()?.parse().ok()?;
        kilobytes.checked_mul(1024)
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    pub(super) fn status_bytes(_field: &str) -> Option<u64> {
        None
    }

    pub(super) fn reset_peak() -> Option<()> {
        None
    }
}

/// Returns the largest resident set this process ever had, in bytes, or `None` where the system
/// does not say.
///
/// All tests of one binary run in one process under `cargo test`: give a test that bounds memory a
/// binary of its own, or start it with [`reset_peak_rss`] and run it alone.
pub fn peak_rss_bytes() -> Option<u64> {
    platform::status_bytes("VmHWM")
}

/// Returns the present resident set, in bytes, or `None` where the system does not say.
pub fn rss_bytes() -> Option<u64> {
    platform::status_bytes("VmRSS")
}

/// Forgets the peak so far, so that [`peak_rss_bytes`] speaks of what comes now. Returns `None`
/// where that is impossible, and then the peak includes the past.
pub fn reset_peak_rss() -> Option<()> {
    platform::reset_peak()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::platform::parse;

    #[test]
    fn a_status_line_is_read_in_kilobytes() {
        let status = "Name:\tx\nVmPeak:\t  99 kB\nVmHWM:\t     12 kB\nVmHWMx:\t 1 kB\n";
        assert_eq!(parse(status, "VmHWM"), Some(12 * 1024));
        assert_eq!(parse(status, "VmRSS"), None);
        assert_eq!(parse("VmHWM: many kB", "VmHWM"), None);
    }
}
