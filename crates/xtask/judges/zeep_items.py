"""Folders, items, attachments, changes and notifications, as zeep reads and writes them."""

from datetime import datetime, timezone

import exchangelib_mail as mail
from judging import expect
from zeep_service import each, messages, one, only

CHECKS = []
ID_ONLY = {"BaseShape": "IdOnly"}
ALL = {"BaseShape": "AllProperties"}
TO_BOB = each(("Mailbox", {"EmailAddress": mail.BOB}))
CHANGED = 'ConflictResolution="AlwaysOverwrite" MessageDisposition="SaveOnly"'


def check(function):
    CHECKS.append(function)
    return function


def folder(name):
    return ("DistinguishedFolderId", {"Id": name})


def target(name):
    return dict([folder(name)])


def item(identity):
    return each(("ItemId", {"Id": identity}))


def new(world, folder_name, **fields):
    """Makes a mail that is not sent and returns its id."""
    answer = world.alice.call(
        "CreateItem",
        MessageDisposition="SaveOnly",
        SavedItemFolderId=target(folder_name),
        Items=each(("Message", fields)),
    )
    return only(one(answer).Items, "Message").ItemId.Id


@check
def folders_are_found_at_any_depth(world):
    answer = world.alice.call(
        "FindFolder",
        Traversal="Deep",
        FolderShape=ALL,
        ParentFolderIds=each(folder("msgfolderroot")),
    )
    found = [value for choice in one(answer).RootFolder.Folders._value_1 for value in choice.values()]
    names = {value.DisplayName for value in found}
    expect({"Inbox", "Projects", "2026", "Calendar"} - names, set(), "missing folders")


@check
def a_folder_tells_its_counts_and_rights(world):
    answer = world.alice.call("GetFolder", FolderShape=ALL, FolderIds=each(folder("inbox")))
    inbox = only(one(answer).Folders, "Folder")
    expect(inbox.TotalCount, mail.INBOX_MAILS, "items")
    expect(inbox.EffectiveRights.CreateContents, True, "right to create")


@check
def folders_of_every_kind_are_read_whole(world):
    names = ["calendar", "contacts", "tasks", "msgfolderroot", "drafts", "recoverableitemsdeletions"]
    answer = world.alice.call("GetFolder", FolderShape=ALL, FolderIds=each(*map(folder, names)))
    expect([message.ResponseCode for message in messages(answer)], ["NoError"] * 6, "codes")
    kinds = [next(iter(message.Folders._value_1[0])) for message in messages(answer)]
    expect(kinds[:3], ["CalendarFolder", "ContactsFolder", "TasksFolder"], "kinds")


@check
def a_folder_that_is_not_there_is_an_error(world):
    answer = world.alice.call(
        "GetFolder", FolderShape=ALL, FolderIds=each(("FolderId", {"Id": "AAMk"}))
    )
    one(answer, "ErrorInvalidIdMalformed")


@check
def a_folder_is_created(world):
    answer = world.alice.call(
        "CreateFolder",
        ParentFolderId=target("inbox"),
        Folders=each(("Folder", {"DisplayName": "Made by zeep"})),
    )
    world.kept["folder"] = only(one(answer).Folders, "Folder").FolderId.Id


@check
def folders_are_created_along_a_path(world):
    answer = world.alice.call(
        "CreateFolderPath",
        ParentFolderId={"FolderId": {"Id": world.kept["folder"]}},
        RelativeFolderPath=each(("Folder", {"DisplayName": "One"}), ("Folder", {"DisplayName": "Two"})),
    )
    expect([message.ResponseCode for message in messages(answer)], ["NoError"] * 2, "codes")


@check
def a_folder_is_renamed(world):
    answer = world.alice.ask(
        "UpdateFolder",
        f'<UpdateFolder><FolderChanges><t:FolderChange><t:FolderId Id="{world.kept["folder"]}"/>'
        '<t:Updates><t:SetFolderField><t:FieldURI FieldURI="folder:DisplayName"/><t:Folder>'
        "<t:DisplayName>Renamed</t:DisplayName></t:Folder></t:SetFolderField></t:Updates>"
        "</t:FolderChange></FolderChanges></UpdateFolder>",
    )
    only(one(answer).Folders, "Folder")


@check
def a_folder_is_copied_and_moved(world):
    source = each(("FolderId", {"Id": world.kept["folder"]}))
    copied = world.alice.call("CopyFolder", ToFolderId=target("drafts"), FolderIds=source)
    copy = only(one(copied).Folders, "Folder").FolderId.Id
    moved = world.alice.call(
        "MoveFolder", ToFolderId=target("notes"), FolderIds=each(("FolderId", {"Id": copy}))
    )
    world.kept["copy"] = only(one(moved).Folders, "Folder").FolderId.Id


