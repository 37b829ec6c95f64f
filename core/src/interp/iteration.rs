//! `for` loops and unpacking.

use super::frames::{reg, reg_ptr, set_reg, take_operand, take_reg};
use super::globals::unbound_local;
use super::run::drop_reg;
use crate::compile::bytecode::{Instr, XB};
use weft_objects::bytes::Bytes;
use weft_objects::frame::Frame;
use weft_objects::generator::Generator;
use weft_objects::prelude::*;
use weft_objects::range::Range;

/// Lays an iteration down in three registers: lists, exact tuples, strs (in bytes) and bytes with a position, ranges by ones with two
/// bounds, generators as they are, everything else as its iterator.
#[inline(never)]
pub fn get_iter(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let v = reg(f, i.b());
    if v.is_null() {
        return unbound_local(t, f, i.b());
    }
    // Written `GetIter/1`: the operand is an iterator already (or one of the kinds that are iterated as they are).
    let is_iterator = i.arg() == 1;
    let mut position = Value::NONE;
    let mut last = Value::NULL;
    let it;
    if List::exact(v).is_some()
        || Tuple::exact(v).is_some()
        || !is_iterator
            && (Str::exact(v).is_some() || Bytes::exact(v).is_some() || is_plain_list(v))
    {
        position = Value::int(0);
        it = super::frames::own_operand(t, f, i, XB, i.b());
    } else if Generator::exact(v).is_some() {
        it = super::frames::own_operand(t, f, i, XB, i.b());
    } else if let Some((start, 1, n)) = Range::of(v).and_then(|r| r.small())
        && let (Some(a), Some(b)) = (
            Value::try_int(start),
            start.checked_add(n as i64).and_then(Value::try_int),
        )
    {
        let old = take_operand(f, i, XB, i.b());
        drop_reg(t, old);
        (it, position, last) = (Value::RANGE_MARK, a, b);
    } else {
        // A range with another step comes as it is, too.
        let o = if is_iterator && Range::of(v).is_none() {
            if !type_of(v).slots.iter_next.is_set() {
                let msg = format!("'{}' object is not an iterator", type_of(v).name());
                return Err(t.type_error(msg));
            }
            Obj::new(t, v)
        } else {
            iter(t, v)?
        };
        let old = take_operand(f, i, XB, i.b());
        drop_reg(t, old);
        it = o.into_value();
    }
    set_reg(t, f, i.a(), it);
    // SAFETY: three temporaries in a row, the latter two dead.
    unsafe {
        *reg_ptr(f, i.a() + 1) = position;
        *reg_ptr(f, i.a() + 2) = last;
    }
    Ok(())
}

/// `iter(v)`.
pub fn iter(t: &mut Thread, v: Value) -> Res<Obj> {
    match super::calls::iter_generator(t, v) {
        Some(g) => Ok(g),
        None => proto::iter(t, v),
    }
}

/// Whether `v` is a list of a class that has no `__iter__` of its own.
fn is_plain_list(v: Value) -> bool {
    let iter = |ty: &Type| ty.slots.iter.get().map(|f| f as usize);
    List::of(v).is_some() && iter(type_of(v)) == iter(&weft_objects::list::LIST)
}

