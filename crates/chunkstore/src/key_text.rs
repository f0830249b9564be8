//! Keys as text: Bech32m (BIP 350) with a prefix for each kind, so that a key of the wrong kind,
//! or one with a wrong character, is told apart from one that does not fit.

use bech32::{Bech32m, Hrp};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// The longest text looked at: the longest key has 130 characters, and comments may stand around it.
const MAX_TEXT_BYTES: usize = 16 << 10;

/// What a key in text form is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyText {
    /// The secret of a key file, 32 bytes.
    File,
    /// An escrow's public key, 32 bytes.
    EscrowPublic,
    /// An escrow's private key, 32 bytes.
    EscrowPrivate,
    /// One share of an escrowed key: slot 16, number 1, share 32.
    EscrowShare,
    /// A writer's private key, 32 bytes.
    Writer,
}

impl KeyText {
    const ALL: [Self; 5] = [
        Self::File,
        Self::EscrowPublic,
        Self::EscrowPrivate,
        Self::EscrowShare,
        Self::Writer,
    ];

    fn prefix(self) -> &'static str {
        match self {
            Self::File => "pkfile",
            Self::EscrowPublic => "pkescrow",
            Self::EscrowPrivate => "pkescrowprivate",
            Self::EscrowShare => "pkshare",
            Self::Writer => "pkwriter",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::File => "the secret of a key file",
            Self::EscrowPublic => "an escrow's public key",
            Self::EscrowPrivate => "an escrow's private key",
            Self::EscrowShare => "a share of an escrowed key",
            Self::Writer => "a writer's key",
        }
    }

    /// Spells bytes.
    pub(crate) fn encode(self, bytes: &[u8]) -> Zeroizing<String> {
        let prefix = Hrp::parse(self.prefix()).expect("the prefixes are lower-case letters");
        // Bech32m refuses only texts above 1,023 characters.
        let text = bech32::encode::<Bech32m>(prefix, bytes).expect("keys are short");
        Zeroizing::new(text)
    }

    /// Whether the first line that is neither empty nor a comment begins as this kind does.
    pub(crate) fn is_meant(self, text: &str) -> bool {
        let line = first_line(text).unwrap_or_default().to_lowercase();
        let prefix = line.rsplit_once('1').map(|(prefix, _)| prefix);
        prefix == Some(self.prefix())
    }

    /// Reads the first line that is neither empty nor a comment (`#`).
    ///
    /// # Errors
    /// `Invalid`; the message never repeats the text, which may be a secret.
    pub(crate) fn decode<const N: usize>(self, text: &str) -> Result<Zeroizing<[u8; N]>> {
        let wrong = |what: &str| Error::invalid(format!("this is not {}: {what}", self.name()));
        if text.len() > MAX_TEXT_BYTES {
            return Err(wrong("it is too long"));
        }
        let line = first_line(text).ok_or_else(|| wrong("it is empty"))?;
        let parsed = bech32::primitives::decode::CheckedHrpstring::new::<Bech32m>(line)
            .map_err(|_| wrong("a character of it is wrong or missing"))?;
        let prefix = parsed.hrp().to_lowercase();
        if prefix != self.prefix() {
            let other = Self::ALL.iter().find(|kind| kind.prefix() == prefix);
            return Err(match other {
                Some(other) => wrong(&format!("it is {}", other.name())),
                None => wrong("it begins with another word"),
            });
        }
        let mut bytes = Zeroizing::new([0; N]);
        let mut length = 0;
        for byte in parsed.byte_iter() {
            *bytes
                .get_mut(length)
                .ok_or_else(|| wrong("it is too long"))? = byte;
            length += 1;
        }
        if length != N {
            return Err(wrong("it is too short"));
        }
        Ok(bytes)
    }
}

fn first_line(text: &str) -> Option<&str> {
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    let mut lines = lines.filter(|line| !line.starts_with('#'));
    lines.find(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_and_a_wrong_one_is_told_in_words() {
        let text = KeyText::File.encode(&[7; 32]);
        let file = format!("# a comment\n\n  {}  \r\n", *text);
        assert_eq!(*KeyText::File.decode::<32>(&file).unwrap(), [7; 32]);
        assert_eq!(
            *KeyText::File.decode::<32>(&text.to_uppercase()).unwrap(),
            [7; 32]
        );
        let error = KeyText::EscrowPublic.decode::<32>(&text).unwrap_err();
        assert_eq!(
            error.to_string(),
            "this is not an escrow's public key: it is the secret of a key file"
        );
        let swapped = text.replacen('q', "p", 1);
        for bad in [&swapped[..], &text[..20], "", "# nothing\n", "hello"] {
            let error = KeyText::File.decode::<32>(bad).unwrap_err();
            assert!(!error.to_string().contains("pkfile"), "{error}");
        }
        assert!(KeyText::File.decode::<31>(&text).is_err());
        assert!(KeyText::File.decode::<33>(&text).is_err());
    }
}
