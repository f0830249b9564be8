//! Running for years: configurations, schedules, the daemon, reports.

mod configuration; // mistakes with their places, the schema, and what is written
mod daemon; // a year in virtual time, windows, crashes, missed runs
