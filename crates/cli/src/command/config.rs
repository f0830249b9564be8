//! `postkeep config`: writes, checks and shows the configuration.

use std::io::{IsTerminal, Write};

use engine::Url;
use jiff::tz::TimeZone;
use operator::{Answers, Config, Mistake, json_schema, settings_as_markdown, write_config};
use serde::Serialize;

use crate::args::{ConfigCommand, ConfigFileArgs, ConfigInitArgs, ConfigSchemaArgs};
use crate::config::Context;
use crate::exit::{Code, Failure, Result};
use crate::human::counted;
use crate::operate;

pub fn run(context: &Context, command: ConfigCommand) -> Result<Code> {
    match command {
        ConfigCommand::Init(args) => init(context, *args),
        ConfigCommand::Check(args) => check(context, &args),
        ConfigCommand::Show(args) => show(context, &args),
        ConfigCommand::Schema(args) => schema(context, &args),
    }
}

#[derive(Serialize)]
struct Checked {
    file: String,
    mistakes: Vec<Mistake>,
}

fn check(context: &Context, args: &ConfigFileArgs) -> Result<Code> {
    let file = operate::config_path(args)?;
    let text = operate::config_text(&file)?;
    let mistakes = Config::parse(&text).err().unwrap_or_default();
    let code = match mistakes.is_empty() {
        true => Code::Done,
        false => Code::Usage,
    };
    let checked = Checked {
        file: file.display().to_string(),
        mistakes,
    };
    context.output.result(&checked, |checked| {
        let mut text = String::new();
        for mistake in &checked.mistakes {
            text.push_str(&format!("{}\n", mistake.in_file(&checked.file)));
            if let Some(suggestion) = &mistake.suggestion {
                text.push_str(&format!("  try: {suggestion}\n"));
            }
        }
        match checked.mistakes.len() {
            0 => format!("{}: no mistake\n", checked.file),
            many => format!("{text}{}\n", counted(many as u64, "mistake")),
        }
    })?;
    Ok(code)
}

fn show(context: &Context, args: &ConfigFileArgs) -> Result<Code> {
    let config = operate::load(args)?;
    context.output.result(&config, |config| {
        // Only where secrets are is in there, not what they are.
        operator::config_as_toml(config)
    })?;
    Ok(Code::Done)
}

fn schema(context: &Context, args: &ConfigSchemaArgs) -> Result<Code> {
    if args.markdown {
        context.output.raw(settings_as_markdown().as_bytes())?;
        return Ok(Code::Done);
    }
    let schema = json_schema();
    context.output.result(&schema, |schema| {
        serde_json::to_string_pretty(schema).unwrap_or_default() + "\n"
    })?;
    Ok(Code::Done)
}

#[derive(Serialize)]
struct Written {
    file: String,
}

fn init(context: &Context, args: ConfigInitArgs) -> Result<Code> {
    let ask = Ask {
        terminal: std::io::stdin().is_terminal() && std::io::stderr().is_terminal(),
    };
    let answers = answers(&ask, args.clone())?;
    let text = write_config(&answers);
    if let Err(mistakes) = Config::parse(&text) {
        let why = mistakes
            .first()
            .map(|m| m.message.clone())
            .unwrap_or_default();
        return Err(Failure::usage(format!(
            "these answers make no configuration: {why}"
        )));
    }
    let what = format!("write {}", args.out.display());
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&args.out)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Failure::io(&what, &error).hint("--out FILE names another"))?;
    let written = Written {
        file: args.out.display().to_string(),
    };
    let config = match written.file.as_str() {
        "postkeep.toml" => String::new(),
        file => format!(" --config {file}"),
    };
    context.output.result(&written, |written| {
        format!(
            "wrote {}\nnext: put the secrets into {} and {},\n      postkeep init --repo {} --passphrase-file {}\n\
             \x20     postkeep run --set {}{config}\n",
            written.file,
            answers.password_file,
            answers.passphrase_file,
            answers.repository,
            answers.passphrase_file,
            answers.name,
        )
    })?;
    Ok(Code::Done)
}

/// Questions on a terminal.
struct Ask {
    terminal: bool,
}

impl Ask {
    /// What was given, or what somebody types, or what is usual.
    fn text(&self, given: Option<String>, question: &str, usual: &str) -> Result<String> {
        if let Some(given) = given {
            return Ok(given);
        }
        if !self.terminal {
            return match usual {
                "" => Err(Failure::usage(format!("not given: {question}"))
                    .hint("`postkeep help config init` lists the options; a terminal asks")),
                usual => Ok(usual.to_owned()),
            };
        }
        loop {
            let hint = match usual {
                "" => String::new(),
                usual => format!(" [{usual}]"),
            };
            let failed = |error| Failure::io("ask", &error);
            let mut stderr = std::io::stderr();
            write!(stderr, "{question}{hint}: ")
                .and_then(|()| stderr.flush())
                .map_err(failed)?;
            let mut line = String::new();
            if std::io::stdin().read_line(&mut line).map_err(failed)? == 0 {
                return Err(Failure::usage("the answers ended too early"));
            }
            match (line.trim(), usual) {
                ("", "") => {}
                ("", usual) => return Ok(usual.to_owned()),
                (typed, _) => return Ok(typed.to_owned()),
            }
        }
    }
}

fn answers(ask: &Ask, args: ConfigInitArgs) -> Result<Answers> {
    let server = ask.text(args.server, "The server's address", "")?;
    let user = ask.text(args.user, "The account that signs in there", "")?;
    let mailboxes = match args.mailboxes {
        given if !given.is_empty() => given,
        _ => {
            let usual = if user.contains('@') {
                "the account's own"
            } else {
                ""
            };
            let typed = ask.text(None, "Mailboxes, with commas, or @FILE", usual)?;
            let typed = if typed == usual { String::new() } else { typed };
            let parts = typed.split(',').map(|part| part.trim().to_owned());
            parts.filter(|part| !part.is_empty()).collect()
        }
    };
    let repository = ask.text(args.repo, "The repository: a folder or an address", "")?;
    let host = Url::parse(&format!("https://{server}"))
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned));
    let usual_name = host
        .as_deref()
        .and_then(|host| host.split('.').next())
        .unwrap_or("mail");
    let name = ask.text(args.name, "A name for this backup set", usual_name)?;
    let schedule = ask.text(args.schedule, "When to back up", "daily 22:00")?;
    let machine = TimeZone::system();
    let usual_zone = machine.iana_name().unwrap_or("UTC");
    let time_zone = ask.text(
        args.time_zone,
        "By the clock of which time zone",
        usual_zone,
    )?;
    let password_file = ask.text(
        args.password_file,
        "File for the account's password",
        "password",
    )?;
    let question = "File for the repository's passphrase";
    let passphrase_file = ask.text(args.passphrase_file, question, "passphrase")?;
    let nobody = "nobody";
    let to = ask.text(
        args.mail_to,
        "Who gets a mail when something is wrong",
        nobody,
    )?;
    let mail = match to.as_str() {
        "nobody" => None,
        _ => {
            let server = ask.text(args.mail_server, "The mail server", "localhost")?;
            Some((to.clone(), server, to))
        }
    };
    Ok(Answers {
        name,
        server,
        user,
        password_file,
        mailboxes,
        repository,
        passphrase_file,
        schedule,
        time_zone,
        mail,
    })
}
