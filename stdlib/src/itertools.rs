//! `itertools`. Each iterator keeps what it goes through in slots and its numbers in atomics, so that several threads may pull at
//! one: none sees a broken iterator, but which of them gets which item is nobody's promise.

mod combinations;
mod groups;
mod tee;

use crate::support::{self, Count, given_some};
use weft_objects::cell::{fresh, own};
use weft_objects::gc_slots;
use weft_objects::int;
use weft_objects::iter::{Few, iter_self};
use weft_objects::prelude::*;

/// Layout of most iterators here; what is what is said where each is made.
#[repr(C)]
struct It {
    header: Header,
    a: Slot,
    b: Slot,
    c: Slot,
    d: Slot,
    n: Count,
    stop: Count,
    step: Count,
}

gc_slots!(It, traverse, clear, a, b, c, d);

fn it<'a>(v: Value) -> &'a It {
    // SAFETY: slots and methods of the types with this layout alone use it.
    unsafe { &*(v.ptr() as *const It) }
}

/// A new iterator of the class, whose first slots hold these.
fn make<'a>(t: &Thread, cls: Value, slots: [Option<Obj>; 4]) -> (Obj, &'a It) {
    // SAFETY: `cls` is a type with this layout, or a subclass of one.
    let (o, i) = unsafe { fresh::<It>(t, Type::of_unchecked(cls)) };
    for (slot, v) in [&i.a, &i.b, &i.c, &i.d].into_iter().zip(slots) {
        if let Some(v) = v {
            slot.init(t, &i.header, v.into());
        }
    }
    (o, i)
}

/// Most iterator types: a name, a constructor, a next function, and further methods.
macro_rules! iterator {
    ($ty:ident, $name:literal, $new:expr, $next:expr, $methods:expr, $doc:literal) => {
        iterator!($ty, $name, $new, $next, $methods, $doc, ..Spec::EMPTY);
    };
    ($ty:ident, $name:literal, $new:expr, $next:expr, $methods:expr, $doc:literal, $(repr = $repr:expr,)? ..$rest:expr) => {
        #[doc = concat!("`itertools.", $name, "`")]
        pub static $ty: Type = Type::builtin(
            $name,
            size_of::<It>(),
            &Spec {
                new: Some($new),
                iter: Some(iter_self),
                iter_next: Some($next),
                methods: $methods,
                $(repr: Some($repr),)?
                ..$rest
            },
        )
        .module("itertools")
        .gc(traverse, clear)
        .doc($doc);
    };
}

// --- accumulate: a iterator, b function or NULL, c total so far or NULL, d initial value or NULL ---

fn accumulate_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("accumulate", "(iterable, func=None, *, initial=None)");
    let a = SIG.bind(t, args)?;
    let source = proto::iter(t, a[0])?;
    let (func, initial) = (given_some(t, a[1]), given_some(t, a[2]));
    Ok(make(t, cls, [Some(source), func, None, initial]).0.into())
}

fn accumulate_next(t: &mut Thread, v: Value) -> Res {
    let i = it(v);
    if !i.d.get().is_null() {
        let first = i.d.take();
        if !first.is_null() {
            let first = Obj::from_raw(first);
            i.c.set(t, &i.header, first.clone().into());
            return Ok(first.into());
        }
    }
    let Some(x) = proto::next(t, i.a.get())? else {
        return Ok(Value::NULL);
    };
    let total = match own(t, &i.c) {
        None => x,
        Some(total) if i.b.get().is_null() && total.value().both_ints(x.value()) => {
            Obj::own(int::int_add(t, total.value(), x.value())?)
        }
        Some(total) => {
            let f = i.b.get();
            Obj::own(if f.is_null() {
                proto::binary(t, BinOp::Add, total.value(), x.value())?
            } else {
                proto::call_value(t, f, Args::positional(&[total.value(), x.value()]))?
            })
        }
    };
    i.c.set(t, &i.header, total.clone().into());
    Ok(total.into())
}

