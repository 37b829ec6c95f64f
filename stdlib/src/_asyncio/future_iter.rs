//! What `await` goes through: gives the future once, and ends with what has come of it.

use super::future::{Future, Outcome};
use weft_objects::cell::{counted, fresh, own};
use weft_objects::gc_slots;
use weft_objects::generator;
use weft_objects::prelude::*;

#[repr(C)]
struct FutureIter {
    header: Header,
    /// NULL when it is over.
    future: Slot,
}

gc_slots!(FutureIter, traverse, clear, future);

fn this<'a>(v: Value) -> &'a FutureIter {
    // SAFETY: slots and methods of FUTURE_ITER get its instances alone.
    unsafe { &*(v.ptr() as *const FutureIter) }
}

/// `future.__await__()`, `iter(future)`
pub fn new(t: &mut Thread, v: Value) -> Res {
    super::future_type::this(v).need_loop(t)?;
    // SAFETY: the layout of FUTURE_ITER.
    let (o, i) = unsafe { fresh::<FutureIter>(t, &FUTURE_ITER) };
    i.future.init(t, &i.header, counted(t, v));
    Ok(o.into())
}

/// A step: the future, or its result as the end.
fn send(t: &mut Thread, v: Value, _sent: Value) -> Res<generator::Outcome> {
    use generator::Outcome::{Returned, Yielded};
    let Some(o) = own(t, &this(v).future) else {
        return Ok(Returned(Value::NONE));
    };
    let Some(f) = Future::of(o.value()) else {
        return Ok(Returned(Value::NONE));
    };
    if f.is_pending() {
        if !f.blocking.load(std::sync::atomic::Ordering::Relaxed) {
            f.blocking.store(true, std::sync::atomic::Ordering::Relaxed);
            return Ok(Yielded(o.into()));
        }
        return Err(t.runtime_error("await wasn't used with future"));
    }
    close(t, v);
    match f.outcome(t)? {
        Outcome::Result(r) => Ok(Returned(r)),
        Outcome::Exception(exc) => Err(t.raise_value(exc)),
    }
}

fn next(t: &mut Thread, v: Value) -> Res {
    match send(t, v, Value::NONE)? {
        generator::Outcome::Yielded(v) => Ok(v),
        generator::Outcome::Returned(r) if r.is_none() => Ok(Value::NULL),
        generator::Outcome::Returned(r) => {
            let r = Obj::own(r);
            Err(t.stop_iteration(Some(r)))
        }
    }
}

fn send_method(t: &mut Thread, a: &[Value]) -> Res {
    let v = next(t, a[0])?;
    if v.is_null() {
        return Err(t.stop_iteration(None));
    }
    Ok(v)
}

fn close(t: &Thread, v: Value) {
    this(v).future.set(t, &this(v).header, Value::NULL);
}

fn throw(t: &mut Thread, a: &[Value]) -> Res {
    if a[2..].iter().any(|v| !v.is_null()) {
        let msg = "the (type, exc, tb) signature of throw() is deprecated, use the single-arg signature instead.";
        errors::warn::deprecated(t, msg)?;
    }
    let (ty, given, tb) = (a[1], a[2], a[3]);
    if !tb.is_null() && !tb.is_none() && !weft_objects::traceback::is_traceback(tb) {
        return Err(t.type_error("throw() third argument must be a traceback".into()));
    }
    let is = errors::is_exception_class(ty) || errors::is_exception(ty);
    if !is {
        let msg = "exceptions must be classes deriving BaseException or instances of such a class";
        return Err(t.type_error(msg.into()));
    }
    let exc = generator::thrown(t, &[ty, given, tb])?;
    close(t, a[0]);
    Err(t.raise_value(exc))
}

/// `_asyncio.FutureIter`
pub static FUTURE_ITER: Type = Type::builtin(
    "FutureIter",
    size_of::<FutureIter>(),
    &Spec {
        iter: Some(|t, v| Ok(to_reg(t, v.bare()))),
        iter_next: Some(next),
        send: Some(send),
        methods: &[
            NativeDef::new("send", "($self, value, /)", send_method),
            NativeDef::new("throw", "($self, typ, val=None, tb=None, /)", throw),
            NativeDef::new("close", "($self, /)", |t, a| {
                close(t, a[0]);
                Ok(Value::NONE)
            }),
        ],
        ..Spec::EMPTY
    },
)
.module("_asyncio")
.gc(traverse, clear)
.final_()
.no_new();
