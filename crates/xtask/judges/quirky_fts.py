"""Reader and writer of Exchange's native stream, written from the format's description alone.

Shares nothing with the Rust reader, so that a misreading on either side shows as a difference.
A message is kept as the atoms found in it: values stay the very bytes they are on the wire.
"""

import hashlib
import struct

PROLOGUE = bytes.fromhex(
    "0100000008000000" "00000000" "01000000"
    "0300000018000000" "01000000" "0703020000000000c000000000000046" "00240080"
)
VERSIONS = {"2010": bytes.fromhex("010e8b800000"), "online": bytes.fromhex("140fd6918617")}

NEW_ATTACH, END_ATTACH = 0x40000003, 0x400E0003
START_EMBED, END_EMBED = 0x40010003, 0x40020003
START_RECIP, END_RECIP = 0x40030003, 0x40040003
MARKERS = {NEW_ATTACH, END_ATTACH, START_EMBED, END_EMBED, START_RECIP, END_RECIP}
DEL_PROP, DN_PREFIX = 0x4016, 0x4008
NO_RECIPIENTS, NO_ATTACHMENTS = 0x0E12000D, 0x0E13000D

FIXED = {
    0x0002: 2, 0x0003: 4, 0x0004: 4, 0x0005: 8, 0x0006: 8, 0x0007: 8, 0x000A: 4, 0x000B: 2,
    0x0014: 8, 0x0040: 8, 0x0048: 16,
}
PUBLIC_STRINGS = bytes.fromhex("2903020000000000c000000000000046")
COMMON = bytes.fromhex("0820060000000000c000000000000046")
ORIGIN = (PUBLIC_STRINGS, "PostkeepOrigin")

# What a store assigns: entry id, record keys, change numbers, times of its own, the message's id.
STORE_ASSIGNED = {
    0x0FFF, 0x0FF9, 0x0FF6, 0x3007, 0x3008, 0x300B, 0x65E0, 0x65E1, 0x65E2, 0x65E3, 0x674A, 0x0E08,
    0x0E05, 0x0E09, 0x0E2F, 0x3FFA, 0x4008,
}
FLAGS = 0x0E07


class Bad(Exception):
    """The bytes are not a native stream."""


class Atom:
    """A property: type, id, name (set and dispid or text) and the bytes of its value."""

    __slots__ = ("type", "id", "name", "value")

    def __init__(self, kind, number, value, name=None):
        self.type, self.id, self.name, self.value = kind, number, name, value

    def key(self):
        # Ids of named properties are the store's own business.
        return (self.type, self.name if self.name else self.id)


class Message:
    def __init__(self):
        self.atoms = []
        self.recipients = []
        self.attachments = []  # (atoms, Message or None)

    def find(self, number):
        return next((a for a in self.atoms if a.id == number and not a.name), None)

    def named(self, name):
        return next((a for a in self.atoms if a.name == name), None)

    def text(self, number):
        atom = self.find(number)
        return text_of(atom) if atom else ""


def text_of(atom):
    raw = atom.value[4:]
    codec = "cp1252" if atom.type in (0x001E, 0x84E4) else "utf-16-le"
    return raw.decode(codec, "replace").split("\0", 1)[0]


def counted(raw):
    return struct.pack("<I", len(raw)) + raw


# Writing


def pieces(message):
    """The stream as pieces; each may be cut only where it says so."""
    yield from (piece for atom in message.atoms for piece in atom_pieces(atom))
    yield delete(NO_RECIPIENTS), False
    for atoms in message.recipients:
        yield struct.pack("<I", START_RECIP), False
        yield from (piece for atom in atoms for piece in atom_pieces(atom))
        yield struct.pack("<I", END_RECIP), False
    yield delete(NO_ATTACHMENTS), False
    for atoms, embedded in message.attachments:
        yield struct.pack("<I", NEW_ATTACH), False
        yield from (piece for atom in atoms for piece in atom_pieces(atom))
        if embedded:
            yield struct.pack("<I", START_EMBED), False
            yield from pieces(embedded)
            yield struct.pack("<I", END_EMBED), False
        yield struct.pack("<I", END_ATTACH), False


