"""Lets DavMail, a gateway between EWS and what other programs speak, work with `postkeep sim`.

    davmail_check.py --postkeep PROGRAM --scratch FOLDER

The checks speak IMAP by Python's own client, and CalDAV and CardDAV as plain HTTP, so that everything
the server gets is DavMail's. Prints one line a check and ends with 1 when any failed; FOLDER keeps the logs of all programs.
"""

import argparse
import email
import email.message
import email.policy
import imaplib
import shutil
import smtplib
import subprocess
import sys
from pathlib import Path

import davmail_dav
import exchangelib_mail as mail
import judging
from judging import PASSWORD, expect

CHECKS = []
SETTINGS = """davmail.server=true
davmail.mode=EWS
davmail.url={endpoint}
davmail.imapPort={port}
davmail.smtpPort={smtp_port}
davmail.popPort=
davmail.ldapPort=
davmail.caldavPort={dav_port}
davmail.allowRemote=false
davmail.bindAddress=127.0.0.1
davmail.disableUpdateCheck=true
davmail.enableKeepAlive=false
davmail.imapAutoExpunge=false
davmail.logFilePath={log}
log4j.rootLogger=INFO
log4j.logger.davmail=INFO
"""


def check(function):
    """Adds a function to the checks, which run in the order in which they stand here."""
    CHECKS.append(function)
    return function


class World:
    """The gateway, and what is behind it."""

    def __init__(self, port, smtp_port, dav_port, box):
        self.port = port
        self.smtp_port = smtp_port
        self.dav_port = dav_port
        self.box = box
        self.imap = None

    def connect(self, password=PASSWORD):
        imap = imaplib.IMAP4("127.0.0.1", self.port, timeout=60)
        imap.login(mail.ALICE, password)
        return imap

    def select(self, folder="INBOX"):
        return int(good(self.imap.select(quoted(folder)))[0])

    def search(self, *criteria):
        return good(self.imap.uid("SEARCH", *criteria))[0].split()

    def message(self, uid):
        parts = good(self.imap.uid("FETCH", uid, "(BODY.PEEK[])"))
        return next(part[1] for part in parts if isinstance(part, tuple))

    def flags(self, uid):
        answer = good(self.imap.uid("FETCH", uid, "(FLAGS)"))[0]
        return set(imaplib.ParseFlags(answer))


def good(answer):
    kind, data = answer
    expect(kind, "OK", f"answer ({data})")
    return data


def quoted(name):
    return '"' + name + '"'


def parsed(raw):
    return email.message_from_bytes(raw, policy=email.policy.default)


@check
def a_wrong_password_is_refused(world):
    try:
        world.connect("wrong")
    except imaplib.IMAP4.error:
        return
    raise AssertionError("signed in with a wrong password")


@check
def the_right_password_signs_in(world):
    world.imap = world.connect()
    expect(world.imap.state, "AUTH", "state")


@check
def the_folder_tree_is_listed(world):
    lines = [line.decode() for line in good(world.imap.list())]
    names = {line.rsplit('"', 2)[-2] for line in lines}
    expect({"INBOX", "Projects", "Projects/2026", "Sent"} - names, set(), "missing folders")


@check
def a_folder_tells_its_counts(world):
    (line,) = good(world.imap.status("INBOX", "(MESSAGES UNSEEN)"))
    expect(f"MESSAGES {mail.INBOX_MAILS}" in line.decode(), True, f"count in {line}")


@check
def a_missing_folder_is_refused(world):
    kind, _ = world.imap.select(quoted("No such folder"))
    expect(kind, "NO", "answer")


@check
def every_mail_of_the_inbox_is_found(world):
    expect(world.select(), mail.INBOX_MAILS, "messages")
    expect(len(world.search("ALL")), mail.INBOX_MAILS, "different ids")


@check
def headers_are_those_of_the_mail(world):
    (uid,) = world.search("HEADER", "Subject", '"Report number 7"')
    raw = good(world.imap.uid("FETCH", uid, "(BODY.PEEK[HEADER])"))[0][1]
    head = parsed(raw)
    expect(head["Subject"], "Report number 7", "subject")
    expect(head["Message-ID"], world.box.mails("Inbox")[7]["Message-ID"], "message id")


@check
def a_whole_mail_is_the_same_byte_for_byte(world):
    (uid,) = world.search("HEADER", "Subject", '"Report number 33"')
    expect(world.message(uid), world.box.mails("Inbox")[33].as_bytes(), "MIME")


@check
def attachments_keep_name_and_bytes(world):
    (uid,) = world.search("HEADER", "Subject", '"Two files"')
    parts = {part.get_filename(): part.get_content() for part in parsed(world.message(uid)).iter_attachments()}
    expect(sorted(parts), ["bild-ü.bin", "table.csv"], "names")
    expect(parts["bild-ü.bin"], mail.PICTURE, "picture")


@check
def an_appended_mail_is_there(world):
    raw = mail.plain(5000).as_bytes()
    good(world.imap.append("Drafts", None, None, raw))
    world.select("Drafts")
    (uid,) = world.search("HEADER", "Subject", '"Report number 5000"')
    body = parsed(world.message(uid)).get_content()
    expect(body.replace("\r\n", "\n").strip(), "Dear Alice,\n\nreport 5000 is ready.\n\nBob", "body")


