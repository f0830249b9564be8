//! Items: the native stream, their values, their stored forms.

use fasttransfer::{
    Attachment, CompactSink, Compactor, Limits, Message, MessageReader, NamedProp, PropValue,
    PropertyBag, Summariser, WriteOptions, read_message, summarise, write_message,
};

/// A native stream, whole and in pieces, and every file made of it.
pub fn native(data: &[u8]) {
    let Some((&first, data)) = data.split_first() else {
        return;
    };
    let piece = usize::from(first) * 5 + 1;
    let mut summariser = Summariser::new();
    let mut reader = MessageReader::new(&Limits::default());
    for part in data.chunks(piece) {
        summariser.feed(part);
        reader.feed(part);
    }
    assert_eq!(
        format!("{:?}", summariser.finish()),
        format!("{:?}", summarise(data))
    );
    let whole = read_message(data, &Limits::default());
    let pieces = reader.finish();
    assert_eq!(pieces.is_ok(), whole.is_ok());
    if let (Ok(whole), Ok(pieces)) = (whole, pieces) {
        // As text: a number that is none differs from itself.
        assert_eq!(
            format!("{:?}", whole.message),
            format!("{:?}", pieces.message)
        );
        files(&whole.message);
    }
    compact(data, piece);
}

/// Every file of an item, and what a search reads of it.
fn files(message: &Message) {
    drop(fasttransfer::to_mime(message));
    drop(fasttransfer::to_mail(message));
    drop(fasttransfer::to_json(message));
    drop(fasttransfer::to_msg(message));
    drop(fasttransfer::plain_text(message));
    drop(fasttransfer::html_body(message));
    let written = write_message(message, &WriteOptions::default());
    let again = read_message(&written, &Limits::default());
    drop(again.expect("what was written is read"));
}

/// The compact form of anything has everything in it, in whatever pieces it came.
fn compact(data: &[u8], piece: usize) {
    let (mut whole, mut pieces) = (Count::default(), Count::default());
    let mut compactor = Compactor::new();
    compactor.push(data, &mut whole);
    compactor.finish(&mut whole);
    let mut compactor = Compactor::new();
    for part in data.chunks(piece) {
        compactor.push(part, &mut pieces);
    }
    compactor.finish(&mut pieces);
    assert_eq!(whole.payloads, pieces.payloads);
}

#[derive(Default)]
struct Count {
    payloads: Vec<u8>,
}

impl CompactSink for Count {
    fn skeleton(&mut self, _: &[u8]) {}
    fn payload_start(&mut self) {}
    fn payload(&mut self, bytes: &[u8]) {
        self.payloads.extend_from_slice(bytes);
    }
    fn payload_end(&mut self) {}
}

/// Takes an item apart and puts it together again; joins what no splitter made; the portable form;
/// the engine's records.
pub fn stored(data: &[u8]) {
    let Some((&which, rest)) = data.split_first() else {
        return;
    };
    match which % 4 {
        0 => engine::fuzzing::split_and_join(rest),
        1 => engine::fuzzing::join_anything(rest),
        2 => engine::fuzzing::record(rest),
        _ => engine::fuzzing::item(rest),
    }
}

/// Values that are read further than as themselves: recurrences, zones, rich text, one-off members,
/// code pages, transport headers, bodies.
const TAGS: [u16; 24] = [
    0x001A, 0x0037, 0x0070, 0x007D, 0x0C1A, 0x0C1F, 0x0E1D, 0x1000, 0x1009, 0x1013, 0x1035, 0x10F3,
    0x3001, 0x3003, 0x3007, 0x3008, 0x3701, 0x3703, 0x3705, 0x3707, 0x370E, 0x3712, 0x3FDE, 0x8000,
];

/// Named ids with such values, in the sets of appointments, tasks, addresses and all items.
const NAMED: [(u8, u32); 20] = [
    (0, 0x8205),
    (0, 0x8208),
    (0, 0x820D),
    (0, 0x820E),
    (0, 0x8215),
    (0, 0x8216),
    (0, 0x8223),
    (0, 0x8231),
    (0, 0x8232),
    (0, 0x8233),
    (0, 0x8234),
    (0, 0x825E),
    (0, 0x825F),
    (1, 0x8104),
    (1, 0x8105),
    (1, 0x8116),
    (2, 0x8054),
    (2, 0x8055),
    (2, 0x8080),
    (3, 0x8503),
];

const CLASSES: [&str; 9] = [
    "IPM.Note",
    "IPM.Appointment",
    "IPM.Contact",
    "IPM.DistList",
    "IPM.Task",
    "IPM.StickyNote",
    "IPM.Activity",
    "IPM.Schedule.Meeting.Request",
    "IPM.Post",
];

/// Makes an item of such values, and every file of it.
pub fn values(data: &[u8]) {
    let mut rest = data;
    let class = take(&mut rest, 1).first().copied().unwrap_or(0);
    let mut message = Message::default();
    fill(&mut message, &mut rest, 40);
    let class = CLASSES[usize::from(class) % CLASSES.len()];
    message.props.set(fasttransfer::tag::MESSAGE_CLASS, class);
    files(&message);
}

fn fill(message: &mut Message, rest: &mut &[u8], most: usize) {
    for _ in 0..most {
        let &[place, which, kind, len] = take(rest, 4) else {
            return;
        };
        let value = value(
            kind,
            take(rest, usize::from(len) * (1 + usize::from(kind >> 6) * 8)),
        );
        let bag = match place % 8 {
            0..=4 => &mut message.props,
            5 => {
                if message.attachments.len() < 4 {
                    message.attachments.push(Attachment::default());
                }
                let Some(open) = message.attachments.last_mut() else {
                    return;
                };
                &mut open.props
            }
            6 => {
                if message.recipients.len() < 4 {
                    message.recipients.push(PropertyBag::new());
                }
                let Some(open) = message.recipients.last_mut() else {
                    return;
                };
                open
            }
            _ => {
                let mut inner = Message::default();
                fill(&mut inner, rest, 4);
                let open = message.attachments.last_mut();
                if let Some(open) = open {
                    open.embedded = Some(Box::new(inner));
                }
                continue;
            }
        };
        if which & 1 == 0 {
            bag.set(TAGS[usize::from(which >> 1) % TAGS.len()], value);
        } else {
            let (set, id) = NAMED[usize::from(which >> 1) % NAMED.len()];
            bag.set(named(set, id), value);
        }
    }
}

fn named(set: u8, id: u32) -> NamedProp {
    use fasttransfer::guid;
    let set = [
        guid::PSETID_APPOINTMENT,
        guid::PSETID_TASK,
        guid::PSETID_ADDRESS,
        guid::PSETID_COMMON,
    ][usize::from(set)];
    NamedProp::lid(set, id)
}

fn value(kind: u8, bytes: &[u8]) -> PropValue {
    let number = bytes
        .iter()
        .take(8)
        .fold(0_i64, |sum, byte| sum << 8 | i64::from(*byte));
    match kind % 8 {
        0 | 1 => PropValue::Binary(bytes.to_vec().into()),
        2 | 3 => PropValue::Unicode(String::from_utf8_lossy(bytes).into_owned()),
        4 => PropValue::Int32(number as i32),
        5 => PropValue::Boolean(number & 1 == 1),
        6 => PropValue::Int64(number),
        _ => PropValue::Time(fasttransfer::FileTime(number as u64)),
    }
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(len.min(rest.len()));
    *rest = left;
    taken
}
