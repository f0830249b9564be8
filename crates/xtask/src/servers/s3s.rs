//! s3s-fs, an S3 server that is not atomic: it looks whether the name is there and writes later.

use std::fs;
use std::path::Path;

use super::{Offer, Servers, failed, free_port};
use crate::Result;
use crate::tool::Tool;

/// 0.17 needs a later compiler.
const VERSION: &str = "0.14.1";
const KEY: &str = "test";
const SECRET: &str = "s3s secret";

impl Servers {
    /// Refuses a second create in sequence and lets several win at the same moment: the destination
    /// that the probe is for. Unlike moto it looks at signatures.
    pub(super) fn s3s(&mut self, (root, state): (&Path, &Path)) -> Result<Offer> {
        let home = root.join("s3s-fs");
        let program = home
            .join("bin")
            .join(format!("s3s-fs{}", std::env::consts::EXE_SUFFIX));
        if !program.exists() {
            // Unoptimized: what it serves is small, and it is compiled once.
            Tool::cargo()
                .args(["install", "--quiet", "--locked", "--debug"])
                .args(["--version", VERSION, "--features", "binary", "--root"])
                .arg(&home)
                .arg("s3s-fs")
                .run()?;
        }
        let files = state.join("s3s-fs");
        // A bucket is a folder.
        let bucket = files.join("postkeep");
        fs::create_dir_all(&bucket).map_err(|error| failed("create", &bucket, &error))?;
        let port = free_port()?;
        let tool = Tool::new(program)
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--access-key", KEY, "--secret-key", SECRET])
            .arg(&files);
        self.run(tool, port)?;
        Ok(Offer {
            name: "s3s-fs",
            url: format!("s3+http://127.0.0.1:{port}/postkeep/tests"),
            settings: vec![
                ("AWS_ACCESS_KEY_ID", KEY.into()),
                ("AWS_SECRET_ACCESS_KEY", SECRET.into()),
            ],
        })
    }
}
