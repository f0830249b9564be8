//! Where a restored item came from: the value of the named property that every one of them gets.
//!
//! Hexadecimal digits of a fixed length: 24 say which item of which mailbox of which repository, 16
//! which version of it, 24 which run of a restore put it there.

use mailindex::ItemKey;

use crate::error::{Error, ErrorKind, Result};

/// Digits that say which item it is.
const WHICH: usize = 24;
/// Digits that say which item, and which version of it.
const VERSION: usize = 40;
/// All digits.
const DIGITS: usize = 64;

/// Where a restored item came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin(String);

impl Origin {
    /// The origin of a version of a stored item, named by its content's hash, put into a mailbox by
    /// a run.
    pub(crate) fn new(
        repository: &[u8; 16],
        mailbox: &str,
        key: &ItemKey,
        hash: &[u8; 16],
        run: &RunId,
    ) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("postkeep restore origin 1");
        hasher.update(repository);
        hasher.update(mailbox.as_bytes());
        hasher.update(&key.folder.0);
        hasher.update(&key.item);
        let which = hasher.finalize().to_hex();
        hasher.update(hash);
        let version = hasher.finalize().to_hex();
        let (which, version) = (&which[..WHICH], &version[..VERSION - WHICH]);
        Self(format!("{which}{version}{run}"))
    }

    /// Reads the value of the property; `None` for what this program did not write.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        digits.then(|| Self(text.to_owned()))
    }

    /// All of it, as the property holds it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Which item it is, whatever version of it.
    pub(crate) fn which(&self) -> &str {
        &self.0[..WHICH]
    }

    /// Which item and which version of it, whoever restored it.
    pub(crate) fn version(&self) -> &str {
        &self.0[..VERSION]
    }

    /// Whether this run put it there.
    pub(crate) fn is_of(&self, run: &RunId) -> bool {
        self.0[VERSION..] == run.0
    }
}

/// The id of a run of a restore: 24 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct RunId(String);

impl RunId {
    pub(crate) fn new(random: [u8; 12]) -> Self {
        let digits: Vec<String> = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Self(digits.concat())
    }

    /// The run that takes this one back.
    pub(crate) fn undoing(&self) -> Self {
        let hash = blake3::derive_key("postkeep restore undo 1", self.0.as_bytes());
        let mut random = [0; 12];
        random.copy_from_slice(&hash[..12]);
        Self::new(random)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads an id.
    ///
    /// # Errors
    /// `Invalid` for what is none.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let id = Self(text.to_owned());
        match id.is_valid() {
            true => Ok(id),
            false => Err(Error::new(
                ErrorKind::Invalid,
                "a restore's id has 24 digits",
            )),
        }
    }

    /// Whether it is one: 24 digits.
    pub(crate) fn is_valid(&self) -> bool {
        self.0.len() == DIGITS - VERSION && self.0.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{folder_key, item_key};

    fn origin(item: &str, hash: u8, run: u8) -> Origin {
        let key = item_key(folder_key("f"), item);
        Origin::new(
            &[7; 16],
            "alice@x",
            &key,
            &[hash; 16],
            &RunId::new([run; 12]),
        )
    }

    #[test]
    fn an_origin_tells_items_versions_and_runs_apart() {
        let one = origin("a", 1, 1);
        assert_eq!(Origin::parse(one.as_str()), Some(one.clone()));
        assert_eq!(one.version(), origin("a", 1, 2).version());
        assert_eq!(one.which(), origin("a", 2, 1).which());
        assert_ne!(one.version(), origin("a", 2, 1).version());
        assert_ne!(one.which(), origin("b", 1, 1).which());
        assert!(one.is_of(&RunId::new([1; 12])) && !one.is_of(&RunId::new([2; 12])));
        for text in ["", "0011", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(Origin::parse(text), None);
        }
    }

    #[test]
    fn the_run_that_undoes_another_is_always_the_same() {
        let run = RunId::new([3; 12]);
        assert_eq!(run.undoing(), run.undoing());
        assert_ne!(run.undoing(), run);
        assert!(run.is_valid() && run.undoing().is_valid());
    }
}
