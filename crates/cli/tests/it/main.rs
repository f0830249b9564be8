//! The built program, run as users and scripts run it, against a simulator of its own.

// The running of programs: a desk with a repository and secrets, and a server.
mod desk;
// What is covered of which mailboxes.
mod coverage;
// The demonstration from start to end.
mod demo;
// Every documented exit code, with the line that says what went wrong and what to do.
mod errors;
// Search, and exports in every format.
mod finding;
// Ctrl-C.
mod interrupt;
// kill -9 of everything that writes.
mod killed;
// Keys: recovery phrase, key file, escrow, rotation.
mod keys;
// A machine with a writer's key.
mod sealed;
// Sets of a configuration: runs, reports, status.
mod operating;
// Logs, metrics, the daemon in continuous mode.
mod telemetry;
// Policies, holds, versions, the live mailbox.
mod keeping;
// Settings of mailboxes; mailboxes by pattern.
mod settings;
// Restores: modes, records, taking them back, kills.
mod restores;
// Space, checks in parts, a second repository, repair.
mod upkeep;
// Each command on the way a user takes.
mod tour;
