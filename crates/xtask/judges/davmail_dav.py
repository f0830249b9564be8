"""What the judge by DavMail does with calendars (CalDAV) and contacts (CardDAV)."""

import base64
import http.client
import re
import xml.etree.ElementTree as ET
import zoneinfo
from datetime import UTC, datetime
from urllib.parse import quote, unquote

import exchangelib_mail as mail
from judging import PASSWORD, expect

CHECKS = []
DAV = "{DAV:}"
CALENDAR = f"/users/{mail.ALICE}/calendar/"
CONTACTS = f"/users/{mail.ALICE}/contacts/"
LIST = '<D:propfind xmlns:D="DAV:"><D:prop><D:getetag/><D:resourcetype/></D:prop></D:propfind>'

# What a client in Berlin sends, whoever's mailbox it is.
BERLIN = """BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:DAYLIGHT
DTSTART:19810329T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
BEGIN:STANDARD
DTSTART:19961027T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
END:VTIMEZONE
"""
EVENT = """BEGIN:VEVENT
UID:{uid}
DTSTAMP:20260301T000000Z
SUMMARY:{subject}
DTSTART;TZID=Europe/Berlin:{start}
DTEND;TZID=Europe/Berlin:{end}
{more}END:VEVENT
"""

CARD = """BEGIN:VCARD
VERSION:3.0
UID:{uid}
FN:Dora Müller
N:Müller;Dora;;;
ORG:Example Ltd
EMAIL;TYPE=WORK:dora@example.test
TEL;TYPE=CELL:{phone}
BDAY:1980-02-29
NOTE:Met in Bern
END:VCARD
"""


def check(function):
    """Adds a function to the checks, which run in the order in which they stand here."""
    CHECKS.append(function)
    return function


class Dav:
    """A client of few words."""

    def __init__(self, port, password=PASSWORD):
        self.port = port
        signed = base64.b64encode(f"{mail.ALICE}:{password}".encode()).decode()
        self.headers = {"Authorization": f"Basic {signed}", "Content-Type": "text/plain; charset=utf-8"}

    def ask(self, method, path, body=None, **headers):
        """The status, the headers and the text of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        body = body.encode() if body is not None else None
        connection.request(method, quote(path), body, self.headers | headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, answer.headers, text

    def names(self, folder):
        """What lies in a folder, without the folder itself."""
        status, _, text = self.ask("PROPFIND", folder, LIST, Depth="1", Content_Type="text/xml")
        expect(status, 207, "status of the list")
        found = [unquote(each.findtext(f"{DAV}href")) for each in ET.fromstring(text).iter(f"{DAV}response")]
        return {path for path in found if path.rstrip("/") != folder.rstrip("/")}

    def put(self, path, body, wanted=(200, 201, 204), **headers):
        status, _, text = self.ask("PUT", path, body, **headers)
        expect(status in wanted, True, f"status {status} of PUT ({text})")

    def get(self, path):
        status, headers, text = self.ask("GET", path)
        expect(status, 200, f"status of GET ({text})")
        return headers, unfolded(text)

    def delete(self, path):
        status, _, text = self.ask("DELETE", path)
        expect(status in (200, 204), True, f"status {status} of DELETE ({text})")


def unfolded(text):
    return re.sub(r"\r?\n[ \t]", "", text)


def values(text, name):
    """The values of all lines of a name, whatever parameters they have."""
    return re.findall(rf"(?m)^{name}(?:;[^:\r\n]*)?:(.*?)\r?$", text)


@check
def calendars_need_the_right_password(world):
    status, _, _ = Dav(world.dav_port, "wrong").ask("PROPFIND", CALENDAR, LIST, Depth="0")
    expect(status, 401, "status")


@check
def the_calendar_lists_what_is_in_it(world):
    world.dav = Dav(world.dav_port)
    (path,) = world.dav.names(CALENDAR)
    _, text = world.dav.get(path)
    expect(values(text, "SUMMARY"), ["Planning"], "summary")
    expect(values(text, "LOCATION"), ["Room 4"], "place")
    expect(values(text, "UID"), ["judge-1@example.test"], "UID")


@check
def a_deleted_event_is_gone(world):
    (path,) = world.dav.names(CALENDAR)
    world.dav.delete(path)
    status, _, _ = world.dav.ask("GET", path)
    expect(status, 404, "status")
    expect(world.dav.names(CALENDAR), set(), "events left")


def calendar(*events):
    head = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//judge//EN\n"
    return (head + BERLIN + "".join(events) + "END:VCALENDAR\n").replace("\n", "\r\n")


def event(uid, subject, start, end, more=""):
    return EVENT.format(uid=uid, subject=subject, start=start, end=end, more=more)


def events_of(text):
    return re.findall(r"BEGIN:VEVENT\r?\n.*?END:VEVENT", text, re.DOTALL)


def moment(text, name):
    """What clocks show, and what that is in UTC by the zone that the property names."""
    found = re.search(rf"(?m)^{name};TZID=\"?([^:;\"]+)\"?(?:;[^:]*)?:(\d{{8}}T\d{{6}})\r?$", text)
    expect(found is not None, True, f"{name} with a zone in {text}")
    zone, local = found.groups()
    at = datetime.strptime(local, "%Y%m%dT%H%M%S").replace(tzinfo=zoneinfo.ZoneInfo(zone))
    return local, at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def defines_its_zone(text):
    """The definition that comes along is that of the zone which the times name, and of Berlin's clocks."""
    named = set(re.findall(r"(?m)^DTSTART;TZID=\"?([^:;\"]+)", text))
    expect(set(values(text, "TZID")), named, "zones defined")
    expect(sorted(values(text, "TZOFFSETTO")), ["+0100", "+0200"], "offsets")
    rules = {tuple(sorted(rule.split(";"))) for rule in values(text.split("BEGIN:VEVENT")[0], "RRULE")}
    wanted = {("BYDAY=-1SU", f"BYMONTH={month}", "FREQ=YEARLY") for month in (3, 10)}
    expect(rules, wanted, "changes of clocks")


