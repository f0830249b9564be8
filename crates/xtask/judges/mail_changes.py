"""A day's changes to mail, as files and over EWS, so that every program backs up the same.

    mail_changes.py split SOURCE OUT              real mail -> OUT/now, OUT/later, OUT/changed
    mail_changes.py files CHANGES TREE            applies later and changed to a copy of the files
    mail_changes.py apply URL CHANGES             the same on a server
    mail_changes.py drop URL CHANGES FOLDER       deletes what is in this folder of each mailbox

Files lie in <state>/<address>/<folder>/<name>.eml. A changed mail is found on the server by its
Message-ID. Only Python's own library is used: this must not cost what it measures beside.
"""

import base64
import email.parser
import email.policy
import os
import shutil
import sys
import urllib.request
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

USER, PASSWORD = "svc@example.test", "secret"
MAILBOX = "alice@example.test"
TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
# One of so many mails comes later (2 %), and one of so many changes (0.5 %).
LATER, CHANGED = 50, 200
BATCH = 50
PAGE = 1000


def message_id(raw):
    parser = email.parser.BytesHeaderParser(policy=email.policy.compat32)
    return str(parser.parsebytes(raw).get("Message-ID", "")).strip()


def split(source, out):
    """One mailbox with a folder per collection; no original is touched."""
    files = sorted(path for path in source.rglob("*.eml"))
    ids = Counter(message_id(path.read_bytes()) for path in files)
    for number, path in enumerate(files):
        inner = path.relative_to(source)
        folder = Path(MAILBOX) / inner.parts[0]
        name = f"{number:06}.eml"
        raw = path.read_bytes()
        if number % LATER == LATER - 1:
            write(out / "later" / folder / name, raw)
            continue
        write(out / "now" / folder / name, raw)
        own = message_id(raw)
        if number % CHANGED == CHANGED // 2 and own and ids[own] == 1:
            end = b"\r\n" if raw.find(b"\r\n") == raw.find(b"\n") - 1 else b"\n"
            head = b"X-Categories: Red" + end + b"X-Flag: 1" + end
            write(out / "changed" / folder / name, head + raw)


def write(path, raw):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)


