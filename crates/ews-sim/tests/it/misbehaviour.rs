//! Faults, sizes and counters.

use std::time::Duration;

use ews_sim::{FaultPlan, Sim};

use crate::support::{ALICE, Bench, between, envelope, validate};

const GET: &str = "<m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>\
    <m:FolderIds><t:DistinguishedFolderId Id=\"inbox\"/></m:FolderIds></m:GetFolder>";

fn plan(text: &str) -> FaultPlan {
    text.parse().unwrap()
}

fn export(id: &str) -> String {
    format!("<m:ExportItems><m:ItemIds><t:ItemId Id=\"{id}\"/></m:ItemIds></m:ExportItems>")
}

#[tokio::test]
async fn busy_is_said_in_three_ways() {
    let bench = Bench::start(Sim::builder().mailbox(ALICE).build().unwrap()).await;
    for (shape, status) in [("http503", 503), ("fault500", 500), ("inner200", 200)] {
        bench
            .sim
            .set_faults(plan(&format!("GetFolder first 1 busy 1234 {shape}")));
        let answer = bench.post(ALICE, envelope("", GET)).await;
        assert_eq!(answer.status, status);
        if status != 503 {
            assert!(answer.body.contains("ErrorServerBusy") && answer.body.contains(">1234<"));
            validate(&answer.body);
        }
        assert_eq!(bench.post(ALICE, envelope("", GET)).await.status, 200);
    }
    assert_eq!(bench.sim.stats().faults_injected, 3);
}

#[tokio::test]
async fn items_fail_and_are_truncated_by_subject() {
    let bench = Bench::start(Sim::builder().mailbox(ALICE).build().unwrap()).await;
    let alice = bench.sim.mailbox(ALICE).unwrap();
    let good = alice.add_mime("Inbox", b"Subject: good\r\n\r\nx").unwrap();
    let bad = alice
        .add_mime("Inbox", b"Subject: very bad\r\n\r\nx")
        .unwrap();
    bench.sim.set_faults(plan(
        "ExportItems@bad first 1 truncate; ExportItems@bad always fail ErrorItemCorrupt",
    ));
    let first = bench.post(ALICE, envelope("", &export(&bad))).await;
    assert!(between(&first.body, "<m:Data>", "</m:Data>").ends_with("=== Truncated Data ==="));
    let second = bench.ask(ALICE, &export(&bad)).await;
    assert!(second.contains("ErrorItemCorrupt"));
    assert!(bench.ask(ALICE, &export(&good)).await.contains("NoError"));
}

#[tokio::test]
async fn connections_are_cut_in_the_middle() {
    let bench = Bench::start(Sim::builder().mailbox(ALICE).build().unwrap()).await;
    bench.sim.set_faults(plan("GetFolder first 1 cut 100"));
    let sent = bench
        .http()
        .post(bench.server.url())
        .basic_auth(ALICE, Some("secret"))
        .header("content-type", "text/xml; charset=utf-8")
        .body(envelope("", GET))
        .send()
        .await;
    let outcome = match sent {
        Ok(response) => response.bytes().await.map(drop),
        Err(error) => Err(error),
    };
    assert!(outcome.is_err());
    assert_eq!(bench.post(ALICE, envelope("", GET)).await.status, 200);
}

#[tokio::test]
async fn requests_in_flight_are_counted_exactly() {
    let bench = Bench::start(Sim::builder().mailbox(ALICE).build().unwrap()).await;
    bench.sim.set_faults(plan("* always delay 100"));
    let asks = (0..8).map(|_| bench.post(ALICE, envelope("", GET)));
    futures::future::join_all(asks).await;
    let stats = bench.sim.stats();
    assert_eq!((stats.max_in_flight, stats.in_flight), (8, 0));
    assert_eq!(stats.requests["GetFolder"], 8);
}

#[tokio::test]
async fn a_large_item_streams_out_and_in_without_being_kept() {
    const BYTES: u64 = 24 * 1024 * 1024;
    let sim = Sim::builder()
        .mailbox(ALICE)
        .large_item(ALICE, "Inbox", "huge", BYTES, 9)
        .build()
        .unwrap();
    let bench = Bench::start(sim).await;
    let alice = bench.sim.mailbox(ALICE).unwrap();
    let item = alice.items("Inbox").unwrap().remove(0);
    assert!(item.size >= BYTES && item.subject == "huge");
    let answer = bench.post(ALICE, envelope("", &export(&item.id))).await;
    let data = between(&answer.body, "<m:Data>", "</m:Data>");
    let folder = alice
        .folders()
        .into_iter()
        .find(|folder| folder.path == "Inbox")
        .unwrap();
    let upload = format!(
        "<m:UploadItems><m:Items><t:Item CreateAction=\"CreateNew\"><t:ParentFolderId Id=\"{}\"/>\
         <t:Data>{data}</t:Data></t:Item></m:Items></m:UploadItems>",
        folder.id
    );
    assert!(bench.ask(ALICE, &upload).await.contains("NoError"));
    let copy = alice.items("Inbox").unwrap().remove(1);
    // The copy is known to be computed too: its bytes are not among its properties.
    let message = alice.message(&copy.id).unwrap();
    assert_eq!(
        message.attachments[0]
            .props
            .binary(fasttransfer::tag::ATTACH_DATA_BINARY),
        None
    );
    assert_eq!(
        alice.export(&copy.id).unwrap().len(),
        alice.export(&item.id).unwrap().len()
    );
}

#[tokio::test]
async fn a_million_items_page_quickly_without_existing() {
    let sim = Sim::builder()
        .synthetic(ALICE, "Inbox", 1_000_000, 7)
        .build()
        .unwrap();
    let bench = Bench::start(sim).await;
    let find = "<m:FindItem Traversal=\"Shallow\"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>\
        </m:ItemShape><m:IndexedPageItemView MaxEntriesReturned=\"5000\" Offset=\"999500\" \
        BasePoint=\"Beginning\"/><m:ParentFolderIds><t:DistinguishedFolderId Id=\"inbox\"/>\
        </m:ParentFolderIds></m:FindItem>";
    let asked = bench.ask(ALICE, find);
    let answer = tokio::time::timeout(Duration::from_secs(20), asked)
        .await
        .unwrap();
    assert_eq!(answer.matches("<t:ItemId ").count(), 500);
    assert!(answer.contains("TotalItemsInView=\"1000000\""));
}
