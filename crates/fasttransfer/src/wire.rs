//! Constants of the wire format (MS-OXCFXICS 2.2.4.1, MS-OXCDATA 2.11.1).

use crate::Guid;

/// Outer record opcodes around the FastTransfer stream; Microsoft does not document them.
pub(crate) mod opcode {
    pub const CONFIG: u32 = 1;
    pub const TRANSFER_BUFFER: u32 = 2;
    pub const IS_INTERFACE_OK: u32 = 3;
    pub const TELL_PARTNER_VERSION: u32 = 4;
}

/// Bytes of an outer record's header: opcode and length.
pub(crate) const RECORD_HEADER_LEN: usize = 8;
/// Bytes of the prologue before the first TransferBuffer.
pub(crate) const PROLOGUE_LEN: usize = 62;
/// Where the three version words stand in the prologue.
pub(crate) const PROLOGUE_VERSION_AT: usize = 56;
/// IID_IMessage, the interface every item export names.
pub(crate) const IID_IMESSAGE: Guid = Guid::ole(0x0002_0307);

/// The prologue every genuine payload begins with, byte for byte.
pub(crate) fn prologue(version: [u16; 3]) -> [u8; PROLOGUE_LEN] {
    let mut out = [0u8; PROLOGUE_LEN];
    let words: [(usize, u32); 8] = [
        (0, opcode::CONFIG),
        (4, 8),
        (12, 1),
        (16, opcode::IS_INTERFACE_OK),
        (20, 24),
        (24, 1),
        (48, opcode::TELL_PARTNER_VERSION),
        (52, 6),
    ];
    for (at, word) in words {
        out[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
    out[28..44].copy_from_slice(&IID_IMESSAGE.0);
    out[44..48].copy_from_slice(&0x8000_2400_u32.to_le_bytes());
    for (i, word) in version.iter().enumerate() {
        let at = PROLOGUE_VERSION_AT + 2 * i;
        out[at..at + 2].copy_from_slice(&word.to_le_bytes());
    }
    out
}

/// Property types.
pub(crate) mod ptype {
    pub const INT16: u16 = 0x0002;
    pub const INT32: u16 = 0x0003;
    pub const FLOAT: u16 = 0x0004;
    pub const DOUBLE: u16 = 0x0005;
    pub const CURRENCY: u16 = 0x0006;
    pub const APP_TIME: u16 = 0x0007;
    pub const ERROR: u16 = 0x000A;
    pub const BOOLEAN: u16 = 0x000B;
    pub const OBJECT: u16 = 0x000D;
    pub const INT64: u16 = 0x0014;
    pub const STRING8: u16 = 0x001E;
    pub const UNICODE: u16 = 0x001F;
    pub const TIME: u16 = 0x0040;
    pub const GUID: u16 = 0x0048;
    pub const SERVER_ID: u16 = 0x00FB;
    pub const BINARY: u16 = 0x0102;
    /// Set in the type of a multi-valued property.
    pub const MULTI: u16 = 0x1000;
    /// Set in a string type that carries its code page in the lower bits.
    pub const CODE_PAGE: u16 = 0x8000;
    /// UTF-16LE as a code page: the string type Exchange writes.
    pub const UTF16: u16 = CODE_PAGE | UTF16_CODE_PAGE;
    /// The code page number of UTF-16LE.
    pub const UTF16_CODE_PAGE: u16 = 1200;
}

/// Markers, and the meta-properties that structure a stream.
pub(crate) mod marker {
    pub const START_TOP_FOLDER: u32 = 0x4009_0003;
    pub const START_SUB_FOLDER: u32 = 0x400A_0003;
    pub const END_FOLDER: u32 = 0x400B_0003;
    pub const START_MESSAGE: u32 = 0x400C_0003;
    pub const END_MESSAGE: u32 = 0x400D_0003;
    pub const START_FAI_MESSAGE: u32 = 0x4010_0003;
    pub const NEW_ATTACH: u32 = 0x4000_0003;
    pub const END_ATTACH: u32 = 0x400E_0003;
    pub const START_EMBED: u32 = 0x4001_0003;
    pub const END_EMBED: u32 = 0x4002_0003;
    pub const START_RECIP: u32 = 0x4003_0003;
    pub const END_TO_RECIP: u32 = 0x4004_0003;
    pub const FX_ERROR_INFO: u32 = 0x4018_0003;
    /// MetaTagFXDelProp, an Int32 property whose value is the tag of the emptied table.
    pub const FX_DEL_PROP: u32 = 0x4016_0003;
    /// The property id of MetaTagFXDelProp.
    pub const FX_DEL_PROP_ID: u16 = 0x4016;
    /// The property id of MetaTagEcWarning.
    pub const EC_WARNING_ID: u16 = 0x400F;
    /// The property id of MetaTagDnPrefix, which readers must ignore.
    pub const DN_PREFIX_ID: u16 = 0x4008;
    /// PidTagMessageRecipients as a tag.
    pub const RECIPIENTS_TAG: u32 = 0x0E12_000D;
    /// PidTagMessageAttachments as a tag.
    pub const ATTACHMENTS_TAG: u32 = 0x0E13_000D;
}

/// The TransferBuffer length Exchange Online uses, and this crate by default.
pub(crate) const DEFAULT_BUFFER_LEN: usize = 31_680;
