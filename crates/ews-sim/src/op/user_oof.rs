//! GetUserOofSettings and SetUserOofSettings (MS-OXWOOF 3.1.4).

use super::{Context, Failure, Reply};
use crate::clock::{parse_xml_time, xml_time};
use crate::sim::Mailbox;
use crate::soap::{self, Fault};
use crate::tree::Tree;
use crate::xml::{Element, XmlWriter};

/// A day in 100 ns ticks.
const DAY: u64 = 24 * 3600 * 10_000_000;

pub(super) fn get(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut w = begin(context);
    match mailbox(context, request) {
        Err(failure) => respond(&mut w, Some(&failure)),
        Ok(mailbox) => {
            respond(&mut w, None);
            let kept = mailbox.primary.read().settings().oof.clone();
            let settings = kept.unwrap_or_else(|| defaults(mailbox.primary.clock().now()));
            settings.write_as(&mut w, "t:OofSettings");
            w.leaf("m:AllowExternalOof", "All");
        }
    }
    Ok(finish(w, context))
}

pub(super) fn set(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let settings = request
        .child("UserOofSettings")
        .ok_or_else(|| Fault::schema("'UserOofSettings' is missing."))?;
    let done = mailbox(context, request).and_then(|mailbox| {
        check(settings)?;
        let mut state = mailbox.primary.write();
        let mut kept = Tree::read(settings);
        // A reply without a text is told with an empty one.
        let replies = kept.children.iter_mut();
        for reply in replies.filter(|child| child.name.ends_with("Reply")) {
            if reply.children.is_empty() {
                reply.children.push(Tree::leaf("Message", ""));
            }
        }
        state.settings_mut().oof = Some(kept);
        Ok(())
    });
    let mut w = begin(context);
    respond(&mut w, done.err().as_ref());
    Ok(finish(w, context))
}

/// What a mailbox has before anybody sets it.
fn defaults(now: u64) -> Tree {
    let duration = vec![
        Tree::leaf("StartTime", &xml_time(now)),
        Tree::leaf("EndTime", &xml_time(now + DAY)),
    ];
    let reply = |name| Tree::of(name, vec![Tree::leaf("Message", "")]);
    let parts = vec![
        Tree::leaf("OofState", "Disabled"),
        Tree::leaf("ExternalAudience", "None"),
        Tree::of("Duration", duration),
        reply("InternalReply"),
        reply("ExternalReply"),
    ];
    Tree::of("UserOofSettings", parts)
}

fn check(settings: &Element<'_>) -> Result<(), Failure> {
    let state = settings.child_text("OofState").unwrap_or_default();
    let audience = settings.child_text("ExternalAudience").unwrap_or_default();
    let known = matches!(state, "Disabled" | "Enabled" | "Scheduled")
        && matches!(audience, "None" | "Known" | "All");
    if !known {
        return Err(Failure::new(
            "ErrorInvalidUserOofSettings",
            "The out-of-office settings are not valid.",
        ));
    }
    let duration = settings.child("Duration");
    let time = |name| duration.and_then(|duration| parse_xml_time(duration.child_text(name)?));
    match (time("StartTime"), time("EndTime")) {
        (Some(start), Some(end)) if start < end => Ok(()),
        (None, None) if duration.is_none() && state != "Scheduled" => Ok(()),
        _ => Err(Failure::new(
            "ErrorInvalidScheduledOofDuration",
            "The end of the period is not after its start.",
        )),
    }
}

fn mailbox(context: &Context<'_>, request: &Element<'_>) -> Result<Mailbox, Failure> {
    let holder = request.child("Mailbox");
    context.own_mailbox(holder.and_then(|holder| holder.child_text("Address")))
}

fn begin(context: &Context<'_>) -> XmlWriter {
    let mut w = XmlWriter::new();
    soap::begin_plain(&mut w, context.world.version, context.operation);
    w
}

fn respond(w: &mut XmlWriter, failure: Option<&Failure>) {
    w.start("m:ResponseMessage");
    match failure {
        None => {
            w.attr("ResponseClass", "Success");
            w.leaf("m:ResponseCode", "NoError");
        }
        Some(failure) => {
            w.attr("ResponseClass", "Error");
            failure.write(w);
        }
    }
    w.end("m:ResponseMessage");
}

fn finish(mut w: XmlWriter, context: &Context<'_>) -> Reply {
    soap::finish_single(&mut w, context.operation);
    Reply::Whole(w.into_bytes())
}
