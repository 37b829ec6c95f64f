//! Waiting for other threads, interruptibly: the lock and the event that sleep on words in memory.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};
use weft_objects::prelude::*;
use weft_objects::runtime;
use weft_threads::event;
pub use weft_threads::futex::{Wake, sleep_on, wake};

/// A lock that Python programs hold, for as long as they like. Zero: free.
#[repr(transparent)]
#[derive(Default)]
pub struct WaitLock(weft_threads::WaitLock);

/// In the GIL build, waiters are away from the GIL while they change the word: nobody is alone with it there.
const ALONE: bool = cfg!(not(feature = "gil"));

fn wake_one(word: &AtomicU32) {
    wake(word, 1);
}

impl WaitLock {
    pub const fn new() -> WaitLock {
        WaitLock(weft_threads::WaitLock::new())
    }

    /// Whether it is held.
    #[inline(always)]
    pub fn is_locked(&self) -> bool {
        self.0.is_locked()
    }

    /// Takes it if it is free. `alone`: nobody else can reach it.
    #[inline(always)]
    pub fn try_lock(&self, t: &Thread, alone: bool) -> bool {
        match alone && ALONE {
            true => self.0.try_lock_alone(),
            false => {
                if t.pace.taking() {
                    weft_gc::stats::tried_lock(t);
                }
                self.0
                    .try_lock(t.tag(), &t.pace, cfg!(not(feature = "gil")))
            }
        }
    }

    /// Gives it up. False: it was free.
    #[inline(always)]
    pub fn unlock(&self, alone: bool) -> bool {
        match alone && ALONE {
            true => self.0.unlock_alone(wake_one),
            false => self.0.unlock(wake_one),
        }
    }

    /// Makes it free, whoever holds it: in the child of a fork.
    pub fn reset(&self) {
        self.0.reset();
    }

    /// Waits for it until the deadline. Runs signal handlers meanwhile.
    ///
    /// # Errors
    /// What a signal handler raises.
    #[cold]
    pub fn lock_slow(&self, t: &mut Thread, deadline: Option<i64>) -> Res<bool> {
        weft_gc::stats::waits_for_lock(t);
        if cfg!(not(feature = "gil")) {
            let mut spin = weft_threads::Backoff::new();
            while spin.spin() {
                if !self.is_locked() && self.try_lock(t, false) {
                    return Ok(true);
                }
            }
        }
        let sleep = |word: &AtomicU32, value| match sleep_on(word, value, deadline) {
            Wake::Woken => Ok(()),
            end => Err(end),
        };
        loop {
            match t.blocking(|| self.0.wait(sleep)) {
                Ok(()) => return Ok(true),
                Err(Wake::Interrupted) => runtime::check_signals(t)?,
                Err(_) => return Ok(false),
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
