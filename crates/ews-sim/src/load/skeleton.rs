//! The bridge to `PidTagMimeSkeleton`: which bytes of the original come from which property.

use std::ops::Range;

use fasttransfer::mime_skeleton::SkeletonBuilder;
use fasttransfer::{Message, Transfer, strip_base64, strip_quoted_printable, tag};

use super::mime_tree::TransferEncoding;

/// MIME of an item: the original bytes where the item was loaded from a file and not edited
/// since, else generated from its properties.
pub fn mime_of(message: &Message) -> Vec<u8> {
    fasttransfer::to_mime(message)
}

/// Makes an item forget the file it came from, so that its MIME is generated from its
/// properties. To be called after properties that MIME shows were changed.
pub fn forget_original(message: &mut Message) {
    message.props.remove(tag::MIME_SKELETON);
}

/// Keeps a file none of whose bytes stand in properties.
pub(crate) fn keep_literally(message: &mut Message, raw: &[u8]) {
    Plan::default().store(message, raw);
}

/// Takes a transfer encoding off, if putting it on again gives the same bytes.
pub(crate) fn strip(raw: &[u8], encoding: TransferEncoding) -> Option<(Vec<u8>, Transfer)> {
    match encoding {
        TransferEncoding::Identity => Some((raw.to_vec(), Transfer::Raw)),
        TransferEncoding::Base64 => {
            strip_base64(raw).map(|(bytes, layout)| (bytes, Transfer::Base64(layout)))
        }
        TransferEncoding::QuotedPrintable => strip_quoted_printable(raw)
            .map(|(bytes, layout)| (bytes, Transfer::QuotedPrintable(layout))),
    }
}

/// A piece of the original that stands in a property.
#[derive(Debug)]
pub(crate) enum Piece {
    TransportHeaders,
    Text {
        charset: &'static str,
        transfer: Transfer,
    },
    Html {
        transfer: Transfer,
    },
    File {
        number: usize,
        transfer: Transfer,
    },
    Embedded {
        number: usize,
        transfer: Transfer,
    },
}

/// Pieces with their places in the original, front to back.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pieces: Vec<(Range<usize>, Piece)>,
}

impl Plan {
    /// Notes a piece; pieces come front to back.
    pub(crate) fn add(&mut self, range: Range<usize>, piece: Piece) {
        self.pieces.push((range, piece));
    }

    /// Writes the skeleton: the pieces, and between them the original literally.
    pub(crate) fn store(self, message: &mut Message, raw: &[u8]) {
        let between = |from: usize, to: usize| raw.get(from..to).unwrap_or_default();
        let mut builder = SkeletonBuilder::new();
        let mut at = 0;
        for (range, piece) in self.pieces {
            builder.literal(between(at, range.start));
            at = range.end;
            match piece {
                Piece::TransportHeaders => builder.transport_headers(),
                Piece::Text { charset, transfer } => builder.body_text(charset, &transfer),
                Piece::Html { transfer } => builder.body_html(&transfer),
                Piece::File { number, transfer } => builder.attachment(number, &transfer),
                Piece::Embedded { number, transfer } => builder.embedded(number, &transfer),
            };
        }
        builder.literal(between(at, raw.len()));
        message.props.set(tag::MIME_SKELETON, builder.finish(raw));
    }
}
