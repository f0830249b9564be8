//! mailindex
