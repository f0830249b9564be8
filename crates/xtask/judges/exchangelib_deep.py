"""What exchangelib can do beyond the daily: whole contacts and tasks, series and their occurrences,
time zones, every kind of filter, answers to mail, people, and deeds on many items at once.

The checks are part of exchangelib_check.py and work on folders of their own.
"""

import datetime
from decimal import Decimal

from exchangelib import (
    UTC,
    CalendarItem,
    Contact,
    DistributionList,
    EWSDate,
    EWSDateTime,
    EWSTimeZone,
    ExtendedProperty,
    FileAttachment,
    ForwardItem,
    HTMLBody,
    ItemAttachment,
    Mailbox,
    Message,
    PostItem,
    Q,
    ReplyToItem,
    Task,
)
from exchangelib.errors import DoesNotExist, ErrorItemNotFound
from exchangelib.folders import Calendar, Contacts, Messages, Tasks
from exchangelib.indexed_properties import EmailAddress, ImAddress, PhoneNumber, PhysicalAddress
from exchangelib.items import Persona
from exchangelib.properties import Attendee
from exchangelib.recurrence import (
    AbsoluteYearlyPattern,
    DailyPattern,
    RelativeMonthlyPattern,
    TaskRecurrence,
    Recurrence,
    WeeklyPattern,
)

import exchangelib_mail as mail
from judging import expect

CHECKS = []
BERLIN = "Europe/Berlin"


def check(function):
    CHECKS.append(function)
    return function


def folder(world, name, kind=Messages):
    """A new folder, or the one there is."""
    parent = world.alice.msg_folder_root
    try:
        return parent / name
    except Exception:
        return kind(parent=parent, name=name).save()


def at(*parts, zone=UTC):
    return EWSDateTime(*parts, tzinfo=zone)


class AnInteger(ExtendedProperty):
    property_set_id = "6F1A9C0E-61B1-4E4C-8C6C-0F3A5C3B0D11"
    property_name = "AnInteger"
    property_type = "Integer"


class Doubles(ExtendedProperty):
    property_set_id = "6F1A9C0E-61B1-4E4C-8C6C-0F3A5C3B0D11"
    property_name = "Doubles"
    property_type = "Double"


class Texts(ExtendedProperty):
    property_set_id = "6F1A9C0E-61B1-4E4C-8C6C-0F3A5C3B0D11"
    property_name = "Texts"
    property_type = "StringArray"


class Moment(ExtendedProperty):
    distinguished_property_set_id = "Common"
    property_id = 0x8502
    property_type = "SystemTime"


@check
def the_tree_of_folders_is_walked_and_drawn(world):
    names = {one.name for one in world.alice.root.walk()}
    expect({"Inbox", "Calendar", "Projects"} <= names, True, "names")
    expect("Projects" in world.alice.msg_folder_root.tree(), True, "drawn")


