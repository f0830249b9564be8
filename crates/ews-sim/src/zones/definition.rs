//! What an appointment says of the zones that its times are in (MS-OXOCAL 2.2.1.39 to 2.2.1.43).

use fasttransfer::{NamedProp, PropertyBag, named};

use super::rules::{Change, Rules};

/// TZRULE flags: the rule in effect, and the one that a series was made with.
const EFFECTIVE: u16 = 2;
const OF_SERIES: u16 = 1;
/// Bytes of a TZRULE behind its own head.
const RULE_BYTES: u16 = 62;
/// Since when a rule holds, if nothing earlier is known of the zone.
const ALWAYS: u16 = 1601;
/// Where the name of a definition begins.
const NAME_AT: usize = 8;

/// A PidLidAppointmentTimeZoneDefinition of one rule.
fn definition(name: &str, rules: &Rules, flags: u16) -> Vec<u8> {
    let name: Vec<u16> = name.encode_utf16().take(usize::from(u8::MAX)).collect();
    let name_units = name.len() as u16;
    let mut out = vec![2, 1];
    for number in [6 + 2 * name_units, 2, name_units] {
        out.extend(number.to_le_bytes());
    }
    out.extend(name.iter().flat_map(|unit| unit.to_le_bytes()));
    out.extend(1_u16.to_le_bytes());
    out.extend([2, 1]);
    for number in [RULE_BYTES, flags, ALWAYS] {
        out.extend(number.to_le_bytes());
    }
    out.extend([0; 14]);
    put_biases(rules, &mut out);
    let daylight = rules.daylight.as_ref();
    put_change(daylight.map(|daylight| daylight.ends), &mut out);
    put_change(daylight.map(|daylight| daylight.begins), &mut out);
    out
}

/// Minutes that are added to local time to get UTC, so with the sign that offsets do not have.
fn put_biases(rules: &Rules, out: &mut Vec<u8>) {
    let standard = rules.standard_minutes;
    let daylight = rules.daylight.as_ref();
    let daylight = daylight.map_or(0, |daylight| standard - daylight.minutes);
    for bias in [-standard, 0, daylight] {
        out.extend(bias.to_le_bytes());
    }
}

/// A SYSTEMTIME without a year, which holds for each; of zeros where clocks do not change.
fn put_change(change: Option<Change>, out: &mut Vec<u8>) {
    let fields = change.map_or([0; 5], |change| {
        let nth = if change.nth < 0 { 5 } else { change.nth };
        let weekday = change.weekday.to_sunday_zero_offset();
        [change.month, weekday, nth, change.hour, change.minute]
    });
    out.extend([0; 2]);
    for field in fields {
        out.extend(i16::from(field).to_le_bytes());
    }
    out.extend([0; 4]);
}

/// The name in a definition.
pub(crate) fn name_of(definition: &[u8]) -> Option<String> {
    let units = definition.get(NAME_AT - 2..NAME_AT)?.try_into().ok()?;
    let bytes = 2 * usize::from(u16::from_le_bytes(units));
    let (units, _) = definition.get(NAME_AT..NAME_AT + bytes)?.as_chunks::<2>();
    let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    Some(String::from_utf16_lossy(&units))
}

/// Says in which zone one of an appointment's times is, by the rules of a year; nothing is said of
/// a zone that nobody knows.
pub(crate) fn put(props: &mut PropertyBag, id: &NamedProp, name: &str, year: i16) {
    match super::known(name) {
        Some(zone) => {
            let rules = Rules::in_year(&zone, year);
            props.set(id, definition(name, &rules, EFFECTIVE));
        }
        None => drop(props.remove(id)),
    }
}

/// Gives a series that has no zone of its own that of its first occurrence, in both forms.
pub(crate) fn settle_series(props: &mut PropertyBag) {
    let own = &named::APPOINTMENT_TIME_ZONE_DEFINITION_RECUR;
    if !props.contains(&named::APPOINTMENT_RECUR) || props.contains(own) {
        return;
    }
    let start = props.binary(&named::APPOINTMENT_TIME_ZONE_DEFINITION_START_DISPLAY);
    let Some(mut definition) = start.map(<[u8]>::to_vec) else {
        return;
    };
    let Some(rule) = definition.last_chunk_mut::<{ RULE_BYTES as usize }>() else {
        return;
    };
    rule[..2].copy_from_slice(&(EFFECTIVE | OF_SERIES).to_le_bytes());
    let no_year: &[u8] = &[0; 2];
    let (biases, changes) = (&rule[18..30], [&rule[30..46], &rule[46..]]);
    let structure = [biases, no_year, changes[0], no_year, changes[1]].concat();
    props.set(own, definition);
    props.set(&named::TIME_ZONE_STRUCT, structure);
}

/// Takes away what a series says of its zone.
pub(crate) fn forget_series(props: &mut PropertyBag) {
    props.remove(&named::APPOINTMENT_TIME_ZONE_DEFINITION_RECUR);
    props.remove(&named::TIME_ZONE_STRUCT);
}
