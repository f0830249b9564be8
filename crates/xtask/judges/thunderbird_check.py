"""Lets Thunderbird, the mail program, work with `postkeep sim`, and asks exchangelib what came of it.

    thunderbird_check.py --postkeep PROGRAM --scratch FOLDER

Thunderbird shows changes before the server has agreed to them, so what it did is looked up by another
client; and what that client does, Thunderbird has to notice. Prints one line a check and ends with 1
when any failed; FOLDER keeps the logs of all programs.
"""

import argparse
import sys
import time
from pathlib import Path

from exchangelib import BASIC, DELEGATE, UTC, Account, Configuration, Credentials, ExtendedProperty, Message
from exchangelib.folders import Messages
from exchangelib.items import ALWAYS_OVERWRITE

import exchangelib_mail as mail
import judging
from judging import PASSWORD, expect
from thunderbird_program import Thunderbird

CHECKS = []
INBOX, DRAFTS, SENT, TRASH, JUNK = "Inbox", "Drafts", "Sent Items", "Deleted Items", "Junk Email"
PROJECT = "Projects/2026"
MANY = "Many"
# More than two pages of the 256 changes that Thunderbird asks for at once.
MANY_MAILS = 530
# What Thunderbird calls folders by, as nsMsgFolderFlags has them.
FOLDER_FLAGS = {TRASH: 0x100, SENT: 0x200, DRAFTS: 0x400, INBOX: 0x1000, JUNK: 0x40000000}
PATIENCE_SECONDS = 20
CONNECTIONS = "network.http.max-persistent-connections-per-server"


def check(function):
    """Adds a function to the checks, which run in the order in which they stand here."""
    CHECKS.append(function)
    return function


class FlagStatus(ExtendedProperty):
    """PidTagFlagStatus (MS-OXOFLAG): 2 asks to follow up."""

    property_tag = 0x1090
    property_type = "Integer"


Message.register("flag_status", FlagStatus)


class World:
    """Thunderbird, the other client, and what is in the mailbox."""

    def __init__(self, thunderbird, endpoint, ntlm_endpoint, box):
        self.thunderbird = thunderbird
        self.endpoint = endpoint
        self.ntlm_endpoint = ntlm_endpoint
        self.box = box
        config = Configuration(
            service_endpoint=endpoint, credentials=Credentials(mail.ALICE, PASSWORD), auth_type=BASIC
        )
        self.alice = Account(mail.ALICE, config=config, access_type=DELEGATE, default_timezone=UTC)

    def folder(self, path):
        place = self.alice.msg_folder_root
        for name in path.split("/"):
            place = place / name
        return place

    def at_server(self, path, subject):
        return self.folder(path).get(subject=subject)

    def subjects(self, path):
        return sorted(self.folder(path).all().values_list("subject", flat=True))

    def eventually(self, look, wanted, what):
        """Thunderbird tells of no end for some things: they must be so before long."""
        end = time.monotonic() + PATIENCE_SECONDS
        while (found := look()) != wanted and time.monotonic() < end:
            time.sleep(0.05)
        expect(found, wanted, what)

    def put(self, path, number):
        """Has the other client put a mail into a folder."""
        made = Message(account=self.alice, folder=self.folder(path), mime_content=mail.plain(number).as_bytes())
        made.save()
        return made


# Signing in


@check
def a_wrong_password_is_refused(world):
    world.thunderbird.add_account(mail.BOB, world.endpoint, "wrong")
    expect(world.thunderbird.sign_in(mail.BOB) != 0, True, "refused")


@check
def the_right_password_signs_in(world):
    world.thunderbird.add_account(mail.ALICE, world.endpoint, PASSWORD)
    expect(world.thunderbird.sign_in(mail.ALICE), 0, "status")


@check
def ntlm_signs_in_where_nothing_else_is_offered(world):
    script = """
        const server = accountServer(args[0]);
        server.setStringValue("ews_url", args[1]);
        server.password = args[2];
        server.authMethod = PASSWORD_SIGN_IN[args[3]];
    """
    # NTLM signs a connection in, but Thunderbird sends each of its three messages over whichever is
    # idle: with more than one it fails at any server that keeps them apart.
    world.thunderbird.run(f"Services.prefs.setIntPref('{CONNECTIONS}', 1);")
    for way, signs_in in (("basic", False), ("ntlm", True)):
        world.thunderbird.run(script, mail.BOB, world.ntlm_endpoint, PASSWORD, way)
        expect(world.thunderbird.sign_in(mail.BOB) == 0, signs_in, f"signed in by {way}")
    world.thunderbird.run(f"Services.prefs.clearUserPref('{CONNECTIONS}');")


