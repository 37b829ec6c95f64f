//! What the runtime does, for `weft --stats` and `weft --timeline`.
//!
//! Counted is only what is rare, in functions that are off every hot path, and while somebody asks for it. So there are no numbers of
//! objects made, of those destroyed at once, of locks taken without waiting and of atomic counts: they would cost something where
//! nobody asks.

use crate::header::{Header, TypeHead};
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

/// Counts by type, by name: types may be gone when they are asked for.
type ByType = HashMap<String, u64>;

#[derive(Default)]
struct Totals {
    published: u64,
    handshakes: Times,
    died: u64,
    alive: u64,
    again: u64,
    died_by_type: ByType,
    contended: u64,
    contended_by_type: ByType,
    /// Atomic changes of shared counts, by type, about.
    counted: ByType,
    fought: ByType,
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
        totals.published += t.stats.published.get();
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

fn count(map: &mut ByType, h: &Header) {
    let name = NAME.get().map_or_else(String::new, |f| f(h.ty()));
    *map.entry(name).or_default() += 1;
}

/// A lock was held by another thread when it was wanted.
#[cold]
pub(crate) fn contended(h: &Header) {
    let mut totals = TOTALS.lock();
    totals.contended += 1;
    count(&mut totals.contended_by_type, h);
}

/// So many atomic changes of shared counts were made, the last of them to this object's.
pub(crate) fn counted(h: &Header, changes: u64) {
    let name = NAME.get().map_or_else(String::new, |f| f(h.ty()));
    *TOTALS.lock().counted.entry(name).or_default() += changes;
}

/// An object's count is fought over from now on.
pub(crate) fn fought(h: &Header) {
    if on() {
        count(&mut TOTALS.lock().fought, h);
    }
}

/// How a shared object whose count had been zero was settled.
#[cold]
pub(crate) fn settled(h: &Header, verdict: weft_threads::count::Settled) {
    use weft_threads::count::Settled;
    let mut totals = TOTALS.lock();
    match verdict {
        Settled::Alive => totals.alive += 1,
        Settled::Again => totals.again += 1,
        Settled::Dead => {
            totals.died += 1;
            count(&mut totals.died_by_type, h);
        }
    }
}

/// What has been counted, as a text of several lines.
pub fn report(t: &Thread) -> String {
    let mut published = TOTALS.lock().published;
    world().stop(t.peer(), |stopped| {
        for peer in stopped.peers() {
            published += peer.payload().thread().stats.published.get();
        }
    });
    let totals = TOTALS.lock();
    let mut out = String::from("weft: what the runtime has done\n");
    let mut line = |what: &str, n: u64| {
        let _ = writeln!(out, "{what:<34}{n:>10}");
    };
    line("objects published", published);
    line("shared objects destroyed", totals.died);
    line("  listed, but in use when settled", totals.alive);
    line("  listed, and touched meanwhile", totals.again);
    line("threads ended", totals.threads);
    line("locks that had to be waited for", totals.contended);
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
    by_type("shared objects destroyed", &totals.died_by_type, &mut out);
    by_type("waited for", &totals.contended_by_type, &mut out);
    by_type(
        "atomic changes of counts (about)",
        &totals.counted,
        &mut out,
    );
    by_type("counts that were fought over", &totals.fought, &mut out);
    out
}

fn by_type(what: &str, map: &ByType, out: &mut String) {
    let mut all: Vec<_> = map.iter().collect();
    all.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
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
