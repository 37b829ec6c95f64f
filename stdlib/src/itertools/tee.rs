//! `tee`: several iterators over one, by way of a chain of blocks that hold what the fastest has taken and the slowest has not.

use crate::support::{self, Count};
use std::sync::atomic::{AtomicBool, Ordering::*};
use weft_gc::lock;
use weft_objects::cell::{fresh, own};
use weft_objects::gc_slots;
use weft_objects::iter::iter_self;
use weft_objects::memory;
use weft_objects::prelude::*;

const BLOCK: usize = 57;

/// A block of items.
#[repr(C)]
struct Data {
    header: Header,
    source: Slot,
    next: Slot,
    items: [Slot; BLOCK],
    /// How many there are.
    len: Count,
    running: AtomicBool,
}

/// `itertools._tee`
#[repr(C)]
struct Tee {
    header: Header,
    data: Slot,
    index: Count,
}

gc_slots!(Tee, traverse_tee, clear_tee, data);

unsafe fn traverse_data(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: a block.
    let d = unsafe { &*(h as *const Data) };
    f(d.source.get());
    f(d.next.get());
    for s in &d.items {
        f(s.get());
    }
}

unsafe fn clear_data(h: *mut Header, t: &Thread) {
    // SAFETY: a dying block.
    let d = unsafe { &*(h as *const Data) };
    t.drop_value(d.source.take_local());
    for s in &d.items {
        t.drop_value(s.take_local());
    }
    t.drop_value(d.next.take_local());
}

fn data_of<'a>(v: Value) -> &'a Data {
    // SAFETY: a tee's block, or `self` of the block type.
    unsafe { &*(v.ptr() as *const Data) }
}

fn tee_of<'a>(v: Value) -> &'a Tee {
    // SAFETY: slots and methods of TEE get its instances alone.
    unsafe { &*(v.ptr() as *const Tee) }
}

fn new_data(t: &Thread, source: Obj) -> Obj {
    // SAFETY: the layout of TEE_DATA.
    let (o, d) = unsafe { fresh::<Data>(t, &TEE_DATA) };
    d.source.init(t, &d.header, source.into());
    o
}

/// Item `i` of a block, taken from the source if need be. NULL at its end.
fn item(t: &mut Thread, d: &Data, i: usize) -> Res {
    loop {
        if i < d.len.get() as usize {
            return Ok(to_reg(t, d.items[i].get()));
        }
        if d.running.swap(true, AcqRel) {
            return Err(t.runtime_error("cannot re-enter the tee iterator"));
        }
        if i < d.len.get() as usize {
            d.running.store(false, Release);
            continue;
        }
        let x = proto::next(t, d.source.get());
        if let Ok(Some(x)) = &x {
            let t = &*t;
            let _guard = lock(t, &d.header);
            let n = d.len.get() as usize;
            if n < BLOCK {
                d.items[n].init(t, &d.header, x.clone().into());
                d.len.set(n as u64 + 1);
            }
        }
        d.running.store(false, Release);
        return Ok(x?.map_or(Value::NULL, Obj::into_value));
    }
}

/// The block after `d`.
fn next_block(t: &Thread, d: &Data) -> Obj {
    if let Some(next) = own(t, &d.next) {
        return next;
    }
    let source = Obj::new(t, d.source.get());
    let new = new_data(t, source);
    if let Err(unused) = d.next.set_if(t, &d.header, Value::NULL, new.into()) {
        dec(t, unused);
    }
    Obj::new(t, d.next.get())
}

fn tee_next(t: &mut Thread, v: Value) -> Res {
    let it = tee_of(v);
    let mut data = Obj::new(t, it.data.get());
    let mut i = it.index.get() as usize;
    if i >= BLOCK {
        data = next_block(t, data_of(data.value()));
        it.data.set(t, &it.header, data.clone().into());
        i = 0;
        it.index.set(0);
    }
    let x = item(t, data_of(data.value()), i)?;
    if !x.is_null() {
        it.index.set(i as u64 + 1);
    }
    Ok(x)
}

