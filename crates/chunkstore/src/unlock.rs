//! Ways to open a repository, and what new keys are made of.

use std::fmt;

use bip39::{Language, Mnemonic};
use zeroize::Zeroizing;

use crate::env::Environment;
use crate::error::{Error, Result};
use crate::escrow::{EscrowPrivateKey, EscrowPublicKey, EscrowShare, MAX_ESCROW_RECIPIENTS};
use crate::key_text::KeyText;
use crate::keyring::{Argon2Params, Passphrase};
use crate::writer_key::{WriterKey, WriterPublicKey};

/// One way to open a repository.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Unlock {
    /// A passphrase.
    Passphrase(Passphrase),
    /// The secret of a key file.
    KeyFile(KeyFile),
    /// The 24 words printed when a recovery phrase was made.
    RecoveryPhrase(RecoveryPhrase),
    /// Private keys of an escrow: one, or as many as it asks for.
    Escrow(Vec<EscrowPrivateKey>),
    /// Shares of an escrowed key, as many as it asks for.
    EscrowShares(Vec<EscrowShare>),
    /// A writer's key: everything can be listed and added to, and no stored content read.
    Writer(WriterKey),
}

impl Unlock {
    /// What it is, for messages.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Passphrase(_) => "the passphrase",
            Self::KeyFile(_) => "the key file",
            Self::RecoveryPhrase(_) => "the recovery phrase",
            Self::Escrow(keys) if keys.len() == 1 => "the escrow's private key",
            Self::Escrow(_) => "the set of private keys",
            Self::EscrowShares(_) => "the set of shares",
            Self::Writer(_) => "the writer's key",
        }
    }
}

impl From<Passphrase> for Unlock {
    fn from(passphrase: Passphrase) -> Self {
        Self::Passphrase(passphrase)
    }
}

impl From<&Passphrase> for Unlock {
    fn from(passphrase: &Passphrase) -> Self {
        Self::Passphrase(passphrase.clone())
    }
}

impl From<&Unlock> for Unlock {
    fn from(unlock: &Unlock) -> Self {
        unlock.clone()
    }
}

/// What a new key slot is to be opened with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NewKey {
    /// A passphrase, and the cost of trying one; `None` takes that of
    /// [`CreateOptions::argon2`](crate::CreateOptions::argon2), or its default.
    Passphrase(Passphrase, Option<Argon2Params>),
    /// The secret of a key file.
    KeyFile(KeyFile),
    /// A recovery phrase.
    RecoveryPhrase(RecoveryPhrase),
    /// `threshold` of the recipients together; 1 lets each of them open it alone.
    Escrow {
        /// 1 to 32 different public keys.
        recipients: Vec<EscrowPublicKey>,
        /// 1 to the number of recipients.
        threshold: u8,
    },
    /// A key that writes and does not read contents, see [`WriterKey`].
    Writer(WriterPublicKey),
}

impl NewKey {
    /// # Errors
    /// `Invalid` for an empty passphrase, parameters out of range, a threshold that cannot be met.
    pub(crate) fn validate(&self) -> Result<()> {
        match self {
            Self::Passphrase(passphrase, argon2) => {
                if passphrase.as_bytes().is_empty() {
                    return Err(Error::invalid("the passphrase is empty"));
                }
                argon2.map_or(Ok(()), |params| params.validate())
            }
            Self::KeyFile(_) | Self::RecoveryPhrase(_) | Self::Writer(_) => Ok(()),
            Self::Escrow {
                recipients,
                threshold,
            } => {
                let mut distinct = recipients.clone();
                distinct.sort_unstable();
                distinct.dedup();
                if distinct.len() != recipients.len() {
                    return Err(Error::invalid("a public key is named twice"));
                }
                if !(1..=MAX_ESCROW_RECIPIENTS).contains(&recipients.len()) {
                    return Err(Error::invalid("an escrow takes 1 to 32 public keys"));
                }
                if !(1..=recipients.len()).contains(&usize::from(*threshold)) {
                    return Err(Error::invalid(format!(
                        "{threshold} of {} public keys cannot be asked for",
                        recipients.len()
                    )));
                }
                Ok(())
            }
        }
    }
}

impl From<Passphrase> for NewKey {
    fn from(passphrase: Passphrase) -> Self {
        Self::Passphrase(passphrase, None)
    }
}

