//! Whose turn it is to run a generator: one byte, on which alone it rests that one thread at a time touches its registers.
//!
//! Written against [`weft_threads::sync`], because `loom-tests/tests/generator.rs` drives this very file.

use weft_threads::sync::atomic::{AtomicU8, Ordering::*};

/// States of a generator.
pub const CREATED: u8 = 0;
pub const SUSPENDED: u8 = 1;
pub const RUNNING: u8 = 2;
pub const FINISHED: u8 = 3;

/// Takes the right to run it. Gives the state before; `Err`: the state that it cannot be run in. `alone`: nobody else can reach it.
// Acquire: sees what whoever ran it last has written.
#[inline(always)]
pub fn begin(state: &AtomicU8, alone: bool) -> Result<u8, u8> {
    let mut s = state.load(Relaxed);
    if alone {
        if s >= RUNNING {
            return Err(s);
        }
        state.store(RUNNING, Relaxed);
        return Ok(s);
    }
    loop {
        if s >= RUNNING {
            return Err(s);
        }
        match state.compare_exchange_weak(s, RUNNING, Acquire, Relaxed) {
            Ok(s) => return Ok(s),
            Err(now) => s = now,
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
