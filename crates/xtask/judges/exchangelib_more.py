"""More checks of the exchangelib judge: settings, notifications, other kinds of items, odd requests."""

from datetime import date, datetime, timedelta

from exchangelib import (
    UTC,
    CalendarItem,
    Contact,
    ExtendedProperty,
    FileAttachment,
    HTMLBody,
    ItemAttachment,
    ItemId,
    Message,
    OofSettings,
    Q,
    Task,
)
from exchangelib.errors import (
    EWSError,
    ErrorAccessDenied,
    ErrorFolderNotFound,
    ErrorInvalidIdMalformed,
    ErrorItemNotFound,
    ErrorNameResolutionNoResults,
    ErrorSubscriptionNotFound,
)
from exchangelib.folders import Messages
from exchangelib.indexed_properties import EmailAddress, PhoneNumber
from exchangelib.properties import (
    Actions,
    AlternateId,
    Conditions,
    DLMailbox,
    MoveToFolder,
    Rule,
)

import exchangelib_mail as mail
from judging import SERVICE, expect, short

CHECKS = []


def check(function):
    """Adds a function to the checks, which run in the order in which they stand here."""
    CHECKS.append(function)
    return function


def refused(error, action):
    """The action must raise exactly this error."""
    try:
        result = action()
    except error:
        return
    except EWSError as other:
        raise AssertionError(f"{type(other).__name__} instead of {error.__name__}: {other}") from other
    raise AssertionError(f"no {error.__name__}, but {short(result)}")


class Mark(ExtendedProperty):
    """A named property of the judge's own."""

    distinguished_property_set_id = "PublicStrings"
    property_name = "Judge Mark"
    property_type = "String"


# Settings


def rule(world, name, priority):
    return Rule(
        account=world.alice,
        display_name=name,
        priority=priority,
        is_enabled=True,
        conditions=Conditions(contains_subject_strings=["urgent & loud"]),
        actions=Actions(move_to_folder=MoveToFolder(distinguished_folder_id=world.alice.junk.to_id())),
    )


@check
def a_rule_is_created_and_listed(world):
    expect(list(world.alice.rules), [], "rules to begin with")
    world.alice.create_rule(rule(world, "second", 2))
    world.alice.create_rule(rule(world, "first", 1))
    found = list(world.alice.rules)
    expect([(one.display_name, one.priority, one.is_enabled) for one in found], [("first", 1, True), ("second", 2, True)], "rules")
    expect(list(found[0].conditions.contains_subject_strings), ["urgent & loud"], "condition")


@check
def a_rule_is_changed(world):
    one = list(world.alice.rules)[0]
    one.display_name, one.is_enabled = "changed", False
    world.alice.set_rule(one)
    again = list(world.alice.rules)[0]
    expect((again.id, again.display_name, again.is_enabled), (one.id, "changed", False), "rule")


@check
def rules_are_deleted(world):
    for one in list(world.alice.rules):
        world.alice.delete_rule(one)
    expect(list(world.alice.rules), [], "rules")


@check
def out_of_office_settings_come_back(world):
    expect(world.alice.oof_settings.state, OofSettings.DISABLED, "state to begin with")
    start = datetime(2026, 12, 24, tzinfo=UTC)
    world.alice.oof_settings = OofSettings(
        state=OofSettings.SCHEDULED,
        external_audience="Known",
        start=start,
        end=start + timedelta(days=9),
        internal_reply="<p>Weg & fort</p>",
        external_reply="Away",
    )
    found = world.alice.oof_settings
    expect((found.state, found.external_audience), (OofSettings.SCHEDULED, "Known"), "settings")
    expect((found.start, found.end), (start, start + timedelta(days=9)), "period")
    expect((found.internal_reply, found.external_reply), ("<p>Weg & fort</p>", "Away"), "replies")


@check
def a_user_configuration_keeps_its_dictionary_and_data(world):
    folder = world.alice.calendar
    wanted = {"text": "a < b", "number": 7, "yes": True}
    folder.create_user_configuration(name="JudgeConfig", dictionary=wanted, xml_data=b"<judge/>", binary_data=b"\x00\xff")
    found = folder.get_user_configuration(name="JudgeConfig")
    expect(found.dictionary, wanted, "dictionary")
    expect((found.xml_data, found.binary_data), (b"<judge/>", b"\x00\xff"), "data")


@check
def a_user_configuration_is_replaced_and_deleted(world):
    folder = world.alice.calendar
    folder.update_user_configuration(name="JudgeConfig", dictionary={"text": "other"})
    expect(folder.get_user_configuration(name="JudgeConfig").dictionary, {"text": "other"}, "dictionary")
    folder.delete_user_configuration(name="JudgeConfig")
    refused(ErrorItemNotFound, lambda: folder.get_user_configuration(name="JudgeConfig"))


@check
def a_mailbox_without_delegates_says_so(world):
    expect(list(world.alice.delegates), [], "delegates")


@check
def permissions_of_a_calendar_are_told(world):
    found = world.alice.calendar.permission_set.calendar_permissions
    levels = {one.user_id.distinguished_user: one.calendar_permission_level for one in found}
    expect(levels, {"Default": "FreeBusyTimeOnly", "Anonymous": "None"}, "levels")


