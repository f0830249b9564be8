"""Exports the corpus in every format and lets other people's programs open the files.

    export_check.py --postkeep PROGRAM --corpus FOLDER --scratch FOLDER [--table FILE] [--limit N]

The corpus goes through `postkeep sim`, a backup and one export a format. Then Python's email and
mailbox, mail-parser, icalendar, vobject, extract-msg and msgconvert open the files, and what they
say is compared with what Python's email, icalendar and vobject say of the original files. Writes
the table, and every disagreement to FOLDER/tally.json; ends with 1 if a file could not be
opened that should be, or if a disagreement has no known reason.
"""

import argparse
import base64
import collections
import concurrent.futures
import hashlib
import json
import mailbox
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from pathlib import Path

import export_facts as facts
import export_reasons as reasons

ADDRESS = "corpus@example.test"
FOLDERS = {"mail": "Mail", "difficult": "Difficult", "calendar": "Calendar", "contacts": "Contacts"}
FORMATS = ["eml", "mbox", "maildir", "ics", "vcf", "msg", "json"]
# Items that the server has no original of, made from their properties alone.
REBUILT = " from properties"
# Items from a server that has no native streams.
PORTABLE = " from portable"
START_SECONDS = 300
# Files given to msgconvert at once, which takes longer to start than to convert.
BATCH = 200


class Desk:
    """A repository, and the program that works on it."""

    def __init__(self, program, scratch):
        self.program = str(Path(program).resolve())
        self.scratch = scratch
        self.environment = dict(os.environ, POSTKEEP_PASSPHRASE="judge", POSTKEEP_PASSWORD="secret")

    def run(self, *words, codes=(0,)):
        command = [self.program, *map(str, words), "--json"]
        done = subprocess.run(command, capture_output=True, env=self.environment, cwd=self.scratch)
        if done.returncode not in codes:
            sys.exit(f"{' '.join(command)}: {done.returncode}\n{done.stderr.decode()}{done.stdout.decode()[:2000]}")
        return json.loads(done.stdout or b"{}")


