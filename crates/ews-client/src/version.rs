//! Server versions: what is asked for, what answers.

use std::fmt;

/// The schema version a request claims (`ExchangeVersionType`, in the header
/// `RequestServerVersion`, MS-OXWSCDATA 2.2.3.9), oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(non_camel_case_types, missing_docs)] // the schema's names
pub enum SchemaVersion {
    Exchange2007_SP1,
    Exchange2010,
    Exchange2010_SP1,
    Exchange2010_SP2,
    Exchange2013,
    Exchange2013_SP1,
}

impl SchemaVersion {
    /// The newest version this client asks for.
    pub(crate) const NEWEST: SchemaVersion = SchemaVersion::Exchange2013_SP1;

    /// The version as the schema spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            SchemaVersion::Exchange2007_SP1 => "Exchange2007_SP1",
            SchemaVersion::Exchange2010 => "Exchange2010",
            SchemaVersion::Exchange2010_SP1 => "Exchange2010_SP1",
            SchemaVersion::Exchange2010_SP2 => "Exchange2010_SP2",
            SchemaVersion::Exchange2013 => "Exchange2013",
            SchemaVersion::Exchange2013_SP1 => "Exchange2013_SP1",
        }
    }

    /// The next older one.
    pub(crate) const fn older(self) -> Option<SchemaVersion> {
        match self {
            SchemaVersion::Exchange2013_SP1 => Some(SchemaVersion::Exchange2013),
            SchemaVersion::Exchange2013 => Some(SchemaVersion::Exchange2010_SP2),
            SchemaVersion::Exchange2010_SP2 => Some(SchemaVersion::Exchange2010_SP1),
            SchemaVersion::Exchange2010_SP1 => Some(SchemaVersion::Exchange2010),
            SchemaVersion::Exchange2010 => Some(SchemaVersion::Exchange2007_SP1),
            SchemaVersion::Exchange2007_SP1 => None,
        }
    }
}

impl fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a server says it is (`ServerVersionInfo`, MS-OXWSCDATA 2.2.3.10).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerVersion {
    /// 15 for Exchange 2013 and later.
    pub major: u32,
    /// 0 for 2013, 1 for 2016, 2 for 2019 and Subscription Edition.
    pub minor: u32,
    /// The build.
    pub build: u32,
    /// The build's revision.
    pub revision: u32,
    /// The newest schema it speaks, verbatim.
    pub schema: Option<String>,
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}.{}.{}",
            self.major, self.minor, self.build, self.revision
        )?;
        match &self.schema {
            Some(schema) => write!(f, " ({schema})"),
            None => Ok(()),
        }
    }
}
