//! ews-client
