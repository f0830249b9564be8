//! Generated contacts as vCard files.

use super::event::fold;
use super::rng::Rng;
use super::words::Person;

/// A contact for a person.
pub(crate) fn contact(rng: &mut Rng, person: &Person) -> Vec<u8> {
    let domain = person.address.split('@').nth(1).unwrap_or_default();
    let company = domain.split('.').next().unwrap_or_default();
    let mut lines = vec![
        "BEGIN:VCARD".to_owned(),
        "VERSION:3.0".to_owned(),
        format!("N:{};{};;;", person.last, person.first),
        format!("FN:{}", person.name()),
        format!(
            "ORG:{company};{}",
            rng.pick(&["Sales", "Research", "Service"])
        ),
        format!(
            "TITLE:{}",
            rng.pick(&["Engineer", "Manager", "Assistant", "Buyer"])
        ),
        format!("EMAIL;TYPE=INTERNET,PREF:{}", person.address),
        format!(
            "TEL;TYPE=WORK,VOICE:+49 711 {}",
            100_000 + rng.below(899_999)
        ),
    ];
    if rng.chance(60) {
        lines.push(format!(
            "TEL;TYPE=CELL:+49 170 {}",
            1_000_000 + rng.below(8_999_999)
        ));
    }
    if rng.chance(40) {
        lines.push(format!(
            "ADR;TYPE=WORK:;;Hauptstraße {};Stuttgart;;70{:03};Germany",
            1 + rng.below(200),
            rng.below(600)
        ));
    }
    if rng.chance(30) {
        let (month, day) = (1 + rng.below(12), 1 + rng.below(28));
        lines.push(format!(
            "BDAY:19{:02}-{month:02}-{day:02}",
            50 + rng.below(50)
        ));
    }
    lines.push("END:VCARD".to_owned());
    fold(&lines)
}
