//! The test equipment is itself tested: a fault that does not strike proves nothing.

// Every fault does what it says, where it says.
mod faulty_store;
// Folders that differ are told apart.
mod golden;
// The memory reader moves with the memory.
mod memory;
