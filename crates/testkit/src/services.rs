//! Finding the servers that `cargo xtask servers` has started.

/// A destination on a server on this machine.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its URL, to which a folder of the test's own belongs.
    pub url: String,
    /// Settings by name.
    pub settings: Vec<(String, String)>,
}

/// The service of a name in the list that `POSTKEEP_SERVERS` names; `None`, said aloud, where no
/// servers run.
///
/// # Panics
/// Without servers where `CI` is set, and for a list without the name.
pub fn service(name: &str) -> Option<Service> {
    let Ok(list) = std::env::var("POSTKEEP_SERVERS") else {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI tests destinations: POSTKEEP_SERVERS is not set"
        );
        eprintln!("skipped: no servers (`cargo xtask servers COMMAND` runs a command with them)");
        return None;
    };
    let list = std::fs::read_to_string(list).expect("the list of servers can be read");
    let line = list
        .lines()
        .find(|line| line.split('\t').next() == Some(name))
        .unwrap_or_else(|| panic!("the list of servers has no {name}"));
    let mut fields = line.split('\t').skip(1);
    let url = fields.next().expect("a server has a URL").to_owned();
    let settings = fields
        .filter_map(|field| field.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    Some(Service {
        url,
        settings: settings.collect(),
    })
}
