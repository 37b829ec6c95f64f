//! Who waits for a future: nobody, one (kept as it is), or several (in a set). For whoever wants to print the graph of what awaits what.

use super::future::Future;
use weft_objects::cell::own;
use weft_objects::prelude::*;
use weft_objects::set::Set;

/// Notes that `waiter` waits for `v`. Of objects of other classes nothing is noted.
pub fn add(t: &mut Thread, v: Value, waiter: Value) -> Res<()> {
    let (Some(f), Some(_)) = (Future::of(v), Future::of(waiter)) else {
        return Ok(());
    };
    loop {
        let now = own(t, &f.awaited_by);
        let new = match &now {
            None => Obj::new(t, waiter),
            Some(o) if Set::exact(o.value()).is_some() => {
                return Set::of_obj(o).add(t, waiter).map(drop);
            }
            Some(o) if o.value().same(waiter) => return Ok(()),
            Some(o) => {
                let set = Set::new(t);
                Set::of_obj(&set).add(t, o.value())?;
                Set::of_obj(&set).add(t, waiter)?;
                set
            }
        };
        if replace(t, f, now.as_ref(), new.into_value()) {
            return Ok(());
        }
    }
}

/// Notes that `waiter` waits for `v` no more.
pub fn discard(t: &mut Thread, v: Value, waiter: Value) -> Res<()> {
    let (Some(f), Some(_)) = (Future::of(v), Future::of(waiter)) else {
        return Ok(());
    };
    loop {
        // It is nearly always the only one.
        let Some(now) = own(t, &f.awaited_by) else {
            return Ok(());
        };
        if !now.value().same(waiter) {
            if Set::exact(now.value()).is_some() {
                Set::of_obj(&now).remove(t, waiter)?;
            }
            return Ok(());
        }
        // Else it is one of several by now.
        if replace(t, f, Some(&now), Value::NULL) {
            return Ok(());
        }
    }
}

/// Stores the word if `now` is still there. False: another thread has been faster, and the reference is dropped.
fn replace(t: &Thread, f: &Future, now: Option<&Obj>, new: Value) -> bool {
    let old = now.map_or(Value::NULL, Obj::value);
    match f.awaited_by.set_if(t, &f.header, old, new) {
        Ok(()) => {
            t.drop_value(old);
            true
        }
        Err(new) => {
            t.drop_value(new);
            false
        }
    }
}

/// `_asyncio_awaited_by`: a frozenset, or None.
pub fn get(t: &mut Thread, v: Value) -> Res {
    let f = super::future_type::this(v);
    let Some(now) = own(t, &f.awaited_by) else {
        return Ok(Value::NONE);
    };
    let all = match Set::exact(now.value()) {
        Some(set) => set.to_vec(t),
        None => vec![now],
    };
    let frozen = Set::new_frozen(t);
    for waiter in all {
        Set::of_obj(&frozen).add(t, waiter.value())?;
    }
    Ok(frozen.into())
}
