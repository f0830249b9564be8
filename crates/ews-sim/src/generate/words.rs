//! What generated people are called and write about.

use super::rng::Rng;

/// A made-up person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) first: &'static str,
    pub(crate) last: &'static str,
    pub(crate) address: String,
}

impl Person {
    /// First and last name.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.first, self.last)
    }
}

const FIRST: &[&str] = &[
    "Alice", "Bruno", "Chiara", "Daniel", "Eva", "Farid", "Greta", "Hugo", "Ines", "Jonas",
    "Katrin", "Luis", "Marta", "Nils", "Olga", "Pavel", "Quentin", "Rosa", "Søren", "Tomás",
    "Ulrike", "Victor", "Wanda", "Yusuf", "Zoë",
];
const LAST: &[&str] = &[
    "Almeida",
    "Berger",
    "Castro",
    "Dubois",
    "Eriksen",
    "Fischer",
    "García",
    "Hansen",
    "Ivanova",
    "Jansen",
    "Kowalski",
    "Lindqvist",
    "Müller",
    "Novák",
    "O'Brien",
    "Petrov",
    "Quinn",
    "Rossi",
    "Schröder",
    "Tanaka",
    "Ueda",
    "Vogel",
    "Weiss",
    "Yilmaz",
    "Zimmermann",
];
const DOMAINS: &[&str] = &[
    "fabrikam.test",
    "contoso.test",
    "northwind.test",
    "example.test",
];
pub(crate) const TOPICS: &[&str] = &[
    "Quarterly budget",
    "Site visit in Lyon",
    "Offer 2214",
    "Delivery dates",
    "New printers on the third floor",
    "Contract draft",
    "Team lunch",
    "Server maintenance window",
    "Press release",
    "Travel expenses",
    "Holiday planning",
    "Warehouse inventory",
    "Customer survey results",
    "Safety training",
    "Onboarding of the new colleagues",
    "Invoice 90417",
    "Product photos",
    "Trade fair stand",
    "Übergabe Projekt Neckar",
    "Répétition générale",
];
const OPENINGS: &[&str] = &[
    "thank you for the quick answer.",
    "as discussed on the phone this morning, here is where we stand.",
    "I had a look at the documents you sent.",
    "just a short note before the weekend.",
    "sorry for the late reply, the last days were rather full.",
    "could you please have a look at the points below?",
];
const SENTENCES: &[&str] = &[
    "The figures for the second half are not final yet, but the trend is clear.",
    "We still wait for the confirmation of the supplier.",
    "Please let me know by Thursday whether this works for you.",
    "The customer would like to move the meeting by one week.",
    "I attached the current version; the changes are marked.",
    "Nobody objected in the meeting, so I suggest that we go ahead.",
    "The costs stay within the limit that was agreed in spring.",
    "There is one open question about the warranty.",
    "Maria will take over while I am away.",
    "The test on the old machine took about forty minutes.",
    "We should not forget the translation of the manual.",
    "Die Unterlagen liegen im gemeinsamen Ordner.",
    "Le rapport complet sera prêt la semaine prochaine.",
    "It would help to have two more people for the first three days.",
    "The room is booked from nine to twelve.",
    "If in doubt, call me; I am at my desk until five.",
    "The second shipment arrived without the packing list.",
    "Both variants are possible, the first one is cheaper.",
];
const CLOSINGS: &[&str] = &[
    "Best regards",
    "Kind regards",
    "Thanks",
    "Viele Grüße",
    "Cheers",
];
pub(crate) const CATEGORIES: &[&str] = &["Red Category", "Customers", "Travel", "Follow up"];

/// Person number `n` of a world; the address is unique per number.
pub(crate) fn person(seed: u64, n: u64) -> Person {
    let mut rng = Rng::new(seed, &[0x50, n]);
    let first = *rng.pick(FIRST);
    let last = *rng.pick(LAST);
    let domain = *rng.pick(DOMAINS);
    let address = format!("{}.{}{n}@{domain}", ascii(first), ascii(last));
    Person {
        first,
        last,
        address,
    }
}

fn ascii(name: &str) -> String {
    name.chars()
        .filter_map(|c| match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => Some(c),
            'ü' => Some('u'),
            'ö' | 'ø' => Some('o'),
            'á' => Some('a'),
            'í' => Some('i'),
            'ë' => Some('e'),
            _ => None,
        })
        .collect()
}

/// A few paragraphs with greeting and closing, without line breaks inside a paragraph.
pub(crate) fn letter(rng: &mut Rng, to: &Person, from: &Person) -> Vec<String> {
    let mut paragraphs = vec![
        format!("Hi {},", to.first),
        (*rng.pick(OPENINGS)).to_owned(),
    ];
    for _ in 0..1 + rng.below(4) {
        let sentences: Vec<&str> = (0..2 + rng.below(4))
            .map(|_| *rng.pick(SENTENCES))
            .collect();
        paragraphs.push(sentences.join(" "));
    }
    paragraphs.push((*rng.pick(CLOSINGS)).to_owned());
    paragraphs.push(from.name());
    paragraphs
}
