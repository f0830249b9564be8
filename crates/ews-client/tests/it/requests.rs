//! Every operation's requests, in several variants, against `schema/ews-soap.xsd`.

use std::process::Command;

use ews_client::*;

use crate::support::{Answer, client, fault, results, shared};

/// Notes a request's text in three schema versions, once with impersonation. Complaints about
/// the version make the client go down, so that every variant that depends on it is written.
pub async fn note(
    list: &mut Vec<(&'static str, String)>,
    name: &'static str,
    call: impl AsyncFn(Client),
) {
    for steps in 0..3 {
        let complaint = || Answer::with(500, fault("ErrorInvalidServerVersion", "", ""));
        let answers = (0..steps * 2)
            .map(|_| complaint())
            .chain([Answer::with(404, "")]);
        let (client, playback, _) = client(answers);
        let other = Access::Impersonate("b@example.test".into());
        call(if steps == 1 {
            client.for_mailbox(other)
        } else {
            client
        })
        .await;
        list.extend(playback.bodies().pop().map(|body| (name, body)));
    }
}

/// Notes the texts of an operation's request, taken by reference or by value.
macro_rules! texts {
    ($list:ident, ref $method:ident, $request:expr) => {{
        let request = $request;
        let call =
            async |client: Client| drop(client.$method(&request).await.expect_err("no server"));
        $crate::requests::note($list, stringify!($method), call).await;
    }};
    ($list:ident, $method:ident, $request:expr) => {{
        let request = $request;
        let call = async |client: Client| {
            drop(
                client
                    .$method(request.clone())
                    .await
                    .expect_err("no server"),
            )
        };
        $crate::requests::note($list, stringify!($method), call).await;
    }};
}

pub(crate) use texts;

/// Fields of all kinds in no order; an item of a kind takes those it can have.
fn fields() -> Vec<ItemField> {
    let of = |name: &str, attributes: &[(&str, &str)], children: Vec<ItemField>| ItemField {
        name: name.into(),
        attributes: attributes
            .iter()
            .map(|(n, v)| ((*n).into(), (*v).into()))
            .collect(),
        children,
        ..ItemField::default()
    };
    let keyed = |key: &str, children| of("Entry", &[("Key", key)], children);
    let mailbox = of(
        "Mailbox",
        &[],
        vec![
            ItemField::text("Name", "Bob"),
            ItemField::text("EmailAddress", "bob@example.test"),
            ItemField::text("RoutingType", "SMTP"),
        ],
    );
    let weekly = of(
        "WeeklyRegeneration",
        &[],
        vec![ItemField::text("Interval", "2")],
    );
    let end = of(
        "NumberedRecurrence",
        &[],
        vec![
            ItemField::text("StartDate", "2026-11-02Z"),
            ItemField::text("NumberOfOccurrences", "3"),
        ],
    );
    vec![
        ItemField::text("Surname", "O'Neill & <Sons>"),
        ItemField::text("GivenName", "Ann"),
        ItemField::text("NoSuchElement", "x"),
        ItemField::text("DisplayName", "Ann"),
        ItemField::text("FileAs", "Ann"),
        of(
            "PhysicalAddresses",
            &[],
            vec![keyed("Home", vec![ItemField::text("City", "Bern")])],
        ),
        of("Members", &[], vec![of("Member", &[], vec![mailbox])]),
        of("Recurrence", &[], vec![weekly, end]),
        ItemField::text("Status", "InProgress"),
        ItemField::text("PercentComplete", "50"),
    ]
}

fn paths() -> Vec<PropertyPath> {
    vec![
        PropertyPath::field("item:Subject"),
        PropertyPath::Indexed {
            uri: "item:InternetMessageHeader".into(),
            index: "X-\"Mailer\" <&>".into(),
        },
        PropertyPath::tag(0x670A, MapiType::SystemTime),
        ExtendedPath::name(
            DistinguishedPropertySet::PublicStrings,
            "Origin",
            MapiType::String,
        )
        .into(),
        ExtendedPath::name_in_guid(
            "00062008-0000-0000-c000-000000000046",
            "x",
            MapiType::BinaryArray,
        )
        .into(),
        ExtendedPath::id(DistinguishedPropertySet::Common, 0x8501, MapiType::Integer).into(),
    ]
}

fn folders() -> Vec<FolderIdRef> {
    let mailbox = Some("c@example.test".to_owned());
    let named = DistinguishedFolder::ALL
        .iter()
        .map(|folder| FolderIdRef::from(*folder));
    let with_key = FolderId {
        id: "AAMk+/=".into(),
        change_key: Some("AQ==".into()),
    };
    let others = [
        FolderId::new("AAMk\t\n\"<&>'\u{1}\u{FFFE}").into(),
        with_key.into(),
        FolderIdRef::Distinguished {
            folder: DistinguishedFolder::Inbox,
            mailbox,
        },
    ];
    named.chain(others).collect()
}

fn items() -> Vec<ItemId> {
    vec![
        ItemId::new("AAMkAD="),
        ItemId::with_change_key("a&b", "CQ=="),
    ]
}

pub fn properties() -> Vec<ExtendedProperty> {
    let values = PropertyValue::Multiple(vec!["a\r\nb".into(), "]]>".into()]);
    vec![
        ExtendedProperty::single(ExtendedPath::tag(0x0E07, MapiType::Integer), "1"),
        ExtendedProperty {
            path: ExtendedPath::name(DistinguishedPropertySet::Common, "K", MapiType::StringArray),
            value: values,
        },
    ]
}

fn restriction() -> Restriction {
    let path = || PropertyPath::field("item:DateTimeReceived");
    let text = || "2026-01-01T00:00:00Z".to_owned();
    let contains = |mode, comparison| Restriction::Contains {
        path: PropertyPath::field("item:Subject"),
        value: "\"a\" & b".into(),
        mode,
        comparison,
    };
    Restriction::And(vec![
        Restriction::Or(vec![
            Restriction::IsEqualTo(path(), text()),
            Restriction::IsNotEqualTo(path(), text()),
        ]),
        Restriction::Not(Box::new(Restriction::Exists(PropertyPath::tag(
            0x1090,
            MapiType::Integer,
        )))),
        Restriction::Or(vec![Restriction::IsGreaterThan(path(), text())]),
        Restriction::And(vec![]),
        Restriction::IsGreaterThanOrEqualTo(path(), text()),
        Restriction::IsLessThan(path(), text()),
        Restriction::IsLessThanOrEqualTo(path(), text()),
        contains(
            ContainmentMode::Substring,
            ContainmentComparison::IgnoreCase,
        ),
        contains(ContainmentMode::FullString, ContainmentComparison::Exact),
    ])
}

async fn folder_requests(list: &mut Vec<(&'static str, String)>) {
    for base in BaseShape::ALL {
        let shape = FolderShape::new(*base).with(paths()[2..].iter().cloned());
        texts!(
            list,
            ref get_folder,
            GetFolder {
                shape: shape.clone(),
                ids: folders()
            }
        );
        let paging = Some(Paging {
            offset: 7,
            max_entries: 1000,
        });
        for traversal in FolderTraversal::ALL {
            texts!(
                list,
                ref find_folder,
                FindFolder {
                    parents: folders(),
                    traversal: *traversal,
                    shape: shape.clone(),
                    restriction: Some(restriction()),
                    paging
                }
            );
        }
    }
    texts!(
        list,
        ref find_folder,
        FindFolder::deep(
            DistinguishedFolder::Root,
            FolderShape::new(BaseShape::IdOnly)
        )
    );
    let shape = FolderShape::new(BaseShape::IdOnly);
    let state = Some(SyncState("H4sIAAA=".into()));
    texts!(
        list,
        ref sync_folder_hierarchy,
        SyncFolderHierarchy {
            shape: shape.clone(),
            folder: None,
            sync_state: None
        }
    );
    texts!(
        list,
        ref sync_folder_hierarchy,
        SyncFolderHierarchy {
            shape,
            folder: Some(DistinguishedFolder::MsgFolderRoot.into()),
            sync_state: state
        }
    );
    let kinds = [
        FolderKind::Folder,
        FolderKind::Calendar,
        FolderKind::Contacts,
        FolderKind::Tasks,
    ];
    let mut new: Vec<NewFolder> = kinds
        .into_iter()
        .map(|kind| NewFolder::new("Süd & <Nord>", kind))
        .collect();
    new[0].class = Some("IPF.Note".into());
    new[0].extended = properties();
    texts!(
        list,
        ref create_folder,
        CreateFolder {
            parent: DistinguishedFolder::Inbox.into(),
            folders: new
        }
    );
}

async fn item_requests(list: &mut Vec<(&'static str, String)>) {
    let shape = ItemShape::new(BaseShape::IdOnly).with(paths());
    for scope in SyncScope::ALL {
        let mut request = SyncFolderItems::new(FolderId::new("f"), Some(SyncState("<&>".into())));
        request.ignore = items();
        request.scope = *scope;
        request.shape = shape.clone();
        texts!(list, ref sync_folder_items, request);
    }
    texts!(
        list,
        ref sync_folder_items,
        SyncFolderItems::new(DistinguishedFolder::Inbox, None)
    );
    for traversal in ItemTraversal::ALL {
        let mut request = FindItem::new(
            FolderId::new("f"),
            shape.clone(),
            Paging {
                offset: 0,
                max_entries: 0,
            },
        );
        request.traversal = *traversal;
        request.restriction = Some(restriction());
        request.sort = paths()
            .into_iter()
            .map(|path| (path, SortDirection::Descending))
            .collect();
        texts!(list, ref find_item, request);
    }
    let mut bare = FindItem::new(
        DistinguishedFolder::Inbox,
        ItemShape::new(BaseShape::AllProperties),
        Paging {
            offset: 1,
            max_entries: 1,
        },
    );
    bare.paging = None;
    bare.restriction = Some(Restriction::And(vec![]));
    texts!(list, ref find_item, bare);
    texts!(
        list,
        ref get_item,
        GetItem {
            shape: shape.with_mime(),
            ids: items()
        }
    );
    texts!(list, ref export_items, items());
    for disposal in DisposalType::ALL {
        texts!(
            list,
            ref delete_item,
            DeleteItem {
                ids: items(),
                disposal: *disposal
            }
        );
    }
    texts!(
        list,
        ref move_item,
        MoveItem {
            to: DistinguishedFolder::DeletedItems.into(),
            ids: items()
        }
    );
    texts!(
        list,
        ref copy_item,
        CopyItem {
            to: FolderId::new("f").into(),
            ids: items()
        }
    );
    texts!(
        list,
        ref get_persona,
        GetPersona {
            id: "a&b".to_owned()
        }
    );
}

async fn writing_requests(list: &mut Vec<(&'static str, String)>) {
    let data = |text: &'static [u8]| UploadData::from(Bytes::from_static(text));
    let upload = |action, associated, data| UploadItem {
        parent: FolderId::new("f"),
        action,
        associated,
        data,
    };
    texts!(
        list,
        upload_items,
        vec![
            upload(UploadAction::CreateNew, None, data(b"abcd")),
            upload(
                UploadAction::Update(ItemId::new("i")),
                Some(true),
                data(b"ab")
            ),
            upload(
                UploadAction::UpdateOrCreate(items()[1].clone()),
                Some(false),
                data(b"abc")
            ),
        ]
    );
    let kinds = [
        ItemKind::Item,
        ItemKind::Message,
        ItemKind::SharingMessage,
        ItemKind::CalendarItem,
        ItemKind::Contact,
        ItemKind::DistributionList,
        ItemKind::MeetingMessage,
        ItemKind::MeetingRequest,
        ItemKind::MeetingResponse,
        ItemKind::MeetingCancellation,
        ItemKind::Task,
        ItemKind::PostItem,
    ];
    let new = |kind| NewItem {
        kind,
        fields: fields(),
        sensitivity: Some(Sensitivity::Private),
        body: Some(Body {
            is_html: true,
            text: "<p>\u{1}</p>".into(),
        }),
        mime_content: Some(Bytes::from_static(b"Subject: x\r\n\r\n")),
        item_class: Some("IPM.Note".into()),
        subject: Some("a\u{B}b & <c>".into()),
        categories: vec!["red".into(), "blue".into()],
        importance: Some(Importance::High),
        extended: properties(),
        is_associated: Some(true),
        is_read: Some(true),
    };
    let items: Vec<NewItem> = kinds
        .into_iter()
        .map(new)
        .chain([NewItem::default()])
        .collect();
    texts!(
        list,
        ref create_item,
        CreateItem {
            folder: DistinguishedFolder::Drafts.into(),
            items
        }
    );
    let changes = vec![
        FieldChange::IsRead(false),
        FieldChange::Subject("x".into()),
        FieldChange::ItemClass("IPM.Note".into()),
        FieldChange::Importance(Importance::Low),
        FieldChange::Categories(vec!["a".into()]),
        FieldChange::Categories(vec![]),
        FieldChange::Extended(properties()[1].clone()),
        FieldChange::Delete(PropertyPath::tag(0x1090, MapiType::Integer)),
    ];
    for conflict in ConflictResolution::ALL {
        let items = vec![ItemUpdate {
            id: ItemId::new("i"),
            changes: changes.clone(),
        }];
        texts!(
            list,
            ref update_item,
            UpdateItem {
                items,
                conflict: *conflict
            }
        );
    }
    for scope in SearchScope::ALL {
        texts!(
            list,
            ref resolve_names,
            ResolveNames {
                unresolved: "smtp:a@example.test".into(),
                scope: *scope
            }
        );
    }
    for format in IdFormat::ALL {
        let id = |is_archive| AlternateId {
            id: "x".into(),
            format: *format,
            mailbox: "a@example.test".into(),
            is_archive,
        };
        texts!(
            list,
            ref convert_id,
            ConvertId {
                ids: vec![id(None), id(Some(true)), id(Some(false))],
                destination: IdFormat::EwsId
            }
        );
    }
}

#[tokio::test]
async fn every_request_validates_against_the_official_schema() {
    let Some(schema) = shared("ews/schema/ews-soap.xsd") else {
        return;
    };
    let mut list = Vec::new();
    folder_requests(&mut list).await;
    item_requests(&mut list).await;
    writing_requests(&mut list).await;
    crate::settings::requests(&mut list).await;
    crate::discovery::requests(&mut list).await;
    crate::notifications::requests(&mut list).await;
    let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("requests");
    std::fs::create_dir_all(&folder).unwrap();
    let mut files = Vec::new();
    for (number, (name, text)) in list.iter().enumerate() {
        let file = folder.join(format!("{number:03}-{name}.xml"));
        std::fs::write(&file, text).unwrap();
        files.push(file);
    }
    assert!(files.len() > 100, "{}", files.len());
    let run = Command::new("xmllint")
        .args(["--noout", "--nonet", "--schema"])
        .arg(schema)
        .args(&files)
        .output();
    let Ok(output) = run else {
        assert!(std::env::var_os("CI").is_none(), "xmllint is absent");
        println!("skipped: xmllint is absent");
        return;
    };
    let complaints = String::from_utf8_lossy(&output.stderr);
    let complaints: Vec<&str> = complaints
        .lines()
        .filter(|line| !line.ends_with(" validates"))
        .take(20)
        .collect();
    assert!(output.status.success(), "{complaints:#?}");
}

#[tokio::test]
async fn requests_the_schema_forbids_are_never_sent() {
    let (client, playback, _) = results([]);
    let empty = GetFolder {
        shape: FolderShape::new(BaseShape::IdOnly),
        ids: vec![],
    };
    let mut sync = SyncFolderItems::new(FolderId::new("f"), None);
    sync.max_changes = 513;
    let errors = [
        client.get_folder(&empty).await.unwrap_err(),
        client.sync_folder_items(&sync).await.unwrap_err(),
        client.export_items(&[]).await.unwrap_err(),
        client.upload_items(vec![]).await.unwrap_err(),
    ];
    assert!(
        errors
            .iter()
            .all(|error| error.kind() == ErrorKind::Invalid)
    );
    assert_eq!(playback.count(), 0);
}