iterator!(
    ACCUMULATE,
    "accumulate",
    accumulate_new,
    accumulate_next,
    &[],
    "Return series of accumulated sums."
);

// --- batched: a iterator, n size, stop 1 if strict ---

fn batched_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("batched", "(iterable, n, *, strict=False)");
    let a = SIG.bind(t, args)?;
    let n = proto::index_i64(t, a[1])?;
    let strict = support::truth_or(t, a[2], false)?;
    if n < 1 {
        return Err(t.value_error("n must be at least one"));
    }
    let source = proto::iter(t, a[0])?;
    let (o, i) = make(t, cls, [Some(source), None, None, None]);
    i.n.set(n as u64);
    i.stop.set(strict as u64);
    Ok(o.into())
}

fn batched_next(t: &mut Thread, v: Value) -> Res {
    let i = it(v);
    let Some(source) = own(t, &i.a) else {
        return Ok(Value::NULL);
    };
    let n = i.n.get() as usize;
    let mut items = Vec::with_capacity(n.min(1 << 16));
    while items.len() < n {
        match proto::next(t, source.value()) {
            Ok(Some(x)) => items.push(x),
            Ok(None) => break,
            Err(e) => {
                i.a.set(t, &i.header, Value::NULL);
                return Err(e);
            }
        }
    }
    if items.len() < n {
        i.a.set(t, &i.header, Value::NULL);
        if items.is_empty() {
            return Ok(Value::NULL);
        }
        if i.stop.get() != 0 {
            return Err(t.value_error("batched(): incomplete batch"));
        }
    }
    Ok(Tuple::from_vec(t, items).into())
}

iterator!(
    BATCHED,
    "batched",
    batched_new,
    batched_next,
    &[],
    "Batch data into tuples of length n. The last batch may be shorter than n.

If \"strict\" is True, a last batch that is shorter raises ValueError.

    >>> list(batched('weaving', 3))
    [('w', 'e', 'a'), ('v', 'i', 'n'), ('g',)]
"
);

// --- chain: a iterator over the iterables, b the current one's iterator ---

fn chain_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let args = support::positional(t, cls, &CHAIN, "chain", args)?;
    let all = Tuple::from_slice(t, args.pos());
    let source = proto::iter(t, all.value())?;
    Ok(make(t, cls, [Some(source), None, None, None]).0.into())
}

fn chain_from_iterable(t: &mut Thread, a: &[Value]) -> Res {
    let source = proto::iter(t, a[1])?;
    Ok(make(t, a[0], [Some(source), None, None, None]).0.into())
}

fn chain_next(t: &mut Thread, v: Value) -> Res {
    let i = it(v);
    loop {
        if let Some(active) = own(t, &i.b) {
            let x = proto::next_value(t, active.value())?;
            if !x.is_null() {
                return Ok(x);
            }
            i.b.set(t, &i.header, Value::NULL);
        }
        let Some(source) = own(t, &i.a) else {
            return Ok(Value::NULL);
        };
        let active = match proto::next(t, source.value()) {
            Ok(Some(x)) => proto::iter(t, x.value()),
            Ok(None) => {
                i.a.set(t, &i.header, Value::NULL);
                return Ok(Value::NULL);
            }
            Err(e) => Err(e),
        };
        match active {
            Ok(active) => i.b.set(t, &i.header, active.into()),
            Err(e) => {
                i.a.set(t, &i.header, Value::NULL);
                return Err(e);
            }
        }
    }
}

iterator!(
    CHAIN,
    "chain",
    chain_new,
    chain_next,
    &[
        NativeDef::class("from_iterable", "($type, iterable, /)", chain_from_iterable),
        NativeDef::class(
            "__class_getitem__",
            "($type, object, /)",
            weft_objects::generic_alias::class_getitem
        ),
    ],
    "Return a chain object whose .__next__() method returns elements from the first iterable until it is exhausted."
);

// --- compress: a data, b selectors ---