@check
def a_contact_keeps_every_field(world):
    place = folder(world, "Deep contacts", Contacts)
    given = {
        "file_as": "Ende, Michael",
        "file_as_mapping": "LastCommaFirst",
        "display_name": "Michael Ende",
        "given_name": "Michael",
        "initials": "M. E.",
        "middle_name": "A.",
        "nickname": "Mika",
        "company_name": "Phantásien GmbH",
        "assistant_name": "Fuchur",
        "birthday": EWSDate(1929, 11, 12),
        "business_homepage": "http://example.test/ende",
        "children": ["Momo", "Jim"],
        "companies": ["Thienemann"],
        "department": "Books",
        "generation": "Jr.",
        "job_title": "Author",
        "manager": "Kassiopeia",
        "mileage": "12 km",
        "office": "1.23",
        "postal_address_index": "Home",
        "profession": "Writer",
        "spouse_name": "Ingeborg",
        "surname": "Ende",
        "wedding_anniversary": EWSDate(1964, 6, 1),
        "categories": ["Friends", "Ünïcode"],
        "email_addresses": [
            EmailAddress(email=f"ende{n}@example.test", label=f"EmailAddress{n}") for n in (1, 2, 3)
        ],
        "phone_numbers": [
            PhoneNumber(label="BusinessPhone", phone_number="+49 89 1"),
            PhoneNumber(label="MobilePhone", phone_number="+49 170 2"),
            PhoneNumber(label="Pager", phone_number="3"),
        ],
        "im_addresses": [ImAddress(label=f"ImAddress{n}", im_address=f"im{n}") for n in (1, 2, 3)],
        "physical_addresses": [
            PhysicalAddress(
                label=label, street="Way 1", city="Garmisch", state="BY", country="Germany", zipcode="82467"
            )
            for label in ("Business", "Home", "Other")
        ],
    }
    saved = Contact(folder=place, account=world.alice, **given).save()
    found = place.get(id=saved.id, changekey=saved.changekey)
    for name, wanted in given.items():
        actual = getattr(found, name)
        if isinstance(wanted, list):
            actual, wanted = sorted(map(str, actual or [])), sorted(map(str, wanted))
        elif hasattr(wanted, "year"):
            actual, wanted = str(actual)[:10], str(wanted)[:10]
        expect(actual, wanted, name)
    expect(found.complete_name.full_name, "Michael Ende", "complete name")
    found.physical_addresses = [PhysicalAddress(label="Home", city="Rom")]
    found.phone_numbers = None
    found.nickname = None
    found.save(update_fields=["physical_addresses", "phone_numbers", "nickname"])
    again = place.get(id=saved.id)
    expect([(one.label, one.city) for one in again.physical_addresses], [("Home", "Rom")], "addresses")
    expect((again.phone_numbers, again.nickname), (None, None), "what was taken away")
    expect(place.filter(email_addresses__EmailAddress2="ende2@example.test").count(), 1, "by an address")
    again.delete()


@check
def a_task_keeps_its_work_and_its_rule(world):
    place = folder(world, "Deep tasks", Tasks)
    given = {
        "subject": "Water the plants",
        "actual_work": 30,
        "total_work": 90,
        "billing_information": "42",
        "companies": ["Garden Ltd"],
        "contacts": ["Anna"],
        "mileage": "3",
        "due_date": EWSDate(2026, 11, 20),
        "start_date": EWSDate(2026, 11, 2),
        "status": "InProgress",
        "percent_complete": Decimal(50),
        "recurrence": TaskRecurrence(pattern=WeeklyPattern(interval=2, weekdays=["Monday"]), start=EWSDate(2026, 11, 2), number=5),
    }
    saved = Task(folder=place, account=world.alice, **given).save()
    found = place.get(id=saved.id)
    for name, wanted in given.items():
        expect(getattr(found, name), wanted, name)
    expect((found.is_recurring, found.status), (True, "InProgress"), "state")
    found.complete()
    again = place.get(id=found.id)
    expect((again.status, again.percent_complete, again.is_complete), ("Completed", 100, True), "done")


@check
def a_series_happens_and_its_occurrences_change(world):
    place = folder(world, "Deep calendar", Calendar)
    zone = EWSTimeZone(BERLIN)
    item = CalendarItem(
        folder=place,
        account=world.alice,
        subject="Stand-up",
        start=at(2026, 3, 23, 9, 0, zone=zone),
        end=at(2026, 3, 23, 9, 30, zone=zone),
        recurrence=Recurrence(pattern=DailyPattern(interval=1), start=EWSDate(2026, 3, 23), number=10),
    ).save()
    days = list(place.view(start=at(2026, 3, 23), end=at(2026, 4, 30)).order_by("start"))
    expect(len(days), 10, "occurrences")
    # The clocks change on the 29th; nine o'clock stays nine o'clock.
    expect({one.start.astimezone(zone).hour for one in days}, {9}, "hours in Berlin")
    expect({one.start.astimezone(UTC).hour for one in days}, {7, 8}, "hours in UTC")
    third = item.occurrence(index=3)
    third.refresh()
    third.subject = "Stand-up, moved"
    third.start, third.end = at(2026, 3, 25, 11, 0, zone=zone), at(2026, 3, 25, 11, 30, zone=zone)
    third.save(update_fields=["subject", "start", "end"])
    fourth = item.occurrence(index=4)
    fourth.refresh()
    fourth.delete()
    days = list(place.view(start=at(2026, 3, 23), end=at(2026, 4, 30)).order_by("start"))
    expect(len(days), 9, "occurrences after one was deleted")
    expect([one.type for one in days].count("Exception"), 1, "exceptions")
    master = days[0].recurring_master()
    master.refresh()
    expect(master.type, "RecurringMaster", "type")
    expect(len(master.modified_occurrences), 1, "changed ones")
    expect(len(master.deleted_occurrences), 1, "deleted ones")
    expect(master.first_occurrence.start.astimezone(zone).date(), EWSDate(2026, 3, 23), "first")
    expect(master.last_occurrence.start.astimezone(zone).date(), EWSDate(2026, 4, 1), "last")
    master.delete()
    expect(place.view(start=at(2026, 3, 23), end=at(2026, 4, 30)).count(), 0, "occurrences of nothing")


