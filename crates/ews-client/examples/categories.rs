//! Reads and writes what programs keep hidden in folders: the list of categories, which is a user
//! configuration object, and the associated items that such objects and views lie in.
//!
//! `cargo run -p ews-client --example categories -- URL USER`, with the password in the environment
//! variable `EWS_PASSWORD`. Try it on `postkeep sim`. It changes the list of categories.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use ews_client::{
    BaseShape, Bytes, Client, ClientOptions, CreateUserConfiguration, Credentials,
    DistinguishedFolder, ErrorKind, FindItem, GetUserConfiguration, ItemShape, ItemTraversal,
    Paging, PropertyPath, UpdateUserConfiguration, UserConfiguration, UserConfigurationName,
};

/// A list of one category (MS-OXOCFG 2.2.5).
const LIST: &[u8] = br#"<?xml version="1.0"?>
<categories default="Red" lastSavedSession="1" lastSavedTime="2026-11-02T10:00:00.000"
    xmlns="CategoryList.xsd"><category name="Red" color="0" keyboardShortcut="0"
    usageCount="0" lastTimeUsedNotes="1601-01-01T00:00:00.000"
    lastTimeUsedJournal="1601-01-01T00:00:00.000"
    lastTimeUsedContacts="1601-01-01T00:00:00.000" lastTimeUsedTasks="1601-01-01T00:00:00.000"
    lastTimeUsedCalendar="1601-01-01T00:00:00.000" lastTimeUsedMail="1601-01-01T00:00:00.000"
    lastTimeUsed="1601-01-01T00:00:00.000" lastSessionUsed="0"
    guid="{2B7FC69C-7046-44A2-8FF3-007D7467DC82}"/></categories>
"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = connect()?;
    let name = UserConfigurationName::new(DistinguishedFolder::Calendar, "CategoryList");
    let asked = GetUserConfiguration { name: name.clone() };
    let before = match client.get_user_configuration(&asked).await {
        Ok(before) => Some(before),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let known = before.as_ref().and_then(|list| list.xml_data.as_ref());
    println!("before: {:?} bytes of XML", known.map(Bytes::len));

    // What is given replaces what is there; what is not given stays.
    let mut configuration = UserConfiguration::new(name);
    configuration.xml_data = Some(Bytes::from_static(LIST));
    match before {
        Some(_) => {
            let request = UpdateUserConfiguration { configuration };
            client.update_user_configuration(&request).await?;
        }
        None => {
            let request = CreateUserConfiguration { configuration };
            client.create_user_configuration(&request).await?;
        }
    }
    let after = client.get_user_configuration(&asked).await?;
    println!(
        "after: {:?} bytes of XML",
        after.xml_data.map(|xml| xml.len())
    );

    let all = Paging {
        offset: 0,
        max_entries: 1000,
    };
    let class = PropertyPath::field("item:ItemClass");
    let shape = ItemShape::new(BaseShape::IdOnly).with([class]);
    let mut request = FindItem::new(DistinguishedFolder::Calendar, shape, all);
    request.traversal = ItemTraversal::Associated;
    for item in client.find_item(&request).await?.items {
        println!("associated: {}", item.item_class.unwrap_or_default());
    }
    Ok(())
}

/// URL and account from the command line, the password from the environment.
fn connect() -> Result<Client, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: categories URL USER, with EWS_PASSWORD set";
    let (url, user) = arguments.next().zip(arguments.next()).ok_or(usage)?;
    let password = std::env::var("EWS_PASSWORD").map_err(|_| usage)?;
    let credentials = Credentials::password(user, password);
    Ok(Client::new(ClientOptions::new(url.parse()?, credentials))?)
}
