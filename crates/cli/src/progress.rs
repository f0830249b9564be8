//! Progress on standard error: bars on a terminal, a line every few seconds elsewhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::{Environment, Event, Monitor};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::human;
use crate::output::Output;

/// Time between two lines where there are no bars, in milliseconds.
const LINE_EVERY_MS: i64 = 5_000;

/// A pause as long as this is worth a line of its own.
const LONG_PAUSE: Duration = Duration::from_secs(2);

/// How often bars move on by themselves, so that a waiting server does not look like a crash.
const TICK: Duration = Duration::from_millis(250);

/// Characters of a mailbox's name in front of its bar.
const NAME_CHARS: usize = 28;

/// Characters of a folder's path behind a mailbox's bar.
const PATH_CHARS: usize = 40;

// No line fills the terminal's width: the ^C that it echoes would wrap and shift the bars.
const MAILBOX_STYLE: &str = "  {prefix:28} {bar:20.cyan/black} {pos:>7}/{len:7} {msg:.dim}";
const TOTAL_STYLE: &str = "  {prefix:28.bold} {bar:20.green/black} {pos:>7}/{len:7} {msg}";

/// Shows what an engine is doing.
pub struct Progress {
    output: Output,
    environment: Environment,
    bars: Option<MultiProgress>,
    state: Mutex<State>,
}

struct State {
    what: &'static str,
    total: Option<ProgressBar>,
    mailboxes: HashMap<String, Mailbox>,
    started_unix_ms: i64,
    told_unix_ms: i64,
    expected: u64,
    items: u64,
    bytes: u64,
    failed: u64,
    pause: Option<Duration>,
}

#[derive(Default)]
struct Mailbox {
    bar: Option<ProgressBar>,
    expected: u64,
    items: u64,
}