# Finding mailboxes


@check
def the_service_account_sees_the_searchable_mailboxes(world):
    service = world.account(mail.ALICE, user=SERVICE)
    found = service.protocol.get_searchable_mailboxes()
    expect([one.primary_smtp_address for one in found], [mail.ALICE, mail.BOB], "addresses")


@check
def an_ordinary_account_may_not_search_mailboxes(world):
    refused(ErrorAccessDenied, lambda: list(world.alice.protocol.get_searchable_mailboxes()))


@check
def a_group_that_does_not_exist_is_refused(world):
    group = DLMailbox(email_address="nobody@example.test", mailbox_type="PublicDL")
    refused(ErrorNameResolutionNoResults, lambda: world.alice.protocol.expand_dl(group))


@check
def ids_are_converted_and_mean_the_same(world):
    item = world.one("Report number 21")
    source = AlternateId(id=item.id, format="EwsId", mailbox=mail.ALICE)
    (hexadecimal,) = world.alice.protocol.convert_ids([source], destination_format="HexEntryId")
    (back,) = world.alice.protocol.convert_ids([hexadecimal], destination_format="EwsId")
    expect(back.id, item.id, "id")


# Notifications


@check
def pulled_events_tell_a_new_mail_once(world):
    inbox = world.alice.inbox
    with inbox.pull_subscription() as (subscription, watermark):
        Message(account=world.alice, folder=inbox, mime_content=mail.plain(6000).as_bytes()).save()
        item = world.one("Report number 6000")
        events = [event for news in inbox.get_events(subscription, watermark) for event in news.events]
        created = [event.item_id.id for event in events if type(event).__name__ == "CreatedEvent"]
        expect(created, [item.id], "created items")
        again = [event for news in inbox.get_events(subscription, events[-1].watermark) for event in news.events]
        expect([type(event).__name__ for event in again], ["StatusEvent"], "events after them")


@check
def pulled_events_tell_a_move_with_both_ids(world):
    inbox = world.alice.inbox
    with inbox.pull_subscription() as (subscription, watermark):
        item = world.one("Report number 6000")
        old = item.id
        item.move(world.projects())
        events = [event for news in inbox.get_events(subscription, watermark) for event in news.events]
        moved = [(event.old_item_id.id, event.item_id.id) for event in events if type(event).__name__ == "MovedEvent"]
        expect(moved, [(old, world.one("Report number 6000", world.projects()).id)], "moves")


@check
def streamed_events_arrive_as_they_happen(world):
    inbox = world.alice.inbox
    with inbox.streaming_subscription() as subscription:
        item = world.one("Report number 22")
        item.is_read = not item.is_read
        item.save(update_fields=["is_read"])
        stream = inbox.get_streaming_events(subscription, connection_timeout=1, max_notifications_returned=1)
        events = [event for news in stream for event in news.events]
        expect({(type(event).__name__, event.item_id.id) for event in events}, {("ModifiedEvent", item.id)}, "events")


@check
def an_ended_subscription_is_unknown(world):
    inbox = world.alice.inbox
    subscription, watermark = inbox.subscribe_to_pull()
    inbox.unsubscribe(subscription)
    refused(ErrorSubscriptionNotFound, lambda: list(inbox.get_events(subscription, watermark)))


# Other kinds of items


@check
def a_calendar_item_comes_back_with_its_times(world):
    start = datetime(2026, 4, 1, 9, 30, tzinfo=UTC)
    CalendarItem(
        account=world.alice,
        folder=world.alice.calendar,
        subject="Review",
        location="Room 7",
        start=start,
        end=start + timedelta(minutes=45),
        body=HTMLBody("<p>Agenda</p>"),
    ).save(send_meeting_invitations="SendToNone")
    found = world.alice.calendar.get(subject="Review")
    expect((found.start, found.end, found.location), (start, start + timedelta(minutes=45), "Room 7"), "event")


@check
def a_calendar_view_lists_what_lies_in_it(world):
    start = datetime(2026, 4, 1, tzinfo=UTC)
    found = world.alice.calendar.view(start=start, end=start + timedelta(days=1))
    expect([item.subject for item in found], ["Review"], "events")


@check
def a_contact_comes_back_with_its_parts(world):
    Contact(
        account=world.alice,
        folder=world.alice.contacts,
        given_name="Änne",
        surname="Müller",
        display_name="Änne Müller",
        company_name="Example & Co",
        email_addresses=[EmailAddress(email="aenne@example.test", label="EmailAddress1")],
        phone_numbers=[PhoneNumber(phone_number="+41 44 111 11 11", label="BusinessPhone")],
    ).save()
    found = world.alice.contacts.get(display_name="Änne Müller")
    expect((found.given_name, found.surname, found.company_name), ("Änne", "Müller", "Example & Co"), "names")
    expect([one.email for one in found.email_addresses if one.email], ["aenne@example.test"], "addresses")
    numbers = [one.phone_number for one in found.phone_numbers if one.phone_number]
    expect(numbers, ["+41 44 111 11 11"], "numbers")


