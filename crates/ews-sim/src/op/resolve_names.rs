//! ResolveNames (MS-OXWSRSLNM 3.1.4.1): looks addresses up in the list of mailboxes.

use super::{Answer, Context, Failure, Reply};
use crate::soap::Fault;
use crate::xml::Element;

/// Most names in one answer, as Exchange's.
const MAX_NAMES: usize = 100;

pub(super) fn run(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    let entry = request
        .child_text("UnresolvedEntry")
        .filter(|entry| !entry.is_empty())
        .ok_or_else(|| Fault::schema("'UnresolvedEntry' is missing or empty."))?;
    answer.message(|w| {
        let wanted = entry.to_lowercase();
        let wanted = wanted.strip_prefix("smtp:").unwrap_or(&wanted);
        let mut found = context.world.directory();
        found.retain(|entry| entry.matches(wanted));
        if found.is_empty() {
            return Err(
                Failure::new("ErrorNameResolutionNoResults", "No results were found.").into(),
            );
        }
        let last = found.len() <= MAX_NAMES;
        found.truncate(MAX_NAMES);
        w.start("m:ResolutionSet");
        w.attr("TotalItemsInView", &found.len().to_string());
        w.attr(
            "IncludesLastItemInRange",
            if last { "true" } else { "false" },
        );
        for entry in found {
            w.start("t:Resolution");
            entry.write(w, "t:Mailbox");
            w.end("t:Resolution");
        }
        w.end("m:ResolutionSet");
        Ok(())
    })?;
    answer.finish()
}
