//! Bearer tokens: an account's name and a keyed hash of it, good as long as the world is.

use crate::account::Account;
use crate::sim::World;

/// The token of an account, for its name and password as client credentials.
pub(crate) fn issue(world: &World, client_id: &str, client_secret: &str) -> Option<String> {
    let account = world.account_named(client_id)?;
    (account.password() == client_secret).then(|| token(&account))
}

/// The account that a token was issued for.
pub(crate) fn holder(world: &World, bearer: &str) -> Option<Account> {
    let (user, _) = bearer.rsplit_once('.')?;
    world
        .account_named(user)
        .filter(|account| token(account) == bearer)
}

fn token(account: &Account) -> String {
    let key = blake3::derive_key("ews-sim bearer token", account.password().as_bytes());
    let proof = blake3::keyed_hash(&key, account.user().as_bytes());
    format!("{}.{}", account.user(), proof.to_hex())
}
