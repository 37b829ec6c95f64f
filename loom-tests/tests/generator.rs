//! A generator that several threads run: one at a time touches its registers.
//!
//! Drives the state of `objects` and the slot's word of `gc` themselves. The registers are watched.
#![cfg(loom)]

#[path = "../../gc/src/barrier.rs"]
#[allow(dead_code)]
mod barrier;
#[path = "../../objects/src/turn.rs"]
#[allow(dead_code)]
mod turn;

use barrier::Word;
use turn::{CREATED, FINISHED, RUNNING, SUSPENDED, begin, end, look, reveal, seen};
use weft_loom_tests::{Watched, fails, holds};
use weft_threads::sync::atomic::{AtomicU8, AtomicU64, Ordering::*};
use weft_threads::sync::{Arc, thread};

struct Generator {
    state: AtomicU8,
    registers: Watched<u64>,
    /// What all threads can reach: 1 once the generator is there.
    shared: Word,
}

/// It yields so often.
const ITEMS: u64 = 3;

#[derive(Clone, Copy)]
struct Steps {
    begin: fn(&AtomicU8, bool) -> Result<u8, u8>,
    end: fn(&AtomicU8, u8),
}

const REAL: Steps = Steps { begin, end };

impl Generator {
    fn new(state: u8) -> Arc<Generator> {
        Arc::new(Generator {
            state: AtomicU8::new(state),
            registers: Watched::new(0),
            shared: Word(AtomicU64::new(0)),
        })
    }

    /// One step: `Some` if it was ours, with the item or `None` at its end.
    fn next(&self, steps: Steps, alone: bool) -> Option<Option<u64>> {
        match (steps.begin)(&self.state, alone) {
            Ok(_) => Some(self.run(steps)),
            Err(RUNNING) => None,
            Err(_) => Some(None),
        }
    }

    fn run(&self, steps: Steps) -> Option<u64> {
        let item = self.registers.get();
        if item == ITEMS {
            (steps.end)(&self.state, FINISHED);
            return None;
        }
        self.registers.set(item + 1);
        (steps.end)(&self.state, SUSPENDED);
        Some(item)
    }
}

/// Threads take items; together they get each once.
fn share(threads: usize, each: usize, steps: Steps) {
    let g = Generator::new(CREATED);
    let take = move |g: &Generator| {
        let mut got = Vec::new();
        for _ in 0..each {
            got.extend(g.next(steps, false).flatten());
        }
        got
    };
    let others: Vec<_> = (1..threads)
        .map(|_| {
            let g = g.clone();
            thread::spawn(move || take(&g))
        })
        .collect();
    let mut got = take(&g);
    for other in others {
        got.extend(other.join().unwrap());
    }
    while let Some(Some(item)) = g.next(steps, false) {
        got.push(item);
    }
    got.sort_unstable();
    assert_eq!(
        got,
        (0..ITEMS).collect::<Vec<_>>(),
        "an item lost or doubled"
    );
    assert_eq!(g.state.load(Relaxed), FINISHED);
}

#[test]
fn each_item_goes_to_one_thread() {
    holds(8, || share(2, 2, REAL));
    holds(3, || share(3, 1, REAL));
}

#[test]
fn broken_look_and_take_in_two_steps() {
    fails(3, || {
        share(
            2,
            1,
            Steps {
                begin: |state, _| begin(state, true),
                ..REAL
            },
        )
    });
}

#[test]
fn broken_given_up_relaxed() {
    fails(3, || {
        share(
            2,
            1,
            Steps {
                end: |state, to| state.store(to, Relaxed),
                ..REAL
            },
        )
    });
}

/// A generator that is local is published while it runs, and goes on. Who finds it gets it after that, or not at all.
fn published_while_it_runs(steps: Steps, before: fn(&Generator)) {
    let g = Generator::new(SUSPENDED);
    let other = {
        let g = g.clone();
        thread::spawn(move || {
            if g.shared.read() == 1 {
                g.next(REAL, false);
            }
        })
    };
    before(&g);
    assert!((steps.begin)(&g.state, true).is_ok());
    g.registers.set(1);
    g.shared.exchange(1, || ());
    // Shared now, and still ours.
    g.registers.set(2);
    (steps.end)(&g.state, SUSPENDED);
    other.join().unwrap();
    assert!(g.registers.get() >= 2);
}

#[test]
fn a_running_generator_is_published() {
    holds(8, || published_while_it_runs(REAL, |_| ()));
}

/// It is in reach of others before its owner has begun, who takes it for its own all the same. So it would be with a generator that is
/// hidden in a chain of delegations, if publication did not end that: see `Generator::forget_chains`.
#[test]
fn broken_published_before_it_runs() {
    fails(3, || {
        published_while_it_runs(REAL, |g| {
            g.shared.exchange(1, || ());
        })
    });
}