# Reading


@check
def the_folder_tree_is_that_of_the_mail_folders(world):
    world.thunderbird.update_folders()
    world.thunderbird.wait_for_folder(MANY)
    wanted = {INBOX, DRAFTS, SENT, TRASH, JUNK, "Outbox", "Projects", PROJECT, MANY}
    expect(set(world.thunderbird.paths()), wanted, "folders")


@check
def special_folders_are_known_as_such(world):
    flags = world.thunderbird.run("return allFolders().map(one => [pathOf(one), one.flags]);")
    known = {path: flag for path, flag in flags}
    missing = [path for path, flag in FOLDER_FLAGS.items() if not known[path] & flag]
    expect(missing, [], "not known as what they are")


@check
def every_mail_of_the_inbox_arrives(world):
    wanted = sorted(message["Subject"] for message in world.box.mails(INBOX))
    expect(sorted(world.thunderbird.update(INBOX)), wanted, "subjects")


@check
def mail_comes_in_many_pages(world):
    expect(len(set(world.thunderbird.update(MANY))), MANY_MAILS, "different subjects")


@check
def headers_are_those_of_the_mail(world):
    wanted = world.box.mails(INBOX)[7]
    script = """
        const one = message("Inbox", args[0]);
        return [one.author, one.messageId, one.dateInSeconds, one.isRead, one.ccList];
    """
    author, message_id, seconds, read, copied = world.thunderbird.run(script, wanted["Subject"])
    expect("bob@example.test" in author, True, f"author in {author}")
    expect(f"<{message_id}>", wanted["Message-ID"], "message id")
    expect(seconds, int(wanted["Date"].datetime.timestamp()), "date")
    expect(read, False, "read")
    expect("dora@example.test" in copied, True, f"copied in {copied}")


@check
def whole_mails_are_the_same_byte_for_byte(world):
    for number in (33, -1, -2, -3, -4):
        message = world.box.mails(INBOX)[number]
        found = world.thunderbird.source(INBOX, message["Subject"])
        expect(lines(found), lines(message.as_bytes()), f"MIME of {message['Subject']}")


@check
def attachments_keep_name_and_size(world):
    script = """
        const one = message("Inbox", "Two files");
        const read = new Promise(resolve =>
            MsgHdrToMimeMessage(one, null, (_header, mime) => resolve(mime), true, {})
        );
        const mime = await inTime(read, "attachments");
        return mime.allUserAttachments.map(each => [each.name, each.size]);
    """
    wanted = [["table.csv", len(mail.TABLE)], ["bild-ü.bin", len(mail.PICTURE)]]
    expect(world.thunderbird.run(script), wanted, "attachments")


@check
def a_whole_folder_is_kept_for_reading_offline(world):
    script = """
        const folder = folderAt(args[0]);
        folder.setFlag(Ci.nsMsgFolderFlags.Offline);
        folder.downloadAllForOffline(null, mainWindow.msgWindow);
        const kept = () => [...folder.messages].filter(one => one.flags & Ci.nsMsgMessageFlags.Offline);
        await until(() => kept().length == args[1], "all mail kept");
        return kept().length;
    """
    expect(world.thunderbird.run(script, INBOX, mail.INBOX_MAILS), mail.INBOX_MAILS, "mails kept")


# Changing


@check
def read_and_unread_reach_the_server(world):
    for read in (True, False, True):
        world.thunderbird.run(
            "folderAt('Inbox').markMessagesRead([message('Inbox', args[0])], args[1]);", "Report number 6", read
        )
        world.eventually(lambda: world.at_server(INBOX, "Report number 6").is_read, read, "read at the server")


@check
def a_star_is_a_flag_at_the_server(world):
    script = "folderAt('Inbox').markMessagesFlagged([message('Inbox', args[0])], args[1]);"
    for starred in (True, False):
        world.thunderbird.run(script, "Report number 6", starred)
        look = lambda: flagged(world.at_server(INBOX, "Report number 6"))
        world.eventually(look, starred, "flagged at the server")


