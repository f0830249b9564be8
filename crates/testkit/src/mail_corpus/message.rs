//! One message before it is sent, and the thread it belongs to.

use super::body::{self, Body};
use super::transport::{date, random_text};
use super::{MailCorpus, attachment::Attachment};

/// Most mail programs' users quote no deeper.
const MAX_QUOTED: usize = 8;
const MAX_REFERENCES: usize = 12;

/// What was said before, as a reply repeats it.
#[derive(Clone)]
pub(super) struct Quoted {
    pub(super) from: String,
    pub(super) date: String,
    pub(super) paragraphs: Vec<String>,
}

/// A conversation, the last word first.
#[derive(Clone)]
pub(super) struct Thread {
    subject: String,
    said: Vec<Quoted>,
    references: Vec<String>,
}

pub(super) struct Message {
    pub(super) from: String,
    /// Whether it crossed the company's border.
    pub(super) outside: bool,
    /// Whether people may answer.
    pub(super) opens_thread: bool,
    /// The headers that all copies share, each line with its end.
    pub(super) head: String,
    pub(super) body: Vec<u8>,
    pub(super) attachments: usize,
    subject: String,
    id: String,
    said: Quoted,
}

impl Message {
    /// Writes the next message of the corpus: a reply to the thread, if there is one.
    pub(super) fn write(corpus: &mut MailCorpus, thread: Option<Thread>) -> Self {
        if thread.is_none() && corpus.rng.u8(..100) < 16 {
            return Self::newsletter(corpus);
        }
        let rng = &mut corpus.rng;
        let writer = corpus.people.writer(rng);
        let count = if rng.u8(..100) < 80 {
            rng.usize(1..5)
        } else {
            rng.usize(5..14)
        };
        let paragraphs: Vec<String> = (0..count).map(|_| corpus.prose.paragraph(rng)).collect();
        let quoted = thread.as_ref().map_or(&[][..], |thread| &thread.said);
        let body = body::letter(rng, &writer, &paragraphs, quoted);
        let count = match rng.u8(..100) {
            0..11 => 1,
            11 => 2,
            12 => 3,
            _ => 0,
        };
        let attachments: Vec<Attachment> = (0..count)
            .map(|_| corpus.attachments.next(rng, &corpus.prose))
            .collect();
        let body = body::with_attachments(rng, body, &attachments);
        let subject = match &thread {
            Some(thread) => thread.subject.clone(),
            None => corpus.prose.title(rng),
        };
        let from = (writer.name.as_str(), writer.address.as_str());
        let mut message = Self::new(corpus, from, &subject, body, thread.as_ref());
        message.outside = writer.outside;
        message.opens_thread = true;
        message.attachments = attachments.len();
        message.said.paragraphs = paragraphs;
        message
    }

    fn newsletter(corpus: &mut MailCorpus) -> Self {
        let rng = &mut corpus.rng;
        let sender = corpus.people.newsletter(rng);
        let body = body::newsletter(rng, &sender, &corpus.prose);
        let subject = corpus.prose.title(rng);
        let address = format!("news@{}", sender.domain);
        let mut message = Self::new(corpus, (&sender.domain, &address), &subject, body, None);
        message.outside = true;
        message
    }

    fn new(
        corpus: &mut MailCorpus,
        (name, address): (&str, &str),
        subject: &str,
        body: Body,
        thread: Option<&Thread>,
    ) -> Self {
        let rng = &mut corpus.rng;
        let date = date(corpus.unix_seconds);
        let id = format!(
            "<{:032x}@{}>",
            rng.u128(..),
            address.rsplit('@').next().unwrap_or("x")
        );
        let depth = thread.map_or(0, |thread| thread.said.len());
        let shown = if thread.is_some() {
            format!("RE: {subject}")
        } else {
            subject.to_owned()
        };
        let mut head = format!(
            "From: \"{name}\" <{address}>\r\nSubject: {shown}\r\nThread-Topic: {subject}\r\n\
             Thread-Index: {}\r\nDate: {date}\r\nMessage-ID: {id}\r\n",
            random_text(rng, 22 + 5 * depth),
        );
        if let Some(thread) = thread {
            let last = thread.references.last().map_or("", String::as_str);
            let references = thread.references.join("\r\n ");
            head += &format!("In-Reply-To: {last}\r\nReferences: {references}\r\n");
        }
        head += &format!(
            "Accept-Language: de-DE, en-US\r\nContent-Language: de-DE\r\nMIME-Version: 1.0\r\n\
             Content-Type: {}\r\n",
            body.content_type
        );
        Self {
            from: address.to_owned(),
            outside: false,
            opens_thread: false,
            head,
            body: body.bytes,
            attachments: 0,
            subject: subject.to_owned(),
            id,
            said: Quoted {
                from: format!("{name} <{address}>"),
                date,
                paragraphs: Vec::new(),
            },
        }
    }
}

impl Thread {
    pub(super) fn new(message: &Message) -> Self {
        Self {
            subject: message.subject.clone(),
            said: vec![message.said.clone()],
            references: vec![message.id.clone()],
        }
    }

    /// A reply becomes the last word; what is too long ago is forgotten.
    pub(super) fn extend(&mut self, message: &Message) {
        self.said.insert(0, message.said.clone());
        self.said.truncate(MAX_QUOTED);
        self.references.push(message.id.clone());
        let excess = self.references.len().saturating_sub(MAX_REFERENCES);
        self.references.drain(..excess);
    }
}
