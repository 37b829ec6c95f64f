//! Waiting for other threads, interruptibly: the lock and the event made of words to sleep on.
//!
//! The lock is the three-state one of Drepper, "Futexes Are Tricky" (2011).

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};
use weft_objects::prelude::*;
use weft_objects::runtime;
use weft_threads::event;
pub use weft_threads::futex::{Wake, sleep_on, wake};

const FREE: u32 = 0;
const HELD: u32 = 1;
/// Held, and somebody sleeps.
const AWAITED: u32 = 2;
/// Where these are in the word; above them, of a lock that nobody awaits, the tag of the thread that had it last.
const STATE: u32 = 3;
const LAST: u32 = 2;

/// A lock that Python programs hold, for as long as they like. Zero: free.
#[repr(transparent)]
#[derive(Default)]
pub struct WaitLock(AtomicU32);

impl WaitLock {
    pub const fn new() -> WaitLock {
        WaitLock(AtomicU32::new(FREE))
    }

    /// Whether it is held.
    #[inline(always)]
    pub fn is_locked(&self) -> bool {
        self.0.load(Acquire) & STATE != FREE
    }

    /// Takes it if it is free. `alone`: nobody else can reach it.
    #[inline(always)]
    pub fn try_lock(&self, t: &Thread, alone: bool) -> bool {
        // Without atomics in the usual case of a lock that is this thread's own. (In the GIL build, waiters are away
        // from the GIL while they change the word.)
        if alone && cfg!(not(feature = "gil")) {
            if self.0.load(Relaxed) & STATE != FREE {
                return false;
            }
            self.0.store(HELD, Relaxed);
            return true;
        }
        let me = u32::from(t.tag()) << LAST;
        t.pace.taking();
        let mut now = self.0.load(Relaxed);
        if now != me {
            if now & STATE != FREE {
                return false;
            }
            if now != FREE && cfg!(not(feature = "gil")) {
                t.pace.taking_over(std::ptr::from_ref(self).addr());
                now = self.0.load(Relaxed) & !STATE;
            }
        }
        self.0
            .compare_exchange(now, me | HELD, Acquire, Relaxed)
            .is_ok()
    }

    /// Gives it up. False: it was free.
    #[inline(always)]
    pub fn unlock(&self, alone: bool) -> bool {
        let now = self.0.load(Relaxed);
        let last = now & !STATE;
        if now & STATE != HELD {
            return self.unlock_slow();
        }
        if alone && cfg!(not(feature = "gil")) {
            self.0.store(last, Relaxed);
            return true;
        }
        match self.0.compare_exchange(now, last, Release, Relaxed) {
            Ok(_) => true,
            Err(_) => self.unlock_slow(),
        }
    }

    #[cold]
    fn unlock_slow(&self) -> bool {
        match self.0.swap(FREE, Release) & STATE {
            FREE => false,
            AWAITED => {
                wake(&self.0, 1);
                true
            }
            _ => true,
        }
    }

    /// Makes it free, whoever holds it: in the child of a fork.
    pub fn reset(&self) {
        self.0.store(FREE, Relaxed);
    }

    /// Waits for it until the deadline. Runs signal handlers meanwhile.
    ///
    /// # Errors
    /// What a signal handler raises.
    #[cold]
    pub fn lock_slow(&self, t: &mut Thread, deadline: Option<i64>) -> Res<bool> {
        if cfg!(not(feature = "gil")) {
            let mut spin = weft_threads::Backoff::new();
            while spin.spin() {
                if self.0.load(Relaxed) & STATE == FREE && self.try_lock(t, false) {
                    return Ok(true);
                }
            }
        }
        loop {
            let end = t.blocking(|| self.wait(deadline));
            match end {
                Wake::Woken => return Ok(true),
                Wake::TimedOut => return Ok(false),
                Wake::Interrupted => runtime::check_signals(t)?,
            }
        }
    }

    /// Detached: `Woken` when the lock is ours.
    fn wait(&self, deadline: Option<i64>) -> Wake {
        loop {
            if self.0.swap(AWAITED, Acquire) & STATE == FREE {
                return Wake::Woken;
            }
            match sleep_on(&self.0, AWAITED, deadline) {
                Wake::Woken => {}
                end => return end,
            }
        }
    }
}