fn compress_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("compress", "(data, selectors)");
    let a = SIG.bind(t, args)?;
    let data = proto::iter(t, a[0])?;
    let selectors = proto::iter(t, a[1])?;
    Ok(make(t, cls, [Some(data), Some(selectors), None, None])
        .0
        .into())
}

fn compress_next(t: &mut Thread, v: Value) -> Res {
    let i = it(v);
    loop {
        let Some(x) = proto::next(t, i.a.get())? else {
            return Ok(Value::NULL);
        };
        let Some(s) = proto::next(t, i.b.get())? else {
            return Ok(Value::NULL);
        };
        if proto::truth(t, s.value())? {
            return Ok(x.into());
        }
    }
}

iterator!(
    COMPRESS,
    "compress",
    compress_new,
    compress_next,
    &[],
    "Return data elements corresponding to true selector elements."
);

// --- count: n the next number while b is NULL; else a the next number, b the step ---

/// Small starts count without objects; nobody counts up to where a word is too small.
const COUNT_LIMIT: i64 = 1 << 60;

fn count_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("count", "(start=0, step=1)");
    let a = SIG.bind(t, args)?;
    let start = if a[0].is_null() { Value::int(0) } else { a[0] };
    let step = if a[1].is_null() { Value::int(1) } else { a[1] };
    for v in [start, step] {
        let s = &type_of(v).slots;
        if !(s.index.is_set()
            || s.int.is_set()
            || s.float.is_set()
            || weft_objects::complex::of(v).is_some())
        {
            return Err(t.type_error("a number is required".into()));
        }
    }
    if step == Value::int(1) && start.is_int() && start.as_int().abs() < COUNT_LIMIT {
        let (o, i) = make(t, cls, [None, None, None, None]);
        i.n.set(start.as_int() as u64);
        return Ok(o.into());
    }
    let (start, step) = (Obj::new(t, start), Obj::new(t, step));
    Ok(make(t, cls, [Some(start), Some(step), None, None]).0.into())
}

fn count_next(t: &mut Thread, v: Value) -> Res {
    let i = it(v);
    if i.b.get().is_null() {
        let local = i.header.is_local(t);
        // The step itself needs no lock; but who counts in turn with others waits for the lock at its pace.
        let _guard = (!local).then(|| lock(t, &i.header));
        return Ok(Value::int(i.n.take_next(local) as i64));
    }
    loop {
        let Some(now) = own(t, &i.a) else {
            return Ok(Value::NULL);
        };
        let next = proto::binary(t, BinOp::Add, now.value(), i.b.get())?;
        match i.a.set_if(t, &i.header, now.value(), next) {
            Ok(()) => {
                // The slot's reference is ours now.
                dec(t, now.value());
                return Ok(now.into());
            }
            Err(unused) => dec(t, unused),
        }
    }
}

fn count_repr(t: &mut Thread, v: Value) -> Res {
    let i = it(v);
    let name = type_of(v).name();
    let Some(step) = own(t, &i.b) else {
        return Ok(Str::from_string(t, format!("{name}({})", i.n.get() as i64)).into());
    };
    let now = own(t, &i.a).unwrap_or_else(support::none);
    let now = proto::repr(t, now.value())?;
    let now = text(&now);
    if step.value() == Value::int(1) {
        return Ok(Str::from_string(t, format!("{name}({now})")).into());
    }
    let step = proto::repr(t, step.value())?;
    Ok(Str::from_string(t, format!("{name}({now}, {})", text(&step))).into())
}

fn text(o: &Obj) -> String {
    Str::of(o.value()).map_or_else(String::new, |s| s.to_string_lossy())
}

iterator!(
    COUNT,
    "count",
    count_new,
    count_next,
    &[],
    "Return a count object whose .__next__() method returns consecutive values.",
    repr = count_repr,
    ..Spec::EMPTY
);

// --- cycle: a iterator until its end, b list of what it gave, n index in it ---

fn cycle_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let args = support::positional(t, cls, &CYCLE, "cycle", args)?;
    static SIG: SigCell = SigCell::new("cycle", "(iterable, /)");
    let a = SIG.bind(t, args)?;
    let source = proto::iter(t, a[0])?;
    let saved = List::new(t);
    Ok(make(t, cls, [Some(source), Some(saved), None, None])
        .0
        .into())
}