@check
def rules_of_series_come_back_as_they_were(world):
    place = folder(world, "Deep calendar", Calendar)
    for pattern in [
        RelativeMonthlyPattern(interval=2, weekday="Tuesday", week_number="Last"),
        AbsoluteYearlyPattern(day_of_month=31, month="October"),
        WeeklyPattern(interval=1, weekdays=["Monday", "Friday"], first_day_of_week="Monday"),
    ]:
        item = CalendarItem(
            folder=place, account=world.alice, subject="Rule",
            start=at(2026, 10, 1, 8, 0), end=at(2026, 10, 1, 9, 0),
            recurrence=Recurrence(pattern=pattern, start=EWSDate(2026, 10, 1), end=EWSDate(2028, 12, 31)),
        ).save()
        expect(place.get(id=item.id).recurrence.pattern, pattern, "pattern")
        item.delete()


@check
def a_whole_day_and_a_zone_are_kept(world):
    place = folder(world, "Deep calendar", Calendar)
    zone = EWSTimeZone("America/New_York")
    item = CalendarItem(
        folder=place, account=world.alice, subject="Holiday", is_all_day=True,
        start=EWSDate(2026, 7, 4), end=EWSDate(2026, 7, 4),
    ).save()
    found = place.get(id=item.id)
    expect((found.start, found.end, found.is_all_day), (EWSDate(2026, 7, 4), EWSDate(2026, 7, 4), True), "day")
    item.delete()
    item = CalendarItem(
        folder=place, account=world.alice, subject="Lunch", location="Café", reminder_minutes_before_start=20,
        start=at(2026, 7, 6, 12, 0, zone=zone), end=at(2026, 7, 6, 13, 0, zone=zone),
        legacy_free_busy_status="Tentative", allow_new_time_proposal=False,
    ).save()
    found = place.get(id=item.id)
    expect(found.start, at(2026, 7, 6, 16, 0), "start")
    expect(found._start_timezone, zone, "zone")
    expect((found.location, found.reminder_minutes_before_start), ("Café", 20), "details")
    expect((found.legacy_free_busy_status, found.allow_new_time_proposal), ("Tentative", False), "more")
    expect(bool(found.uid), True, "UID")
    item.delete()


@check
def meetings_have_attendees_and_can_be_cancelled(world):
    item = CalendarItem(
        folder=world.alice.calendar, account=world.alice, subject="Kick-off",
        start=at(2026, 12, 1, 10, 0), end=at(2026, 12, 1, 11, 0),
        required_attendees=[Attendee(mailbox=Mailbox(email_address=mail.BOB), response_type="Unknown")],
        optional_attendees=["carol@example.test"], resources=["room@example.test"],
    ).save(send_meeting_invitations="SendToAllAndSaveCopy")
    found = world.alice.calendar.get(id=item.id)
    people = [[one.mailbox.email_address for one in many] for many in (found.required_attendees, found.optional_attendees, found.resources)]
    expect(people, [[mail.BOB], ["carol@example.test"], ["room@example.test"]], "people")
    expect((found.is_meeting, found.organizer.email_address), (True, mail.ALICE), "meeting")
    found.cancel(new_body="Not today")


