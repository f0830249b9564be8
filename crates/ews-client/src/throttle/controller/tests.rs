use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn options(server: u32, mailbox: u32, sync: u32) -> ThrottleOptions {
    ThrottleOptions {
        max_requests: server,
        max_requests_per_mailbox: mailbox,
        max_sync_calls: sync,
    }
}

fn filled(controller: &mut Controller, mailbox: &str, count: usize) -> Vec<Ticket> {
    for _ in 0..count {
        controller.enqueue(mailbox, Call::Other);
    }
    let granted = controller.grant(Duration::ZERO);
    granted.into_iter().map(|(_, ticket)| ticket).collect()
}

#[test]
fn a_full_mailbox_does_not_hold_up_another() {
    let mut controller = Controller::new(options(5, 2, 5));
    assert_eq!(filled(&mut controller, "a", 3).len(), 2);
    assert_eq!(filled(&mut controller, "b", 1).len(), 1);
    assert_eq!(controller.server.queued, 1);
}

#[test]
fn sync_calls_have_a_limit_of_their_own() {
    let mut controller = Controller::new(options(9, 9, 2));
    for _ in 0..4 {
        controller.enqueue("a", Call::Sync);
    }
    controller.enqueue("a", Call::Other);
    let granted = controller.grant(Duration::ZERO);
    let ids: Vec<Waiter> = granted.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [1, 2, 5]);
}

#[test]
fn requests_sent_together_halve_the_limit_once() {
    let mut controller = Controller::new(options(27, 10, 5));
    let tickets = filled(&mut controller, "a", 10);
    for ticket in &tickets {
        controller.refuse(ticket, Refused::Mailbox, SECOND);
    }
    assert_eq!(controller.mailboxes["a"].limit, 5);
    assert_eq!((controller.server.limit, controller.refusals), (27, 10));
}

#[test]
fn the_limit_rises_by_one_after_a_round_of_successes() {
    let mut controller = Controller::new(options(27, 4, 5));
    let mut tickets = filled(&mut controller, "a", 4);
    controller.refuse(&tickets[0], Refused::Mailbox, Duration::ZERO);
    let mut limits = vec![controller.mailboxes["a"].limit];
    for ticket in &mut tickets {
        controller.succeed(ticket);
        controller.succeed(ticket);
        limits.push(controller.mailboxes["a"].limit);
    }
    assert_eq!(limits, [2, 2, 3, 3, 3]);
}

#[test]
fn a_pause_of_one_mailbox_leaves_the_others_alone_and_one_of_the_server_does_not() {
    let mut controller = Controller::new(options(27, 10, 5));
    let tickets = filled(&mut controller, "a", 1);
    controller.refuse(&tickets[0], Refused::Mailbox, SECOND);
    assert!(filled(&mut controller, "a", 1).is_empty());
    let in_b = filled(&mut controller, "b", 1);
    controller.refuse(&in_b[0], Refused::Server, 2 * SECOND);
    for ticket in tickets.iter().chain(&in_b) {
        controller.release(ticket, Duration::ZERO);
    }
    assert!(filled(&mut controller, "b", 1).is_empty());
    assert!(
        controller
            .grant(2 * SECOND - Duration::from_millis(1))
            .is_empty()
    );
    // Two were under way, so one may be.
    assert_eq!(controller.grant(2 * SECOND).len(), 1);
}

#[test]
fn too_many_connections_fall_back_on_the_server_where_a_mailbox_had_only_one() {
    let mut controller = Controller::new(options(8, 4, 5));
    let in_a = filled(&mut controller, "a", 4);
    let in_b = filled(&mut controller, "b", 1);
    controller.refuse(&in_a[0], Refused::Connections, SECOND);
    assert_eq!(
        (controller.mailboxes["a"].limit, controller.server.limit),
        (2, 8)
    );
    controller.refuse(&in_b[0], Refused::Connections, SECOND);
    assert_eq!(
        (controller.mailboxes["b"].limit, controller.server.limit),
        (4, 2)
    );
}

#[test]
fn mailboxes_at_rest_are_forgotten() {
    let mut controller = Controller::new(options(8, 4, 5));
    for ticket in filled(&mut controller, "a", 4) {
        controller.release(&ticket, Duration::ZERO);
    }
    assert!(controller.mailboxes.is_empty());
}

#[derive(Clone, Debug)]
enum Step {
    Enqueue(u8, bool),
    Cancel(usize),
    Succeed(usize),
    Refuse(usize, u8, u16),
    Pass(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3u8, any::<bool>()).prop_map(|(mailbox, sync)| Step::Enqueue(mailbox, sync)),
        1 => any::<usize>().prop_map(Step::Cancel),
        3 => any::<usize>().prop_map(Step::Succeed),
        2 => (any::<usize>(), 0..3u8, any::<u16>()).prop_map(|(n, how, ms)| Step::Refuse(n, how, ms)),
        3 => any::<u16>().prop_map(Step::Pass),
    ]
}

