//! pack_writer
