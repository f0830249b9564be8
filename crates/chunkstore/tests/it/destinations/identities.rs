//! The three identities, judged by the policies that docs/destinations.md prints.
//!
//! A proxy in front of moto reads every request as the policy language does: action, resource, and
//! the one condition key. moto's own enforcement knows no conditions and lets bulk deletes pass.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chunkstore::{CollectOptions, ErrorKind, LeaveOpen, NewKey, Repository};
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutMode, PutOptions};
use serde_json::Value;
use testkit::conformance;
use testkit::proxy::{Head, Mischief, Proxy};

use super::{Offer, back_up_items, offer};
use crate::collecting::assert_holds;
use crate::support::{assert_readable, cheap, environment, fill, open, passphrase};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Identity {
    Writer,
    Custodian,
    Restorer,
}

/// The first block of JSON of the page is the writer's policy; the others are made of it as the
/// page says.
fn statements(identity: Identity) -> Vec<Value> {
    let page = include_str!("../../../../../docs/destinations.md");
    let (_, rest) = page.split_once("```json").expect("a policy is printed");
    let (json, _) = rest.split_once("```").unwrap();
    let json = json
        .replace("BUCKET", "postkeep")
        .replace("PREFIX", "tests");
    let mut policy: Value = serde_json::from_str(&json).expect("it is JSON");
    let mut statements = policy["Statement"].as_array_mut().unwrap().split_off(0);
    match identity {
        Identity::Writer => {}
        Identity::Custodian => {
            statements[1]["Action"] = serde_json::json!(["s3:GetObject", "s3:DeleteObject"]);
        }
        Identity::Restorer => statements.truncate(2),
    }
    statements
}

/// What a request asks for, in the words of policies.
fn wants(head: &Head) -> (&'static str, String) {
    let (path, query) = head.target.split_once('?').unwrap_or((&head.target, ""));
    let path = path.trim_start_matches('/');
    let action = match head.method.as_str() {
        "GET" if query.contains("list-type=2") => "s3:ListBucket",
        "GET" | "HEAD" => "s3:GetObject",
        "PUT" => "s3:PutObject",
        "DELETE" => "s3:DeleteObject",
        "POST" if query == "delete" || query == "delete=" => "s3:DeleteObject",
        _ => "s3:SomethingElse",
    };
    // Which objects a bulk delete names stands in its body: it is asked for all of them.
    let path = match (action, head.method.as_str()) {
        ("s3:DeleteObject", "POST") => format!("{}/tests/any", path.trim_end_matches('/')),
        _ => path.trim_end_matches('/').to_owned(),
    };
    (action, format!("arn:aws:s3:::{path}"))
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => text == pattern,
    }
}

/// Whether a statement lets a request pass. A condition that is not understood lets nothing pass.
fn allows(statement: &Value, head: &Head) -> bool {
    assert_eq!(statement["Effect"], "Allow", "nothing is denied by name");
    let (action, resource) = wants(head);
    let is_about = texts(&statement["Action"]).contains(&action)
        && texts(&statement["Resource"])
            .iter()
            .any(|pattern| matches(pattern, &resource));
    let Some(condition) = statement.get("Condition") else {
        return is_about;
    };
    // "Null": "false" means that the key is there.
    let known = serde_json::json!({ "Null": { "s3:if-none-match": "false" } });
    assert_eq!(*condition, known, "the condition is another one");
    is_about && head.header("if-none-match").is_some()
}

async fn guarded(offer: &Offer, identity: Identity) -> Proxy {
    let statements = statements(identity);
    let judge = move |head: &Head| {
        let passes = statements.iter().any(|statement| allows(statement, head));
        match passes {
            true => Mischief::None,
            false => Mischief::Forbidden,
        }
    };
    Proxy::start(&offer.address(), Duration::ZERO, judge).await
}

fn is_denied(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::PermissionDenied { .. })
}