@check
def a_folder_is_emptied_and_deleted(world):
    identity = each(("FolderId", {"Id": world.kept["copy"]}))
    emptied = world.alice.call(
        "EmptyFolder", DeleteType="HardDelete", DeleteSubFolders=True, FolderIds=identity
    )
    one(emptied)
    one(world.alice.call("DeleteFolder", DeleteType="HardDelete", FolderIds=identity))


@check
def managed_folders_are_not_there(world):
    names = {"FolderName": ["Legal"]}
    answer = world.alice.call("CreateManagedFolder", FolderNames=names)
    one(answer, "ErrorManagedFolderNotFound")


@check
def items_come_in_pages(world):
    answer = world.alice.call(
        "FindItem",
        Traversal="Shallow",
        ItemShape=ALL,
        IndexedPageItemView={"MaxEntriesReturned": 7, "Offset": 0, "BasePoint": "Beginning"},
        ParentFolderIds=each(folder("inbox")),
    )
    page = one(answer).RootFolder
    expect((page.TotalItemsInView, page.IncludesLastItemInRange), (mail.INBOX_MAILS, False), "page")
    expect(len(page.Items._value_1), 7, "items")


def find(world, subject):
    answer = world.alice.ask(
        "FindItem",
        '<FindItem Traversal="Shallow"><ItemShape><t:BaseShape>Default</t:BaseShape></ItemShape>'
        '<Restriction><t:IsEqualTo><t:FieldURI FieldURI="item:Subject"/><t:FieldURIOrConstant>'
        f'<t:Constant Value="{subject}"/></t:FieldURIOrConstant></t:IsEqualTo></Restriction>'
        '<ParentFolderIds><t:DistinguishedFolderId Id="inbox"/></ParentFolderIds></FindItem>',
    )
    return only(one(answer).RootFolder.Items, "Message").ItemId.Id


@check
def a_restriction_finds_one_mail(world):
    world.kept["files"] = find(world, "Two files")


@check
def items_come_in_groups(world):
    answer = world.alice.ask(
        "FindItem",
        '<FindItem Traversal="Shallow"><ItemShape><t:BaseShape>IdOnly</t:BaseShape></ItemShape>'
        '<GroupBy Order="Ascending"><t:FieldURI FieldURI="item:Importance"/>'
        '<t:AggregateOn Aggregate="Maximum"><t:FieldURI FieldURI="item:DateTimeReceived"/>'
        "</t:AggregateOn></GroupBy>"
        '<ParentFolderIds><t:DistinguishedFolderId Id="inbox"/></ParentFolderIds></FindItem>',
    )
    groups = one(answer).RootFolder.Groups.GroupedItems
    count = sum(len(group.Items._value_1) for group in groups)
    expect((groups[0].GroupIndex, count), ("1", mail.INBOX_MAILS), "groups")


@check
def a_calendar_view_shows_an_appointment(world):
    answer = world.alice.call(
        "FindItem",
        Traversal="Shallow",
        ItemShape=ALL,
        CalendarView={
            "StartDate": datetime(2026, 3, 1, tzinfo=timezone.utc),
            "EndDate": datetime(2026, 4, 1, tzinfo=timezone.utc),
        },
        ParentFolderIds=each(folder("calendar")),
    )
    found = only(one(answer).RootFolder.Items, "CalendarItem")
    expect((found.Subject, found.Location), ("Planning", "Room 4"), "appointment")
    world.kept["appointment"] = found.ItemId.Id


@check
def everything_of_a_mail_is_read(world):
    shape = {**ALL, "IncludeMimeContent": True}
    answer = world.alice.call("GetItem", ItemShape=shape, ItemIds=item(world.kept["files"]))
    found = only(one(answer).Items, "Message")
    expect(found.HasAttachments, True, "has attachments")
    files = [attachment["FileAttachment"] for attachment in found.Attachments._value_1]
    expect(len(files), 2, "attachments")
    expect(len(found.MimeContent._value_1) > 1000, True, "there is MIME text")
    world.kept["attachment"] = next(one.AttachmentId.Id for one in files if one.Name == "table.csv")


@check
def everything_of_an_appointment_is_read(world):
    answer = world.alice.call("GetItem", ItemShape=ALL, ItemIds=item(world.kept["appointment"]))
    found = only(one(answer).Items, "CalendarItem")
    expect(found.Start, datetime(2026, 3, 10, 9, tzinfo=timezone.utc), "start")


@check
def an_item_that_is_not_there_is_an_error(world):
    answer = world.alice.call("GetItem", ItemShape=ALL, ItemIds=item("AAMk"))
    one(answer, "ErrorInvalidIdMalformed")


@check
def an_attachment_is_read_byte_for_byte(world):
    identity = each(("AttachmentId", {"Id": world.kept["attachment"]}))
    answer = world.alice.call("GetAttachment", AttachmentIds=identity)
    found = one(answer).Attachments._value_1[0]["FileAttachment"]
    expect(found.Content, mail.TABLE, "content")


