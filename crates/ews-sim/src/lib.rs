//! ews-sim
