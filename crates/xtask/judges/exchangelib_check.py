"""Lets exchangelib, a client that knows nothing of Postkeep, work with `postkeep sim`.

    exchangelib_check.py --postkeep PROGRAM --scratch FOLDER

Prints one line a check and ends with 1 when any failed. The simulator's own output is kept in
FOLDER/sim.log. With --endpoint URL it uses a server that runs already, on the mail in FOLDER/mail.
"""

import argparse
import sys
from datetime import timedelta
from pathlib import Path

from exchangelib import (
    BASIC,
    DELEGATE,
    IMPERSONATION,
    UTC,
    Account,
    Body,
    Configuration,
    Credentials,
    FileAttachment,
    ItemAttachment,
    ItemId,
    Message,
)
from exchangelib.errors import (
    ErrorImpersonateUserDenied,
    ErrorItemNotFound,
    ErrorNonExistentMailbox,
    UnauthorizedError,
)
from exchangelib.folders import Messages

import exchangelib_deep
import exchangelib_mail as mail
import exchangelib_more
import judging
from exchangelib_more import refused
from judging import PASSWORD, SERVICE, expect

CHECKS = []


def check(function):
    """Adds a function to the checks, which run in the order in which they stand here."""
    CHECKS.append(function)
    return function


class World:
    """The server, and what is in it."""

    def __init__(self, endpoint, box):
        self.endpoint = endpoint
        self.box = box
        self.alice = self.account(mail.ALICE)

    def account(self, address, user=None, password=PASSWORD):
        """Signs in as the mailbox itself or, with another user, impersonates it."""
        config = Configuration(
            service_endpoint=self.endpoint,
            credentials=Credentials(user or address, password),
            auth_type=BASIC,
        )
        access = IMPERSONATION if user else DELEGATE
        return Account(address, config=config, access_type=access, default_timezone=UTC)

    def projects(self):
        return self.alice.msg_folder_root / "Projects" / "2026"

    def one(self, subject, folder=None):
        return (folder or self.alice.inbox).get(subject=subject)


# Reading


@check
def folder_tree_has_every_folder_of_the_disk(world):
    root = world.alice.msg_folder_root
    names = {folder.name for folder in root.walk()}
    missing = {"Inbox", "Projects", "2026", "Sent Items", "Calendar", "Contacts", "Deleted Items"} - names
    expect(missing, set(), "missing folders")


@check
def distinguished_folders_are_found_by_name_and_class(world):
    expect(world.alice.inbox.name, "Inbox", "name")
    expect(world.alice.inbox.folder_class, "IPF.Note", "class")
    expect(world.alice.calendar.folder_class, "IPF.Appointment", "class")
    expect(world.alice.contacts.folder_class, "IPF.Contact", "class")


@check
def folder_counts_match_the_disk(world):
    inbox = world.alice.inbox
    inbox.refresh()
    expect(inbox.total_count, mail.INBOX_MAILS, "total count")
    expect(inbox.unread_count, inbox.filter(is_read=False).count(), "unread count")
    expect(world.projects().total_count, mail.PROJECT_MAILS, "total count of a subfolder")


@check
def find_item_lists_every_subject(world):
    wanted = sorted(message["Subject"] for message in world.box.mails("Inbox"))
    expect(sorted(world.alice.inbox.all().values_list("subject", flat=True)), wanted, "subjects")


@check
def find_item_pages_without_loss_or_repetition(world):
    query = world.alice.inbox.all().only("subject")
    query.page_size = 7
    expect(len({item.id for item in query}), mail.INBOX_MAILS, "different ids")


@check
def find_item_sorts_both_ways(world):
    up = list(world.alice.inbox.all().order_by("datetime_received").values_list("datetime_received", flat=True))
    down = list(world.alice.inbox.all().order_by("-datetime_received").values_list("datetime_received", flat=True))
    expect(up, sorted(up), "ascending order")
    expect(down, sorted(up, reverse=True), "descending order")


@check
def find_item_restricts_by_subject(world):
    expect(world.alice.inbox.filter(subject="Report number 7").count(), 1, "equal")
    expect(world.alice.inbox.filter(subject__icontains="REPORT NUMBER 1").count(), 11, "contains")
    expect(world.alice.inbox.filter(subject__startswith="Two ").count(), 1, "begins")
    expect(world.alice.inbox.exclude(subject__startswith="Report").count(), 4, "not")


@check
def find_item_restricts_by_time(world):
    start = mail.FIRST_DAY.astimezone(UTC)
    found = world.alice.inbox.filter(datetime_sent__range=(start, start + timedelta(hours=9, minutes=30)))
    expect(found.count(), 10, "mails of ten hours")


@check
def get_item_returns_the_plain_body(world):
    body = world.one("Report number 3").text_body or ""
    expect(body.replace("\r\n", "\n").strip(), "Dear Alice,\n\nreport 3 is ready.\n\nBob", "body")


@check
def get_item_returns_the_html_body(world):
    body = str(world.one(mail.HTML_SUBJECT).body)
    expect("<b>March</b>" in body, True, "the markup is there")


