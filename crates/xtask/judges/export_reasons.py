"""Why a program may read an export otherwise than the original, and the table of all that."""

import collections
import email
import email.policy
import functools
import hashlib
import re
import zoneinfo

STRICT_DATE = r"(?:[A-Z][a-z]{2}, )?\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d(?::\d\d)? (?:[+-]\d{4}|GMT|UT)(?: \(\w+\))?"

# What export_check.py calls items made from properties.
REBUILT = "from properties"
# And items of a server without native streams.
PORTABLE = "from portable"

# Each: a name, what it means, and a test of (disagreement, the original's bytes).
REASONS = []


def reason(name, text):
    def keep(function):
        REASONS.append((name, text, function))
        return function

    return keep


def ascii_of(text):
    """What of a text does not depend on its charset."""
    return re.sub(r"[^!-~]+", "", str(text or ""))


@functools.lru_cache(maxsize=8)
def parsed(original):
    return email.message_from_bytes(original)


def is_mail(d):
    return d["file"].split("/")[0] in ("mail", "difficult")


def is_rebuilt(d, part):
    return REBUILT in d["format"] and d["file"].startswith(f"{part}/")


def unfolded(original):
    """A calendar file's or a card's lines, as text."""
    return re.sub(r"\r?\n[ \t]", "", original.decode("utf-8", "replace"))


@functools.lru_cache(maxsize=8)
def the_event(original):
    """The event that stands for the series, as icalendar reads it."""
    import icalendar

    events = [e for c in icalendar.Calendar.from_ical(original, multiple=True) for e in c.walk("VEVENT")]
    return next((e for e in events if e.get("recurrence-id") is None), events[0])


def starts(original):
    """Parameters and value of the lines that say when the event begins."""
    text = re.sub(r"(?s)BEGIN:VTIMEZONE.*?END:VTIMEZONE", "", unfolded(original))
    event = re.search(r"(?s)BEGIN:VEVENT.*?END:VEVENT", text).group()
    return [(re.findall(r"[^;:\"]*(?:\"[^\"]*\")?[^;:\"]*", line.rpartition(":")[0]), line.rpartition(":")[2].strip()) for line in event.splitlines() if re.match(r"DTSTART[;:]", line)]


@functools.lru_cache(maxsize=8)
def cards(original):
    import vobject

    return list(vobject.readComponents(original.decode("utf-8", "replace"), allowQP=True, ignoreUnreadable=True))


def strictly(original, name):
    """The headers of a name as Python's strict reader sees them: their text, and what is wrong."""
    message = email.message_from_bytes(original, policy=email.policy.default)
    headers = message.get_all(name, [])
    return headers, [defect for header in headers for defect in header.defects]


def only_texts_are_missing(d, original):
    """Whether the export has every attachment of the original but texts and what is empty."""
    if d["field"] != "attachments":
        return True
    spare = {hashlib.sha256(b"").hexdigest()}
    for part in parsed(original).walk():
        if part.get_content_maintype() == "text":
            spare.add(hashlib.sha256(part.get_payload(decode=True) or b"").hexdigest())
    return set(d["original"]) - spare <= set(d["export"])


def defects(original):
    return [defect for part in parsed(original).walk() for defect in part.defects]


def texts(original):
    """Texts that could be the body."""
    return [part for part in parsed(original).walk() if part.get_content_maintype() == "text"]


@reason("original unreadable", "the program refuses the original file with the same message, and the export has its bytes.")
def unreadable(d, original):
    return d["field"] == "opening" and d.get("same_error")


@reason("same bytes", "the export has the original's bytes; icalendar remembers the time zones of files it read before, and so depends on their order.")
def same_bytes(d, original):
    return d["format"] in ("eml", "ics", "vcf", f"eml {PORTABLE}") and not is_mail(d) and d["field"] != "opening"


@reason("no such header", "the original has no date; msgconvert writes when the server received the mail.")
def no_date(d, original):
    return d["field"] == "date" and d["original"] is None and d["program"] == "msgconvert"


@reason("odd date", "the date is not as RFC 5322 has it; the server and Python's email read it differently, or only one of them does.")
def odd_date(d, original):
    headers, wrong = strictly(original, "date")
    # A year of three digits is long ago to Python, and 2002 to the server.
    long_ago = d["field"] == "date" and (d["original"] or 0) < 0
    return d["field"] == "date" and (long_ago or wrong or len(headers) != 1 or not re.fullmatch(STRICT_DATE, str(parsed(original)["date"]).strip()))