async fn put(
    store: &Arc<dyn chunkstore::ObjectStore>,
    path: &Path,
    mode: PutMode,
) -> object_store::Result<object_store::PutResult> {
    let body = Bytes::from_static(b"gone").into();
    store.put_opts(path, body, PutOptions::from(mode)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writers_credentials_back_up_and_can_destroy_nothing() {
    let Some(offer) = offer("moto") else { return };
    let owner = offer.open("policy");
    let created = Repository::create(owner, &passphrase(), &cheap(), environment(1)).await;
    let before = fill(&created.unwrap(), 1, 20).await;
    let proxy = guarded(&offer, Identity::Writer).await;
    let store = offer.by_way_of(&proxy.address()).open("policy");
    let writer = open(Arc::clone(&store), 2).await.unwrap();
    let added = fill(&writer, 2, 20).await;
    let mut listed = Vec::new();
    for folder in ["packs", "keys", "sessions", "index"] {
        let names = conformance::list(&store, &Path::from(folder)).await;
        listed.extend(names.into_iter().map(Path::from));
    }
    assert!(listed.len() > 8, "{listed:?}");
    for path in &listed {
        let denied = store.delete(path).await.unwrap_err();
        assert!(is_denied(&denied), "delete {path}: {denied}");
        let denied = put(&store, path, PutMode::Overwrite).await.unwrap_err();
        assert!(is_denied(&denied), "overwrite {path}: {denied}");
    }
    let removed = writer.remove_key(writer.opened_with()).await;
    assert_eq!(removed.unwrap_err().kind(), ErrorKind::Conflict);
    let key = NewKey::KeyFile(chunkstore::KeyFile::generate(&environment(7)));
    let key = writer.add_key(&key, "").await.unwrap();
    assert_eq!(
        writer.remove_key(key).await.unwrap_err().kind(),
        ErrorKind::Denied
    );
    let owner = open(offer.open("policy"), 3).await.unwrap();
    assert_readable(&owner, &before).await;
    assert_readable(&owner, &added).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restorer_reads_all_and_writes_nothing_and_a_custodian_collects() {
    let Some(offer) = offer("moto") else { return };
    let owner = offer.open("roles");
    let created = Repository::create(owner, &passphrase(), &cheap(), environment(1)).await;
    let owner = created.unwrap();
    back_up_items(&owner, "old", 1).await;
    let kept = back_up_items(&owner, "kept", 2).await;

    let proxy = guarded(&offer, Identity::Restorer).await;
    let store = offer.by_way_of(&proxy.address()).open("roles");
    let restorer = open(Arc::clone(&store), 3).await.unwrap();
    let newest = restorer.snapshots().into_iter().find(|s| s.name == "kept");
    let newest = newest.unwrap();
    assert_holds(&restorer, &newest, &kept).await;
    let refused = restorer.session(Default::default()).await.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Denied, "{refused:?}");
    let some = Path::from("repository.json");
    assert!(is_denied(&store.delete(&some).await.unwrap_err()));
    for mode in [PutMode::Create, PutMode::Overwrite] {
        assert!(is_denied(
            &put(&store, &Path::from("new"), mode).await.unwrap_err()
        ));
    }

    let proxy = guarded(&offer, Identity::Custodian).await;
    let store = offer.by_way_of(&proxy.address()).open("roles");
    let custodian = open(Arc::clone(&store), 4).await.unwrap();
    let old = custodian.snapshots().into_iter().find(|s| s.name == "old");
    custodian.forget(&[old.unwrap().id]).await.unwrap();
    let options = CollectOptions::default();
    let report = custodian.collect(&options, &LeaveOpen).await.unwrap();
    assert!(report.finished && report.deleted_packs > 0, "{report:?}");
    assert_eq!(report.undeletable, 0, "{report:?}");
    let denied = put(&store, &some, PutMode::Overwrite).await.unwrap_err();
    assert!(is_denied(&denied), "{denied}");
    let owner = open(offer.open("roles"), 5).await.unwrap();
    assert_holds(&owner, &newest, &kept).await;
}
