//! `postkeep demo`: the whole job on a simulated Exchange server, over real HTTP.

mod originals;
mod restores;
mod story;
mod world;

use std::path::PathBuf;
use std::sync::Arc;

use engine::{
    BackupOptions, BackupReport, Client, ClientOptions, Credentials, Exchange, Passphrase, Vault,
};
use ews_sim::RunningServer;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::args::{AccessArgs, Cipher, DemoArgs};
use crate::config::{self, Context};
use crate::exit::{Code, Failure, Result};
use crate::human::{bytes, count, counted, per_second};
use crate::interrupt::Interrupt;
use crate::platform::set_variable;
use crate::progress::Progress;
use originals::Originals;
use story::Story;
use world::World;

/// The passphrase of the temporary repository, whose mail is made up or here in the clear anyway.
const PASSPHRASE: &str = "demo";

pub async fn run(context: &Context, args: DemoArgs) -> Result<Code> {
    let folder = TempDir::with_prefix("postkeep-demo-")
        .map_err(|error| Failure::io("create a temporary folder", &error))?;
    let repo = args
        .repo
        .clone()
        .unwrap_or_else(|| folder.path().join("repository").display().to_string());
    let access = AccessArgs {
        cache_dir: args
            .access
            .cache_dir
            .clone()
            .or_else(|| Some(folder.path().join("cache"))),
        ..args.access.clone()
    };
    let passphrase = match args.repo {
        Some(_) => config::passphrase(&repo, &access)?,
        None => Passphrase::new(PASSPHRASE),
    };
    let mut demo = Demo::start(context, &args, repo, access, &passphrase).await?;
    let told = demo.tell().await;
    demo.progress.finish();
    demo.server.stop().await;
    told?;
    let story = demo.story;
    let kept = (args.keep && args.repo.is_none()).then(|| folder.keep());
    story.end(kept.as_ref().map(|folder| folder.join("repository")))?;
    if let Some(folder) = kept {
        look_into(context, &folder);
    }
    Ok(story.code())
}

/// How to look into the repository that was left behind.
fn look_into(context: &Context, folder: &std::path::Path) {
    let repository: PathBuf = folder.join("repository");
    context.output.note("");
    context.output.note("Look into it with");
    context.output.note(&format!(
        "  {}",
        set_variable("POSTKEEP_PASSPHRASE", PASSPHRASE)
    ));
    let repository = repository.display().to_string();
    context
        .output
        .note(&format!("  {}", set_variable("POSTKEEP_REPO", &repository)));
    context.output.note("  postkeep snapshots");
    context.output.note("  postkeep ls");
}

/// A demonstration in progress.
struct Demo<'a> {
    world: World,
    server: RunningServer,
    exchange: Exchange,
    vault: Vault,
    progress: Arc<Progress>,
    interrupt: Interrupt,
    story: Story<'a>,
}

impl<'a> Demo<'a> {
    /// The server, the repository, and all that watches.
    async fn start(
        context: &'a Context,
        args: &DemoArgs,
        repo: String,
        access: AccessArgs,
        passphrase: &Passphrase,
    ) -> Result<Self> {
        let progress = Progress::new("demo", context.output, &context.environment);
        let interrupt = Interrupt::watch(progress.clone(), "stopping; Ctrl-C again ends at once");
        let mut story = Story::begin(context);
        let sim_failed = |error: ews_sim::Error| Failure::sim(&error);
        let world = World::build(args).map_err(sim_failed)?;
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .map_err(|error| Failure::io("listen on this machine", &error))?;
        let server = world.sim.serve(listener).await.map_err(sim_failed)?;
        let mailboxes = counted(world.mailboxes.len() as u64, "mailbox");
        let items = counted(world.item_count(), "item");
        story.step(
            "A simulated Exchange server",
            &[format!("{mailboxes} with {items} at {}", server.url())],
        );
        let (vault, made) = open_or_create(context, &repo, &access, passphrase).await?;
        story.step(made, &[format!("in {repo}")]);
        let exchange = exchange(&server)?;
        Ok(Self {
            world,
            server,
            exchange,
            vault,
            progress,
            interrupt,
            story,
        })
    }

    async fn tell(&mut self) -> Result<()> {
        let first = self.back_up("First backup").await?;
        let changes = self.world.change().map_err(|error| Failure::sim(&error))?;
        // What the mailbox that is restored as a whole must come back as.
        let originals =
            Originals::of(&self.world.first()?).map_err(|error| Failure::sim(&error))?;
        self.story
            .step("The mailboxes change", &[changes.describe()]);
        self.back_up("Second backup: only what changed").await?;
        self.back_up("Third backup: nothing changed").await?;
        self.restore_deleted(&first, &changes).await?;
        self.restore_mailbox(&originals).await?;
        self.check().await
    }

