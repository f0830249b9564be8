//! GetInboxRules and UpdateInboxRules (MS-OXWSRULES 3.1.4).

use super::answer::refused_single;
use super::{Context, Failure, Oops, Reply};
use crate::settings::{Rule, Settings};
use crate::soap::{self, Fault};
use crate::tree::Tree;
use crate::xml::{Element, XmlWriter};

pub(super) fn get(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mailbox = match context.own_mailbox(request.child_text("MailboxSmtpAddress")) {
        Ok(mailbox) => mailbox,
        Err(failure) => return Ok(refused_single(context, &failure)),
    };
    let state = mailbox.primary.read();
    let settings = state.settings();
    let mut w = XmlWriter::new();
    soap::begin_single(&mut w, context.world.version, context.operation, None);
    w.leaf("m:ResponseCode", "NoError");
    w.flag("m:OutlookRuleBlobExists", settings.has_outlook_rules);
    w.start("m:InboxRules");
    for rule in &settings.rules {
        w.start("t:Rule");
        w.leaf("t:RuleId", &rule.id());
        w.leaf("t:DisplayName", &rule.name);
        w.number("t:Priority", rule.priority);
        w.flag("t:IsEnabled", rule.enabled);
        for part in &rule.parts {
            part.write(&mut w);
        }
        w.end("t:Rule");
    }
    w.end("m:InboxRules");
    soap::finish_single(&mut w, context.operation);
    Ok(Reply::Whole(w.into_bytes()))
}

/// What is wrong with an operation.
struct Wrong {
    index: usize,
    field: &'static str,
    code: &'static str,
    value: String,
}

pub(super) fn update(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let operations = request.required_list("Operations")?;
    let mailbox = match context.own_mailbox(request.child_text("MailboxSmtpAddress")) {
        Ok(mailbox) => mailbox,
        Err(failure) => return Ok(refused_single(context, &failure)),
    };
    let may_remove = matches!(
        request.child_text("RemoveOutlookRuleBlob"),
        Some("true" | "1")
    );
    // Everything is looked at before anything is changed: all operations are done, or none.
    let mut next = {
        let state = mailbox.primary.read();
        state.settings().clone()
    };
    if next.has_outlook_rules && !may_remove {
        let failure = Failure::new(
            "ErrorOutlookRuleBlobExists",
            "The rules of Outlook would be lost.",
        );
        return Ok(refused_single(context, &failure));
    }
    next.has_outlook_rules = false;
    let mut wrong = Vec::new();
    for (index, operation) in operations.iter().enumerate() {
        if let Err((field, code, value)) = apply(context, &mut next, operation)? {
            wrong.push(Wrong {
                index,
                field,
                code,
                value,
            });
        }
    }
    if wrong.is_empty() {
        *mailbox.primary.write().settings_mut() = next;
    }
    Ok(answer(context, &wrong))
}

type Applied = Result<(), (&'static str, &'static str, String)>;

fn apply(
    context: &Context<'_>,
    settings: &mut Settings,
    operation: &Element<'_>,
) -> Result<Applied, Fault> {
    let missing = || ("RuleId", "RuleNotFound", String::new());
    let place_of = |settings: &Settings, id: Option<&str>| {
        let id = id.unwrap_or_default();
        settings.rules.iter().position(|rule| rule.id() == id)
    };
    if operation.name == "DeleteRuleOperation" {
        let place = place_of(settings, operation.child_text("RuleId"));
        return Ok(match place {
            Some(place) => {
                settings.rules.remove(place);
                Ok(())
            }
            None => Err(missing()),
        });
    }
    let element = operation
        .child("Rule")
        .ok_or_else(|| Fault::schema("'Rule' is missing."))?;
    let mut rule = match read_rule(context, element)? {
        Ok(rule) => rule,
        Err(wrong) => return Ok(Err(wrong)),
    };
    let id = element.child_text("RuleId");
    match (&*operation.name, place_of(settings, id)) {
        ("CreateRuleOperation", _) if id.is_some() => {
            return Ok(Err(("RuleId", "CreateWithRuleId", String::new())));
        }
        ("CreateRuleOperation", _) => settings.add_rule(rule),
        (_, Some(place)) => {
            if let Some(old) = settings.rules.get_mut(place) {
                rule.number = old.number;
                *old = rule;
            }
            settings.sort_rules();
        }
        (_, None) => return Ok(Err(missing())),
    }
    Ok(Ok(()))
}