def lay_out(corpus, folder, limit):
    """The corpus as one mailbox; returns the originals by the digest of their bytes."""
    originals = {}
    for part, name in FOLDERS.items():
        target = folder / ADDRESS / name
        target.mkdir(parents=True)
        files = sorted(path for path in (corpus / part).rglob("*") if path.is_file())
        for path in files[:: max(1, len(files) // limit)] if limit else files:
            copy = target / path.relative_to(corpus / part)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
            originals[facts.digest(path.read_bytes())] = str(path.relative_to(corpus))
    return originals


def serve(desk, mail, *more):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = open(desk.scratch / "sim.log", "wb")
    command = [desk.program, "sim", "--mail", str(mail), "--listen", f"127.0.0.1:{port}", *more]
    server = subprocess.Popen(command, stdout=log, stderr=log)
    for _ in range(START_SECONDS * 5):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return server, f"http://127.0.0.1:{port}/EWS/Exchange.asmx"
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.2)
    sys.exit("the simulator does not start")


def back_up(desk, url, repository="repository"):
    return desk.run(
        "backup", "--repo", repository, "--cache-dir", "cache", "--server", url, "--user", "svc@example.test",
        "--mailbox", ADDRESS,
    )


def export(desk, kind, out, *more, repository="repository"):
    started = time.monotonic()
    report = desk.run("export", "--repo", repository, "--cache-dir", "cache", "--format", kind, "--out", out, *more)
    seconds = time.monotonic() - started
    root = desk.scratch / out / ADDRESS
    manifest = json.loads((root / "manifest.json").read_text())
    for line in (root / "SHA256SUMS").read_text().splitlines():
        sum_, _, name = line.partition("  ")
        if facts.digest((root / name).read_bytes()) != sum_:
            sys.exit(f"{kind}: {name} is not what SHA256SUMS says")
    again = desk.run("export", "--repo", repository, "--cache-dir", "cache", "--format", kind, "--out", out, *more)
    if again["mailboxes"][0]["files"] or json.loads((root / "manifest.json").read_text()) != manifest:
        sys.exit(f"{kind}: a second export is not the same")
    print(f"{out}: {report['mailboxes'][0]['files']} items in {seconds:.1f} s", flush=True)
    return root, manifest["entries"]


def forget_originals(desk, url):
    """Edits every item, so that the server no longer has it as it came, only as properties."""
    listed = [(name, desk.run("ls", "--repo", "repository", "--cache-dir", "cache", name)) for name in FOLDERS.values()]
    elements = {FOLDERS["calendar"]: "CalendarItem", FOLDERS["contacts"]: "Contact"}
    items = [
        {**item, "element": "Task" if item["class"].startswith("IPM.Task") else elements.get(name, "Message")}
        for name, answer in listed
        for box in answer["mailboxes"]
        for item in box["items"]
    ]
    for at in range(0, len(items), 100):
        changes = "".join(
            f'<t:ItemChange><t:ItemId Id="{item["item_id"]}"/><t:Updates><t:SetItemField>'
            f'<t:FieldURI FieldURI="item:Sensitivity"/><t:{item["element"]}><t:Sensitivity>Normal</t:Sensitivity></t:{item["element"]}>'
            "</t:SetItemField></t:Updates></t:ItemChange>"
            for item in items[at : at + 100]
        )
        body = (
            '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
            'xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types" '
            'xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"><s:Header>'
            '<t:RequestServerVersion Version="Exchange2013"/></s:Header><s:Body>'
            '<m:UpdateItem ConflictResolution="AlwaysOverwrite" MessageDisposition="SaveOnly" '
            'SendMeetingInvitationsOrCancellations="SendToNone">'
            f"<m:ItemChanges>{changes}</m:ItemChanges></m:UpdateItem></s:Body></s:Envelope>"
        )
        token = base64.b64encode(f"{ADDRESS}:secret".encode()).decode()
        headers = {"Content-Type": "text/xml; charset=utf-8", "Authorization": f"Basic {token}"}
        request = urllib.request.Request(url, body.encode(), headers)
        answer = urllib.request.urlopen(request).read().decode()
        if answer.count("NoError") != len(items[at : at + 100]):
            sys.exit(f"the server does not edit: {answer[:500]}")
    return len(items)


class Tally:
    """Who compared what, and how often they agreed."""

    def __init__(self):
        self.rows = collections.OrderedDict()
        self.disagreements = []

    def save(self, folder, missing):
        rows = [{"key": key, **row} for key, row in self.rows.items()]
        saved = {"missing": missing, "rows": rows, "disagreements": self.disagreements}
        (folder / "tally.json").write_text(json.dumps(saved, indent=1, default=str))

    @classmethod
    def load(cls, folder):
        saved = json.loads((folder / "tally.json").read_text())
        tally = cls()
        tally.disagreements = saved["disagreements"]
        tally.rows = {tuple(row.pop("key")): row for row in saved["rows"]}
        return tally, saved["missing"]

    def row(self, kind, program, part):
        return self.rows.setdefault((kind, program, part), {"files": 0, "opened": 0, "fields": collections.Counter(), "agreed": collections.Counter()})

    def unopened(self, kind, program, original, error, same_error=False):
        row = self.row(kind, program, original.split("/")[0])
        row["files"] += 1
        self.disagree(kind, program, original, "opening", None, str(error)[:300])
        self.disagreements[-1]["same_error"] = same_error

    def compare(self, kind, program, original, wanted, found, fields):
        row = self.row(kind, program, original.split("/")[0])
        row["files"] += 1
        row["opened"] += 1
        for field in fields:
            if field not in wanted or field not in found:
                continue
            row["fields"][field] += 1
            if wanted[field] == found[field]:
                row["agreed"][field] += 1
            else:
                self.disagree(kind, program, original, field, wanted[field], found[field])

    def disagree(self, kind, program, original, field, wanted, found):
        self.disagreements.append(
            {"format": kind, "program": program, "file": original, "field": field, "original": wanted, "export": found}
        )


def guarded(function, *arguments):
    """A function's answer, or what went wrong: judges must not stop each other."""
    warnings.simplefilter("ignore")
    import logging

    logging.disable(logging.CRITICAL)
    try:
        return function(*arguments), None
    except BaseException as error:  # noqa: BLE001 - programs under test raise whatever they like
        return None, f"{type(error).__name__}: {error}"


def all_of(function, tasks):
    """Runs a function over many files in as many processes as there are cores."""
    with concurrent.futures.ProcessPoolExecutor() as pool:
        return list(pool.map(guarded, [function] * len(tasks), *zip(*tasks), chunksize=16)) if tasks else []


def bytes_of(path):
    return Path(path).read_bytes()


def mail_file(path):
    return facts.of_mail(bytes_of(path))


def event_file(path):
    return facts.of_calendar(bytes_of(path))


def series_file(path):
    return facts.of_series(bytes_of(path))


def contact_file(path):
    return facts.of_contact(bytes_of(path))


def json_file(path):
    return facts.of_json(json.loads(bytes_of(path)))


def msgconvert(files, out):
    """The mails msgconvert makes of message files."""
    out.mkdir(parents=True, exist_ok=True)

    def convert(at):
        batch = files[at : at + BATCH]
        names = [f"{at + number:06}.msg" for number in range(len(batch))]
        for name, path in zip(names, batch):
            (out / name).write_bytes(path.read_bytes())
        if subprocess.run(["msgconvert", *names], cwd=out, capture_output=True).returncode:
            # One that fails takes the rest of its batch with it.
            for name in names:
                if not (out / name.replace(".msg", ".eml")).exists():
                    subprocess.run(["msgconvert", name], cwd=out, capture_output=True)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(convert, range(0, len(files), BATCH)))
    return [out / f"{number:06}.eml" for number in range(len(files))]


