//! ConvertId (MS-OXWSCVTID 3.1.4.1).

use super::{Answer, Context, Failure, Reply};
use crate::id::ObjectId;
use crate::soap::Fault;
use crate::xml::Element;

pub(super) fn run(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    let format = request.attr("DestinationFormat").unwrap_or_default();
    if !matches!(
        format,
        "EwsId" | "EntryId" | "HexEntryId" | "StoreId" | "OwaId" | "EwsLegacyId"
    ) {
        return Err(Fault::schema(
            "The 'DestinationFormat' attribute is invalid.",
        ));
    }
    for source in request.required_list("SourceIds")? {
        answer.message(|w| {
            if source.name != "AlternateId" {
                return Err(Failure::new(
                    "ErrorInvalidIdMalformed",
                    "Public folder ids cannot be converted.",
                )
                .into());
            }
            let text = source.attr("Id").unwrap_or_default();
            let id = parse(text, source.attr("Format").unwrap_or_default())?;
            w.start("m:AlternateId");
            w.attr("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance");
            w.attr("xsi:type", "t:AlternateIdType");
            w.attr("Format", format);
            w.attr("Id", &write(&id, format));
            w.attr("Mailbox", source.attr("Mailbox").unwrap_or_default());
            w.end("m:AlternateId");
            Ok(())
        })?;
    }
    answer.finish()
}

fn parse(text: &str, format: &str) -> Result<ObjectId, Failure> {
    let base64 = |text: &str| base64_simd::STANDARD.decode_to_vec(text.as_bytes()).ok();
    let id = match format {
        "EwsId" | "EwsLegacyId" => ObjectId::parse(text),
        "EntryId" | "StoreId" => base64(text).and_then(|entry| ObjectId::from_entry_id(&entry)),
        "HexEntryId" => from_hex(text).and_then(|entry| ObjectId::from_entry_id(&entry)),
        "OwaId" => {
            let plain = text
                .replace("%2b", "+")
                .replace("%2B", "+")
                .replace("%2f", "/");
            ObjectId::parse(
                &plain
                    .replace("%2F", "/")
                    .replace("%3d", "=")
                    .replace("%3D", "="),
            )
        }
        _ => None,
    };
    id.ok_or(Failure::MALFORMED_ID)
}

fn write(id: &ObjectId, format: &str) -> String {
    match format {
        "EntryId" | "StoreId" => base64_simd::STANDARD.encode_to_string(id.entry_id()),
        "HexEntryId" => id
            .entry_id()
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect(),
        "OwaId" => id
            .encode()
            .replace('+', "%2b")
            .replace('/', "%2f")
            .replace('=', "%3d"),
        _ => id.encode(),
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}