/// A controller beside a plain account of what it was told.
struct World {
    controller: Controller,
    now: Duration,
    waiting: Vec<(Waiter, String, Call)>,
    running: Vec<Ticket>,
    server_until: Duration,
    until: BTreeMap<String, Duration>,
}

impl World {
    fn take(&mut self, step: Step) {
        let pick = |n: usize, of: usize| (of > 0).then(|| n % of.max(1));
        match step {
            Step::Enqueue(mailbox, sync) => {
                let call = if sync { Call::Sync } else { Call::Other };
                let mailbox = format!("m{mailbox}");
                let id = self.controller.enqueue(&mailbox, call);
                self.waiting.push((id, mailbox, call));
            }
            Step::Cancel(n) => {
                if let Some(n) = pick(n, self.waiting.len()) {
                    self.controller.cancel(self.waiting.remove(n).0);
                }
            }
            Step::Succeed(n) => {
                if let Some(n) = pick(n, self.running.len()) {
                    let mut ticket = self.running.remove(n);
                    self.controller.succeed(&mut ticket);
                    self.controller.release(&ticket, self.now);
                }
            }
            Step::Refuse(n, how, ms) => {
                if let Some(n) = pick(n, self.running.len()) {
                    let ticket = self.running.remove(n);
                    let until = self.now + Duration::from_millis(ms.into());
                    let refused = match how {
                        0 => Refused::Mailbox,
                        1 => Refused::Server,
                        _ => Refused::Connections,
                    };
                    self.controller.refuse(&ticket, refused, until);
                    let known = match refused {
                        Refused::Mailbox => self.until.entry(ticket.mailbox.clone()).or_default(),
                        Refused::Server => &mut self.server_until,
                        Refused::Connections => &mut Duration::default(),
                    };
                    *known = until.max(*known);
                    self.controller.release(&ticket, self.now);
                }
            }
            Step::Pass(ms) => self.now += Duration::from_millis(ms.into()),
        }
        self.grant();
    }

    fn grant(&mut self) {
        for (id, ticket) in self.controller.grant(self.now) {
            assert!(self.server_until <= self.now, "the server paused");
            let until = self.until.get(&ticket.mailbox).copied();
            assert!(
                until.unwrap_or_default() <= self.now,
                "{} paused",
                ticket.mailbox
            );
            let at = self.waiting.iter().position(|(waiting, ..)| *waiting == id);
            let (_, mailbox, call) = self.waiting.remove(at.expect("a ticket for one who waits"));
            let overtaken = self
                .waiting
                .iter()
                .any(|(earlier, m, c)| *earlier < id && *m == mailbox && *c == call);
            assert!(!overtaken, "a later request went first");
            self.running.push(ticket);
        }
        self.check_limits();
    }

    fn check_limits(&self) {
        let running = |of: &dyn Fn(&&Ticket) -> bool| self.running.iter().filter(of).count();
        assert!(self.running.len() <= 6);
        assert!(running(&|ticket| ticket.call == Call::Sync) <= 2);
        for mailbox in ["m0", "m1", "m2"] {
            assert!(running(&|ticket| ticket.mailbox == mailbox) <= 4);
        }
        let server = &self.controller.server;
        assert!((1..=6).contains(&server.limit) && server.lowest >= 1);
        assert_eq!(
            (server.running as usize, server.queued as usize),
            (self.running.len(), self.waiting.len())
        );
    }
}

proptest! {
    #[test]
    fn limits_hold_pauses_are_kept_and_nobody_waits_for_ever(steps in prop::collection::vec(step(), 1..200)) {
        let mut world = World {
            controller: Controller::new(options(6, 4, 2)),
            now: Duration::ZERO,
            waiting: Vec::new(),
            running: Vec::new(),
            server_until: Duration::ZERO,
            until: BTreeMap::new(),
        };
        for step in steps {
            world.take(step);
        }
        // Once everything is answered, everybody gets a turn, and each wait has an end to sleep to.
        while !world.waiting.is_empty() || !world.running.is_empty() {
            let before = (world.waiting.len(), world.running.len());
            while !world.running.is_empty() {
                world.take(Step::Succeed(0));
            }
            let held = world.waiting.first().and_then(|(_, mailbox, _)| {
                world.controller.held_until(mailbox, world.now)
            });
            match held {
                Some(until) => world.now = until,
                None => prop_assert!(before != (world.waiting.len(), world.running.len())),
            }
            world.grant();
        }
        prop_assert_eq!(world.controller.server.limit, world.controller.server.limit.min(6));
    }
}