@reason("subject not encoded", "msgconvert writes characters beyond ASCII into the header as they are, if the mail has no transport headers, and Python cannot tell their charset.")
def not_encoded(d, original):
    return d["program"] == "msgconvert" and d["field"] == "subject" and not d["original"].isascii()


@reason("organizer among recipients", "extract-msg does not know recipients of type 0, the originator, which the server keeps in appointments.")
def originator(d, original):
    return d["program"] == "extract-msg" and d["field"] == "opening" and "0 is not a valid MeetingRecipientType" in d["export"]


@reason("signed mail", "extract-msg opens the envelope of signed mail and shows what is inside in place of it.")
def signed(d, original):
    return d["program"] == "extract-msg" and b"pkcs7" in original.lower() and d["field"] in ("attachments", "text", "opening")


@reason("delivery report", "Python's email takes a delivery report (message/delivery-status) apart and has no bytes of it to compare; msgconvert changes its line ends.")
def delivery_report(d, original):
    return d["field"] in ("attachments", "text") and only_texts_are_missing(d, original) and re.search(rb"(?i)message/(delivery-status|disposition-notification|feedback-report|global-delivery-status|external-body|partial|news)", original)


@reason("broken calendar", "icalendar itself reports errors in the original, or cannot compute its rule: a date, rule or parameter breaks RFC 5545.")
def broken_calendar(d, original):
    import icalendar

    if not d["file"].startswith("calendar/") or REBUILT not in d["format"]:
        return False
    errors = [e for c in icalendar.Calendar.from_ical(original, multiple=True) for part in c.walk() for e in part.errors]
    return bool(errors) or (d["field"] == "occurrences" and "Error" in str(d["original"]))


@reason("no such pattern", "a rule that Exchange has no pattern for (several rules or dates of their own, times within a day, positions, other calendars): the series is named in words only.")
def no_pattern(d, original):
    rules = re.findall(rb"(?m)^RRULE[:;].*$", original.replace(b"\r\n ", b"").replace(b"\n ", b""))
    odd = len(rules) > 1 or any(re.search(rb"BYHOUR|BYMINUTE|BYSECOND|BYYEARDAY|BYWEEKNO|BYSETPOS|RSCALE|SKIP|SECONDLY|MINUTELY|HOURLY|BYDAY=[^;]*,|BYMONTH=[^;]*,|BYMONTHDAY=[^;]*,|BYMONTHDAY=-", rule) for rule in rules)
    return REBUILT in d["format"] and d["field"] == "occurrences" and odd and not any(d["export"])


@reason("unfinished base64", "a base64 part whose length no base64 has (letters missing at its end, or text behind it): Python's email gives it back undecoded, the server decodes what is there.")
def unfinished_base64(d, original):
    def is_undecoded(part):
        if str(part.get("content-transfer-encoding", "")).strip().lower() != "base64" or part.is_multipart():
            return False
        letters = re.sub(r"[^A-Za-z0-9+/]", "", str(part.get_payload()))
        return len(letters) % 4 == 1 or part.get_payload(decode=True).strip() == str(part.get_payload()).encode("ascii", "replace").strip()

    return d["field"] in ("attachments", "text", "html") and any(is_undecoded(part) for part in parsed(original).walk())


@reason("loose equals signs", "quoted-printable with equals signs that begin nothing: Python's email drops some of them, the server keeps all.")
def loose_equals(d, original):
    def is_loose(part):
        quoted = str(part.get("content-transfer-encoding", "")).strip().lower() == "quoted-printable"
        return quoted and not part.is_multipart() and re.search(r"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n)", str(part.get_payload()))

    same = str(d["original"]).replace("=", "") == str(d["export"]).replace("=", "")
    return d["field"] in ("text", "html") and same and any(is_loose(part) for part in parsed(original).walk())


@reason("message elsewhere", "message/external-body: Python's email reads the note on where the message is as a message of its own, the server keeps the part whole.")
def external_body(d, original):
    inside = {hashlib.sha256(b"").hexdigest()}
    kinds = [part for part in parsed(original).walk() if part.get_content_type() == "message/external-body"]
    for part in kinds:
        inside |= {hashlib.sha256(leaf.get_payload(decode=True) or b"").hexdigest() for leaf in part.walk()}
    return bool(kinds) and d["field"] == "attachments" and set(d["original"]) - inside <= set(d["export"])


