"""Generates messages as a store holds them: properties, recipients, attachments, nested messages."""

import random
import struct
import uuid

from quirky_fts import COMMON, FLAGS, PUBLIC_STRINGS, Atom, Message, counted

WORDS = (
    "budget quarter müller 会議 привет invoice holiday server backup plan lunch "
    "naïve über contract draft 🎉 review schedule"
).split()
OWN_SET = uuid.UUID("7e1d9a4c-52f1-4b3e-9c07-1f2e3d4c5b6a").bytes_le
FILETIME_2020 = 132223104000000000


def utf16(text):
    return counted(text.encode("utf-16-le", "surrogatepass") + b"\0\0")


def unicode_atom(number, text, kind=0x84B0):
    return Atom(kind, number, utf16(text))


def long_atom(number, value):
    return Atom(0x0003, number, struct.pack("<i", value))


def time_atom(number, value):
    return Atom(0x0040, number, struct.pack("<q", value))


def words(rng, count):
    return " ".join(rng.choice(WORDS) for _ in range(count))


def message(rng, item_class="IPM.Note", depth=0, big=False):
    """One item; which oddities it has follows from the generator's state."""
    made = Message()
    atoms = made.atoms
    subject = words(rng, rng.randint(0, 6))
    sender = f"{rng.choice(['ann', 'bo', 'cy'])}@elsewhere.test"
    received = FILETIME_2020 + rng.randrange(10**15)
    if rng.random() < 0.4:
        atoms.append(Atom(0x84E4, 0x4008, counted(b"/O=FIRST/OU=EXCHANGE/CN=RECIPIENTS/CN=\0")))
    if depth:
        atoms.append(Atom(0x0014, 0x674A, rng.randbytes(8)))
    atoms += [
        long_atom(0x0017, rng.randint(0, 2)),
        unicode_atom(0x001A, item_class),
        subject_atom(rng, subject),
        time_atom(0x0039, received - 10**7),
        unicode_atom(0x0042, sender.split("@")[0].title()),
        unicode_atom(0x0064, "SMTP"),
        unicode_atom(0x0065, sender, rng.choice([0x84B0, 0x001F])),
        Atom(0x84E4, 0x0070, counted(subject.encode("cp1252", "replace") + b"\0")),
        unicode_atom(0x007D, f"Received: from x\r\nSubject: {subject}\r\n\r\n"),
        unicode_atom(0x0C1F, sender),
        time_atom(0x0E06, received),
        long_atom(FLAGS, rng.choice([0, 1, 0x11])),
        long_atom(0x0E08, rng.randint(1000, 100000)),
        unicode_atom(0x1000, words(rng, rng.choice([0, 5, 50, 5000]))),
    ]
    if rng.random() < 0.5:
        html = f"<html><body>{words(rng, 40)}</body></html>".encode()
        atoms.append(Atom(0x0102, 0x1013, counted(html)))
    atoms += [
        unicode_atom(0x1035, f"<{rng.getrandbits(64):x}@elsewhere.test>"),
        time_atom(0x3007, received),
        time_atom(0x3008, received),
        Atom(0x0102, 0x300B, counted(rng.randbytes(16))),
        Atom(0x0102, 0x65E2, counted(rng.randbytes(22))),
    ]
    atoms += odd_atoms(rng)
    made.recipients = [recipient(rng, row) for row in range(rng.randint(0, 4))]
    sizes = [rng.choice([0, 1, 700, 9000, 70000]) for _ in range(rng.choice([0, 0, 1, 3]))]
    if big:
        sizes += [400_000, 1_300_000]
    made.attachments = [attachment(rng, row, size) for row, size in enumerate(sizes)]
    if depth < 3 and rng.random() < 0.25:
        inner = message(rng, depth=depth + 1)
        made.attachments.append((embedded_atoms(len(sizes)), inner))
    return made


