//! What the models share. Compiles to nothing without `--cfg loom`: see README.md.
#![cfg(loom)]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use weft_threads::sync::{Condvar, Mutex, atomic::AtomicU32};

pub mod heap;

fn builder(preemptions: usize) -> loom::model::Builder {
    let mut builder = loom::model::Builder::new();
    let more = std::env::var("WEFT_LOOM_MORE").ok();
    let more: usize = more.and_then(|more| more.parse().ok()).unwrap_or(0);
    builder.preemption_bound = Some(preemptions + more);
    builder.max_branches = 100_000;
    builder
}

/// Runs the model in every order of its steps with at most so many preemptions.
pub fn holds(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&runs);
    builder(preemptions).check(move || {
        counter.fetch_add(1, Relaxed);
        model();
    });
    println!("{} orders", runs.load(Relaxed));
}

const CHILD: &str = "WEFT_LOOM_BROKEN";

/// The same for a broken protocol: loom must find a failure. To be called once, with a closure
/// written there, by a test at the root of its file.
///
/// The test runs again in a process of its own: a failing model may take the process with it, because
/// what it drops while unwinding is loom's as well. So may a stale pointer that it follows.
pub fn fails<M: Fn() + Sync + Send + 'static>(preemptions: usize, model: M) {
    if std::env::var_os(CHILD).is_some() {
        return holds(preemptions, model);
    }
    // The closure is named after the function that it is in: `file::test::{{closure}}`.
    let test = std::any::type_name::<M>().split("::").nth(1);
    let test = test.expect("a closure in a test");
    let this = std::env::current_exe().expect("the test's own path");
    let child = std::process::Command::new(this)
        .args(["--exact", test, "--test-threads", "1", "--nocapture"])
        .env(CHILD, "1")
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("the test runs again");
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(
        !child.status.success() && (said.contains("panicked") || child.status.code().is_none()),
        "the model does not notice that the protocol is broken"
    );
    let why = said
        .lines()
        .skip_while(|line| !line.contains("panicked"))
        .nth(1);
    println!("{test}: {}", why.unwrap_or("the process died"));
}

/// A value that loom watches: a model fails if it is written while another thread uses it.
pub struct Watched<T>(loom::cell::UnsafeCell<T>);

// SAFETY: every access goes through loom's cell, which panics where two would overlap.
unsafe impl<T: Send> Sync for Watched<T> {}

impl<T: Copy> Watched<T> {
    pub fn new(value: T) -> Self {
        Self(loom::cell::UnsafeCell::new(value))
    }

    pub fn get(&self) -> T {
        // SAFETY: see above.
        self.0.with(|value| unsafe { *value })
    }

    pub fn set(&self, new: T) {
        // SAFETY: see above.
        self.0.with_mut(|value| unsafe { *value = new });
    }
}

/// Stands in for the system's sleeping on a word: who sleeps and who wakes look at the word under one lock.
#[derive(Default)]
pub struct Queue {
    lock: Mutex<()>,
    woken: Condvar,
}

impl Queue {
    /// Sleeps while the word has this value. Acquire and release come from the lock, as in the system.
    pub fn sleep_on(&self, word: &AtomicU32, value: u32) {
        let guard = self.lock.lock();
        if word.load(Relaxed) == value {
            drop(self.woken.wait(guard));
        }
    }

    pub fn wake_one(&self) {
        drop(self.lock.lock());
        self.woken.notify_one();
    }

    pub fn wake_all(&self) {
        drop(self.lock.lock());
        self.woken.notify_all();
    }
}