/// A step of an iteration that is not plain. True: it is over, the iterator is dropped.
pub fn for_iter(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<bool> {
    let (it, at) = (reg(f, i.a()), reg(f, i.a() + 1));
    if !at.is_int() {
        return Ok(!next(t, f, i)?);
    }
    let n = at.as_int() as usize;
    let mut width = 1;
    let v = if let Some(l) = List::of(it) {
        l.get(t, n).map(|v| v.to_reg(t))
    } else if let Some(x) = Tuple::exact(it) {
        x.values().get(n).map(|v| to_reg(t, *v))
    } else if let Some(x) = Str::exact(it) {
        x.char_from(n).map(|(c, bytes)| {
            width = bytes;
            Str::char(t, c).into_value()
        })
    } else {
        let x = Bytes::exact(it).and_then(|x| x.as_slice().get(n));
        x.map(|b| Value::int(i64::from(*b)))
    };
    match v {
        Some(v) => {
            // SAFETY: the second of the iteration's three registers.
            unsafe { *reg_ptr(f, i.a() + 1) = Value::int((n + width) as i64) };
            set_reg(t, f, i.b(), v);
            Ok(false)
        }
        None => {
            let it = take_reg(f, i.a());
            drop_reg(t, it);
            Ok(true)
        }
    }
}

/// The next item of a general iterator. False: exhausted, the iterator is dropped.
#[inline(never)]
fn next(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<bool> {
    if t.interrupted() {
        weft_objects::runtime::safepoint(t)?;
    }
    let v = proto::next_value(t, reg(f, i.a()))?;
    if v.is_null() {
        let it = take_reg(f, i.a());
        drop_reg(t, it);
        return Ok(false);
    }
    set_reg(t, f, i.b(), v);
    Ok(true)
}

/// Lists up to this length are unpacked without going through an iterator.
const FEW: usize = 16;

#[inline(never)]
pub fn unpack(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let v = reg(f, i.b());
    let n = i.c();
    if let Some(x) = Tuple::exact(v) {
        if x.len() != n {
            return Err(wrong_count(t, x.len(), n));
        }
        let v = take_operand(f, i, XB, i.b());
        for k in 0..n {
            let item = to_reg(t, x.get(k));
            set_reg(t, f, i.a() + k, item);
        }
        drop_reg(t, v);
        return Ok(());
    }
    if let Some(l) = List::exact(v)
        && l.len() == n
        && n <= FEW
    {
        // All items first: dropping what the registers held may run code that changes the list.
        let mut items = [Value::NULL; FEW];
        let got = (0..n).take_while(|&k| match l.get(t, k) {
            Some(v) => {
                items[k] = v.to_reg(t);
                true
            }
            None => false,
        });
        let got = got.count();
        if got == n {
            let v = take_operand(f, i, XB, i.b());
            for (k, item) in items[..n].iter().enumerate() {
                set_reg(t, f, i.a() + k, *item);
            }
            drop_reg(t, v);
            return Ok(());
        }
        for item in items[..got].iter() {
            drop_reg(t, *item);
        }
    }
    if v.is_null() {
        return unbound_local(t, f, i.b());
    }
    let it = unpack_iter(t, v)?;
    let mut items = Vec::with_capacity(n);
    while items.len() < n {
        match proto::next(t, it.value())? {
            Some(o) => items.push(o),
            None => {
                let msg = format!(
                    "not enough values to unpack (expected {n}, got {})",
                    items.len()
                );
                return Err(t.value_error(msg));
            }
        }
    }
    if let Some(extra) = proto::next(t, it.value())? {
        drop(extra);
        let known = List::of(v)
            .map(|l| l.len())
            .or_else(|| Dict::of(v).map(|d| d.len()));
        return Err(match known {
            Some(got) => wrong_count(t, got, n),
            None => t.value_error(format!("too many values to unpack (expected {n})")),
        });
    }
    let v = take_operand(f, i, XB, i.b());
    for (k, o) in items.into_iter().enumerate() {
        set_reg(t, f, i.a() + k, o.into_value());
    }
    drop_reg(t, v);
    Ok(())
}

#[cold]
fn wrong_count(t: &mut Thread, got: usize, want: usize) -> Raised {
    t.value_error(if got < want {
        format!("not enough values to unpack (expected {want}, got {got})")
    } else {
        format!("too many values to unpack (expected {want}, got {got})")
    })
}

fn unpack_iter(t: &mut Thread, v: Value) -> Res<Obj> {
    if !type_of(v).slots.iter.is_set() && !proto::is_sequence(t, v) {
        let msg = format!("cannot unpack non-iterable {} object", type_of(v).name());
        return Err(t.type_error(msg));
    }
    proto::iter(t, v)
}

#[inline(never)]
pub fn unpack_ex(t: &mut Thread, f: *mut Frame, i: Instr) -> Res<()> {
    let v = reg(f, i.b());
    if v.is_null() {
        return unbound_local(t, f, i.b());
    }
    let (before, after) = (i.c() & 0xff, i.c() >> 8);
    // Holds the items while registers change.
    let held = Obj::new(t, v);
    let items = match Tuple::exact(held.value()) {
        Some(x) => Some(x.values()),
        None => List::exact(held.value()).and_then(|l| l.local_items(t)),
    };
    if let Some(items) = items.filter(|items| items.len() >= before + after) {
        let (first, rest) = items.split_at(before);
        let (middle, last) = rest.split_at(rest.len() - after);
        let middle = List::from_slice(t, middle);
        let old = take_operand(f, i, XB, i.b());
        let a = i.a();
        for (k, v) in first.iter().enumerate() {
            let v = to_reg(t, *v);
            set_reg(t, f, a + k, v);
        }
        set_reg(t, f, a + before, middle.into_value());
        for (k, v) in last.iter().enumerate() {
            let v = to_reg(t, *v);
            set_reg(t, f, a + before + 1 + k, v);
        }
        drop_reg(t, old);
        return Ok(());
    }
    drop(held);
    let it = unpack_iter(t, v)?;
    let mut items = Vec::new();
    while let Some(o) = proto::next(t, it.value())? {
        weft_objects::memory::push(t, &mut items, o)?;
    }
    if items.len() < before + after {
        let at_least = before + after;
        let msg = format!(
            "not enough values to unpack (expected at least {at_least}, got {})",
            items.len()
        );
        return Err(t.value_error(msg));
    }
    let tail = items.split_off(items.len() - after);
    let middle = items.split_off(before);
    let middle = List::from_vec(t, middle);
    let v = take_operand(f, i, XB, i.b());
    let all = items.into_iter().chain(std::iter::once(middle)).chain(tail);
    for (k, o) in all.enumerate() {
        set_reg(t, f, i.a() + k, o.into_value());
    }
    drop_reg(t, v);
    Ok(())
}
