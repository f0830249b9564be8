//! Which mailboxes share a connection.

use std::collections::BTreeMap;

/// Who is listened to, and who is asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Groups {
    /// The mailboxes of each connection, all on one mailbox server.
    pub(crate) listened: Vec<Vec<String>>,
    /// Those for which there is no connection.
    pub(crate) polled: Vec<String>,
}

/// Shares mailboxes among connections: the mailboxes of one server go together, and where there
/// are more groups than connections the larger groups get one. A mailbox whose server is not known
/// goes with the others of that kind.
pub(crate) fn grouped(
    mailboxes: Vec<(String, Option<String>)>,
    per_connection: usize,
    connections: usize,
) -> Groups {
    let mut servers: BTreeMap<Option<String>, Vec<String>> = BTreeMap::new();
    for (mailbox, server) in mailboxes {
        servers.entry(server).or_default().push(mailbox);
    }
    let mut listened: Vec<Vec<String>> = servers
        .into_values()
        .flat_map(|mut of_server| {
            of_server.sort();
            let parts = of_server.chunks(per_connection.max(1));
            parts.map(<[String]>::to_vec).collect::<Vec<_>>()
        })
        .collect();
    listened.sort_by_key(|group| std::cmp::Reverse(group.len()));
    let polled = listened.split_off(listened.len().min(connections));
    Groups {
        listened,
        polled: polled.into_iter().flatten().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(of: &[(&str, Option<&str>)], room: (usize, usize), expected: (&[&[&str]], &[&str])) {
        let owned = of
            .iter()
            .map(|(name, server)| ((*name).to_owned(), server.map(str::to_owned)));
        let groups = grouped(owned.collect(), room.0, room.1);
        assert_eq!((groups.listened, groups.polled.as_slice()), {
            let listened: Vec<Vec<String>> = expected
                .0
                .iter()
                .map(|group| group.iter().map(|name| (*name).to_owned()).collect())
                .collect();
            let polled: Vec<String> = expected.1.iter().map(|name| (*name).to_owned()).collect();
            (listened, polled.leak() as &[String])
        });
    }

    #[test]
    fn mailboxes_of_one_server_share_connections_and_the_smallest_groups_go_without() {
        let of = [
            ("a", Some("1")),
            ("b", Some("2")),
            ("c", Some("1")),
            ("d", Some("1")),
        ];
        check(&of, (200, 10), (&[&["a", "c", "d"], &["b"]], &[]));
        check(&of, (2, 2), (&[&["a", "c"], &["d"]], &["b"]));
        check(&of, (200, 1), (&[&["a", "c", "d"]], &["b"]));
        check(&[("b", None), ("a", None)], (200, 1), (&[&["a", "b"]], &[]));
        check(&[], (200, 1), (&[], &[]));
    }
}
