//! Running for years: configurations, schedules, the daemon, reports.

mod configuration; // mistakes with their places, the schema, and what is written
mod daemon; // a year in virtual time, windows, crashes, missed runs
mod desk; // a simulator, repositories and connections, for the tests of runs
mod doctoring; // what the doctor finds, of everything good and bad
mod limits; // bandwidth, requests and memory, each in force
mod mailing; // mail about runs, over TLS
mod pages; // the page of a report in a browser
mod reports; // real runs, and what is told of them
mod watching; // continuous mode in virtual time
