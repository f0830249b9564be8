"""What a mail, an event or a contact says, as each of the judges' programs reads it.

A fact that a program cannot give is missing from the dictionary; facts that two dictionaries share
are compared. Texts are compared without regard to line ends, trailing blanks and runs of blanks,
since formats and programs fold, wrap and strip them; attachments are compared by the SHA-256 of
their bytes.
"""

import email
import email.header
import email.policy
import email.utils
import hashlib
import html
import re
from datetime import datetime, timedelta, timezone

FIELDS = ["subject", "date", "from", "to", "cc", "text", "html", "attachments"]


def digest(data):
    return hashlib.sha256(data).hexdigest()


def squeezed(text):
    """A text without what folding and wrapping change."""
    text = (text or "").replace("\x00", "")
    return re.sub(r"\s+", " ", text).strip()


def decoded(value):
    """A header's value with its encoded words read."""
    if value is None:
        return None
    value = re.sub(r"\r?\n", "", str(value))
    try:
        return squeezed(str(email.header.make_header(email.header.decode_header(value))))
    except Exception:
        return squeezed(value)


def date_of(value):
    """Seconds since 1970, or None."""
    if not value:
        return None
    try:
        when = email.utils.parsedate_to_datetime(str(value))
    except Exception:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=timezone.utc)
    try:
        return int(when.timestamp())
    except Exception:
        return None


def getaddresses(values):
    """As mail programs read them; newer versions of Python refuse what is odd unless told not to."""
    try:
        return email.utils.getaddresses(values, strict=False)
    except TypeError:
        return email.utils.getaddresses(values)


def addresses(values):
    """The addresses in headers, in lower case and sorted."""
    values = [re.sub(r"\r?\n", "", str(value)) for value in values if value]
    found = {address.strip().strip("<>").lower() for _, address in getaddresses(values)}
    return sorted(address for address in found if "@" in address)


def text_of(part):
    data = part.get_payload(decode=True) or b""
    charset = part.get_content_charset() or "utf-8"
    # As mail programs and browsers do: what says GB2312 uses the characters that were added to it.
    charset = {"gb2312": "gb18030", "gbk": "gb18030"}.get(charset.lower(), charset)
    for name in (charset, "utf-8", "latin-1"):
        try:
            return data.decode(name)
        except (LookupError, UnicodeError, ValueError):
            continue
    return data.decode("latin-1")


def leaves(message, inside=False):
    """The leaves of a mail; a message attached is one leaf."""
    if message.get_content_type() == "message/rfc822":
        yield message
    elif message.is_multipart():
        for part in message.get_payload():
            if not isinstance(part, str):
                yield from leaves(part, True)
    else:
        yield message


def of_mail(data):
    """Python's email package."""
    message = email.message_from_bytes(data, policy=email.policy.compat32)
    facts = {
        "subject": decoded(message.get("subject")) or "",
        "date": date_of(message.get("date")),
        "from": addresses(message.get_all("from", [])[:1]),
        "to": addresses(message.get_all("to", [])),
        "cc": addresses(message.get_all("cc", [])),
    }
    text, page, attached, messages = None, None, [], 0
    for part in leaves(message):
        kind = part.get_content_type()
        if kind == "message/rfc822":
            messages += 1
            continue
        is_file = part.get_filename() or (part.get_content_disposition() == "attachment")
        if kind == "text/plain" and not is_file and text is None:
            text = squeezed(text_of(part))
        elif kind == "text/html" and not is_file and page is None:
            page = squeezed(text_of(part))
        else:
            attached.append(digest(part.get_payload(decode=True) or b""))
    facts.update(text=text or "", html=page or "", attachments=sorted(attached), messages=messages)
    return facts


def of_mail_parser(path):
    """The package mail-parser."""
    import mailparser

    mail = mailparser.parse_from_file(str(path))
    pick = lambda pairs: sorted({a.strip().lower() for _, a in pairs or [] if a and "@" in a})
    when = mail.date
    return {
        "subject": squeezed(mail.subject),
        "date": int(when.replace(tzinfo=timezone.utc).timestamp()) if when else None,
        "from": pick(mail.from_),
        "to": pick(mail.to),
        "cc": pick(mail.cc),
        "text": squeezed("\n".join(mail.text_plain)),
        "html": squeezed("\n".join(mail.text_html)),
        "attachments": sorted(digest((a.get("payload") or "").encode("utf-8", "replace")) for a in mail.attachments),
    }


