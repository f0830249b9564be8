"""The mailboxes that the exchangelib judge loads into the simulator, made up here and always alike."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email import policy
from email.message import EmailMessage
from pathlib import Path

ALICE = "alice@example.test"
BOB = "bob@example.test"
INBOX_MAILS = 60
PROJECT_MAILS = 5
FIRST_DAY = datetime(2026, 3, 2, 8, 0, tzinfo=timezone.utc)

UMLAUTS = "Grüße aus Zürich, für 5 €"
HTML_SUBJECT = "A page with a picture"
HTML = "<html><body><p>Figures for <b>March</b></p></body></html>\r\n"
TABLE = b"name;amount\r\n" + b"".join(b"row %d;%d\r\n" % (n, n * n) for n in range(500))
PICTURE = bytes(range(256)) * 40
FORWARD_SUBJECT = "Fwd: what he wrote"
INNER_SUBJECT = "The original"

CALENDAR = """BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:-//Example//Judge//EN\r
BEGIN:VEVENT\r
UID:judge-1@example.test\r
DTSTAMP:20260301T080000Z\r
DTSTART:20260310T090000Z\r
DTEND:20260310T100000Z\r
SUMMARY:Planning\r
LOCATION:Room 4\r
END:VEVENT\r
END:VCALENDAR\r
"""

CONTACT = """BEGIN:VCARD\r
VERSION:3.0\r
FN:Carol Jones\r
N:Jones;Carol;;;\r
EMAIL:carol@example.test\r
TEL;TYPE=WORK:+41 44 000 00 00\r
END:VCARD\r
"""


@dataclass
class Mailbox:
    """What was written: folder path to the mails' subjects and bytes."""

    folders: dict = field(default_factory=dict)

    def mails(self, folder):
        return self.folders[folder]


def write(root: Path) -> Mailbox:
    """Writes two mailboxes below a folder and returns what the first one holds."""
    box = Mailbox()
    inbox = [plain(n) for n in range(INBOX_MAILS - 4)]
    inbox += [umlauts(), page(), attachments(), forward()]
    box.folders["Inbox"] = inbox
    box.folders["Projects/2026"] = [plain(1000 + n) for n in range(PROJECT_MAILS)]
    box.folders["Sent Items"] = [plain(2000)]
    for folder, mails in box.folders.items():
        place = root / ALICE / folder
        place.mkdir(parents=True)
        for number, mail in enumerate(mails):
            (place / f"{number:04}.eml").write_bytes(mail.as_bytes())
    for folder, name, text in (("Calendar", "planning.ics", CALENDAR), ("Contacts", "carol.vcf", CONTACT)):
        (root / ALICE / folder).mkdir()
        (root / ALICE / folder / name).write_bytes(text.encode())
    (root / BOB / "Inbox").mkdir(parents=True)
    (root / BOB / "Inbox" / "hello.eml").write_bytes(plain(3000).as_bytes())
    return box


def message(subject, number=0) -> EmailMessage:
    mail = EmailMessage(policy=policy.SMTP)
    when = FIRST_DAY + timedelta(hours=number % 1000)
    mail["Date"] = when.strftime("%a, %d %b %Y %H:%M:%S +0000")
    mail["From"] = "Bob Smith <bob@example.test>"
    mail["To"] = f"Alice <{ALICE}>"
    mail["Cc"] = "Dora <dora@example.test>"
    mail["Subject"] = subject
    mail["Message-ID"] = f"<judge-{hash_of(subject)}-{number}@example.test>"
    return mail


def hash_of(text) -> int:
    """A number that is the same in every run, which Python's own hash is not."""
    return sum((index + 1) * ord(letter) for index, letter in enumerate(text))


def plain(number) -> EmailMessage:
    mail = message(f"Report number {number}", number)
    mail.set_content(f"Dear Alice,\n\nreport {number} is ready.\n\nBob\n")
    return mail


def umlauts() -> EmailMessage:
    mail = message(UMLAUTS, 900)
    mail.set_content("Schöne Grüße, 日本語 auch.\n", cte="base64")
    return mail


def page() -> EmailMessage:
    mail = message(HTML_SUBJECT, 901)
    mail.set_content("Figures for March\n")
    mail.add_alternative(HTML, subtype="html")
    return bounded(mail)


def attachments() -> EmailMessage:
    mail = message("Two files", 902)
    mail.set_content("See both files.\n")
    mail.add_attachment(TABLE, maintype="text", subtype="csv", filename="table.csv")
    mail.add_attachment(PICTURE, maintype="application", subtype="octet-stream", filename="bild-ü.bin")
    return bounded(mail)


def forward() -> EmailMessage:
    inner = message(INNER_SUBJECT, 1)
    inner.set_content("This is what he wrote.\n")
    mail = message(FORWARD_SUBJECT, 903)
    mail.set_content("See below.\n")
    mail.add_attachment(inner)
    return bounded(mail)


def bounded(mail) -> EmailMessage:
    """Python's own boundary would be another one in every run."""
    mail.set_boundary(f"judge-{hash_of(mail['Subject'])}")
    return mail