type ReadRule = Result<Rule, (&'static str, &'static str, String)>;

fn read_rule(context: &Context<'_>, element: &Element<'_>) -> Result<ReadRule, Fault> {
    let name = element.child_text("DisplayName").unwrap_or_default();
    let priority = element.child_text("Priority").map(str::parse::<i32>);
    let Some(Ok(priority)) = priority else {
        return Err(Fault::schema("'Priority' is missing or no number."));
    };
    if name.is_empty() {
        return Ok(Err(("DisplayName", "EmptyValueFound", String::new())));
    }
    if priority < 1 {
        return Ok(Err(("Priority", "InvalidValue", priority.to_string())));
    }
    // Microsoft's own library writes both with every rule; what they must not do is claim anything.
    for state in ["IsNotSupported", "IsInError"] {
        if matches!(element.child_text(state), Some("true" | "1")) {
            return Ok(Err((state, "NotSettable", "true".to_owned())));
        }
    }
    let Some(actions) = element.child("Actions").filter(|a| !a.children.is_empty()) else {
        return Ok(Err(("Actions", "MissingAction", String::new())));
    };
    let mut kept = Tree::read(actions);
    for (action, field) in [
        ("MoveToFolder", "Action:MoveToFolder"),
        ("CopyToFolder", "Action:CopyToFolder"),
    ] {
        let Some(target) = actions.child(action) else {
            continue;
        };
        match context.target_folder(target) {
            // A folder named by its fixed name is kept, and told, by its id.
            Ok(found) => {
                let id = Tree::leaf("FolderId", "");
                let id = id.with_attr("Id", &found.store.folder_id(found.number));
                kept.set(Tree::of(action, vec![id]));
            }
            Err(Oops::Part(failure)) => {
                let code = if failure.code == "ErrorFolderNotFound" {
                    "FolderDoesNotExist"
                } else {
                    "InvalidFolderId"
                };
                return Ok(Err((field, code, String::new())));
            }
            Err(Oops::Whole(fault)) => return Err(fault),
        }
    }
    let parts = ["Conditions", "Exceptions"];
    let parts = parts.into_iter().filter_map(|name| element.child(name));
    Ok(Ok(Rule {
        number: 0,
        name: name.to_owned(),
        priority,
        enabled: matches!(element.child_text("IsEnabled"), Some("true" | "1")),
        parts: parts.map(Tree::read).chain([kept]).collect(),
    }))
}

fn answer(context: &Context<'_>, wrong: &[Wrong]) -> Reply {
    let mut w = XmlWriter::new();
    let class = if wrong.is_empty() { "Success" } else { "Error" };
    soap::begin_single(
        &mut w,
        context.world.version,
        context.operation,
        Some(class),
    );
    if wrong.is_empty() {
        w.leaf("m:ResponseCode", "NoError");
    } else {
        let failure = Failure::new(
            "ErrorInboxRulesValidationError",
            "There were one or more rule validation errors.",
        );
        failure.write(&mut w);
        w.start("m:RuleOperationErrors");
        for wrong in wrong {
            w.start("t:RuleOperationError");
            w.number("t:OperationIndex", wrong.index);
            w.start("t:ValidationErrors");
            w.start("t:Error");
            w.leaf("t:FieldURI", wrong.field);
            w.leaf("t:ErrorCode", wrong.code);
            w.leaf("t:ErrorMessage", "The rule is not valid.");
            w.leaf("t:FieldValue", &wrong.value);
            w.end("t:Error");
            w.end("t:ValidationErrors");
            w.end("t:RuleOperationError");
        }
        w.end("m:RuleOperationErrors");
    }
    soap::finish_single(&mut w, context.operation);
    Reply::Whole(w.into_bytes())
}