def delete(tag):
    return struct.pack("<II", DEL_PROP << 16 | 3, tag)


def atom_pieces(atom):
    head = struct.pack("<HH", atom.type, atom.id)
    if atom.name:
        guid, name = atom.name
        if isinstance(name, int):
            head += guid + b"\0" + struct.pack("<I", name)
        else:
            head += guid + b"\1" + name.encode("utf-16-le", "surrogatepass") + b"\0\0"
    yield head, False
    if atom.type in FIXED:
        yield atom.value, False
    elif is_multiple(atom.type):
        # The count alone, then every value; cut between values only.
        yield atom.value[:4], False
        yield from ((value, False) for value in values(atom))
    else:
        yield atom.value[:4], False
        yield atom.value[4:], True


def is_multiple(kind):
    return bool(kind & 0x1000) and (kind & 0x8000 == 0 or kind == 0x94B0)


def values(atom):
    count, at = struct.unpack_from("<I", atom.value)[0], 4
    width = FIXED.get(atom.type & ~0x1000) if atom.type < 0x8000 else None
    for _ in range(count):
        size = width or 4 + struct.unpack_from("<I", atom.value, at)[0]
        yield atom.value[at : at + size]
        at += size


def write(message, version="online", lengths=None):
    """The whole stream; `lengths` gives the wanted length of each TransferBuffer in turn."""
    wanted = lengths or (lambda: 31680)
    out = [PROLOGUE, struct.pack("<II", 4, 6), VERSIONS[version]]
    buffer, room = bytearray(), wanted()

    def flush():
        nonlocal buffer, room
        if buffer:
            out.append(struct.pack("<II", 2, len(buffer)))
            out.append(bytes(buffer))
        buffer, room = bytearray(), wanted()

    for piece, may_cut in pieces(message):
        if not may_cut:
            if len(buffer) + len(piece) > room:
                flush()
            buffer += piece
            continue
        while piece:
            if len(buffer) >= room:
                flush()
            step = room - len(buffer)
            buffer += piece[:step]
            piece = piece[step:]
    flush()
    return b"".join(out)


# Reading


class Cursor:
    def __init__(self, raw, cuts):
        self.raw, self.at, self.cuts = raw, 0, cuts

    def take(self, size, may_cut=False):
        end = self.at + size
        if end > len(self.raw):
            raise Bad(f"{size} bytes wanted at {self.at}, the stream ends at {len(self.raw)}")
        if not may_cut and any(cut in self.cuts for cut in range(self.at + 1, end)):
            raise Bad(f"a buffer ends inside an atom between {self.at} and {end}")
        found = self.raw[self.at : end]
        self.at = end
        return found

    def u32(self):
        return struct.unpack("<I", self.take(4))[0]

    def peek(self):
        if self.at + 4 > len(self.raw):
            return None
        return struct.unpack_from("<I", self.raw, self.at)[0]


def unframe(data):
    """The concatenated TransferBuffers, and where one ended inside."""
    if not data.startswith(PROLOGUE):
        raise Bad("wrong prologue")
    at, stream, cuts, seen_version = len(PROLOGUE), bytearray(), set(), False
    while at < len(data):
        if at + 8 > len(data):
            raise Bad("a record is cut")
        opcode, size = struct.unpack_from("<II", data, at)
        at += 8
        if at + size > len(data):
            raise Bad("a record is longer than the data")
        if opcode == 4 and not seen_version:
            seen_version = True
        elif opcode == 2 and seen_version:
            cuts.add(len(stream))
            stream += data[at : at + size]
        else:
            raise Bad(f"opcode {opcode}")
        at += size
    if not seen_version:
        raise Bad("no version")
    return bytes(stream), cuts


