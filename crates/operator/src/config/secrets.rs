//! Where the secrets of a configuration are: the same four settings for each, under its name.

use std::path::{Path, PathBuf};

use super::inspect::Places;
use super::mistake::Mistake;
use crate::secret::SecretSource;

/// Where a secret is; at most one of these in a configuration that is right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretConfig {
    /// File that holds it.
    pub file: Option<PathBuf>,
    /// Environment variable that holds it.
    pub env: Option<String>,
    /// Command that prints it.
    pub command: Option<Vec<String>>,
    /// Its name in the system's keyring.
    pub keyring: Option<String>,
}

impl SecretConfig {
    /// Where the secret comes from, if the file says.
    pub fn source(&self) -> Option<SecretSource> {
        let file = self.file.clone().map(SecretSource::File);
        let env = || self.env.clone().map(SecretSource::Env);
        let command = || self.command.clone().map(SecretSource::Command);
        let keyring = || self.keyring.clone().map(SecretSource::Keyring);
        file.or_else(env).or_else(command).or_else(keyring)
    }

    /// Takes the file's path as relative to a folder.
    pub(super) fn rebase(&mut self, base: &Path) {
        if let Some(file) = &mut self.file {
            *file = base.join(&*file);
        }
    }

    /// Whether the configuration says where it is.
    pub(super) fn is_named(&self) -> bool {
        self.source().is_some()
    }

    /// Finds the mistake of naming several places. `what` is the secret's name, the settings'
    /// beginning.
    pub(super) fn check(
        &self,
        places: &Places<'_>,
        path: &str,
        what: &str,
        found: &mut Vec<Mistake>,
    ) {
        let named = [
            ("keyring", self.keyring.is_some()),
            ("command", self.command.is_some()),
            ("env", self.env.is_some()),
            ("file", self.file.is_some()),
        ];
        let mut named = named.iter().filter(|(_, is_named)| *is_named);
        if let (Some((last, _)), Some(_)) = (named.next(), named.next()) {
            let message = format!("the {what} comes from more than one place");
            let mistake = places.mistake(&format!("{path}.{what}_{last}"), message);
            let all = one_of(what);
            found.push(mistake.suggest(Some(format!("only one of {all}"))));
        }
    }
}

/// The settings that say where a secret is, in words.
pub(super) fn one_of(what: &str) -> String {
    format!("{what}_file, {what}_env, {what}_command and {what}_keyring")
}

/// The four settings under the name of a secret, as a table holds them.
macro_rules! settings {
    ($name:ident, $file:literal, $env:literal, $command:literal, $keyring:literal) => {
        pub(super) mod $name {
            use std::path::PathBuf;

            use serde::{Deserialize, Deserializer, Serialize, Serializer};

            use super::SecretConfig;

            #[derive(Default, Serialize, Deserialize)]
            #[serde(default)]
            struct Settings {
                #[serde(rename = $file)]
                file: Option<PathBuf>,
                #[serde(rename = $env)]
                env: Option<String>,
                #[serde(rename = $command)]
                command: Option<Vec<String>>,
                #[serde(rename = $keyring)]
                keyring: Option<String>,
            }

            pub(in super::super) fn serialize<S: Serializer>(
                secret: &SecretConfig,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                let SecretConfig {
                    file,
                    env,
                    command,
                    keyring,
                } = secret.clone();
                let settings = Settings {
                    file,
                    env,
                    command,
                    keyring,
                };
                settings.serialize(serializer)
            }

            pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
                deserializer: D,
            ) -> Result<SecretConfig, D::Error> {
                let settings = Settings::deserialize(deserializer)?;
                Ok(SecretConfig {
                    file: settings.file,
                    env: settings.env,
                    command: settings.command,
                    keyring: settings.keyring,
                })
            }
        }
    };
}

settings!(
    passphrase,
    "passphrase_file",
    "passphrase_env",
    "passphrase_command",
    "passphrase_keyring"
);
settings!(
    password,
    "password_file",
    "password_env",
    "password_command",
    "password_keyring"
);
settings!(
    token,
    "token_file",
    "token_env",
    "token_command",
    "token_keyring"
);