@check
def the_seen_flag_turns_both_ways(world):
    world.select()
    (uid,) = world.search("HEADER", "Subject", '"Report number 6"')
    for change, there in (("+FLAGS", True), ("-FLAGS", False), ("+FLAGS", True)):
        good(world.imap.uid("STORE", uid, change, "(\\Seen)"))
        world.select()
        expect(rb"\Seen" in world.flags(uid), there, f"seen after {change}")


@check
def the_flag_turns_both_ways(world):
    (uid,) = world.search("HEADER", "Subject", '"Report number 6"')
    for change, there in (("+FLAGS", True), ("-FLAGS", False)):
        good(world.imap.uid("STORE", uid, change, "(\\Flagged)"))
        world.select()
        expect(rb"\Flagged" in world.flags(uid), there, f"flagged after {change}")


@check
def unseen_mails_are_told_apart(world):
    world.select()
    unseen, seen = world.search("UNSEEN"), world.search("SEEN")
    expect(len(unseen) + len(seen), mail.INBOX_MAILS, "messages")
    expect(set(unseen) & set(seen), set(), "both at once")


@check
def a_copy_leaves_the_original(world):
    (uid,) = world.search("HEADER", "Subject", '"Report number 9"')
    good(world.imap.uid("COPY", uid, quoted("Projects/2026")))
    expect(world.select("Projects/2026"), mail.PROJECT_MAILS + 1, "messages with the copy")
    expect(world.select(), mail.INBOX_MAILS, "messages beside the original")


@check
def a_moved_mail_is_in_the_other_folder_alone(world):
    (uid,) = world.search("HEADER", "Subject", '"Report number 12"')
    good(world.imap.uid("MOVE", uid, quoted("Projects/2026")))
    expect(world.select("Projects/2026"), mail.PROJECT_MAILS + 2, "messages with the moved one")
    (uid,) = world.search("HEADER", "Subject", '"Report number 12"')
    expect(parsed(world.message(uid))["Subject"], "Report number 12", "subject")
    good(world.imap.uid("MOVE", uid, "INBOX"))
    expect(world.select(), mail.INBOX_MAILS, "messages after the way back")


@check
def words_of_a_text_are_found(world):
    found = world.search("BODY", '"report 21 is ready"')
    (uid,) = found
    expect(parsed(world.message(uid))["Subject"], "Report number 21", "subject")


@check
def a_deleted_mail_is_gone_after_expunge(world):
    (uid,) = world.search("HEADER", "Subject", '"Report number 10"')
    good(world.imap.uid("STORE", uid, "+FLAGS", "(\\Deleted)"))
    good(world.imap.expunge())
    expect(world.select(), mail.INBOX_MAILS - 1, "messages")
    expect(world.search("HEADER", "Subject", '"Report number 10"'), [], "found")


@check
def folders_are_created_renamed_and_deleted(world):
    good(world.imap.create(quoted("Made here")))
    good(world.imap.rename(quoted("Made here"), quoted("Renamed here")))
    names = b"".join(good(world.imap.list()))
    expect(b"Renamed here" in names and b"Made here" not in names, True, f"folders {names}")
    good(world.imap.delete(quoted("Renamed here")))
    expect(b"Renamed here" in b"".join(good(world.imap.list())), False, "still there")


@check
def a_sent_mail_is_kept_among_the_sent(world):
    message = email.message.EmailMessage()
    message["From"], message["To"], message["Subject"] = mail.ALICE, mail.BOB, "By SMTP"
    message.set_content("Sent through the gateway.")
    with smtplib.SMTP("127.0.0.1", world.smtp_port, timeout=60) as smtp:
        smtp.login(mail.ALICE, PASSWORD)
        smtp.send_message(message)
    world.select("Sent")
    (uid,) = world.search("HEADER", "Subject", '"By SMTP"')
    expect(parsed(world.message(uid)).get_content().strip(), "Sent through the gateway.", "text")


def start_davmail(scratch, endpoint):
    if shutil.which("davmail-server") is None:
        sys.exit("davmail-server is not installed (Debian: davmail-server)")
    port, smtp_port, dav_port = (judging.free_port() for _ in range(3))
    settings = scratch / "davmail.properties"
    settings.write_text(SETTINGS.format(
        endpoint=endpoint, port=port, smtp_port=smtp_port, dav_port=dav_port, log=scratch / "davmail.log"
    ))
    path = scratch / "davmail.out"
    with path.open("wb") as log:
        gateway = subprocess.Popen(["davmail-server", settings], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    judging.wait_for_port(port, gateway, path)
    return gateway, port, smtp_port, dav_port


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--postkeep", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    arguments = parser.parse_args()
    folder = arguments.scratch / "mail"
    folder.mkdir(parents=True)
    box = mail.write(folder)
    server, endpoint = judging.start_simulator(arguments.postkeep, arguments.scratch, folder)
    try:
        gateway, *ports = start_davmail(arguments.scratch, endpoint)
        try:
            checks = CHECKS + davmail_dav.CHECKS
            failures = judging.run_checks("DavMail", checks, World(*ports, box))
        finally:
            gateway.terminate()
            gateway.wait()
    finally:
        server.terminate()
        server.wait()
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
