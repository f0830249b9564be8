//! `postkeep cat`: prints one item.

use std::io::IsTerminal;

use crate::args::{CatArgs, CatFormat};
use crate::config::{self, Context};
use crate::exit::{Code, Failure, Result};

pub async fn run(context: &Context, args: CatArgs) -> Result<Code> {
    if args.format == CatFormat::Native && std::io::stdout().is_terminal() {
        return Err(Failure::usage("a native stream is nothing for a terminal")
            .hint("send it to a file: postkeep cat --format native ... > FILE"));
    }
    let vault = config::open_vault(context, &args.repository).await?;
    let snapshot = config::one_snapshot(&vault, &args.snapshot).await?;
    let (entry, native) = vault.item(&snapshot, &args.item).await?;
    let output = context.output;
    match args.format {
        _ if output.is_json() => output.result(&entry, |_| String::new())?,
        CatFormat::Json => {
            let text = serde_json::to_string_pretty(&entry).map_err(|error| {
                Failure::new(Code::Internal, format!("write the item as JSON: {error}"))
            })?;
            output.raw(format!("{text}\n").as_bytes())?;
        }
        CatFormat::Native => output.raw(&native)?,
        CatFormat::Eml => output.foreign(&engine::to_file_bytes(&native)?)?,
        CatFormat::Headers => output.foreign(headers(&engine::to_file_bytes(&native)?))?,
    }
    Ok(Code::Done)
}

/// What stands before the first empty line; everything if there is none.
fn headers(mime: &[u8]) -> &[u8] {
    let mut line_is_empty = true;
    for (at, byte) in mime.iter().enumerate() {
        match byte {
            b'\n' if line_is_empty => {
                let headers = mime.get(..at).unwrap_or(mime);
                return headers.strip_suffix(b"\r").unwrap_or(headers);
            }
            b'\n' => line_is_empty = true,
            b'\r' => {}
            _ => line_is_empty = false,
        }
    }
    mime
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_end_at_the_first_empty_line() {
        assert_eq!(headers(b"A: 1\r\nB: 2\r\n\r\nbody"), b"A: 1\r\nB: 2\r\n");
        assert_eq!(headers(b"A: 1\n\nbody\n\n"), b"A: 1\n");
        assert_eq!(headers(b"A: 1\r\n"), b"A: 1\r\n");
        assert_eq!(headers(b"\nbody"), b"");
    }
}
