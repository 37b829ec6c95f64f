//! Whose turn it is to run a generator: one byte, on which alone it rests that one thread at a time touches its registers.
//!
//! Written against [`weft_threads::sync`], because `loom-tests/tests/generator.rs` drives this very file.

use weft_threads::sync::atomic::{AtomicU8, Ordering::*};
use weft_threads::sync::thread;

/// States of a generator.
pub const CREATED: u8 = 0;
pub const SUSPENDED: u8 = 1;
pub const RUNNING: u8 = 2;
pub const FINISHED: u8 = 3;
/// Somebody looks at its registers while it does not run: for a moment, in which that thread does nothing else.
const LOOKED_AT: u8 = 4;

/// Takes the right to run it. Gives the state before; `Err`: the state that it cannot be run in. `alone`: nobody else can reach it.
#[inline(always)]
pub fn begin(state: &AtomicU8, alone: bool) -> Result<u8, u8> {
    take(state, alone, RUNNING)
}

/// Takes the right to look at its registers, as [`begin`]; until [`end`] with the same state. Whoever wants to run it meanwhile waits
/// rather than hears that it runs: so there must be no safepoint and no lock between, but one that nobody else can reach yet.
#[inline(always)]
pub fn look(state: &AtomicU8, alone: bool) -> Result<u8, u8> {
    take(state, alone, LOOKED_AT)
}

// Acquire: sees what whoever ran it last has written.
#[inline(always)]
fn take(state: &AtomicU8, alone: bool, to: u8) -> Result<u8, u8> {
    let mut s = state.load(Relaxed);
    if alone {
        if s >= RUNNING {
            return Err(s);
        }
        state.store(to, Relaxed);
        return Ok(s);
    }
    loop {
        if s == LOOKED_AT {
            s = seen(state);
            continue;
        }
        if s >= RUNNING {
            return Err(s);
        }
        match state.compare_exchange_weak(s, to, Acquire, Relaxed) {
            Ok(s) => return Ok(s),
            Err(now) => s = now,
        }
    }
}

/// The state, once nobody looks.
#[inline(always)]
pub fn seen(state: &AtomicU8) -> u8 {
    match state.load(Acquire) {
        LOOKED_AT => wait(state),
        s => s,
    }
}

#[cold]
#[inline(never)]
fn wait(state: &AtomicU8) -> u8 {
    loop {
        thread::yield_now();
        match state.load(Acquire) {
            LOOKED_AT => {}
            s => return s,
        }
    }
}

/// A generator that is hidden in a chain of delegations says that it runs. Nobody but its thread can reach it yet: this has to come before
/// anything of the thread is published.
// Relaxed: whoever comes to see it has read what was stored, with release, when it was published.
pub fn reveal(state: &AtomicU8) {
    state.store(RUNNING, Relaxed);
}

/// Gives the right up.
// Release: hands the registers to the next one.
#[inline(always)]
pub fn end(state: &AtomicU8, to: u8) {
    state.store(to, Release);
}