class Judges:
    def __init__(self, corpus, originals):
        self.corpus = corpus
        self.originals = originals
        self.tally = Tally()
        self.exports = {}
        # Originals that the judges' own programs cannot read, and why.
        self.unreadable = {}
        self.names = {}
        self.expected = {}
        self.series = {}

    def take(self, roots, suffix):
        """The exports of one backup; its plain export has the originals' bytes, and keys are the same in all formats."""
        names = {entry["key"]: self.originals[entry["sha256"]] for entry in roots["eml"][1] if entry["sha256"] in self.originals}
        for kind, (root, entries) in roots.items():
            found = [(root / e["file"], names[e["key"]], e) for e in entries if e["key"] in names]
            self.exports[kind + ("" if REBUILT in kind else suffix)] = found
        if not self.names:
            self.names = names
            self.expected = self.read_originals()
        missing = len(self.originals) - len(set(names.values()))
        print(f"{len(names)} items{suffix}, {missing} originals not exported byte for byte", flush=True)
        return missing

    def read_originals(self):
        names = sorted(set(self.names.values()))
        readers = {"calendar": event_file, "contacts": contact_file}
        expected = {}
        for part in FOLDERS:
            mine = [name for name in names if name.startswith(f"{part}/")]
            answers = all_of(readers.get(part, mail_file), [(str(self.corpus / name),) for name in mine])
            for name, (answer, error) in zip(mine, answers):
                expected[name] = answer
                if error is not None:
                    self.unreadable[name] = error
        mine = [name for name in names if name.startswith("calendar/")]
        answers = all_of(series_file, [(str(self.corpus / name),) for name in mine])
        self.series = {name: answer for name, (answer, error) in zip(mine, answers) if error is None}
        return expected

    def of(self, kind, *parts):
        return [task for task in self.exports[kind] if task[1].split("/")[0] in parts]

    def judge(self, kind, program, reader, tasks, fields):
        answers = all_of(reader, [(str(path),) for path, _, _ in tasks])
        for (path, name, _), (found, error) in zip(tasks, answers):
            wanted = (self.series if reader is series_file else self.expected).get(name)
            if error is not None:
                self.tally.unopened(kind, program, name, error, self.unreadable.get(name) == error)
            elif wanted is None or wanted == []:
                # Nothing to compare with: the program cannot read the original.
                self.tally.row(kind, program, name.split("/")[0])["opened"] += 1
                self.tally.row(kind, program, name.split("/")[0])["files"] += 1
            else:
                self.compare(kind, program, name, wanted, found, fields)
        print(f"{kind}: {program} read {len(tasks)} files", flush=True)

    def compare(self, kind, program, name, wanted, found, fields):
        if isinstance(wanted, list):
            wanted = {field: [one[field] for one in wanted] for field in fields}
            found = {field: [one[field] for one in found] for field in fields}
        self.tally.compare(kind, program, name, wanted, found, fields)

    def plain(self, kind="eml"):
        mail = self.of(kind, "mail", "difficult")
        self.judge(kind, "Python email", mail_file, mail, facts.FIELDS)
        # mail-parser has its own view of a mail: its view of the original is what counts.
        pairs = all_of(facts.of_mail_parser, [(str(self.corpus / name),) for _, name, _ in mail])
        exported = all_of(facts.of_mail_parser, [(str(path),) for path, _, _ in mail])
        for (_, name, _), (wanted, refused), (found, error) in zip(mail, pairs, exported):
            if error is not None or wanted is None:
                self.tally.unopened(kind, "mail-parser", name, error, error == refused)
            else:
                self.tally.compare(kind, "mail-parser", name, wanted, found, facts.FIELDS)
        print(f"{kind}: mail-parser read {len(mail)} files", flush=True)
        self.files(kind)

    def files(self, kind):
        """Calendar files and contacts, among the files of an export or alone."""
        self.judge(kind, "icalendar", event_file, self.of(kind, "calendar"), facts.EVENT_FIELDS)
        self.judge(kind, "vobject", contact_file, self.of(kind, "contacts"), facts.CONTACT_FIELDS)

    def rebuilt(self):
        kind = f"eml{REBUILT}"
        self.judge(kind, "Python email", mail_file, self.of(kind, "mail", "difficult"), facts.FIELDS)
        self.exports[f"ics{REBUILT}"] = self.of(kind, "calendar")
        self.exports[f"vcf{REBUILT}"] = self.of(kind, "contacts")
        self.judge(f"ics{REBUILT}", "icalendar", series_file, self.of(f"ics{REBUILT}", "calendar"), facts.SERIES_FIELDS)
        self.judge(f"vcf{REBUILT}", "vobject", contact_file, self.of(f"vcf{REBUILT}", "contacts"), facts.CONTACT_FIELDS)

    def mailboxes(self, suffix=""):
        """Mail folders in files give back the bytes of every mail."""
        for path in sorted({path for path, _, _ in self.exports["mbox" + suffix]}):
            tasks = sorted((t for t in self.exports["mbox" + suffix] if t[0] == path), key=lambda t: t[2]["offset"])
            box = mailbox.mbox(path, create=False)
            if len(box) != len(tasks):
                sys.exit(f"{path}: {len(box)} mails instead of {len(tasks)}")
            for key, (_, name, _) in zip(sorted(box.keys()), tasks):
                data = re.sub(rb"(?m)^>(>*From )", rb"\1", box.get_bytes(key))
                self.folder_mail("mbox" + suffix, "Python mailbox", name, data)
        boxes = {}
        for path, name, entry in self.exports["maildir" + suffix]:
            folder = path.parent.parent
            if folder not in boxes:
                boxes[folder] = mailbox.Maildir(folder, create=False)
            box = boxes[folder]
            key = path.name.split(":")[0]
            message = box.get_message(key)
            if ("S" in message.get_flags()) != (entry.get("is_read") is not False):
                sys.exit(f"{path}: the read state is wrong")
            self.folder_mail("maildir" + suffix, "Python mailbox", name, box.get_bytes(key))

    def folder_mail(self, kind, program, name, data):
        original = (self.corpus / name).read_bytes()
        if name.split("/")[0] in ("mail", "difficult"):
            wanted = {**(self.expected[name] or {}), "bytes": digest_of(original)}
            found = {**facts.of_mail(data), "bytes": digest_of(data)}
        else:
            # The file itself is a part of the mail that carries it.
            parts = [p.get_payload(decode=True) for p in facts.leaves(facts.email.message_from_bytes(data))]
            wanted, found = {"bytes": True}, {"bytes": original in parts}
        self.tally.compare(kind, program, name, wanted, found, [*facts.FIELDS, "bytes"])

    def messages(self, scratch, kind="msg"):
        mail = self.of(kind, "mail", "difficult")
        fields = ["subject", "date", "from", "to", "cc", "text", "attachments"]
        self.judge(kind, "extract-msg", facts.of_msg, mail, fields)
        for part in ("calendar", "contacts"):
            tasks = self.of(kind, part)
            for (_, name, entry), (found, error) in zip(tasks, all_of(facts.of_msg, [(str(t[0]),) for t in tasks])):
                if error is not None:
                    self.tally.unopened(kind, "extract-msg", name, error)
                else:
                    wanted = {"subject": facts.squeezed(entry["subject"]), "class": entry["class"]}
                    self.tally.compare(kind, "extract-msg", name, wanted, found, ["subject", "class"])
        everything = self.of(kind, *FOLDERS)
        converted = msgconvert([path for path, _, _ in everything], scratch / f"msgconvert {kind}")
        tasks = [(path, name, entry) for path, (_, name, entry) in zip(converted, everything)]
        self.judge(kind, "msgconvert", mail_file, [t for t in tasks if t[1].split("/")[0] in ("mail", "difficult")], fields)
        for path, name, entry in tasks:
            if name.split("/")[0] in ("calendar", "contacts"):
                if not path.exists():
                    self.tally.unopened(kind, "msgconvert", name, "no file")
                    continue
                wanted = {"subject": facts.squeezed(entry["subject"])}
                self.tally.compare(kind, "msgconvert", name, wanted, mail_file(path), ["subject"])

    def documents(self, kind="json"):
        fields = ["subject", "date", "from", "to", "cc", "text", "attachments"]
        self.judge(kind, "Python json", json_file, self.of(kind, "mail", "difficult"), fields)
        for path, name, entry in self.of(kind, "calendar", "contacts"):
            found = json_file(path)
            self.tally.compare(kind, "Python json", name, {"subject": facts.squeezed(entry["subject"])}, found, ["subject"])


