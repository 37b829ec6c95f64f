//! Sorting: `list.sort` and `sorted`.
//!
//! Keys of one simple kind (small ints, floats, strings, or tuples of these) are compared without Python, by the standard library's
//! stable sort. All others go through a natural merge sort whose comparisons may call Python and fail: runs are found and short
//! ones extended by binary insertion, and merged in the order of powersort (Munro and Wild 2018: nearly optimal mergesorts).

use crate::prelude::*;
use std::cmp::Ordering;

/// An item and what it is sorted by. Counted words, owned by the vector that they are in.
#[derive(Clone, Copy)]
struct Item {
    key: Value,
    value: Value,
}

/// `l.sort(key=key, reverse=reverse)`. The list is empty meanwhile.
///
/// # Errors
/// What the key function and comparisons raise (the list then has its items in some order); ValueError if the list was changed.
pub fn sort_list(t: &mut Thread, l: &List, key: Option<Value>, reverse: bool) -> Res<()> {
    if l.len() < 2 && key.is_none() {
        return Ok(());
    }
    let mut items = l.take_all(t);
    let sorted = sort_vec(t, &mut items, key, reverse);
    let intruders = l.replace_all(t, items);
    sorted?;
    if !intruders.is_empty() {
        return Err(t.value_error("list modified during sort"));
    }
    Ok(())
}

/// Sorts a vector of handles. On failure it holds the same items in some order. Errors: as above.
pub fn sort_vec(
    t: &mut Thread,
    items: &mut Vec<Obj>,
    key: Option<Value>,
    reverse: bool,
) -> Res<()> {
    let Some(key) = key else {
        if sort_simple(items, reverse) {
            return Ok(());
        }
        let mut all: Vec<Item> = items
            .drain(..)
            .map(|o| o.into_value())
            .map(|v| Item { key: v, value: v })
            .collect();
        let sorted = sort_items(t, &mut all, reverse);
        items.extend(all.into_iter().map(|i| Obj::from_raw(i.value)));
        return sorted;
    };
    let mut keys = Vec::with_capacity(items.len());
    for o in items.iter() {
        keys.push(proto::call(t, key, &[o.value()])?);
    }
    let mut all: Vec<Item> = keys
        .iter()
        .zip(items.drain(..))
        .map(|(k, o)| Item {
            key: k.value(),
            value: o.into_value(),
        })
        .collect();
    let sorted = sort_items(t, &mut all, reverse);
    items.extend(all.into_iter().map(|i| Obj::from_raw(i.value)));
    drop(keys);
    sorted
}

/// Sorts values of one simple kind where they are. False: they are others.
fn sort_simple(items: &mut [Obj], reverse: bool) -> bool {
    let Some(first) = items.first() else {
        return true;
    };
    let Some(kind) = Kind::of(first.value()) else {
        return false;
    };
    if !items.iter().all(|o| Kind::of(o.value()) == Some(kind)) {
        return false;
    }
    if reverse {
        items.reverse();
    }
    match kind {
        // Equal ones are the same, so their order cannot be told.
        Kind::Int => items.sort_unstable_by_key(|o| o.value().as_int()),
        Kind::Float => items.sort_by(|a, b| by_float(a.value(), b.value())),
        Kind::Str => items.sort_by(|a, b| by_str(a.value(), b.value())),
    }
    if reverse {
        items.reverse();
    }
    true
}

fn sort_items(t: &mut Thread, items: &mut [Item], reverse: bool) -> Res<()> {
    if items.len() < 2 {
        return Ok(());
    }
    // Reversed before and after, so that equal items keep their order.
    if reverse {
        items.reverse();
    }
    let sorted = match Kind::of_all(items) {
        Some(Kind::Int) => {
            items.sort_by_key(|i| i.key.as_int());
            Ok(())
        }
        Some(Kind::Float) => {
            items.sort_by(|a, b| by_float(a.key, b.key));
            Ok(())
        }
        Some(Kind::Str) => {
            items.sort_by(|a, b| by_str(a.key, b.key));
            Ok(())
        }
        None => match columns(items) {
            Some(kinds) => {
                items.sort_by(|a, b| by_tuple(&kinds, a.key, b.key));
                Ok(())
            }
            None => merge_sort(t, items),
        },
    };
    if reverse {
        items.reverse();
    }
    sorted
}

/// A kind of keys that are in a total order which needs no Python.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int,
    Float,
    Str,
}

impl Kind {
    fn of(v: Value) -> Option<Kind> {
        if v.is_int() {
            Some(Kind::Int)
        } else if v.is_float() {
            // Not a NaN: those are on the heap.
            Some(Kind::Float)
        } else {
            Str::exact(v).map(|_| Kind::Str)
        }
    }

    fn of_all(items: &[Item]) -> Option<Kind> {
        let kind = Kind::of(items[0].key)?;
        items
            .iter()
            .all(|i| Kind::of(i.key) == Some(kind))
            .then_some(kind)
    }

