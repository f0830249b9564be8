//! What is measured, in the order in which it happens to one repository.

/// One thing that people do with a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Init,
    First,
    NoChange,
    /// 2 % new mails and 0.5 % changed ones.
    Changes,
    RestoreOne,
    RestoreAll,
    List,
    /// A first search, which reads what the index lacks; general-purpose programs have none.
    SearchFirst,
    Search,
    Check,
    /// One folder of each mailbox was emptied.
    AfterDeletion,
    /// The older half of the snapshots is forgotten and its space given back.
    Prune,
}

impl Phase {
    pub(super) const ALL: [Self; 12] = [
        Phase::Init,
        Phase::First,
        Phase::NoChange,
        Phase::Changes,
        Phase::RestoreOne,
        Phase::RestoreAll,
        Phase::List,
        Phase::SearchFirst,
        Phase::Search,
        Phase::Check,
        Phase::AfterDeletion,
        Phase::Prune,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Phase::Init => "init",
            Phase::First => "first backup",
            Phase::NoChange => "backup without changes",
            Phase::Changes => "backup of 2 % new, 0.5 % changed",
            Phase::RestoreOne => "restore of one mail",
            Phase::RestoreAll => "restore of everything",
            Phase::List => "listing",
            Phase::SearchFirst => "first search, with its index",
            Phase::Search => "search",
            Phase::Check => "check of every byte",
            Phase::AfterDeletion => "backup after deletions",
            Phase::Prune => "forget half, prune",
        }
    }

    /// The share of the best other program's processor seconds that we set ourselves.
    pub(super) fn target(self) -> Option<f64> {
        match self {
            Phase::First => Some(0.6),
            Phase::NoChange | Phase::RestoreOne => Some(0.3),
            Phase::RestoreAll => Some(1.0),
            Phase::Check => Some(0.7),
            Phase::Prune => Some(0.5),
            _ => None,
        }
    }
}