def of_msg(path):
    """extract-msg, on a message file."""
    import extract_msg
    from extract_msg.enums import ErrorBehavior

    with extract_msg.openMsg(str(path), strict=False, errorBehavior=ErrorBehavior.SUPPRESS_ALL) as msg:
        facts = {"subject": squeezed(msg.subject), "class": msg.classType}
        tagged = lambda kind: sorted(
            {
                (r.getStringStream("__substg1.0_39FE") or r.email or "").strip().lower()
                for r in msg.recipients
                if int(r.type or 1) & 0xF == kind
            }
        )
        facts["to"] = [a for a in tagged(1) if "@" in a]
        facts["cc"] = [a for a in tagged(2) if "@" in a]
        sender = msg.getStringStream("__substg1.0_5D02") or msg.getStringStream("__substg1.0_5D01") or msg.getStringStream("__substg1.0_0065") or msg.getStringStream("__substg1.0_0C1F")
        facts["from"] = [sender.strip().lower()] if sender and "@" in sender else []
        sent = msg.getPropertyVal("00390040")
        facts["date"] = int(sent.timestamp()) if isinstance(sent, datetime) else None
        body = msg.getStringStream("__substg1.0_1000")
        facts["text"] = squeezed(body)
        page = msg.getStream("__substg1.0_10130102")
        facts["html_bytes"] = page
        attached, messages = [], 0
        for a in msg.attachments:
            if isinstance(a.data, (bytes, bytearray)):
                attached.append(digest(bytes(a.data)))
            elif a.data is None:
                attached.append(digest(b""))
            else:
                messages += 1
        facts.update(attachments=sorted(attached), messages=messages)
        facts["named"] = len(msg.named.namedProperties) if hasattr(msg.named, "namedProperties") else None
        return facts


def of_json(document):
    """A JSON export, read by nothing but its description."""
    def bag(properties):
        return {p.get("name") or p.get("string") or p.get("id"): p["value"] for p in properties}

    def text(value):
        return value.get("text") if isinstance(value, dict) else value

    import base64

    props = bag(document["properties"])
    rows = [bag(r) for r in document["recipients"]]
    pick = lambda kind: sorted(
        {
            (r.get("PidTagSmtpAddress") or r.get("PidTagEmailAddress") or "").strip().lower()
            for r in rows
            if r.get("PidTagRecipientType", 1) & 0xF == kind
        }
    )
    sender = next((props[n] for n in ("PidTagSentRepresentingSmtpAddress", "PidTagSenderSmtpAddress", "PidTagSentRepresentingEmailAddress", "PidTagSenderEmailAddress") if props.get(n)), "")
    sent = props.get("PidTagClientSubmitTime")
    attached, messages = [], 0
    for a in document["attachments"]:
        if "message" in a:
            messages += 1
        else:
            data = bag(a["properties"]).get("PidTagAttachDataBinary", "") or bag(a["properties"]).get("PidTagAttachDataObject", "")
            attached.append(digest(base64.b64decode(data)))
    body = props.get("PidTagBody")
    page = props.get("PidTagHtml")
    return {
        "subject": squeezed(text(props.get("PidTagSubject"))),
        "date": int(datetime.fromisoformat(re.sub(r"(\.\d{1,6})\d*", r"\1", sent).replace("Z", "+00:00")).timestamp()) if isinstance(sent, str) else None,
        "from": [sender.strip().lower()] if "@" in sender else [],
        "to": [a for a in pick(1) if "@" in a],
        "cc": [a for a in pick(2) if "@" in a],
        "text": squeezed(text(body)) if body is not None else "",
        "html_bytes": None if page is None else base64.b64decode(page),
        "attachments": sorted(attached),
        "messages": messages,
    }


EVENT_FIELDS = ["uid", "summary", "start", "end", "location", "description", "attendees"]


def of_calendar(data):
    """icalendar: the facts of every event."""
    import icalendar

    events = []
    for calendar in icalendar.Calendar.from_ical(data, multiple=True):
        for event in calendar.walk("VEVENT"):
            moment = lambda name: event.get(name).dt.isoformat() if event.get(name) is not None and hasattr(event.get(name), "dt") else None
            people = event.get("attendee") or []
            people = people if isinstance(people, list) else [people]
            events.append(
                {
                    "uid": squeezed(str(event.get("uid", ""))),
                    "summary": squeezed(str(event.get("summary", ""))),
                    "start": moment("dtstart"),
                    "end": moment("dtend"),
                    "location": squeezed(str(event.get("location", ""))),
                    "description": squeezed(str(event.get("description", ""))),
                    "attendees": sorted(re.sub("^mailto:", "", str(p), flags=re.I).lower() for p in people),
                }
            )
    return events