def backed_up(desk, mail):
    """Every export of native streams: of items as they came, and of the same ones after an edit."""
    server, url = serve(desk, mail)
    try:
        desk.run("init", "--repo", "repository", "--cache-dir", "cache")
        back_up(desk, url)
        first = desk.run("snapshots", "--repo", "repository", "--cache-dir", "cache")["snapshots"][-1]["id"]
        forget_originals(desk, url)
        back_up(desk, url)
    finally:
        # No export needs the server.
        server.kill()
        server.wait()
    roots = {kind: export(desk, kind, f"out-{kind}", "--snapshot", first) for kind in FORMATS}
    roots[f"eml{REBUILT}"] = export(desk, "eml", "out-rebuilt")
    return roots


def backed_up_portably(desk, mail):
    """Every export of items from a server that has neither ExportItems nor UploadItems."""
    server, url = serve(desk, mail, "--without-export")
    try:
        desk.run("init", "--repo", "portable", "--cache-dir", "cache")
        back_up(desk, url, "portable")
    finally:
        server.kill()
        server.wait()
    return {kind: export(desk, kind, f"out-portable-{kind}", repository="portable") for kind in FORMATS}


def digest_of(data):
    """Of a mail but for the line end behind its last line, which mail folders need."""
    return hashlib.sha256(data.rstrip(b"\r\n")).hexdigest()