@check
def a_task_comes_back_with_its_state(world):
    task = Task(account=world.alice, folder=world.alice.tasks, subject="Pay the bill", due_date=date(2026, 5, 4))
    task.save()
    found = world.alice.tasks.get(subject="Pay the bill")
    expect((found.due_date, found.status), (date(2026, 5, 4), "NotStarted"), "task")


@check
def an_item_is_attached_and_taken_off_again(world):
    draft = Message(account=world.alice, folder=world.alice.drafts, subject="With an item")
    draft.attach(ItemAttachment(name="inner", item=Message(account=world.alice, subject="Inner", body="in it")))
    draft.attach(FileAttachment(name="one.bin", content=mail.PICTURE))
    draft.save()
    found = world.one("With an item", world.alice.drafts)
    expect(sorted(part.name for part in found.attachments), ["inner", "one.bin"], "attachments")
    found.detach([part for part in found.attachments if part.name == "one.bin"])
    again = world.one("With an item", world.alice.drafts)
    expect([(part.name, part.item.subject) for part in again.attachments], [("inner", "Inner")], "attachments left")


@check
def a_named_property_is_kept_and_searched_by(world):
    Message.register("judge_mark", Mark)
    try:
        Message(account=world.alice, folder=world.alice.drafts, subject="Marked", judge_mark="blue & green").save()
        found = list(world.alice.drafts.filter(judge_mark="blue & green"))
        expect([(item.subject, item.judge_mark) for item in found], [("Marked", "blue & green")], "items")
    finally:
        Message.deregister("judge_mark")


# Many at once, and odd requests


@check
def many_items_are_created_and_deleted_at_once(world):
    folder = world.alice.drafts
    items = [Message(account=world.alice, folder=folder, subject=f"Bulk {number}") for number in range(25)]
    made = world.alice.bulk_create(folder=folder, items=items)
    expect(len({item.id for item in made}), 25, "different ids")
    expect(folder.filter(subject__startswith="Bulk ").count(), 25, "items")
    expect(set(world.alice.bulk_delete(made)), {True}, "answers")
    expect(folder.filter(subject__startswith="Bulk ").count(), 0, "items left")


@check
def restrictions_combine(world):
    query = Q(subject="Report number 23") | Q(subject="Report number 24") | Q(subject__startswith="Two ")
    expect(world.alice.inbox.filter(query).count(), 3, "either")
    both = world.alice.inbox.filter(query, ~Q(subject__contains="23"), has_attachments=False)
    expect([item.subject for item in both], ["Report number 24"], "both")


@check
def a_slice_of_a_sorted_list_is_that_slice(world):
    query = world.alice.inbox.all().order_by("subject").values_list("subject", flat=True)
    expect(list(query[10:15]), list(query)[10:15], "subjects")


@check
def internet_headers_are_told(world):
    headers = {one.name: one.value for one in world.one("Report number 25").headers}
    expect(headers["Message-ID"], world.box.mails("Inbox")[25]["Message-ID"], "message id")


@check
def a_missing_folder_is_refused(world):
    refused(ErrorFolderNotFound, lambda: world.alice.inbox / "No such folder")


@check
def a_malformed_id_is_refused_beside_a_good_one(world):
    good = world.one("Report number 26")
    found = list(world.alice.fetch([ItemId("AAMkNotAnId", "CQAAAA=="), ItemId(good.id, good.changekey)]))
    expect(type(found[0]), ErrorInvalidIdMalformed, "first answer")
    expect(found[1].subject, "Report number 26", "second answer")


@check
def export_of_a_deleted_item_fails_for_it_alone(world):
    gone, there = world.one("Report number 27"), world.one("Report number 28")
    ids = [ItemId(item.id, item.changekey) for item in (gone, there)]
    gone.delete()
    first, second = world.alice.export(ids)
    expect(type(first), ErrorItemNotFound, "first answer")
    expect(len(second) > 1000, True, "the second stream is there")


@check
def a_folder_moves_with_what_is_in_it(world):
    top = world.alice.msg_folder_root
    folder, target = Messages(parent=top, name="Wanders"), Messages(parent=top, name="Shelf")
    folder.save()
    target.save()
    Message(account=world.alice, folder=folder, subject="In it").save()
    folder.move(target)
    top.root.clear_cache()
    expect((world.alice.msg_folder_root / "Shelf" / "Wanders").all().count(), 1, "items")


@check
def a_folder_is_emptied(world):
    folder = world.alice.msg_folder_root / "Shelf"
    folder.empty(delete_sub_folders=True)
    expect((folder.all().count(), [child.name for child in folder.children]), (0, []), "what is left")


@check
def a_sent_mail_is_kept_among_the_sent(world):
    message = Message(account=world.alice, folder=world.alice.sent, subject="Sent by the judge", to_recipients=[mail.BOB])
    message.send_and_save()
    expect(world.alice.sent.filter(subject="Sent by the judge").count(), 1, "kept")
    expect(world.account(mail.BOB).inbox.filter(subject="Sent by the judge").count(), 0, "delivered")