fn cycle_next(t: &mut Thread, v: Value) -> Res {
    let i = it(v);
    let Some(saved) = List::exact(i.b.get()) else {
        return Ok(Value::NULL);
    };
    if let Some(source) = own(t, &i.a) {
        if let Some(x) = proto::next(t, source.value())? {
            saved.push(t, x.clone().into());
            return Ok(x.into());
        }
        i.a.set(t, &i.header, Value::NULL);
    }
    let n = saved.len();
    if n == 0 {
        return Ok(Value::NULL);
    }
    let mut at = i.n.get() as usize;
    if at >= n {
        at = 0;
    }
    i.n.set(at as u64 + 1);
    Ok(saved.get(t, at).map_or(Value::NULL, |x| x.to_reg(t)))
}

iterator!(
    CYCLE,
    "cycle",
    cycle_new,
    cycle_next,
    &[],
    "Return elements from the iterable until it is exhausted. Then repeat the sequence indefinitely."
);

// --- dropwhile, takewhile, filterfalse, starmap: a iterator, b function, n 1 once the state has changed ---

fn with_function(t: &mut Thread, cls: Value, args: Args<'_>, sig: &'static SigCell) -> Res {
    let a = sig.bind(t, args)?;
    let source = proto::iter(t, a[1])?;
    let f = Obj::new(t, a[0]);
    Ok(make(t, cls, [Some(source), Some(f), None, None]).0.into())
}

fn dropwhile_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let args = support::positional(t, cls, &DROPWHILE, "dropwhile", args)?;
    static SIG: SigCell = SigCell::new("dropwhile", "(predicate, iterable, /)");
    with_function(t, cls, args, &SIG)
}

fn dropwhile_next(t: &mut Thread, v: Value) -> Res {
    let i = it(v);
    if i.n.get() != 0 {
        return proto::next_value(t, i.a.get());
    }
    loop {
        let Some(x) = proto::next(t, i.a.get())? else {
            return Ok(Value::NULL);
        };
        let r = proto::call(t, i.b.get(), &[x.value()])?;
        if !proto::truth(t, r.value())? {
            i.n.set(1);
            return Ok(x.into());
        }
    }
}

iterator!(
    DROPWHILE,
    "dropwhile",
    dropwhile_new,
    dropwhile_next,
    &[],
    "Drop items from the iterable while predicate(item) is true.\n\nAfterwards, return every element until the iterable is exhausted."
);

fn takewhile_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let args = support::positional(t, cls, &TAKEWHILE, "takewhile", args)?;
    static SIG: SigCell = SigCell::new("takewhile", "(predicate, iterable, /)");
    with_function(t, cls, args, &SIG)
}

fn takewhile_next(t: &mut Thread, v: Value) -> Res {
    let i = it(v);
    if i.n.get() != 0 {
        return Ok(Value::NULL);
    }
    let Some(x) = proto::next(t, i.a.get())? else {
        return Ok(Value::NULL);
    };
    let r = proto::call(t, i.b.get(), &[x.value()])?;
    if proto::truth(t, r.value())? {
        return Ok(x.into());
    }
    i.n.set(1);
    Ok(Value::NULL)
}

iterator!(
    TAKEWHILE,
    "takewhile",
    takewhile_new,
    takewhile_next,
    &[],
    "Return successive entries from an iterable as long as the predicate evaluates to true for each entry."
);

fn filterfalse_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let args = support::positional(t, cls, &FILTERFALSE, "filterfalse", args)?;
    static SIG: SigCell = SigCell::new("filterfalse", "(function, iterable, /)");
    with_function(t, cls, args, &SIG)
}

