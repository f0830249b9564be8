//! Shows and changes what a mailbox has beside its items: permissions, delegates, rules and
//! out-of-office replies.
//!
//! `cargo run -p ews-client --example settings -- URL USER`, with the password in the environment
//! variable `EWS_PASSWORD`. Try it on `postkeep sim`.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use ews_client::{
    BaseShape, Client, ClientOptions, Credentials, DistinguishedFolder, ExternalAudience,
    FolderShape, GetDelegate, GetFolder, GetInboxRules, GetUserOofSettings, InboxRule, OofReply,
    OofState, PropertyPath, RuleOperation, SetUserOofSettings, UpdateInboxRules, XmlElement,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = connect()?;
    let mailbox = std::env::args().nth(2).unwrap_or_default();

    let request = GetFolder {
        shape: FolderShape::new(BaseShape::IdOnly)
            .with([PropertyPath::field("folder:PermissionSet")]),
        ids: vec![DistinguishedFolder::Inbox.into()],
    };
    let inbox = client.get_folder(&request).await?.remove(0)?;
    for permission in inbox.permissions.iter().flat_map(|set| &set.permissions) {
        let user = &permission.user;
        let name = user.primary_smtp_address.clone();
        let name = name.or(user.distinguished.map(|user| user.to_string()));
        println!("{}: {}", name.unwrap_or_default(), permission.level);
    }

    let delegates = client.get_delegate(&GetDelegate::all(&*mailbox)).await?;
    println!("{} delegates", delegates.delegates.len());

    // Conditions and actions are XML elements, so that what no client knows is kept.
    let word = XmlElement::new("ContainsSubjectStrings")
        .with_children([XmlElement::leaf("String", "invoice")]);
    let rule = InboxRule {
        id: None,
        display_name: "Invoices are important".into(),
        priority: 1,
        is_enabled: true,
        is_not_supported: None,
        is_in_error: None,
        conditions: Some(XmlElement::new("Conditions").with_children([word])),
        exceptions: None,
        actions: Some(
            XmlElement::new("Actions").with_children([XmlElement::leaf("MarkImportance", "High")]),
        ),
    };
    let refused = client
        .update_inbox_rules(&UpdateInboxRules {
            mailbox: None,
            remove_outlook_rule_blob: false,
            operations: vec![RuleOperation::Create(rule)],
        })
        .await?;
    println!("{} objections to the rule", refused.len());
    for rule in client
        .get_inbox_rules(&GetInboxRules::default())
        .await?
        .rules
    {
        println!("rule {:?}, enabled: {}", rule.display_name, rule.is_enabled);
    }

    let asked = GetUserOofSettings {
        mailbox: mailbox.clone(),
    };
    let mut settings = client.get_user_oof_settings(&asked).await?.settings;
    println!("out of office: {}", settings.state);
    settings.state = OofState::Enabled;
    settings.external_audience = ExternalAudience::Known;
    settings.duration = None;
    settings.internal_reply = Some(OofReply {
        message: "I am away.".into(),
        lang: None,
    });
    let request = SetUserOofSettings { mailbox, settings };
    client.set_user_oof_settings(&request).await?;
    let settings = client.get_user_oof_settings(&asked).await?.settings;
    println!("out of office: {}", settings.state);
    Ok(())
}

/// URL and account from the command line, the password from the environment.
fn connect() -> Result<Client, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: settings URL USER, with EWS_PASSWORD set";
    let (url, user) = arguments.next().zip(arguments.next()).ok_or(usage)?;
    let password = std::env::var("EWS_PASSWORD").map_err(|_| usage)?;
    let credentials = Credentials::password(user, password);
    Ok(Client::new(ClientOptions::new(url.parse()?, credentials))?)
}
