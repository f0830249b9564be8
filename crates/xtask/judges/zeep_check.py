"""Lets zeep, a SOAP client that knows nothing of Exchange, read the service's description and call every
operation that it names. zeep refuses what it did not expect, and every request and answer has to be
valid against the schema.

    zeep_check.py --postkeep PROGRAM --schema FOLDER --scratch FOLDER

With --endpoint URL it uses a server that runs already.
"""

import argparse
import sys
from pathlib import Path

import zeep.exceptions

import exchangelib_mail as mail
import judging
import zeep_boxes
import zeep_items
import zeep_refused
from judging import expect
from zeep_service import Service


class World:
    """The mailbox's owner, the account for all mailboxes, and what checks keep for later ones."""

    def __init__(self, endpoint, schema):
        self.alice = Service(endpoint, schema, mail.ALICE)
        self.service = Service(endpoint, schema, judging.SERVICE)
        self.kept = {}


def refused(operation):
    """A check that an operation is refused as one that the server does not offer."""

    def check(world):
        try:
            if operation in zeep_refused.CALLS:
                answer = world.alice.call(operation, **zeep_refused.CALLS[operation])
            else:
                answer = world.alice.ask(operation, zeep_refused.WRITTEN[operation])
        except zeep.exceptions.Fault as fault:
            expect(fault.code, "a:ErrorInvalidOperation", "fault code")
            expect(fault.detail[0].text, "ErrorInvalidOperation", "response code")
        else:
            raise AssertionError(f"answered: {answer}")

    check.__name__ = f"{operation} is refused"
    return check


def every_operation_of_the_description_was_called(world):
    called = world.alice.asked | world.service.asked
    expect(sorted(world.alice.operations() - called), [], "operations that no check called")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--postkeep", type=Path)
    parser.add_argument("--schema", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--endpoint")
    arguments = parser.parse_args()
    refusals = sorted([*zeep_refused.CALLS, *zeep_refused.WRITTEN])
    checks = [*zeep_items.CHECKS, *zeep_boxes.CHECKS, *map(refused, refusals)]
    checks.append(every_operation_of_the_description_was_called)
    server, endpoint = None, arguments.endpoint
    if endpoint is None:
        folder = arguments.scratch / "mail"
        folder.mkdir(parents=True)
        mail.write(folder)
        server, endpoint = judging.start_simulator(
            arguments.postkeep, arguments.scratch, folder, "--schema", arguments.schema
        )
    try:
        failures = judging.run_checks("zeep", checks, World(endpoint, arguments.schema))
    finally:
        if server is not None:
            server.terminate()
            server.wait()
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
