//! Apache as a WebDAV server, and web servers that show the same files.

use std::fs;
use std::path::Path;

use super::{Offer, Servers, failed, free_port};
use crate::Result;
use crate::judge::system_python;
use crate::tool::Tool;

const USER: &str = "mia";
const PASSWORD: &str = "webdav secret";

impl Servers {
    /// Needs Apache with mod_dav, as Debian packages it. Python's own web server is the other kind:
    /// it knows no ranges.
    pub(super) fn apache(&mut self, state: &Path) -> Result<[Offer; 3]> {
        let home = state.join("apache");
        let documents = home.join("documents");
        fs::create_dir_all(documents.join("dav"))
            .map_err(|error| failed("create", &documents, &error))?;
        // Started as root it becomes another user, who must be able to write.
        Tool::new("chmod")
            .args(["-R", "a+rwX"])
            .arg(&documents)
            .run()?;
        let port = free_port()?;
        let passwords = home.join("passwords");
        // {SHA} is SHA-1 in base64; good enough for one test.
        let line = format!("{USER}:{{SHA}}{}\n", "lX3ZuIYcW421fuaH6vveFmpklR8=");
        fs::write(&passwords, line).map_err(|error| failed("write", &passwords, &error))?;
        let file = home.join("apache.conf");
        let text = configuration(&home, &documents, port);
        fs::write(&file, text).map_err(|error| failed("write", &file, &error))?;
        let program = ["/usr/sbin/apache2", "/usr/sbin/httpd"]
            .into_iter()
            .find(|path| Path::new(path).exists())
            .ok_or("Apache is not installed (Debian: apache2)")?;
        let tool = Tool::new(program).arg("-DFOREGROUND").arg("-f").arg(&file);
        self.run(tool, port)?;
        let python = free_port()?;
        let tool = Tool::new(system_python())
            .args(["-m", "http.server", "--bind", "127.0.0.1", "--directory"])
            .arg(documents.join("dav"))
            .arg(python.to_string());
        self.run(tool, python)?;
        let signed_in = |user, password| vec![(user, USER.into()), (password, PASSWORD.into())];
        Ok([
            Offer {
                name: "apache",
                url: format!("webdav+http://127.0.0.1:{port}/dav/tests"),
                settings: signed_in("WEBDAV_USER", "WEBDAV_PASSWORD"),
            },
            Offer {
                name: "apache-web",
                url: format!("http://127.0.0.1:{port}/web/tests"),
                settings: signed_in("HTTP_USER", "HTTP_PASSWORD"),
            },
            Offer {
                name: "python-web",
                url: format!("http://127.0.0.1:{python}/tests"),
                settings: Vec::new(),
            },
        ])
    }
}

fn configuration(home: &Path, documents: &Path, port: u16) -> String {
    const MODULES: &str = "/usr/lib/apache2/modules";
    let modules = [
        "mpm_event",
        "alias",
        "autoindex",
        "dir",
        "authn_core",
        "authn_file",
        "authz_core",
        "authz_user",
        "auth_basic",
        "dav",
        "dav_fs",
    ];
    let load: String = modules
        .iter()
        .map(|name| format!("LoadModule {name}_module {MODULES}/mod_{name}.so\n"))
        .collect();
    let (home, documents) = (home.display(), documents.display());
    let user = if is_root() {
        "User www-data\nGroup www-data\n"
    } else {
        ""
    };
    format!(
        "{load}{user}ServerName 127.0.0.1\nListen 127.0.0.1:{port}\nServerRoot \"{home}\"\n\
         PidFile \"{home}/pid\"\nErrorLog \"{home}/errors\"\nDocumentRoot \"{documents}\"\n\
         DavLockDB \"{documents}/locks\"\nKeepAlive On\nMaxKeepAliveRequests 0\n\
         <Location /dav>\nDav On\nAuthType Basic\nAuthName dav\n\
         AuthUserFile \"{home}/passwords\"\nRequire valid-user\n</Location>\n\
         Alias /web \"{documents}/dav\"\nAlias /unlisted \"{documents}/dav\"\n\
         IndexOptions FancyIndexing HTMLTable\n\
         <Location /web>\nOptions Indexes\nAuthType Basic\nAuthName web\n\
         AuthUserFile \"{home}/passwords\"\nRequire valid-user\n</Location>\n\
         <Location /unlisted>\nOptions None\n</Location>\n"
    )
}

fn is_root() -> bool {
    Tool::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|text| text.trim() == "0")
}
