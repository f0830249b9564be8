//! GetFolder (MS-OXWSFOLD 3.1.4.6).

use super::{Answer, Context, Reply};
use crate::shape::{FolderShape, write_folder};
use crate::soap::Fault;
use crate::xml::Element;

pub(super) fn run(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    for id in request.required_list("FolderIds")? {
        answer.message(|w| {
            let shape = FolderShape::read(request)?.with_permissions();
            let found = context.folder(id)?;
            let state = found.store.read();
            let folder = state
                .folder(found.number)
                .ok_or(super::Failure::NO_FOLDER)?;
            w.start("m:Folders");
            write_folder(w, &shape, &found.store, &state, folder);
            w.end("m:Folders");
            Ok(())
        })?;
    }
    answer.finish()
}
