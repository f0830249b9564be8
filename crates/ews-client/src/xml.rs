//! XML: a strict writer, a bounded lenient reader.

mod document;
mod writer;

pub(crate) use document::{Document, MAX_DEPTH, Node, parse_bool};
pub(crate) use writer::{Writer, push_text, representable};