@reason("encoded words", "encoded words that break RFC 2047 (an unknown charset, bad base64, several side by side): Python leaves them or adds blanks, the server reads them.")
def encoded_words(d, original):
    if d["field"] != "subject" or b"=?" not in original:
        return False
    blank = lambda text: re.sub(r"\s+", "", str(text or ""))
    return "=?" in str(d["original"]) or "=?" in str(d["export"]) or blank(d["original"]) == blank(d["export"])


@reason("charset", "the mail names no charset, or a wrong or unknown one, for bytes beyond ASCII: programs guess differently. All of ASCII agrees.")
def charset(d, original):
    return d["field"] in ("subject", "text", "html") and not (str(d["original"]) + str(d["export"])).isascii() and ascii_of(d["original"]) == ascii_of(d["export"])


@reason("broken structure", "Python's email itself reports defects in the original (a boundary missing or never closed, bad base64, no header end): what is body and what attachment is a guess.")
def broken(d, original):
    return d["field"] in ("text", "html", "attachments") and bool(defects(original))


@reason("several texts", "the mail has several texts side by side; the server joins those that Python's email lists one by one.")
def several(d, original):
    return d["field"] in ("text", "html", "attachments") and len(texts(original)) > 1 and only_texts_are_missing(d, original)


@reason("broken headers", "a line among the headers is none (a mailbox's From line, a blank before the colon, no colon at all): Python's email ends the headers there or drops the line, the server and msgconvert do not, or the other way round.")
def broken_headers(d, original):
    head = re.split(rb"\r?\n\r?\n", original, maxsplit=1)[0]
    return is_mail(d) and any(not re.match(rb"[!-9;-~]+:|[ \t]|$", line) for line in re.split(rb"\r?\n", head))


@reason("named text", "a text with a file name or another transfer encoding than the known ones: the server takes it for the body, or reads it as text, where Python's email has a file.")
def named_text(d, original):
    odd = any(p.get_filename() or str(p.get("content-transfer-encoding", "7bit")).strip().lower() not in ("7bit", "8bit", "binary", "base64", "quoted-printable") for p in texts(original))
    return d["field"] in ("text", "html", "attachments") and odd and only_texts_are_missing(d, original)


@reason("several senders", "a From header of several addresses: properties hold one sender; the header itself is among them.")
def several_senders(d, original):
    return d["field"] == "from" and len(d["original"]) > 1 and set(d["export"]) <= set(d["original"])


@reason("odd addresses", "an address list that breaks RFC 5322 (no @, unquoted commas or colons, groups, 8-bit characters): programs read different addresses out of it.")
def odd_addresses(d, original):
    if d["field"] not in ("from", "to", "cc"):
        return False
    headers, wrong = strictly(original, d["field"])
    raw = " ".join(str(value) for value in parsed(original).get_all(d["field"], []))
    return bool(wrong) or len(headers) > 1 or not raw.isascii() or "=?" in raw or bool(re.search(r"[:;\\()]", raw))


@reason("stray escapes", "a backslash before a character that needs none: the server reads the character, icalendar and vobject keep the backslash.")
def stray_escapes(d, original):
    if REBUILT not in d["format"] or is_mail(d) or len(d["original"]) != 1 or not isinstance(d["original"][0], str):
        return False
    return "\\" in d["original"][0] and re.sub(r"\\(.)", r"\1", d["original"][0]) == d["export"][0]


@reason("two starts", "an event with two DTSTART lines, of which icalendar gives neither, and the server takes the first.")
def two_starts(d, original):
    return is_rebuilt(d, "calendar") and d["field"] in ("start", "end") and isinstance(the_event(original).get("dtstart"), list)


@reason("unknown zone", "a TZID that neither the file nor the IANA database defines: the server takes the time for UTC, icalendar guesses.")
def unknown_zone(d, original):
    named = {value.strip('"') for params, _ in starts(original) for name, _, value in (p.partition("=") for p in params) if name == "TZID"}
    defined = set(re.findall(r"(?m)^TZID(?:;[^:]*)?:(.*?)\s*$", unfolded(original)))
    return is_rebuilt(d, "calendar") and d["field"] in ("start", "end") and bool(named) and not named & (defined | zoneinfo.available_timezones())