@check
def filters_of_every_kind_choose_what_they_say(world):
    place = folder(world, "Deep filters")
    place.all().delete()
    days = {"alpha one": 1, "alpha two": 2, "Beta": 3, "gamma": 4}
    for subject, day in days.items():
        Message(
            folder=place, account=world.alice, subject=subject, body=f"text of {subject}",
            categories=["Even"] if day % 2 == 0 else ["Odd", "Strange"],
            importance="High" if day == 4 else "Normal",
            datetime_created=None, is_read=day > 2,
            reminder_is_set=False, to_recipients=[f"{subject.split()[0]}@example.test"],
        ).save()

    def wanted(subjects, *args, **kwargs):
        found = sorted(place.filter(*args, **kwargs).values_list("subject", flat=True))
        expect(found, sorted(subjects), f"{args} {kwargs}")

    wanted(["alpha one", "alpha two"], subject__startswith="alpha")
    wanted(["alpha one", "alpha two"], subject__istartswith="ALPHA")
    wanted(["Beta"], subject__iexact="BETA")
    wanted(["alpha one"], subject__contains="one")
    wanted(["alpha two"], subject__icontains="TWO")
    wanted(["Beta", "gamma"], subject__in=["Beta", "gamma", "none"])
    wanted(["Beta", "gamma"], ~Q(subject__startswith="alpha"))
    wanted(["alpha one", "gamma"], Q(subject="gamma") | Q(subject__contains="one"))
    wanted(["alpha one"], Q(subject__startswith="alpha") & ~Q(subject__contains="two"))
    wanted(["gamma"], importance="High")
    wanted(["Beta", "gamma"], is_read=True)
    wanted(["alpha two", "gamma"], categories__contains="Even")
    wanted(["alpha one", "Beta"], categories__contains=["Odd", "Strange"])
    wanted(["Beta"], subject__gt="alpha two", subject__lt="gamma")
    wanted(["alpha two", "Beta"], subject__range=("alpha two", "Beta"))
    wanted(list(days), subject__exists=True)
    wanted([], in_reply_to__exists=True)
    wanted(["Beta"], body__contains="text of Beta")
    wanted([], size__gt=10_000_000)
    wanted(list(days), datetime_created__gt=at(2000, 1, 1))
    wanted([], subject__in=[])
    one = place.get(subject="Beta")
    wanted(["Beta"], conversation_id=one.conversation_id) if one.conversation_id else None
    query = place.all().order_by("-importance", "subject")
    expect([item.subject for item in query][0], "gamma", "first by importance")
    expect([item.subject for item in place.all().order_by("-subject")[:2]], ["gamma", "Beta"], "first by name")
    expect([item.subject for item in place.all().order_by("subject").reverse()][0], "gamma", "reversed")
    expect(place.filter("subject:Beta").count(), 1, "by a query")
    expect(place.all().exists(), True, "exists")
    expect(place.none().count(), 0, "none")
    expect(list(place.all().order_by("subject").values("subject", "importance"))[0], {"subject": "alpha one", "importance": "Normal"}, "values")


@check
def a_mail_keeps_what_was_said_of_it(world):
    place = folder(world, "Deep mail")
    for name, kind in [("an_integer", AnInteger), ("doubles", Doubles), ("texts", Texts), ("moment", Moment)]:
        if name not in {field.name for field in Message.FIELDS}:
            Message.register(name, kind)
    given = {
        "subject": "Everything",
        "body": HTMLBody("<html><body><p>Gr\u00fc\u00dfe</p></body></html>"),
        "to_recipients": [Mailbox(name="Bob B.", email_address=mail.BOB)],
        "cc_recipients": [Mailbox(email_address="carol@example.test")],
        "bcc_recipients": [Mailbox(email_address="dave@example.test")],
        "reply_to": [Mailbox(name="Desk", email_address="desk@example.test"), Mailbox(email_address="two@example.test")],
        "categories": ["A", "B"],
        "importance": "High",
        "sensitivity": "Confidential",
        "in_reply_to": "<1@example.test>",
        "references": "<0@example.test> <1@example.test>",
        "is_read_receipt_requested": True,
        "is_delivery_receipt_requested": True,
        "an_integer": -7,
        "doubles": Decimal("1.5"),
        "texts": ["x", "y"],
        "moment": at(2026, 1, 2, 3, 4, 5),
    }
    saved = Message(folder=place, account=world.alice, **given).save()
    found = place.get(id=saved.id)
    for name, wanted in given.items():
        actual = getattr(found, name)
        if name.endswith("recipients") or name == "reply_to":
            actual = [one.email_address for one in actual]
            wanted = [one.email_address for one in wanted]
        expect(actual, wanted, name)
    expect(found.is_draft, True, "draft")
    found.categories = ["C"]
    found.bcc_recipients = None
    found.save(update_fields=["categories", "bcc_recipients"])
    again = place.get(id=saved.id)
    expect((again.categories, again.bcc_recipients), (["C"], None), "changed")