def subject_atom(rng, subject):
    odd = rng.random()
    if odd < 0.1:
        # Half a surrogate pair, and a byte order mark.
        return unicode_atom(0x0037, "\ufeff" + subject + "\ud83c")
    if odd < 0.2:
        return Atom(0x001F, 0x0037, counted(subject.encode("utf-16-le")))  # no NUL at the end
    if odd < 0.3:
        return Atom(0x84E4, 0x0037, counted(subject.encode("cp1252", "replace") + b"\0"))
    if odd < 0.35:
        return unicode_atom(0x0037, "tab\tbell\x07 & <angle> ]]> " + subject)
    return unicode_atom(0x0037, subject)


def odd_atoms(rng):
    """Named, multi-valued and rare properties."""
    keywords = [utf16(word) for word in rng.sample(WORDS, 2)]
    numbers = struct.pack("<Iiii", 3, -1, 0, 2**31 - 1)
    blobs = [counted(rng.randbytes(size)) for size in (0, 3, 300)]
    every = [
        Atom(0x101F, 0x8011, multiple(keywords), (PUBLIC_STRINGS, "Keywords")),
        Atom(0x94B0, 0x8012, multiple(keywords), (OWN_SET, "Schlüssel-ключ")),
        Atom(0x0003, 0x8013, b"\x05\0\0\0", (COMMON, 0x8578)),
        Atom(0x000B, 0x8014, b"\1\0", (COMMON, 0x8503)),
        Atom(0x1003, 0x8015, numbers, (OWN_SET, "numbers")),
        Atom(0x1102, 0x8016, multiple(blobs), (OWN_SET, 0x9001)),
        Atom(0x1048, 0x8017, struct.pack("<I", 1) + OWN_SET, (OWN_SET, "ids")),
        Atom(0x1014, 0x8018, struct.pack("<I", 0), (OWN_SET, "none")),
        Atom(0x0005, 0x8019, struct.pack("<d", 2.5), (OWN_SET, "double")),
        Atom(0x0006, 0x801A, struct.pack("<q", 12345), (OWN_SET, "money")),
        Atom(0x0007, 0x801B, struct.pack("<d", 40000.5), (OWN_SET, "apptime")),
        Atom(0x0004, 0x801C, struct.pack("<f", 1.5), (OWN_SET, "float")),
        Atom(0x001F, 0x801D, counted(b"odd"), (OWN_SET, "half a unit")),
        Atom(0x84B0, 0x801E, counted(b""), (OWN_SET, "empty")),
        Atom(0x84B0, 0x801F, utf16("a\0b"), (OWN_SET, "NUL inside")),
        Atom(0x000D, 0x8020, counted(rng.randbytes(40)), (OWN_SET, "object")),
        Atom(0x00FB, 0x8021, counted(b"\1" + rng.randbytes(20)), (OWN_SET, "server id")),
    ]
    return [atom for atom in every if rng.random() < 0.4]


def multiple(parts):
    return struct.pack("<I", len(parts)) + b"".join(parts)


def recipient(rng, row):
    name = rng.choice(WORDS)
    return [
        long_atom(0x3000, row),
        unicode_atom(0x3002, "SMTP"),
        unicode_atom(0x3003, f"r{row}@elsewhere.test"),
        unicode_atom(0x3001, name),
        long_atom(0x0C15, rng.randint(1, 3)),
        unicode_atom(0x39FE, f"r{row}@elsewhere.test", 0x001F),
    ]


def attachment(rng, row, size):
    # Half of the bytes compress, half do not.
    data = b"\0\1\2\3" * (size // 8)
    data += rng.randbytes(size - len(data))
    return (
        [
            long_atom(0x0E21, row),
            unicode_atom(0x3707, f"file-{row}.bin"),
            long_atom(0x3705, 1),
            Atom(0x0102, 0x3701, counted(data)),
            unicode_atom(0x370E, "application/octet-stream"),
        ],
        None,
    )


def embedded_atoms(row):
    return [long_atom(0x0E21, row), long_atom(0x3705, 5), unicode_atom(0x3001, "a message inside")]


def irregular(seed):
    """Lengths of TransferBuffers as nobody would choose them."""
    rng = random.Random(seed)
    return lambda: rng.choice([13, 64, 511, 4096, 8210, 9073, 31680, rng.randint(1, 40000)])
