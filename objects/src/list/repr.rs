//! Reprs of containers that may hold themselves.

use crate::prelude::*;
use std::cell::RefCell;

thread_local! {
    /// The containers whose reprs this thread is making.
    static ACTIVE: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Says that a container's repr is being made, until it is dropped.
pub struct ReprGuard(());

/// Begins the repr of `v`; None if it has begun already, further up.
pub fn enter(_t: &Thread, v: Value) -> Option<ReprGuard> {
    let id = proto::identity(v);
    ACTIVE.with_borrow_mut(|active| {
        if active.contains(&id) {
            return None;
        }
        active.push(id);
        Some(ReprGuard(()))
    })
}

impl Drop for ReprGuard {
    fn drop(&mut self) {
        ACTIVE.with_borrow_mut(Vec::pop);
    }
}

/// Appends the repr of `v`.
///
/// # Errors
/// What its `__repr__` raises.
pub fn push(t: &mut Thread, out: &mut Vec<u8>, v: Value) -> Res<()> {
    let r = proto::repr(t, v)?;
    if let Some(s) = Str::of(r.value()) {
        out.extend_from_slice(s.as_bytes());
    }
    Ok(())
}

/// Appends the reprs of items that come one after the other, separated by commas. An item is held while its repr is made.
pub fn push_all(
    t: &mut Thread,
    out: &mut Vec<u8>,
    mut item: impl FnMut(&Thread) -> Option<Obj>,
) -> Res<()> {
    let mut first = true;
    while let Some(v) = item(t) {
        if !first {
            out.extend_from_slice(b", ");
        }
        first = false;
        push(t, out, v.value())?;
    }
    Ok(())
}
