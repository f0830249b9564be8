//! How many requests are under way at once.

use ews_sim::{FaultAction, FaultPlan, FaultWhen};

use crate::world::{Server, Store, backup, sim_with};

#[tokio::test(flavor = "multi_thread")]
async fn four_mailboxes_with_four_requests_each_and_never_more() {
    let mailboxes: Vec<String> = (0..8).map(|n| format!("user{n}@example.test")).collect();
    let names: Vec<&str> = mailboxes.iter().map(String::as_str).collect();
    let sim = sim_with(&names, 1200);
    // Slow enough that requests overlap whenever they may.
    sim.set_faults(FaultPlan::none().rule(
        "ExportItems",
        FaultWhen::Always,
        FaultAction::Delay(120),
    ));
    let server = Server::start(sim).await;
    let store = Store::create().await;
    backup(&store.vault, &server, &names).await;
    assert_eq!(server.sim.stats().max_in_flight, 16);
    assert_eq!(server.sim.stats().items_exported, 8 * 1200);
}
