//! `_heapq`: lists as binary heaps.
//!
//! No lock is held across a comparison, which may run Python: each step reads two items, compares, and exchanges them; a list that
//! changes its length meanwhile is an error.

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

/// Moves the item at `start` down to a leaf, the smaller child coming up at each step, and from there up to its place.
fn sink(t: &mut Thread, heap: &List, order: Order, start: usize) -> Res<()> {
    let n = heap.len();
    let mut at = start;
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
    heap.push(t, Obj::new(t, a[1]).into_value());
    let last = heap.len().saturating_sub(1);
    rise(t, heap, order, 0, last)?;
    Ok(Value::NONE)
}

fn pop(t: &mut Thread, order: Order, a: &[Value]) -> Res {
    let heap = heap_of(t, a[0])?;
    let Some(last) = heap.pop(t) else {
        return Err(t.index_error("index out of range"));
    };
    let Some(first) = heap.get(t, 0).map(|item| item.to_obj(t)) else {
        return Ok(last.into());
    };
    heap.set(t, 0, last.into_value());
    sink(t, heap, order, 0)?;
    Ok(first.into())
}

fn replace(t: &mut Thread, order: Order, a: &[Value]) -> Res {
    let heap = heap_of(t, a[0])?;
    let Some(first) = heap.get(t, 0).map(|item| item.to_obj(t)) else {
        return Err(t.index_error("index out of range"));
    };
    heap.set(t, 0, Obj::new(t, a[1]).into_value());
    sink(t, heap, order, 0)?;
    Ok(first.into())
}

fn push_pop(t: &mut Thread, order: Order, a: &[Value]) -> Res {
    let heap = heap_of(t, a[0])?;
    let new = Obj::new(t, a[1]);
    let Some(first) = heap.get(t, 0).map(|item| item.to_obj(t)) else {
        return Ok(new.into());
    };
    if !order.before(t, &first, &new)? {
        return Ok(new.into());
    }
    let Some(first) = heap.get(t, 0).map(|item| item.to_obj(t)) else {
        return Err(t.index_error("index out of range"));
    };
    heap.set(t, 0, new.into_value());
    sink(t, heap, order, 0)?;
    Ok(first.into())
}

fn heapify(t: &mut Thread, order: Order, a: &[Value]) -> Res {
    let heap = heap_of(t, a[0])?;
    for i in (0..heap.len() / 2).rev() {
        sink(t, heap, order, i)?;
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
