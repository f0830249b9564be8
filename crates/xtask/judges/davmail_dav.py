"""What the judge by DavMail does with calendars (CalDAV) and contacts (CardDAV)."""

import base64
import http.client
import re
import xml.etree.ElementTree as ET
from urllib.parse import quote, unquote

import exchangelib_mail as mail
from judging import PASSWORD, expect

CHECKS = []
DAV = "{DAV:}"
CALENDAR = f"/users/{mail.ALICE}/calendar/"
CONTACTS = f"/users/{mail.ALICE}/contacts/"
LIST = '<D:propfind xmlns:D="DAV:"><D:prop><D:getetag/><D:resourcetype/></D:prop></D:propfind>'

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
