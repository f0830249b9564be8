"""Judges how `postkeep` keeps secrets in the system's keyring: a real GNOME Keyring on a D-Bus
session of its own, unlocked by a password as a login does it, with `secret-tool` of libsecret as
the other program that reads it.

Debian packages: dbus-daemon gnome-keyring libsecret-tools. The script starts itself again inside
the session.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from judging import PASSWORD, SERVICE, expect, run_checks, start_simulator

INSIDE = "POSTKEEP_JUDGE_SESSION"
MAILBOX = "alice@example.test"


class World:
    def __init__(self, program, scratch):
        self.program, self.scratch = program, scratch
        mail = scratch / "mail" / MAILBOX / "Inbox"
        mail.mkdir(parents=True)
        (mail / "1.eml").write_text("From: d@example.test\r\nSubject: One\r\n\r\nText\r\n")
        self.server, self.url = start_simulator(program, scratch, scratch / "mail")

    def run(self, *words, stdin=""):
        done = subprocess.run(
            [self.program, *words], cwd=self.scratch, input=stdin, capture_output=True, text=True
        )
        return done.returncode, done.stdout, done.stderr

    def ok(self, *words, stdin=""):
        code, out, said = self.run(*words, stdin=stdin)
        expect(code, 0, f"{' '.join(words)}: {said}")
        return out


def secret_tool(*words, stdin=None):
    return subprocess.run(["secret-tool", *words], input=stdin, capture_output=True, text=True)


def a_secret_is_kept_found_and_taken_away(world):
    world.ok("keyring", "set", "first", "--secret-file", "-", stdin="geheim\n")
    world.ok("keyring", "check", "first")
    found = secret_tool("lookup", "service", "postkeep", "username", "first")
    expect(found.stdout, "geheim", "what libsecret finds")
    code, _, said = world.run("keyring", "set", "first", "--generate")
    expect(code, 9, said)
    expect("--replace" in said, True, said)
    world.ok("keyring", "set", "first", "--generate", "--replace")
    made = secret_tool("lookup", "service", "postkeep", "username", "first").stdout
    expect((len(made), made == "geheim"), (64, False), "a secret that was made")
    expect(world.ok("keyring", "remove", "first", "--dry-run"), "would remove `first`\n")
    world.ok("keyring", "check", "first")
    world.ok("keyring", "remove", "first")
    for words in (["check", "first"], ["remove", "first"], ["remove", "first", "--dry-run"]):
        code, _, said = world.run("keyring", *words)
        expect((code, "try: postkeep keyring set first" in said), (7, True), said)


def a_repository_opens_by_a_passphrase_that_nobody_has_seen(world):
    repo = ["--repo", "repo", "--cache-dir", "cache"]
    code, _, said = world.run("init", *repo, "--passphrase-keyring", "backup")
    expect((code, (world.scratch / "repo").exists()), (7, False), said)
    world.ok("keyring", "set", "backup", "--generate")
    world.ok("init", *repo, "--passphrase-keyring", "backup")
    world.ok("keyring", "set", "exchange", "--secret-file", "-", stdin=PASSWORD)
    world.ok(
        "backup", *repo, "--passphrase-keyring", "backup", "--server", world.url, "--user",
        SERVICE, "--password-keyring", "exchange", "--mailbox", MAILBOX,
    )
    out = world.ok("snapshots", *repo, "--passphrase-keyring", "backup")
    expect(MAILBOX in out, True, out)


def another_passphrase_of_the_keyring_takes_its_place(world):
    repo = ["--repo", "repo", "--cache-dir", "cache"]
    world.ok("keyring", "set", "next", "--generate")
    key = ["key", "passphrase", *repo, "--passphrase-keyring", "backup"]
    world.ok(*key, "--new-passphrase-keyring", "next")
    world.ok("snapshots", *repo, "--passphrase-keyring", "next")
    code, _, said = world.run("snapshots", *repo, "--passphrase-keyring", "backup")
    expect(code, 5, said)


def a_configuration_names_entries(world):
    text = f'''cache_dir = "cache"
[destinations.main]
url = "repo"
passphrase_keyring = "next"
[sets.office]
server = "{world.url}"
user = "{SERVICE}"
password_keyring = "exchange"
mailboxes = "{MAILBOX}"
destinations = "main"
'''
    (world.scratch / "postkeep.toml").write_text(text)
    world.ok("run", "--set", "office")
    shown = world.ok("config", "show")
    expect('passphrase_keyring = "next"' in shown, True, shown)
    world.ok("keyring", "remove", "exchange")
    code, out, said = world.run("run", "--set", "office")
    expect(code, 7, said)
    told = "take the password `exchange` from the keyring: the keyring has no secret `exchange`"
    expect(told in out, True, out)


def a_session_without_a_keyring_is_told_apart(world):
    bus = os.environ.pop("DBUS_SESSION_BUS_ADDRESS")
    try:
        os.environ["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=/nowhere/at/all"
        code, _, said = world.run("keyring", "check", "next")
    finally:
        os.environ["DBUS_SESSION_BUS_ADDRESS"] = bus
    expect(code, 8, said)
    expect("the keyring cannot be reached" in said and "try: on Linux" in said, True, said)


CHECKS = [
    a_secret_is_kept_found_and_taken_away,
    a_repository_opens_by_a_passphrase_that_nobody_has_seen,
    another_passphrase_of_the_keyring_takes_its_place,
    a_configuration_names_entries,
    a_session_without_a_keyring_is_told_apart,
]


def enter_session(scratch):
    """Starts this script again with a bus and a home folder of its own."""
    home = scratch / "home"
    home.mkdir(parents=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("POSTKEEP_")}
    folders = {"HOME": home, "XDG_DATA_HOME": home / "data", "XDG_RUNTIME_DIR": home}
    given = dict(kept, **{name: str(folder) for name, folder in folders.items()})
    home.chmod(0o700)
    given[INSIDE] = "1"
    command = ["dbus-run-session", "--", sys.executable, *sys.argv]
    sys.exit(subprocess.run(command, env=given).returncode)


def unlock():
    """Starts a keyring as a login does, with the user's password on standard input."""
    command = ["gnome-keyring-daemon", "--unlock", "--components=secrets"]
    subprocess.run(command, input="login", text=True, check=True, stdout=subprocess.DEVNULL)
    for _ in range(100):
        if secret_tool("search", "service", "nothing").returncode == 0:
            return
        time.sleep(0.1)
    sys.exit("the keyring did not start")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--postkeep", required=True)
    parser.add_argument("--scratch", required=True, type=Path)
    arguments = parser.parse_args()
    scratch = arguments.scratch.resolve()
    if INSIDE not in os.environ:
        enter_session(scratch)
    unlock()
    world = World(arguments.postkeep, scratch)
    try:
        failures = run_checks("keyring", CHECKS, world)
    finally:
        world.server.kill()
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
