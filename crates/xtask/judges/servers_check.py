"""Lets Postkeep back up and restore odd servers, and compares by the servers' own view.

    servers_check.py --postkeep PROGRAM --scratch FOLDER [--schema FILE] [--only NAME]... [--short]
                     [--jobs N]

Prints one line a server and ends with 1 when any failed. Each case runs in a folder of its own,
where the requests, the repository and what the program wrote stay for a look.
"""

import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from pathlib import Path

JUDGES = Path(__file__).resolve().parent
BOTH = ["ann@quirk.test", "bo@quirk.test"]
COPY = "copy@quirk.test"
STEP_SECONDS = 180
# A trickle is waited for two minutes, four times.
TRICKLE_SECONDS = 600
MEMORY_MIB = 350

# What CI has time for: half of the oddities, many to a server, and of the refused ones those that end soon.
SHORT = [
    ["prefixes", "unknown-elements", "comments", "fraction-times", "gzip", "close-7"],
    ["default-namespace", "bom", "warnings", "crlf-base64", "no-read-flag-change", "lower-case"],
    ["garbage-sync", "no-commit-time", "no-total-count", "duplicate-creates"],
    ["invalid-sync-state", "no-commit-time", "batch-stopped", "folder-pages", "other-ids"],
    ["busy-inner", "batch-busy-tail", "strict-distinguished", "odd-names", "early-last"],
    ["one-list"], ["truncated-data"], ["doctype"], ["deep-xml"], ["endless-blanks"], ["endless-pages"], ["redirect"],
]
# Servers that a backup must get along with; the first is the one without any oddity.
WHOLE = [
    ["none"], ["prefixes"], ["default-namespace"], ["unknown-elements"], ["comments"], ["bom"],
    ["fault-200"], ["fraction-times"], ["garbage-sync"], ["invalid-sync-state"], ["early-last"],
    ["early-last-find"], ["no-commit-time"], ["no-read-flag-change"], ["read-changes-key"],
    ["duplicate-creates"],
    ["no-chunked"], ["gzip"], ["lower-case"], ["truncated-data"], ["truncated-bare"],
    ["busy-inner"], ["busy-500"], ["busy-503"], ["batch-stopped"], ["batch-busy-tail"],
    ["timeout-expired"], ["401-first"], ["close-7"], ["close-announced"], ["cut-body"],
    ["strict-distinguished"], ["strict-distinguished-400"], ["folder-pages"], ["no-deep"],
    ["other-ids"], ["odd-names"], ["no-total-count"], ["wrong-total-count"], ["warnings"],
    ["crlf-base64"], ["space-base64"], ["concatenated"], ["no-version"], ["no-content-type"],
    ["read-only-sync-shape"], ["html-500"], ["one-list"],
    ["early-last", "no-total-count"], ["early-last-find", "wrong-total-count"],
    ["prefixes", "unknown-elements", "comments", "fraction-times", "gzip", "close-7"],
    ["default-namespace", "bom", "warnings", "crlf-base64", "no-read-flag-change", "lower-case"],
    ["garbage-sync", "no-commit-time", "no-total-count", "duplicate-creates"],
    ["invalid-sync-state", "no-commit-time", "batch-stopped", "folder-pages", "other-ids"],
    ["truncated-data", "busy-500", "busy-503", "cut-body", "space-base64", "close-7"],
    ["busy-inner", "batch-busy-tail", "strict-distinguished", "odd-names", "early-last"],
]
# Servers on which one item cannot be read: the rest must be, and the end says so.
MISSING = [["truncated-always"]]
# Servers that must be refused quickly, in one line, with little memory.
REFUSED = [
    ["doctype"], ["doctype-external"], ["deep-xml"], ["huge-text"], ["many-attributes"],
    ["endless-rows"], ["endless-blanks"], ["endless-pages"], ["endless-sync"], ["endless-slow"],
    ["401-always-first"], ["redirect"],
]
# Where the server itself makes more than one export of an item necessary.
AGAIN = {"truncated-data", "truncated-bare", "cut-body", "truncated-always", "busy-inner"}
# Where the server hides what has changed, or gives few rows a request.
MORE_REQUESTS = {
    "no-commit-time", "folder-pages", "no-deep", "wrong-total-count", "busy-500", "busy-503",
    "fault-200", "html-500", "strict-distinguished", "strict-distinguished-400",
}


class Wrong(Exception):
    """What a server's view or the program's end should not be."""


