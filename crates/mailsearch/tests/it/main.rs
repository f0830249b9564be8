//! The index against slow scans, damage and death.

mod corpus; // real mail as documents, and a small random generator
mod damage; // broken and missing files
mod killed; // a writer that is killed while it writes
mod reference; // the same answers as a scan of everything
mod secrecy; // nothing readable in the files
