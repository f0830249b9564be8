//! Where a repository is, and the settings that services take.

use std::path::Path;

use engine::{Destination, Environment};

use crate::exit::{Failure, Result};
use crate::platform;

/// Variables of the environment that begin like this are settings of services.
const PREFIXES: [&str; 15] = [
    "AWS_",
    "S3_",
    "AZURE_",
    "GOOGLE_",
    "WEBDAV_",
    "HTTP_",
    "SFTP_",
    "FTP_",
    "OS_",
    "ST_",
    "ALIBABA_CLOUD_",
    "OSS_",
    "GDRIVE_",
    "ONEDRIVE_",
    "DROPBOX_",
];
/// A file of settings is a few lines.
const MAX_BYTES: u64 = 64 * 1024;

/// The destination of a URL, with settings from the environment and a file.
pub fn find(url: &str, file: Option<&Path>, environment: &Environment) -> Result<Destination> {
    let destination = Destination::new(url)?
        .with_settings(from_environment())
        .with_clock(environment);
    match file {
        Some(file) => Ok(destination.with_settings(from_file(file)?)),
        None => Ok(destination),
    }
}

/// Settings of services, as the environment has them.
pub fn from_environment() -> Vec<(String, String)> {
    let known = platform::home_dir().map(|home| home.join(".ssh").join("known_hosts"));
    let known = known.filter(|file| file.is_file());
    let known = known.and_then(|file| file.to_str().map(str::to_owned));
    let mut settings: Vec<_> = known
        .map(|file| ("SFTP_KNOWN_HOSTS".to_owned(), file))
        .into_iter()
        .collect();
    settings.extend(std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        let is_ours = PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        is_ours.then_some((name, value.into_string().ok()?))
    }));
    settings
}

/// Lines of `NAME = VALUE`; a message names the line and never what stands there.
fn from_file(file: &Path) -> Result<Vec<(String, String)>> {
    let what = format!("read the destination's settings from {}", file.display());
    let failed = |error: std::io::Error| Failure::io(&what, &error);
    if std::fs::metadata(file).map_err(failed)?.len() > MAX_BYTES {
        return Err(Failure::usage(format!("{what}: the file is too large")));
    }
    let text = std::fs::read_to_string(file).map_err(failed)?;
    let mut settings = Vec::new();
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').ok_or_else(|| {
            Failure::usage(format!("{what}: line {} is not NAME = VALUE", number + 1))
        })?;
        settings.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    Ok(settings)
}