SERIES_FIELDS = ["uid", "summary", "start", "end", "location", "description", "attendees", "occurrences"]
# Occurrences of a series that are compared.
OCCURRENCES = 40


def instant(value):
    """A moment in UTC; a day as a day, and a time of no zone as if it were UTC."""
    if not isinstance(value, datetime):
        return value.isoformat()
    if value.tzinfo is None:
        value = value.replace(tzinfo=timezone.utc)
    return value.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def occurrences(event):
    """The first starts of a series as its clocks show them, as dateutil makes them of its rule."""
    from datetime import date, time

    from dateutil import rrule

    start = event["dtstart"].dt
    rule = event["rrule"].to_ical().decode()
    days = not isinstance(start, datetime)
    local = datetime.combine(start, time()) if days else start.replace(tzinfo=None)
    until = (event["rrule"].get("until") or [None])[0]
    if until is not None:
        if not isinstance(until, datetime):
            until = datetime.combine(until, time(23, 59, 59))
        elif until.tzinfo is not None:
            until = until.astimezone(start.tzinfo or timezone.utc).replace(tzinfo=None) if not days else until.replace(tzinfo=None)
        rule = re.sub(r"UNTIL=[^;]*", "UNTIL=" + until.strftime("%Y%m%dT%H%M%S"), rule)
    gone = event.get("exdate") or []
    gone = {d.dt.date() if isinstance(d.dt, datetime) else d.dt for one in (gone if isinstance(gone, list) else [gone]) for d in one.dts}
    found = []
    for moment in rrule.rrulestr(rule, dtstart=local):
        if len(found) == OCCURRENCES:
            break
        if moment.date() not in gone:
            found.append(moment.isoformat())
    return found


def of_series(data):
    """icalendar: the facts of the one event that stands for a series, times as moments."""
    import icalendar

    events = [e for c in icalendar.Calendar.from_ical(data, multiple=True) for e in c.walk("VEVENT")]
    masters = [e for e in events if e.get("recurrence-id") is None] or events
    found = []
    for event in masters[:1]:
        moment = lambda name: instant(event.get(name).dt) if event.get(name) is not None and hasattr(event.get(name), "dt") else None
        people = event.get("attendee") or []
        people = people if isinstance(people, list) else [people]
        start = moment("dtstart")
        end = moment("dtend")
        if end is None and start is not None and event.get("duration") is not None:
            end = instant(event["dtstart"].dt + event["duration"].dt)
        elif end is None and start is not None:
            # RFC 5545 3.6.1: a day lasts until the next, a moment no time at all.
            first = event["dtstart"].dt
            end = start if isinstance(first, datetime) else instant(first + timedelta(days=1))
        try:
            times = occurrences(event) if event.get("rrule") is not None else []
        except Exception as error:
            times = f"{type(error).__name__}: {error}"
        found.append(
            {
                "uid": squeezed(str(event.get("uid", ""))),
                "summary": squeezed(str(event.get("summary", ""))),
                "start": start,
                "end": end,
                "location": squeezed(str(event.get("location", ""))),
                "description": squeezed(str(event.get("description", ""))),
                "attendees": sorted(re.sub("^mailto:", "", str(p), flags=re.I).lower() for p in people),
                "occurrences": times,
            }
        )
    return found


CONTACT_FIELDS = ["name", "emails", "telephones", "organization", "title", "note"]


def of_contact(data):
    """vobject: the facts of every card."""
    import vobject

    text = data.decode("utf-8", "replace")
    cards = []
    for card in vobject.readComponents(text, allowQP=True, ignoreUnreadable=True):
        values = lambda name: [getattr(line, "value", "") for line in card.contents.get(name, [])]
        flat = lambda value: ";".join(value) if isinstance(value, list) else str(value)
        cards.append(
            {
                "name": squeezed(flat((values("fn") or [""])[0])),
                "emails": sorted(squeezed(flat(v)).lower() for v in values("email")),
                "telephones": sorted(squeezed(flat(v)) for v in values("tel")),
                "organization": squeezed(flat((values("org") or [""])[0])),
                "title": squeezed(flat((values("title") or [""])[0])),
                "note": squeezed(flat((values("note") or [""])[0])),
            }
        )
    return cards
