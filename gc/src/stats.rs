//! What the runtime does, for `weft --stats` and `weft --timeline`.
//!
//! What is rare is noted here, in functions that are off every hot path, while somebody asks for it. How often what is not rare happens
//! is counted by each thread: see `tally.rs`.

use crate::header::{Header, TypeHead};
use crate::heap::{walk, walk_orphans};
use crate::tally::{ByName, Numbers, What};
use crate::thread::{Thread, world};
use parking_lot::Mutex;
use std::cell::Cell;
use std::collections::HashMap;
use std::fmt::Write;
use std::panic::Location;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::*};
use std::sync::{LazyLock, OnceLock};
use std::time::Instant;

const COUNTING: u8 = 1;
const TRACING: u8 = 2;

static ON: AtomicU8 = AtomicU8::new(0);
static NAME: OnceLock<fn(&TypeHead) -> String> = OnceLock::new();
static START: LazyLock<Instant> = LazyLock::new(Instant::now);
static TOTALS: LazyLock<Mutex<Totals>> = LazyLock::new(Mutex::default);
static EVENTS: Mutex<Vec<Event>> = Mutex::new(Vec::new());
/// Events that are kept, so that a trace does not take all memory: about 60 MB.
const MOST: usize = 1 << 20;

#[derive(Default)]
struct Totals {
    /// Of threads that have ended.
    published: u64,
    collected: u64,
    tried: u64,
    awaited: u64,
    by_name: ByName,
    /// When the first thread was started.
    shared_at_once: u64,
    handshakes: Times,
    alive: u64,
    again: u64,
    fought: HashMap<String, u64>,
    local: Times,
    /// The processor's time for these, in nanoseconds.
    local_cpu: u64,
    shared: Times,
    stops: Times,
    waits: Times,
    threads: u64,
}

struct Event {
    name: &'static str,
    lane: u32,
    begin: u64,
    nanos: u64,
    at: Option<&'static Location<'static>>,
}

/// How long something took each time, four steps to a power of two.
struct Times {
    steps: [u64; 256],
    count: u64,
    total: u64,
    max: u64,
}

impl Default for Times {
    fn default() -> Times {
        Times {
            steps: [0; 256],
            count: 0,
            total: 0,
            max: 0,
        }
    }
}

impl Times {
    fn step(nanos: u64) -> usize {
        let n = nanos.max(4);
        let log = n.ilog2();
        (log * 4 + ((n >> (log - 2)) & 3) as u32) as usize
    }

    fn add(&mut self, nanos: u64) {
        self.steps[Self::step(nanos)] += 1;
        self.count += 1;
        self.total = self.total.saturating_add(nanos);
        self.max = self.max.max(nanos);
    }

    /// The upper end of the step below which this part of all lies.
    fn part(&self, percent: u64) -> u64 {
        let mut left = (self.count * percent).div_ceil(100);
        for (i, n) in self.steps.iter().enumerate() {
            if *n >= left {
                let (log, part) = (i as u32 / 4, i as u64 % 4);
                let end = (5 + part).checked_mul(1 << (log.max(2) - 2));
                return end.unwrap_or(u64::MAX).min(self.max);
            }
            left -= n;
        }
        self.max
    }

    fn show(&self, what: &str, out: &mut String) {
        let us = |n: u64| n as f64 / 1e3;
        let _ = writeln!(
            out,
            "{what:<34}{:>10}   p50 {:.1} us, p99 {:.1} us, max {:.1} us, all {:.1} ms",
            self.count,
            us(self.part(50)),
            us(self.part(99)),
            us(self.max),
            us(self.total) / 1e3
        );
    }
}

/// Begins to note what happens: numbers, and events for a timeline. `name` is what a type is called. To be said before other threads run.
pub fn enable(counting: bool, tracing: bool, name: fn(&TypeHead) -> String) {
    let _ = NAME.set(name);
    LazyLock::force(&START);
    let bits = if counting { COUNTING } else { 0 } | if tracing { TRACING } else { 0 };
    ON.store(bits, Relaxed);
}

/// Whether anybody asks.
#[inline(always)]
pub(crate) fn on() -> bool {
    ON.load(Relaxed) != 0
}

/// Whether anybody asks for numbers.
#[inline(always)]
pub(crate) fn counting() -> bool {
    ON.load(Relaxed) & COUNTING != 0
}

/// Something that takes time, and that somebody asks for.
pub(crate) struct Span(u64);

