//! Who writes to whom.

use fastrand::Rng;

use super::prose::Prose;

const DOMAIN: &str = "contoso.example";
const COLLEAGUES: usize = 60;
const PARTNERS: usize = 900;
const NEWSLETTERS: usize = 25;

pub(super) struct People {
    colleagues: Vec<Person>,
    partners: Vec<Person>,
    newsletters: Vec<Newsletter>,
}

#[derive(Clone)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) address: String,
    /// The lines under what they write.
    pub(super) signature: Vec<String>,
    /// Whether mail from here crosses the company's border.
    pub(super) outside: bool,
}

/// A sender of the same page week after week.
#[derive(Clone)]
pub(super) struct Newsletter {
    pub(super) domain: String,
    pub(super) style: String,
}

impl People {
    pub(super) fn new(rng: &mut Rng, prose: &Prose) -> Self {
        let mut colleagues: Vec<Person> = Vec::with_capacity(COLLEAGUES);
        while colleagues.len() < COLLEAGUES {
            let person = Person::new(rng, prose, DOMAIN, false);
            if colleagues
                .iter()
                .all(|known| known.address != person.address)
            {
                colleagues.push(person);
            }
        }
        let partners = (0..PARTNERS)
            .map(|_| {
                let domain = format!("{}.example.com", prose.plain_word(rng));
                Person::new(rng, prose, &domain, true)
            })
            .collect();
        let newsletters = (0..NEWSLETTERS)
            .map(|_| Newsletter::new(rng, prose))
            .collect();
        Self {
            colleagues,
            partners,
            newsletters,
        }
    }

    /// Who writes a mail: half of them from outside.
    pub(super) fn writer(&self, rng: &mut Rng) -> Person {
        let list = if rng.bool() {
            &self.colleagues
        } else {
            &self.partners
        };
        list[rng.usize(..list.len())].clone()
    }

    pub(super) fn newsletter(&self, rng: &mut Rng) -> Newsletter {
        self.newsletters[rng.usize(..self.newsletters.len())].clone()
    }

    /// The addresses of some different colleagues.
    pub(super) fn some_colleagues(&self, rng: &mut Rng, count: usize) -> Vec<String> {
        let mut all: Vec<&Person> = self.colleagues.iter().collect();
        rng.shuffle(&mut all);
        all.iter()
            .take(count)
            .map(|person| person.address.clone())
            .collect()
    }
}

impl Person {
    fn new(rng: &mut Rng, prose: &Prose, domain: &str, outside: bool) -> Self {
        let name = format!("{} {}", prose.name(rng), prose.name(rng));
        let local: String = name
            .to_lowercase()
            .chars()
            .filter_map(|letter| match letter {
                ' ' => Some('.'),
                letter => letter.is_ascii().then_some(letter),
            })
            .collect();
        let signature = vec![
            "Mit freundlichen Grüßen / Best regards".to_owned(),
            name.clone(),
            format!("{} GmbH | {}", prose.name(rng), prose.name(rng)),
            format!(
                "Tel. +49 89 {}-{}",
                rng.u32(100_000..999_999),
                rng.u8(10..99)
            ),
            format!(
                "This message may hold confidential matter. {}",
                prose.paragraph(rng)
            ),
        ];
        Self {
            address: format!("{local}@{domain}"),
            name,
            signature,
            outside,
        }
    }
}

impl Newsletter {
    fn new(rng: &mut Rng, prose: &Prose) -> Self {
        let style = (0..rng.usize(30..90))
            .map(|n| {
                format!(
                    ".c{n}{{font-family:Arial,Helvetica,sans-serif;font-size:{}px;\
                     line-height:{}px;color:#{:06x};padding:{}px {}px}}\r\n",
                    rng.u8(10..25),
                    rng.u8(12..31),
                    rng.u32(..0x100_0000),
                    rng.u8(..31),
                    rng.u8(..31)
                )
            })
            .collect();
        Self {
            domain: format!("news.{}.example.org", prose.plain_word(rng)),
            style,
        }
    }
}
