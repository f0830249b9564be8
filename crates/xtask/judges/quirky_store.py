"""Mailboxes, folders and items with Exchange's habits: ids, change keys, change numbers."""

import base64
import hashlib
import random
import struct
import threading

import quirky_fts as fts
import quirky_mail as mail

DISTINGUISHED = {
    "inbox": ("Inbox", "IPF.Note"),
    "sentitems": ("Sent Items", "IPF.Note"),
    "drafts": ("Drafts", "IPF.Note"),
    "deleteditems": ("Deleted Items", "IPF.Note"),
    "junkemail": ("Junk E-mail", "IPF.Note"),
    "outbox": ("Outbox", "IPF.Note"),
    "calendar": ("Calendar", "IPF.Appointment"),
    "contacts": ("Contacts", "IPF.Contact"),
    "tasks": ("Tasks", "IPF.Task"),
    "notes": ("Notes", "IPF.StickyNote"),
}
KINDS = {
    "IPF.Appointment": "CalendarFolder",
    "IPF.Contact": "ContactsFolder",
    "IPF.Task": "TasksFolder",
}
ITEM_KINDS = {
    "IPM.Appointment": "CalendarItem",
    "IPM.Contact": "Contact",
    "IPM.Task": "Task",
    "IPM.DistList": "DistributionList",
}
ODD_NAMES = [
    "",
    "AC/DC",
    "AC\\",
    "bell\x07 and unit\x1f",
    "..",
    "CON.",
    " spaces around ",
    "tab\tinside",
    "💥 <&\"'> ]]>",
    "x" * 250,
]
FIRST_TIME = 1_577_836_800.0


class Folder:
    def __init__(self, mailbox, number, parent, name, folder_class, distinguished=None):
        self.number, self.parent, self.name = number, parent, name
        self.folder_class, self.distinguished = folder_class, distinguished
        self.items, self.tombstones, self.deleted = {}, [], 0
        self.commit = 0
        self.id = encode(b"F" * 4 + mailbox.guid + struct.pack("<I", number) + b"\0" * 7)

    @property
    def kind(self):
        return KINDS.get(self.folder_class, "Folder")


class Item:
    def __init__(self, mailbox, number, folder, message):
        self.number, self.folder, self.message = number, folder, message
        self.id = encode(b"I" * 24 + mailbox.guid + struct.pack("<I", number) + b"\0" * 7)
        self.created = self.changed = self.flagged = 0
        flags = message.find(fts.FLAGS)
        self.is_read = bool(flags and flags.value[0] & 1)

    def key_at(self, change):
        """The change key after a change; marking an item read leaves it as it is."""
        return encode(b"CQAAABYA" + struct.pack("<I", change))

    @property
    def item_class(self):
        return self.message.text(0x001A) or "IPM.Note"

    @property
    def kind(self):
        return ITEM_KINDS.get(self.item_class, "Message")

    def stream(self, quirks):
        flags = self.message.find(fts.FLAGS)
        if flags:
            flags.value = bytes([flags.value[0] & ~1 | self.is_read]) + flags.value[1:]
        version = "2010" if self.number % 2 else "online"
        return fts.write(self.message, version, mail.irregular(self.number))


class Mailbox:
    def __init__(self, address):
        self.address, self.guid = address, hashlib.md5(address.encode()).digest()
        self.folders, self.items = {}, {}
        self.number, self.change = 0, 0
        self.root = self.add_folder(None, "Top of Information Store", "")
        for name, (shown, folder_class) in DISTINGUISHED.items():
            self.add_folder(self.root, shown, folder_class, name)

    def add_folder(self, parent, name, folder_class, distinguished=None):
        self.number += 1
        folder = Folder(self, self.number, parent, name, folder_class, distinguished)
        self.folders[folder.id] = folder
        self.touch(folder)
        return folder

    def distinguished(self, name):
        if name in ("msgfolderroot", "root"):
            return self.root
        return next((f for f in self.folders.values() if f.distinguished == name), None)

    def touch(self, folder):
        self.change += 1
        folder.commit = self.change
        return self.change

    def add(self, folder, message):
        self.number += 1
        item = Item(self, self.number, folder, message)
        item.created = item.changed = self.touch(folder)
        folder.items[item.id] = item
        self.items[item.id] = item
        return item

    def replace(self, item, message):
        item.message = message
        flags = message.find(fts.FLAGS)
        item.is_read = bool(flags and flags.value[0] & 1)
        item.changed = self.touch(item.folder)

    def mark(self, item, is_read):
        item.is_read = is_read
        item.flagged = self.touch(item.folder)

    def remove(self, item):
        folder = item.folder
        del folder.items[item.id], self.items[item.id]
        folder.deleted += 1
        folder.tombstones.append((self.touch(folder), item.id))

    def move(self, item, folder):
        self.remove(item)
        return self.add(folder, item.message)

    def children(self, folder, deep):
        for child in list(self.folders.values()):
            if child.parent is folder:
                yield child
                if deep:
                    yield from self.children(child, True)

    def path(self, folder):
        names = []
        while folder is not self.root:
            names.insert(0, folder.name)
            folder = folder.parent
        return names