class Server:
    def __init__(self, quirks, folder, items):
        command = [sys.executable, "-B", str(JUDGES / "quirky_server.py"), "--items", str(items)]
        command += ["--capture", str(folder / "wire")]
        for quirk in quirks:
            command += ["--quirk", quirk] if quirk != "none" else []
        self.log = (folder / "server.log").open("w")
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            raise Wrong("the server did not start")
        self.base = self.url.split("/EWS/")[0]

    def ask(self, what, **wanted):
        request = urllib.request.Request(
            f"{self.base}/control/{what}", json.dumps(wanted).encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


class Program:
    """The program under judgement, with a repository and a cache of its own."""

    def __init__(self, path, folder, seconds=STEP_SECONDS):
        self.path, self.folder, self.seconds = path, folder, seconds
        self.repo = ["--repo", str(folder / "repo"), "--cache-dir", str(folder / "cache")]
        self.count = 0
        self.environment = os.environ | {
            "POSTKEEP_PASSWORD": "secret", "POSTKEEP_PASSPHRASE": "judge's own phrase",
            "RUST_BACKTRACE": "0",
        }

    def run(self, command, *arguments, codes=(0,)):
        """Runs a command; returns its output, what it said, its peak memory and its code."""
        self.count += 1
        base = self.folder / f"{self.count:02}-{command}"
        with open(f"{base}.out", "wb") as out, open(f"{base}.err", "wb") as err:
            process = subprocess.Popen(
                [self.path, command, *self.repo, *arguments],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=self.environment,
            )
            timer = threading.Timer(self.seconds, process.kill)
            timer.start()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            timer.cancel()
        said = Path(f"{base}.err").read_text(errors="replace")
        code, memory = process.returncode, usage.ru_maxrss // 1024
        if "panicked" in said:
            raise Wrong(f"{command}: panic: {last_line(said)}")
        if code < 0:
            raise Wrong(f"{command}: no end within {self.seconds} s, {memory} MiB")
        if memory > MEMORY_MIB:
            raise Wrong(f"{command}: {memory} MiB")
        if code not in codes:
            raise Wrong(f"{command}: exit code {code}: {last_line(said)}")
        return Path(f"{base}.out").read_text(errors="replace"), said, memory, code


def last_line(said):
    lines = [line for line in said.splitlines() if line.startswith("postkeep:")]
    lines = lines or said.strip().splitlines()[-3:] or ["(nothing said)"]
    return " / ".join(lines)[:300]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--postkeep", required=True)
    parser.add_argument("--scratch", required=True, type=Path)
    parser.add_argument("--schema", type=Path, help="ews-soap.xsd, to judge the requests by")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--short", action="store_true", help="only what CI has time for")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    cases = [(quirks, whole) for quirks in WHOLE]
    cases += [(quirks, missing) for quirks in MISSING]
    cases += [(quirks, refused) for quirks in REFUSED]
    if arguments.short:
        cases = [case for case in cases if case[0] in SHORT]
    if arguments.only:
        cases = [case for case in cases if "+".join(case[0]) in arguments.only]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        futures = [pool.submit(judge, arguments, quirks, action) for quirks, action in cases]
        for (quirks, _), future in zip(cases, futures):
            good, note = future.result()
            verdict = "ok  " if good else "FAIL"
            failed += not good
            print(f"{verdict} {'+'.join(quirks)}: {note}", flush=True)
    print(f"{len(cases) - failed} of {len(cases)} servers")
    sys.exit(1 if failed else 0)


def judge(arguments, quirks, action):
    folder = arguments.scratch / "+".join(quirks)
    folder.mkdir(parents=True)
    server, start = None, time.monotonic()
    try:
        server = Server(quirks, folder, 110 if action is whole else 40)
        seconds = TRICKLE_SECONDS if "endless-slow" in quirks else STEP_SECONDS
        program = Program(arguments.postkeep, folder, seconds)
        note = action(server, program, set(quirks))
        if arguments.schema:
            judge_requests(arguments.schema, folder / "wire")
        return True, f"{note}, {time.monotonic() - start:.0f} s"
    except (Wrong, OSError) as error:
        return False, str(error)
    finally:
        if server:
            server.end()


def judge_requests(schema, folder):
    files = sorted(map(str, folder.glob("*.xml")))
    if not files:
        return
    command = ["xmllint", "--noout", "--nonet", "--huge", "--schema", str(schema), *files]
    report = subprocess.run(command, capture_output=True, text=True, check=False)
    if report.returncode:
        complaints = [line for line in report.stderr.splitlines() if "validates" not in line]
        raise Wrong(f"invalid request: {complaints[0][:300]}")


# What is judged


def backup(server, program, codes=(0,)):
    mailboxes = [word for name in BOTH for word in ("--mailbox", name)]
    user = ["--server", server.url, "--user", "svc@quirk.test"]
    return program.run("backup", *user, *mailboxes, codes=codes)


def whole(server, program, quirks):
    program.run("init")
    backup(server, program)
    log = checked_log(server)
    before = server.ask("dump")
    wanted = Counter(item["id"] for name in BOTH for item in items_of(before[name]))
    same_exports("first backup", log, wanted, quirks)

    backup(server, program)
    log = checked_log(server)
    same_exports("second backup", log, Counter(), quirks)
    idle = sum(log["calls"].values())
    if idle > 3 * len(BOTH) and not quirks & MORE_REQUESTS:
        raise Wrong(f"{idle} requests without any change: {log['calls']}")

    server.ask("epoch")
    changes = server.ask("mutate", mailboxes=BOTH)
    backup(server, program)
    log = checked_log(server)
    kinds = ("download", "flagged") if "read-changes-key" in quirks else ("download",)
    wanted = Counter(key for name in BOTH for kind in kinds for key in changes[name][kind])
    same_exports("incremental", log, wanted, quirks)

    restored(server, program, quirks)
    count = sum(1 for _ in items_of(server.ask("dump")[BOTH[0]]))
    out = program.folder / "eml"
    program.run("export", "--mailbox", BOTH[0], "--format", "eml", "--out", str(out))
    # The manifest, the sums and the summary page are no items.
    endings = {".eml", ".ics", ".vcf"}
    files = sum(1 for path in out.rglob("*") if path.suffix in endings)
    if files != count:
        raise Wrong(f"{files} exported files of {count} items")
    program.run("check", "--read-data")
    return f"{count} items, {idle} requests when idle"


def restored(server, program, quirks):
    target = ["--mailbox", BOTH[0], "--to-mailbox", COPY, "--user", "svc@quirk.test"]
    program.run("restore", "--snapshot", "latest", *target, "--verify")
    checked_log(server)
    dump = server.ask("dump")
    compare(dump[BOTH[0]], dump[COPY], "restore")
    program.run("restore", "--snapshot", "latest", *target)
    log = checked_log(server)
    if log["calls"].get("UploadItems"):
        raise Wrong(f"a repeated restore uploads: {log['calls']}")
    compare(dump[COPY], server.ask("dump")[COPY], "restore again")


def missing(server, program, quirks):
    program.run("init")
    out, said, _, _ = backup(server, program, codes=(3,))
    if "truncat" not in (out + said).lower():
        raise Wrong(f"nobody says which item is missing: {last_line(said)}")
    log = checked_log(server)
    same_exports("backup", log, None, quirks)
    found = Counter(item["class"] for n in BOTH for item in items_of(server.ask("dump")[n]))
    stored = sum(found.values()) - found["IPM.Custom.Form"]
    if len(log["exported"]) != stored:
        raise Wrong(f"{len(log['exported'])} of {stored} items read")
    return "one item a mailbox missing, and said so"


def refused(server, program, quirks):
    program.run("init")
    start = time.monotonic()
    # A server that only repeats itself has told all there is, and that was read.
    codes = (0,) if "endless-sync" in quirks else (1, 3, 5, 7, 8, 9)
    _, said, memory, code = backup(server, program, codes)
    seconds = time.monotonic() - start
    return f"code {code}, {seconds:.0f} s, {memory} MiB: {last_line(said)}"


def checked_log(server):
    log = server.ask("log")
    if log["violations"]:
        raise Wrong("; ".join(sorted(set(log["violations"]))[:3]))
    return log


def same_exports(step, log, wanted, quirks):
    exported = Counter(log["exported"])
    if quirks & AGAIN:
        exported = Counter(set(exported))
    if wanted is None or exported == wanted:
        return
    twice = sum((exported - wanted).values())
    never = sum((wanted - exported).values())
    raise Wrong(f"{step}: {twice} needless exports, {never} missing; {log['calls']}")


def items_of(dump):
    return (item for folder in dump for item in folder["items"])


def compare(before, after, step):
    """Folders by name, items by content, class and read state."""
    left, right = listing(before), listing(after)
    for path in sorted(set(left) | set(right)):
        if path not in right or path not in left:
            raise Wrong(f"{step}: folder {path} only on one side; there: {sorted(right)[-8:]}")
        lost, more = left[path] - right[path], right[path] - left[path]
        if lost or more:
            raise Wrong(f"{step}: {path}: {len(lost)} items lost, {len(more)} not of ours")
    if any(item["origins"] > 1 for item in items_of(after)):
        raise Wrong(f"{step}: an item carries two origins")


def listing(dump):
    found = {}
    for folder in dump:
        # XML cannot carry every character that a store can; the rest of the name must be there.
        path = tuple(
            re.sub("[\x00-\x1f\ufffd]", "", name) or "(no name)" for name in folder["path"]
        )
        items = ((i["content"], i["class"], i["is_read"]) for i in folder["items"])
        found[path] = found.get(path, Counter()) + Counter(items)
    return found


if __name__ == "__main__":
    main()
