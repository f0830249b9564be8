//! GetItem (MS-OXWSCORE 3.1.4.4).

use super::answer::subject_of;
use super::{Answer, Context, Oops, Reply};
use crate::op::resolve::ItemRef;
use crate::shape::{ItemShape, View};
use crate::soap::Fault;
use crate::xml::{Element, XmlWriter};

pub(super) fn run(context: &Context<'_>, request: &Element<'_>) -> Result<Reply, Fault> {
    let mut answer = Answer::new(context);
    for id in request.required_list("ItemIds")? {
        answer.message(|w| {
            let shape = ItemShape::read(request, "ItemShape", false)?
                .making_mime_anew(context.world.mime_number());
            let found = context.item(id)?;
            let message = found.item.message();
            context.item_fault(&found.id, &subject_of(&message))?;
            w.start("m:Items");
            write_item(w, &shape, &found)?;
            w.end("m:Items");
            context.world.recorder.record(|stats| stats.items_read += 1);
            Ok(())
        })?;
    }
    answer.finish()
}

/// Writes an item that was looked up.
pub(super) fn write_item(
    w: &mut XmlWriter,
    shape: &ItemShape,
    found: &ItemRef,
) -> Result<(), Oops> {
    let folder_change = {
        let state = found.store.read();
        state.folder(found.folder).map_or(0, |folder| folder.change)
    };
    let message = found.item.message();
    let place = (found.folder, folder_change);
    shape.write(
        w,
        &View::of_item(&found.store, place, &found.item, &message, shape),
    );
    Ok(())
}
