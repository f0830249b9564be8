//! What clients send to the simulator.

use std::cell::RefCell;

use ews_sim::Sim;

/// Requests that one world gets before a new one takes its place: what clients store is not to
/// grow for ever.
const REQUESTS_PER_WORLD: u32 = 500;

fn world() -> Sim {
    let sim = Sim::builder()
        .mailbox("alice@example.test")
        .mailbox("bob@example.test")
        .build()
        .expect("two empty mailboxes");
    let alice = sim.mailbox("alice@example.test").expect("just made");
    alice
        .add_mime(
            "Inbox",
            b"Subject: hello\r\nFrom: b@example.test\r\n\r\nHi!\r\n",
        )
        .expect("a small mail");
    sim
}

/// A request by HTTP's body.
pub fn request(data: &[u8]) {
    thread_local! {
        static WORLD: RefCell<(Sim, u32)> = RefCell::new((world(), 0));
    }
    WORLD.with_borrow_mut(|(sim, asked)| {
        *asked += 1;
        if *asked > REQUESTS_PER_WORLD {
            (*sim, *asked) = (world(), 0);
        }
        ews_sim::fuzzing::request(sim, data);
    });
}

/// A file to load, a configuration, a sign-in message.
pub fn file(data: &[u8]) {
    ews_sim::fuzzing::file(data);
}
