//! One thing to measure.

/// A closure that does all of the work once.
pub(crate) type Work = Box<dyn FnMut()>;

/// One thing to measure; nothing is made before it is prepared.
pub(crate) struct Case {
    /// Its name in tables and in the file of counts.
    pub(crate) name: &'static str,
    /// Makes its material.
    pub(crate) prepare: fn() -> Prepared,
}

/// A case with its material.
pub(crate) struct Prepared {
    /// Bytes that one run is about.
    pub(crate) bytes: usize,
    pub(crate) run: Work,
    /// What cannot be done without, and what it is.
    pub(crate) limit: (&'static str, Work),
}
