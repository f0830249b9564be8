//! Who somebody is at the server that settings are restored to.

use std::collections::HashMap;

use ews_client::{Client, ResolveNames, SearchScope, UserId};
use tokio::sync::Semaphore;

use super::words::who;
use crate::restore::UserMap;

/// Users of a snapshot as the target knows them, or why it does not.
pub(super) type Users = HashMap<UserId, Result<UserId, String>>;

/// What a user is called in the target's domain, before anybody asked whether it is there.
pub(super) fn mapped(address: &str, map: Option<&UserMap>) -> String {
    let target = map.and_then(|map| map.target(address));
    target.unwrap_or_else(|| address.to_owned())
}

/// Looks users up: one request for each address that was not asked before.
pub(super) async fn find(
    client: &Client,
    permits: &Semaphore,
    map: Option<&UserMap>,
    wanted: impl IntoIterator<Item = UserId>,
) -> Users {
    let mut users = Users::new();
    let mut known: HashMap<String, bool> = HashMap::new();
    for user in wanted {
        if users.contains_key(&user) {
            continue;
        }
        let found = match (&user.distinguished, &user.primary_smtp_address) {
            (Some(distinguished), _) => Ok(UserId::distinguished(*distinguished)),
            (None, Some(address)) => {
                let address = mapped(address, map);
                let exists = match known.get(&address.to_lowercase()) {
                    Some(exists) => *exists,
                    None => {
                        let exists = is_there(client, permits, &address).await;
                        known.insert(address.to_lowercase(), exists);
                        exists
                    }
                };
                if exists {
                    Ok(UserId::smtp(address))
                } else {
                    Err(format!("{address} is not in the address book"))
                }
            }
            (None, None) => Err(format!("{} has no address to be found by", who(&user))),
        };
        users.insert(user, found);
    }
    users
}

/// Whether the address book has the address. A server that cannot be asked is asked to take the
/// setting all the same: it refuses what it does not know.
async fn is_there(client: &Client, permits: &Semaphore, address: &str) -> bool {
    let _permit = permits.acquire().await;
    let asked = ResolveNames {
        unresolved: format!("smtp:{address}"),
        scope: SearchScope::ActiveDirectory,
    };
    match client.resolve_names(&asked).await {
        Ok(found) => found.iter().any(|resolution| {
            let told = resolution.mailbox.address.as_deref();
            // Proxy addresses lead to a mailbox that answers by its main one.
            told.is_some_and(|told| told.eq_ignore_ascii_case(address)) || found.len() == 1
        }),
        Err(_) => true,
    }
}
