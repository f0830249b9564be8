//! What holds, and what is noticed when a step is broken.

use std::sync::Arc;

use futures::StreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::gate::Lie;
use super::{LeftOut, Policy, SOUND, Scenario, Searched, Trace, World, collect, open, search};
use crate::layout::SESSIONS;

#[track_caller]
fn holds(scenario: Scenario, switches: usize, random: usize) -> Searched {
    let searched = search(scenario, switches, random);
    if let Some((what, log)) = &searched.violation {
        panic!("{what}\n{}", log.join("\n"));
    }
    searched
}

#[track_caller]
fn is_caught(scenario: Scenario) {
    let searched = search(scenario.clone(), 3, 200);
    assert!(
        searched.violation.is_some(),
        "{scenario:?} went unnoticed in {} runs",
        searched.runs
    );
}

const PAIR: Scenario = Scenario {
    writers: 1,
    custodians: 1,
    ..SOUND
};

#[test]
fn one_writer_and_one_custodian_never_lose_anything_in_any_order() {
    assert!(holds(PAIR, 2, 100).runs > 100);
}

#[test]
fn two_writers_and_two_custodians_never_lose_anything() {
    let searched = holds(SOUND, 1, 300);
    assert!(searched.runs > 300);
}

/// Custodians that cannot read copy blobs as they are, and drop keys of sessions, too.
#[test]
fn sealed_writers_and_custodians_never_lose_anything() {
    let pair = Scenario {
        sealed: true,
        ..PAIR
    };
    assert!(holds(pair, 1, 100).runs > 100);
    let sealed = Scenario {
        sealed: true,
        ..SOUND
    };
    holds(sealed, 0, 200);
}

#[test]
fn writers_that_build_on_a_snapshot_never_lose_it() {
    let scenario = Scenario {
        build_on_parent: true,
        ..SOUND
    };
    holds(scenario, 1, 300);
}

#[test]
fn creates_that_succeeded_unheard_and_slow_listings_change_nothing() {
    for lie in [Lie::RetriedCreates, Lie::SlowListings] {
        let scenario = Scenario {
            writers_lie: lie,
            custodians_lie: lie,
            ..SOUND
        };
        holds(scenario, 0, 200);
    }
}

#[test]
fn lists_read_before_the_session_is_opened_are_caught() {
    is_caught(Scenario {
        writers_lie: Lie::LateOpen,
        ..PAIR
    });
}

#[test]
fn an_outcome_that_can_be_overwritten_is_caught() {
    is_caught(Scenario {
        writers_lie: Lie::OverwrittenEnd,
        ..PAIR
    });
}

#[test]
fn a_session_presumed_dead_is_caught() {
    is_caught(Scenario {
        custodians_lie: Lie::PresumedDead,
        ..PAIR
    });
}

#[test]
fn a_custodian_that_does_not_wait_is_caught() {
    is_caught(Scenario {
        left_out: LeftOut::Wait,
        ..PAIR
    });
}

#[test]
fn a_custodian_that_marks_only_once_is_caught() {
    is_caught(Scenario {
        left_out: LeftOut::SecondMark,
        ..PAIR
    });
}

/// A session builds on a snapshot that is forgotten between its look and the second mark.
fn forgotten_in_between(left_out: LeftOut) -> Result<Trace, (String, Vec<String>)> {
    const CUSTODIAN: usize = 2;
    let script = [
        (0, ".end"),
        (CUSTODIAN, ".condemned"),
        (0, "admin/forget/"),
        (CUSTODIAN, "list sessions"),
        (CUSTODIAN, "list sessions"),
        (1, ".end"),
        (0, ""),
        (CUSTODIAN, ""),
        (1, ""),
    ];
    let scenario = Scenario {
        custodians: 1,
        left_out,
        build_on_parent: true,
        first_forgets: true,
        ..SOUND
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = World::new(scenario).await;
        world.run(Policy::Script(&script, false)).await
    })
}

#[test]
fn a_snapshot_forgotten_between_the_marks_still_protects_what_builds_on_it() {
    assert!(forgotten_in_between(LeftOut::Nothing).is_ok());
    assert!(forgotten_in_between(LeftOut::ForgottenSince).is_err());
}

#[test]
fn a_tombstone_that_is_deleted_is_caught() {
    is_caught(Scenario {
        tombstones_deleted: true,
        ..PAIR
    });
}

/// Everything is deleted in the end that nobody refers to: safety alone could be had for nothing.
#[test]
fn what_nobody_refers_to_is_deleted() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = World::new(SOUND).await;
        let store = Arc::new(world.prepared.fork());
        let repository = open(store.clone(), 7).await.unwrap();
        collect(repository, Some(world.first), SOUND).await;
        for folder in ["packs", "index", SESSIONS, "admin/forget", "admin/gc"] {
            let left: Vec<_> = store.list(Some(&Path::from(folder))).collect().await;
            assert!(left.is_empty(), "{folder}: {left:?}");
        }
        let checkpoint = Path::from("admin/checkpoint/00000001");
        assert!(store.head(&checkpoint).await.is_ok());
    });
}