@check
def a_moved_mail_is_in_the_other_folder_alone(world):
    world.thunderbird.transfer(INBOX, "Report number 12", PROJECT, True)
    expect("Report number 12" in world.thunderbird.update(PROJECT), True, "where it went")
    expect("Report number 12" in world.thunderbird.update(INBOX), False, "where it was")
    expect("Report number 12" in world.subjects(PROJECT), True, "at the server")
    expect("Report number 12" in world.subjects(INBOX), False, "left at the server")


@check
def a_copy_leaves_the_original(world):
    world.thunderbird.transfer(INBOX, "Report number 9", PROJECT, False)
    expect("Report number 9" in world.thunderbird.update(PROJECT), True, "the copy")
    expect("Report number 9" in world.subjects(INBOX), True, "the original")
    expect(len(world.subjects(PROJECT)), mail.PROJECT_MAILS + 2, "mails at the server")


@check
def a_deleted_mail_is_among_the_deleted(world):
    world.thunderbird.remove(INBOX, "Report number 14", False)
    expect(world.thunderbird.update(TRASH), ["Report number 14"], "deleted")
    expect(world.subjects(TRASH), ["Report number 14"], "deleted at the server")


@check
def a_mail_deleted_for_good_is_in_no_folder(world):
    world.thunderbird.remove(INBOX, "Report number 15", True)
    expect("Report number 15" in world.subjects(INBOX), False, "still there")
    expect(world.subjects(TRASH), ["Report number 14"], "deleted at the server")


@check
def emptied_deleted_items_are_empty_at_the_server(world):
    world.thunderbird.run(
        "const empty = l => folderAt('Deleted Items').emptyTrash(l); await listening('url', empty, 'emptying');"
    )
    world.eventually(lambda: world.subjects(TRASH), [], "deleted at the server")


@check
def a_mail_put_into_a_folder_is_there(world):
    script = """
        const file = new mainWindow.FileUtils.File(args[0]);
        return await listening("copy", listener => MailServices.copy.copyFileMessage(
            file, folderAt("Drafts"), null, true, 0, "", listener, mainWindow.msgWindow
        ), "a draft");
    """
    path = world.thunderbird.scratch / "draft.eml"
    path.write_bytes(mail.plain(5000).as_bytes())
    expect(world.thunderbird.run(script, str(path)), 0, "status")
    found = world.at_server(DRAFTS, "Report number 5000")
    expect(found.text_body.replace("\r\n", "\n").strip(), "Dear Alice,\n\nreport 5000 is ready.\n\nBob", "text")
    expect(world.thunderbird.update(DRAFTS), ["Report number 5000"], "drafts")


@check
def a_sent_mail_is_kept_among_the_sent(world):
    world.thunderbird.run(
        """
        const make = name => Cc[`@mozilla.org/messengercompose/${name};1`].createInstance();
        const fields = make("composefields").QueryInterface(Ci.nsIMsgCompFields);
        fields.from = args[0];
        fields.to = args[1];
        fields.subject = "From Thunderbird";
        fields.body = "Sent by a program.";
        const settings = make("composeparams").QueryInterface(Ci.nsIMsgComposeParams);
        settings.composeFields = fields;
        settings.format = Ci.nsIMsgCompFormat.PlainText;
        const compose = make("compose").QueryInterface(Ci.nsIMsgCompose);
        compose.initialize(settings);
        const account = MailServices.accounts.findAccountForServer(alice());
        const now = Ci.nsIMsgCompDeliverMode.Now;
        await inTime(compose.sendMsg(now, account.defaultIdentity, account.key, null, null), "sending");
        """,
        mail.ALICE,
        mail.BOB,
    )
    look = lambda: "From Thunderbird" in world.subjects(SENT)
    world.eventually(look, True, "among the sent")
    sent = world.at_server(SENT, "From Thunderbird")
    expect(sent.text_body.strip(), "Sent by a program.", "text")
    expect([each.email_address for each in sent.to_recipients], [mail.BOB], "recipients")
    expect(sent.is_draft, False, "draft")


@check
def folders_are_created_renamed_and_moved(world):
    world.thunderbird.run("alice().rootFolder.createSubfolder('Made here', mainWindow.msgWindow);")
    world.thunderbird.wait_for_folder("Made here")
    world.thunderbird.run("folderAt('Made here').rename('Renamed here', mainWindow.msgWindow);")
    world.thunderbird.wait_for_folder("Renamed here")
    script = """
        const move = l => MailServices.copy.copyFolder(
            folderAt("Renamed here"), folderAt("Projects"), true, l, mainWindow.msgWindow
        );
        return await listening("copy", move, "moving a folder");
    """
    expect(world.thunderbird.run(script), 0, "status")
    world.thunderbird.wait_for_folder("Projects/Renamed here")
    world.alice.root.clear_cache()
    names = {folder.name for folder in world.folder("Projects").children}
    expect(names, {"2026", "Renamed here"}, "folders at the server")


