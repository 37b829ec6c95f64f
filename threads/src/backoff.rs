//! How long to spin for a lock that somebody holds for a short while, before going to sleep; and how long to leave it alone when
//! it goes to and fro between threads.

use std::cell::Cell;

/// Rounds of pauses that double, then a few times another thread's turn. The rounds are long beside what is done under an object's lock,
/// so that whoever has it gets through many such pieces with the lock's cache line at hand, rather than one before the line
/// moves on: threads that meet at a lock take turns of many operations.
#[derive(Debug, Default)]
pub struct Backoff(u32);

const ROUNDS: u32 = 5;
const TURNS: u32 = 4;

impl Backoff {
    /// A spin that has not begun.
    pub const fn new() -> Self {
        Self(0)
    }

    /// Waits a little. False: this has been going on for long enough.
    pub fn spin(&mut self) -> bool {
        self.0 += 1;
        if self.0 <= ROUNDS {
            for _ in 0..16 << self.0 {
                std::hint::spin_loop();
            }
            return true;
        }
        std::thread::yield_now();
        self.0 <= ROUNDS + TURNS
    }
}

/// How often a thread takes over locks that another one had last, and whether it should leave them alone for a while first.
///
/// Threads that hammer on one lock would take it from each other with each operation, and all it guards with it, cache line by cache line.
/// So who takes the same one over soon after he has taken it over leaves it to the other first. That has been worth it if the lock, once taken, stayed
/// for some time, and then he does so again. Threads that take turns for another reason, waiting for each other, do not meet both.
#[derive(Debug, Default)]
pub struct Pace {
    /// When it last took over, and which lock (its address).
    last: Cell<u64>,
    lock: Cell<usize>,
    /// Locks taken since then.
    taken: Cell<u32>,
    /// Somebody wants to be told of each, and so they are counted here instead.
    told: Cell<Option<u32>>,
    /// It left it to the other first.
    left: Cell<bool>,
}

/// So many ticks a lock is left to the one who had it last: some microseconds, in which he gets a hundred operations done.
#[cfg(not(loom))]
const LEFT: u64 = 32_000;
/// Who takes over again within so many ticks, about a microsecond, is to wait.
#[cfg(not(loom))]
const SOON: u64 = 3_000;
/// It has been worth it if so many locks were taken after it.
#[cfg(not(loom))]
const WORTH: u32 = 8;

impl Pace {
    /// A thread that has not taken over anything yet.
    pub const fn new() -> Self {
        Self {
            last: Cell::new(0),
            lock: Cell::new(0),
            taken: Cell::new(0),
            told: Cell::new(None),
            left: Cell::new(false),
        }
    }

    /// A lock is about to be taken. True, which may come once in a long while without that: somebody is to be told of each.
    #[inline(always)]
    #[must_use]
    pub fn taking(&self) -> bool {
        let n = self.taken.get().wrapping_add(1);
        self.taken.set(n);
        n == 0
    }

    /// From now on [`Pace::taking`] is true each time, if it is answered with [`Pace::told`].
    pub fn tell_each(&self) {
        self.told.set(Some(0));
        self.taken.set(u32::MAX);
    }

    /// It has been true.
    pub fn told(&self) {
        if let Some(n) = self.told.get() {
            self.told.set(Some(n.wrapping_add(1)));
            self.taken.set(u32::MAX);
        }
    }

    /// Before taking over a lock that another thread had last: waits a while, without looking at it, if that serves both.
    #[cfg(not(loom))]
    #[cold]
    pub fn taking_over(&self, lock: usize) {
        let start = ticks();
        let mut now = start;
        let again = self.lock.replace(lock) == lock;
        let soon = start.wrapping_sub(self.last.get()) < SOON;
        let leave = again && (soon || self.left.get() && self.taken() >= WORTH);
        if leave {
            while now.wrapping_sub(start) < LEFT {
                std::hint::spin_loop();
                now = ticks();
            }
        }
        self.left.set(leave);
        match self.told.get() {
            Some(_) => self.told.set(Some(0)),
            None => self.taken.set(0),
        }
        self.last.set(now);
    }

    #[cfg(not(loom))]
    fn taken(&self) -> u32 {
        self.told.get().unwrap_or(self.taken.get())
    }

    /// Time does not pass in models.
    #[cfg(loom)]
    pub fn taking_over(&self, _lock: usize) {}
}

/// A clock that is cheap to read and goes on at some GHz.
#[cfg(all(target_arch = "x86_64", not(loom)))]
#[inline]
fn ticks() -> u64 {
    // SAFETY: every processor of this kind has the instruction.
    unsafe { std::arch::x86_64::_rdtsc() }
}

#[cfg(all(not(target_arch = "x86_64"), not(loom)))]
#[inline]
fn ticks() -> u64 {
    use std::{sync::LazyLock, time::Instant};
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_nanos() as u64 * 3
}
