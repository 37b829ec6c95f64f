//! `_heapq`: lists as binary heaps.
//!
//! As long as the items are plain numbers or strings an operation is one step, under the list's lock. No lock is held across a
//! comparison that may run Python: then each step reads two items, compares, and exchanges them; a list that changes its length
//! meanwhile is an error.

use weft_objects::float;
use weft_objects::list::Held;
use weft_objects::prelude::*;

/// Whether the smallest item is in front, or the largest.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    Min,
    Max,
}

impl Order {
    /// Whether `a` belongs before `b`.
    fn before(self, t: &mut Thread, a: &Obj, b: &Obj) -> Res<bool> {
        match self {
            Order::Min => proto::compare_bool(t, a.value(), b.value(), CmpOp::Lt),
            Order::Max => proto::compare_bool(t, b.value(), a.value(), CmpOp::Lt),
        }
    }
}

fn heap_of<'a>(t: &mut Thread, v: Value) -> Res<&'a List> {
    match List::of(v) {
        Some(list) => Ok(list),
        None => {
            let got = type_of(v).name();
            Err(t.type_error(format!("heap argument must be a list, not {got}")))
        }
    }
}

#[cold]
fn changed(t: &mut Thread) -> Raised {
    t.runtime_error("list changed size during iteration")
}

fn item(t: &mut Thread, heap: &List, i: usize) -> Res<Obj> {
    let found = heap.get(t, i).map(|item| item.to_obj(t));
    found.ok_or_else(|| changed(t))
}

/// What is left to do of a step when two items turn up that only Python can compare.
enum Left {
    Rise(usize),
    Sink(usize),
}

/// As [`Order::before`], of items that are compared without running Python.
fn plain_before(order: Order, a: Value, b: Value) -> Option<bool> {
    let (a, b) = match order {
        Order::Min => (a, b),
        Order::Max => (b, a),
    };
    if a.both_ints(b) {
        return Some(a.as_int() < b.as_int());
    }
    if float::is_exact_float(a) && float::is_exact_float(b) {
        return Some(float::as_f64(a)? < float::as_f64(b)?);
    }
    // Their UTF-8 is in the order of the code points.
    Some(Str::exact(a)?.as_bytes() < Str::exact(b)?.as_bytes())
}

/// [`rise`] under the list's lock, as far as that goes.
fn rise_held(heap: &Held<'_>, order: Order, start: usize, mut at: usize) -> Result<(), Left> {
    while at > start {
        let parent = (at - 1) / 2;
        match plain_before(order, heap.get(at), heap.get(parent)) {
            Some(true) => heap.swap(at, parent),
            Some(false) => break,
            None => return Err(Left::Rise(at)),
        }
        at = parent;
    }
    Ok(())
}

/// [`sink`] under the list's lock, as far as that goes.
fn sink_held(heap: &Held<'_>, order: Order, start: usize) -> Result<(), Left> {
    let n = heap.len();
    let mut at = start;
    while at < n / 2 {
        let mut child = 2 * at + 1;
        if child + 1 < n {
            match plain_before(order, heap.get(child), heap.get(child + 1)) {
                Some(left) => child += usize::from(!left),
                None => return Err(Left::Sink(at)),
            }
        }
        heap.swap(at, child);
        at = child;
    }
    rise_held(heap, order, start, at)
}

/// Does the rest of a step, without the lock.
fn finish(
    t: &mut Thread,
    heap: &List,
    order: Order,
    start: usize,
    left: Result<(), Left>,
) -> Res<()> {
    match left {
        Ok(()) => Ok(()),
        Err(Left::Rise(at)) => rise(t, heap, order, start, at),
        Err(Left::Sink(at)) => sink(t, heap, order, start, at),
    }
}

/// Moves the item at `at` towards the front, not beyond `start`, as long as it belongs before its parent.
fn rise(t: &mut Thread, heap: &List, order: Order, start: usize, mut at: usize) -> Res<()> {
    let n = heap.len();
    let moved = item(t, heap, at)?;
    while at > start {
        let parent = (at - 1) / 2;
        let above = item(t, heap, parent)?;
        let up = order.before(t, &moved, &above)?;
        if heap.len() != n {
            return Err(changed(t));
        }
        if !up {
            break;
        }
        heap.set(t, parent, moved.clone().into_value());
        heap.set(t, at, above.into_value());
        at = parent;
    }
    Ok(())
}

/// Moves the item at `at` down to a leaf, the smaller child coming up at each step, and from there up to its place, not beyond
/// `start`.
fn sink(t: &mut Thread, heap: &List, order: Order, start: usize, mut at: usize) -> Res<()> {
    let n = heap.len();
    while at < n / 2 {
        let mut child = 2 * at + 1;
        let mut smaller = item(t, heap, child)?;
        if child + 1 < n {
            let right = item(t, heap, child + 1)?;
            let left = order.before(t, &smaller, &right)?;
            if heap.len() != n {
                return Err(changed(t));
            }
            if !left {
                child += 1;
                smaller = right;
            }
        }
        let moved = item(t, heap, at)?;
        heap.set(t, at, smaller.into_value());
        heap.set(t, child, moved.into_value());
        at = child;
    }
    rise(t, heap, order, start, at)
}

