"""Reads a repository as docs/format.md describes it, and as nothing else does.

Written from that document and not from the program, so that the two check each other: what is
wrong or missing in the document fails here. Lists every snapshot as JSON on standard output, and
writes every item's native stream to a folder:

    format_reader.py REPOSITORY --passphrase-file FILE [--out FOLDER]

Needs cryptography, argon2-cffi, blake3 and zstandard. Reads everything into memory, a pack at a
time, and believes nothing: every checksum, length and order the document promises is looked at.
"""

import argparse
import base64
import hashlib
import hmac
import json
import struct
import sys
from collections import OrderedDict
from pathlib import Path

import zstandard
from argon2.low_level import Type, hash_secret_raw
from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SUITES = {"aes-256-gcm": (1, AESGCM), "chacha20-poly1305": (2, ChaCha20Poly1305)}
CIPHERS = dict(SUITES.values())
DATA_PACK, META_PACK, INDEX, OPEN, END, DICTIONARY, KEY_SLOT, FORGET, CONDEMNED, DOOMED = range(1, 11)
CHECKPOINT, SESSION_KEY = 12, 13
DATA, META, PADDING = 0, 1, 0xFF
PREAMBLE_BYTES = 64
CHUNK_LIMIT = 4 << 20
RECORD_LIMIT = 256 << 20
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PROLOGUE = bytes.fromhex(
    "01000000" "08000000" "0000000001000000"
    "03000000" "18000000" "01000000" "0703020000000000c000000000000046" "00240080"
    "04000000" "06000000"
)  # fmt: skip


class Damaged(Exception):
    """The stored bytes are not what the document says."""


def expect(condition, what):
    if not condition:
        raise Damaged(what)


# Names and numbers


def ulid_bytes(text):
    """The 16 bytes, big-endian, of a ULID in its canonical spelling; None for anything else."""
    if len(text) != 26 or text[0] > "7" or any(letter not in CROCKFORD for letter in text):
        return None
    number = 0
    for letter in text:
        number = number << 5 | CROCKFORD.index(letter)
    return number.to_bytes(16, "big")


def ulid_text(value):
    number = int.from_bytes(value, "big")
    return "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


