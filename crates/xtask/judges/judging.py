"""What the judges by other people's clients share: checks, their report, and a simulator to judge."""

import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path

PASSWORD = "secret"
SERVICE = "svc@example.test"
START_SECONDS = 60


def expect(actual, wanted, what="value"):
    if actual != wanted:
        raise AssertionError(f"{what}: {short(actual)} instead of {short(wanted)}")


def short(value):
    text = repr(value)
    return text if len(text) <= 160 else f"{text[:160]}... ({len(text)} characters)"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, program, log):
    """Waits until a program that was started listens."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if program.poll() is not None:
            sys.exit(f"the program ended with {program.returncode}: {log}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    program.kill()
    sys.exit(f"nothing listened within {START_SECONDS} s: {log}")


def start_simulator(program, scratch, folder, *more):
    """Starts the simulator on a free port and waits until it listens; its output is kept."""
    port = free_port()
    path = scratch / "sim.log"
    with path.open("wb") as log:
        command = [program, "sim", "--mail", folder, "--listen", f"127.0.0.1:{port}", *more]
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    wait_for_port(port, server, path)
    return server, f"http://127.0.0.1:{port}/EWS/Exchange.asmx"


def run_checks(judge, checks, world):
    """Runs all checks, one line each, and returns how many failed."""
    failures = 0
    for function in checks:
        name = function.__name__.replace("_", " ")
        try:
            function(world)
            print(f"ok    {name}", flush=True)
        except Exception as error:  # a client may raise anything at a server's oddity
            failures += 1
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(place.filename).name}:{place.lineno}"
            print(f"FAIL  {name}: {type(error).__name__}: {short(str(error))} ({where})", flush=True)
    print(f"{judge}: {len(checks) - failures} of {len(checks)} checks passed")
    return failures