fn new_tee(t: &Thread, data: Obj, index: u64) -> Obj {
    // SAFETY: the layout of TEE.
    let (o, it) = unsafe { fresh::<Tee>(t, &TEE) };
    it.data.init(t, &it.header, data.into());
    it.index.set(index);
    o
}

fn copy(t: &mut Thread, a: &[Value]) -> Res {
    let it = tee_of(a[0]);
    let data = Obj::new(t, it.data.get());
    Ok(new_tee(t, data, it.index.get()).into())
}

/// A tee over an iterable; a copy if it is one already.
fn from_iterable(t: &mut Thread, v: Value) -> Res<Obj> {
    let source = proto::iter(t, v)?;
    if type_of(source.value()).is_subtype(&TEE) {
        return copy(t, &[source.value()]).map(Obj::own);
    }
    let data = new_data(t, source);
    Ok(new_tee(t, data, 0))
}

fn tee_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("_tee", "(iterable, /)");
    let a = SIG.bind(t, args)?;
    Ok(from_iterable(t, a[0])?.into())
}

fn data_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("teedataobject", "(iterable, values, next, /)");
    let a = SIG.bind(t, args)?;
    let o = new_data(t, Obj::new(t, a[0]));
    let d = data_of(o.value());
    let Some(values) = List::of(a[1]) else {
        return Err(t.type_error("teedataobject() argument 2 must be list".into()));
    };
    let values = values.to_vec(t);
    if values.len() > BLOCK {
        return Err(t.value_error("Invalid arguments"));
    }
    d.len.set(values.len() as u64);
    for (slot, v) in d.items.iter().zip(values) {
        slot.init(t, &d.header, v.into());
    }
    if let Some(next) = support::given_some(t, a[2]) {
        if d.len.get() as usize != BLOCK || !type_of(next.value()).is(&TEE_DATA) {
            return Err(t.value_error("Invalid arguments"));
        }
        d.next.init(t, &d.header, next.into());
    }
    Ok(o.into())
}

/// `itertools.tee`
pub fn tee(t: &mut Thread, a: &[Value]) -> Res {
    let n = if a[1].is_null() {
        2
    } else {
        proto::index_i64(t, a[1])?
    };
    if n < 0 {
        return Err(t.value_error("n must be >= 0"));
    }
    if n == 0 {
        return Ok(Tuple::empty(t).into());
    }
    let source = proto::iter(t, a[0])?;
    let name = weft_objects::id!(t, "__copy__");
    // As many places again in the tuple.
    memory::room_for(t, n as usize, 2 * size_of::<Obj>())?;
    let mut all = memory::vec(t, n as usize)?;
    let first = if type_of(source.value()).is_subtype(&TEE) {
        // All that are given out are independent of what was given.
        from_iterable(t, source.value())?
    } else if proto::get_attr_opt(t, source.value(), name)?.is_some() {
        source
    } else {
        from_iterable(t, source.value())?
    };
    let copy = proto::get_attr(t, first.value(), name)?;
    all.push(first);
    for _ in 1..n {
        all.push(proto::call(t, copy.value(), &[])?);
        memory::check(t)?;
    }
    Ok(Tuple::from_vec(t, all).into())
}

/// `itertools._tee`
pub static TEE: Type = Type::builtin(
    "_tee",
    size_of::<Tee>(),
    &Spec {
        new: Some(tee_new),
        iter: Some(iter_self),
        iter_next: Some(tee_next),
        methods: &[NativeDef::new("__copy__", "($self, /)", copy)],
        ..Spec::EMPTY
    },
)
.module("itertools")
.gc(traverse_tee, clear_tee)
.final_()
.doc("Iterator wrapped to make it copyable.");

/// `itertools._tee_dataobject`
pub static TEE_DATA: Type = Type::builtin(
    "_tee_dataobject",
    size_of::<Data>(),
    &Spec { new: Some(data_new), ..Spec::EMPTY },
)
.module("itertools")
.gc(traverse_data, clear_data)
.final_()
.doc("teedataobject(iterable, values, next, /)\n--\n\nData container common to multiple tee objects.");