def main():
    parser = argparse.ArgumentParser()
    for name in ("--postkeep", "--corpus", "--scratch"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--limit", type=int, help="only so many files of each part")
    parser.add_argument("--again", action="store_true", help="only the table, from the last run")
    arguments = parser.parse_args()
    scratch = arguments.scratch.resolve()
    if arguments.again:
        tally, missing = Tally.load(scratch)
        sys.exit(1 if reasons.report(tally, arguments.table, arguments.corpus) or missing else 0)
    scratch.mkdir(parents=True, exist_ok=True)
    desk = Desk(arguments.postkeep, scratch)
    corpus = arguments.corpus.resolve()
    originals = lay_out(corpus, scratch / "mail", arguments.limit)
    native = backed_up(desk, scratch / "mail")
    portable = backed_up_portably(desk, scratch / "mail")
    judges = Judges(corpus, originals)
    missing = judges.take(native, "") + judges.take(portable, PORTABLE)
    print(f"{len(judges.unreadable)} originals cannot be read: {list(judges.unreadable.items())[:5]}")
    judges.plain()
    judges.rebuilt()
    judges.judge("ics", "icalendar", event_file, judges.of("ics", "calendar"), facts.EVENT_FIELDS)
    judges.judge("vcf", "vobject", contact_file, judges.of("vcf", "contacts"), facts.CONTACT_FIELDS)
    for suffix in ("", PORTABLE):
        judges.mailboxes(suffix)
        judges.messages(scratch, "msg" + suffix)
        judges.documents("json" + suffix)
    kind = "eml" + PORTABLE
    judges.judge(kind, "Python email", mail_file, judges.of(kind, "mail", "difficult"), facts.FIELDS)
    judges.files(kind)
    judges.tally.save(scratch, missing)
    unknown = reasons.report(judges.tally, arguments.table, corpus)
    sys.exit(1 if unknown or missing else 0)


if __name__ == "__main__":
    main()