@check
def mail_is_answered_and_passed_on(world):
    place = folder(world, "Deep mail")
    question = Message(
        folder=place, account=world.alice, subject="Question", body="Why?",
        to_recipients=[mail.ALICE], author=Mailbox(email_address=mail.BOB),
    ).save()
    question = place.get(id=question.id)
    before = world.alice.sent.filter(subject__contains="Question").count()
    question.reply(subject="Re: Question", body="Because.", to_recipients=[mail.BOB])
    question.reply_all(subject="Re: Question", body="Because.")
    question.forward(subject="Fwd: Question", body="See below.", to_recipients=["carol@example.test"])
    expect(world.alice.sent.filter(subject__contains="Question").count(), before + 3, "sent")
    draft = question.create_reply(subject="Re: Question", body="Later.", to_recipients=[mail.BOB]).save(world.alice.drafts)
    expect(world.alice.drafts.get(id=draft.id).subject, "Re: Question", "draft")
    draft = world.alice.drafts.get(id=draft.id)
    draft.send(save_copy=True, copy_to_folder=place)
    expect(place.filter(subject="Re: Question").count(), 1, "the copy of a sent draft")


@check
def deeds_on_many_items_at_once(world):
    place, other = folder(world, "Deep many"), folder(world, "Deep many too")
    place.all().delete()
    other.all().delete()
    mails = [Message(folder=place, subject=f"many {n:02}", to_recipients=[mail.BOB]) for n in range(12)]
    ids = world.alice.bulk_create(items=mails, folder=place)
    expect(len(ids), 12, "created")
    found = list(world.alice.fetch(ids, only_fields=["subject"]))
    expect([item.subject for item in found][11], "many 11", "fetched in order")
    for item in found:
        item.subject += "!"
    world.alice.bulk_update([(item, ["subject"]) for item in found])
    expect(place.filter(subject__contains="!").count(), 12, "updated")
    copies = world.alice.bulk_copy(ids=found[:3], to_folder=other)
    expect((len(copies), other.all().count()), (3, 3), "copied")
    moved = world.alice.bulk_move(ids=found[3:6], to_folder=other)
    expect((len(moved), other.all().count(), place.all().count()), (3, 6, 9), "moved")
    junk = place.get(subject="many 06!")
    junk.mark_as_junk(is_junk=True, move_item=True)
    expect(world.alice.junk.filter(subject="many 06!").count(), 1, "junk")
    gone = place.get(subject="many 07!")
    gone.move_to_trash()
    expect(world.alice.trash.filter(subject="many 07!").count(), 1, "trash")
    gone = place.get(subject="many 08!")
    gone.soft_delete()
    expect(world.alice.recoverable_items_deletions.filter(subject="many 08!").count(), 1, "recoverable")
    results = world.alice.bulk_delete(ids=list(place.all().only("id", "changekey")))
    expect(set(results), {True}, "deleted")
    results = list(world.alice.fetch([found[0]]))
    expect(isinstance(results[0], ErrorItemNotFound), True, "what is gone is told")


