"""Speaks Marionette, the protocol by which programs of Mozilla are driven: JSON with its length in front."""

import json
import socket
import time

START_SECONDS = 60
SCRIPT_SECONDS = 60
LONGEST_HEADER = 20


class ScriptError(Exception):
    """What the program answered in place of a value."""


class Marionette:
    """A session in the program's own (privileged) context."""

    def __init__(self, port, program):
        self.socket = connect(port, program)
        self.buffer = b""
        self.last = 0
        self.receive()
        self.command("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {}}})
        self.command("Marionette:SetContext", {"value": "chrome"})
        self.command("WebDriver:SetTimeouts", {"script": SCRIPT_SECONDS * 1000})

    def run(self, script, *arguments):
        """The value of the body of an asynchronous function; what it throws is an error here."""
        wrapped = f"""
            const [args, resolve] = [Array.from(arguments), arguments[arguments.length - 1]];
            (async () => {{ {script} }})().then(
                value => resolve({{ value: value ?? null }}),
                error => resolve({{ error: `${{error}} ${{error?.stack ?? ""}}` }})
            );
        """
        answer = self.command(
            "WebDriver:ExecuteAsyncScript",
            {"script": wrapped, "args": list(arguments), "newSandbox": False, "sandbox": "system"},
        )["value"]
        if "error" in answer:
            raise ScriptError(answer["error"])
        return answer["value"]

    def command(self, name, parameters):
        self.last += 1
        body = json.dumps([0, self.last, name, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(body), body))
        kind, number, error, value = self.receive()
        if (kind, number) != (1, self.last):
            raise ScriptError(f"an answer to something else: {kind} {number}")
        if error is not None:
            raise ScriptError(f"{name}: {error.get('error')}: {error.get('message')}")
        return value

    def receive(self):
        while b":" not in self.buffer[:LONGEST_HEADER]:
            self.more()
        length, _, self.buffer = self.buffer.partition(b":")
        while len(self.buffer) < int(length):
            self.more()
        body, self.buffer = self.buffer[: int(length)], self.buffer[int(length):]
        return json.loads(body)

    def more(self):
        piece = self.socket.recv(1 << 16)
        if not piece:
            raise ScriptError("the program closed the connection")
        self.buffer += piece

    def quit(self):
        """Asks the program to end as a user would."""
        self.command("Marionette:Quit", {"flags": ["eForceQuit"]})
        self.socket.close()


def connect(port, program):
    deadline = time.monotonic() + START_SECONDS
    while True:
        if program.poll() is not None:
            raise ScriptError(f"the program ended with {program.returncode}")
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=2 * SCRIPT_SECONDS)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