fn filterfalse_next(t: &mut Thread, v: Value) -> Res {
    let i = it(v);
    let f = i.b.get();
    let plain = f.is_none() || f.same(int::BOOL.value());
    loop {
        let Some(x) = proto::next(t, i.a.get())? else {
            return Ok(Value::NULL);
        };
        let good = if plain {
            proto::truth(t, x.value())?
        } else {
            let r = proto::call(t, i.b.get(), &[x.value()])?;
            proto::truth(t, r.value())?
        };
        if !good {
            return Ok(x.into());
        }
    }
}

iterator!(
    FILTERFALSE,
    "filterfalse",
    filterfalse_new,
    filterfalse_next,
    &[],
    "Return those items of iterable for which function(item) is false.\n\nIf function is None, return the items that are false."
);

fn starmap_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let args = support::positional(t, cls, &STARMAP, "starmap", args)?;
    static SIG: SigCell = SigCell::new("starmap", "(function, iterable, /)");
    with_function(t, cls, args, &SIG)
}

fn starmap_next(t: &mut Thread, v: Value) -> Res {
    let i = it(v);
    let Some(x) = proto::next(t, i.a.get())? else {
        return Ok(Value::NULL);
    };
    if let Some(args) = Tuple::exact(x.value()) {
        return proto::call_value(t, i.b.get(), Args::positional(args.values()));
    }
    let items = proto::to_vec(t, x.value())?;
    let args: Vec<Value> = items.iter().map(Obj::value).collect();
    proto::call_value(t, i.b.get(), Args::positional(&args))
}

iterator!(
    STARMAP,
    "starmap",
    starmap_new,
    starmap_next,
    &[],
    "Return an iterator whose values are returned from the function evaluated with an argument tuple taken from the given sequence."
);

// --- islice: a iterator or NULL, n items taken from it, c.. next index wanted in d as int; stop, step ---

fn slice_index(t: &mut Thread, v: Value, default: u64, what: &str) -> Res<u64> {
    if v.is_null() || v.is_none() {
        return Ok(default);
    }
    let bad = || format!("{what} for islice() must be None or an integer: 0 <= x <= sys.maxsize.");
    match proto::index_i64(t, v) {
        Ok(i) if i >= 0 => Ok(i as u64),
        Ok(_) => Err(t.value_error(bad())),
        Err(_) => {
            t.clear_exc();
            Err(t.value_error(bad()))
        }
    }
}

fn islice_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let args = support::positional(t, cls, &ISLICE, "islice", args)?;
    let (iterable, start, stop, step) = match *args.pos() {
        [x, stop] => (x, Value::NULL, stop, Value::NULL),
        [x, start, stop] => (x, start, stop, Value::NULL),
        [x, start, stop, step] => (x, start, stop, step),
        ref other => {
            let n = other.len();
            let msg = if n < 2 {
                "at least 2 arguments"
            } else {
                "at most 4 arguments"
            };
            return Err(t.type_error(format!("islice expected {msg}, got {n}")));
        }
    };
    let stop = if start.is_null() {
        slice_index(t, stop, u64::MAX, "Stop argument")?
    } else {
        slice_index(t, stop, u64::MAX, "Indices")?
    };
    let start = slice_index(t, start, 0, "Indices")?;
    let step = match slice_index(t, step, 1, "Step") {
        Ok(0) => return Err(t.value_error("Step for islice() must be a positive integer or None.")),
        Ok(n) => n,
        Err(_) => {
            t.clear_exc();
            return Err(t.value_error("Step for islice() must be a positive integer or None."));
        }
    };
    let source = proto::iter(t, iterable)?;
    let (o, i) = make(t, cls, [Some(source), None, None, None]);
    i.n.set(start);
    // All before `start` is taken in any case.
    i.stop.set(stop.max(start));
    i.step.set(step);
    Ok(o.into())
}

