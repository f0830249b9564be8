"""A small Exchange Web Services server that behaves like the odd ones in the wild.

    quirky_server.py [--listen HOST:PORT] [--seed N] [--items N] [--quirk NAME]... [--list]

Written from Microsoft's schema and requirement tables by itself: it shares nothing with the
simulator, so that both can judge the client. The account svc@quirk.test, password secret, may
impersonate ann@, bo@ and copy@quirk.test. A judge asks /control for what the store holds.
"""

import argparse
import base64
import gzip
import json
import random
import re
import sys
import threading
import time
import xml.etree.ElementTree as ET
from collections import Counter
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import quirky_fts as fts
from quirky_store import FIRST_TIME, Store, encode

QUIRKS = {
    "prefixes": "other XML namespace prefixes",
    "default-namespace": "default namespaces, declared anew where they change",
    "unknown-elements": "unknown extra elements and attributes",
    "comments": "comments, processing instructions, CDATA and character references",
    "bom": "a byte order mark before the answer",
    "fault-200": "SOAP faults with HTTP 200 and without detail, now and then",
    "fraction-times": "times with nine fraction digits and an offset",
    "garbage-sync": "any sync state is accepted, old ones silently as an initial sync",
    "invalid-sync-state": "old sync states are refused: ErrorInvalidSyncStateData",
    "early-last": "IncludesLastItemInRange is true too early in SyncFolderItems",
    "early-last-find": "IncludesLastItemInRange is true too early in FindItem, too",
    "no-commit-time": "no PidTagLocalCommitTimeMax and no PidTagDeletedCountTotal",
    "no-read-flag-change": "Update instead of ReadFlagChange",
    "read-changes-key": "a read mark changes the change key and comes as Update",
    "duplicate-creates": "Create for items that are known, some twice",
    "no-chunked": "chunked request bodies are refused: 411",
    "gzip": "answers are compressed where the client accepts it",
    "lower-case": "header names in lower case",
    "truncated-data": "the first export of some items ends with the truncation text",
    "truncated-bare": "the first export of some items is the truncation text alone",
    "truncated-always": "one item's export is always truncated",
    "busy-inner": "HTTP 200 with ErrorServerBusy inside, now and then",
    "busy-500": "HTTP 500 with a fault ErrorServerBusy, now and then",
    "busy-503": "HTTP 503 with Retry-After, now and then",
    "batch-stopped": "a batch stops after three items: ErrorBatchProcessingStopped",
    "batch-busy-tail": "a batch's tail is ErrorServerBusy",
    "timeout-expired": "batches of more than four fail whole: ErrorTimeoutExpired",
    "401-first": "no challenge is spared: 401 for the first request without credentials",
    "401-always-first": "the first request of each connection is answered 401, credentials or not",
    "close-7": "the connection is closed after each seventh answer, unannounced",
    "close-announced": "the connection is closed after each answer, announced",
    "cut-body": "some ExportItems answers are cut in the middle",
    "strict-distinguished": "an unknown distinguished folder fails the whole request",
    "strict-distinguished-400": "as before, with HTTP 400",
    "folder-pages": "FindFolder gives ten folders at most",
    "no-deep": "FindFolder Deep is refused",
    "other-ids": "ids of items are written differently in each kind of answer",
    "odd-names": "folder names empty, with slashes, control characters, very long",
    "no-total-count": "no TotalCount and no TotalItemsInView",
    "wrong-total-count": "TotalCount counts one item too many",
    "warnings": "ResponseClass is Warning where all is well",
    "crlf-base64": "line ends inside base64",
    "space-base64": "blanks, tabs and character references inside base64",
    "concatenated": "white space and a second XML declaration's comment after the envelope",
    "no-version": "no ServerVersionInfo header",
    "no-content-type": "answers without Content-Type",
    "read-only-sync-shape": "SyncFolderItems gives ids only, whatever was asked for",
    "html-500": "HTTP 500 with an HTML page, now and then",
    "doctype": "a document type with entities that multiply, in FindFolder",
    "doctype-external": "a document type with an external entity, in FindFolder",
    "deep-xml": "very deep XML, in FindFolder",
    "huge-text": "a folder name of 300 MB",
    "many-attributes": "an element with a million attributes",
    "endless-rows": "a FindFolder answer that never ends, at full speed",
    "endless-blanks": "a FindFolder answer that is followed by blanks for ever",
    "endless-pages": "FindFolder pages that never reach the last",
    "endless-sync": "SyncFolderItems that never reaches the last page and changes nothing",
    "endless-slow": "a FindFolder answer that comes a byte a second for ever",
    "redirect": "HTTP 302 to somewhere else",
    "one-list": "FindItem that lists ordinary items where associated ones are asked for",
}
ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
M, T, S = f"{{{MESSAGES}}}", f"{{{TYPES}}}", f"{{{ENVELOPE}}}"
KNOWN_TO_STRICT = {
    "msgfolderroot", "root", "inbox", "sentitems", "drafts", "deleteditems", "calendar", "contacts",
    "tasks",
}
TRUNCATION = "=== Truncated Data ==="
ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
SYNC_PAGE = 25


