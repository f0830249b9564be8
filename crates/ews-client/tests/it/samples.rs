//! The collected messages of real servers, documentation and other projects.

use std::path::PathBuf;

use ews_client::*;

use crate::operations;
use crate::support::{Answer, client, shared};

/// A sample response: its file, operation, whether a real server sent it, and its text.
pub struct Sample {
    pub file: String,
    pub operation: String,
    pub recorded: bool,
    pub text: String,
}

/// The samples of our operations that are text at all.
pub fn samples() -> Vec<Sample> {
    let Some(root) = shared("ews/samples") else {
        return Vec::new();
    };
    let manifest = std::fs::read_to_string(root.join("manifest.csv")).unwrap();
    let mut samples = Vec::new();
    for line in manifest.lines().skip(1) {
        let mut fields = line.split(',');
        let (Some(file), Some(operation), Some(kind), Some(origin)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let ours = operations::OPERATIONS.contains(&operation) || operation == "_Fault";
        if !ours || kind != "response" {
            continue;
        }
        let bytes = std::fs::read(PathBuf::from(&root).join(file)).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        samples.push(Sample {
            file: file.into(),
            operation: operation.into(),
            recorded: origin == "recorded",
            text,
        });
    }
    samples
}

/// Runs the client's own operation over an answer.
pub async fn run(operation: &str, text: &str) -> Result<String> {
    let (client, _, _) = client((0..10).map(|_| Answer::xml(text)));
    let operation = match operation {
        "_Fault" => "GetFolder",
        operation => operation,
    };
    operations::run(&client, operation, operations::entries(text)).await
}

#[tokio::test]
async fn every_recorded_answer_parses() {
    let mut failures = Vec::new();
    let mut count = 0;
    for sample in samples().into_iter().filter(|sample| sample.recorded) {
        count += 1;
        match run(&sample.operation, &sample.text).await {
            Ok(text) if text.contains("CorruptData") => {
                failures.push(format!("{}: {text}", sample.file))
            }
            Ok(_) => {}
            // What the server itself reports is a parsed answer too.
            Err(error) if error.response_code().is_some() => {}
            Err(error) => failures.push(format!("{}: {error}", sample.file)),
        }
    }
    println!("{count} recorded answers");
    assert!(failures.is_empty(), "{failures:#?}");
}

#[tokio::test]
async fn every_other_answer_parses_or_is_refused_in_words() {
    let mut refused = Vec::new();
    for sample in samples() {
        if let Err(error) = run(&sample.operation, &sample.text).await {
            assert!(
                !error.to_string().contains('\n'),
                "{}: {error}",
                sample.file
            );
            if error.response_code().is_none() {
                refused.push(format!("{}: {error}", sample.file));
            }
        }
    }
    println!("refused: {refused:#?}");
    assert!(refused.len() < 40, "{refused:#?}");
}

/// Messages whose operations the client does not have are XML all the same: requests, time zones,
/// Autodiscover.
#[test]
fn every_message_of_all_is_read_or_refused_with_its_place() {
    let Some(root) = shared("ews/samples") else {
        return;
    };
    let manifest = std::fs::read_to_string(root.join("manifest.csv")).unwrap();
    let files: Vec<&str> = manifest
        .lines()
        .filter_map(|line| line.split(',').next())
        .filter(|file| file.ends_with(".xml"))
        .collect();
    assert!(files.len() >= 963, "{}", files.len());
    let mut read = 0;
    for file in &files {
        let bytes = std::fs::read(root.join(file)).unwrap();
        match XmlElement::from_xml(&String::from_utf8_lossy(&bytes)) {
            Ok(element) => {
                read += 1;
                assert_eq!(
                    XmlElement::from_xml(&element.to_xml()).unwrap(),
                    element,
                    "{file}"
                );
            }
            Err(error) => {
                let told = error.to_string();
                let place = told.contains("at byte") || told.contains("nests deeper than 16");
                assert!(place, "{file}: {told}");
            }
        }
    }
    println!("{read} of {} messages are read whole", files.len());
    assert!(read >= 900, "{read} of {}", files.len());
}

/// The recorded answer of that name.
fn recorded(file: &str) -> Option<String> {
    std::fs::read_to_string(shared("ews/samples")?.join(file)).ok()
}

#[tokio::test]
async fn a_recorded_folder_list_has_the_right_values() {
    let Some(text) = recorded("FindFolder/010.response.xml") else {
        return;
    };
    let (client, _, _) = client([Answer::xml(text)]);
    let request = FindFolder::deep(
        DistinguishedFolder::Root,
        FolderShape::new(BaseShape::Default),
    );
    let page = client.find_folder(&request).await.unwrap();
    assert_eq!(
        (page.total, page.includes_last, page.next_offset),
        (Some(67), true, None)
    );
    assert_eq!(page.folders.len(), 67);
    let names: Vec<&str> = page
        .folders
        .iter()
        .take(4)
        .map(|folder| folder.display_name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "AllCategorizedItems",
            "AllContacts",
            "AllItems",
            "AllPersonMetadata"
        ]
    );
    let counts: Vec<_> = page
        .folders
        .iter()
        .take(3)
        .map(|folder| folder.total_count)
        .collect();
    assert_eq!(counts, [Some(0), Some(3), Some(837)]);
    assert!(
        page.folders
            .iter()
            .all(|folder| folder.id.change_key.is_some())
    );
}