class Cursor:
    """Takes fields from the front of some bytes."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, length):
        piece = self.data[self.at : self.at + length]
        expect(len(piece) == length, "it ends early")
        self.at += length
        return piece

    def number(self, form):
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))[0]

    def sized(self):
        """A u32 length and so many bytes."""
        return self.take(self.number("I"))

    def varint(self):
        value, shift = 0, 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                expect(byte or not shift, "a number is longer than it needs to be")
                expect(value < 1 << 64, "a number is too large")
                return value
            shift += 7

    def varints(self, count):
        return [self.varint() for _ in range(count)]

    def rest(self):
        return self.take(len(self.data) - self.at)

    def end(self):
        expect(self.at == len(self.data), "something follows its end")


# Keys and sealing


def hkdf(key, salt, info):
    return HKDF(SHA256(), 32, salt, info).derive(key)


class Preamble:
    def __init__(self, data, kinds, repository_id):
        self.data = data[:PREAMBLE_BYTES]
        fields = Cursor(self.data)
        expect(fields.take(8) == b"POSTKEEP", "it does not begin with the magic")
        expect(fields.number("B") == 1, "its version is unknown")
        self.kind, self.suite = fields.number("B"), fields.number("B")
        expect(self.kind in kinds, f"it is of kind {self.kind}")
        expect(self.suite in CIPHERS, "its suite is unknown")
        expect(fields.number("B") == 0, "a reserved byte is not zero")
        self.epoch = fields.number("I")
        expect(self.epoch >= 1, "its epoch is impossible")
        self.repository_id, self.salt = fields.take(16), fields.take(16)
        expect(repository_id in (None, self.repository_id), "it belongs to another repository")
        expect(fields.take(16) == bytes(16), "a reserved byte is not zero")
        expect(self.epoch < SEALED or self.kind == DATA_PACK, "its epoch is one of data packs only")


# Sealed sessions: HPKE (RFC 9180) with X25519, HKDF-SHA256 and export only, by hand.

SEALED = 1 << 31
KEM_SUITE = b"KEM" + bytes.fromhex("0020")
HPKE_SUITE = b"HPKE" + bytes.fromhex("00200001ffff")


def meta_epoch(epoch):
    """The epoch whose meta key belongs to any epoch."""
    return (epoch >> 23 & 0xFF) + 1 if epoch >= SEALED else epoch


def labeled_extract(suite, salt, label, secret):
    return hmac.digest(salt, b"HPKE-v1" + suite + label + secret, "sha256")


def labeled_expand(suite, secret, label, info):
    labeled = bytes.fromhex("0020") + b"HPKE-v1" + suite + label + info
    return hmac.digest(secret, labeled + b"\1", "sha256")


def decapsulated(private_bytes, encapsulated, info, exporter_context):
    """What the sender exported."""
    private = X25519PrivateKey.from_private_bytes(private_bytes)
    public = private.public_key().public_bytes_raw()
    shared = private.exchange(X25519PublicKey.from_public_bytes(encapsulated))
    shared = labeled_extract(KEM_SUITE, b"", b"eae_prk", shared)
    shared = labeled_expand(KEM_SUITE, shared, b"shared_secret", encapsulated + public)
    context = b"\0" + labeled_extract(HPKE_SUITE, b"", b"psk_id_hash", b"")
    context += labeled_extract(HPKE_SUITE, b"", b"info_hash", info)
    secret = labeled_extract(HPKE_SUITE, shared, b"secret", b"")
    exporter = labeled_expand(HPKE_SUITE, secret, b"exp", context)
    return labeled_expand(HPKE_SUITE, exporter, b"sec", exporter_context)


class Sealer:
    """The key of one object for one purpose."""

    def __init__(self, parent, purpose, kind, suite, epoch, salt, repository_id):
        info = b"postkeep v1 object " + purpose + b"\0"
        info += struct.pack("<BBI", kind, suite, epoch) + repository_id
        self.cipher = CIPHERS[suite](hkdf(parent, salt, info))

    def open(self, piece, position, associated):
        try:
            return self.cipher.decrypt(position.to_bytes(12, "big"), bytes(piece), bytes(associated))
        except InvalidTag:
            raise Damaged("it does not open") from None


class Keys:
    def __init__(self, masters, repository_id):
        self.masters, self.repository_id = masters, repository_id
        self.chunk_id = hkdf(masters[0], repository_id, b"postkeep v1 chunk id")
        content = hkdf(masters[0], repository_id, b"postkeep v1 content")
        names = ("item hash", "gear table", "tree cut")
        contexts = [f"postkeep chunkstore v1 {name}" for name in names]
        derived = [blake3(content, derive_key_context=context).digest() for context in contexts]
        self.item_hash, gear, self.tree_cut = derived
        self.gear = struct.unpack("<256Q", blake3(b"", key=gear).digest(2048))
        self.sessions = {}

    def parent(self, name, epoch):
        info = b"postkeep v1 " + name + struct.pack("<I", epoch)
        expect(epoch <= len(self.masters), "it is of an epoch that no rotation has finished")
        return hkdf(self.masters[epoch - 1], self.repository_id, info)

    def public_keys(self):
        """What signatures are checked with, one an epoch."""
        for epoch in range(1, len(self.masters) + 1):
            signing = Ed25519PrivateKey.from_private_bytes(self.parent(b"signature", epoch))
            public = signing.public_key().public_bytes_raw()
            key_id = hashlib.sha256(public).digest()[:8]
            yield base64.b64encode(b"Ed" + key_id + public).decode()

    def sealer(self, purpose, kind, suite, epoch, salt):
        name = b"data" if purpose == b"blob" and kind == DATA_PACK else b"meta"
        if name == b"data" and epoch >= SEALED:
            expect(epoch in self.sessions, f"the key of session {epoch:08x} is missing")
            parent = self.sessions[epoch]
        else:
            parent = self.parent(name, meta_epoch(epoch))
        return Sealer(parent, purpose, kind, suite, epoch, salt, self.repository_id)

    def add_session(self, epoch, encapsulated):
        private = self.parent(b"writers", meta_epoch(epoch))
        info = b"postkeep v1 session" + self.repository_id
        context = b"postkeep v1 session data" + struct.pack("<I", epoch)
        self.sessions[epoch] = decapsulated(private, encapsulated, info, context)

    def of(self, preamble, purpose):
        return self.sealer(purpose, preamble.kind, preamble.suite, preamble.epoch, preamble.salt)


# The repository's objects


class Repository:
    def __init__(self, folder, passphrase):
        self.folder = folder
        self.read_description()
        self.keys = Keys(self.master_keys(passphrase), self.id)
        self.dictionaries = {}
        self.read_session_keys()
        self.sessions = self.read_sessions()
        self.packs, self.entries = {}, {}
        for session in self.sessions:
            for segment in session["segments"]:
                self.read_index(segment, {name for name, _ in session["packs"]})
        self.pack_bytes, self.chunks = OrderedDict(), OrderedDict()

    def names(self, prefix):
        folder = self.folder / prefix
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        return [f"{prefix}/{file.name}" for file in files if file.is_file()]

    def read(self, name):
        return (self.folder / name).read_bytes()

    def read_description(self):
        self.description = self.read("repository.json")
        fields = json.loads(self.description)
        expect(fields["magic"] == "postkeep repository", "repository.json is something else")
        expect((fields["format"], fields["protocol"]) == (1, 1), "the repository is of a later version")
        order = ["magic", "format", "protocol", "id", "suite", "writers", "created_unix_ms", "checksum"]
        again = {name: fields[name] for name in order}
        expect(self.encode(again) == self.description, "repository.json is not written as it should be")
        checksum = again.pop("checksum")
        again["checksum"] = ""
        expect(blake3(self.encode(again)).hexdigest(16) == checksum, "repository.json is damaged")
        expect(fields["writers"] in ("many", "single"), "its writers are unknown")
        self.id = ulid_bytes(fields["id"])
        self.suite, _ = SUITES[fields["suite"]]

    @staticmethod
    def encode(fields):
        return json.dumps(fields, indent=2).encode() + b"\n"

    def master_keys(self, passphrase):
        associated = blake3(self.description).digest()
        names = self.names("keys")
        epochs = [int(name[-8:], 16) for name in names if name.startswith("keys/epoch-")]
        newest = max(epochs, default=1)
        for name in names:
            if name.startswith("keys/epoch-"):
                continue
            data = self.read(name)
            expect(f"keys/{blake3(data).hexdigest(16)}" == name, f"{name} is damaged")
            preamble = Preamble(data, {KEY_SLOT}, None)
            if preamble.repository_id != self.id or data[64:66] != b"\x01\x01":
                continue
            if preamble.epoch != newest:
                continue
            memory, passes, lanes = struct.unpack("<III", data[66:78])
            expect(memory <= 4 << 20 and passes <= 64 and lanes <= 16, f"{name} asks for too much")
            at = 78 + 144
            expect(len(data) == at + 32 * newest + 16, f"{name} has an impossible length")
            stretched = hash_secret_raw(passphrase, preamble.salt, passes, memory, lanes, 32, Type.ID, 0x13)
            sealer = Sealer(stretched, b"key slot", KEY_SLOT, preamble.suite, newest, preamble.salt, self.id)
            try:
                keys = sealer.open(data[at:], at, data[:at] + associated)
            except Damaged:
                continue
            return [keys[start : start + 32] for start in range(0, len(keys), 32)]
        raise Damaged("no key slot opens: wrong passphrase?")

    def record(self, name, kind):
        """The content of a sealed record."""
        try:
            data = self.read(name)
            preamble = Preamble(data, {kind}, self.id)
            sealer = self.keys.of(preamble, b"sealed")
            frame = sealer.open(data[64:], 64, preamble.data + name.encode())
            return Cursor(self.unframe(frame, RECORD_LIMIT))
        except Damaged as error:
            raise Damaged(f"{name}: {error}") from None

    def unframe(self, frame, limit):
        fields = Cursor(frame)
        codec = fields.number("B")
        dictionary = self.dictionary(fields.number("I")) if codec == 2 else None
        length = fields.number("I")
        expect(length <= limit, "it is too long")
        body = fields.rest()
        if codec != 0:
            expect(codec in (1, 2), "its codec is unknown")
            reader = zstandard.ZstdDecompressor(dict_data=dictionary)
            body = reader.decompress(body, max_output_size=length, allow_extra_data=False)
        expect(len(body) == length, "it has another length than its frame says")
        return body

    def dictionary(self, number):
        if number not in self.dictionaries:
            try:
                fields = self.record(f"dicts/{number:08x}-1", DICTIONARY)
            except (Damaged, OSError):
                fields = self.record(f"dicts/{number:08x}-2", DICTIONARY)
            fields.number("q")
            content = fields.rest()
            found = blake3(content, key=self.keys.chunk_id).digest(4)
            expect(int.from_bytes(found, "little") == number, "a dictionary has another name")
            self.dictionaries[number] = zstandard.ZstdCompressionDict(content)
        return self.dictionaries[number]

    def read_session_keys(self):
        """Those of sealed sessions, each in two copies."""
        for name in self.names("sealed"):
            record = self.record(name, SESSION_KEY)
            record.take(16)
            encapsulated = record.take(32)
            record.end()
            text = Path(name).name.removesuffix(".copy")
            epoch = int(text, 16)
            expect(len(text) == 8 and epoch >= SEALED, f"{name} names no sealed session")
            known = self.keys.sessions.get(epoch)
            self.keys.add_session(epoch, encapsulated)
            expect(known in (None, self.keys.sessions[epoch]), f"the copies of {name} differ")

    # Sessions

    def read_sessions(self):
        """The committed ones, oldest first."""
        names = [Path(name) for name in self.names("sessions")]
        texts = [name.stem for name in names if name.suffix == ".end" and ulid_bytes(name.stem)]
        base, summed_up = self.newest_checkpoint()
        texts = [text for text in texts if text not in summed_up]
        return base + [session for session in map(self.read_session, texts) if session]

    def newest_checkpoint(self):
        """What all sessions before it add up to, as one session, and the ids of those sessions."""
        names = {Path(name).name.removesuffix(".copy") for name in self.names("admin/checkpoint")}
        for name in sorted(names, reverse=True):
            for copy in (name, name + ".copy"):
                try:
                    return self.read_checkpoint(f"admin/checkpoint/{copy}", int(name, 16))
                except (Damaged, OSError):
                    continue
        return [], set()

    def read_checkpoint(self, name, epoch):
        fields = self.record(name, CHECKPOINT)
        expect(fields.number("B") == 1, "a checkpoint of an unknown version")
        expect(fields.number("I") == epoch, "a checkpoint of another epoch")
        fields.number("q")
        many = lambda read: [read() for _ in range(fields.number("I"))]
        summed_up = many(lambda: ulid_text(fields.take(16)))
        summed_up += many(lambda: ulid_text(fields.take(16)))
        snapshots = []
        for _ in range(fields.number("I")):
            fields.take(16)
            fields.number("q")
            fields.sized()
            fields.number("I")
            snapshots += many(lambda: self.snapshot(fields))
        packs = many(lambda: (fields.take(32), fields.number("Q")))
        segments = many(lambda: ulid_text(fields.take(16)))
        for size in (32, 16, 16):
            many(lambda: fields.take(size))
        for _ in range(fields.number("I")):
            fields.number("I")
            fields.number("q")
            fields.sized()
        fields.end()
        for pack, length in packs:
            size = (self.folder / self.pack_name(pack)).stat().st_size
            expect(size == length, f"pack {pack.hex()} has another length")
        base = {"segments": segments, "packs": packs, "snapshots": snapshots}
        return [base], set(summed_up)

    def read_session(self, text):
        begin = self.record(f"sessions/{text}.open", OPEN)
        nonce = begin.take(16)
        begin.number("q")
        begin.sized()
        begin.end()
        fields = self.record(f"sessions/{text}.end", END)
        outcome = fields.number("B")
        ended_by = fields.take(16)
        fields.number("q")
        if outcome == 2:
            fields.end()
            return None
        expect(outcome == 1, "a session's outcome is unknown")
        expect(ended_by == nonce, "a session was committed by somebody else")
        fields.sized()
        segments = [ulid_text(fields.take(16)) for _ in range(fields.number("I"))]
        packs = [(fields.take(32), fields.number("Q")) for _ in range(fields.number("I"))]
        snapshots = [self.snapshot(fields) for _ in range(fields.number("I"))]
        fields.end()
        for name, length in packs:
            size = (self.folder / self.pack_name(name)).stat().st_size
            expect(size == length, f"pack {name.hex()} has another length")
        return {"segments": segments, "packs": packs, "snapshots": snapshots}

    @staticmethod
    def snapshot(fields):
        snapshot = {
            "id": fields.take(16).hex(),
            "mailbox": fields.sized().decode(),
            "time_unix_ms": fields.number("q"),
        }
        partial = fields.number("B")
        expect(partial < 2, "a snapshot is neither partial nor complete")
        snapshot.update(partial=bool(partial), root=fields.sized(), about=json.loads(fields.sized()))
        return snapshot

    def snapshots(self):
        forgotten = set()
        for name in self.names("admin/forget"):
            fields = self.record(name, FORGET)
            forgotten.update(fields.take(16).hex() for _ in range(fields.number("I")))
            fields.end()
        everything = [snapshot for session in self.sessions for snapshot in session["snapshots"]]
        # Names that begin like this are no mailboxes: records of the store, holds, restores.
        mailboxes = [snapshot for snapshot in everything if snapshot["mailbox"][:1] not in ("\0", "\1")]
        counting = [snapshot for snapshot in mailboxes if snapshot["id"] not in forgotten]
        return sorted(counting, key=lambda snapshot: (snapshot["time_unix_ms"], snapshot["id"]))

    # Packs and chunks

    @staticmethod
    def pack_name(name):
        return f"packs/{name[:1].hex()}/{name.hex()}"

    def read_index(self, segment, live):
        fields = self.record(f"index/{segment}", INDEX)
        packs = []
        for _ in range(fields.number("I")):
            pack = {"name": fields.take(32), "kind": fields.number("B"), "suite": fields.number("B")}
            pack.update(epoch=fields.number("I"), salt=fields.take(16), length=fields.number("I"))
            pack["header_length"] = fields.number("I")
            expect(pack["kind"] in (DATA_PACK, META_PACK), "a pack of another kind")
            packs.append(self.packs.setdefault(pack["name"], pack))
            expect(packs[-1] == pack, "two segments describe a pack differently")
        last = None
        for _ in range(fields.number("I")):
            short, number, offset = fields.take(16), fields.number("I"), fields.number("I")
            length, flags = int.from_bytes(fields.take(3), "little"), fields.number("B")
            key = (short, number, offset, length, flags)
            expect(last is None or last < key, "entries are out of order")
            last = key
            if packs[number]["name"] in live:
                self.entries.setdefault(short, []).append((packs[number], offset, length, flags))
        fields.end()

    def pack(self, name):
        if name not in self.pack_bytes:
            while len(self.pack_bytes) >= 4:
                self.pack_bytes.popitem(last=False)
            data = self.read(self.pack_name(name))
            expect(hashlib.sha256(data).digest() == name, f"pack {name.hex()} is damaged")
            self.pack_bytes[name] = data
        return self.pack_bytes[name]

    def pack_header(self, pack):
        """Every blob of a pack as its own header tells, checked against the pack's bytes."""
        data = self.pack(pack["name"])
        expect(len(data) == pack["length"], "a pack has another length than its segment says")
        preamble = Preamble(data, {pack["kind"]}, self.id)
        described = (pack["suite"], pack["epoch"], pack["salt"])
        expect((preamble.suite, preamble.epoch, preamble.salt) == described, "its key is another")
        (length,) = struct.unpack("<I", data[-4:])
        expect(length == pack["header_length"], "a header has another length than its segment says")
        start = len(data) - 4 - length
        associated = preamble.data + struct.pack("<QI", start, length)
        plain = self.keys.of(preamble, b"header").open(data[start:-4], start, associated)
        expect(len(plain) % 512 == 0, "a header is not filled up")
        fields = Cursor(plain)
        origins = [described] + [self.origin(fields) for _ in range(fields.number("H"))]
        entries, at = [], PREAMBLE_BYTES
        for _ in range(fields.number("I")):
            entry = {"id": fields.take(32), "kind": fields.number("B"), "offset": fields.number("I")}
            entry.update(length=fields.number("I"), plain=fields.number("I"))
            entry["origin"] = origins[fields.number("H")]
            entry["position"] = fields.number("Q")
            expect(entry["offset"] == at, "blobs do not follow one another")
            at += entry["length"]
            entries.append(entry)
        expect(at == start, "there is a gap before the header")
        expect(not any(fields.rest()), "something follows the header's entries")
        return entries

    @staticmethod
    def origin(fields):
        epoch, suite = fields.number("I"), fields.number("B")
        return suite, epoch, fields.take(16)

    def blob(self, pack, offset, length, kind, short, origin, position):
        piece = self.pack(pack["name"])[offset : offset + length]
        suite, epoch, salt = origin
        sealer = self.keys.sealer(b"blob", pack["kind"], suite, epoch, salt)
        return sealer.open(piece, position, short + struct.pack("<BI", kind, length))

    def chunk(self, chunk_id):
        if chunk_id in self.chunks:
            self.chunks.move_to_end(chunk_id)
            return self.chunks[chunk_id]
        expect(chunk_id[:16] in self.entries, f"chunk {chunk_id.hex()} is in no index segment")
        pack, offset, length, flags = self.entries[chunk_id[:16]][0]
        origin, position = (pack["suite"], pack["epoch"], pack["salt"]), offset
        if flags & 2:
            entry = next(e for e in self.pack_header(pack) if e["offset"] == offset)
            origin, position = entry["origin"], entry["position"]
        frame = self.blob(pack, offset, length, flags & 1, chunk_id[:16], origin, position)
        plain = self.unframe(frame, CHUNK_LIMIT)
        expect(blake3(plain, key=self.keys.chunk_id).digest() == chunk_id, "a chunk has another id")
        while len(self.chunks) >= 64:
            self.chunks.popitem(last=False)
        self.chunks[chunk_id] = plain
        return plain

    def check_packs(self):
        """Opens every pack from its header alone and compares what it tells with the index."""
        indexed = {name: {} for name in self.packs}
        for short, places in self.entries.items():
            for pack, offset, length, flags in places:
                indexed[pack["name"]][offset] = (short, length, flags)
        for pack in self.packs.values():
            entries = self.pack_header(pack)
            told = {}
            for entry in entries:
                self.check_blob(pack, entry)
                if entry["kind"] != PADDING:
                    foreign = entry["origin"] != (pack["suite"], pack["epoch"], pack["salt"])
                    told[entry["offset"]] = (entry["id"][:16], entry["length"], entry["kind"] | foreign << 1)
            expect(told == indexed[pack["name"]], "a pack's header and the index disagree")
        return len(self.packs)

    def check_blob(self, pack, entry):
        plain = self.blob(
            pack, entry["offset"], entry["length"], entry["kind"], entry["id"][:16], entry["origin"], entry["position"]
        )
        if entry["kind"] == PADDING:
            expect(entry["plain"] == 0 and not any(entry["id"]) and not any(plain), "padding is not empty")
            return
        expect(entry["kind"] == pack["kind"] - 1, "a pack holds a chunk of the other kind")
        content = self.unframe(plain, CHUNK_LIMIT)
        expect(len(content) == entry["plain"], "a chunk has another length than its pack's header says")
        expect(blake3(content, key=self.keys.chunk_id).digest() == entry["id"], "a chunk has another id")