@check
def items_of_every_kind_are_created_and_read(world):
    start = datetime(2026, 5, 4, 9, tzinfo=timezone.utc)
    kinds = [
        ("Message", {"Subject": "mail", "Body": {"BodyType": "HTML", "_value_1": "<p>text</p>"}}),
        ("CalendarItem", {"Subject": "meeting", "Start": start, "End": start.replace(hour=10)}),
        ("Contact", {"GivenName": "Dora", "Surname": "Meier"}),
        ("Task", {"Subject": "task", "DueDate": start}),
        ("PostItem", {"Subject": "post"}),
        ("DistributionList", {"DisplayName": "list"}),
    ]
    created = world.alice.call(
        "CreateItem",
        MessageDisposition="SaveOnly",
        SendMeetingInvitations="SendToNone",
        Items=each(*kinds),
    )
    names = [next(iter(message.Items._value_1[0])) for message in messages(created)]
    expect(names, [name for name, _ in kinds], "kinds")
    ids = [message.Items._value_1[0][name].ItemId.Id for message, name in zip(messages(created), names)]
    identities = each(*(("ItemId", {"Id": identity}) for identity in ids))
    read = world.alice.call("GetItem", ItemShape=ALL, ItemIds=identities)
    expect([message.ResponseCode for message in messages(read)], ["NoError"] * 6, "codes")


@check
def a_mail_that_is_sent_has_no_id_yet(world):
    answer = world.alice.call(
        "CreateItem",
        MessageDisposition="SendAndSaveCopy",
        Items=each(("Message", {"Subject": "sent", "ToRecipients": TO_BOB})),
    )
    expect(one(answer).Items, None, "items")


@check
def an_item_is_changed(world):
    world.kept["draft"] = new(world, "drafts", Subject="a draft")
    answer = world.alice.ask(
        "UpdateItem",
        f"<UpdateItem {CHANGED}><ItemChanges><t:ItemChange>"
        f'<t:ItemId Id="{world.kept["draft"]}"/><t:Updates><t:SetItemField>'
        '<t:FieldURI FieldURI="item:Subject"/><t:Message><t:Subject>changed</t:Subject></t:Message>'
        '</t:SetItemField><t:DeleteItemField><t:FieldURI FieldURI="item:Body"/></t:DeleteItemField>'
        "</t:Updates></t:ItemChange></ItemChanges></UpdateItem>",
    )
    expect(one(answer).ConflictResults.Count, 0, "conflicts")


@check
def an_attachment_is_added_and_deleted(world):
    added = world.alice.call(
        "CreateAttachment",
        ParentItemId={"Id": world.kept["draft"]},
        Attachments=each(("FileAttachment", {"Name": "a.bin", "Content": b"\x00\x01"})),
    )
    identity = one(added).Attachments._value_1[0]["FileAttachment"].AttachmentId
    expect(identity.RootItemId, world.kept["draft"], "item")
    deleted = world.alice.call(
        "DeleteAttachment", AttachmentIds=each(("AttachmentId", {"Id": identity.Id}))
    )
    expect(one(deleted).RootItemId.RootItemId, world.kept["draft"], "item")


@check
def an_item_is_copied_moved_and_deleted(world):
    source = item(new(world, "drafts", Subject="to be moved"))
    copied = world.alice.call("CopyItem", ToFolderId=target("notes"), ItemIds=source)
    copy = item(only(one(copied).Items, "Message").ItemId.Id)
    moved = world.alice.call("MoveItem", ToFolderId=target("inbox"), ItemIds=copy)
    identity = item(only(one(moved).Items, "Message").ItemId.Id)
    one(world.alice.call("DeleteItem", DeleteType="HardDelete", ItemIds=identity))
    again = world.alice.call("DeleteItem", DeleteType="HardDelete", ItemIds=identity)
    one(again, "ErrorItemNotFound")


@check
def a_draft_is_sent(world):
    draft = new(world, "drafts", Subject="later", ToRecipients=TO_BOB)
    without = world.alice.call("SendItem", SaveItemToFolder=True, ItemIds=item(draft))
    one(without, "ErrorChangeKeyRequired")
    read = world.alice.call("GetItem", ItemShape=ID_ONLY, ItemIds=item(draft))
    key = only(one(read).Items, "Message").ItemId.ChangeKey
    whole = each(("ItemId", {"Id": draft, "ChangeKey": key}))
    one(world.alice.call("SendItem", SaveItemToFolder=True, ItemIds=whole))


@check
def all_items_are_marked_as_read(world):
    ids = each(("FolderId", {"Id": world.kept["folder"]}))
    answer = world.alice.call(
        "MarkAllItemsAsRead", ReadFlag=True, SuppressReadReceipts=True, FolderIds=ids
    )
    one(answer)


