//! Builtins that go through an iterable: `all`, `any`, `sum`, `min`, `max`, `sorted`.

use weft_objects::generator::Steps;
use weft_objects::prelude::*;
use weft_objects::sort::sort_vec;
use weft_objects::{bytearray, bytes, complex, float, int, range::Range};

pub(super) static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("all", "(iterable, /)", |t, a| find(t, a[0], false).map(|found| Value::bool(!found))).doc(
        "Return True if bool(x) is True for all values x in the iterable.\n\nIf the iterable is empty, return True.",
    ),
    NativeDef::new("any", "(iterable, /)", |t, a| find(t, a[0], true).map(Value::bool)).doc(
        "Return True if bool(x) is True for any x in the iterable.\n\nIf the iterable is empty, return False.",
    ),
    NativeDef::new("sum", "(iterable, /, start=0)", sum).doc(
        "Return the sum of a 'start' value (default: 0) plus an iterable of numbers\n\nWhen the iterable is empty, return the start value.\nThis function is intended specifically for use with numeric values and may\nreject non-numeric types.",
    ),
    NativeDef::raw("max", "", |t, args| extreme(t, args, CmpOp::Gt)).doc(
        "max(iterable, *[, default=obj, key=func]) -> value\nmax(arg1, arg2, *args, *[, key=func]) -> value\n\nWith a single iterable argument, return its biggest item. The\ndefault keyword-only argument specifies an object to return if\nthe provided iterable is empty.\nWith two or more positional arguments, return the largest argument.",
    ),
    NativeDef::raw("min", "", |t, args| extreme(t, args, CmpOp::Lt)).doc(
        "min(iterable, *[, default=obj, key=func]) -> value\nmin(arg1, arg2, *args, *[, key=func]) -> value\n\nWith a single iterable argument, return its smallest item. The\ndefault keyword-only argument specifies an object to return if\nthe provided iterable is empty.\nWith two or more positional arguments, return the smallest argument.",
    ),
    NativeDef::new("sorted", "(iterable, /, *, key=None, reverse=False)", sorted).doc(
        "Return a new list containing all items from the iterable in ascending order.\n\nA custom key function can be supplied to customize the sort order, and the\nreverse flag can be set to request the result in descending order.",
    ),
];

