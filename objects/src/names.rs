//! Names used by the runtime itself: interned strings, found once for each place that uses one.

use crate::str::Str;
use std::sync::atomic::AtomicPtr;
use weft_gc::Thread;

/// A place in the code that uses a name: see [`crate::id!`].
pub struct Site(AtomicPtr<Str>);

impl Site {
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Site {
        Site(AtomicPtr::new(std::ptr::null_mut()))
    }
    #[inline(always)]
    pub fn get(&self, t: &Thread, name: &str) -> &'static Str {
        Str::once(t, &self.0, name.as_bytes())
    }
}

/// The interned string with this text.
pub fn get(t: &Thread, name: &str) -> &'static Str {
    Str::intern_bytes(t, name.as_bytes())
}

/// `id!(t, "name")`: the interned `&'static Str`, by one load once it is known.
#[macro_export]
macro_rules! id {
    ($t:expr, $name:expr) => {{
        static SITE: $crate::names::Site = $crate::names::Site::new();
        SITE.get(&*$t, $name)
    }};
}
