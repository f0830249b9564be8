//! What is at the destination.

use std::collections::{BTreeMap, BTreeSet};

use ulid::Ulid;

use crate::error::Result;
use crate::layout::{self, PackName, parse_ulid};
use crate::objects::Objects;

/// Listings made before anything was decided.
#[derive(Clone, Debug, Default)]
pub(crate) struct Survey {
    /// Packs with their lengths.
    pub(crate) packs: BTreeMap<PackName, u64>,
    /// Index objects.
    pub(crate) index: BTreeSet<[u8; 16]>,
}

impl Survey {
    pub(crate) async fn make(objects: &Objects) -> Result<Self> {
        Ok(Self {
            packs: list_packs(objects).await?,
            index: list_index(objects).await?,
        })
    }
}

pub(crate) async fn list_packs(objects: &Objects) -> Result<BTreeMap<PackName, u64>> {
    let listed = objects.list(layout::PACKS).await?;
    let packs = listed.iter().filter_map(|meta| {
        let name = PackName::parse_file(meta.location.filename()?)?;
        (name.object() == meta.location.as_ref()).then_some((name, meta.size))
    });
    Ok(packs.collect())
}

async fn list_index(objects: &Objects) -> Result<BTreeSet<[u8; 16]>> {
    let listed = objects.list(layout::INDEX).await?;
    let ids = listed
        .iter()
        .filter_map(|meta| parse_ulid(meta.location.filename()?));
    Ok(ids.map(|id: Ulid| id.to_bytes()).collect())
}
