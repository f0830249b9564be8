//! Running for years: configurations, schedules, the daemon, reports.

mod configuration; // mistakes with their places, the schema, and what is written
mod daemon; // a year in virtual time, windows, crashes, missed runs
mod reports; // real runs, what is told of them, and the page in a browser
