//! The client's controller against Exchange's throttling policy, modelled by the simulator, in
//! virtual time: hours pass in seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ews_client::{
    Access, BaseShape, Client, ClientOptions, Credentials, DistinguishedFolder, FolderShape,
    GetFolder, SyncFolderItems,
};
use ews_sim::{RunningServer, Sim, ThrottleEntry, ThrottlePolicy, ThrottleVerdict};
use tokio::net::TcpListener;
use tokio::time::Instant;

const ALICE: &str = "alice@example.test";
const BOB: &str = "bob@example.test";

async fn start(policy: ThrottlePolicy) -> (Sim, RunningServer, Client) {
    let sim = Sim::builder()
        .mailbox(ALICE)
        .mailbox(BOB)
        .throttle(Some(policy))
        .build()
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = sim.serve(listener).await.unwrap();
    let credentials = Credentials::basic("svc@example.test", "secret");
    let options = ClientOptions::new(server.url().parse().unwrap(), credentials);
    (sim, server, Client::new(options).unwrap())
}

async fn ask(client: &Client) -> ews_client::Result<()> {
    let request = GetFolder {
        shape: FolderShape::new(BaseShape::IdOnly),
        ids: vec![DistinguishedFolder::Inbox.into()],
    };
    client.get_folder(&request).await.map(drop)
}

/// Requests of a mailbox that came after a refusal of the same mailbox and before the end of the
/// pause that it named. Those that were sent in the same instant cannot have known.
fn impatient(log: &[ThrottleEntry]) -> Vec<(ThrottleEntry, ThrottleEntry)> {
    let mut found = Vec::new();
    for refusal in log {
        let ThrottleVerdict::Busy { back_off } = refusal.verdict else {
            continue;
        };
        let pause = |at: Duration| at > refusal.at && at < refusal.at + back_off;
        let early = log
            .iter()
            .filter(|entry| entry.user == refusal.user && pause(entry.at));
        found.extend(early.map(|entry| (refusal.clone(), entry.clone())));
    }
    found
}

#[tokio::test(start_paused = true)]
async fn sixteen_requests_in_flight_get_nine_tenths_of_what_the_policy_allows() {
    let mut policy = ThrottlePolicy::exchange_default();
    // Long requests use the budget up with few of them.
    policy.request_time = Duration::from_secs(4);
    let (sim, server, client) = start(policy.clone()).await;
    let client = client.for_mailbox(Access::Impersonate(ALICE.to_owned()));
    let begun = Instant::now();
    let end = begun + Duration::from_secs(3 * 3600);
    let answered = Arc::new(AtomicU64::new(0));
    let workers: Vec<_> = (0..16)
        .map(|_| {
            let (client, answered) = (client.clone(), Arc::clone(&answered));
            tokio::spawn(async move {
                while Instant::now() < end {
                    ask(&client).await.expect("no request fails");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let log = sim.throttle_log();
    let used: Duration = log.iter().map(|entry| entry.charged).sum();
    let allowed = policy.most_work_in(begun.elapsed());
    let admitted = log
        .iter()
        .filter(|entry| entry.verdict == ThrottleVerdict::Admitted);
    let refused = log.len() as u64 - answered.load(Ordering::Relaxed);
    println!(
        "{used:?} of {allowed:?} used by {} requests, {refused} refused",
        log.len()
    );
    assert_eq!(admitted.count() as u64, answered.load(Ordering::Relaxed));
    assert!(used >= allowed.mul_f64(0.9), "{used:?} of {allowed:?}");
    assert!(refused > 0, "the policy was never felt");
    assert_eq!(impatient(&log), [], "a back-off was not honoured");
    let state = client.throttle();
    assert_eq!(state.refusals, refused);
    assert!(state.waits > 0 && state.held_back <= begun.elapsed());
    assert!((1..10).contains(&state.lowest_limit));
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_locked_mailbox_does_not_hold_up_another() {
    let mut policy = ThrottlePolicy::exchange_default();
    policy.request_time = Duration::from_secs(4);
    (policy.burst, policy.cutoff) = (Duration::from_secs(4), Duration::ZERO);
    let (sim, server, client) = start(policy).await;
    let alice = client.for_mailbox(Access::Impersonate(ALICE.to_owned()));
    let bob = client.for_mailbox(Access::Impersonate(BOB.to_owned()));
    // Together they use up four times the budget.
    let (first, second, third, fourth) =
        tokio::join!(ask(&alice), ask(&alice), ask(&alice), ask(&alice));
    for answered in [first, second, third, fourth] {
        answered.unwrap();
    }
    let begun = Instant::now();
    let third = tokio::spawn({
        let alice = alice.clone();
        async move { ask(&alice).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let state = client.throttle();
    let left = state.longest_back_off().unwrap();
    assert!(left > Duration::from_secs(298) && left <= Duration::from_secs(300));
    assert_eq!((state.back_off, state.queued), (None, 1));
    // A paused clock jumps to the next timer whenever a socket is waited for.
    tokio::time::resume();
    ask(&bob).await.unwrap();
    assert!(!third.is_finished(), "Bob is answered while Alice waits");
    tokio::time::pause();
    third.await.unwrap().unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(300));
    assert_eq!(impatient(&sim.throttle_log()), []);
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn no_more_sync_calls_are_open_than_exchange_allows() {
    let (sim, server, client) = start(ThrottlePolicy::exchange_default()).await;
    let client = client.for_mailbox(Access::Impersonate(ALICE.to_owned()));
    let calls = (0..20).map(|_| {
        let client = client.clone();
        tokio::spawn(async move {
            let request = SyncFolderItems::new(DistinguishedFolder::Inbox, None);
            client.sync_folder_items(&request).await.map(drop)
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    let log = sim.throttle_log();
    assert_eq!(log.len(), 20);
    let admitted = |entry: &ThrottleEntry| entry.verdict == ThrottleVerdict::Admitted;
    assert!(log.iter().all(admitted), "{log:?}");
    server.stop().await;
}
