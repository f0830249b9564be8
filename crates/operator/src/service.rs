//! systemd units: a daemon, or a timer that starts one as long as something is due.

use crate::config::Config;

/// What units are made from.
#[derive(Clone, Debug)]
pub struct ServiceOptions {
    /// The program's path.
    pub program: String,
    /// The configuration's path.
    pub config_file: String,
    /// The user that runs it.
    pub user: String,
    /// Folders that it must be able to write to, such as repositories.
    pub writable: Vec<String>,
}

/// A unit file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitFile {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// The units for a configuration: one service that runs the daemon, or with `timer` a service
/// that does what is due, and a timer that starts it every two minutes. Both follow the schedules
/// of the configuration: a copy of them in a unit would be forgotten when they change.
pub fn unit_files(options: &ServiceOptions, timer: bool) -> Vec<UnitFile> {
    let ServiceOptions {
        program,
        config_file,
        ..
    } = options;
    if !timer {
        let exec = format!(
            "{} daemon --config {}",
            escape(program),
            escape(config_file)
        );
        return vec![UnitFile {
            name: "postkeep.service".to_owned(),
            text: service(options, "simple", &exec),
        }];
    }
    let exec = format!(
        "{} daemon --once --config {}",
        escape(program),
        escape(config_file)
    );
    let timer = "[Unit]\nDescription=Postkeep does what is due\n\n[Timer]\nOnCalendar=*:0/2\n\
                 AccuracySec=15s\n\n[Install]\nWantedBy=timers.target\n";
    vec![
        UnitFile {
            name: "postkeep-due.service".to_owned(),
            text: service(options, "oneshot", &exec),
        },
        UnitFile {
            name: "postkeep-due.timer".to_owned(),
            text: timer.to_owned(),
        },
    ]
}

fn service(options: &ServiceOptions, kind: &str, exec: &str) -> String {
    let writable: Vec<_> = options.writable.iter().map(|path| escape(path)).collect();
    let writable = match writable.is_empty() {
        true => String::new(),
        false => format!("ReadWritePaths={}\n", writable.join(" ")),
    };
    let after = match kind {
        "simple" => {
            // A stop commits what was read, which takes as long as the request under way.
            "Restart=on-failure\nRestartSec=60\nTimeoutStopSec=10min\n"
        }
        // 3: finished, with something missing, which the report tells.
        _ => "SuccessExitStatus=3\nTimeoutStopSec=10min\n",
    };
    let install = match kind {
        "simple" => "\n[Install]\nWantedBy=multi-user.target\n",
        _ => "",
    };
    format!(
        "[Unit]\nDescription=Postkeep backs up mailboxes\nDocumentation=man:postkeep(1)\n\
         Wants=network-online.target\nAfter=network-online.target\n\n[Service]\nType={kind}\n\
         User={}\nExecStart={exec}\nStateDirectory=postkeep\nCacheDirectory=postkeep\n\
         Environment=XDG_CACHE_HOME=/var/cache POSTKEEP_STATE_DIR=/var/lib/postkeep\n\
         {writable}{after}KillMode=mixed\nUMask=0077\nNoNewPrivileges=yes\nProtectSystem=strict\n\
         ProtectHome=read-only\nPrivateTmp=yes\nPrivateDevices=yes\nProtectKernelTunables=yes\n\
         ProtectControlGroups=yes\nRestrictSUIDSGID=yes\nLockPersonality=yes\n{install}",
        options.user
    )
}

/// A word of a command line as systemd reads it.
fn escape(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@".contains(c);
    let doubled = word.replace('%', "%%");
    match word.chars().all(plain) {
        true => word.to_owned(),
        false => format!(
            "\"{}\"",
            doubled
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('$', "$$")
        ),
    }
}

/// The local folders of a configuration to which a service must be able to write.
pub(crate) fn local_folders(config: &Config) -> Vec<String> {
    let folder = |url: &str| match url.strip_prefix("file://") {
        Some(path) => Some(path.to_owned()),
        None if url.contains("://") => None,
        None => Some(url.to_owned()),
    };
    let urls = config.destinations.values().map(|d| d.url.as_str());
    urls.filter_map(folder).collect()
}

impl ServiceOptions {
    /// The options for a configuration.
    pub fn new(config: &Config, program: &str, config_file: &str, user: &str) -> Self {
        let mut writable = local_folders(config);
        let extra = [&config.state_dir, &config.cache_dir];
        let extra = extra.into_iter().flatten();
        writable.extend(extra.map(|path| path.to_string_lossy().into_owned()));
        Self {
            program: program.to_owned(),
            config_file: config_file.to_owned(),
            user: user.to_owned(),
            writable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packaged_unit_is_the_one_that_would_be_installed() {
        let options = ServiceOptions {
            program: "/usr/bin/postkeep".to_owned(),
            config_file: "/etc/postkeep/postkeep.toml".to_owned(),
            user: "postkeep".to_owned(),
            writable: Vec::new(),
        };
        let made = unit_files(&options, false).remove(0).text;
        let packaged = include_str!("../../../packaging/postkeep.service");
        assert_eq!(
            packaged, made,
            "packaging/postkeep.service should be:\n{made}"
        );
    }

    #[test]
    fn words_of_a_unit_are_escaped() {
        assert_eq!(escape("/usr/bin/postkeep"), "/usr/bin/postkeep");
        assert_eq!(escape("/a b/100%$x"), "\"/a b/100%%$$x\"");
    }
}