#[test]
fn broken_running_without_saying_so() {
    fails(3, || {
        let quietly = Steps {
            begin: |state, _| Ok(state.load(Relaxed)),
            ..REAL
        };
        published_while_it_runs(quietly, |_| ())
    });
}

/// A thread runs the innermost of a chain of local generators. The outermost has been entered, the one between is hidden: it is as it
/// was when it was suspended, and its registers are where they were. Then something is published from which all three can be reached.
/// `publish` does that. When the innermost one has returned, the others go on.
fn chain_published(publish: fn(&[Arc<Generator>; 3])) {
    let chain = [SUSPENDED, SUSPENDED, SUSPENDED].map(Generator::new);
    let other = {
        let chain = chain.clone();
        thread::spawn(move || {
            if chain[0].shared.read() == 1 {
                chain
                    .iter()
                    .map(|g| g.next(REAL, false).is_some())
                    .collect()
            } else {
                Vec::new()
            }
        })
    };
    let [outermost, hidden, innermost] = &chain;
    assert!(begin(&outermost.state, true).is_ok());
    assert!(begin(&innermost.state, true).is_ok());
    innermost.registers.set(1);
    publish(&chain);
    // Shared now, and all three still ours.
    innermost.registers.set(2);
    end(&innermost.state, FINISHED);
    // Its delegator has been revealed, gets its registers, and yields past the outermost.
    assert!(
        hidden.state.load(Relaxed) == RUNNING,
        "somebody else has it"
    );
    hidden.registers.set(1);
    end(&hidden.state, SUSPENDED);
    outermost.registers.set(1);
    end(&outermost.state, SUSPENDED);
    other.join().unwrap();
}

#[test]
fn a_running_chain_is_published() {
    holds(8, || {
        chain_published(|[outermost, hidden, _]| {
            reveal(&hidden.state);
            outermost.shared.exchange(1, || ());
        })
    });
}

#[test]
fn broken_hidden_when_published() {
    fails(3, || {
        chain_published(|[outermost, hidden, _]| {
            outermost.shared.exchange(1, || ());
            reveal(&hidden.state);
        })
    });
}

/// A chain whose innermost one yields: those that were entered are given up from the inside out, the hidden one has never been taken.
fn chain_yields(publish: fn(&[Arc<Generator>; 3])) {
    let chain = [SUSPENDED, SUSPENDED, SUSPENDED].map(Generator::new);
    let other = {
        let chain = chain.clone();
        thread::spawn(move || {
            if chain[0].shared.read() == 1 {
                for g in &chain {
                    g.next(REAL, false);
                }
            }
        })
    };
    let [outermost, hidden, innermost] = &chain;
    // Enters and leaves it once by the short way, and then publishes it.
    assert!(begin(&outermost.state, true).is_ok());
    assert!(begin(&innermost.state, true).is_ok());
    innermost.registers.set(1);
    end(&innermost.state, SUSPENDED);
    end(&outermost.state, SUSPENDED);
    publish(&chain);
    // The short way is known no more: each is entered for itself, as it is shared now, and whoever has not got one waits for nobody.
    let mine: Vec<_> = [outermost, hidden, innermost]
        .into_iter()
        .take_while(|g| begin(&g.state, false).is_ok())
        .collect();
    mine.iter().for_each(|g| g.registers.set(2));
    mine.iter().rev().for_each(|g| end(&g.state, SUSPENDED));
    other.join().unwrap();
}

#[test]
fn a_suspended_chain_is_published() {
    holds(4, || {
        chain_yields(|[outermost, ..]| {
            outermost.shared.exchange(1, || ());
        })
    });
}

/// One thread looks at the registers while another one runs the generator, which it must not be refused for that.
fn looked_at(steps: Steps, look: fn(&AtomicU8, bool) -> Result<u8, u8>) {
    let g = Generator::new(SUSPENDED);
    let other = {
        let g = g.clone();
        thread::spawn(move || {
            if let Ok(state) = look(&g.state, false) {
                assert!(g.registers.get() < 2);
                (steps.end)(&g.state, state);
            }
        })
    };
    assert_eq!(g.next(steps, false), Some(Some(0)), "refused");
    other.join().unwrap();
    assert_eq!(seen(&g.state), SUSPENDED);
}

#[test]
fn who_looks_is_waited_for() {
    holds(4, || looked_at(REAL, look));
}

#[test]
fn broken_looking_as_if_running() {
    fails(3, || looked_at(REAL, begin));
}

#[test]
fn broken_looking_without_saying_so() {
    fails(3, || {
        looked_at(REAL, |state, _| Ok(state.load(Relaxed)));
    });
}