@check
def junk_is_moved(world):
    answer = world.alice.call(
        "MarkAsJunk", IsJunk=True, MoveItem=True, ItemIds=item(new(world, "inbox", Subject="Buy"))
    )
    expect(bool(one(answer).MovedItemId.Id), True, "there is an id")


@check
def an_item_that_is_not_there_is_not_archived(world):
    answer = world.alice.call(
        "ArchiveItem", ArchiveSourceFolderId=target("inbox"), ItemIds=item("AAMk")
    )
    expect(one_of(answer).ResponseClass, "Error", "class")


def one_of(answer):
    found = messages(answer)
    expect(len(found), 1, "response messages")
    return found[0]


@check
def an_item_is_exported_and_uploaded(world):
    exported = world.alice.call("ExportItems", ItemIds={"ItemId": [{"Id": world.kept["files"]}]})
    data = one(exported).Data
    inbox = world.alice.call("GetFolder", FolderShape=ID_ONLY, FolderIds=each(folder("drafts")))
    parent = only(one(inbox).Folders, "Folder").FolderId.Id
    upload = {"CreateAction": "CreateNew", "ParentFolderId": {"Id": parent}, "Data": data}
    answer = world.alice.call("UploadItems", Items={"Item": [upload]})
    expect(bool(one(answer).ItemId.Id), True, "there is an id")


@check
def the_hierarchy_is_synchronised(world):
    answer = world.alice.call("SyncFolderHierarchy", FolderShape=ALL)
    first = one(answer)
    expect(len(first.Changes._value_1) > 10, True, "changes")
    again = world.alice.call("SyncFolderHierarchy", FolderShape=ALL, SyncState=first.SyncState)
    expect(one(again).Changes, None, "changes")


@check
def a_folders_items_are_synchronised(world):
    def sync(state=None, most=512):
        answer = world.alice.call(
            "SyncFolderItems",
            ItemShape=ALL,
            SyncFolderId=target("drafts"),
            SyncState=state,
            MaxChangesReturned=most,
        )
        return one(answer)

    expect(sync(most=1).IncludesLastItemInRange, False, "last")
    first = sync()
    expect({name for change in first.Changes._value_1 for name in change}, {"Create"}, "changes")
    identity = new(world, "drafts", Subject="new")
    one(world.alice.call("DeleteItem", DeleteType="HardDelete", ItemIds=item(world.kept["draft"])))
    changes = sync(first.SyncState).Changes._value_1
    expect(sorted(name for change in changes for name in change), ["Create", "Delete"], "changes")
    created = next(change["Create"] for change in changes if "Create" in change)
    expect(created.Message.ItemId.Id, identity, "id")


@check
def events_are_fetched(world):
    request = {
        "FolderIds": each(folder("drafts")),
        "EventTypes": each(("EventType", "CreatedEvent"), ("EventType", "DeletedEvent")),
        "Timeout": 10,
    }
    made = one(world.alice.call("Subscribe", PullSubscriptionRequest=request))
    new(world, "drafts", Subject="an event")
    answer = world.alice.call(
        "GetEvents", SubscriptionId=made.SubscriptionId, Watermark=made.Watermark
    )
    notification = one(answer).Notification
    kinds = {name for event in notification._value_1 for name in event}
    expect("CreatedEvent" in kinds, True, f"a CreatedEvent among {kinds}")
    one(world.alice.call("Unsubscribe", SubscriptionId=made.SubscriptionId))
    gone = world.alice.call("Unsubscribe", SubscriptionId=made.SubscriptionId)
    one(gone, "ErrorSubscriptionNotFound")


@check
def a_stream_without_its_subscription_ends(world):
    answer = world.alice.call(
        "GetStreamingEvents", SubscriptionIds={"SubscriptionId": ["AAMk"]}, ConnectionTimeout=1
    )
    expect(one_of(answer).ResponseClass, "Error", "class")


@check
def ids_are_converted(world):
    answer = world.alice.ask(
        "ConvertId",
        '<ConvertId DestinationFormat="HexEntryId"><SourceIds><t:AlternateId Format="EwsId" '
        f'Id="{world.kept["files"]}" Mailbox="{mail.ALICE}"/></SourceIds></ConvertId>',
    )
    expect(one(answer).AlternateId.Format, "HexEntryId", "format")


@check
def the_account_for_all_mailboxes_acts_for_one(world):
    impersonation = {"ConnectingSID": {"PrimarySmtpAddress": mail.BOB}}
    answer = world.service.call(
        "GetFolder",
        FolderShape=ALL,
        FolderIds=each(folder("inbox")),
        _soapheaders={"Impersonation": impersonation},
    )
    expect(only(one(answer).Folders, "Folder").DisplayName, "Inbox", "name")
