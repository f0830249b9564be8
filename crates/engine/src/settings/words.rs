//! Settings in words: one line for each thing that is set, so that two of them can be compared
//! line by line.

use ews_client::{
    Delegate, DelegateLevel, DistinguishedUser, FolderPermissions, InboxRule, OofReply,
    OofSettings, Permission, PermissionLevel, UserConfiguration, UserId, XmlElement,
};

use super::kind::SettingKind;
use crate::error::{Doing, Result};

/// Longest line; the text of a reply is cut off behind it.
const MAX_LINE_CHARS: usize = 400;

/// What a setting says, a line each.
///
/// # Errors
/// `Corrupt` for an element that is no such setting.
pub(super) fn lines(kind: SettingKind, element: &XmlElement) -> Result<Vec<String>> {
    let read = || format!("read the {}", kind.title());
    let lines = match kind {
        SettingKind::Permissions => {
            let set = FolderPermissions::from_element(element).doing(read)?;
            permissions(&set)
        }
        SettingKind::Delegates => delegates(element).doing(read)?,
        SettingKind::Rules => {
            let rules = rules(element)?;
            rules.iter().map(rule).collect()
        }
        SettingKind::Oof => oof(&OofSettings::from_element(element).doing(read)?),
        _ => {
            let found = UserConfiguration::from_element(element).doing(read)?;
            configuration(kind, &found)
        }
    };
    Ok(lines.into_iter().map(shortened).collect())
}