fn push(t: &mut Thread, order: Order, a: &[Value]) -> Res {
    let heap = heap_of(t, a[0])?;
    let new = Obj::new(t, a[1]);
    let left = heap.hold(t, |h| {
        h.push(new);
        rise_held(h, order, 0, h.len() - 1)
    });
    finish(t, heap, order, 0, left)?;
    Ok(Value::NONE)
}

fn pop(t: &mut Thread, order: Order, a: &[Value]) -> Res {
    let heap = heap_of(t, a[0])?;
    let taken = heap.hold(t, |h| {
        let last = h.pop()?;
        if h.is_empty() {
            return Some((last, Ok(())));
        }
        let first = h.replace(0, last);
        Some((first, sink_held(h, order, 0)))
    });
    let Some((first, left)) = taken else {
        return Err(t.index_error("index out of range"));
    };
    finish(t, heap, order, 0, left)?;
    Ok(first.into())
}

/// Puts `new` in the place of the first item, if there is one, which it gives.
fn exchange(t: &mut Thread, heap: &List, order: Order, new: Obj) -> Res {
    let taken = heap.hold(t, |h| {
        if h.is_empty() {
            return None;
        }
        let first = h.replace(0, new);
        Some((first, sink_held(h, order, 0)))
    });
    let Some((first, left)) = taken else {
        return Err(t.index_error("index out of range"));
    };
    finish(t, heap, order, 0, left)?;
    Ok(first.into())
}

fn replace(t: &mut Thread, order: Order, a: &[Value]) -> Res {
    let heap = heap_of(t, a[0])?;
    let new = Obj::new(t, a[1]);
    exchange(t, heap, order, new)
}

/// [`push_pop`] in one step: `Err` is the new item, if only Python can say.
fn push_pop_held(h: &Held<'_>, order: Order, new: Obj) -> Result<(Obj, Result<(), Left>), Obj> {
    if h.is_empty() {
        return Ok((new, Ok(())));
    }
    match plain_before(order, h.get(0), new.value()) {
        None => Err(new),
        Some(false) => Ok((new, Ok(()))),
        Some(true) => {
            let first = h.replace(0, new);
            Ok((first, sink_held(h, order, 0)))
        }
    }
}

fn push_pop(t: &mut Thread, order: Order, a: &[Value]) -> Res {
    let heap = heap_of(t, a[0])?;
    let new = Obj::new(t, a[1]);
    let new = match heap.hold(t, |h| push_pop_held(h, order, new)) {
        Ok((out, left)) => {
            finish(t, heap, order, 0, left)?;
            return Ok(out.into());
        }
        Err(new) => new,
    };
    let Some(first) = heap.get(t, 0).map(|item| item.to_obj(t)) else {
        return Ok(new.into());
    };
    if !order.before(t, &first, &new)? {
        return Ok(new.into());
    }
    exchange(t, heap, order, new)
}

fn heapify(t: &mut Thread, order: Order, a: &[Value]) -> Res {
    let heap = heap_of(t, a[0])?;
    let left = heap.hold(t, |h| {
        for i in (0..h.len() / 2).rev() {
            sink_held(h, order, i).map_err(|left| (i, left))?;
        }
        Ok(())
    });
    let Err((at, left)) = left else {
        return Ok(Value::NONE);
    };
    finish(t, heap, order, at, Err(left))?;
    for i in (0..at).rev() {
        sink(t, heap, order, i, i)?;
    }
    Ok(Value::NONE)
}

const HEAP: &str = "(heap, /)";
const HEAP_ITEM: &str = "(heap, item, /)";

const FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("heappush", HEAP_ITEM, |t, a| push(t, Order::Min, a))
        .doc("Push item onto heap, maintaining the heap invariant."),
    NativeDef::new("heappop", HEAP, |t, a| pop(t, Order::Min, a))
        .doc("Pop the smallest item off the heap, maintaining the heap invariant."),
    NativeDef::new("heapreplace", HEAP_ITEM, |t, a| replace(t, Order::Min, a))
        .doc("Pop and return the current smallest value, and add the new item."),
    NativeDef::new("heappushpop", HEAP_ITEM, |t, a| push_pop(t, Order::Min, a))
        .doc("Push item on the heap, then pop and return the smallest item from the heap."),
    NativeDef::new("heapify", HEAP, |t, a| heapify(t, Order::Min, a))
        .doc("Transform list into a heap, in-place, in O(len(heap)) time."),
    NativeDef::new("heappush_max", HEAP_ITEM, |t, a| push(t, Order::Max, a))
        .doc("Push item onto max heap, maintaining the heap invariant."),
    NativeDef::new("heappop_max", HEAP, |t, a| pop(t, Order::Max, a))
        .doc("Maxheap variant of heappop."),
    NativeDef::new("heapreplace_max", HEAP_ITEM, |t, a| {
        replace(t, Order::Max, a)
    })
    .doc("Maxheap variant of heapreplace."),
    NativeDef::new("heappushpop_max", HEAP_ITEM, |t, a| {
        push_pop(t, Order::Max, a)
    })
    .doc("Maxheap variant of heappushpop."),
    NativeDef::new("heapify_max", HEAP, |t, a| heapify(t, Order::Max, a))
        .doc("Maxheap variant of heapify."),
];

/// The module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    Ok(crate::support::module(
        t,
        "_heapq",
        "Heap queue algorithm (a.k.a. priority queue).",
        FUNCTIONS,
    ))
}
