//! All cases.

mod index;
mod native;
mod server;
mod store;

use std::future::Future;

use tokio::runtime::{Builder, Runtime};

pub(crate) use server::answers;

use crate::case::{Case, Work};

/// All cases, in the order of the table.
pub(crate) fn all() -> Vec<Case> {
    [server::CASES, native::CASES, store::CASES, index::CASES]
        .into_iter()
        .flatten()
        .map(|&(name, prepare)| Case { name, prepare })
        .collect()
}

type Named = (&'static str, fn() -> crate::case::Prepared);

/// A runtime of one thread.
fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime of one thread starts anywhere")
}

/// Waits for something on a runtime of its own.
fn wait<T>(future: impl Future<Output = T>) -> T {
    runtime().block_on(future)
}

/// A copy in memory of so many bytes.
fn copy(len: usize) -> (&'static str, Work) {
    let from = crate::material::noise(len);
    let mut to = vec![0; len];
    let work = move || {
        to.copy_from_slice(std::hint::black_box(&from));
        std::hint::black_box(&to);
    };
    ("copy in memory", Box::new(work))
}