# Contents: skeletons and payloads


def varint_record(data):
    """A record of fields as tag, length, bytes: a list of (tag, bytes)."""
    fields, found = Cursor(data), []
    while fields.at < len(data):
        tag = fields.number("B")
        found.append((tag, fields.take(fields.varint())))
    return found


def part_reference(fields):
    length = fields.varint()
    if length == 0:
        return 0, False, []
    count = fields.varint()
    expect(count <= 16, "a part names too many chunks")
    return length, count == 0, [fields.take(32) for _ in range(count or 1)]


def content_record(fields):
    record = {"format": fields.number("B"), "length": fields.varint(), "hash": fields.take(16)}
    place = fields.number("B")
    expect(place < 2, "the place of a skeleton is unknown")
    if place == 0:
        record["segment"] = (fields.take(32), fields.varint())
    else:
        record["skeleton"] = part_reference(fields)
    count = fields.varint()
    expect(count <= 2048, "too many payloads")
    record["payloads"] = [part_reference(fields) for _ in range(count)]
    return record


# The longest piece that a part is cut into.
PIECE_LIMIT = 1_048_576


def cut_part(part, gear):
    """The lengths of the pieces that a writer makes of a part. Readers need none of this."""
    if len(part) <= 262_144:
        return [len(part)] if part else []
    lengths, at = [], 0
    while at < len(part):
        lengths.append(cut_piece(part[at : at + PIECE_LIMIT], gear))
        at += lengths[-1]
    return lengths


