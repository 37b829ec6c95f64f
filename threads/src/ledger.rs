//! Counts that threads would fight over, kept by each for itself.
//!
//! An atomic count that several threads change all the time goes to and fro between their cores, and each change waits for it. So once
//! an object is found to be *fought over* ([`Suspects`]), its count word is raised far above zero ([`count::fight`]), and each thread
//! notes in a [`Ledger`] of its own by how much the count should go up or down. With the world stopped the ledgers are added to the
//! words, which then say the truth again, and those that should be zero are listed ([`count::make_peace`]). So such an object dies
//! later than others: when somebody makes peace. This is the sloppy counter of Boyd-Wickizer et al. (OSDI 2010) with a bound on each
//! thread's part. Model: `loom-tests/tests/ledger.rs`.
//!
//! [`count::fight`]: crate::count::fight
//! [`count::make_peace`]: crate::count::make_peace

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Places in a ledger. A thread seldom has more than a few such objects in hand.
const PLACES: usize = 64;
/// What a thread may owe a word at most: all threads together stay below what the word was raised by.
const MOST: i32 = 2048;

/// By how much one thread has changed counts, by the words' addresses.
#[derive(Debug)]
pub struct Ledger([Cell<(usize, i32)>; PLACES]);

impl Default for Ledger {
    fn default() -> Self {
        Self([const { Cell::new((0, 0)) }; PLACES])
    }
}

impl Ledger {
    /// Notes that the word at this address should change by so much. What has to make room is given to `apply`, which changes the
    /// word itself.
    #[inline]
    pub fn note(&self, word: usize, by: i32, apply: impl FnOnce(usize, i32)) {
        let place = &self.0[(word >> 4 ^ word >> 12) % PLACES];
        let (at, sum) = place.get();
        if at == word && (sum + by).abs() < MOST {
            place.set((word, sum + by));
        } else {
            place.set((word, by));
            if sum != 0 {
                apply(at, sum);
            }
        }
    }

    /// Gives all that is noted to `apply`. To be called by its thread, or with the world stopped.
    pub fn settle(&self, mut apply: impl FnMut(usize, i32)) {
        for place in &self.0 {
            let (at, sum) = place.take();
            if sum != 0 {
                apply(at, sum);
            }
        }
    }

    /// What is noted for the word at this address.
    pub fn noted(&self, word: usize) -> i32 {
        let noted = self.0.iter().map(Cell::get).find(|(at, _)| *at == word);
        noted.map_or(0, |(_, sum)| sum)
    }
}

/// Words that have been seen in several threads' hands of late. A hint, so nothing is ordered.
#[derive(Debug)]
pub struct Suspects([AtomicU64; 256]);

/// So often a word must have passed from one thread to another from one look to the next.
const PASSES: u64 = 3;

impl Suspects {
    /// None yet.
    #[expect(clippy::new_without_default, reason = "for statics alone")]
    pub const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; 256])
    }

    /// The thread of this tag has looked at a word that it changes, one of many that it changes. Whether threads fight over it.
    // An entry: 44 bits of the address, the tag of who looked last, how often that was another one than before.
    pub fn look(&self, word: usize, tag: u16) -> bool {
        let entry = &self.0[(word >> 4 ^ word >> 12) % self.0.len()];
        let name = (word as u64 >> 4) << 20;
        let seen = entry.load(Relaxed);
        let same = seen >> 20 == name >> 20;
        if same && (seen >> 4) as u16 == tag {
            return false;
        }
        let passes = if same { (seen & 15) + 1 } else { 0 };
        let fought = passes >= PASSES;
        let passes = if fought { 0 } else { passes };
        entry.store(name | u64::from(tag) << 4 | passes, Relaxed);
        fought
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_comes_out() {
        let ledger = Ledger::default();
        let mut sums = std::collections::HashMap::<usize, i32>::new();
        let mut apply = |at, by| *sums.entry(at).or_default() += by;
        for i in 0..100_000 {
            let word = 16 * (1 + i % 100);
            ledger.note(word, if i % 3 == 0 { -1 } else { 1 }, &mut apply);
        }
        for _ in 0..10_000 {
            ledger.note(16, 1, &mut apply);
        }
        assert!(ledger.noted(16) < MOST);
        ledger.settle(&mut apply);
        ledger.settle(|_, _| panic!("twice"));
        assert_eq!(sums.values().sum::<i32>(), 33_332 + 10_000);
        assert_eq!(sums[&16], 10_000 + 332);
    }

    #[test]
    fn only_what_goes_to_and_fro_is_fought_over() {
        let suspects = Suspects::new();
        assert!((0..100).all(|_| !suspects.look(64, 1)));
        assert!((0..100).all(|_| !suspects.look(64, 2)), "handed over");
        assert!((0..100).all(|i| !suspects.look(64 + 16 * (i % 2), (i % 2) as u16)));
        assert!((0..8).any(|i| suspects.look(64, 1 + i % 2)));
    }
}
