//! `product`, `combinations`, `combinations_with_replacement`, `permutations`: odometers over pools of items.

use crate::support::Guarded;
use weft_objects::cell::fresh;
use weft_objects::iter::iter_self;
use weft_objects::memory;
use weft_objects::prelude::*;

/// One of the four.
#[repr(C)]
struct Combine {
    header: Header,
    /// The tuple of items; of `product`, a tuple of such tuples.
    pool: Slot,
    /// The tuple that was given last, to be used again.
    last: Slot,
    state: Guarded<State>,
}

#[derive(Default)]
struct State {
    started: bool,
    finished: bool,
    r: usize,
    indices: Vec<usize>,
    /// Of `permutations`.
    cycles: Vec<usize>,
    /// The items that the indices stand for: not counted, as the pool holds them.
    items: Vec<Value>,
}

fn this<'a>(v: Value) -> &'a Combine {
    // SAFETY: slots of the types below get their instances alone.
    unsafe { &*(v.ptr() as *const Combine) }
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object of this layout.
    unsafe {
        f((*(h as *const Combine)).pool.get());
        f((*(h as *const Combine)).last.get());
    }
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of this layout.
    unsafe {
        let c = &*(h as *const Combine);
        drop(c.state.take());
        t.drop_value(c.pool.take_local());
        t.drop_value(c.last.take_local());
    }
}

fn make(t: &Thread, cls: Value, pool: Obj, state: State) -> Value {
    // SAFETY: `cls` is one of the types below, or a subclass.
    let (o, c) = unsafe { fresh::<Combine>(t, Type::of_unchecked(cls)) };
    c.pool.init(t, &c.header, pool.into());
    c.state.init(state);
    o.into()
}

/// Gives the next tuple: `advance` moves the odometer, whose first position is `indices` as made, and says from which position on the
/// items have changed, or `None` at the end.
#[inline]
fn next(
    t: &mut Thread,
    v: Value,
    advance: impl Fn(&Tuple, &mut State) -> Option<usize>,
    item: impl Fn(&Tuple, &State, usize) -> Value,
) -> Res {
    let c = this(v);
    let Some(pool) = Tuple::exact(c.pool.get()) else {
        return Ok(Value::NULL);
    };
    let t = &*t;
    let guard = weft_gc::lock(t, &c.header);
    let s = c.state.get(&guard);
    if s.finished {
        return Ok(Value::NULL);
    }
    let mut changed = 0;
    if !s.started {
        let mut first = memory::vec(t, s.r)?;
        first.extend((0..s.r).map(|i| item(pool, s, i)));
        memory::room_for(t, s.r, size_of::<Value>())?;
        s.items = first;
        s.started = true;
    } else {
        match advance(pool, s) {
            Some(from) => {
                changed = from;
                for i in from..s.r {
                    s.items[i] = item(pool, s, i);
                }
            }
            None => {
                s.finished = true;
                return Ok(Value::NULL);
            }
        }
    }
    Ok(Tuple::again_from(t, &c.header, &c.last, &s.items, changed).into())
}

fn pool_item(pool: &Tuple, s: &State, i: usize) -> Value {
    pool.get(s.indices[i])
}

/// `r` positions, all the first.
fn indices(t: &Thread, r: usize) -> Res<Vec<usize>> {
    let mut all = memory::vec(t, r)?;
    all.resize(r, 0);
    Ok(all)
}

fn count(t: &mut Thread, v: Value, what: &str) -> Res<usize> {
    let n = proto::index_i64(t, v)?;
    if n < 0 {
        return Err(t.value_error(format!("{what} must be non-negative")));
    }
    Ok(n as usize)
}

// --- product ---

fn product_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let mut repeat = 1;
    for (name, v) in args.keywords() {
        if !Str::of(name).is_some_and(|s| s.is("repeat")) {
            let name = Str::of(name).map_or_else(String::new, |s| s.to_string_lossy());
            return Err(t.type_error(format!(
                "product() got an unexpected keyword argument '{name}'"
            )));
        }
        repeat = proto::index_i64(t, v)?;
        if repeat < 0 {
            return Err(t.value_error("repeat argument cannot be negative"));
        }
    }
    let mut pools = Vec::new();
    if repeat > 0 {
        for v in args.pos() {
            let items = proto::to_vec(t, *v)?;
            memory::room_for(t, items.len(), size_of::<Slot>())?;
            pools.push(Tuple::from_vec(t, items));
        }
    }
    let n = pools.len();
    let Some(r) = n
        .checked_mul(repeat as usize)
        .filter(|r| *r < isize::MAX as usize / 16)
    else {
        return Err(t.overflow_error("repeat argument too large"));
    };
    let empty = pools
        .iter()
        .any(|p| Tuple::exact(p.value()).is_none_or(|p| p.is_empty()));
    let pools = Tuple::from_vec(t, pools);
    let state = State {
        r,
        indices: indices(t, r)?,
        finished: empty,
        ..State::default()
    };
    Ok(make(t, cls, pools, state))
}

fn product_pool(pools: &Tuple, i: usize) -> &Tuple {
    let n = pools.len();
    Tuple::this(pools.get(if i < n { i } else { i % n }))
}