def only_event(world):
    """The path of the only event; the server names it anew."""
    (path,) = world.dav.names(CALENDAR)
    return path


@check
def an_event_comes_back_at_its_local_time(world):
    world.dav.put(
        CALENDAR + "dav-1.ics",
        calendar(event("dav-1", "Dentist", "20260310T091500", "20260310T100000")),
        If_None_Match="*",
    )
    _, text = world.dav.get(only_event(world))
    expect(values(text, "SUMMARY"), ["Dentist"], "summary")
    expect(values(text, "UID"), ["dav-1"], "UID")
    expect(moment(text, "DTSTART"), ("20260310T091500", "20260310T081500Z"), "start")
    expect(moment(text, "DTEND"), ("20260310T100000", "20260310T090000Z"), "end")
    defines_its_zone(text)


@check
def an_event_that_moves_into_summer_keeps_its_zone(world):
    path = only_event(world)
    before, _ = world.dav.get(path)
    moved = event("dav-1", "Dentist, at last", "20260707T091500", "20260707T100000")
    world.dav.put(path, calendar(moved), If_Match=before["ETag"])
    _, text = world.dav.get(path)
    expect(values(text, "SUMMARY"), ["Dentist, at last"], "summary")
    expect(moment(text, "DTSTART"), ("20260707T091500", "20260707T071500Z"), "start")
    expect(moment(text, "DTEND"), ("20260707T100000", "20260707T080000Z"), "end")
    defines_its_zone(text)
    world.dav.delete(path)


WEEKLY = "RRULE:FREQ=WEEKLY;COUNT=5;BYDAY=MO\n"


@check
def a_series_keeps_its_local_time_over_a_change_of_clocks(world):
    series = event("dav-2", "Stand-up", "20260316T090000", "20260316T093000", WEEKLY)
    world.dav.put(CALENDAR + "dav-2.ics", calendar(series), If_None_Match="*")
    _, text = world.dav.get(only_event(world))
    (master,) = events_of(text)
    expect(moment(master, "DTSTART"), ("20260316T090000", "20260316T080000Z"), "start")
    (rule,) = values(master, "RRULE")
    expect(set(rule.split(";")) >= {"FREQ=WEEKLY", "COUNT=5", "BYDAY=MO"}, True, f"rule {rule}")
    defines_its_zone(text)


@check
def an_occurrence_in_summer_is_moved_by_itself(world):
    """The gateway finds the occurrence by the moment that local nine o'clock is after the change."""
    path = only_event(world)
    before, _ = world.dav.get(path)
    series = event("dav-2", "Stand-up", "20260316T090000", "20260316T093000", WEEKLY)
    named = "RECURRENCE-ID;TZID=Europe/Berlin:20260330T090000\n"
    moved = event("dav-2", "Stand-up, later", "20260330T140000", "20260330T143000", named)
    world.dav.put(path, calendar(series, moved), If_Match=before["ETag"])
    _, text = world.dav.get(path)
    master, exception = sorted(events_of(text), key=lambda one: "RECURRENCE-ID" in one)
    expect(values(master, "SUMMARY"), ["Stand-up"], "summary of the series")
    expect(moment(master, "DTSTART"), ("20260316T090000", "20260316T080000Z"), "start of the series")
    expect(values(exception, "SUMMARY"), ["Stand-up, later"], "summary of the occurrence")
    expect(moment(exception, "DTSTART"), ("20260330T140000", "20260330T120000Z"), "start of the occurrence")
    expect(values(exception, "RECURRENCE-ID"), ["20260330T070000Z"], "when it was to be")
    defines_its_zone(text)
    world.dav.delete(path)


@check
def the_contacts_list_what_is_in_them(world):
    (path,) = world.dav.names(CONTACTS)
    _, text = world.dav.get(path)
    expect(values(text, "FN"), ["Carol Jones"], "name")
    expect("carol@example.test" in text, True, f"address in {text}")


@check
def a_contact_comes_back_as_it_was_put(world):
    path = CONTACTS + "dav-3.vcf"
    world.dav.put(path, CARD.format(uid="dav-3", phone="+41 79 000").replace("\n", "\r\n"), If_None_Match="*")
    _, text = world.dav.get(path)
    expect(values(text, "N")[0].rstrip(";"), "Müller;Dora", "name")
    expect(values(text, "ORG")[0].rstrip(";"), "Example Ltd", "company")
    expect(values(text, "EMAIL"), ["dora@example.test"], "address")
    expect(values(text, "TEL"), ["+41 79 000"], "telephone")
    expect(values(text, "NOTE"), ["Met in Bern"], "note")
    expect(values(text, "BDAY")[0].replace("-", "")[:8], "19800229", "birthday")


@check
def a_contact_is_changed_where_it_lies(world):
    path = CONTACTS + "dav-3.vcf"
    before, _ = world.dav.get(path)
    card = CARD.format(uid="dav-3", phone="+41 79 111").replace("\n", "\r\n")
    world.dav.put(path, card, If_Match=before["ETag"])
    _, text = world.dav.get(path)
    expect(values(text, "TEL"), ["+41 79 111"], "telephone")
    expect(len(world.dav.names(CONTACTS)), 2, "contacts")


@check
def a_deleted_contact_is_gone(world):
    world.dav.delete(CONTACTS + "dav-3.vcf")
    expect(len(world.dav.names(CONTACTS)), 1, "contacts left")