def encode(raw):
    return base64.b64encode(raw).decode()


class Store:
    """All mailboxes behind one lock, and what clients did with them."""

    def __init__(self, seed, items, odd_names):
        self.lock = threading.RLock()
        self.rng = random.Random(seed)
        self.mailboxes = {}
        for name in ("ann", "bo"):
            self.fill(f"{name}@quirk.test", items, odd_names)
        for name in ("copy", "svc"):
            self.mailboxes[f"{name}@quirk.test"] = Mailbox(f"{name}@quirk.test")

    def fill(self, address, items, odd_names):
        mailbox = self.mailboxes[address] = Mailbox(address)
        inbox = mailbox.distinguished("inbox")
        projects = mailbox.add_folder(inbox, "Projects", "IPF.Note")
        folders = [*[inbox] * 20, projects, mailbox.distinguished("sentitems")]
        folders.append(mailbox.add_folder(projects, "2024 Ünïcode", "IPF.Note"))
        for number in range(12):
            folders.append(mailbox.add_folder(mailbox.root, f"List {number}", "IPF.Note"))
        if odd_names:
            for name in ODD_NAMES:
                folder = mailbox.add_folder(mailbox.root, name, "IPF.Note")
                folders += [folder, mailbox.add_folder(folder, "DC", "IPF.Note")]
        for number in range(items):
            folder = folders[number % len(folders)]
            mailbox.add(folder, mail.message(self.rng, big=number == 7))
        for name, item_class in (
            ("calendar", "IPM.Appointment"),
            ("contacts", "IPM.Contact"),
            ("tasks", "IPM.Task"),
            ("notes", "IPM.StickyNote"),
            ("inbox", "IPM.Schedule.Meeting.Request"),
            ("inbox", "REPORT.IPM.Note.NDR"),
            ("inbox", "IPM.Custom.Form"),
        ):
            mailbox.add(mailbox.distinguished(name), mail.message(self.rng, item_class))

    def mutate(self, address):
        """New, changed, moved, deleted, and read items; returns what must be downloaded."""
        mailbox, rng = self.mailboxes[address], self.rng
        inbox = mailbox.distinguished("inbox")
        target = mailbox.distinguished("deleteditems")
        chosen = rng.sample(sorted(inbox.items), 7)
        items = [mailbox.items[chosen_id] for chosen_id in chosen]
        wanted = []
        for _ in range(3):
            wanted.append(mailbox.add(inbox, mail.message(rng)).id)
        for item in items[:2]:
            mailbox.replace(item, mail.message(rng))
            wanted.append(item.id)
        for item in items[2:4]:
            wanted.append(mailbox.move(item, target).id)
        mailbox.remove(items[4])
        flagged = items[5:7]
        for item in flagged:
            mailbox.mark(item, not item.is_read)
        return {"download": wanted, "flagged": [item.id for item in flagged]}

    def dump(self, address):
        """Folders as lists of names, each with what a restore must bring back."""
        mailbox = self.mailboxes[address]
        found = []
        for folder in mailbox.children(mailbox.root, True):
            items = [
                {
                    "id": item.id,
                    "content": fts.fingerprint(item.message),
                    "is_read": item.is_read,
                    "class": item.item_class,
                    "origins": sum(a.name == fts.ORIGIN for a in item.message.atoms),
                }
                for item in folder.items.values()
            ]
            found.append({"path": mailbox.path(folder), "class": folder.folder_class, "items": items})
        return found