def files(changes, tree):
    """Copies over; the tree's files may be hard links, so none is written through."""
    for state in ("later", "changed"):
        for path in sorted((changes / state).rglob("*.eml")):
            target = tree / path.relative_to(changes / state)
            target.unlink(missing_ok=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


class Mailbox:
    """One mailbox, opened by impersonation."""

    def __init__(self, url, address):
        self.url, self.address = url, address
        self.folders = self.find_folders()

    def call(self, body):
        text = (
            '<?xml version="1.0" encoding="utf-8"?>'
            '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
            f' xmlns:t="{TYPES}" xmlns:m="{MESSAGES}"><s:Header>'
            '<t:RequestServerVersion Version="Exchange2013_SP1"/>'
            "<t:ExchangeImpersonation><t:ConnectingSID><t:PrimarySmtpAddress>"
            f"{escape(self.address)}</t:PrimarySmtpAddress></t:ConnectingSID>"
            f"</t:ExchangeImpersonation></s:Header><s:Body>{body}</s:Body></s:Envelope>"
        )
        request = urllib.request.Request(self.url, data=text.encode())
        request.add_header("Content-Type", "text/xml; charset=utf-8")
        token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
        with urllib.request.urlopen(request) as answer:
            tree = ElementTree.fromstring(answer.read())
        for message in tree.iter():
            if message.get("ResponseClass") in ("Error", "Warning"):
                sys.exit(ElementTree.tostring(message, encoding="unicode")[:500])
        return tree

    def find_folders(self):
        answer = self.call(
            '<m:FindFolder Traversal="Deep"><m:FolderShape><t:BaseShape>Default</t:BaseShape>'
            '</m:FolderShape><m:ParentFolderIds><t:DistinguishedFolderId Id="msgfolderroot"/>'
            "</m:ParentFolderIds></m:FindFolder>"
        )
        found = {}
        for name in answer.iter(f"{{{TYPES}}}DisplayName"):
            parent = next(f for f in answer.iter() if name in list(f))
            found[name.text] = parent.find(f"{{{TYPES}}}FolderId").get("Id")
        return found

    def items(self, folder):
        """All items of a folder: (Message-ID, Id)."""
        offset = 0
        while True:
            answer = self.call(
                '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>'
                '<t:AdditionalProperties><t:FieldURI FieldURI="message:InternetMessageId"/>'
                "</t:AdditionalProperties></m:ItemShape>"
                f'<m:IndexedPageItemView MaxEntriesReturned="{PAGE}" Offset="{offset}"'
                ' BasePoint="Beginning"/><m:ParentFolderIds>'
                f"<t:FolderId Id={quoteattr(folder)}/></m:ParentFolderIds></m:FindItem>"
            )
            for item in next(answer.iter(f"{{{TYPES}}}Items")):
                own = item.findtext(f"{{{TYPES}}}InternetMessageId", "")
                yield own.strip(), item.find(f"{{{TYPES}}}ItemId").get("Id")
            root = next(answer.iter(f"{{{MESSAGES}}}RootFolder"))
            if root.get("IncludesLastItemInRange") == "true":
                return
            offset = int(root.get("IndexedPagingOffset"))

    def create(self, folder, mails):
        for batch in batches(mails):
            items = "".join(
                f"<t:Message><t:MimeContent>{base64.b64encode(raw).decode()}</t:MimeContent>"
                '<t:ExtendedProperty><t:ExtendedFieldURI PropertyTag="0x0E07"'
                ' PropertyType="Integer"/><t:Value>1</t:Value></t:ExtendedProperty></t:Message>'
                for raw in batch
            )
            self.call(
                '<m:CreateItem MessageDisposition="SaveOnly"><m:SavedItemFolderId>'
                f"<t:FolderId Id={quoteattr(folder)}/></m:SavedItemFolderId>"
                f"<m:Items>{items}</m:Items></m:CreateItem>"
            )

    def change(self, folder, mails):
        ids = dict(self.items(folder))
        for batch in batches(mails):
            changes = "".join(
                f"<t:ItemChange><t:ItemId Id={quoteattr(ids[message_id(raw)])}/><t:Updates>"
                '<t:SetItemField><t:FieldURI FieldURI="item:MimeContent"/><t:Message>'
                f"<t:MimeContent>{base64.b64encode(raw).decode()}</t:MimeContent></t:Message>"
                "</t:SetItemField></t:Updates></t:ItemChange>"
                for raw in batch
            )
            self.call(
                '<m:UpdateItem MessageDisposition="SaveOnly" ConflictResolution="AlwaysOverwrite">'
                f"<m:ItemChanges>{changes}</m:ItemChanges></m:UpdateItem>"
            )

    def empty(self, folder):
        for batch in batches([item for _, item in self.items(folder)]):
            ids = "".join(f"<t:ItemId Id={quoteattr(item)}/>" for item in batch)
            self.call(
                f'<m:DeleteItem DeleteType="HardDelete"><m:ItemIds>{ids}</m:ItemIds></m:DeleteItem>'
            )


def batches(things):
    return (things[at : at + BATCH] for at in range(0, len(things), BATCH))


def apply(url, changes):
    done = 0
    for address in sorted(os.listdir(changes / "now")):
        mailbox = Mailbox(url, address)
        for state, act in (("changed", mailbox.change), ("later", mailbox.create)):
            for folder in sorted((changes / state / address).glob("*")):
                mails = [path.read_bytes() for path in sorted(folder.glob("*.eml"))]
                act(mailbox.folders[folder.name], mails)
                done += len(mails)
    print(f"{done} mails changed or came")


def drop(url, changes, name):
    for address in sorted(os.listdir(changes / "now")):
        mailbox = Mailbox(url, address)
        if name in mailbox.folders:
            mailbox.empty(mailbox.folders[name])


def main():
    match sys.argv[1:]:
        case ["split", source, out]:
            split(Path(source), Path(out))
        case ["files", changes, tree]:
            files(Path(changes), Path(tree))
        case ["apply", url, changes]:
            apply(url, Path(changes))
        case ["drop", url, changes, folder]:
            drop(url, Path(changes), folder)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