/// `n` counts down what is to be skipped before the next item; `stop` what may still be taken from the iterator.
fn islice_next(t: &mut Thread, v: Value) -> Res {
    let i = it(v);
    let Some(source) = own(t, &i.a) else {
        return Ok(Value::NULL);
    };
    let (skip, left) = (i.n.get(), i.stop.get());
    let skip_now = skip.min(left);
    for _ in 0..skip_now {
        if proto::next(t, source.value())?.is_none() {
            i.a.set(t, &i.header, Value::NULL);
            return Ok(Value::NULL);
        }
    }
    let left = if left == u64::MAX {
        left
    } else {
        left - skip_now
    };
    if left == 0 {
        i.stop.set(0);
        i.a.set(t, &i.header, Value::NULL);
        return Ok(Value::NULL);
    }
    let x = proto::next_value(t, source.value())?;
    if x.is_null() {
        i.a.set(t, &i.header, Value::NULL);
        return Ok(Value::NULL);
    }
    i.n.set(i.step.get() - 1);
    i.stop.set(if left == u64::MAX { left } else { left - 1 });
    Ok(x)
}

iterator!(
    ISLICE,
    "islice",
    islice_new,
    islice_next,
    &[],
    "islice(iterable, stop) --> islice object\nislice(iterable, start, stop[, step]) --> islice object\n\nReturn an iterator whose next() method returns selected values from an iterable."
);

// --- pairwise: a iterator or NULL, b the item before, c the pair given last ---

fn pairwise_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let args = support::positional(t, cls, &PAIRWISE, "pairwise", args)?;
    static SIG: SigCell = SigCell::new("pairwise", "(iterable, /)");
    let a = SIG.bind(t, args)?;
    let source = proto::iter(t, a[0])?;
    Ok(make(t, cls, [Some(source), None, None, None]).0.into())
}

fn pairwise_next(t: &mut Thread, v: Value) -> Res {
    let i = it(v);
    let Some(source) = own(t, &i.a) else {
        return Ok(Value::NULL);
    };
    let before = match own(t, &i.b) {
        Some(x) => x,
        None => match proto::next(t, source.value())? {
            Some(x) => {
                i.b.set(t, &i.header, x.clone().into());
                // Taking the item may have used this very iterator.
                if i.a.get().is_null() {
                    i.b.set(t, &i.header, Value::NULL);
                    return Ok(Value::NULL);
                }
                x
            }
            None => {
                i.a.set(t, &i.header, Value::NULL);
                return Ok(Value::NULL);
            }
        },
    };
    match proto::next(t, source.value())? {
        Some(x) => {
            i.b.set(t, &i.header, x.clone().into());
            Ok(Tuple::pair_again(t, &i.header, &i.c, before, x).into())
        }
        None => {
            i.a.set(t, &i.header, Value::NULL);
            i.b.set(t, &i.header, Value::NULL);
            Ok(Value::NULL)
        }
    }
}

iterator!(
    PAIRWISE,
    "pairwise",
    pairwise_new,
    pairwise_next,
    &[],
    "Return an iterator of overlapping pairs taken from the input iterator.\n\n    s -> (s0,s1), (s1,s2), (s2, s3), ..."
);

// --- repeat: a object, n how often still; u64::MAX for ever ---

fn repeat_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("repeat", "(object, times=None)");
    let a = SIG.bind(t, args)?;
    let n = if a[1].is_null() {
        u64::MAX
    } else {
        proto::index_i64(t, a[1])?.max(0) as u64
    };
    let x = Obj::new(t, a[0]);
    let (o, i) = make(t, cls, [Some(x), None, None, None]);
    i.n.set(n);
    Ok(o.into())
}

fn repeat_next(t: &mut Thread, v: Value) -> Res {
    let i = it(v);
    if i.n.get() != u64::MAX && !i.n.take_one(i.header.is_local(t)) {
        return Ok(Value::NULL);
    }
    Ok(to_reg(t, i.a.get()))
}

fn repeat_repr(t: &mut Thread, v: Value) -> Res {
    let i = it(v);
    let r = proto::repr(t, i.a.get())?;
    let (name, n) = (type_of(v).name(), i.n.get());
    let s = if n == u64::MAX {
        format!("{name}({})", text(&r))
    } else {
        format!("{name}({}, {n})", text(&r))
    };
    Ok(Str::from_string(t, s).into())
}

