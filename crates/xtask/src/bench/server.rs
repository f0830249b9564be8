//! `postkeep sim` as a process of its own, so that its cost is not the client's.

use std::ffi::OsStr;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::tool::Tool;

/// Loading thousands of messages may take the simulator a while.
const START: Duration = Duration::from_secs(120);

/// Clock ticks a second in /proc, the same on every Linux since 2.6.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running simulator, ended when dropped.
pub(super) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts a simulator with mail from where the arguments say, on a free port of the loopback
    /// interface, and waits until it answers.
    pub(super) fn start(program: &Path, source: &[&OsStr]) -> Result<Self> {
        let address = free_address()?;
        let mut child = Tool::new(program)
            .arg("sim")
            .args(source)
            .args(["--listen", &address.to_string()])
            .spawn_silent()?;
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Ok(Some(status)) = child.try_wait() {
                return Err(format!("postkeep sim ended: {status}"));
            }
            if start.elapsed() > START {
                child.kill().ok();
                return Err(format!("postkeep sim did not listen within {START:?}"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Server { child, address })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/EWS/Exchange.asmx", self.address)
    }

    /// Processor seconds so far, or nothing where the system does not tell.
    pub(super) fn cpu_seconds(&self) -> Option<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        cpu_seconds(&stat)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing can be done about a server that is gone already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Fields 14 and 15 of proc(5), counted after the name, which may itself hold spaces and brackets.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let user: f64 = fields.get(11)?.parse().ok()?;
    let system: f64 = fields.get(12)?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

/// The port is free when asked for; that somebody else takes it at once is unlikely enough here.
fn free_address() -> Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|error| format!("no free port: {error}"))
}

#[cfg(test)]
mod tests {
    use super::cpu_seconds;

    #[test]
    fn processor_time_is_found_behind_a_strange_name() {
        let stat = "12 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds("12 (a) S 1"), None);
    }
}
