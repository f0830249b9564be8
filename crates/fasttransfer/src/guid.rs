//! GUIDs and the property sets named properties live in.

use std::fmt;

/// A GUID in its wire form: the sixteen bytes as they stand in the stream.
///
/// The first three fields are little-endian on the wire, as everywhere in MAPI.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(pub [u8; 16]);

impl Guid {
    /// Builds the GUID that is written `{a-b-c-d}` in specifications, where `d` is the
    /// last eight bytes in reading order.
    #[must_use]
    pub const fn from_fields(a: u32, b: u16, c: u16, d: [u8; 8]) -> Self {
        let a = a.to_le_bytes();
        let b = b.to_le_bytes();
        let c = c.to_le_bytes();
        Self([
            a[0], a[1], a[2], a[3], b[0], b[1], c[0], c[1], d[0], d[1], d[2], d[3], d[4], d[5],
            d[6], d[7],
        ])
    }

    /// A member of the family `{xxxxxxxx-0000-0000-C000-000000000046}` most property sets use.
    #[must_use]
    pub const fn ole(a: u32) -> Self {
        Self::from_fields(a, 0, 0, [0xC0, 0, 0, 0, 0, 0, 0, 0x46])
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let g = &self.0;
        let a = u32::from_le_bytes([g[0], g[1], g[2], g[3]]);
        let b = u16::from_le_bytes([g[4], g[5]]);
        let c = u16::from_le_bytes([g[6], g[7]]);
        write!(f, "{a:08x}-{b:04x}-{c:04x}-{:02x}{:02x}-", g[8], g[9])?;
        g[10..].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guid({self})")
    }
}

/// PS_MAPI.
pub const PS_MAPI: Guid = Guid::ole(0x0002_0328);
/// PS_PUBLIC_STRINGS, where categories and user-defined names live.
pub const PS_PUBLIC_STRINGS: Guid = Guid::ole(0x0002_0329);
/// PS_INTERNET_HEADERS: one named property per header field.
pub const PS_INTERNET_HEADERS: Guid = Guid::ole(0x0002_0386);
/// PSETID_Common.
pub const PSETID_COMMON: Guid = Guid::ole(0x0006_2008);
/// PSETID_Appointment.
pub const PSETID_APPOINTMENT: Guid = Guid::ole(0x0006_2002);
/// PSETID_Task.
pub const PSETID_TASK: Guid = Guid::ole(0x0006_2003);
/// PSETID_Address, the contact fields.
pub const PSETID_ADDRESS: Guid = Guid::ole(0x0006_2004);
/// PSETID_Log, journal entries.
pub const PSETID_LOG: Guid = Guid::ole(0x0006_200A);
/// PSETID_Note, sticky notes.
pub const PSETID_NOTE: Guid = Guid::ole(0x0006_200E);
/// PSETID_Meeting.
pub const PSETID_MEETING: Guid = Guid::from_fields(
    0x6ED8_DA90,
    0x450B,
    0x101B,
    [0x98, 0xDA, 0x00, 0xAA, 0x00, 0x3F, 0x13, 0x05],
);