@check
def get_item_returns_addresses(world):
    item = world.one("Report number 3")
    expect((item.sender or item.author).email_address, mail.BOB, "sender")
    expect([to.email_address for to in item.to_recipients], [mail.ALICE], "to")
    expect([cc.email_address for cc in item.cc_recipients], ["dora@example.test"], "cc")


@check
def get_item_returns_times_and_message_id(world):
    item = world.one("Report number 3")
    wanted = mail.FIRST_DAY + timedelta(hours=3)
    expect(item.datetime_sent, wanted.astimezone(UTC), "sent")
    expect(item.message_id, world.box.mails("Inbox")[3]["Message-ID"], "message id")


@check
def subjects_and_bodies_keep_their_characters(world):
    item = world.one(mail.UMLAUTS)
    expect(item.subject, mail.UMLAUTS, "subject")
    expect("Schöne Grüße, 日本語 auch." in item.text_body, True, "the body is there")


@check
def mime_is_byte_identical_for_every_mail(world):
    wanted = {message["Subject"]: message.as_bytes() for message in world.box.mails("Inbox")}
    for item in world.alice.inbox.all().only("subject", "mime_content"):
        expect(item.mime_content, wanted.pop(item.subject), f"MIME of {item.subject}")
    expect(wanted, {}, "mails not seen")


@check
def attachments_keep_name_and_bytes(world):
    files = {file.name: file for file in world.one("Two files").attachments}
    expect(sorted(files), ["bild-ü.bin", "table.csv"], "names")
    expect(files["table.csv"].content, mail.TABLE, "table")
    expect(files["bild-ü.bin"].content, mail.PICTURE, "picture")


@check
def an_attached_message_can_be_opened(world):
    attached = world.one(mail.FORWARD_SUBJECT).attachments
    expect([type(part) for part in attached], [ItemAttachment], "attachments")
    expect(attached[0].item.subject, mail.INNER_SUBJECT, "inner subject")


@check
def calendar_items_and_contacts_are_typed(world):
    event = world.alice.calendar.all().get()
    expect((event.subject, event.location), ("Planning", "Room 4"), "event")
    expect(event.end - event.start, timedelta(hours=1), "duration")
    person = world.alice.contacts.all().get()
    expect(person.display_name, "Carol Jones", "contact")
    expect([entry.email for entry in person.email_addresses], ["carol@example.test"], "addresses")


# Changing


@check
def create_item_saves_a_draft(world):
    text = "Line one\r\nLine two"
    draft = Message(account=world.alice, folder=world.alice.drafts, subject="New draft", body=Body(text))
    draft.to_recipients = [mail.BOB]
    draft.save()
    found = world.one("New draft", world.alice.drafts)
    expect(found.text_body.strip(), text, "body")
    expect(found.is_draft, True, "draft")


@check
def create_item_takes_mime(world):
    raw = mail.plain(4000).as_bytes()
    Message(account=world.alice, folder=world.projects(), mime_content=raw).save()
    found = world.one("Report number 4000", world.projects())
    expect(found.mime_content, raw, "MIME")


@check
def create_attachment_adds_a_file(world):
    draft = world.one("New draft", world.alice.drafts)
    draft.attach(FileAttachment(name="added.bin", content=mail.PICTURE))
    again = world.one("New draft", world.alice.drafts)
    expect([(file.name, file.content) for file in again.attachments], [("added.bin", mail.PICTURE)], "files")


@check
def update_item_changes_the_change_key_and_nothing_else(world):
    item = world.one("Report number 5")
    before = (item.id, item.changekey)
    item.subject, item.categories, item.importance = "Renamed 5", ["Blue", "Red"], "High"
    item.save(update_fields=["subject", "categories", "importance"])
    again = world.one("Renamed 5")
    expect(again.id, before[0], "id")
    expect(again.changekey != before[1], True, "a new change key")
    expect((sorted(again.categories), again.importance), (["Blue", "Red"], "High"), "fields")
    expect("report 5 is ready" in again.text_body, True, "the body is there")


@check
def the_read_flag_turns_and_is_counted(world):
    inbox, item = world.alice.inbox, world.one("Report number 6")
    inbox.refresh()
    before, was_read = inbox.unread_count, item.is_read
    item.is_read = not was_read
    item.save(update_fields=["is_read"])
    inbox.refresh()
    expect(world.one("Report number 6").is_read, not was_read, "flag")
    expect(inbox.unread_count, before + (1 if was_read else -1), "unread count")


@check
def move_item_gives_a_new_id_in_the_other_folder(world):
    item = world.one("Report number 8")
    old = item.id
    item.move(world.projects())
    moved = world.one("Report number 8", world.projects())
    expect(moved.id != old, True, "a new id")
    expect(world.alice.inbox.filter(subject="Report number 8").count(), 0, "left behind")
    expect(moved.mime_content, world.box.mails("Inbox")[8].as_bytes(), "MIME")