#[tokio::test]
async fn recorded_items_have_the_right_values() {
    let Some(text) = recorded("GetItem/001.response.xml") else {
        return;
    };
    let (single, _, _) = client([Answer::xml(text)]);
    let shape = ItemShape::new(BaseShape::AllProperties);
    let request = GetItem {
        shape: shape.clone(),
        ids: vec![ItemId::new("x")],
    };
    let item = single.get_item(&request).await.unwrap().remove(0).unwrap();
    assert_eq!(
        (item.kind.clone(), item.item_class.as_deref()),
        (ItemKind::CalendarItem, Some("IPM.Appointment"))
    );
    assert_eq!(
        (item.subject.as_deref(), item.size),
        (Some("Test Get Items"), Some(4294))
    );
    assert_eq!(
        item.date_time_received.unwrap().to_string(),
        "2020-09-10T14:15:09Z"
    );
    assert_eq!(
        (item.importance, item.is_draft, item.has_attachments),
        (Some(Importance::Normal), Some(false), Some(false))
    );
    assert!(
        item.id
            .unwrap()
            .change_key
            .unwrap()
            .starts_with("DwAAABYAAAC30utV9Qm1")
    );
    assert!(
        item.uid
            .unwrap()
            .starts_with("040000008200E00074C5B7101A82E008")
    );
    assert_eq!(
        single.server_version().unwrap().to_string(),
        "15.20.3370.16 (V2018_01_08)"
    );
    let Some(text) = recorded("FindItem/009.response.xml") else {
        return;
    };
    let (list, _, _) = client([Answer::xml(text)]);
    let paging = Paging {
        offset: 0,
        max_entries: 100,
    };
    let page = list
        .find_item(&FindItem::new(DistinguishedFolder::Contacts, shape, paging))
        .await
        .unwrap();
    assert_eq!((page.items.len() as u64, page.total), (12, Some(12)));
    assert_eq!(page.items[0].subject.as_deref(), Some("Bulk10 Test"));
    assert_eq!(page.items[0].kind, ItemKind::Contact);
}

#[tokio::test]
async fn a_recorded_sync_has_the_right_values() {
    let Some(text) = recorded("SyncFolderItems/001.response.xml") else {
        return;
    };
    let (client, _, _) = client([Answer::xml(text)]);
    let page = client
        .sync_folder_items(&SyncFolderItems::new(DistinguishedFolder::Calendar, None))
        .await
        .unwrap();
    assert!(
        page.includes_last
            && page
                .sync_state
                .as_str()
                .starts_with("H4sIAAAAAAAEAGNgYGcAAotqE0tHE2NTA0dd")
    );
    let ItemChange::Create(item) = &page.changes[0] else {
        panic!("{:?}", page.changes)
    };
    assert_eq!(
        (item.subject.as_deref(), item.size),
        (Some("Test Sync Item Changes"), Some(4194))
    );
}

#[tokio::test]
async fn recorded_faults_and_errors_have_the_right_codes() {
    for (file, code) in [
        (
            "_Fault/001.response.xml",
            ResponseCode::ErrorSchemaValidation,
        ),
        (
            "_Fault/005.response.xml",
            ResponseCode::ErrorIncorrectSchemaVersion,
        ),
        ("_Fault/009.response.xml", ResponseCode::ErrorServerBusy),
    ] {
        let Some(text) = recorded(file) else { return };
        let error = run("GetFolder", &text).await.unwrap_err();
        assert_eq!(error.response_code(), Some(&code), "{file}");
        if code == ResponseCode::ErrorServerBusy {
            assert_eq!(
                error.retry_after(),
                Some(std::time::Duration::from_millis(297_749))
            );
        }
    }
}
