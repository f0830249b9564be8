#[path = "it/portable.rs"]
mod portable;
#[path = "it/world.rs"]
mod world;