@check
def copy_item_leaves_the_original(world):
    world.one("Report number 9").copy(world.projects())
    expect(world.alice.inbox.filter(subject="Report number 9").count(), 1, "originals")
    expect(world.projects().filter(subject="Report number 9").count(), 1, "copies")


@check
def delete_item_knows_its_three_ways(world):
    world.one("Report number 10").move_to_trash()
    expect(world.alice.trash.filter(subject="Report number 10").count(), 1, "in the trash")
    world.one("Report number 11").soft_delete()
    recoverable = world.alice.recoverable_items_deletions
    expect(recoverable.filter(subject="Report number 11").count(), 1, "recoverable")
    item = world.one("Report number 12")
    item_id, change_key = item.id, item.changekey
    item.delete()
    gone = list(world.alice.fetch([ItemId(item_id, change_key)]))
    expect([type(answer) for answer in gone], [ErrorItemNotFound], "answer")


@check
def folders_can_be_created_renamed_and_deleted(world):
    parent = world.alice.msg_folder_root
    folder = Messages(parent=parent, name="Made here")
    folder.save()
    folder.name = "Renamed here"
    folder.save(update_fields=["name"])
    expect((parent / "Renamed here").id, folder.id, "id")
    folder.delete()
    parent.root.clear_cache()
    expect([child.name for child in parent.children if child.name == "Renamed here"], [], "still there")


# Backing up


@check
def sync_folder_items_tells_every_change_once(world):
    folder = world.projects()
    first = list(folder.sync_items(max_changes_returned=2))
    expect({kind for kind, _ in first}, {"create"}, "kinds")
    expect(len(first), folder.all().count(), "items")
    expect(list(folder.sync_items()), [], "changes of an unchanged folder")
    Message(account=world.alice, folder=folder, mime_content=mail.plain(4001).as_bytes()).save()
    changed = world.one("Report number 1000", folder)
    changed.subject = "Changed 1000"
    changed.save(update_fields=["subject"])
    world.one("Report number 1001", folder).delete()
    flag = world.one("Report number 1002", folder)
    flag.is_read = not flag.is_read
    flag.save(update_fields=["is_read"])
    kinds = sorted(kind for kind, _ in folder.sync_items())
    expect(kinds, ["create", "delete", "read_flag_change", "update"], "kinds")


@check
def sync_folder_hierarchy_tells_a_new_folder(world):
    root = world.alice.msg_folder_root
    first = {folder.name for _, folder in root.sync_hierarchy()}
    expect({"Inbox", "Projects"} - first, set(), "missing folders")
    made = Messages(parent=root, name="Later")
    made.save()
    changes = [(kind, folder.name) for kind, folder in root.sync_hierarchy()]
    expect(("create", "Later") in changes, True, "the new folder is told")
    made.delete()


@check
def export_and_upload_keep_the_mail(world):
    folder = world.projects()
    item = world.one("Two files")
    (stream,) = world.alice.export([item])
    ((new_id, _),) = world.alice.upload([(folder, stream)])
    again = world.one("Two files", folder)
    expect(again.id, new_id, "id")
    expect(again.mime_content, item.mime_content, "MIME")
    expect(sorted(file.name for file in again.attachments), ["bild-ü.bin", "table.csv"], "names")


@check
def resolve_names_finds_a_mailbox(world):
    found = list(world.alice.protocol.resolve_names(["bob"]))
    expect([mailbox.email_address for mailbox in found], [mail.BOB], "addresses")


# Rights


@check
def a_wrong_password_is_refused(world):
    refused(UnauthorizedError, lambda: world.account(mail.BOB, password="wrong").inbox.total_count)


@check
def the_service_account_impersonates_a_mailbox(world):
    bob = world.account(mail.BOB, user=SERVICE)
    expect([item.subject for item in bob.inbox.all()], ["Report number 3000"], "subjects")


@check
def an_ordinary_account_may_not_impersonate(world):
    account = world.account(mail.ALICE, user=mail.BOB)
    refused(ErrorImpersonateUserDenied, lambda: account.inbox.total_count)


@check
def an_unknown_mailbox_is_named_as_such(world):
    account = world.account("nobody@example.test", user=SERVICE)
    refused(ErrorNonExistentMailbox, lambda: account.inbox.total_count)


ALL_CHECKS = CHECKS + exchangelib_more.CHECKS + exchangelib_deep.CHECKS


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--postkeep", type=Path)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--endpoint")
    arguments = parser.parse_args()
    folder = arguments.scratch / "mail"
    folder.mkdir(parents=True, exist_ok=arguments.endpoint is not None)
    box = mail.write(folder)
    if arguments.endpoint:
        sys.exit(judging.run_checks("exchangelib", ALL_CHECKS, World(arguments.endpoint, box)) != 0)
    server, endpoint = judging.start_simulator(arguments.postkeep, arguments.scratch, folder)
    try:
        failures = judging.run_checks("exchangelib", ALL_CHECKS, World(endpoint, box))
    finally:
        server.terminate()
        server.wait()
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
