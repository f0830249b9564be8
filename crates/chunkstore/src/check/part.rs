//! Reading a repository bit by bit.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::layout::PackName;

/// Most parts that a repository is read in.
const MAX_PARTS: u32 = 1000;

/// One of several parts of a repository, such as the third of ten.
///
/// A pack's name says to which part it belongs. Names are hashes, so the parts are about equally
/// large; a pack never changes its part, and all parts together are everything, whatever is added
/// meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckPart {
    number: u32,
    of: u32,
}

impl CheckPart {
    /// Part `number`, from 1, of so many.
    ///
    /// # Errors
    /// `Invalid` unless it is 1 to `of`, and `of` is 1 to 1,000.
    pub fn new(number: u32, of: u32) -> Result<Self> {
        if !(1..=MAX_PARTS).contains(&of) || !(1..=of).contains(&number) {
            return Err(Error::invalid(format!(
                "a part is 1/N to N/N, with N at most {MAX_PARTS}"
            )));
        }
        Ok(Self { number, of })
    }

    /// Which part, from 1.
    pub fn number(self) -> u32 {
        self.number
    }

    /// How many parts there are.
    pub fn of(self) -> u32 {
        self.of
    }

    pub(crate) fn holds(self, pack: &PackName) -> bool {
        let [a, b, c, d, ..] = pack.0;
        let place = u64::from(u32::from_be_bytes([a, b, c, d]));
        (place * u64::from(self.of)) >> 32 == u64::from(self.number - 1)
    }
}

impl fmt::Display for CheckPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for CheckPart {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers = text.trim().split_once('/').and_then(|(number, of)| {
            let number = number.trim().parse().ok()?;
            Some((number, of.trim().parse().ok()?))
        });
        let (number, of) =
            numbers.ok_or_else(|| Error::invalid(format!("{text:?} is no part such as 3/10")))?;
        Self::new(number, of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pack_is_in_exactly_one_part() {
        for of in [1, 2, 3, 7, 10, 1000] {
            let parts: Vec<_> = (1..=of).map(|n| CheckPart::new(n, of).unwrap()).collect();
            for seed in 0..500_u32 {
                let name = PackName(*blake3::hash(&seed.to_le_bytes()).as_bytes());
                let holding = parts.iter().filter(|part| part.holds(&name)).count();
                assert_eq!(holding, 1, "{of}");
            }
            for edge in [[0; 32], [0xff; 32]] {
                let holding = parts.iter().filter(|part| part.holds(&PackName(edge)));
                assert_eq!(holding.count(), 1, "{of}");
            }
        }
    }

    #[test]
    fn parts_are_typed_as_fractions() {
        let part: CheckPart = " 3/10 ".parse().unwrap();
        assert_eq!((part.number(), part.of()), (3, 10));
        assert_eq!(part.to_string(), "3/10");
        for wrong in ["", "3", "0/3", "4/3", "1/0", "1/1001", "a/b", "-1/3"] {
            assert!(wrong.parse::<CheckPart>().is_err(), "{wrong}");
        }
    }
}
