//! `postkeep completions` and `postkeep man`: what packages install beside the program.

use clap::CommandFactory;

use crate::args::{Cli, CompletionsArgs, ManArgs};
use crate::config::Context;
use crate::exit::{Code, Failure, Result};

pub fn completions(context: &Context, args: &CompletionsArgs) -> Result<Code> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "postkeep", &mut script);
    context.output.raw(&script)?;
    Ok(Code::Done)
}

pub fn man(context: &Context, args: &ManArgs) -> Result<Code> {
    let failed = |error: std::io::Error| Failure::io("write the manual", &error);
    match &args.dir {
        Some(dir) => {
            std::fs::create_dir_all(dir).map_err(failed)?;
            clap_mangen::generate_to(Cli::command(), dir).map_err(failed)?;
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command())
                .render(&mut page)
                .map_err(failed)?;
            context.output.raw(&page)?;
        }
    }
    Ok(Code::Done)
}
