//! What a mailbox has beside items: who may do what in its folders, who acts for its owner, rules,
//! automatic replies, categories and regional settings.
//!
//! A setting is kept as the XML text that the server's answer was read into, in the snapshot's
//! tree, so that every snapshot has the settings of its time, and what did not change costs no
//! byte. See docs/format.md, *Settings*.

mod kind;
mod live;
mod look;
mod place;
mod restore;
mod rules;
mod stored;
mod users;
mod wanted;
mod words;

pub use kind::SettingKind;
pub use look::{Setting, SettingChange, SettingVersion, SettingsOptions};
pub use restore::{
    SettingLeftOut, SettingOutcome, SettingRestored, SettingsRestoreOptions, SettingsRestoreReport,
};

pub(crate) use kind::SettingKey;
pub(crate) use live::{Holder, LiveSettings};
pub(crate) use stored::{StoredSetting, changes, folder_keys_of};
