//! `postkeep service`: systemd units.

use operator::{ServiceOptions, UnitFile, unit_files};
use serde::Serialize;

use crate::args::{ServiceCommand, ServiceInstallArgs};
use crate::config::Context;
use crate::exit::{Code, Failure, Result};
use crate::operate;

#[derive(Serialize)]
struct Document {
    written: bool,
    files: Vec<File>,
}

#[derive(Serialize)]
struct File {
    path: String,
    text: String,
}

pub fn run(context: &Context, command: ServiceCommand) -> Result<Code> {
    let ServiceCommand::Install(args) = command;
    install(context, &args)
}

fn install(context: &Context, args: &ServiceInstallArgs) -> Result<Code> {
    let config = operate::load(&args.file)?;
    let config_file = operate::config_path(&args.file)?;
    let config_file = std::path::absolute(&config_file)
        .map_err(|error| Failure::io("find the configuration", &error))?;
    let program = std::env::current_exe()
        .map_err(|error| Failure::io("find the program's own path", &error))?;
    let options = ServiceOptions::new(
        &config,
        &program.to_string_lossy(),
        &config_file.to_string_lossy(),
        &args.run_as,
    );
    let units = unit_files(&options, args.timer);
    let mut files = Vec::new();
    for UnitFile { name, text } in units {
        let path = args.dir.join(name);
        if !args.dry_run {
            std::fs::write(&path, &text).map_err(|error| {
                Failure::io(format!("write {}", path.display()), &error)
                    .hint("run it as root, or look at it with --dry-run")
            })?;
        }
        files.push(File {
            path: path.display().to_string(),
            text,
        });
    }
    let document = Document {
        written: !args.dry_run,
        files,
    };
    context
        .output
        .result(&document, |document| people(document, args))?;
    Ok(Code::Done)
}

fn people(document: &Document, args: &ServiceInstallArgs) -> String {
    let mut text = String::new();
    for file in &document.files {
        match document.written {
            true => text.push_str(&format!("wrote {}\n", file.path)),
            false => text.push_str(&format!("# {}\n{}\n", file.path, file.text)),
        }
    }
    if document.written {
        let unit = if args.timer {
            "postkeep-due.timer"
        } else {
            "postkeep.service"
        };
        text.push_str(&format!(
            "next: useradd --system {}\n      systemctl daemon-reload\n      systemctl enable --now \
             {unit}\n",
            args.run_as
        ));
    }
    text
}