@check
def attachments_are_taken_off_in_any_order(world):
    place = folder(world, "Deep mail")
    item = Message(folder=place, account=world.alice, subject="Files", body="x")
    for n in range(4):
        item.attach(FileAttachment(name=f"f{n}.txt", content=f"file {n}".encode(), is_inline=n == 3, content_id=f"c{n}"))
    item.attach(ItemAttachment(name="inner", item=Message(
        folder=place, subject="Inner", body="deep",
        attachments=[FileAttachment(name="deep.txt", content=b"deep file")],
    )))
    item.save()
    files = {one.name: one for one in place.get(id=item.id).attachments}
    expect(sorted(files), ["f0.txt", "f1.txt", "f2.txt", "f3.txt", "inner"], "names")
    kept = files["f2.txt"]
    kept.parent_item.detach([files["f0.txt"], files["f1.txt"]])
    expect(kept.content, b"file 2", "an attachment by the id it had before")
    files = {one.name: one for one in place.get(id=item.id).attachments}
    expect(sorted(files), ["f2.txt", "f3.txt", "inner"], "left")
    expect((files["f3.txt"].is_inline, files["f3.txt"].content_id), (True, "c3"), "inline")
    with files["f2.txt"].fp as stream:
        expect(stream.read(), b"file 2", "streamed")
    inner = files["inner"].item
    expect((inner.subject, inner.attachments[0].name), ("Inner", "deep.txt"), "inner item")
    expect(inner.attachments[0].content, b"deep file", "inner file")


@check
def people_are_found_in_contacts(world):
    place = folder(world, "Deep contacts", Contacts)
    Contact(
        folder=place, account=world.alice, display_name="Zora Neale", given_name="Zora", surname="Neale",
        email_addresses=[EmailAddress(email="zora@example.test", label="EmailAddress1")],
    ).save()
    found = list(place.people().filter(display_name="Zora Neale"))
    expect([one.display_name for one in found], ["Zora Neale"], "names")
    expect("Zora Neale" in [one.display_name for one in place.people()], True, "among all")


@check
def posts_and_lists_are_kept(world):
    place = folder(world, "Deep mail")
    post = PostItem(folder=place, account=world.alice, subject="Notice", body="Read me").save()
    expect(place.get(id=post.id).body.strip(), "Read me", "post")
    post.delete()


@check
def folders_are_copied_wiped_and_refreshed(world):
    parent = world.alice.msg_folder_root
    one = Messages(parent=parent, name="Deep one").save()
    two = Messages(parent=one, name="inside").save()
    Message(folder=two, account=world.alice, subject="in there").save()
    one.name = "Deep uno"
    one.save()
    world.alice.root.clear_cache()
    expect((parent / "Deep uno" / "inside").total_count, 1, "counted")
    two.refresh()
    expect((two.total_count, two.child_folder_count, two.folder_class), (1, 0, "IPF.Note"), "refreshed")
    (parent / "Deep uno").wipe()
    expect(two.all().count() if two in world.alice.root.walk() else 0, 0, "wiped")
    (parent / "Deep uno").delete()


@check
def free_and_busy_times_are_told(world):
    zone = world.alice.default_timezone
    start = at(2026, 12, 7, 0, 0)
    item = CalendarItem(
        folder=world.alice.calendar, account=world.alice, subject="Busy",
        start=at(2026, 12, 7, 10, 0), end=at(2026, 12, 7, 11, 0),
    ).save()
    found = list(world.alice.protocol.get_free_busy_info(
        accounts=[(world.alice, "Required", False)], start=start, end=start + datetime.timedelta(days=1)
    ))
    expect(len(found[0].calendar_events), 1, "events")
    expect(found[0].calendar_events[0].busy_type, "Busy", "busy")
    expect(bool(found[0].working_hours_timezone), True, "zone of the working hours")
    item.delete()


@check
def every_zone_that_the_client_knows_is_known(world):
    from exchangelib.winzone import CLDR_TO_MS_TIMEZONE_MAP

    served = {zone.id for zone in world.alice.protocol.get_timezones()}
    missing = {row[0] for row in CLDR_TO_MS_TIMEZONE_MAP.values()} - served
    expect(sorted(missing), [], "zones that the server lacks")