def cut_piece(piece, gear):
    tried = len(piece) if len(piece) == PIECE_LIMIT else len(piece) // 2 * 2
    gear_hash = 0
    for at in range(65_536, tried):
        gear_hash = (gear_hash << 1) + gear[piece[at]] & (1 << 64) - 1
        if not gear_hash & (0x0000D91707537000 if at < 262_144 else 0x0000D90703537000):
            return at
    return len(piece)


class Contents:
    """Puts items together."""

    def __init__(self, repository):
        self.repository = repository
        self.segments, self.checked = OrderedDict(), set()

    def read(self, record):
        skeleton = self.skeleton(record)
        payloads = [self.part(reference) for reference in record["payloads"]]
        expect(record["format"] in (0, 1), "an item of an unknown format")
        if record["format"] == 0:
            expect(not payloads, "an opaque item with payloads")
            item = skeleton
        else:
            item = Expander(skeleton, payloads).expand()
        expect(len(item) == record["length"], "an item has another length")
        found = blake3(item, key=self.repository.keys.item_hash).digest(16)
        expect(found == record["hash"], "an item has another hash")
        return item

    def skeleton(self, record):
        if "skeleton" in record:
            return self.part(record["skeleton"])
        chunk_id, number = record["segment"]
        if chunk_id not in self.segments:
            while len(self.segments) >= 64:
                self.segments.popitem(last=False)
            self.segments[chunk_id] = self.segment(self.repository.chunk(chunk_id))
        expect(number < len(self.segments[chunk_id]), "a segment has too few skeletons")
        return self.segments[chunk_id][number]

    @staticmethod
    def segment(chunk):
        fields = Cursor(chunk)
        expect(fields.number("B") == 1, "a segment of an unknown version")
        count = fields.varint()
        expect(1 <= count <= 65_536, "a segment with an impossible number of skeletons")
        skeletons = [fields.take(length) for length in fields.varints(count)]
        fields.end()
        expect(all(1 <= len(skeleton) <= 262_144 for skeleton in skeletons), "an impossible skeleton")
        return skeletons

    def part(self, reference):
        length, is_list, ids = reference
        chunks = self.listed(ids[0], None) if is_list else ids
        pieces = [self.repository.chunk(chunk) for chunk in chunks]
        part = b"".join(pieces)
        expect(len(part) == length, "a part has another length")
        if tuple(chunks) not in self.checked:
            self.checked.add(tuple(chunks))
            found = cut_part(part, self.repository.keys.gear)
            expect([len(piece) for piece in pieces] == found, "a part is cut elsewhere")
        return part

    def listed(self, chunk_id, height):
        fields = Cursor(self.repository.chunk(chunk_id))
        expect(fields.number("B") == 1, "a chunk list of an unknown version")
        found = fields.number("B")
        expect(found <= 3 and height in (None, found), "a chunk list of an impossible height")
        expect(len(fields.data) - 2 in range(32, 8192 * 32 + 1, 32), "a chunk list of an impossible length")
        ids = [fields.take(32) for _ in range((len(fields.data) - 2) // 32)]
        if found == 0:
            return ids
        return [chunk for below in ids for chunk in self.listed(below, found - 1)]


# Trees


class Tree:
    """A snapshot's entries: key to (value, content records)."""

    def __init__(self, repository, root):
        self.repository = repository
        fields = Cursor(root)
        expect(fields.number("B") == 1, "a tree of an unknown version")
        has_base = fields.number("B")
        expect(has_base < 2, "a tree has a base or has none")
        self.entries, self.base_leaves = {}, []
        if has_base:
            self.entries.update(self.below(self.reference(fields), False))
            self.check_cuts(repository.keys.tree_cut)
        count = fields.varint()
        expect(count <= 64, "too many runs")
        for _ in range(count):
            fields.number("B")
            for key, entry in self.below(self.reference(fields), True):
                self.entries[key] = entry
        fields.end()
        self.entries = {key: self.entries[key] for key in sorted(self.entries) if self.entries[key]}

    @staticmethod
    def reference(fields):
        reference = {"id": fields.take(32), "height": fields.number("B")}
        reference.update(entries=fields.varint(), bytes=fields.varint())
        expect(reference["height"] <= 8, "a tree is too high")
        return reference

    def below(self, reference, is_run):
        entries, size = self.node(reference, is_run)
        expect(len(entries) == reference["entries"], "a node has another number of entries")
        expect(size == reference["bytes"], "a node has another number of bytes")
        keys = [key for key, _ in entries]
        expect(all(a < b for a, b in zip(keys, keys[1:])), "keys do not ascend")
        return entries

    def node(self, reference, is_run):
        chunk = self.repository.chunk(reference["id"])
        fields = Cursor(chunk)
        expect(fields.number("B") == 1, "a node of an unknown version")
        expect(fields.number("B") == reference["height"], "a node has another height")
        count = fields.varint()
        expect(1 <= count <= (512 if reference["height"] else 2048), "an impossible number of keys")
        keys = self.keys(fields, count)
        if not reference["height"]:
            if not is_run:
                self.base_leaves.append((keys, len(chunk)))
            return self.leaf(fields, keys, is_run), len(chunk)
        shapes = [(fields.varint(), fields.varint()) for _ in keys]
        entries, size = [], len(chunk)
        for key, (number, length) in zip(keys, shapes):
            child = {"id": fields.take(32), "height": reference["height"] - 1}
            child.update(entries=number, bytes=length)
            found = self.below(child, is_run)
            expect(found[0][0] == key, "a child begins with another key")
            entries += found
            size += length
        fields.end()
        return entries, size

    def check_cuts(self, tree_cut):
        """Whether leaves end where writers end them. Readers need none of this."""
        for number, (keys, size) in enumerate(self.base_leaves):
            limit = (2**32 - 1) // 448
            hashes = [blake3(b"\0" + key, key=tree_cut).digest(4) for key in keys[63:]]
            ends = [int.from_bytes(found, "little") < limit for found in hashes]
            full = len(keys) == 2048 or size >= 524_288
            is_last = number == len(self.base_leaves) - 1
            expect(full or is_last or (ends and ends[-1]), "a leaf ends too early")
            expect(not any(ends[:-1]), "a leaf ends too late")

    @staticmethod
    def keys(fields, count):
        shapes = [(fields.varint(), fields.varint()) for _ in range(count)]
        keys, last = [], b""
        for common, length in shapes:
            expect(common <= len(last), "a key has more in common than there is")
            last = last[:common] + fields.take(length)
            expect(1 <= len(last) <= 1024, "a key has an impossible length")
            keys.append(last)
        return keys

    @staticmethod
    def leaf(fields, keys, is_run):
        lengths = fields.varints(len(keys))
        expect(is_run or all(lengths), "a base removes a key")
        values = [fields.take(length - 1) if length else None for length in lengths]
        counts = [fields.varint() if value is not None else 0 for value in values]
        expect(all(count <= 64 for count in counts), "too many content records")
        entries = []
        for key, value, count in zip(keys, values, counts):
            records = [content_record(fields) for _ in range(count)]
            entries.append((key, None if value is None else (value, records)))
        fields.end()
        return entries


# The compact form


class Expander:
    """Turns the compact form back into the bytes Exchange exported."""

    def __init__(self, skeleton, payloads):
        self.tokens, self.payloads = Cursor(skeleton), iter(payloads)
        self.out, self.frames, self.last_frame, self.room = bytearray(), [], None, 0
        self.cap, self.cap_is_fresh, self.waiting = 31_680, True, b""

    def expand(self):
        expect(self.tokens.number("B") == 1, "a compact form of an unknown version")
        while self.tokens.at < len(self.tokens.data):
            self.token(self.tokens.number("B"))
        expect(not self.frames and not self.waiting, "the compact form ends early")
        expect(next(self.payloads, None) is None, "more payloads than the skeleton asks for")
        return bytes(self.out)

    def token(self, kind):
        if kind < 0x80:
            self.stream(self.tokens.take(kind + 1))
        elif kind == 0x80:
            self.stream(self.argument())
        elif kind <= 0x84:
            self.text(kind, self.argument().decode().encode("utf-16-le"))
        elif kind == 0x85:
            length = self.tokens.varint()
            self.stream(struct.pack("<I", length))
            self.payload(length)
        elif kind == 0x86:
            expect(self.last_frame is not None, "a payload continues before any buffer")
            self.cap, self.cap_is_fresh = min(self.last_frame, 65_536), False
            self.payload(self.tokens.varint())
        elif kind == 0x87:
            self.frame(self.tokens.varint())
        elif kind == 0x88:
            self.out += PROLOGUE + self.tokens.take(6)
        elif kind == 0x89:
            expect(not self.room and not self.waiting, "outer bytes inside a buffer")
            self.out += self.argument()
        else:
            raise Damaged("an unknown token")

    def argument(self):
        return self.tokens.take(self.tokens.varint())

    def text(self, kind, text):
        end = b"\0\0" if kind in (0x81, 0x84) else b""
        length = struct.pack("<I", len(text + end)) if kind in (0x81, 0x82) else b""
        self.stream(length + text + end)

    def frame(self, length):
        self.frames.append(length)
        self.last_frame = length
        if length >= 4096:
            counted = min(length, 65_536)
            if not self.cap_is_fresh:
                self.cap = max(self.cap, counted)
            elif not 31_424 <= counted <= 31_680:
                self.cap = counted
            self.cap_is_fresh = False
        self.next_frame()
        waiting, self.waiting = self.waiting, b""
        while waiting and self.room:
            waiting = self.fill(waiting)
            self.next_frame()
        self.waiting = waiting

    def begin(self, length):
        self.out += struct.pack("<II", 2, length)
        self.room = length

    def next_frame(self):
        if not self.room and self.frames:
            self.begin(self.frames.pop(0))

    def fill(self, data):
        """Puts into the current buffer what it has room for, and returns the rest."""
        now, later = data[: self.room], data[self.room :]
        self.out += now
        self.room -= len(now)
        return later

    def stream(self, data):
        while data:
            expect(self.room and not self.waiting, "stream bytes outside any buffer")
            data = self.fill(data)
            self.next_frame()

    def payload(self, announced):
        expect(not self.waiting, "a payload while another one's bytes wait")
        data = next(self.payloads, None)
        expect(data is not None, "fewer payloads than the skeleton asks for")
        expect(len(data) <= announced, "a payload is longer than announced")
        while data:
            self.next_frame()
            if not self.room:
                if announced < self.cap:
                    self.waiting = data
                    return
                self.begin(self.cap)
            before = len(data)
            data = self.fill(data)
            announced -= before - len(data)


# What the engine keeps


def one(fields, tag, default=None):
    return next((value for found, value in fields if found == tag), default)


def text(fields, tag, default=""):
    value = one(fields, tag)
    return default if value is None else value.decode()


def number(fields, tag, default=None):
    value = one(fields, tag)
    return default if value is None else Cursor(value).varint()


def signed(fields, tag):
    value = number(fields, tag)
    return None if value is None else value >> 1 ^ -(value & 1)


def ews_id(fields, tag):
    value = one(fields, tag + 1)
    return text(fields, tag) if value is None else base64.b64encode(value).decode()


def summary(data):
    fields = varint_record(data)
    return {
        "subject": text(fields, 1),
        "sender": text(fields, 2),
        "sender_address": text(fields, 3),
        "to": text(fields, 4),
        "sent_unix_ms": signed(fields, 5),
        "received_unix_ms": signed(fields, 6),
        "message_id": text(fields, 7),
        "importance": number(fields, 8),
        "has_attachments": bool(number(fields, 9, 0)),
    }


class Mailbox:
    """One snapshot's folders and items."""

    def __init__(self, repository, contents, snapshot):
        self.contents = contents
        self.entries = Tree(repository, snapshot["root"]).entries
        self.rows = {
            key[1:]: varint_record(value)
            for key, (value, _) in self.entries.items()
            if key[0] == 1
        }
        for key, fields in self.rows.items():
            own = self.key("postkeep folder key 1", ews_id(fields, 1), 8)
            expect(own == (one(fields, 3) if self.is_associated(key) else key), "a folder has another key")

    @staticmethod
    def key(context, text, length):
        return blake3(text.encode(), derive_key_context=context).digest(length)

    def is_associated(self, key):
        return self.key("postkeep associated folder key 1", ews_id(self.rows[key], 1), 8) == key

    def path(self, key):
        """Of associated items, the path of the folder that they belong to."""
        names = []
        if self.is_associated(key):
            key = one(self.rows[key], 3)
        while key in self.rows:
            expect(len(names) < 300, "folders go round in a circle")
            names.insert(0, text(self.rows[key], 4).replace("/", "\\/"))
            key = one(self.rows[key], 3)
        return "/".join(names)

    def folders(self):
        folders = []
        for key, fields in self.rows.items():
            below = [varint_record(value) for _, _, value, _ in self.items_of(key)]
            folders.append({
                "path": self.path(key),
                "distinguished": text(fields, 6, None),
                "class": text(fields, 5),
                "associated": self.is_associated(key),
                "items": len(below),
                "bytes": sum(number(item, 7, 0) for item in below),
            })
        return sorted(folders, key=lambda folder: (folder["path"].encode(), folder["associated"]))

    def items_of(self, folder):
        for key, (value, records) in self.entries.items():
            if key[0] == 2 and key[1:9] == folder:
                yield folder, key[9:], value, records

    def items(self):
        """Each item with its stream."""
        for folder in self.rows:
            for _, key, value, records in self.items_of(folder):
                fields = varint_record(value)
                item_id = ews_id(fields, 1)
                expect(self.key("postkeep item key 1", item_id, 16) == key, "an item has another key")
                stream = self.contents.read(records[0])
                read = number(fields, 6)
                item = {
                    "key": key.hex(),
                    "folder": self.path(folder),
                    "item_id": item_id,
                    "class": text(fields, 5),
                    "is_read": None if read is None else read != 0,
                    "bytes": number(fields, 7, 0),
                    "stream_bytes": len(stream),
                    **summary(self.contents.read(records[1])),
                }
                yield item, stream


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("repository", type=Path)
    parser.add_argument("--passphrase-file", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="a folder for FOLDER/<snapshot>/<item>")
    arguments = parser.parse_args()
    passphrase = arguments.passphrase_file.read_bytes().removeprefix(b"\xef\xbb\xbf")
    passphrase = passphrase.removesuffix(b"\n").removesuffix(b"\r")
    repository = Repository(arguments.repository, passphrase)
    contents = Contents(repository)
    snapshots = []
    for snapshot in repository.snapshots():
        mailbox = Mailbox(repository, contents, snapshot)
        items = []
        for item, stream in mailbox.items():
            items.append(item)
            if arguments.out:
                folder = arguments.out / snapshot["id"]
                folder.mkdir(parents=True, exist_ok=True)
                (folder / item["key"]).write_bytes(stream)
        about = {name: snapshot[name] for name in ("id", "mailbox", "time_unix_ms", "partial", "about")}
        snapshots.append({**about, "folders": mailbox.folders(), "items": items})
    result = {
        "id": ulid_text(repository.id),
        "public_keys": list(repository.keys.public_keys()),
        "packs": repository.check_packs(),
        "snapshots": snapshots,
    }
    json.dump(result, sys.stdout, indent=1)


if __name__ == "__main__":
    try:
        main()
    except Damaged as error:
        sys.exit(f"error: {error}")
