"""Times exchangelib on answers in a folder: operation, rows, median seconds, a line each.

    exchangelib_parse.py FOLDER

The bytes are handed to it where a network would be, so what is timed is what a script in Python
pays for reading an answer: the transport's bookkeeping, lxml, and the objects that it makes.
"""

import io
import pathlib
import statistics
import sys
import time

import requests
from exchangelib import BASIC, DELEGATE, UTC, Account, Configuration, Credentials, Message, Version
from exchangelib.fields import FieldPath
from exchangelib.folders import Inbox, Root
from exchangelib.protocol import BaseProtocol
from exchangelib.services import ExportItems, GetItem, SyncFolderItems
from exchangelib.version import EXCHANGE_2016

PATIENCE = 0.8
MIN_RUNS = 5


class Canned(requests.adapters.BaseAdapter):
    """Answers every request with the same bytes."""

    answer = b""

    def send(self, request, **_options):
        response = requests.Response()
        response.status_code = 200
        response.headers["Content-Type"] = "text/xml; charset=utf-8"
        response.raw = io.BytesIO(self.answer)
        response.request = request
        response.url = request.url
        response.connection = self
        return response

    def close(self):
        pass


def account():
    adapter = lambda *_arguments, **_options: Canned()  # noqa: E731
    BaseProtocol.HTTP_ADAPTER_CLS = adapter
    config = Configuration(
        service_endpoint="http://localhost/EWS/Exchange.asmx",
        credentials=Credentials("user", "password"),
        auth_type=BASIC,
        version=Version(EXCHANGE_2016),
    )
    return Account(
        "a@example.org",
        config=config,
        access_type=DELEGATE,
        default_timezone=UTC,
        autodiscover=False,
    )


def timed(folder, operation, read):
    Canned.answer = (folder / f"{operation}.xml").read_bytes()
    times, begun = [], time.monotonic()
    while len(times) < MIN_RUNS or time.monotonic() - begun < PATIENCE:
        start = time.perf_counter()
        rows = read()
        times.append(time.perf_counter() - start)
    if not rows:
        sys.exit(f"exchangelib read nothing of {operation}")
    print(f"{operation} {rows} {statistics.median(times):.9f}")


def main():
    folder = pathlib.Path(sys.argv[1])
    user = account()
    inbox = Inbox(root=Root(account=user), id="folder", changekey="CQ")
    names = ("mime_content", "subject", "size")
    fields = {FieldPath(field=Message.get_field_by_fieldname(name)) for name in names}
    ids = [(f"AAMkADA2{number:0>144}", "CQ") for number in range(40)]

    def synchronise():
        service = SyncFolderItems(account=user)
        changes = service.call(
            folder=inbox,
            shape="IdOnly",
            additional_fields=None,
            sync_state=None,
            ignore=None,
            max_changes_returned=512,
            sync_scope=None,
        )
        return sum(1 for _ in changes)

    def get():
        service = GetItem(account=user)
        items = service.call(items=ids, additional_fields=fields, shape="IdOnly")
        return sum(1 for item in items if item.mime_content)

    def export():
        return sum(1 for data in ExportItems(account=user).call(items=ids) if data)

    timed(folder, "SyncFolderItems", synchronise)
    timed(folder, "GetItem", get)
    timed(folder, "ExportItems", export)


if __name__ == "__main__":
    main()
