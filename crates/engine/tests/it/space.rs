//! What takes space, and what forgetting frees: the numbers that `prune` then makes true.

use std::sync::Arc;

use engine::{Period, Policy, PruneOptions, RetentionOptions, Silent, TimeZone, Timestamp};
use ews_sim::Deletion;

use crate::world::{Server, Store, backup, sim_with};

const ALICE: &str = "alice@example.test";
const BOB: &str = "bob@example.test";

/// An attachment that does not compress, so that its size shows.
pub fn with_attachment(number: usize) -> Vec<u8> {
    use std::fmt::Write as _;
    let mut state = 0x9e37_79b9_u32;
    let mut lines = String::new();
    for _ in 0..1200 {
        for _ in 0..19 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Four characters of base64 each time; 76 a line.
            let word = state >> 8;
            for shift in [18, 12, 6, 0] {
                let digit = (word >> shift) as u8 & 63;
                let table = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
                write!(lines, "{}", table[usize::from(digit)] as char).unwrap();
            }
        }
        lines.push_str("\r\n");
    }
    format!(
        "From: a@example.test\r\nTo: b@example.test\r\nSubject: plans {number}\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\
         Content-Type: text/plain\r\n\r\nSee {number}.\r\n--x\r\n\
         Content-Type: application/pdf; name=plans.pdf\r\nContent-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=plans.pdf\r\n\r\n{lines}--x--\r\n"
    )
    .into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_are_true_and_what_is_shared_counts_once() {
    let sim = sim_with(&[ALICE, BOB], 10);
    for name in [ALICE, BOB] {
        let mailbox = sim.mailbox(name).unwrap();
        mailbox.add_mime("Plans", &with_attachment(1)).unwrap();
        mailbox
            .add_vcf(
                "Contacts",
                b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ann\r\nEND:VCARD\r\n",
            )
            .unwrap();
    }
    let server = Server::start(sim).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &[ALICE, BOB]).await;
    let stats = store.vault.stats(Arc::new(Silent)).await.unwrap();

    let sum: u64 = stats.mailboxes.iter().map(|m| m.total.bytes).sum();
    assert_eq!(sum, stats.needed_bytes, "{stats:#?}");
    assert!(stats.needed_bytes <= stats.stored_bytes);
    for mailbox in &stats.mailboxes {
        assert_eq!(mailbox.total.items, 12);
        for parts in [&mailbox.folders, &mailbox.kinds] {
            let bytes: u64 = parts.iter().map(|part| part.bytes).sum();
            assert_eq!(bytes + mailbox.tree_bytes, mailbox.total.bytes);
            assert_eq!(parts.iter().map(|part| part.items).sum::<u64>(), 12);
        }
        let kinds: Vec<_> = mailbox
            .kinds
            .iter()
            .map(|kind| kind.name.as_str())
            .collect();
        assert_eq!(kinds, ["IPM.Note", "IPM.Contact"]);
    }
    // One has the attachment, for the other it is there already.
    let plans = |n: usize| {
        let mut folders = stats.mailboxes[n].folders.iter();
        folders.find(|folder| folder.name == "Plans").unwrap().bytes
    };
    assert!(plans(0) > 60_000, "{stats:#?}");
    assert!(plans(1) < 10_000, "{stats:#?}");
    assert_eq!(stats.freed_bytes, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_freed_is_what_a_prune_finds_no_longer_needed() {
    let server = Server::start(sim_with(&[ALICE], 30)).await;
    let store = Store::create().await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    let gone = alice.add_mime("Inbox", &with_attachment(1)).unwrap();
    backup(&store.vault, &server, &[ALICE]).await;
    alice.delete(&gone, Deletion::Hard).unwrap();
    backup(&store.vault, &server, &[ALICE]).await;
    alice.add_mime("Inbox", &with_attachment(2)).unwrap();
    backup(&store.vault, &server, &[ALICE]).await;

    let vault = &store.vault;
    let stats = vault.stats(Arc::new(Silent)).await.unwrap();
    let snapshots = vault.snapshots().await.unwrap();
    assert_eq!(stats.snapshots.len(), 3);
    let needed = async || {
        let options = PruneOptions::default();
        let plan = vault.plan_prune(&options, Arc::new(Silent)).await.unwrap();
        plan.needed_bytes
    };
    assert_eq!(needed().await, stats.needed_bytes);
    // The attachment is in the first and the third: neither alone frees it.
    let ids: Vec<String> = snapshots.iter().map(|s| s.id.clone()).collect();
    for (id, space) in ids.iter().zip(&stats.snapshots) {
        assert_eq!(id, &space.id);
        let alone = vault.freed_by(std::slice::from_ref(id), Arc::new(Silent));
        assert_eq!(alone.await.unwrap(), space.own_bytes);
        assert!(space.own_bytes < 60_000, "{stats:#?}");
    }
    let both = [ids[0].clone(), ids[1].clone()];
    let freed = vault.freed_by(&both, Arc::new(Silent)).await.unwrap();
    let options = RetentionOptions {
        policy: Policy::default(),
        mailboxes: Vec::new(),
        now: Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC),
        list_items: false,
    };
    let forgotten = vault.forget_snapshots(&snapshots[..2], &options, false, false);
    forgotten.await.unwrap();
    assert_eq!(stats.needed_bytes - needed().await, freed);
    assert_eq!(vault.freed_by(&[], Arc::new(Silent)).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_items_count_for_their_mailbox() {
    let (store, clock) = Store::with_clock("2026-11-01T12:00:00Z").await;
    let server = Server::start(sim_with(&[ALICE], 5)).await;
    let alice = server.sim.mailbox(ALICE).unwrap();
    let item = alice.add_mime("Plans", &with_attachment(1)).unwrap();
    backup(&store.vault, &server, &[ALICE]).await;
    alice.delete(&item, Deletion::Hard).unwrap();
    crate::world::set(&clock, "2026-11-02T12:00:00Z");
    backup(&store.vault, &server, &[ALICE]).await;
    let options = RetentionOptions {
        policy: Policy {
            last: 1,
            deleted_items: Some("1y".parse::<Period>().unwrap()),
            ..Policy::default()
        },
        mailboxes: Vec::new(),
        now: "2026-11-03T00:00:00Z"
            .parse::<Timestamp>()
            .unwrap()
            .to_zoned(TimeZone::UTC),
        list_items: false,
    };
    store.vault.retention_apply(&options).await.unwrap();
    let stats = store.vault.stats(Arc::new(Silent)).await.unwrap();
    let kept: Vec<_> = stats.snapshots.iter().filter(|s| s.kept).collect();
    assert_eq!(kept.len(), 1);
    // Its attachment is not its own: the base of the other's tree still names the deleted item.
    assert!(kept[0].own_bytes > 0, "{stats:#?}");
    assert_eq!(stats.mailboxes.len(), 1);
    assert_eq!(stats.mailboxes[0].total.bytes, stats.needed_bytes);
}
