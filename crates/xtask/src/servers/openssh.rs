//! OpenSSH as an SFTP server.

use std::fs;
use std::path::Path;

use super::{Offer, Servers, failed, free_port};
use crate::Result;
use crate::tool::Tool;

impl Servers {
    /// Needs sshd and ssh-keygen; serves the user who runs this.
    pub(super) fn openssh(&mut self, state: &Path) -> Result<Offer> {
        let home = state.join("openssh");
        let files = home.join("files");
        fs::create_dir_all(&files).map_err(|error| failed("create", &files, &error))?;
        let (host_key, user_key) = (home.join("host"), home.join("user"));
        for key in [&host_key, &user_key] {
            Tool::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"])
                .arg(key)
                .run()?;
        }
        let program = ["/usr/sbin/sshd", "/usr/bin/sshd"]
            .into_iter()
            .find(|path| Path::new(path).exists())
            .ok_or("sshd is not installed (Debian: openssh-server)")?;
        let user = Tool::new("id").arg("-un").output()?.trim().to_owned();
        if user == "root" {
            // Where sshd started as root shuts its unprivileged half in.
            fs::create_dir_all("/run/sshd")
                .map_err(|error| failed("create", Path::new("/run/sshd"), &error))?;
        }
        let port = free_port()?;
        let file = home.join("sshd_config");
        let text = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}.pub\n\
             PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
             PermitRootLogin yes\nMaxStartups 100\nMaxSessions 100\n\
             Subsystem sftp internal-sftp\n",
            host_key.display(),
            user_key.display()
        );
        fs::write(&file, text).map_err(|error| failed("write", &file, &error))?;
        let tool = Tool::new(program).args(["-D", "-f"]).arg(&file);
        self.run(tool, port)?;
        let public = home.join("host.pub");
        let public =
            fs::read_to_string(&public).map_err(|error| failed("read", &public, &error))?;
        let known = home.join("known_hosts");
        fs::write(&known, format!("[127.0.0.1]:{port} {public}"))
            .map_err(|error| failed("write", &known, &error))?;
        Ok(Offer {
            name: "openssh",
            url: format!("sftp://{user}@127.0.0.1:{port}{}/tests", files.display()),
            settings: vec![
                ("SFTP_IDENTITY_FILE", user_key.display().to_string()),
                ("SFTP_KNOWN_HOSTS", known.display().to_string()),
            ],
        })
    }
}