fn product_advance(pools: &Tuple, s: &mut State) -> Option<usize> {
    for i in (0..s.r).rev() {
        s.indices[i] += 1;
        if s.indices[i] < product_pool(pools, i).len() {
            return Some(i);
        }
        s.indices[i] = 0;
    }
    None
}

fn product_next(t: &mut Thread, v: Value) -> Res {
    next(t, v, product_advance, |pools, s, i| {
        product_pool(pools, i).get(s.indices[i])
    })
}

// --- combinations ---

fn pool_and_r(t: &mut Thread, iterable: Value, r: Value) -> Res<(Obj, usize, usize)> {
    let items = proto::to_vec(t, iterable)?;
    let n = items.len();
    let r = count(t, r, "r")?;
    Ok((Tuple::from_vec(t, items), n, r))
}

fn combinations_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("combinations", "(iterable, r)");
    let a = SIG.bind(t, args)?;
    let (pool, n, r) = pool_and_r(t, a[0], a[1])?;
    let state = if r > n {
        State {
            finished: true,
            ..State::default()
        }
    } else {
        State {
            r,
            indices: (0..r).collect(),
            ..State::default()
        }
    };
    Ok(make(t, cls, pool, state))
}

fn combinations_advance(pool: &Tuple, s: &mut State) -> Option<usize> {
    let n = pool.len();
    let i = (0..s.r).rev().find(|&i| s.indices[i] != i + n - s.r)?;
    s.indices[i] += 1;
    for j in i + 1..s.r {
        s.indices[j] = s.indices[j - 1] + 1;
    }
    Some(i)
}

fn combinations_next(t: &mut Thread, v: Value) -> Res {
    next(t, v, combinations_advance, pool_item)
}

fn with_replacement_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("combinations_with_replacement", "(iterable, r)");
    let a = SIG.bind(t, args)?;
    let (pool, n, r) = pool_and_r(t, a[0], a[1])?;
    if r > isize::MAX as usize / 16 {
        return Err(t.memory_error());
    }
    let state = State {
        r,
        indices: indices(t, r)?,
        finished: n == 0 && r > 0,
        ..State::default()
    };
    Ok(make(t, cls, pool, state))
}

fn with_replacement_advance(pool: &Tuple, s: &mut State) -> Option<usize> {
    let i = (0..s.r).rev().find(|&i| s.indices[i] != pool.len() - 1)?;
    let next = s.indices[i] + 1;
    s.indices[i..].fill(next);
    Some(i)
}

fn with_replacement_next(t: &mut Thread, v: Value) -> Res {
    next(t, v, with_replacement_advance, pool_item)
}

// --- permutations ---

fn permutations_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("permutations", "(iterable, r=None)");
    let a = SIG.bind(t, args)?;
    let items = proto::to_vec(t, a[0])?;
    let n = items.len();
    let pool = Tuple::from_vec(t, items);
    let r = if a[1].is_null() || a[1].is_none() {
        n
    } else if !weft_objects::int::is_int(a[1]) {
        return Err(t.type_error("Expected int as r".into()));
    } else {
        count(t, a[1], "r")?
    };
    let state = if r > n {
        State {
            finished: true,
            ..State::default()
        }
    } else {
        State {
            r,
            indices: (0..n).collect(),
            cycles: (0..r).map(|i| n - i).collect(),
            ..State::default()
        }
    };
    Ok(make(t, cls, pool, state))
}

fn permutations_advance(pool: &Tuple, s: &mut State) -> Option<usize> {
    let n = pool.len();
    for i in (0..s.r).rev() {
        s.cycles[i] -= 1;
        if s.cycles[i] == 0 {
            s.indices[i..].rotate_left(1);
            s.cycles[i] = n - i;
        } else {
            let j = s.cycles[i];
            s.indices.swap(i, n - j);
            return Some(i);
        }
    }
    None
}

fn permutations_next(t: &mut Thread, v: Value) -> Res {
    next(t, v, permutations_advance, pool_item)
}

macro_rules! combine {
    ($ty:ident, $name:literal, $new:ident, $next:ident, $doc:literal) => {
        #[doc = concat!("`itertools.", $name, "`")]
        pub static $ty: Type = Type::builtin(
            $name,
            size_of::<Combine>(),
            &Spec {
                new: Some($new),
                iter: Some(iter_self),
                iter_next: Some($next),
                ..Spec::EMPTY
            },
        )
        .module("itertools")
        .gc(traverse, clear)
        .doc($doc);
    };
}

combine!(
    PRODUCT,
    "product",
    product_new,
    product_next,
    "Cartesian product of input iterables.  Equivalent to nested for-loops."
);
combine!(
    COMBINATIONS,
    "combinations",
    combinations_new,
    combinations_next,
    "Return successive r-length combinations of elements in the iterable."
);
combine!(
    COMBINATIONS_WITH_REPLACEMENT,
    "combinations_with_replacement",
    with_replacement_new,
    with_replacement_next,
    "Return successive r-length combinations of elements in the iterable allowing individual elements to have successive repeats."
);
combine!(
    PERMUTATIONS,
    "permutations",
    permutations_new,
    permutations_next,
    "Return successive r-length permutations of elements in the iterable."
);