fn repeat_hint(t: &mut Thread, a: &[Value]) -> Res {
    match it(a[0]).n.get() {
        u64::MAX => Err(t.type_error("len() of unsized object".into())),
        n => Ok(int::from_u64(t, n)),
    }
}

iterator!(
    REPEAT,
    "repeat",
    repeat_new,
    repeat_next,
    &[NativeDef::new("__length_hint__", "($self, /)", repeat_hint)],
    "repeat(object [,times]) -> create an iterator which returns the object\nfor the specified number of times.  If not specified, returns the object\nendlessly.",
    repr = repeat_repr,
    ..Spec::EMPTY
);

// --- zip_longest: a list of iterators, None for those at their end; b fill value; c the tuple given last;
// n how many are not at their end ---

fn zip_longest_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let mut fill = support::none();
    for (name, v) in args.keywords() {
        if !Str::of(name).is_some_and(|s| s.is("fillvalue")) {
            return Err(t.type_error("zip_longest() got an unexpected keyword argument".into()));
        }
        fill = Obj::new(t, v);
    }
    let mut its = Vec::new();
    for v in args.pos() {
        its.push(proto::iter(t, *v)?);
    }
    let n = its.len();
    let its = List::from_vec(t, its);
    let (o, i) = make(t, cls, [Some(its), Some(fill), None, None]);
    i.n.set(n as u64);
    Ok(o.into())
}

fn zip_longest_next(t: &mut Thread, v: Value) -> Res {
    let i = it(v);
    let Some(its) = List::exact(i.a.get()) else {
        return Ok(Value::NULL);
    };
    let n = its.len();
    if n == 0 || i.n.get() == 0 {
        return Ok(Value::NULL);
    }
    let mut few = Few::new();
    let mut many = Vec::new();
    for k in 0..n {
        let Some(source) = its.get(t, k).map(|x| x.to_obj(t)) else {
            return Ok(Value::NULL);
        };
        let x = if source.value().is_none() {
            None
        } else {
            match proto::next(t, source.value()) {
                Ok(Some(x)) => Some(x),
                Ok(None) => {
                    let left = i.n.get().saturating_sub(1);
                    i.n.set(left);
                    its.set(t, k, Value::NONE);
                    if left == 0 {
                        return Ok(Value::NULL);
                    }
                    None
                }
                Err(e) => {
                    i.n.set(0);
                    return Err(e);
                }
            }
        };
        let x = x.unwrap_or_else(|| Obj::new(t, i.b.get()));
        if n <= Few::MOST {
            few.push(x);
        } else {
            many.push(x);
        }
    }
    Ok(if n <= Few::MOST {
        Tuple::again(t, &i.header, &i.c, few.take()).into()
    } else {
        Tuple::from_vec(t, many).into()
    })
}

iterator!(
    ZIP_LONGEST,
    "zip_longest",
    zip_longest_new,
    zip_longest_next,
    &[],
    "Return a zip_longest object whose .__next__() method returns a tuple where\nthe i-th element comes from the i-th iterable argument."
);

static FUNCTIONS: &[NativeDef] = &[NativeDef::new("tee", "(iterable, n=2, /)", tee::tee)];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(
        t,
        "itertools",
        "Functional tools for creating and using iterators.",
        FUNCTIONS,
    );
    for ty in [
        &ACCUMULATE,
        &BATCHED,
        &CHAIN,
        &COMPRESS,
        &COUNT,
        &CYCLE,
        &DROPWHILE,
        &TAKEWHILE,
        &FILTERFALSE,
        &STARMAP,
        &ISLICE,
        &PAIRWISE,
        &REPEAT,
        &ZIP_LONGEST,
        &combinations::PRODUCT,
        &combinations::COMBINATIONS,
        &combinations::COMBINATIONS_WITH_REPLACEMENT,
        &combinations::PERMUTATIONS,
        &groups::GROUPBY,
        &groups::GROUPER,
        &tee::TEE,
        &tee::TEE_DATA,
    ] {
        support::add_type(t, &m, ty);
    }
    Ok(m)
}
