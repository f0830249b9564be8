//! Bodies in rich text: unpacked (MS-OXRTFCP), and the HTML or plain text that many of them only
//! carry (MS-OXRTFEX).

mod reader;

use self::reader::Reader;

/// The window before the first byte is written.
const WINDOW_START: &[u8] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";
/// Bytes of the window.
const WINDOW: usize = 4_096;
const HEADER_LEN: usize = 16;
const COMPRESSED: u32 = 0x7546_5A4C;
const UNCOMPRESSED: u32 = 0x414C_454D;
/// The largest body that is unpacked, in bytes.
const MAX_RTF_BYTES: usize = 64 << 20;

/// What a rich text body says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rich {
    /// It carries this HTML.
    Html(String),
    /// It carries this plain text.
    Plain(String),
    /// It is rich text of its own, with this text in it.
    Text(String),
}

/// Unpacks a PidTagRtfCompressed; `None` if it is neither form. A body that ends too early is
/// read as far as it goes.
pub(crate) fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let field = |at: usize| -> Option<u32> {
        Some(u32::from_le_bytes(packed.get(at..at + 4)?.try_into().ok()?))
    };
    let size = (field(4)? as usize).min(MAX_RTF_BYTES);
    let kind = field(8)?;
    let body = packed.get(HEADER_LEN..)?;
    match kind {
        UNCOMPRESSED => Some(body.get(..size.min(body.len()))?.to_vec()),
        COMPRESSED => Some(expand(body, size)),
        _ => None,
    }
}

/// Runs of eight tokens, each a literal byte or a reference into the window.
fn expand(body: &[u8], size: usize) -> Vec<u8> {
    let mut window = [0_u8; WINDOW];
    let (start, _) = window.split_at_mut(WINDOW_START.len());
    start.copy_from_slice(WINDOW_START);
    let mut at = WINDOW_START.len();
    let mut out = Vec::new();
    let mut input = body.iter().copied();
    while let Some(control) = input.next() {
        for bit in 0..8 {
            if out.len() >= size {
                return out;
            }
            if control & (1 << bit) == 0 {
                let Some(byte) = input.next() else {
                    return out;
                };
                out.push(byte);
                window[at] = byte;
                at = (at + 1) % WINDOW;
                continue;
            }
            let (Some(high), Some(low)) = (input.next(), input.next()) else {
                return out;
            };
            let token = usize::from(high) << 8 | usize::from(low);
            let (offset, len) = (token >> 4, (token & 0xF) + 2);
            if offset == at {
                return out;
            }
            for step in 0..len {
                let byte = window[(offset + step) % WINDOW];
                out.push(byte);
                window[at] = byte;
                at = (at + 1) % WINDOW;
            }
        }
    }
    out
}

/// Reads an unpacked body.
pub(crate) fn read(rtf: &[u8]) -> Rich {
    Reader::new(rtf).read()
}

#[cfg(test)]
mod tests;