class Fault(Exception):
    """The whole request is refused."""

    def __init__(self, code, message, status=500, detail=True, back_off=None):
        super().__init__(message)
        self.code, self.message, self.status = code, message, status
        self.detail, self.back_off = detail, back_off


class ItemFailure(Exception):
    """One thing of a request is refused."""

    def __init__(self, code, message="The request failed.", back_off=None):
        super().__init__(message)
        self.code, self.message, self.back_off = code, message, back_off


def text(value):
    return escape(str(value), {"\r": "&#xD;"})


class Service:
    def __init__(self, store, quirks, seed, capture):
        self.store, self.quirks, self.capture = store, set(quirks), capture
        self.rng = random.Random(seed)
        self.lock = threading.Lock()
        self.reset()
        self.epoch = 0
        self.truncated, self.captured = set(), Counter()

    def reset(self):
        self.calls, self.exported, self.violations = Counter(), Counter(), []
        self.uploads = []
        self.stop_endless = False

    def has(self, *names):
        return any(name in self.quirks for name in names)

    def now_and_then(self, operation, every):
        with self.lock:
            return self.calls[operation] % every == every // 2

    def complain(self, message):
        with self.lock:
            self.violations.append(message)

    # The request

    def answer(self, body, headers, user):
        root = ET.fromstring(body)
        request = root.find(f"{S}Body")[0]
        operation = request.tag.split("}")[1]
        with self.lock:
            self.calls[operation] += 1
        self.keep(operation, body)
        mailbox = self.mailbox(root.find(f"{S}Header"), headers, user)
        self.trouble(operation)
        handler = getattr(self, "op_" + operation, None)
        if handler is None:
            raise Fault("ErrorInvalidRequest", f"The request {operation} is not known.")
        with self.store.lock:
            return self.envelope(operation, handler(mailbox, request))

    def keep(self, operation, body):
        if self.capture and self.captured[operation] < 40 and len(body) < 1_000_000:
            self.captured[operation] += 1
            name = f"{operation}-{self.captured[operation]:03}.request.xml"
            (self.capture / name).write_bytes(body)

    def mailbox(self, header, headers, user):
        address = user
        smtp = header.find(f".//{T}ExchangeImpersonation//{T}PrimarySmtpAddress")
        if smtp is None:
            smtp = header.find(f".//{T}ExchangeImpersonation//{T}SmtpAddress")
        if smtp is not None:
            address = smtp.text.lower()
            if headers.get("X-AnchorMailbox", "").lower() != address:
                self.complain("impersonation without X-AnchorMailbox")
            if user != "svc@quirk.test":
                raise Fault("ErrorImpersonateUserDenied", "No right to impersonate.")
        if address not in self.store.mailboxes:
            raise Fault("ErrorNonExistentMailbox", "No mailbox with such an address.")
        return self.store.mailboxes[address]

    def trouble(self, operation):
        if self.has("fault-200") and self.now_and_then(operation, 9):
            message = "An internal server error occurred. Try again later."
            raise Fault("ErrorInternalServerTransientError", message, 200, detail=False)
        if self.has("busy-500") and self.now_and_then(operation, 5):
            raise Fault("ErrorServerBusy", "The server cannot service this request.", 500, back_off=70)
        if self.has("busy-503") and self.now_and_then(operation, 7):
            raise Fault("503", "", 503)
        if self.has("html-500") and self.now_and_then(operation, 9):
            raise Fault("html", "", 500)

    # The answer

    def envelope(self, operation, messages):
        kind = operation + "ResponseMessage"
        parts = []
        for outcome in messages:
            if isinstance(outcome, ItemFailure):
                parts.append(self.failure(kind, outcome))
                continue
            response_class = "Warning" if self.has("warnings") else "Success"
            parts.append(
                f'<m:{kind} ResponseClass="{response_class}">'
                + ("<m:MessageText>All is well.</m:MessageText>" if self.has("warnings") else "")
                + f"<m:ResponseCode>NoError</m:ResponseCode>{outcome}</m:{kind}>"
            )
        body = (
            f"<m:{operation}Response><m:ResponseMessages>{''.join(parts)}</m:ResponseMessages>"
            f"</m:{operation}Response>"
        )
        return self.soap(body)

    def failure(self, kind, failure):
        extra = ""
        if failure.back_off is not None:
            extra = (
                '<m:MessageXml><t:Value Name="BackOffMilliseconds">'
                f"{failure.back_off}</t:Value></m:MessageXml>"
            )
        return (
            f'<m:{kind} ResponseClass="Error"><m:MessageText>{text(failure.message)}'
            f"</m:MessageText><m:ResponseCode>{failure.code}</m:ResponseCode>"
            f"<m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>{extra}</m:{kind}>"
        )

    def fault(self, fault):
        detail = ""
        if fault.detail:
            back_off = ""
            if fault.back_off is not None:
                back_off = (
                    '<t:MessageXml><t:Value Name="BackOffMilliseconds">'
                    f"{fault.back_off}</t:Value></t:MessageXml>"
                )
            errors = "http://schemas.microsoft.com/exchange/services/2006/errors"
            detail = (
                f'<detail><e:ResponseCode xmlns:e="{errors}">{fault.code}</e:ResponseCode>'
                f'<e:Message xmlns:e="{errors}">{text(fault.message)}</e:Message>'
                f"{back_off}</detail>"
            )
        code = fault.code if fault.detail else "Server"
        prefix = "a" if fault.detail else "s"
        return self.soap(
            f'<s:Fault><faultcode xmlns:a="{TYPES}">{prefix}:{code}</faultcode>'
            f'<faultstring xml:lang="en-US">{text(fault.message)}</faultstring>{detail}</s:Fault>'
        )

    def soap(self, body):
        header = (
            '<s:Header><t:ServerVersionInfo MajorVersion="15" MinorVersion="1" '
            'MajorBuildNumber="2507" MinorBuildNumber="6" Version="V2017_07_11"/></s:Header>'
        )
        if self.has("no-version"):
            header = ""
        whole = f"<s:Envelope>{header}<s:Body>{body}</s:Body></s:Envelope>"
        return self.dress(whole)

    def dress(self, whole):
        """Writes namespaces, and whatever else only touches the looks."""
        if self.has("unknown-elements"):
            whole = add_unknown(whole)
        if self.has("comments"):
            whole = add_comments(whole)
        if self.has("default-namespace"):
            whole = default_namespaces(whole)
        else:
            names = {"s": "s", "m": "m", "t": "t"}
            if self.has("prefixes"):
                names = {"s": "SOAP-ENV", "m": "ns1.x-y", "t": "m"}
            whole = re.sub(r"<(/?)([smt]):", lambda x: f"<{x[1]}{names[x[2]]}:", whole)
            declared = (
                f' xmlns:{names["s"]}="{ENVELOPE}" xmlns:{names["m"]}="{MESSAGES}"'
                f' xmlns:{names["t"]}="{TYPES}"'
            )
            whole = whole.replace(":Envelope>", f":Envelope{declared}>", 1)
        whole = '<?xml version="1.0" encoding="utf-8"?>' + whole
        if self.has("bom"):
            whole = "\ufeff" + whole
        if self.has("concatenated"):
            whole += "\r\n \r\n<!-- served by node 7 -->\n"
        return whole

    def time(self, seconds):
        moment = datetime.fromtimestamp(seconds, timezone.utc)
        if self.has("fraction-times"):
            return moment.strftime("%Y-%m-%dT%H:%M:%S.123456789+00:00")
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def plain(self, value):
        """Text as Exchange writes it: characters that XML forbids as references, or not at all."""
        illegal = (lambda x: f"\0{ord(x[0]):x};") if self.has("odd-names") else (lambda x: "")
        surrogate = re.sub("[\ud800-\udfff]", "\ufffd", value)
        return text(ILLEGAL.sub(illegal, surrogate)).replace("\0", "&#x")

    # Ids

    def item_id(self, item, variant=None):
        """The id as listings write it; export and upload answers have an element of their own."""
        shown, prefix = item.id, "m" if variant else "t"
        if variant and self.has("other-ids"):
            # All ids end in A; another last letter means the same bytes to a lax decoder.
            shown = shown[:-1] + variant
        return f"<{prefix}:ItemId Id={quoteattr(shown)} ChangeKey={quoteattr(self.key_of(item))}/>"

    def key_of(self, item):
        return item.key_at(max(item.changed, item.flagged * self.has("read-changes-key")))

    def find_item_by_id(self, mailbox, element):
        shown = element.get("Id")
        item = mailbox.items.get(shown) or mailbox.items.get(shown[:-1] + "A")
        if item is None:
            raise ItemFailure("ErrorItemNotFound", "The object was not found in the store.")
        return item

    def folder(self, mailbox, element):
        if element.tag == f"{T}DistinguishedFolderId":
            name = element.get("Id")
            if self.has("strict-distinguished", "strict-distinguished-400"):
                if name not in KNOWN_TO_STRICT:
                    status = 400 if self.has("strict-distinguished-400") else 500
                    message = f"The 'Id' attribute is invalid - The value '{name}' is invalid."
                    raise Fault("ErrorSchemaValidation", message, status)
            found = mailbox.distinguished(name)
        else:
            found = mailbox.folders.get(element.get("Id"))
        if found is None:
            raise ItemFailure("ErrorFolderNotFound", "The folder was not found in the store.")
        return found

    def each(self, elements, action):
        outcomes = []
        for element in elements:
            try:
                outcomes.append(action(element))
            except ItemFailure as failure:
                outcomes.append(failure)
        return outcomes

    def stopped(self, operation, outcomes):
        """Ends a batch early, as a server under load does."""
        tail = None
        if self.has("batch-stopped"):
            tail = ItemFailure("ErrorBatchProcessingStopped", "A batch was stopped.")
        elif self.has("batch-busy-tail"):
            tail = ItemFailure("ErrorServerBusy", "Busy.", 60)
        elif self.has("timeout-expired") and len(outcomes) > 4:
            return [ItemFailure("ErrorTimeoutExpired", "Time is up.") for _ in outcomes]
        elif self.has("busy-inner") and self.now_and_then(operation, 4):
            return [ItemFailure("ErrorServerBusy", "Busy.", 60) for _ in outcomes]
        if tail:
            outcomes[3:] = [tail for _ in outcomes[3:]]
        return outcomes

    # Shapes

    def wanted(self, request):
        shape = request.find(f"{M}ItemShape")
        shape = request.find(f"{M}FolderShape") if shape is None else shape
        base = shape.findtext(f"{T}BaseShape")
        fields, extended = set(), []
        for path in shape.find(f"{T}AdditionalProperties") or ():
            if path.tag == f"{T}FieldURI":
                fields.add(path.get("FieldURI").split(":")[1])
            elif path.tag == f"{T}ExtendedFieldURI":
                extended.append(dict(path.attrib))
        if shape.findtext(f"{T}IncludeMimeContent") == "true":
            self.complain("IncludeMimeContent asked for, although exports work")
        return base != "IdOnly", fields, extended

    def folder_xml(self, mailbox, folder, request):
        everything, fields, extended = self.wanted(request)
        parts = [f'<t:FolderId Id={quoteattr(folder.id)} ChangeKey="AQAAAA=="/>']

        def add(field, value):
            if value is not None and (everything or field in fields):
                parts.append(value)

        if folder.parent:
            parent = f'<t:ParentFolderId Id={quoteattr(folder.parent.id)} ChangeKey="AQAAAA=="/>'
            add("ParentFolderId", parent)
        add("FolderClass", f"<t:FolderClass>{text(folder.folder_class)}</t:FolderClass>")
        add("DisplayName", f"<t:DisplayName>{self.plain(folder.name)}</t:DisplayName>")
        count = len(folder.items) + self.has("wrong-total-count")
        if not self.has("no-total-count"):
            add("TotalCount", f"<t:TotalCount>{count}</t:TotalCount>")
        children = sum(1 for _ in mailbox.children(folder, False))
        add("ChildFolderCount", f"<t:ChildFolderCount>{children}</t:ChildFolderCount>")
        values = {0x670A: self.time(FIRST_TIME + folder.commit), 0x670B: folder.deleted}
        for path in extended:
            value = values.get(int(path.get("PropertyTag", "0"), 0))
            if value is not None and not self.has("no-commit-time"):
                parts.append(extended_xml(path, value))
        return f"<t:{folder.kind}>{''.join(parts)}</t:{folder.kind}>"

    def item_xml(self, item, request, ids_only=False):
        everything, fields, extended = self.wanted(request)
        parts = [self.item_id(item)]
        if ids_only:
            everything, fields, extended = False, set(), []

        def add(field, value):
            if everything or field in fields:
                parts.append(f"<t:{field}>{value}</t:{field}>")

        add("ItemClass", text(item.item_class))
        add("Subject", self.plain(item.message.text(0x0037)))
        received = item.message.find(0x0E06)
        if received:
            ticks = int.from_bytes(received.value, "little")
            add("DateTimeReceived", self.time(ticks / 10**7 - 11644473600))
        add("Size", sum(len(atom.value) for atom in item.message.atoms))
        add("HasAttachments", str(bool(item.message.attachments)).lower())
        for path in extended:
            if path.get("PropertyName") == "PostkeepOrigin":
                atom = item.message.named(fts.ORIGIN)
                if atom:
                    parts.append(extended_xml(path, fts.text_of(atom)))
        if item.kind == "Message":
            add("IsRead", str(item.is_read).lower())
        return f"<t:{item.kind}>{''.join(parts)}</t:{item.kind}>"

    # Operations

    def op_GetFolder(self, mailbox, request):
        def one(element):
            folder = self.folder(mailbox, element)
            return f"<m:Folders>{self.folder_xml(mailbox, folder, request)}</m:Folders>"

        return self.each(request.find(f"{M}FolderIds"), one)

    def op_FindFolder(self, mailbox, request):
        deep = request.get("Traversal") == "Deep"
        if deep and self.has("no-deep"):
            raise Fault("ErrorInvalidRequest", "The traversal is not supported.")

        def one(element):
            found = list(mailbox.children(self.folder(mailbox, element), deep))
            rows, paging = self.page(request, "IndexedPageFolderView", found, 10)
            folders = "".join(self.folder_xml(mailbox, folder, request) for folder in rows)
            return f"<m:RootFolder{paging}><t:Folders>{folders}</t:Folders></m:RootFolder>"

        return self.each(request.find(f"{M}ParentFolderIds"), one)

    def page(self, request, view, found, small):
        element = request.find(f"{M}{view}")
        offset, most = 0, 1000
        if element is not None:
            offset = int(element.get("Offset"))
            most = min(most, int(element.get("MaxEntriesReturned", "1000")))
        if view == "IndexedPageFolderView":
            if self.has("folder-pages"):
                most = min(most, small)
            if self.has("endless-pages"):
                return found[:3], f' IndexedPagingOffset="{offset}" IncludesLastItemInRange="false"'
        else:
            most = min(most, small)
        rows = found[offset : offset + most]
        last = offset + len(rows) >= len(found)
        if view == "IndexedPageItemView" and self.has("early-last-find"):
            last = True
        total = "" if self.has("no-total-count") else f' TotalItemsInView="{len(found)}"'
        return rows, (
            f' IndexedPagingOffset="{offset + len(rows)}"{total}'
            f' IncludesLastItemInRange="{str(last).lower()}"'
        )

    def op_FindItem(self, mailbox, request):
        def one(element):
            found = list(self.folder(mailbox, element).items.values())
            if request.get("Traversal") == "Associated" and not self.has("one-list"):
                found = []
            rows, paging = self.page(request, "IndexedPageItemView", found, 20)
            items = "".join(self.item_xml(item, request) for item in rows)
            return f"<m:RootFolder{paging}><t:Items>{items}</t:Items></m:RootFolder>"

        return self.each(request.find(f"{M}ParentFolderIds"), one)

    def op_GetItem(self, mailbox, request):
        def one(element):
            item = self.find_item_by_id(mailbox, element)
            return f"<m:Items>{self.item_xml(item, request)}</m:Items>"

        return self.stopped("GetItem", self.each(request.find(f"{M}ItemIds"), one))

    def op_SyncFolderItems(self, mailbox, request):
        def one(element):
            folder = self.folder(mailbox, element)
            base, at = self.sync_state(folder, request.findtext(f"{M}SyncState"))
            most = min(int(request.findtext(f"{M}MaxChangesReturned")), SYNC_PAGE)
            return self.sync(folder, base, at, most, request)

        outcomes = self.each(request.find(f"{M}SyncFolderId"), one)
        return self.stopped("SyncFolderItems", outcomes)

    def sync_state(self, folder, state):
        if not state:
            return 0, 0
        try:
            kind, number, base, at, epoch = base64.b64decode(state, validate=True).decode().split(":")
            if kind != "sync" or int(number) != folder.number:
                raise ValueError
        except ValueError:
            if self.has("garbage-sync"):
                return 0, 0
            self.complain("a sync state that is none of ours for this folder")
            raise ItemFailure("ErrorInvalidSyncStateData", "Synchronization state data is corrupt.")
        if int(epoch) != self.epoch:
            if self.has("garbage-sync"):
                return 0, 0
            if self.has("invalid-sync-state"):
                raise ItemFailure("ErrorInvalidSyncStateData", "Synchronization state data is old.")
        return int(base), int(at)

    def sync(self, folder, base, at, most, request):
        changes = []
        for item in folder.items.values():
            number = max(item.changed, item.flagged)
            if number > at:
                changes.append((number, self.change_xml(item, base, at, request)))
            elif self.has("duplicate-creates") and item.number % 3 == 0:
                # Known since long, and told again at the end of the list.
                row = self.item_xml(item, request)
                changes.append((at, f"<t:Create>{row}</t:Create>"))
        for number, gone in folder.tombstones:
            if number > at:
                row = f"<t:Delete><t:ItemId Id={quoteattr(gone)}/></t:Delete>"
                changes.append((number, row))
        changes.sort(key=lambda change: change[0])
        page = changes[:most] if not self.has("duplicate-creates") else changes
        last = len(page) == len(changes)
        until = max([at] + [number for number, _ in page])
        base = until if last else base
        if self.has("endless-sync"):
            base, until, last = 0, at, False
        state = encode(f"sync:{folder.number}:{base}:{until}:{self.epoch}".encode())
        rows = "".join(row for _, row in page)
        if self.has("duplicate-creates"):
            rows += "".join(row for _, row in page if row.startswith("<t:Create>"))
        shown_last = last or self.has("early-last", "early-last-find")
        return (
            f"<m:SyncState>{state}</m:SyncState><m:IncludesLastItemInRange>"
            f"{str(shown_last).lower()}</m:IncludesLastItemInRange><m:Changes>{rows}</m:Changes>"
        )

    def change_xml(self, item, base, at, request):
        row = self.item_xml(item, request, self.has("read-only-sync-shape"))
        if item.created > base:
            return f"<t:Create>{row}</t:Create>"
        if item.changed > at or self.has("no-read-flag-change", "read-changes-key"):
            return f"<t:Update>{row}</t:Update>"
        return (
            f"<t:ReadFlagChange>{self.item_id(item)}<t:IsRead>{str(item.is_read).lower()}"
            "</t:IsRead></t:ReadFlagChange>"
        )

    def op_ExportItems(self, mailbox, request):
        def one(element):
            item = self.find_item_by_id(mailbox, element)
            data = self.exported_data(item)
            return f"{self.item_id(item, 'B')}<m:Data>{data}</m:Data>"

        ids = list(request.find(f"{M}ItemIds"))
        if len(ids) > 100:
            self.complain(f"{len(ids)} ids in one ExportItems")
        outcomes = self.each(ids, one)
        stopped = self.stopped("ExportItems", list(outcomes))
        for element, outcome in zip(ids, stopped):
            if isinstance(outcome, str) and TRUNCATION not in outcome:
                with self.lock:
                    self.exported[element.get("Id")] += 1
        return stopped

    def exported_data(self, item):
        data = base64.b64encode(item.stream(self.quirks)).decode()
        first = item.id not in self.truncated
        if self.has("truncated-data", "truncated-bare") and item.number % 3 == 0 and first:
            self.truncated.add(item.id)
            cut = data[: len(data) // 2 | 1] if self.has("truncated-data") else ""
            return cut + TRUNCATION
        if self.has("truncated-always") and item.item_class == "IPM.Custom.Form":
            return data[:900] + TRUNCATION
        if self.has("crlf-base64"):
            lines = [data[at : at + 76] for at in range(0, len(data), 76)]
            return "\r\n" + "\r\n".join(lines) + "\r\n"
        if self.has("space-base64"):
            odd = [" ", "\t", "\n      ", "&#10;", "&#x20;", "\u0020\u0020"]
            rng = random.Random(item.number)
            out, at = [" "], 0
            while at < len(data):
                step = rng.choice([1, 2, 3, 7, 1000, 70000])
                out += [data[at : at + step], rng.choice(odd)]
                at += step
            return "".join(out)
        if self.has("comments"):
            pieces = [data[at : at + 300_001] for at in range(0, len(data), 300_001)]
            marked = [f"<![CDATA[{p}]]>" if n % 2 else p for n, p in enumerate(pieces)]
            return "<!-- cut -->".join(marked) + "<?end?>"
        return data

    def op_UploadItems(self, mailbox, request):
        def one(element):
            folder = self.folder(mailbox, element.find(f"{T}ParentFolderId"))
            action, named = element.get("CreateAction"), element.find(f"{T}ItemId")
            if action != "CreateNew" and named is None:
                raise Fault("ErrorInvalidRequest", "An ItemId is needed.")
            try:
                message = fts.read(base64.b64decode(element.findtext(f"{T}Data"), validate=True))
            except (fts.Bad, ValueError) as error:
                self.complain(f"upload: {error}")
                raise ItemFailure("ErrorCorruptData", str(error)) from error
            target = mailbox.items.get(named.get("Id")) if action != "CreateNew" else None
            if target is not None and target.folder is not folder:
                target = None
            if target is None and action == "Update":
                raise ItemFailure("ErrorItemNotFound", "The object was not found in the store.")
            # The store keeps properties in an order of its own.
            message.atoms.sort(key=lambda atom: (atom.id != fts.DN_PREFIX, atom.id))
            if target is None:
                target = mailbox.add(folder, message)
            else:
                mailbox.replace(target, message)
            return self.item_id(target, "C")

        elements = list(request.find(f"{M}Items"))
        kept = len(elements)
        if self.has("batch-stopped", "batch-busy-tail"):
            kept = 3
        elif self.has("busy-inner") and self.now_and_then("UploadItems", 4):
            kept = 0
        elif self.has("timeout-expired") and kept > 4:
            kept = 0
        outcomes = self.each(elements[:kept], one)
        code = "ErrorBatchProcessingStopped" if self.has("batch-stopped") else "ErrorServerBusy"
        code = "ErrorTimeoutExpired" if self.has("timeout-expired") else code
        back_off = 60 if code == "ErrorServerBusy" else None
        return outcomes + [ItemFailure(code, "Not done.", back_off) for _ in elements[kept:]]

    def op_CreateFolder(self, mailbox, request):
        parent = self.folder(mailbox, request.find(f"{M}ParentFolderId")[0])

        def one(element):
            name = element.findtext(f"{T}DisplayName") or ""
            if any(f.name.lower() == name.lower() for f in mailbox.children(parent, False)):
                raise ItemFailure("ErrorFolderExists", "A folder with this name exists.")
            folder_class = element.findtext(f"{T}FolderClass") or "IPF.Note"
            made = mailbox.add_folder(parent, name, folder_class)
            return (
                f'<m:Folders><t:{made.kind}><t:FolderId Id={quoteattr(made.id)} '
                f'ChangeKey="AQAAAA=="/></t:{made.kind}></m:Folders>'
            )

        return self.each(request.find(f"{M}Folders"), one)

    def op_DeleteItem(self, mailbox, request):
        if request.get("SendMeetingCancellations", "SendToNone") != "SendToNone":
            self.complain("a deletion that sends cancellations")

        def one(element):
            mailbox.remove(self.find_item_by_id(mailbox, element))
            return ""

        return self.each(request.find(f"{M}ItemIds"), one)

    def op_UpdateItem(self, mailbox, request):
        def one(element):
            item = self.find_item_by_id(mailbox, element.find(f"{T}ItemId"))
            read = element.find(f".//{T}IsRead")
            if read is not None:
                mailbox.mark(item, read.text == "true")
            shown = f"<m:Items><t:{item.kind}>{self.item_id(item)}</t:{item.kind}></m:Items>"
            return f"{shown}<m:ConflictResults><t:Count>0</t:Count></m:ConflictResults>"

        return self.each(request.find(f"{M}ItemChanges"), one)

    def op_MoveItem(self, mailbox, request):
        folder = self.folder(mailbox, request.find(f"{M}ToFolderId")[0])

        def one(element):
            item = mailbox.move(self.find_item_by_id(mailbox, element), folder)
            return f"<m:Items><t:{item.kind}>{self.item_id(item)}</t:{item.kind}></m:Items>"

        return self.each(request.find(f"{M}ItemIds"), one)


def extended_xml(path, value):
    attributes = "".join(f" {name}={quoteattr(found)}" for name, found in path.items())
    return (
        f"<t:ExtendedProperty><t:ExtendedFieldURI{attributes}/><t:Value>{text(value)}</t:Value>"
        "</t:ExtendedProperty>"
    )


# Looks


def add_unknown(whole):
    odd = '<x:Later xmlns:x="urn:later" a="1"><x:ItemId Id="x"/><t:Subject>no</t:Subject></x:Later>'
    whole = re.sub(r"(<t:(?:Folder|Message|CalendarItem|CalendarFolder)>)", rf"\1{odd}", whole)
    whole = re.sub(r"(</m:ResponseCode>)", rf"\1{odd}<t:Novelty/>", whole)
    whole = re.sub(r"(<[mt]:ItemId )", r'\1Region="eu" xmlns:q="urn:q" q:Hint="&lt;" ', whole)
    whole = re.sub(r"(<m:Changes>)", r"\1<t:Renamed><t:ItemId Id='zz'/></t:Renamed>", whole)
    return re.sub(r"(<m:ResponseMessages>)", rf"{odd}\1", whole)


def add_comments(whole):
    whole = re.sub(r"(<[mt]:ItemId )", r"<!-- > <t:ItemId Id='no'/> --><?php t ?>\1", whole)
    whole = re.sub(r"<m:ResponseCode>NoError<", "<m:ResponseCode><![CDATA[No]]>&#69;rror<", whole)
    # Text in pieces, but data is cut elsewhere.
    return re.sub(
        r"<t:(DisplayName|ItemClass|Subject)>([^<&]{2,})<",
        lambda x: f"<t:{x[1]}>{x[2][:1]}<!--c--><![CDATA[{x[2][1:]}]]><",
        whole,
    )


def default_namespaces(whole):
    """Every element declares its own default namespace."""
    spaces = {"s": ENVELOPE, "m": MESSAGES, "t": TYPES}
    whole = re.sub(
        r"<([smt]):([\w.]+)", lambda x: f'<{x[2]} xmlns="{spaces[x[1]]}"', whole
    )
    whole = re.sub(r"</[smt]:", "</", whole)
    return re.sub(r"<(faultcode|faultstring|detail)\b", r'<\1 xmlns=""', whole)


# HTTP


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service = None
    # One write an answer: Nagle's algorithm would otherwise hold the body back.
    wbufsize = -1
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.requests = 0

    def log_message(self, *_):
        pass

    def send_header(self, keyword, value):
        if self.service.has("lower-case"):
            keyword = keyword.lower()
        super().send_header(keyword, value)

    def do_GET(self):
        if self.path.startswith("/control/"):
            return self.control({})
        self.send(405, b"", "text/plain")

    def do_POST(self):
        self.requests += 1
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            self.service.complain("a chunked request body")
            self.close_connection = True
            return self.send(411, b"", "text/plain")
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path.startswith("/control/"):
            return self.control(json.loads(body or b"{}"))
        user = self.user()
        if user is None or (self.service.has("401-always-first") and self.requests == 1):
            return self.send(401, b"", "text/html", [("WWW-Authenticate", 'Basic realm="x"')])
        if self.service.has("redirect"):
            return self.send(302, b"", "text/html", [("Location", "http://192.0.2.1/EWS/")])
        try:
            self.ews(body, user)
        except Fault as fault:
            self.refuse(fault)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        self.after()

    def ews(self, body, user):
        if b"FindFolder" in body and (attack := attack_for(self.service)):
            return self.stream(attack)
        answer = self.service.answer(body, self.headers, user).encode("utf-8")
        if self.service.has("cut-body") and b"ExportItems>" in body:
            if self.service.now_and_then("ExportItems", 4):
                return self.cut(answer)
        self.send(200, answer, "text/xml; charset=utf-8")

    def refuse(self, fault):
        if fault.code == "503":
            return self.send(503, b"busy", "text/plain", [("Retry-After", "1")])
        if fault.code == "html":
            return self.send(500, b"<html><body>Server Error</body></html>", "text/html")
        answer = self.service.fault(fault).encode("utf-8")
        self.send(fault.status, answer, "text/xml; charset=utf-8")

    def after(self):
        if self.service.has("close-7") and self.requests % 7 == 0:
            self.close_connection = True

    def user(self):
        given = self.headers.get("Authorization", "")
        if not given.startswith("Basic "):
            return None
        name, _, password = base64.b64decode(given[6:]).decode().partition(":")
        known = name.lower() in self.service.store.mailboxes
        return name.lower() if known and password == "secret" else None

    def send(self, status, body, content_type, headers=()):
        self.send_response(status)
        if not self.service.has("no-content-type"):
            self.send_header("Content-Type", content_type)
        accepts = "gzip" in self.headers.get("Accept-Encoding", "")
        if self.service.has("gzip") and accepts and body:
            body = gzip.compress(body, 1)
            self.send_header("Content-Encoding", "gzip")
        for name, value in headers:
            self.send_header(name, value)
        if self.service.has("close-announced"):
            self.send_header("Connection", "close")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def cut(self, answer):
        self.send_response(200)
        self.send_header("Content-Type", "text/xml; charset=utf-8")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer[: len(answer) // 2])
        self.wfile.flush()
        self.close_connection = True

    def stream(self, parts):
        """An answer of unknown length; ends when the client has had enough."""
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/xml; charset=utf-8")
        self.send_header("Connection", "close")
        self.end_headers()
        for part in parts:
            if self.service.stop_endless:
                return
            self.wfile.write(part.encode())
            self.wfile.flush()

    def control(self, wanted):
        service, store = self.service, self.service.store
        with store.lock:
            answer = {}
            if self.path == "/control/dump":
                answer = {address: store.dump(address) for address in store.mailboxes}
            elif self.path == "/control/mutate":
                answer = {name: store.mutate(name) for name in wanted["mailboxes"]}
            elif self.path == "/control/quirks":
                service.quirks = set(wanted["quirks"])
            elif self.path == "/control/epoch":
                service.epoch += 1
            elif self.path == "/control/stop":
                service.stop_endless = True
            elif self.path == "/control/log":
                answer = {
                    "calls": dict(service.calls),
                    "exported": dict(service.exported),
                    "violations": service.violations,
                }
                service.reset()
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def attack_for(service):
    head = f'<s:Envelope xmlns:s="{ENVELOPE}" xmlns:m="{MESSAGES}" xmlns:t="{TYPES}"><s:Body>'
    opening = (
        head + '<m:FindFolderResponse><m:ResponseMessages><m:FindFolderResponseMessage '
        'ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>'
        '<m:RootFolder IncludesLastItemInRange="true"><t:Folders>'
    )
    closing = (
        "</t:Folders></m:RootFolder></m:FindFolderResponseMessage></m:ResponseMessages>"
        "</m:FindFolderResponse></s:Body></s:Envelope>"
    )
    if service.has("doctype"):
        entities = '<!ENTITY a0 "aaaaaaaaaa">' + "".join(
            f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12)
        )
        name = "<t:Folder><t:FolderId Id='x'/><t:DisplayName>&a11;</t:DisplayName></t:Folder>"
        return iter([f"<!DOCTYPE s:Envelope [{entities}]>", opening, name, closing])
    if service.has("doctype-external"):
        entity = '<!DOCTYPE s:Envelope [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        name = "<t:Folder><t:FolderId Id='x'/><t:DisplayName>&x;</t:DisplayName></t:Folder>"
        return iter([entity, opening, name, closing])
    if service.has("deep-xml"):
        return iter([opening, "<t:X>" * 3_000_000, "</t:X>" * 3_000_000, closing])
    if service.has("huge-text"):
        start = "<t:Folder><t:FolderId Id='x'/><t:DisplayName>"
        return iter([opening, start, *("n" * 1_000_000 for _ in range(300)), "</t:DisplayName>"])
    if service.has("many-attributes"):
        attributes = "".join(f" a{n}='v'" for n in range(1_000_000))
        return iter([opening, f"<t:Folder{attributes}>", "</t:Folder>", closing])
    if service.has("endless-rows"):
        return endless_rows(opening)
    if service.has("endless-blanks"):
        return (part for part in forever([opening, closing], " " * 65536))
    if service.has("endless-slow"):
        return slowly(opening)
    return None


def forever(start, more):
    yield from start
    while True:
        yield more


def endless_rows(opening):
    yield opening
    number = 0
    while True:
        number += 1
        yield "".join(
            f"<t:Folder><t:FolderId Id='{number}.{n}'/><t:DisplayName>x</t:DisplayName></t:Folder>"
            for n in range(500)
        )


def slowly(opening):
    yield opening
    while True:
        time.sleep(1)
        yield " "


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--items", type=int, default=60)
    parser.add_argument("--quirk", action="append", default=[], choices=sorted(QUIRKS))
    parser.add_argument("--capture", type=Path, help="a folder for the requests received")
    parser.add_argument("--list", action="store_true", help="show the quirks")
    arguments = parser.parse_args()
    if arguments.list:
        for name, meaning in QUIRKS.items():
            print(f"{name:26}{meaning}")
        return
    store = Store(arguments.seed, arguments.items, "odd-names" in arguments.quirk)
    if arguments.capture:
        arguments.capture.mkdir(parents=True, exist_ok=True)
    Handler.service = Service(store, arguments.quirk, arguments.seed, arguments.capture)
    host, _, port = arguments.listen.rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), Handler)
    server.daemon_threads = True
    print(f"http://{host}:{server.server_address[1]}/EWS/Exchange.asmx", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