@reason("time for a day", "DTSTART is a day but does not say VALUE=DATE: the server takes it for a whole day, icalendar for midnight.")
def day_without_type(d, original):
    params, value = starts(original)[0]
    return is_rebuilt(d, "calendar") and d["field"] in ("start", "end") and re.fullmatch(r"\d{8}", value) and "VALUE=DATE" not in params and re.fullmatch(r"\d{4}-\d\d-\d\d", d["export"][0])


@reason("zone of a day", "a day with a TZID, which RFC 5545 forbids: icalendar takes it for midnight in that zone, the server for a whole day.")
def zone_of_a_day(d, original):
    if not is_rebuilt(d, "calendar") or d["field"] not in ("start", "end"):
        return False
    kept = re.search(r"(?m)^DT%s;([^:\n]*):(\d{8})\s*$" % d["field"].upper(), unfolded(original))
    named = kept and "VALUE=DATE" in kept[1] and "TZID=" in kept[1]
    return bool(named) and d["export"] == [f"{kept[2][:4]}-{kept[2][4:6]}-{kept[2][6:]}"]


@reason("before the zone begins", "the event is before the first onset of the time zone that its file defines, for which no offset is told.")
def before_zone(d, original):
    zones = "".join(re.findall(r"(?s)BEGIN:VTIMEZONE.*?END:VTIMEZONE", unfolded(original)))
    onsets = re.findall(r"(?m)^DTSTART[^:\n]*:(\d{8}T\d{6})", zones)
    return is_rebuilt(d, "calendar") and d["field"] in ("start", "end") and bool(onsets) and starts(original)[0][1] < min(onsets)


@reason("start outside its rule", "the series begins in a month that its rule does not name, which RFC 5545 leaves undefined: no pattern of the server says it.")
def outside_rule(d, original):
    months = the_event(original)["rrule"].get("bymonth")
    return is_rebuilt(d, "calendar") and d["field"] == "occurrences" and not any(d["export"]) and bool(months) and the_event(original)["dtstart"].dt.month not in [int(m) for m in months]


@reason("several cards", "a file of several cards: the server takes the first, and that one agrees.")
def several_cards(d, original):
    return is_rebuilt(d, "contacts") and len(d["original"]) > 1 and d["export"] == d["original"][:1]


@reason("no more places", "a contact of the server has three e-mail addresses and one or two telephone numbers of each type: what is beyond them is left out.")
def no_places(d, original):
    if not is_rebuilt(d, "contacts") or d["field"] not in ("emails", "telephones"):
        return False
    [wanted], [found] = d["original"], d["export"]
    missing = collections.Counter(wanted) - collections.Counter(found)
    if collections.Counter(found) - collections.Counter(wanted) or not missing:
        return False
    if d["field"] == "emails":
        return len(found) == 3
    kinds = {str(line.value).strip(): telephone_kind(line) for line in cards(original)[0].contents["tel"]}
    counts = collections.Counter(kinds.values())
    return all(counts[kinds[number]] > (1 if kinds[number] in ("HOME FAX", "PAGER", "CAR") else 2) for number in missing)


def telephone_kind(line):
    types = {word.upper() for value in line.params.get("TYPE", []) for word in value.split(",")} | {word.upper() for word in line.singletonparams}
    if "FAX" in types:
        return "HOME FAX" if "HOME" in types else "FAX"
    return next((kind for kind in ("CELL", "PAGER", "CAR", "HOME", "WORK") if kind in types), "OTHER")


@reason("telephone as a URI", "a number with \"tel:\" before it: vCard 3.0 has plain numbers.")
def telephone_uri(d, original):
    return is_rebuilt(d, "contacts") and d["field"] == "telephones" and d["export"] == [[re.sub("^tel:", "", number) for number in card] for card in d["original"]]


@reason("no name", "a card without FN, which every version demands: the server makes it of the parts of the name.")
def no_name(d, original):
    words = lambda text: sorted(re.findall(r"[^\s;,]+", text))
    parts = re.search(r"(?im)^N(?:;[^:]*)?:(.*)$", unfolded(original))
    return is_rebuilt(d, "contacts") and d["field"] == "name" and not re.search(r"(?im)^(?:\w+\.)?FN[;:]", unfolded(original)) and words(parts.group(1)) == words(d["export"][0])