    #[inline(always)]
    fn compare(self, a: Value, b: Value) -> Ordering {
        match self {
            Kind::Int => a.as_int().cmp(&b.as_int()),
            Kind::Float => by_float(a, b),
            Kind::Str => by_str(a, b),
        }
    }
}

fn by_float(a: Value, b: Value) -> Ordering {
    a.as_float()
        .partial_cmp(&b.as_float())
        .unwrap_or(Ordering::Equal)
}

fn by_str(a: Value, b: Value) -> Ordering {
    match (Str::exact(a), Str::exact(b)) {
        (Some(a), Some(b)) => a.as_bytes().cmp(b.as_bytes()),
        _ => Ordering::Equal,
    }
}

/// The kinds of the tuples' items by position, if all keys are tuples with one simple kind in each position.
fn columns(items: &[Item]) -> Option<Vec<Kind>> {
    let mut kinds: Vec<Kind> = Vec::new();
    for i in items {
        let tuple = Tuple::exact(i.key)?;
        if tuple.len() > 16 {
            return None;
        }
        for (at, v) in tuple.values().iter().enumerate() {
            let kind = Kind::of(*v)?;
            match kinds.get(at) {
                Some(k) if *k != kind => return None,
                Some(_) => {}
                None => kinds.push(kind),
            }
        }
    }
    Some(kinds)
}

fn by_tuple(kinds: &[Kind], a: Value, b: Value) -> Ordering {
    let (Some(a), Some(b)) = (Tuple::exact(a), Tuple::exact(b)) else {
        return Ordering::Equal;
    };
    let (a, b) = (a.values(), b.values());
    for i in 0..a.len().min(b.len()).min(kinds.len()) {
        let o = kinds[i].compare(a[i], b[i]);
        if o != Ordering::Equal {
            return o;
        }
    }
    a.len().cmp(&b.len())
}

/// `a < b`
#[inline]
fn less(t: &mut Thread, a: Item, b: Item) -> Res<bool> {
    if a.key.both_ints(b.key) {
        return Ok(a.key.as_int() < b.key.as_int());
    }
    if let (Some(x), Some(y)) = (Str::exact(a.key), Str::exact(b.key)) {
        return Ok(x.as_bytes() < y.as_bytes());
    }
    proto::compare_bool(t, a.key, b.key, CmpOp::Lt)
}

/// A run on the stack of runs still to be merged: where it starts, how long it is, and the power of the boundary before it.
struct Run {
    start: usize,
    len: usize,
    power: u32,
}

fn merge_sort(t: &mut Thread, items: &mut [Item]) -> Res<()> {
    let n = items.len();
    let least = least_run(n);
    let mut spare = Vec::with_capacity(n / 2);
    let mut runs: Vec<Run> = Vec::new();
    let mut at = 0;
    while at < n {
        let mut len = natural_run(t, &mut items[at..])?;
        if len < least {
            let forced = least.min(n - at);
            insertion_sort(t, &mut items[at..at + forced], len)?;
            len = forced;
        }
        let power = runs
            .last()
            .map_or(0, |top| boundary_power(top.start, top.len, len, n));
        while runs.len() > 1 && runs.last().is_some_and(|top| top.power > power) {
            merge_top(t, items, &mut runs, &mut spare)?;
        }
        runs.push(Run {
            start: at,
            len,
            power,
        });
        at += len;
    }
    while runs.len() > 1 {
        merge_top(t, items, &mut runs, &mut spare)?;
    }
    Ok(())
}

/// Runs are made at least this long: such that there is a power of two of them, or a little less.
fn least_run(mut n: usize) -> usize {
    let mut odd = 0;
    while n >= 64 {
        odd |= n & 1;
        n >>= 1;
    }
    n + odd
}

/// The depth, in a perfectly balanced tree over all `n` items, of the node between two neighbouring runs.
fn boundary_power(start: usize, left: usize, right: usize, n: usize) -> u32 {
    // Twice the midpoints of the runs; the power is the first binary digit in which these, as fractions of 2n, differ.
    let (mut a, mut b) = (2 * start + left, 2 * start + 2 * left + right);
    let whole = 2 * n;
    let mut power = 0;
    loop {
        power += 1;
        a *= 2;
        b *= 2;
        let (da, db) = (a >= whole, b >= whole);
        if da != db {
            return power;
        }
        if da {
            a -= whole;
            b -= whole;
        }
    }
}

/// The length of the ascending run that the items begin with; a strictly descending one is turned around.
fn natural_run(t: &mut Thread, items: &mut [Item]) -> Res<usize> {
    if items.len() < 2 {
        return Ok(items.len());
    }
    let mut n = 2;
    if less(t, items[1], items[0])? {
        while n < items.len() && less(t, items[n], items[n - 1])? {
            n += 1;
        }
        items[..n].reverse();
    } else {
        while n < items.len() && !less(t, items[n], items[n - 1])? {
            n += 1;
        }
    }
    Ok(n)
}

