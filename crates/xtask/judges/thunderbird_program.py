"""Starts Thunderbird without a window, with a profile of its own, and drives it from within."""

import base64
import os
import shutil
import subprocess
import sys
from pathlib import Path

import judging
from marionette import Marionette

STEPS = Path(__file__).with_name("thunderbird.js")

# It shall do nothing of its own accord: no checks for mail but ours, no first-run pages, no network.
SETTINGS = {
    "experimental.mail.ews.enabled": True,
    "app.donation.eoy.version.viewed": 999,
    "app.update.enabled": False,
    "browser.cache.disk.enable": False,
    "datareporting.healthreport.uploadEnabled": False,
    "datareporting.policy.dataSubmissionPolicyBypassNotification": True,
    "extensions.update.enabled": False,
    "mail.biff.on_new_window": False,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.server.default.check_new_mail": False,
    "mail.server.default.login_at_startup": False,
    "mail.server.default.offline_download": False,
    "mail.shell.checkDefaultClient": False,
    "mail.spotlight.firstRunDone": True,
    "mailnews.database.global.indexer.enabled": False,
    "mailnews.start_page.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": False,
}


class Thunderbird:
    """The running program; it can be ended and started again with what it knows."""

    def __init__(self, scratch):
        if shutil.which("thunderbird") is None:
            sys.exit("thunderbird is not installed (Debian: thunderbird)")
        self.scratch = scratch
        self.profile = scratch / "profile"
        self.profile.mkdir()
        self.prelude = STEPS.read_text()
        self.program = None
        self.driver = None
        self.start()

    def start(self):
        port = judging.free_port()
        lines = [f'user_pref("{name}", {literal(value)});' for name, value in SETTINGS.items()]
        lines.append(f'user_pref("marionette.port", {port});')
        (self.profile / "user.js").write_text("\n".join(lines) + "\n")
        command = ["thunderbird", "--headless", "--marionette", "--remote-allow-system-access"]
        command += ["--no-remote", "--profile", str(self.profile)]
        # What it would put into the home folder goes into the scratch one.
        surroundings = {**os.environ, "HOME": str(self.scratch), "MOZ_CRASHREPORTER_DISABLE": "1"}
        with (self.scratch / "thunderbird.log").open("ab") as log:
            self.program = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=surroundings
            )
        self.driver = Marionette(port, self.program)

    def run(self, script, *arguments):
        return self.driver.run(self.prelude + script, *arguments)

    def restart(self):
        self.driver.quit()
        self.program.wait(timeout=60)
        self.start()

    def stop(self):
        self.program.terminate()
        self.program.wait()

    # What the checks do with it.

    def add_account(self, address, endpoint, password, way="basic"):
        script = "const made = makeAccount(...args.slice(0, 4)); return made.incomingServer.key;"
        return self.run(script, address, endpoint, password, way)

    def sign_in(self, address):
        """Zero, or the number of the error."""
        return self.run("return await signIn(accountServer(args[0]));", address)

    def update_folders(self):
        """Asks for the folder tree, which tells of no end: a new folder of the checks' own is waited for."""
        self.run("alice().performExpand(mainWindow.msgWindow);")

    def wait_for_folder(self, path, there=True):
        script = "await until(() => isThere(args[0]) == args[1], `folder ${args[0]}`);"
        self.run(script, path, there)

    def paths(self):
        return self.run("return paths();")

    def update(self, path):
        """Asks for what is new and returns the subjects that are there then."""
        return self.run("await update(args[0]); return subjects(args[0]);", path)

    def subjects(self, path):
        return self.run("return subjects(args[0]);", path)

    def source(self, path, subject):
        return base64.b64decode(self.run("return await source(args[0], args[1]);", path, subject))

    def transfer(self, path, subject, target, move):
        script = "return await transfer(...args.slice(0, 4));"
        judging.expect(self.run(script, path, subject, target, move), 0, "status")

    def remove(self, path, subject, for_good):
        script = "return await remove(...args.slice(0, 3));"
        judging.expect(self.run(script, path, subject, for_good), 0, "status")


def literal(value):
    """A value as a file of preferences has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else f'"{value}"'