@reason("comma not escaped", "a comma without a backslash in a text: vobject ends the text there, the server does not.")
def bare_comma(d, original):
    return is_rebuilt(d, "contacts") and d["field"] in ("name", "note") and d["export"][0].startswith(f"{d['original'][0]},")


@reason("empty unit", "an organization that ends with an empty unit, which is nothing to the server.")
def empty_unit(d, original):
    return is_rebuilt(d, "contacts") and d["field"] == "organization" and d["original"][0].rstrip(";") == d["export"][0]


def of(disagreement, original):
    for name, _, test in REASONS:
        try:
            if test(disagreement, original):
                return name
        except Exception:
            continue
    return None


def report(tally, table, corpus):
    """Prints and writes the table; returns how many disagreements nobody knows a reason for."""
    counts = collections.defaultdict(collections.Counter)
    unknown = []
    for disagreement in tally.disagreements:
        original = (corpus / disagreement["file"]).read_bytes()
        name = of(disagreement, original)
        if name is None:
            unknown.append(disagreement)
        key = (disagreement["format"], disagreement["program"], disagreement["file"].split("/")[0])
        counts[key][name or "unexplained"] += 1
    lines = ["| export | read by | files of | opened | compared | agreed | disagreements |", "| --- | --- | --- | ---: | ---: | ---: | --- |"]
    for (kind, program, part), row in tally.rows.items():
        compared, agreed = sum(row["fields"].values()), sum(row["agreed"].values())
        why = ", ".join(f"{name} {count:,}" for name, count in counts[kind, program, part].most_common())
        lines.append(
            f"| {kind} | {program} | {part} | {row['opened']:,} of {row['files']:,} | {compared:,} | {agreed:,} | {why or 'none'} |"
        )
    text = "\n".join(lines)
    print(text)
    for disagreement in unknown[:40]:
        print("unexplained:", {k: str(v)[:160] for k, v in disagreement.items()})
    print(f"{len(tally.disagreements)} disagreements, {len(unknown)} without a known reason")
    if table:
        fields = collections.Counter()
        agreed = collections.Counter()
        for row in tally.rows.values():
            fields.update(row["fields"])
            agreed.update(row["agreed"])
        by_field = "\n".join(f"| {field} | {fields[field]:,} | {agreed[field]:,} |" for field in fields)
        used = {name for counter in counts.values() for name in counter}
        why = "\n".join(f"- **{name}**: {text}" for name, text, _ in REASONS if name in used)
        old = table.read_text() if table.exists() else ""
        # What a person or the benchmark wrote behind the table stays.
        rest = old[old.index(MARK) :] if MARK in old else MARK + "\n"
        if unknown:
            shown = sorted({(d["file"], d["field"]) for d in unknown})
            why += f"\n- **unexplained**: {len(unknown)}, in " + "; ".join(f"`{file}` ({field})" for file, field in shown)
        table.write_text(
            f"{HEAD}\n{text}\n\n## By field\n\n| field | compared | agreed |\n| --- | ---: | ---: |\n{by_field}\n\n"
            f"## Why programs disagree\n\n{why or 'They do not.'}\n\n{rest}"
        )
    return len(unknown)


MARK = "## Speed"
HEAD = """# Exports, read by other programs

Made by `cargo xtask judge export`; do not edit by hand above "Speed".

The whole corpus (real mail, difficult mail, calendars, contacts) goes through a simulated server, a
backup, and an export in each format; the server is stopped before the exports. Then programs that
know nothing of Postkeep open every file. What they say is compared with what Python's email
package, icalendar and vobject say of the original files: subject, date, senders, recipients, the
text, and the SHA-256 of every attachment. With mbox and Maildir every byte is compared.

Plain EML of mail the simulated server has as it came is that mail byte for byte, so agreement there
says little. What is called "from properties" was edited on the server, which then has its
properties only, as Exchange has: mail, calendar files and contacts are made of them. Of calendars
the event that stands for the series is compared, times as moments in UTC, and the first 40
occurrences that dateutil computes from its rule. What is called "from portable" comes from a server
without ExportItems. The reasons below are found by a test of the original file and of
the two answers, and were written after the disagreements were seen: they show that the original is
odd in that way, not that each single case was looked at by a person.
"""
