//! moto as S3.

use std::path::Path;

use super::{Offer, Servers, free_port, http_put, python_with};
use crate::Result;
use crate::tool::Tool;

const MOTO: &str = "moto[server]==5.2.5";

impl Servers {
    /// A bucket without locks, and `postkeep-locked` with them.
    pub(super) fn moto(&mut self, root: &Path) -> Result<Offer> {
        let python = python_with(root, "moto", MOTO)?;
        let port = free_port()?;
        let program = python.with_file_name("moto_server");
        let address = ["-H", "127.0.0.1", "-p", &port.to_string()];
        self.run(Tool::new(program).args(address), port)?;
        let host = format!("127.0.0.1:{port}");
        // A bucket is made by a put to its name.
        http_put(&host, "/postkeep", "")?;
        let with_lock = "x-amz-bucket-object-lock-enabled: true\r\n";
        http_put(&host, "/postkeep-locked", with_lock)?;
        Ok(Offer {
            name: "moto",
            url: format!("s3+http://{host}/postkeep/tests"),
            settings: vec![
                ("AWS_ACCESS_KEY_ID", "test".into()),
                ("AWS_SECRET_ACCESS_KEY", "test".into()),
            ],
        })
    }
}
