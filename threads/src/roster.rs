//! Which threads there are, for whoever may not wait: handlers of signals.
//!
//! Each thread has a place in a list that only grows; places are used again, and never freed. So anybody may go through the list at any
//! time, also while it has interrupted a thread that is about to change it.

use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, Ordering::*};

/// What the system calls a thread.
pub type Tid = i32;

/// The place of one thread.
pub struct Place {
    /// 0: nobody's. [`TAKEN`]: about to be somebody's.
    tid: AtomicI32,
    ident: AtomicU64,
    /// Which of all threads that have ever come this one is.
    order: AtomicU64,
    /// Set before the place can be found.
    next: AtomicPtr<Place>,
}

const TAKEN: Tid = -1;

static FIRST: AtomicPtr<Place> = AtomicPtr::new(std::ptr::null_mut());
static ORDER: AtomicU64 = AtomicU64::new(0);

/// A thread that is there.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub tid: Tid,
    pub ident: u64,
    pub order: u64,
}

/// The calling thread's number; 0 where the system has none.
pub fn tid() -> Tid {
    #[cfg(target_os = "linux")]
    // SAFETY: may be called at any time.
    return unsafe { libc::syscall(libc::SYS_gettid) } as Tid;
    #[cfg(not(target_os = "linux"))]
    0
}

fn places() -> impl Iterator<Item = &'static Place> {
    let at = |p: &AtomicPtr<Place>| {
        // SAFETY: places are never freed. Acquire: what is in one was written before it could be found.
        unsafe { p.load(Acquire).as_ref() }
    };
    std::iter::successors(at(&FIRST), move |p| at(&p.next))
}

/// The calling thread has come.
pub fn enter() -> &'static Place {
    let free = |p: &&Place| {
        p.tid.load(Relaxed) == 0 && p.tid.compare_exchange(0, TAKEN, Acquire, Relaxed).is_ok()
    };
    let place = places().find(free).unwrap_or_else(more);
    place.order.store(ORDER.fetch_add(1, Relaxed) + 1, Relaxed);
    place.take();
    place
}

/// One more place, taken.
#[cold]
fn more() -> &'static Place {
    let place: &'static Place = Box::leak(Box::new(Place {
        tid: AtomicI32::new(TAKEN),
        ident: AtomicU64::new(0),
        order: AtomicU64::new(0),
        next: AtomicPtr::default(),
    }));
    let p = std::ptr::from_ref(place).cast_mut();
    let mut first = FIRST.load(Relaxed);
    loop {
        place.next.store(first, Relaxed);
        match FIRST.compare_exchange_weak(first, p, Release, Relaxed) {
            Ok(_) => return place,
            Err(now) => first = now,
        }
    }
}

impl Place {
    /// It is the calling thread's, and says so. Release: who finds the number finds the rest.
    fn take(&self) {
        // SAFETY: asks for the calling thread's handle.
        let ident = unsafe { libc::pthread_self() } as u64;
        self.ident.store(ident, Relaxed);
        self.tid.store(tid(), Release);
    }

    /// The thread is about to go.
    pub fn leave(&self) {
        self.tid.store(0, Release);
    }

    /// In the child of a fork, where the thread of this place is the only one.
    pub fn stay_alone(&self) {
        for p in places().filter(|p| !std::ptr::eq(*p, self)) {
            p.leave();
        }
        self.take();
    }
}

/// The newest thread that came before the one of this order.
pub fn before(order: u64) -> Option<Seen> {
    places()
        .filter_map(|p| {
            let tid = p.tid.load(Acquire);
            (tid > 0).then(|| Seen {
                tid,
                ident: p.ident.load(Relaxed),
                order: p.order.load(Relaxed),
            })
        })
        .filter(|seen| seen.order < order)
        .max_by_key(|seen| seen.order)
}

#[cfg(all(test, not(loom), target_os = "linux"))]
mod tests {
    use super::*;

    fn all() -> Vec<Tid> {
        let mut order = u64::MAX;
        std::iter::from_fn(|| {
            let seen = before(order)?;
            order = seen.order;
            Some(seen.tid)
        })
        .collect()
    }

    #[test]
    fn who_is_there() {
        let mine = enter();
        assert!(all().contains(&tid()));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        let place = enter();
                        assert_eq!(all().iter().filter(|n| **n == tid()).count(), 1);
                        place.leave();
                    }
                });
            }
        });
        assert_eq!(all(), [tid()], "places are used again");
        assert!(places().count() <= 9);
        mine.leave();
        assert!(all().is_empty());
    }
}
