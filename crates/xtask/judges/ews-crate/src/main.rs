//! Times the `ews` crate on answers in a folder: operation, rows, median seconds, a line each.
//! It knows no ExportItems, and leaves MIME text in base64.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use ews::OperationResponse;
use ews::get_item::GetItemResponse;
use ews::response::ResponseClass;
use ews::soap::Envelope;
use ews::sync_folder_items::SyncFolderItemsResponse;

/// How long each answer is read again and again, and how often at least.
const PATIENCE: Duration = Duration::from_millis(400);
const MIN_RUNS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: ews-crate FOLDER")?;
    let folder = Path::new(&folder);
    time(folder, "SyncFolderItems", |answer: SyncFolderItemsResponse| {
        let pages = successes(answer.into_response_messages());
        pages.map(|page| page.changes.inner.len()).sum()
    })?;
    time(folder, "GetItem", |answer: GetItemResponse| {
        let items = successes(answer.into_response_messages());
        items.map(|message| message.items.inner.len()).sum()
    })
}

fn successes<T>(messages: Vec<ResponseClass<T>>) -> impl Iterator<Item = T> {
    messages.into_iter().filter_map(|message| match message {
        ResponseClass::Success(message) => Some(message),
        _ => None,
    })
}

fn time<T: OperationResponse>(
    folder: &Path,
    operation: &str,
    rows: impl Fn(T) -> usize,
) -> Result<(), Box<dyn Error>> {
    let answer = fs::read(folder.join(format!("{operation}.xml")))?;
    let begun = Instant::now();
    let mut times = Vec::new();
    let mut count = 0;
    while times.len() < MIN_RUNS || begun.elapsed() < PATIENCE {
        let start = Instant::now();
        let envelope = Envelope::<T>::from_xml_document(&answer)?;
        count = rows(envelope.body);
        times.push(start.elapsed());
    }
    times.sort();
    println!("{operation} {count} {:.9}", times[times.len() / 2].as_secs_f64());
    Ok(())
}
