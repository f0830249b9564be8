//! How an item is taken apart and put together again: the traits that mail-aware code above
//! this crate implements, and the one format that is always there.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Why a splitter or a joiner gave up on its input.
///
/// A splitter that fails loses nothing: the item is stored [`Opaque`] instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitError {
    message: String,
}

impl SplitError {
    /// Creates an error; `message` is lower case, without a full stop.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

impl fmt::Display for SplitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SplitError {}

/// A reversible way to take items apart into one skeleton and any number of payloads.
///
/// The skeleton is what is particular to the item; a payload is what other items may hold too
/// (an attachment), and is deduplicated on its own.
pub trait Format: Send + Sync {
    /// Returns the stored number of the format. 0 is [`Opaque`]; a number is never reused for
    /// another transformation, since stored items name it.
    fn id(&self) -> u8;

    /// Starts to take one item apart.
    fn splitter(&self) -> Box<dyn Splitter>;

    /// Starts to put one item together.
    fn joiner(&self) -> Box<dyn Joiner>;
}

/// Takes one item apart while its bytes arrive.
///
/// Events go out in the order of the input, so that a [`Joiner`] can run right behind.
pub trait Splitter: Send {
    /// Takes the next bytes of the item, cut anywhere.
    ///
    /// # Errors
    ///
    /// When the item cannot be split; nothing more is pushed then.
    fn push(&mut self, input: &[u8], out: &mut dyn PartSink) -> Result<(), SplitError>;

    /// Ends the item.
    ///
    /// # Errors
    ///
    /// When the item cannot be split.
    fn finish(&mut self, out: &mut dyn PartSink) -> Result<(), SplitError>;
}

/// Where a [`Splitter`] sends the parts.
pub trait PartSink {
    /// Appends bytes to the skeleton.
    fn skeleton(&mut self, bytes: &[u8]);
    /// Starts a payload, at the skeleton's present end.
    fn payload_start(&mut self);
    /// Appends bytes to the open payload.
    fn payload(&mut self, bytes: &[u8]);
    /// Ends the open payload.
    fn payload_end(&mut self);
}

/// What a [`Joiner`] wants after it took skeleton bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// All bytes were taken; more of the skeleton, please.
    NeedMore,
    /// The next payload belongs here: `consumed` bytes of the call's input were taken, the rest
    /// is to be given again after the payload.
    Payload {
        /// Bytes taken of the call's input.
        consumed: usize,
    },
}

/// Puts one item together while its parts arrive.
pub trait Joiner: Send {
    /// Takes skeleton bytes and appends item bytes to `out`.
    ///
    /// A joiner that finds a payload's place only when asked again answers an empty call with
    /// `Step::Payload { consumed: 0 }`.
    ///
    /// # Errors
    ///
    /// When the skeleton is not one this format writes.
    fn skeleton(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Step, SplitError>;

    /// Takes bytes of the payload that was asked for.
    fn payload(&mut self, bytes: &[u8], out: &mut Vec<u8>);

    /// Ends that payload.
    fn payload_end(&mut self, out: &mut Vec<u8>);

    /// Ends the item.
    ///
    /// # Errors
    ///
    /// When the skeleton ended too early.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), SplitError>;
}

/// The format of items that are stored as they are: all skeleton, no payload. Number 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Opaque;

impl Opaque {
    /// The stored number of this format.
    pub const ID: u8 = 0;
}

impl Format for Opaque {
    fn id(&self) -> u8 {
        Self::ID
    }

    fn splitter(&self) -> Box<dyn Splitter> {
        Box::new(Self)
    }

    fn joiner(&self) -> Box<dyn Joiner> {
        Box::new(Self)
    }
}

impl Splitter for Opaque {
    fn push(&mut self, input: &[u8], out: &mut dyn PartSink) -> Result<(), SplitError> {
        out.skeleton(input);
        Ok(())
    }

    fn finish(&mut self, _out: &mut dyn PartSink) -> Result<(), SplitError> {
        Ok(())
    }
}

impl Joiner for Opaque {
    fn skeleton(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Step, SplitError> {
        out.extend_from_slice(bytes);
        Ok(Step::NeedMore)
    }

    fn payload(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        // Never asked for; passing the bytes on keeps the trait's promise all the same.
        out.extend_from_slice(bytes);
    }

    fn payload_end(&mut self, _out: &mut Vec<u8>) {}

    fn finish(&mut self, _out: &mut Vec<u8>) -> Result<(), SplitError> {
        Ok(())
    }
}

/// The formats a reader knows, by number. [`Opaque`] is always among them.
#[derive(Clone)]
pub struct Formats {
    by_id: BTreeMap<u8, Arc<dyn Format>>,
}

impl Formats {
    /// Creates a registry that knows only [`Opaque`].
    pub fn new() -> Self {
        let opaque: Arc<dyn Format> = Arc::new(Opaque);
        Self {
            by_id: BTreeMap::from([(Opaque::ID, opaque)]),
        }
    }

    /// Adds a format, in place of an earlier one with the same number; number 0 stays
    /// [`Opaque`].
    #[must_use]
    pub fn with(mut self, format: Arc<dyn Format>) -> Self {
        if format.id() != Opaque::ID {
            self.by_id.insert(format.id(), format);
        }
        self
    }

    /// Returns the format with a stored number.
    pub fn get(&self, id: u8) -> Option<Arc<dyn Format>> {
        self.by_id.get(&id).cloned()
    }
}

impl Default for Formats {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Formats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.by_id.keys()).finish()
    }
}
