//! OpenStack Swift.

use std::fs;
use std::path::Path;

use super::{Offer, Servers, failed, free_port, python_with};
use crate::Result;
use crate::tool::Tool;

const SWIFT: &str = "swift==2.38.3";

impl Servers {
    /// Four servers in one script. Needs a file system with extended attributes.
    pub(super) fn swift(&mut self, (root, state): (&Path, &Path), scripts: &Path) -> Result<Offer> {
        let python = python_with(root, "swift", SWIFT)?;
        let home = state.join("swift");
        fs::create_dir_all(&home).map_err(|error| failed("create", &home, &error))?;
        let port = free_port()?;
        let tool = Tool::new(python)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .arg(scripts.join("swift_server.py"))
            .args(["--port", &port.to_string(), "--home"])
            .arg(&home);
        self.run(tool, port)?;
        Ok(Offer {
            name: "swift",
            url: "swift://postkeep/tests".to_owned(),
            settings: vec![
                ("ST_AUTH", format!("http://127.0.0.1:{port}/auth/v1.0")),
                ("ST_USER", "test:tester".into()),
                ("ST_KEY", "testing".into()),
            ],
        })
    }
}
