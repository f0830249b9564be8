//! pyftpdlib as an FTP server, with TLS and without.

use std::fs;
use std::path::Path;

use super::{Offer, Servers, failed, free_port, python_with};
use crate::Result;
use crate::tool::Tool;

const PYFTPDLIB: &str = "pyftpdlib[ssl]==2.2.0";
const USER: &str = "mia";
const PASSWORD: &str = "ftp secret";

impl Servers {
    pub(super) fn ftp(&mut self, (root, state): (&Path, &Path), scripts: &Path) -> Result<Offer> {
        self.pyftpdlib((root, state), scripts, None)
    }

    /// The certificate is nobody's but its own: tests name it as the one to believe.
    pub(super) fn ftps(&mut self, (root, state): (&Path, &Path), scripts: &Path) -> Result<Offer> {
        let pem = state.join("ftps.pem");
        Tool::new("openssl")
            .args(["req", "-x509", "-nodes", "-days", "30", "-newkey"])
            .args(["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-subj", "/CN=localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"])
            .arg("-keyout")
            .arg(&pem)
            .arg("-out")
            .arg(state.join("ftps.crt"))
            .capture()
            .and_then(|output| match output.status.success() {
                true => Ok(()),
                false => Err("openssl makes no certificate".to_owned()),
            })?;
        // One file with the key and the certificate, as the server wants it.
        let certificate = state.join("ftps.crt");
        let read =
            |path: &Path| fs::read_to_string(path).map_err(|error| failed("read", path, &error));
        let both = format!("{}{}", read(&pem)?, read(&certificate)?);
        fs::write(&pem, both).map_err(|error| failed("write", &pem, &error))?;
        let mut offer = self.pyftpdlib((root, state), scripts, Some(&pem))?;
        let certificate = certificate.display().to_string();
        offer.settings.push(("FTP_CA_FILE", certificate));
        Ok(offer)
    }

    fn pyftpdlib(
        &mut self,
        (root, state): (&Path, &Path),
        scripts: &Path,
        certificate: Option<&Path>,
    ) -> Result<Offer> {
        let (name, scheme) = match certificate {
            Some(_) => ("ftps", "ftps"),
            None => ("ftp", "ftp"),
        };
        let python = python_with(root, "pyftpdlib", PYFTPDLIB)?;
        let files = state.join(name);
        fs::create_dir_all(&files).map_err(|error| failed("create", &files, &error))?;
        let port = free_port()?;
        let mut tool = Tool::new(python)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .arg(scripts.join("ftp_server.py"))
            .args(["--port", &port.to_string(), "--user", USER])
            .args(["--password", PASSWORD, "--folder"])
            .arg(&files);
        if let Some(certificate) = certificate {
            tool = tool.arg("--certificate").arg(certificate);
        }
        self.run(tool, port)?;
        Ok(Offer {
            name,
            url: format!("{scheme}://{USER}@127.0.0.1:{port}/tests"),
            settings: vec![("FTP_PASSWORD", PASSWORD.into())],
        })
    }
}