/// Sorts items of which the first `done` are sorted already.
fn insertion_sort(t: &mut Thread, items: &mut [Item], done: usize) -> Res<()> {
    for i in done..items.len() {
        let at = upper_bound(t, &items[..i], items[i])?;
        items[at..=i].rotate_right(1);
    }
    Ok(())
}

/// How many of the sorted items are not greater than `x`.
fn upper_bound(t: &mut Thread, items: &[Item], x: Item) -> Res<usize> {
    let (mut low, mut high) = (0, items.len());
    while low < high {
        let middle = low + (high - low) / 2;
        if less(t, x, items[middle])? {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(low)
}

/// How many of the sorted items are less than `x`, looking from the end at growing distances first.
fn lower_bound_from_end(t: &mut Thread, items: &[Item], x: Item) -> Res<usize> {
    let (mut high, mut step) = (items.len(), 1);
    let mut low = 0;
    while high > 0 {
        let probe = high.saturating_sub(step);
        if less(t, items[probe], x)? {
            low = probe + 1;
            break;
        }
        high = probe;
        step *= 2;
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if less(t, items[middle], x)? {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// As [`upper_bound`], looking from the start at growing distances first.
fn upper_bound_from_start(t: &mut Thread, items: &[Item], x: Item) -> Res<usize> {
    let (mut low, mut step) = (0, 1);
    let mut high = items.len();
    while low < items.len() {
        let probe = (low + step - 1).min(items.len() - 1);
        if less(t, x, items[probe])? {
            high = probe;
            break;
        }
        low = probe + 1;
        step *= 2;
    }
    Ok(low + upper_bound(t, &items[low..high.max(low)], x)?)
}

fn merge_top(
    t: &mut Thread,
    items: &mut [Item],
    runs: &mut Vec<Run>,
    spare: &mut Vec<Item>,
) -> Res<()> {
    let (Some(b), Some(a)) = (runs.pop(), runs.last_mut()) else {
        return Ok(());
    };
    let (start, middle) = (a.start, a.len);
    a.len += b.len;
    let both = &mut items[start..start + middle + b.len];
    // What is in place already at both ends need not be moved.
    let skip = upper_bound_from_start(t, &both[..middle], both[middle])?;
    if skip == middle {
        return Ok(());
    }
    let end = middle + lower_bound_from_end(t, &both[middle..], both[middle - 1])?;
    let both = &mut both[skip..end];
    merge(t, both, middle - skip, spare)
}

/// Merges the sorted parts before and after `middle`. If a comparison fails, all items are still there.
fn merge(t: &mut Thread, items: &mut [Item], middle: usize, spare: &mut Vec<Item>) -> Res<()> {
    let n = items.len();
    spare.clear();
    if middle <= n - middle {
        spare.extend_from_slice(&items[..middle]);
        let (mut a, mut b, mut to) = (0, middle, 0);
        while a < spare.len() && b < n {
            match less(t, items[b], spare[a]) {
                Ok(true) => {
                    items[to] = items[b];
                    b += 1;
                }
                Ok(false) => {
                    items[to] = spare[a];
                    a += 1;
                }
                Err(e) => {
                    items[to..b].copy_from_slice(&spare[a..]);
                    return Err(e);
                }
            }
            to += 1;
        }
        items[to..to + spare.len() - a].copy_from_slice(&spare[a..]);
    } else {
        spare.extend_from_slice(&items[middle..]);
        let (mut a, mut b, mut to) = (middle, spare.len(), n);
        while a > 0 && b > 0 {
            match less(t, spare[b - 1], items[a - 1]) {
                Ok(true) => {
                    items[to - 1] = items[a - 1];
                    a -= 1;
                }
                Ok(false) => {
                    items[to - 1] = spare[b - 1];
                    b -= 1;
                }
                Err(e) => {
                    items[a..to].copy_from_slice(&spare[..b]);
                    return Err(e);
                }
            }
            to -= 1;
        }
        items[to - b..to].copy_from_slice(&spare[..b]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{boundary_power, least_run};

    #[test]
    fn runs_are_near_a_power_of_two() {
        assert_eq!(least_run(63), 63);
        assert_eq!(least_run(64), 32);
        assert_eq!(least_run(65), 33);
        for n in [100, 1000, 12345] {
            assert!((32..=64).contains(&least_run(n)));
        }
    }

    #[test]
    fn the_middle_boundary_is_the_root() {
        assert_eq!(boundary_power(0, 8, 8, 16), 1);
        assert_eq!(boundary_power(0, 4, 4, 16), 2);
        assert_eq!(boundary_power(4, 4, 8, 16), 1);
        assert_eq!(boundary_power(8, 4, 4, 16), 2);
    }
}
