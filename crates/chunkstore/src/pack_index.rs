//! pack_index