/// Something that happens once. Zero: not yet.
#[repr(transparent)]
#[derive(Default)]
pub struct Event(event::Event);

impl Event {
    pub fn is_set(&self) -> bool {
        self.0.is_set()
    }

    pub fn set(&self) {
        self.0.set(|word| wake(word, i32::MAX));
    }

    /// Waits for it until the deadline. False: it has not happened.
    ///
    /// # Errors
    /// What a signal handler raises.
    pub fn wait(&self, t: &mut Thread, deadline: Option<i64>) -> Res<bool> {
        loop {
            if self.is_set() {
                return Ok(true);
            }
            let end = t.blocking(|| sleep_on(self.0.await_it(), event::AWAITED, deadline));
            match end {
                Wake::Woken => {}
                Wake::TimedOut => return Ok(self.is_set()),
                Wake::Interrupted => runtime::check_signals(t)?,
            }
        }
    }
}

/// Forks that this process is a child of, and the thread that made the last of them.
static FORKS: AtomicU32 = AtomicU32::new(0);
static SURVIVOR: AtomicU64 = AtomicU64::new(0);

/// In the child of a fork: what other threads have locked with an [`OwnedLock`] is free now.
pub fn after_fork_child() {
    SURVIVOR.store(crate::_thread::ident(), Relaxed);
    FORKS.fetch_add(1, Relaxed);
}

/// A lock that its holder may take again; for the native parts of I/O objects, and for imports. Zero: free.
#[derive(Default)]
#[repr(C)]
pub struct OwnedLock {
    lock: WaitLock,
    depth: AtomicU32,
    owner: AtomicU64,
    /// `FORKS` as it was when the lock was taken.
    forks: AtomicU32,
}

impl OwnedLock {
    pub const fn new() -> OwnedLock {
        OwnedLock {
            lock: WaitLock::new(),
            depth: AtomicU32::new(0),
            owner: AtomicU64::new(0),
            forks: AtomicU32::new(0),
        }
    }

    /// Takes it. `alone`: nobody else can reach it.
    ///
    /// # Errors
    /// What a signal handler raises while we wait.
    #[inline]
    pub fn lock(&self, t: &mut Thread, alone: bool) -> Res<()> {
        let me = crate::_thread::ident();
        if self.owner.load(Relaxed) == me {
            self.depth.store(self.depth.load(Relaxed) + 1, Relaxed);
            return Ok(());
        }
        if !self.lock.try_lock(t, alone) {
            self.free_if_left_behind();
            self.lock.lock_slow(t, None)?;
        }
        self.owner.store(me, Relaxed);
        self.forks.store(FORKS.load(Relaxed), Relaxed);
        Ok(())
    }

    /// Frees it if whoever has it is a thread of the process that this one was forked from.
    #[cold]
    fn free_if_left_behind(&self) {
        let (forks, now) = (self.forks.load(Relaxed), FORKS.load(Relaxed));
        if forks != now
            && self.owner.load(Relaxed) != SURVIVOR.load(Relaxed)
            && self
                .forks
                .compare_exchange(forks, now, Relaxed, Relaxed)
                .is_ok()
        {
            self.depth.store(0, Relaxed);
            self.owner.store(0, Relaxed);
            self.lock.reset();
        }
    }

    /// Gives it up, if the calling thread has it, once.
    #[inline]
    pub fn unlock(&self, alone: bool) {
        let depth = self.depth.load(Relaxed);
        if depth > 0 {
            self.depth.store(depth - 1, Relaxed);
            return;
        }
        self.owner.store(0, Relaxed);
        self.lock.unlock(alone);
    }

    /// Whether somebody has it.
    pub fn is_locked(&self) -> bool {
        self.lock.is_locked()
    }

    /// Whether the calling thread has it.
    pub fn is_mine(&self) -> bool {
        self.owner.load(Relaxed) == crate::_thread::ident()
    }
}

/// The import lock of `_imp`: global and re-entrant. A fork takes it, so that no child finds a module half made under it.
pub static IMPORT_LOCK: OwnedLock = OwnedLock::new();