impl Progress {
    /// Begins; `what` is a word for the work, such as `backup`.
    pub fn new(what: &'static str, output: Output, environment: &Environment) -> Arc<Self> {
        let bars = output
            .can_draw()
            .then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)));
        let state = State::new(what, (environment.now_unix_ms)());
        Arc::new(Self {
            output,
            environment: environment.clone(),
            bars,
            state: Mutex::new(state),
        })
    }

    /// Begins with another piece of work.
    pub fn restart(&self, what: &'static str) {
        self.finish();
        *self.lock() = State::new(what, (self.environment.now_unix_ms)());
    }

    /// Says something between the bars.
    pub fn say(&self, message: &str) {
        match &self.bars {
            // Above the bars; where that fails the terminal is gone.
            Some(bars) => drop(bars.println(human::plain(message))),
            None => self.output.note(message),
        }
    }

    /// Tells what is left of a pause that the server asked for.
    pub fn paused(&self, pause: Option<Duration>) {
        let mut state = self.lock();
        let begins = state.pause.is_none() && pause.is_some_and(|left| left >= LONG_PAUSE);
        if pause.is_none() && state.pause.is_none() {
            return;
        }
        state.pause = pause;
        if state.total.is_some() {
            self.show(&mut state);
        } else if begins && let Some(left) = pause {
            let what = state.what;
            state.told_unix_ms = (self.environment.now_unix_ms)();
            drop(state);
            self.output.note(&format!("{what}: {}", paused(left)));
        }
    }

    /// Takes the bars away: the result is about to be printed.
    pub fn finish(&self) {
        let mut state = self.lock();
        for mailbox in state
            .mailboxes
            .values()
            .filter_map(|mailbox| mailbox.bar.as_ref())
        {
            mailbox.finish_and_clear();
        }
        state.mailboxes.clear();
        if let Some(total) = state.total.take() {
            total.finish_and_clear();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A bar above the one for the whole.
    fn bar(&self, state: &State, style: &str, name: String) -> Option<ProgressBar> {
        let bars = self.bars.as_ref()?;
        let style = ProgressStyle::with_template(style)
            .expect("the templates are constants")
            .progress_chars("━━─");
        let bar = ProgressBar::new(0).with_style(style).with_prefix(name);
        let bar = match &state.total {
            Some(total) => bars.insert_before(total, bar),
            None => bars.add(bar),
        };
        bar.enable_steady_tick(TICK);
        Some(bar)
    }

    fn ensure_total(&self, state: &mut State) {
        if state.total.is_none() {
            let what = state.what.to_owned();
            state.total = self.bar(state, TOTAL_STYLE, what);
        }
    }

    fn mailbox_started(&self, state: &mut State, name: &str) {
        self.ensure_total(state);
        if !state.mailboxes.contains_key(name) {
            let bar = self.bar(state, MAILBOX_STYLE, human::cut(name, NAME_CHARS - 1));
            state.mailboxes.insert(
                name.to_owned(),
                Mailbox {
                    bar,
                    ..Mailbox::default()
                },
            );
        }
    }

    fn mailbox_finished(state: &mut State, name: &str) {
        if let Some(mailbox) = state.mailboxes.remove(name) {
            // What was expected and did not have to be transferred is done as well.
            let spared = mailbox.expected.saturating_sub(mailbox.items);
            state.expected = state.expected.saturating_sub(spared);
            if let Some(bar) = mailbox.bar {
                bar.finish_and_clear();
            }
        }
    }

    fn expected(state: &mut State, name: &str, items: u64) {
        state.expected += items;
        if let Some(mailbox) = state.mailboxes.get_mut(name) {
            mailbox.expected += items;
            if let Some(bar) = &mailbox.bar {
                bar.set_length(mailbox.expected);
            }
        }
    }

    fn transferred(state: &mut State, name: &str, items: u64, bytes: u64) {
        state.items += items;
        state.bytes += bytes;
        if let Some(mailbox) = state.mailboxes.get_mut(name) {
            mailbox.items += items;
            if let Some(bar) = &mailbox.bar {
                bar.set_position(mailbox.items);
            }
        }
    }

    /// Shows the sums: on the bar of the whole, or as a line if the last was long ago.
    fn show(&self, state: &mut State) {
        let now = (self.environment.now_unix_ms)();
        if let Some(total) = &state.total {
            total.set_length(state.expected.max(state.items));
            total.set_position(state.items);
            total.set_message(state.sums(now));
        } else if now - state.told_unix_ms >= LINE_EVERY_MS {
            state.told_unix_ms = now;
            let of = state.expected.max(state.items);
            let (done, of, sums) = (human::count(state.items), human::count(of), state.sums(now));
            self.output
                .note(&format!("{}: {done} of {of} items, {sums}", state.what));
        }
    }

    fn checked(&self, state: &mut State, done: u64, total: u64) {
        self.ensure_total(state);
        let now = (self.environment.now_unix_ms)();
        if let Some(bar) = &state.total {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message("objects");
        } else if now - state.told_unix_ms >= LINE_EVERY_MS {
            state.told_unix_ms = now;
            let (done, total) = (human::count(done), human::count(total));
            self.output
                .note(&format!("{}: {done} of {total} objects", state.what));
        }
    }
}

impl State {
    fn new(what: &'static str, now_unix_ms: i64) -> Self {
        Self {
            what,
            total: None,
            mailboxes: HashMap::new(),
            started_unix_ms: now_unix_ms,
            told_unix_ms: now_unix_ms,
            expected: 0,
            items: 0,
            bytes: 0,
            failed: 0,
            pause: None,
        }
    }

    /// Bytes, rate, remaining time and failures, as far as there is anything to tell.
    fn sums(&self, now_unix_ms: i64) -> String {
        let elapsed_ms = u64::try_from(now_unix_ms - self.started_unix_ms).unwrap_or(0);
        let mut sums = human::bytes(self.bytes);
        if elapsed_ms >= 1000 && self.items > 0 {
            let rate = human::per_second(self.items, elapsed_ms);
            let bytes = human::bytes(human::per_second(self.bytes, elapsed_ms));
            sums.push_str(&format!(", {} items/s, {bytes}/s", human::count(rate)));
            let left = self.expected.saturating_sub(self.items);
            if left > 0 {
                let left_ms = u128::from(elapsed_ms) * u128::from(left) / u128::from(self.items);
                let left_ms = u64::try_from(left_ms).unwrap_or(u64::MAX);
                sums.push_str(&format!(", {} left", human::duration(left_ms.max(1000))));
            }
        }
        if self.failed > 0 {
            sums.push_str(&format!(", {} failed", human::count(self.failed)));
        }
        if let Some(pause) = self.pause {
            sums.push_str(&format!(", {}", paused(pause)));
        }
        sums
    }
}

fn paused(left: Duration) -> String {
    let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    format!(
        "the server is busy and asked for a pause: {} more",
        human::duration(left_ms.max(1))
    )
}

impl Monitor for Progress {
    fn event(&self, event: Event<'_>) {
        let mut state = self.lock();
        let mut message = None;
        match event {
            Event::MailboxStarted { mailbox } => self.mailbox_started(&mut state, mailbox),
            Event::ItemsExpected { mailbox, items } => {
                // An export says what it expects folder by folder, and no more before.
                self.mailbox_started(&mut state, mailbox);
                Self::expected(&mut state, mailbox, items);
            }
            Event::Folder { mailbox, path } => {
                if let Some(bar) = state.mailboxes.get(mailbox).and_then(|m| m.bar.as_ref()) {
                    bar.set_message(human::cut(path, PATH_CHARS));
                }
            }
            Event::Transferred {
                mailbox,
                items,
                bytes,
            } => {
                Self::transferred(&mut state, mailbox, items, bytes);
            }
            // The report names each; here they are counted.
            Event::ItemFailed { .. } => state.failed += 1,
            Event::IndexRebuilt { mailbox, reason } => {
                message = Some(format!(
                    "{mailbox}: the local index is made anew from the repository: {reason}"
                ));
            }
            Event::Checkpoint => message = Some("committed what was read so far".to_owned()),
            Event::MailboxFinished { mailbox, .. } => Self::mailbox_finished(&mut state, mailbox),
            Event::Checked { done, total } => return self.checked(&mut state, done, total),
            Event::Warning { message: warning } => message = Some(warning.to_owned()),
            _ => {}
        }
        self.show(&mut state);
        drop(state);
        if let Some(message) = message {
            self.say(&message);
        }
    }
}
