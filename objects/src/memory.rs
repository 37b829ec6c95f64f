//! Asking for memory of a size that the program gives, or that grows with what a program's iterators give: that may be refused, and
//! then is a MemoryError. What is small, and always there, needs none of this (see `weft_gc::reserve`).

use crate::errors::ThreadExt;
use crate::prelude::*;
use std::sync::atomic::Ordering::Relaxed;
use weft_gc::breaker_bits::MEMORY;

/// Requests below this are granted from the reserve if need be.
const LARGE: usize = weft_gc::reserve::MOST / 2;

/// MemoryError if there is no room for so many bytes, as they are about to be asked for.
///
/// # Errors
/// MemoryError.
#[inline(always)]
pub fn room(t: &Thread, bytes: usize) -> Res<()> {
    if bytes <= LARGE || is_room(bytes) {
        return Ok(());
    }
    Err(t.memory_error())
}

/// Room for `n` pieces of `size` bytes.
///
/// # Errors
/// MemoryError.
#[inline(always)]
pub fn room_for(t: &Thread, n: usize, size: usize) -> Res<()> {
    room(t, n.saturating_mul(size))
}

/// Whether there is room for so many bytes: tried out.
#[cold]
#[inline(never)]
pub fn is_room(bytes: usize) -> bool {
    let mut tried = Vec::<u8>::new();
    let there = tried.try_reserve_exact(bytes).is_ok();
    // Else the compiler takes it that nobody needs the memory, and that it would have been there.
    std::hint::black_box(tried.as_ptr());
    there
}

/// Room for the `repr` of a text, most of which is taken to be printable.
///
/// # Errors
/// MemoryError.
#[inline]
pub fn room_for_repr(t: &Thread, bytes: &[u8]) -> Res<()> {
    if bytes.len() <= LARGE / 8 {
        return Ok(());
    }
    let escaped = |b: &&u8| !(b' '..=b'~').contains(*b) || **b == b'\\';
    match bytes.iter().filter(escaped).count() {
        0 => room(t, bytes.len()),
        // As much again, where it grows step by step.
        n => room_for(t, bytes.len().saturating_add(n.saturating_mul(4)), 2),
    }
}

/// A vector with room for `n`.
///
/// # Errors
/// MemoryError.
#[inline]
pub fn vec<T>(t: &Thread, n: usize) -> Res<Vec<T>> {
    let mut v = Vec::new();
    reserve(t, &mut v, n)?;
    Ok(v)
}

/// A vector of `n` zero bytes.
///
/// # Errors
/// MemoryError.
pub fn zeroed(t: &Thread, n: usize) -> Res<Vec<u8>> {
    room(t, n)?;
    Ok(vec![0; n])
}

/// Room for exactly so many more.
///
/// # Errors
/// MemoryError.
#[inline]
pub fn reserve<T>(t: &Thread, v: &mut Vec<T>, more: usize) -> Res<()> {
    v.try_reserve_exact(more).map_err(|_| t.memory_error())
}

/// Appends an element.
///
/// # Errors
/// MemoryError.
#[inline(always)]
pub fn push<T>(t: &Thread, v: &mut Vec<T>, x: T) -> Res<()> {
    if v.len() == v.capacity() {
        grow(t, v, 1)?;
    }
    v.push(x);
    Ok(())
}

/// Room for so many more, and maybe some for what comes behind them.
///
/// # Errors
/// MemoryError.
#[inline(always)]
pub fn spare<T>(t: &Thread, v: &mut Vec<T>, more: usize) -> Res<()> {
    if v.capacity() - v.len() < more {
        return grow(t, v, more);
    }
    Ok(())
}

/// Appends bytes.
///
/// # Errors
/// MemoryError.
#[inline(always)]
pub fn append(t: &Thread, v: &mut Vec<u8>, bytes: &[u8]) -> Res<()> {
    spare(t, v, bytes.len())?;
    v.extend_from_slice(bytes);
    Ok(())
}

/// Room for so many more, and some for what comes behind them.
///
/// # Errors
/// MemoryError.
#[cold]
#[inline(never)]
pub fn grow<T>(t: &Thread, v: &mut Vec<T>, more: usize) -> Res<()> {
    // Less may do, but not so little that what grows is copied again and again.
    let least = more.max(v.len() / 16);
    if v.try_reserve(more).is_ok() || v.try_reserve_exact(least).is_ok() {
        return check(t);
    }
    Err(t.memory_error())
}

/// Whether memory has been refused to this thread, and MemoryError is due.
#[inline(always)]
pub fn is_short(t: &Thread) -> bool {
    t.peer().breaker().load(Relaxed) & MEMORY != 0
}

/// For loops in native code that ask for memory as they go.
///
/// # Errors
/// MemoryError, if memory has been refused to this thread.
#[inline(always)]
pub fn check(t: &Thread) -> Res<()> {
    if is_short(t) { due(t) } else { Ok(()) }
}

#[cold]
#[inline(never)]
fn due(t: &Thread) -> Res<()> {
    if weft_gc::reserve::starved(t) {
        return Err(t.memory_error());
    }
    Ok(())
}