@check
def a_deleted_folder_is_among_the_deleted(world):
    world.thunderbird.run("folderAt('Projects/Renamed here').deleteSelf(mainWindow.msgWindow);")
    world.thunderbird.wait_for_folder("Projects/Renamed here", there=False)
    look = lambda: {folder.name for folder in refreshed(world).walk()} & {"Renamed here"}
    world.eventually(look, {"Renamed here"}, "among the deleted at the server")


# What others change


@check
def what_another_client_does_arrives(world):
    world.put(INBOX, 6000)
    read = world.at_server(INBOX, "Report number 7")
    read.is_read = True
    read.save(update_fields=["is_read"], conflict_resolution=ALWAYS_OVERWRITE)
    world.at_server(INBOX, "Report number 8").delete()
    world.at_server(INBOX, "Report number 10").move(world.folder(PROJECT))
    there = set(world.thunderbird.update(INBOX))
    expect("Report number 6000" in there, True, "new mail")
    expect(there & {"Report number 8", "Report number 10"}, set(), "what is gone")
    expect(world.thunderbird.run("return message('Inbox', 'Report number 7').isRead;"), True, "read")
    expect("Report number 10" in world.thunderbird.update(PROJECT), True, "moved mail")


@check
def another_clients_folders_arrive(world):
    made = Messages(parent=world.alice.msg_folder_root, name="Made elsewhere")
    made.save()
    world.thunderbird.update_folders()
    world.thunderbird.wait_for_folder("Made elsewhere")
    made.name = "Renamed elsewhere"
    made.save(update_fields=["name"])
    world.thunderbird.update_folders()
    world.thunderbird.wait_for_folder("Renamed elsewhere")
    made.delete()
    world.thunderbird.update_folders()
    world.thunderbird.wait_for_folder("Renamed elsewhere", there=False)


@check
def a_missing_mail_is_an_error_and_no_end(world):
    world.at_server(PROJECT, "Report number 1001").delete()
    script = "return await source(args[0], args[1]).then(() => 'read', () => 'refused');"
    expect(world.thunderbird.run(script, PROJECT, "Report number 1001"), "refused", "a mail that is gone")
    expect("Report number 1001" in world.thunderbird.update(PROJECT), False, "still listed")


@check
def after_a_restart_it_goes_on_where_it_was(world):
    world.put(INBOX, 6001)
    before = set(world.thunderbird.subjects(INBOX))
    world.thunderbird.restart()
    expect(set(world.thunderbird.subjects(INBOX)), before, "what it knew")
    world.thunderbird.run("alice().password = args[0];", PASSWORD)
    expect(set(world.thunderbird.update(INBOX)) - before, {"Report number 6001"}, "what is new")
    expect(sorted(world.thunderbird.subjects(INBOX)), world.subjects(INBOX), "all of the folder")


def lines(text):
    """Thunderbird keeps mail with the line ends of its own system."""
    return text.replace(b"\r\n", b"\n")


def flagged(item):
    return item.flag_status == 2


def refreshed(world):
    world.alice.root.clear_cache()
    return world.alice.trash


def write_many(folder):
    place = folder / mail.ALICE / MANY
    place.mkdir()
    for number in range(MANY_MAILS):
        (place / f"{number:04}.eml").write_bytes(mail.plain(7000 + number).as_bytes())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--postkeep", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    arguments = parser.parse_args()
    folder = arguments.scratch / "mail"
    folder.mkdir(parents=True)
    box = mail.write(folder)
    write_many(folder)
    started = []
    try:
        endpoints = []
        for name, more in (("all-ways", ()), ("ntlm-only", ("--sign-in", "ntlm"))):
            place = arguments.scratch / name
            place.mkdir()
            server, endpoint = judging.start_simulator(arguments.postkeep, place, folder, *more)
            started.append(server)
            endpoints.append(endpoint)
        thunderbird = Thunderbird(arguments.scratch)
        try:
            failures = judging.run_checks("Thunderbird", CHECKS, World(thunderbird, *endpoints, box))
        finally:
            thunderbird.stop()
    finally:
        for server in started:
            server.terminate()
            server.wait()
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
