use proptest::prelude::*;

use super::*;

/// Every Friday of a year, with one occurrence moved and two renamed, as Outlook wrote it.
const FRIDAYS: &str = "043004300b2001000000c021000001000000000000002000000021200000340000000000\
    000003000000a0cc3a0d00f43a0d601b3b0d0200000080dd3a0d601b3b0da0cc3a0d00b0420d0630000009300000\
    d00200000c030000020050e03a0d8ce03a0dd0f63a0d01000d000c004d6f6e646179204c756e6368301e3b0d6c1e\
    3b0d301e3b0d2000030000000000000004000000000000000000000050e03a0d8ce03a0dd0f63a0d0c004d006f00\
    6e0064006100790020004c0075006e00630068000000000004000000000000000000000000000000";

fn bytes(hex: &str) -> Vec<u8> {
    let hex: String = hex.split_whitespace().collect();
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn a_series_with_exceptions_is_read_as_outlook_wrote_it() {
    let series = Recurrence::read(&bytes(FRIDAYS), 1252).unwrap();
    assert_eq!(series.frequency, Frequency::Weekly);
    assert_eq!(series.interval, 1);
    assert_eq!(series.days, Days::Week(0x20));
    assert_eq!(series.deleted.len(), 3);
    assert_eq!((series.start_offset, series.end_offset), (720, 780));
    assert!(matches!(series.end, End::On(_)));
    let [first, second] = series.exceptions.as_slice() else {
        panic!("{:?}", series.exceptions);
    };
    assert_eq!(first.subject.as_deref(), Some("Monday Lunch"));
    assert_eq!(first.original_start % 1_440, 720);
    assert_eq!(first.end - first.start, 60);
    assert_eq!(second.busy_status, Some(3));
    assert_eq!(second.subject, None);
}

#[test]
fn a_cut_series_keeps_its_rule_or_is_none() {
    let whole = bytes(FRIDAYS);
    for end in 0..whole.len() {
        let read = Recurrence::read(&whole[..end], 1252);
        // Up to the last day the pattern itself is there.
        assert_eq!(read.is_some(), end >= 74, "{end}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(
        mut tail in proptest::collection::vec(any::<u8>(), 0..200),
        at in 0usize..214,
        byte: u8,
    ) {
        let mut whole = bytes(FRIDAYS);
        whole[at] = byte;
        let _ = Recurrence::read(&whole, 932);
        let mut head = vec![4, 0x30, 4, 0x30];
        head.append(&mut tail);
        let _ = Recurrence::read(&head, 0);
    }
}
