//! The request parser, operations, sign-in and loaders, for `fuzz/`.

use crate::account::Account;
use crate::auth;
use crate::op::{self, Caller};
use crate::{Config, FaultPlan, Sim};

/// Answers a request as an account that may act for everybody.
pub fn request(sim: &Sim, body: &[u8]) {
    let caller = Caller {
        world: std::sync::Arc::clone(&sim.0),
        account: Account::impersonator("svc@example.test", "secret"),
        inner_busy: None,
        ids_in_time: None,
        route: crate::public_folders::Route::default(),
    };
    drop(op::look(&caller.world, body));
    drop(op::budgeted(&caller.account, body));
    drop(op::run(&caller, body));
}

/// Reads bytes as each kind of file, and as what configures the simulator.
pub fn file(data: &[u8]) {
    let Some((&which, data)) = data.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(data);
    match which % 6 {
        0 => {
            let message = crate::message_from_mime(data);
            assert_eq!(crate::mime_of(&message), data);
        }
        1 => drop(crate::from_ics(data)),
        2 => drop(crate::from_vcf(data)),
        3 => drop(Config::from_json(&text)),
        4 => drop(text.parse::<FaultPlan>()),
        _ => auth::read_anything(data),
    }
}