def read(data):
    stream, cuts = unframe(data)
    cursor = Cursor(stream, cuts)
    message = read_content(cursor, 0)
    if cursor.at != len(stream):
        raise Bad(f"marker {cursor.peek():08x} at {cursor.at} does not belong here")
    return message


def read_content(cursor, depth):
    if depth > 20:
        raise Bad("messages nested too deeply")
    message = Message()
    message.atoms = read_atoms(cursor)
    while cursor.peek() == START_RECIP:
        cursor.u32()
        message.recipients.append(read_atoms(cursor))
        expect(cursor, END_RECIP)
        skip_deletes(cursor)
    while cursor.peek() == NEW_ATTACH:
        cursor.u32()
        atoms, embedded = read_atoms(cursor), None
        if cursor.peek() == START_EMBED:
            cursor.u32()
            embedded = read_content(cursor, depth + 1)
            expect(cursor, END_EMBED)
        expect(cursor, END_ATTACH)
        message.attachments.append((atoms, embedded))
    return message


def expect(cursor, marker):
    if cursor.peek() != marker:
        raise Bad(f"marker {marker:08x} wanted at {cursor.at}")
    cursor.u32()


def skip_deletes(cursor):
    while (cursor.peek() or 0) >> 16 == DEL_PROP:
        cursor.take(8)


def read_atoms(cursor):
    atoms = []
    while cursor.peek() is not None and cursor.peek() not in MARKERS:
        if cursor.peek() >> 16 == DEL_PROP:
            skip_deletes(cursor)
            continue
        atoms.append(read_atom(cursor))
    return atoms


def read_atom(cursor):
    kind, number = struct.unpack("<HH", cursor.take(4))
    name = None
    if number >= 0x8000:
        guid, by_text = cursor.take(16), cursor.take(1)[0]
        if by_text:
            text = b""
            while (unit := cursor.take(2)) != b"\0\0":
                text += unit
            name = (guid, text.decode("utf-16-le", "surrogatepass"))
        else:
            name = (guid, cursor.u32())
    return Atom(kind, number, read_value(cursor, kind), name)


def read_value(cursor, kind):
    if kind in FIXED:
        return cursor.take(FIXED[kind])
    if is_multiple(kind):
        count = cursor.take(4)
        width = FIXED.get(kind & ~0x1000) if kind < 0x8000 else None
        parts = [count]
        for _ in range(struct.unpack("<I", count)[0]):
            if width:
                parts.append(cursor.take(width))
                continue
            size = cursor.take(4)
            parts += [size, cursor.take(struct.unpack("<I", size)[0], may_cut=True)]
        return b"".join(parts)
    if kind not in (0x001E, 0x001F, 0x0102, 0x00FB, 0x000D) and kind & 0x8000 == 0:
        raise Bad(f"type {kind:04x} at {cursor.at}")
    size = cursor.take(4)
    return size + cursor.take(struct.unpack("<I", size)[0], may_cut=True)


# Comparing


def fingerprint(message):
    """A hash of all that a backup must bring back."""
    digest = hashlib.sha256()
    add(digest, message)
    return digest.hexdigest()[:24]


def add(digest, message):
    for atoms in (message.atoms, *message.recipients):
        add_atoms(digest, atoms)
    for atoms, embedded in message.attachments:
        digest.update(b"attachment")
        add_atoms(digest, atoms)
        if embedded:
            digest.update(b"embedded")
            add(digest, embedded)


def add_atoms(digest, atoms):
    digest.update(b"list")
    kept = [a for a in atoms if a.name or a.id not in STORE_ASSIGNED]
    kept = [a for a in kept if a.name != ORIGIN]
    for atom in sorted(kept, key=lambda a: repr(a.key())):
        value = atom.value
        if atom.id == FLAGS and not atom.name:
            # The read state is compared by itself.
            value = bytes([value[0] & ~1]) + value[1:]
        digest.update(repr(atom.key()).encode() + b"=" + value)
