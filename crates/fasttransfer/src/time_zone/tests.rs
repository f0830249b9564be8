use jiff::civil::date;

use super::*;

/// A definition as Outlook writes it, with these rules: minutes, and SYSTEMTIME fields.
fn definition(bias: i32, daylight: i32, to_standard: [u16; 8], to_daylight: [u16; 8]) -> Vec<u8> {
    let name: Vec<u8> = "Some Zone"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let mut bytes = vec![2, 1];
    bytes.extend((6 + name.len() as u16).to_le_bytes());
    bytes.extend([2, 0]);
    bytes.extend((name.len() as u16 / 2).to_le_bytes());
    bytes.extend(name);
    bytes.extend([1, 0]);
    bytes.extend([2, 1, 62, 0, 2, 0, 0x41, 0x06]);
    bytes.extend([0; 14]);
    for number in [bias, 0, daylight] {
        bytes.extend(number.to_le_bytes());
    }
    for field in to_standard.into_iter().chain(to_daylight) {
        bytes.extend(field.to_le_bytes());
    }
    bytes
}

fn berlin() -> Zone {
    let bytes = definition(
        -60,
        -60,
        [0, 10, 0, 5, 3, 0, 0, 0],
        [0, 3, 0, 5, 2, 0, 0, 0],
    );
    Zone::from_definition(&bytes).unwrap()
}

#[test]
fn a_zone_knows_its_offset_at_any_time() {
    let zone = berlin();
    assert_eq!(zone.name, "Some Zone");
    for (local, utc) in [
        (date(2024, 1, 15).at(12, 0, 0, 0), "2024-01-15T11:00:00Z"),
        (date(2024, 7, 15).at(12, 0, 0, 0), "2024-07-15T10:00:00Z"),
        (date(2024, 3, 31).at(1, 59, 0, 0), "2024-03-31T00:59:00Z"),
        (date(2024, 3, 31).at(3, 0, 0, 0), "2024-03-31T01:00:00Z"),
        (date(2024, 10, 27).at(3, 0, 0, 0), "2024-10-27T02:00:00Z"),
    ] {
        let utc: Timestamp = utc.parse().unwrap();
        assert_eq!(zone.to_utc(local), Some(utc), "{local}");
        assert_eq!(zone.to_local(utc), Some(local), "{utc}");
    }
}

#[test]
fn south_of_the_equator_summer_is_around_new_year() {
    let bytes = definition(
        -600,
        -60,
        [0, 4, 0, 1, 3, 0, 0, 0],
        [0, 10, 0, 1, 2, 0, 0, 0],
    );
    let zone = Zone::from_definition(&bytes).unwrap();
    let january = date(2024, 1, 15).at(12, 0, 0, 0);
    assert_eq!(zone.to_utc(january), "2024-01-15T01:00:00Z".parse().ok());
    let july = date(2024, 7, 15).at(12, 0, 0, 0);
    assert_eq!(zone.to_utc(july), "2024-07-15T02:00:00Z".parse().ok());
}

#[test]
fn damage_is_no_zone_and_never_a_panic() {
    let whole = definition(
        -60,
        -60,
        [0, 10, 0, 5, 3, 0, 0, 0],
        [0, 3, 0, 5, 2, 0, 0, 0],
    );
    for end in 0..whole.len() {
        assert_eq!(Zone::from_definition(&whole[..end]), None, "{end}");
    }
    assert_eq!(Zone::from_struct(&[0; 47], "x"), None);
    let unchanging = Zone::from_struct(&[0; 48], "x").unwrap();
    assert!(unchanging.is_utc());
    let far = Zone::from_struct(&[0x7F; 48], "x");
    assert_eq!(far, None);
}
