//! A company's mail, made up: the same bytes for the same seed, on every machine.
//!
//! The shape follows what measurements of real mailboxes give: sixty people with five folders
//! each, mails of 13 KB in the middle, a text beside the HTML, threads that quote themselves,
//! newsletters with a link of its own behind every picture, attachments in 14 % of the mails. A
//! quarter of the mails with attachments, and a tenth of the others, go to several people of the
//! company, each copy with transport headers of its own.

mod attachment;
mod body;
mod message;
mod people;
mod prose;
mod transport;

use std::collections::VecDeque;

use fastrand::Rng;

use attachment::Attachments;
use message::{Message, Thread};
use people::People;
use prose::Prose;

/// The folders of every mailbox; new mail goes to the first one mostly.
const FOLDERS: [&str; 5] = [
    "Inbox",
    "Sent Items",
    "Archive",
    "Projects",
    "Deleted Items",
];

/// Threads that may still get a reply.
const LIVE_THREADS: usize = 400;

/// One stored message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorpusMail {
    /// The SMTP address of the mailbox it lies in.
    pub mailbox: String,
    /// The name of the folder it lies in.
    pub folder: &'static str,
    /// The message as it came by SMTP, with CRLF.
    pub mime: Vec<u8>,
}

/// An endless sequence of messages, in the order of their arrival.
///
/// ```
/// let mails: Vec<_> = testkit::MailCorpus::new(1).take(20).collect();
/// assert_eq!(mails, testkit::MailCorpus::new(1).take(20).collect::<Vec<_>>());
/// ```
pub struct MailCorpus {
    rng: Rng,
    prose: Prose,
    people: People,
    attachments: Attachments,
    threads: VecDeque<Thread>,
    /// Copies of the last message that were not handed out yet.
    waiting: VecDeque<CorpusMail>,
    unix_seconds: i64,
}

impl MailCorpus {
    /// Starts the sequence of a seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let prose = Prose::new(&mut rng);
        let people = People::new(&mut rng, &prose);
        Self {
            rng,
            prose,
            people,
            attachments: Attachments::default(),
            threads: VecDeque::new(),
            waiting: VecDeque::new(),
            unix_seconds: 1_704_070_800,
        }
    }

    /// A mail again, after somebody gave it a category and a flag: two lines in front.
    pub fn changed(&mut self, mail: &CorpusMail) -> CorpusMail {
        let category = ["Red", "Blue", "Follow up"][self.rng.usize(..3)];
        let head = format!(
            "X-Categories: {category}\r\nX-Flag: {}\r\n",
            self.rng.u8(1..6)
        );
        CorpusMail {
            mime: [head.as_bytes(), &mail.mime].concat(),
            ..mail.clone()
        }
    }

    fn write_next(&mut self) {
        self.unix_seconds += self.rng.i64(20..1200);
        let thread = self.reply_to();
        let message = Message::write(self, thread.map(|at| &self.threads[at]).cloned());
        self.remember(thread, &message);
        self.send(&message);
    }

    /// Which thread goes on, if any: replies are 45 % of what people write.
    fn reply_to(&mut self) -> Option<usize> {
        (!self.threads.is_empty() && self.rng.u8(..100) < 45)
            .then(|| self.rng.usize(..self.threads.len()))
    }

    fn remember(&mut self, thread: Option<usize>, message: &Message) {
        match (
            thread.and_then(|at| self.threads.get_mut(at)),
            message.opens_thread,
        ) {
            (Some(thread), _) => thread.extend(message),
            (None, true) => {
                if self.threads.len() == LIVE_THREADS {
                    self.threads.pop_front();
                }
                self.threads.push_back(Thread::new(message));
            }
            (None, false) => {}
        }
    }

    /// One copy for each recipient in the company.
    fn send(&mut self, message: &Message) {
        let one_in = if message.attachments > 0 { 4 } else { 10 };
        let copies = match (self.rng.u8(..one_in), self.rng.u8(..10)) {
            (1.., _) => 1,
            (0, 0..5) => 2,
            (0, 5..7) => 3,
            (0, 7..9) => 4,
            (0, _) => 6,
        };
        if copies > 1 {
            self.attachments
                .count_again(message.attachments, copies - 1);
        }
        let recipients = self.people.some_colleagues(&mut self.rng, copies);
        let to = recipients.join(", ");
        for mailbox in recipients {
            let folder = if self.rng.u8(..100) < 60 {
                0
            } else {
                self.rng.usize(..FOLDERS.len())
            };
            let head = transport::headers(&mut self.rng, message, self.unix_seconds);
            let own = format!(
                "{head}{}To: {to}\r\nX-Delivered-To: {mailbox}\r\n\r\n",
                message.head
            );
            self.waiting.push_back(CorpusMail {
                folder: FOLDERS[folder],
                mime: [own.as_bytes(), &message.body].concat(),
                mailbox,
            });
        }
    }
}

impl Iterator for MailCorpus {
    type Item = CorpusMail;

    fn next(&mut self) -> Option<CorpusMail> {
        while self.waiting.is_empty() {
            self.write_next();
        }
        self.waiting.pop_front()
    }
}