/// The processor's time that this thread has had, in nanoseconds.
pub(crate) fn cpu() -> u64 {
    time_of(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// What a clock of the system says, in nanoseconds; 0 if there is none of that number (any more).
pub(crate) fn time_of(clock: libc::clockid_t) -> u64 {
    let mut t = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes to `t` alone.
    unsafe { libc::clock_gettime(clock, &mut t) };
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

/// Now, if anybody asks.
#[inline]
pub(crate) fn begin() -> Option<Span> {
    on().then(|| Span(now()))
}

fn now() -> u64 {
    START.elapsed().as_nanos() as u64
}

impl Span {
    fn nanos(&self) -> u64 {
        now() - self.0
    }

    #[cold]
    fn end(self, name: &'static str, at: Option<&'static Location<'static>>) {
        if ON.load(Relaxed) & TRACING == 0 {
            return;
        }
        let nanos = self.nanos();
        let event = Event {
            name,
            lane: lane(),
            begin: self.0,
            nanos,
            at,
        };
        let mut events = EVENTS.lock();
        if events.len() < MOST {
            events.push(event);
        }
    }

    /// A collection has ended, which has had the processor since its time was this.
    #[cold]
    pub(crate) fn collected(self, shared: bool, since: u64) {
        let mut totals = TOTALS.lock();
        if !shared {
            totals.local_cpu += cpu() - since;
        }
        let times = if shared {
            &mut totals.shared
        } else {
            &mut totals.local
        };
        times.add(self.nanos());
        drop(totals);
        self.end(
            if shared {
                "collecting (shared)"
            } else {
                "collecting (local)"
            },
            None,
        );
    }

    /// This thread was stopped, or answered a handshake.
    #[cold]
    pub(crate) fn stood(self) {
        TOTALS.lock().stops.add(self.nanos());
        self.end("safepoint", None);
    }

    /// This thread was away.
    #[cold]
    pub(crate) fn waited(self, at: &'static Location<'static>) {
        TOTALS.lock().waits.add(self.nanos());
        self.end("waiting", Some(at));
    }

    /// All have answered a handshake.
    #[cold]
    pub(crate) fn answered(&self) {
        TOTALS.lock().handshakes.add(self.nanos());
    }

    /// A thread has ended.
    #[cold]
    pub(crate) fn ran(self, t: &Thread) {
        let mut totals = TOTALS.lock();
        totals.threads += 1;
        totals.add(t);
        drop(totals);
        self.end("running", None);
    }
}

thread_local! {
    static LANE: Cell<u32> = const { Cell::new(0) };
}
static LANES: AtomicU32 = AtomicU32::new(1);

/// This thread's number in the trace: 1 is the first that was asked for.
fn lane() -> u32 {
    if LANE.get() == 0 {
        LANE.set(LANES.fetch_add(1, Relaxed));
    }
    LANE.get()
}

impl Totals {
    /// Adds what a thread has counted, which is the calling one or stands still.
    fn add(&mut self, t: &Thread) {
        self.published += t.stats.published.get();
        // SAFETY: as is said.
        let tally = unsafe { &*t.stats.tally.get() };
        self.collected += tally.collected;
        self.tried += t.stats.tried.get();
        self.awaited += t.stats.awaited.get();
        tally.add_to(&mut self.by_name);
    }
}

/// What a type is called.
pub(crate) fn name_of(ty: &TypeHead) -> String {
    NAME.get().map_or_else(String::new, |f| f(ty))
}

/// An object's count is fought over from now on.
pub(crate) fn fought(h: &Header) {
    if on() {
        *TOTALS.lock().fought.entry(name_of(h.ty())).or_default() += 1;
    }
}

/// The first thread is about to be started: what there is will be shared at once.
pub(crate) fn all_shared(t: &Thread) {
    if counting() {
        let mut n = 0;
        walk(&t.heap, false, |_, h| n += u64::from(h.is_local(t)));
        TOTALS.lock().shared_at_once = n;
    }
}

/// How a shared object whose count had been zero was settled, if it is not dead.
#[cold]
pub(crate) fn settled(verdict: weft_threads::count::Settled) {
    use weft_threads::count::Settled;
    let mut totals = TOTALS.lock();
    match verdict {
        Settled::Alive => totals.alive += 1,
        Settled::Again => totals.again += 1,
        Settled::Dead => {}
    }
}

/// Somebody counts, and a lock of the program's is about to be taken if it is free.
#[cold]
#[inline(never)]
pub fn tried_lock(t: &Thread) {
    t.pace.told();
    t.stats.tried.set(t.stats.tried.get() + 1);
}

/// A lock of the program's is held by another thread.
pub fn waits_for_lock(t: &Thread) {
    t.stats.awaited.set(t.stats.awaited.get() + 1);
}

/// What has been counted, as a text of several lines.
pub fn report(t: &Thread) -> String {
    let mut all = Totals::default();
    let mut here = 0;
    world().stop(t.peer(), |stopped| {
        for peer in stopped.peers() {
            let other = peer.payload().thread();
            all.add(other);
            walk(&other.heap, false, |_, _| here += 1);
        }
        walk_orphans(false, |_, _| here += 1);
    });
    let totals = TOTALS.lock();
    let mut by_name = totals.by_name.clone();
    let mut sums = Numbers::default();
    for (name, numbers) in &all.by_name {
        by_name.entry(name.clone()).or_default().add(numbers);
    }
    by_name.values().for_each(|numbers| sums.add(numbers));
    let collected = totals.collected + all.collected;
    let died = [
        sums.of(What::AtOnce),
        sums.of(What::AfterHandshake),
        collected,
    ];
    let mut out = String::from("weft: what the runtime has done\n");
    let mut line = |what: &str, n: u64| {
        let _ = writeln!(out, "{what:<34}{n:>10}");
    };
    line("objects made", died.iter().sum::<u64>() + here);
    line("  destroyed at once", died[0]);
    line("  destroyed after a handshake", died[1]);
    line("  freed by collections", died[2]);
    line("  still there", here);
    line("objects published", totals.published + all.published);
    line("  shared with the first thread", totals.shared_at_once);
    line("listed, but in use when settled", totals.alive);
    line("listed, and touched meanwhile", totals.again);
    line("threads ended", totals.threads);
    line("locks of objects taken", sums.of(What::Lock));
    line("  another thread had the lock", sums.of(What::Contended));
    line("locks of the program tried", totals.tried + all.tried);
    line("  had to be waited for", totals.awaited + all.awaited);
    line("atomic changes of counts", sums.of(What::Change));
    totals.handshakes.show("handshakes", &mut out);
    totals.local.show("local collections", &mut out);
    let ms = totals.local_cpu as f64 / 1e6;
    let _ = writeln!(
        out,
        "{:<34}{ms:>10.1} ms",
        "  the processor's time for these"
    );
    totals.shared.show("shared collections", &mut out);
    totals.stops.show("times at a safepoint", &mut out);
    totals.waits.show("times away", &mut out);
    for (text, what) in [
        ("destroyed at once", What::AtOnce),
        ("destroyed after a handshake", What::AfterHandshake),
        ("locks taken", What::Lock),
        ("locks that another thread had", What::Contended),
        ("atomic changes of counts", What::Change),
    ] {
        let numbers = by_name.iter().map(|(name, n)| (name, n.of(what)));
        by_type(text, numbers, &mut out);
    }
    let fought = totals.fought.iter().map(|(name, n)| (name, *n));
    by_type("counts that were fought over", fought, &mut out);
    out
}

fn by_type<'a>(what: &str, numbers: impl Iterator<Item = (&'a String, u64)>, out: &mut String) {
    let mut all: Vec<_> = numbers.filter(|(_, n)| *n > 0).collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    if !all.is_empty() {
        let _ = writeln!(out, "{what}, by type:");
    }
    for (name, n) in all.iter().take(10) {
        let _ = writeln!(out, "  {name:<32}{n:>10}");
    }
}

/// What has happened, in the Chrome trace format. The calling thread is shown as running to the end.
pub fn timeline() -> String {
    Span(0).end("running", None);
    let events = EVENTS.lock();
    let mut out = String::from("{\"traceEvents\":[\n");
    for lane in 1..LANES.load(Relaxed) {
        let _ = writeln!(
            out,
            "{{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":1,\"tid\":{lane},\"args\":{{\"name\":\"thread {lane}\"}}}},"
        );
    }
    for (i, e) in events.iter().enumerate() {
        let us = |n: u64| n as f64 / 1e3;
        let at = e.at.map_or_else(String::new, |l| {
            format!(",\"args\":{{\"at\":\"{}:{}\"}}", l.file(), l.line())
        });
        let _ = writeln!(
            out,
            "{{\"ph\":\"X\",\"name\":\"{}\",\"pid\":1,\"tid\":{},\"ts\":{:.3},\"dur\":{:.3}{at}}}{}",
            e.name,
            e.lane,
            us(e.begin),
            us(e.nanos),
            if i + 1 < events.len() { "," } else { "" }
        );
    }
    out.push_str("]}\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_many_times() {
        let mut times = Times::default();
        assert_eq!(times.part(99), 0);
        (1..=1000).for_each(|n| times.add(n * 1000));
        assert_eq!((times.count, times.max), (1000, 1_000_000));
        let near = |n: u64, of: u64| n >= of && n <= of * 5 / 4;
        assert!(near(times.part(50), 500_000), "{}", times.part(50));
        assert!(near(times.part(99), 990_000), "{}", times.part(99));
        times.add(u64::MAX);
        assert_eq!(times.part(100), u64::MAX);
    }
}
