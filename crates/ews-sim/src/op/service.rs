//! What clients ask about the service itself: GetServiceConfiguration, GetPasswordExpirationDate,
//! GetUserRetentionPolicyTags, GetUserPhoto and CreateManagedFolder (EWS reference).

use super::rooms::MAX_MESSAGE_BYTES;
use super::{Answer, Context, Failure, Reply};
use crate::clock::xml_time;
use crate::soap::{self, Fault};
use crate::xml::{Element, XmlWriter};

/// Most recipients of one GetMailTips, as Exchange's default.
const MAX_TIPPED: u32 = 50;
/// Recipients that make an audience a large one, as Exchange's default.
const LARGE_AUDIENCE: u32 = 25;
/// Most members that are counted.
const LARGE_AUDIENCE_CAP: u32 = 1000;
/// After how many ticks a password that was set when the world began expires: 42 days.
const PASSWORD_TICKS: u64 = 42 * 86_400 * 10_000_000;

pub(super) fn configuration(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let names = request.required_list("RequestedConfiguration")?;
    let mut w = XmlWriter::new();
    soap::begin_single(&mut w, context.world.version, context.operation, None);
    w.leaf("m:ResponseCode", "NoError");
    w.start("m:ResponseMessages");
    for name in names {
        w.start("m:ServiceConfigurationResponseMessageType");
        match name.text.trim() {
            "MailTips" => {
                succeed(&mut w);
                write_mail_tips(&mut w, context);
            }
            "UnifiedMessagingConfiguration" => {
                succeed(&mut w);
                w.start("m:UnifiedMessagingConfiguration");
                w.flag("t:UmEnabled", false);
                w.leaf("t:PlayOnPhoneDialString", "");
                w.flag("t:PlayOnPhoneEnabled", false);
                w.end("m:UnifiedMessagingConfiguration");
            }
            "ProtectionRules" => {
                succeed(&mut w);
                w.start("m:ProtectionRulesConfiguration");
                w.attr("RefreshInterval", "24");
                w.leaf("t:Rules", "");
                write_domains(&mut w, context);
                w.end("m:ProtectionRulesConfiguration");
            }
            "PolicyNudges" | "SharePointURLs" | "OfficeIntegrationConfiguration" => {
                w.attr("ResponseClass", "Error");
                let text = "The configuration is not available in this organisation.";
                Failure::new("ErrorInvalidOperation", text).write(&mut w);
            }
            other => {
                return Err(Fault::schema(format!(
                    "The 'ConfigurationName' element is invalid - The value '{other}' is invalid \
                     according to its datatype 'ServiceConfigurationType' - The Enumeration \
                     constraint failed."
                )));
            }
        }
        w.end("m:ServiceConfigurationResponseMessageType");
    }
    w.end("m:ResponseMessages");
    soap::finish_single(&mut w, context.operation);
    Ok(Reply::Whole(w.into_bytes()))
}

fn succeed(w: &mut XmlWriter) {
    w.attr("ResponseClass", "Success");
    w.leaf("m:ResponseCode", "NoError");
}

fn write_mail_tips(w: &mut XmlWriter, context: &Context<'_>) {
    w.start("m:MailTipsConfiguration");
    w.flag("t:MailTipsEnabled", true);
    w.number("t:MaxRecipientsPerGetMailTipsRequest", MAX_TIPPED);
    w.number("t:MaxMessageSize", MAX_MESSAGE_BYTES);
    w.number("t:LargeAudienceThreshold", LARGE_AUDIENCE);
    w.flag("t:ShowExternalRecipientCount", true);
    write_domains(w, context);
    w.flag("t:PolicyTipsEnabled", false);
    w.number("t:LargeAudienceCap", LARGE_AUDIENCE_CAP);
    w.end("m:MailTipsConfiguration");
}

fn write_domains(w: &mut XmlWriter, context: &Context<'_>) {
    let addresses = context.world.addresses();
    let mut domains: Vec<&str> = addresses
        .iter()
        .filter_map(|address| address.rsplit_once('@').map(|(_, domain)| domain))
        .collect();
    domains.sort_unstable();
    domains.dedup();
    w.start("t:InternalDomains");
    for domain in domains {
        w.start("t:Domain");
        w.attr("Name", domain);
        w.attr("IncludeSubdomains", "false");
        w.end("t:Domain");
    }
    w.end("t:InternalDomains");
}

/// Passwords are as old as the mailbox.
pub(super) fn password_expiration(
    context: &Context<'_>,
    request: &Element<'_>,
) -> Result<Reply, Fault> {
    let named = request.child_text("MailboxSmtpAddress");
    let mut w = XmlWriter::new();
    let version = context.world.version;
    match context.own_mailbox(named) {
        Ok(mailbox) => {
            soap::begin_single(&mut w, version, context.operation, None);
            w.leaf("m:ResponseCode", "NoError");
            let state = mailbox.primary.read();
            let set = state.well_known("msgfolderroot").map(|top| top.created);
            let expires = set.unwrap_or(0).saturating_add(PASSWORD_TICKS);
            w.leaf("m:PasswordExpirationDate", &xml_time(expires));
        }
        Err(failure) => {
            soap::begin_single(&mut w, version, context.operation, Some("Error"));
            failure.write(&mut w);
            // The schema wants a date even where there is none.
            w.leaf("m:PasswordExpirationDate", "0001-01-01T00:00:00");
        }
    }
    soap::finish_single(&mut w, context.operation);
    Ok(Reply::Whole(w.into_bytes()))
}

/// Nobody here has retention tags.
pub(super) fn retention_tags(context: &Context<'_>, _: &Element<'_>) -> Result<Reply, Fault> {
    let mut w = XmlWriter::new();
    soap::begin_single(&mut w, context.world.version, context.operation, None);
    w.leaf("m:ResponseCode", "NoError");
    w.leaf("m:RetentionPolicyTags", "");
    soap::finish_single(&mut w, context.operation);
    Ok(Reply::Whole(w.into_bytes()))
}

/// Nobody here has a photo.
pub(super) fn photo(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let email = request.child_text("Email").unwrap_or_default();
    let failure = match context.world.mailbox(email) {
        Some(_) => Failure::new("ErrorItemNotFound", "The mailbox has no photo."),
        None => Failure::new(
            "ErrorNonExistentMailbox",
            "The SMTP address has no mailbox associated with it.",
        ),
    };
    let mut w = XmlWriter::new();
    let version = context.world.version;
    soap::begin_single(&mut w, version, context.operation, Some("Error"));
    failure.write(&mut w);
    // The schema wants this even where there is no photo.
    w.flag("m:HasChanged", false);
    soap::finish_single(&mut w, context.operation);
    Ok(Reply::Whole(w.into_bytes()))
}

/// Managed folders are an administrator's; there are none.
pub(super) fn managed_folder(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    for _ in request.required_list("FolderNames")? {
        answer.message(|_| {
            Err(Failure::new(
                "ErrorManagedFolderNotFound",
                "There is no managed folder of this name.",
            )
            .into())
        })?;
    }
    answer.finish()
}