fn shortened(line: String) -> String {
    let line = line.replace(['\r', '\n'], " ");
    match line.char_indices().nth(MAX_LINE_CHARS) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// Whom a permission or a delegation is for, as users know them.
pub(super) fn who(user: &UserId) -> String {
    if let Some(user) = user.distinguished {
        return match user {
            DistinguishedUser::Default => "everybody".to_owned(),
            DistinguishedUser::Anonymous => "who is not signed in".to_owned(),
            other => other.as_str().to_owned(),
        };
    }
    [
        &user.primary_smtp_address,
        &user.external_identity,
        &user.display_name,
        &user.sid,
    ]
    .into_iter()
    .flatten()
    .next()
    .cloned()
    .unwrap_or_else(|| "somebody without a name".to_owned())
}

fn permissions(set: &FolderPermissions) -> Vec<String> {
    let told = set.permissions.iter();
    let mut lines: Vec<String> = told
        .map(|permission| format!("{}: {}", who(&permission.user), level(permission)))
        .collect();
    let unknown = set.unknown_entries.iter();
    lines.extend(unknown.map(|entry| format!("{entry}: unknown to the server")));
    lines
}

fn level(permission: &Permission) -> String {
    if permission.level != PermissionLevel::Custom {
        return permission.level.as_str().to_owned();
    }
    let mut parts = Vec::new();
    let flags = [
        ("creates items", permission.can_create_items),
        ("creates subfolders", permission.can_create_sub_folders),
        ("owner", permission.is_folder_owner),
        ("sees the folder", permission.is_folder_visible),
        ("contact", permission.is_folder_contact),
    ];
    parts.extend(
        flags
            .into_iter()
            .filter(|(_, flag)| *flag == Some(true))
            .map(|(name, _)| name.to_owned()),
    );
    parts.extend(
        permission
            .read_items
            .map(|a| format!("reads {}", a.as_str())),
    );
    parts.extend(
        permission
            .edit_items
            .map(|a| format!("edits {}", a.as_str())),
    );
    parts.extend(
        permission
            .delete_items
            .map(|a| format!("deletes {}", a.as_str())),
    );
    format!("Custom ({})", parts.join(", "))
}

fn delegates(element: &XmlElement) -> ews_client::Result<Vec<String>> {
    let mut lines = Vec::new();
    if let Some(deliver) = element.child_text("DeliverMeetingRequests") {
        lines.push(format!("meeting requests: {deliver}"));
    }
    for child in element.children.iter().filter(|c| c.name == "DelegateUser") {
        lines.push(delegate(&Delegate::from_element(child)?));
    }
    Ok(lines)
}

pub(super) fn delegate(delegate: &Delegate) -> String {
    let levels = [
        ("calendar", delegate.calendar),
        ("tasks", delegate.tasks),
        ("inbox", delegate.inbox),
        ("contacts", delegate.contacts),
        ("notes", delegate.notes),
        ("journal", delegate.journal),
    ];
    let mut parts: Vec<String> = levels
        .into_iter()
        .filter_map(|(folder, level)| Some((folder, level?)))
        .filter(|(_, level)| *level != DelegateLevel::None)
        .map(|(folder, level)| format!("{folder} {}", level.as_str()))
        .collect();
    if delegate.receive_copies_of_meeting_messages == Some(true) {
        parts.push("copies of meeting messages".to_owned());
    }
    if delegate.view_private_items == Some(true) {
        parts.push("sees private items".to_owned());
    }
    if parts.is_empty() {
        parts.push("no rights".to_owned());
    }
    format!("{}: {}", who(&delegate.user), parts.join(", "))
}

/// The rules in an element that holds them.
pub(super) fn rules(element: &XmlElement) -> Result<Vec<InboxRule>> {
    let rules = element.children.iter().filter(|child| child.name == "Rule");
    rules
        .map(|rule| InboxRule::from_element(rule).doing(|| "read the inbox rules".to_owned()))
        .collect()
}

/// A rule in one line: its place and name, when it applies, and what it does.
pub(super) fn rule(rule: &InboxRule) -> String {
    let mut line = format!("{}. {}", rule.priority, rule.display_name);
    if !rule.is_enabled {
        line.push_str(" (off)");
    }
    let parts = [
        ("if", &rule.conditions),
        ("unless", &rule.exceptions),
        ("then", &rule.actions),
    ];
    for (word, part) in parts {
        let children = part.iter().flat_map(|part| &part.children);
        let said: Vec<String> = children.map(flat).collect();
        if !said.is_empty() {
            line.push_str(&format!("; {word} {}", said.join(", ")));
        }
    }
    if rule.is_not_supported == Some(true) {
        line.push_str("; it has parts that EWS cannot express");
    }
    line
}

/// An element as one text: its name and the texts in it. Of a folder, its id or fixed name.
fn flat(element: &XmlElement) -> String {
    fn texts(element: &XmlElement, found: &mut Vec<String>) {
        if matches!(element.name.as_str(), "RoutingType" | "MailboxType") {
            return;
        }
        if element.children.is_empty() {
            let id = element.attribute("Id");
            let text = id.unwrap_or(element.text.as_str());
            if !text.is_empty() {
                found.push(text.to_owned());
            }
        }
        for child in &element.children {
            texts(child, found);
        }
    }
    let mut found = Vec::new();
    texts(element, &mut found);
    format!("{} {}", element.name, found.join(" "))
}

fn oof(settings: &OofSettings) -> Vec<String> {
    let mut lines = vec![
        format!("state: {}", settings.state.as_str()),
        format!("outside: {}", settings.external_audience.as_str()),
    ];
    if let Some((from, to)) = settings.duration {
        lines.push(format!("from {from} to {to}"));
    }
    let replies = [
        ("reply inside", &settings.internal_reply),
        ("reply outside", &settings.external_reply),
    ];
    for (what, reply) in replies {
        let Some(OofReply { message, .. }) = reply else {
            continue;
        };
        lines.push(format!("{what}: {}", without_tags(message)));
    }
    lines
}

/// The text of a small piece of HTML, to be looked at.
fn without_tags(html: &str) -> String {
    let mut text = String::new();
    let mut in_tag = false;
    for c in html.chars() {
        match c {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                text.push(' ');
            }
            c if !in_tag => text.push(c),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn configuration(kind: SettingKind, found: &UserConfiguration) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in found.dictionary.iter().flatten() {
        let value = entry.value.as_ref();
        let value = value.map_or("null".to_owned(), |value| value.values.join(", "));
        lines.push(format!("{} = {value}", entry.key.values.join(" ")));
    }
    if let Some(xml) = &found.xml_data {
        match XmlElement::from_xml(&String::from_utf8_lossy(xml)) {
            Ok(element) if kind == SettingKind::Categories => {
                lines.extend(element.children.iter().map(category));
            }
            Ok(element) => leaves(&element, "", &mut lines),
            Err(_) => lines.push(format!("{} bytes of XML that cannot be read", xml.len())),
        }
    }
    if let Some(binary) = &found.binary_data {
        let hash = blake3::hash(binary).to_hex();
        lines.push(format!("{} bytes of data ({})", binary.len(), &hash[..8]));
    }
    lines
}

fn category(element: &XmlElement) -> String {
    let attribute = |name| element.attribute(name).unwrap_or_default();
    format!("{} (colour {})", attribute("name"), attribute("color"))
}

/// Every text in an element with the names that lead to it.
fn leaves(element: &XmlElement, above: &str, lines: &mut Vec<String>) {
    let name = if above.is_empty() {
        element.name.clone()
    } else {
        format!("{above}/{}", element.name)
    };
    for (attribute, value) in &element.attributes {
        lines.push(format!("{name}@{attribute} = {value}"));
    }
    if element.children.is_empty() && !element.text.trim().is_empty() {
        lines.push(format!("{name} = {}", element.text.trim()));
    }
    for child in &element.children {
        leaves(child, &name, lines);
    }
}

/// The lines of the first that the second has not, and the other way round; each line counts as
/// often as it stands there.
pub(super) fn difference(before: &[String], after: &[String]) -> (Vec<String>, Vec<String>) {
    let without = |all: &[String], taken: &[String]| {
        let mut taken: Vec<&String> = taken.iter().collect();
        let mut left = Vec::new();
        for line in all {
            match taken.iter().position(|other| *other == line) {
                Some(at) => drop(taken.swap_remove(at)),
                None => left.push(line.clone()),
            }
        }
        left
    };
    (without(before, after), without(after, before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: SettingKind, xml: &str, expected: &[&str]) {
        let element = XmlElement::from_xml(xml).unwrap();
        assert_eq!(lines(kind, &element).unwrap(), expected);
    }

    #[test]
    fn each_kind_is_told_in_lines() {
        check(
            SettingKind::Permissions,
            "<PermissionSet><Permissions>\
             <Permission><UserId><DistinguishedUser>Default</DistinguishedUser></UserId>\
             <PermissionLevel>None</PermissionLevel></Permission>\
             <Permission><UserId><PrimarySmtpAddress>b@x</PrimarySmtpAddress></UserId>\
             <CanCreateItems>true</CanCreateItems><ReadItems>FullDetails</ReadItems>\
             <PermissionLevel>Custom</PermissionLevel></Permission></Permissions></PermissionSet>",
            &[
                "everybody: None",
                "b@x: Custom (creates items, reads FullDetails)",
            ],
        );
        check(
            SettingKind::Rules,
            "<InboxRules><Rule><DisplayName>Bills</DisplayName><Priority>2</Priority>\
             <IsEnabled>false</IsEnabled><Conditions><ContainsSubjectStrings><String>bill</String>\
             </ContainsSubjectStrings></Conditions><Actions><MoveToFolder><FolderId Id=\"AAM\"/>\
             </MoveToFolder></Actions></Rule></InboxRules>",
            &["2. Bills (off); if ContainsSubjectStrings bill; then MoveToFolder AAM"],
        );
        check(
            SettingKind::Oof,
            "<UserOofSettings><OofState>Enabled</OofState><ExternalAudience>All</ExternalAudience>\
             <InternalReply><Message>&lt;p&gt;I am&lt;br&gt;away&lt;/p&gt;</Message></InternalReply>\
             </UserOofSettings>",
            &["state: Enabled", "outside: All", "reply inside: I am away"],
        );
        check(
            SettingKind::Delegates,
            "<Delegates><DeliverMeetingRequests>NoForward</DeliverMeetingRequests><DelegateUser>\
             <UserId><PrimarySmtpAddress>b@x</PrimarySmtpAddress></UserId><DelegatePermissions>\
             <CalendarFolderPermissionLevel>Editor</CalendarFolderPermissionLevel>\
             </DelegatePermissions></DelegateUser></Delegates>",
            &["meeting requests: NoForward", "b@x: calendar Editor"],
        );
        let xml = "<categories xmlns=\"CategoryList.xsd\"><category name=\"Red\" color=\"0\"/></categories>";
        let data = base64_simd::STANDARD.encode_to_string(xml);
        let text = format!(
            "<UserConfiguration><UserConfigurationName Name=\"CategoryList\">\
             <DistinguishedFolderId Id=\"calendar\"/></UserConfigurationName>\
             <XmlData>{data}</XmlData></UserConfiguration>"
        );
        check(SettingKind::Categories, &text, &["Red (colour 0)"]);
    }

    #[test]
    fn lines_are_compared_as_often_as_they_stand_there() {
        let of = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
        assert_eq!(difference(&of("aab"), &of("abc")), (of("a"), of("c")));
    }
}