/// Where items come from: lists, tuples and ranges need no iterator, and a generator that nobody else has stays on the stack.
enum Source<'a> {
    Steps(Steps),
    Arguments(std::slice::Iter<'a, Value>),
    List(&'a List, usize),
    Tuple(&'a Tuple, usize),
    /// The next item, the step, how many are left of those that come without a look at what others want, and how many more.
    Range(i64, i64, usize, usize),
    Iterator(Obj),
}

/// Items of a range that are gone through without a poll.
const AT_ONCE: usize = 1 << 16;

impl<'a> Source<'a> {
    fn new(t: &mut Thread, v: Value) -> Res<Source<'a>> {
        if let Some(l) = List::exact(v) {
            return Ok(Source::List(l, 0));
        }
        if let Some(x) = Tuple::exact(v) {
            return Ok(Source::Tuple(x, 0));
        }
        if let Some((start, step, n)) = Range::of(v).and_then(Range::small) {
            let first = n.min(AT_ONCE);
            return Ok(Source::Range(start, step, first, n - first));
        }
        if let Some(steps) = Steps::new(t, v) {
            return Ok(Source::Steps(steps));
        }
        proto::iter(t, v).map(Source::Iterator)
    }

    /// Before anything is done with an item that may run Python or raise.
    #[inline]
    fn pause(&mut self, t: &mut Thread) {
        if let Source::Steps(steps) = self {
            steps.pause(t);
        }
    }

    #[inline]
    fn next(&mut self, t: &mut Thread) -> Res<Option<Obj>> {
        Ok(match self {
            Source::Steps(steps) => match steps.next(t)? {
                v if v.is_null() => None,
                v => Some(Obj::own(v)),
            },
            Source::Arguments(left) => left.next().map(|v| Obj::new(t, *v)),
            Source::List(l, i) => {
                *i += 1;
                l.get(t, *i - 1).map(|v| v.to_obj(t))
            }
            Source::Tuple(x, i) => {
                *i += 1;
                (*i <= x.len()).then(|| Obj::new(t, x.get(*i - 1)))
            }
            Source::Range(at, step, left, more) => {
                if *left == 0 {
                    if *more == 0 {
                        return Ok(None);
                    }
                    weft_objects::runtime::poll_in_loop(t)?;
                    *left = AT_ONCE.min(*more);
                    *more -= *left;
                }
                let v = Value::int(*at);
                *left -= 1;
                *at = at.wrapping_add(*step);
                Some(Obj::from_raw(v))
            }
            Source::Iterator(it) => proto::next(t, it.value())?,
        })
    }
}

/// Whether the iterable has an item of this truth.
fn find(t: &mut Thread, iterable: Value, wanted: bool) -> Res<bool> {
    let mut source = Source::new(t, iterable)?;
    while let Some(v) = source.next(t)? {
        if v.value() == Value::bool(!wanted) {
            continue;
        }
        if !proto::is_simple(v.value()) {
            source.pause(t);
        }
        if proto::truth(t, v.value())? == wanted {
            source.pause(t);
            return Ok(true);
        }
    }
    Ok(false)
}

fn sorted(t: &mut Thread, a: &[Value]) -> Res {
    let mut items = proto::to_vec(t, a[0])?;
    let key = if a[1].is_null() || a[1].is_none() {
        None
    } else {
        Some(a[1])
    };
    let reverse = !a[2].is_null() && proto::truth(t, a[2])?;
    weft_objects::memory::room_for(t, items.len(), size_of::<Value>())?;
    sort_vec(t, &mut items, key, reverse)?;
    Ok(List::from_vec(t, items).into())
}

// --- sum ---

/// A float sum with the digits that rounding has lost: Neumaier's variant of Kahan's algorithm (1974), as CPython.
#[derive(Clone, Copy)]
struct Compensated {
    high: f64,
    low: f64,
}

impl Compensated {
    fn new(x: f64) -> Self {
        Compensated { high: x, low: 0.0 }
    }
    #[inline]
    fn add(&mut self, x: f64) {
        let sum = self.high + x;
        self.low += if self.high.abs() >= x.abs() {
            (self.high - sum) + x
        } else {
            (x - sum) + self.high
        };
        self.high = sum;
    }
    fn total(self) -> f64 {
        // An infinite correction comes of an overflow, which the sum shows itself.
        if self.low != 0.0 && self.low.is_finite() {
            self.high + self.low
        } else {
            self.high
        }
    }
}

fn sum(t: &mut Thread, a: &[Value]) -> Res {
    let start = if a[1].is_null() { Value::int(0) } else { a[1] };
    let refused = if Str::of(start).is_some() {
        Some("sum() can't sum strings [use ''.join(seq) instead]")
    } else if bytes::Bytes::of(start).is_some() {
        Some("sum() can't sum bytes [use b''.join(seq) instead]")
    } else if bytearray::ByteArray::of(start).is_some() {
        Some("sum() can't sum bytearray [use b''.join(seq) instead]")
    } else {
        None
    };
    let mut source = Source::new(t, a[0])?;
    if let Some(msg) = refused {
        return Err(t.type_error(msg.into()));
    }
    let mut total = Obj::new(t, start);
    let mut pending = None;
    if total.value().is_int() {
        (total, pending) = sum_ints(t, &mut source, total)?;
    }
    total = add_pending(t, total, pending.take())?;
    if float::is_exact_float(total.value()) {
        (total, pending) = sum_floats(t, &mut source, total)?;
        total = add_pending(t, total, pending.take())?;
    }
    if is_exact_complex(total.value()) {
        (total, pending) = sum_complex(t, &mut source, total)?;
        total = add_pending(t, total, pending)?;
    }
    while let Some(v) = source.next(t)? {
        source.pause(t);
        total = Obj::own(proto::binary(t, BinOp::Add, total.value(), v.value())?);
    }
    Ok(total.into())
}

fn add_pending(t: &mut Thread, total: Obj, item: Option<Obj>) -> Res<Obj> {
    match item {
        Some(v) => proto::binary(t, BinOp::Add, total.value(), v.value()).map(Obj::own),
        None => Ok(total),
    }
}

/// Sums as long as all is small ints. Gives the sum, and the first item that has not been added.
fn sum_ints(t: &mut Thread, source: &mut Source<'_>, total: Obj) -> Res<(Obj, Option<Obj>)> {
    let mut sum = total.value().as_int();
    loop {
        let item = source.next(t)?;
        let Some(v) = item else {
            return Ok((Obj::own(int::from_i64(t, sum)), None));
        };
        let n = match v.value() {
            x if x.is_int() => Some(x.as_int()),
            x if x.is_bool() => Some(i64::from(x == Value::TRUE)),
            _ => None,
        };
        match n.and_then(|n| sum.checked_add(n)) {
            Some(n) => sum = n,
            None => {
                source.pause(t);
                return Ok((Obj::own(int::from_i64(t, sum)), Some(v)));
            }
        }
    }
}

/// As [`sum_ints`], for floats with ints among them.
fn sum_floats(t: &mut Thread, source: &mut Source<'_>, total: Obj) -> Res<(Obj, Option<Obj>)> {
    let mut sum = Compensated::new(float::as_f64(total.value()).unwrap_or(0.0));
    let left = loop {
        let Some(v) = source.next(t)? else { break None };
        if float::is_exact_float(v.value()) {
            sum.add(float::as_f64(v.value()).unwrap_or(0.0));
        } else if v.value().is_int() {
            sum.add(v.value().as_int() as f64);
        } else {
            source.pause(t);
            break Some(v);
        }
    };
    Ok((Obj::own(float::from_f64(t, sum.total())), left))
}

fn is_exact_complex(v: Value) -> bool {
    type_of(v).is(&complex::COMPLEX)
}

/// As [`sum_ints`], for complex numbers with floats and ints among them.
fn sum_complex(t: &mut Thread, source: &mut Source<'_>, total: Obj) -> Res<(Obj, Option<Obj>)> {
    let (re, im) = complex::of(total.value()).unwrap_or((0.0, 0.0));
    let (mut re, mut im) = (Compensated::new(re), Compensated::new(im));
    let left = loop {
        let Some(v) = source.next(t)? else { break None };
        if is_exact_complex(v.value()) {
            let (x, y) = complex::of(v.value()).unwrap_or((0.0, 0.0));
            re.add(x);
            im.add(y);
        } else if float::is_exact_float(v.value()) {
            re.add(float::as_f64(v.value()).unwrap_or(0.0));
        } else if v.value().is_int() {
            re.add(v.value().as_int() as f64);
        } else {
            source.pause(t);
            break Some(v);
        }
    };
    Ok((
        Obj::own(complex::from_parts(t, re.total(), im.total())),
        left,
    ))
}

// --- min, max ---

/// The first item that no other one beats.
fn extreme(t: &mut Thread, args: Args<'_>, op: CmpOp) -> Res {
    let name = if op == CmpOp::Gt { "max" } else { "min" };
    let given = args.pos();
    let (mut key, mut default) = (Value::NULL, Value::NULL);
    for (k, v) in args.keywords() {
        match Str::of(k).map(Str::as_bytes) {
            Some(b"key") => key = v,
            Some(b"default") => default = v,
            _ => {
                let k = Str::of(k).map_or_else(String::new, Str::to_string_lossy);
                return Err(
                    t.type_error(format!("{name}() got an unexpected keyword argument '{k}'"))
                );
            }
        }
    }
    if key.is_none() {
        key = Value::NULL;
    }
    match given {
        [] => Err(t.type_error(format!("{name} expected at least 1 argument, got 0"))),
        [iterable] => {
            let mut source = Source::new(t, *iterable)?;
            match best(t, &mut source, key, op)? {
                Some(v) => Ok(v.into()),
                None if default.is_null() => {
                    Err(t.value_error(format!("{name}() iterable argument is empty")))
                }
                None => Ok(to_reg(t, default.bare())),
            }
        }
        _ if !default.is_null() => {
            let msg =
                format!("Cannot specify a default for {name}() with multiple positional arguments");
            Err(t.type_error(msg))
        }
        &[a, b] if key.is_null() => {
            let winner = if beats(t, b, a, op)? { b } else { a };
            Ok(to_reg(t, winner.bare()))
        }
        all => {
            let mut source = Source::Arguments(all.iter());
            Ok(best(t, &mut source, key, op)?.map_or(Value::NONE, Obj::into_value))
        }
    }
}

/// Whether numbers in words are in that order; `None` for anything else.
#[inline]
fn quick(x: Value, y: Value, op: CmpOp) -> Option<bool> {
    if x.both_ints(y) {
        return Some(op.of(x.as_int().cmp(&y.as_int())));
    }
    if x.both_floats(y) {
        let (x, y) = (x.as_float(), y.as_float());
        return Some(if op == CmpOp::Gt { x > y } else { x < y });
    }
    None
}

#[inline]
fn beats(t: &mut Thread, x: Value, y: Value, op: CmpOp) -> Res<bool> {
    match quick(x, y, op) {
        Some(beats) => Ok(beats),
        None => proto::compare_bool(t, x, y, op),
    }
}

fn best(t: &mut Thread, source: &mut Source<'_>, key: Value, op: CmpOp) -> Res<Option<Obj>> {
    let Some(mut winner) = source.next(t)? else {
        return Ok(None);
    };
    if key.is_null() {
        while let Some(v) = source.next(t)? {
            let wins = match quick(v.value(), winner.value(), op) {
                Some(wins) => wins,
                None => {
                    source.pause(t);
                    proto::compare_bool(t, v.value(), winner.value(), op)?
                }
            };
            if wins {
                winner = v;
            }
        }
        return Ok(Some(winner));
    }
    source.pause(t);
    let mut rank = proto::call(t, key, &[winner.value()])?;
    while let Some(v) = source.next(t)? {
        source.pause(t);
        let r = proto::call(t, key, &[v.value()])?;
        if beats(t, r.value(), rank.value(), op)? {
            (winner, rank) = (v, r);
        }
    }
    Ok(Some(winner))
}