    async fn back_up(&mut self, title: &str) -> Result<BackupReport> {
        self.continues()?;
        let options = BackupOptions {
            mailboxes: self.world.mailboxes.clone(),
            ..BackupOptions::default()
        };
        let token = self.interrupt.token();
        self.progress.restart("backup");
        let watch = self.progress.clone();
        let done = self
            .vault
            .backup(&self.exchange, &options, token, watch)
            .await;
        self.progress.finish();
        let report = done?;
        let sum =
            |of: fn(&engine::MailboxReport) -> u64| report.mailboxes.iter().map(of).sum::<u64>();
        let (items, read) = (sum(|m| m.items_downloaded), sum(|m| m.bytes_downloaded));
        let (flags, gone) = (sum(|m| m.items_flagged), sum(|m| m.items_deleted));
        let requests = counted(report.requests, "request");
        let mut lines = vec![format!(
            "{} downloaded, {}, {requests}",
            counted(items, "item"),
            bytes(read)
        )];
        if items > 0 {
            lines[0].push_str(&format!(
                ", {} items/s",
                count(per_second(items, report.elapsed_ms))
            ));
        }
        if flags + gone > 0 {
            lines.push(format!(
                "{} marked read or unread, {} gone or moved away",
                count(flags),
                count(gone)
            ));
        }
        let mut stored = format!("{} stored", bytes(report.bytes_stored));
        if report.bytes_deduplicated > 0 {
            let there = bytes(report.bytes_deduplicated);
            stored.push_str(&format!(", {there} of attachments were there already"));
        }
        lines.push(stored);
        if !report.is_complete() {
            self.story.went_wrong();
            lines.push(super::failed_items("not backed up", &report.failures));
        }
        self.story.add_read(read);
        self.story.step_with(title, &lines, "backup", &report);
        self.continues()?;
        Ok(report)
    }

    async fn check(&mut self) -> Result<()> {
        self.progress.restart("check");
        let checked = self.vault.check(true, self.progress.clone()).await;
        self.progress.finish();
        let check = checked?;
        let read = format!(
            "{} in {}",
            bytes(check.bytes),
            counted(check.objects, "object")
        );
        let found = if check.is_clean() {
            "no damage"
        } else {
            "DAMAGE"
        };
        if !check.is_clean() {
            self.story.went_wrong();
        }
        let lines = [format!(
            "{read} read, {found}; {} looked up",
            counted(check.items, "item version")
        )];
        self.story
            .step_with("Every stored byte checked", &lines, "check", &check);
        let sent = self.world.sim.sent_messages();
        if sent > 0 {
            self.story.went_wrong();
        }
        self.story
            .totals(self.vault.repository().stats().stored_bytes, sent);
        Ok(())
    }

    fn continues(&self) -> Result<()> {
        match self.interrupt.token().is_cancelled() {
            true => Err(Failure::new(
                Code::Interrupted,
                "the demonstration was interrupted",
            )),
            false => Ok(()),
        }
    }
}

/// Opens the repository, or creates it where there is none.
async fn open_or_create(
    context: &Context,
    repo: &str,
    access: &AccessArgs,
    passphrase: &Passphrase,
) -> Result<(Vault, &'static str)> {
    let is_there = async {
        let destination = crate::destination::find(
            repo,
            access.destination_file.as_deref(),
            &context.environment,
        )?
        .open()?;
        let options = config::vault_options(context, access)?;
        Ok::<_, Failure>(Vault::open(destination, passphrase, options).await?)
    };
    match is_there.await {
        Ok(vault) => Ok((vault, "An encrypted repository opened")),
        Err(failure) if failure.code == Code::NotFound => {
            let cipher = Cipher::Aes256Gcm;
            let vault = config::create_vault(context, repo, access, passphrase, cipher).await?;
            Ok((vault, "An encrypted repository created"))
        }
        Err(failure) => Err(failure),
    }
}

fn exchange(server: &RunningServer) -> Result<Exchange> {
    let url = config::server_url(server.url())?;
    let credentials = Credentials::basic(world::ACCOUNT, world::PASSWORD);
    let client = Client::new(ClientOptions::new(url.clone(), credentials))
        .map_err(|error| Failure::new(Code::Internal, crate::exit::chain(&error)))?;
    Ok(Exchange::new(client, url, world::ACCOUNT))
}
