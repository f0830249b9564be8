//! chunkstore