impl From<&Passphrase> for NewKey {
    fn from(passphrase: &Passphrase) -> Self {
        Self::Passphrase(passphrase.clone(), None)
    }
}

/// The secret of a key file: 256 random bits. Wiped when dropped and never shown.
#[derive(Clone)]
pub struct KeyFile(Zeroizing<[u8; 32]>);

impl KeyFile {
    /// Draws a new one.
    pub fn generate(env: &Environment) -> Self {
        Self(Zeroizing::new(env.random_array()))
    }

    /// Reads the content of a key file; lines with `#` in front are passed over.
    ///
    /// # Errors
    /// `Invalid` for anything that [`KeyFile::to_text`] did not write.
    pub fn parse(text: &str) -> Result<Self> {
        KeyText::File.decode(text).map(Self)
    }

    /// The secret as text (`pkfile1…`).
    pub fn to_text(&self) -> Zeroizing<String> {
        KeyText::File.encode(&self.0[..])
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyFile(…)")
    }
}

/// 24 English words (BIP 39) that stand for 256 random bits. Wiped when dropped and never shown.
#[derive(Clone)]
pub struct RecoveryPhrase(Zeroizing<[u8; 32]>);

impl RecoveryPhrase {
    /// Draws a new one.
    pub fn generate(env: &Environment) -> Self {
        Self(Zeroizing::new(env.random_array()))
    }

    /// Reads the words; capitals, line breaks and numbers with a full stop behind them do not matter.
    ///
    /// # Errors
    /// `Invalid`; the message says which word is unknown by its place, not the word.
    pub fn parse(text: &str) -> Result<Self> {
        let words: Vec<Zeroizing<String>> = text
            .split_whitespace()
            .map(|word| word.trim_matches(|c: char| !c.is_alphabetic()))
            .filter(|word| !word.is_empty())
            // One more than there can be is enough to know that there are too many.
            .take(25)
            .map(|word| Zeroizing::new(word.to_lowercase()))
            .collect();
        if words.len() != 24 {
            return Err(Error::invalid("a recovery phrase has 24 words"));
        }
        let joined = words.iter().map(|word| word.as_str());
        let joined = Zeroizing::new(joined.collect::<Vec<_>>().join(" "));
        let phrase =
            Mnemonic::parse_in_normalized(Language::English, &joined).map_err(|error| {
                Error::invalid(match error {
                    bip39::Error::UnknownWord(place) => {
                        format!(
                            "word {} of the recovery phrase is not in the list",
                            place + 1
                        )
                    }
                    _ => "the words do not fit together: one is wrong, or two are exchanged"
                        .to_owned(),
                })
            })?;
        let (entropy, _) = phrase.to_entropy_array();
        let entropy = Zeroizing::new(entropy);
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(&entropy[..32]);
        Ok(Self(bytes))
    }

    /// The words with a space between them.
    pub fn to_words(&self) -> Zeroizing<String> {
        let phrase = Mnemonic::from_entropy_in(Language::English, &self.0[..])
            .expect("32 bytes are 24 words");
        Zeroizing::new(phrase.words().collect::<Vec<_>>().join(" "))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for RecoveryPhrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryPhrase(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_read_as_people_write_it_down() {
        let phrase = RecoveryPhrase(Zeroizing::new([0x5a; 32]));
        let words = phrase.to_words();
        assert_eq!(words.split(' ').count(), 24);
        let numbered: String = words
            .split(' ')
            .enumerate()
            .map(|(n, word)| format!("{}. {}\n", n + 1, word.to_uppercase()))
            .collect();
        let read = RecoveryPhrase::parse(&numbered).unwrap();
        assert_eq!(read.as_bytes(), phrase.as_bytes());
    }

    #[test]
    fn a_wrong_phrase_is_told_by_place_and_never_by_word() {
        let words = RecoveryPhrase(Zeroizing::new([3; 32])).to_words();
        let mut list: Vec<&str> = words.split(' ').collect();
        let check = |list: &[&str], expected: &str| {
            let error = RecoveryPhrase::parse(&list.join(" ")).unwrap_err();
            assert_eq!(error.to_string(), expected);
        };
        check(&list[..23], "a recovery phrase has 24 words");
        let (first, last) = (list[0], list[23]);
        (list[0], list[23]) = (last, first);
        check(
            &list,
            "the words do not fit together: one is wrong, or two are exchanged",
        );
        list[4] = "postkeep";
        check(&list, "word 5 of the recovery phrase is not in the list");
    }
}
