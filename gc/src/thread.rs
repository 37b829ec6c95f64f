//! What one thread of the runtime owns: its tag, its registers, its heap, and what it has still to settle.

use crate::destroy::Pending;
use crate::finishing::Finishing;
use crate::header::Header;
use crate::heap::Heap;
use crate::shared::{Batch, Waiting};
use crate::value::Value;
use std::cell::{Cell, UnsafeCell};
use std::collections::VecDeque;
use std::marker::PhantomPinned;
use std::panic::Location;
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, Ordering::*};
use std::sync::{LazyLock, OnceLock};
use weft_threads::roster::{self, Place};
use weft_threads::{Payload, Peer, RawLock, World, breaker_bits};

/// What the other threads know of a thread: where its state lies, to flush its registers while it is held.
pub struct ThreadPayload {
    thread: AtomicPtr<Thread>,
    pub(crate) finishing: Finishing,
    /// The system's number for the clock of the processor's time that the thread has had; 0 before it has begun.
    clock: AtomicI32,
}

impl ThreadPayload {
    /// The processor's time that the thread has had, in nanoseconds; 0 if it is not known.
    pub(crate) fn processor_time(&self) -> u64 {
        match self.clock.load(Relaxed) {
            0 => 0,
            clock => crate::stats::time_of(clock),
        }
    }

    /// Of the calling thread, whose payload this is.
    // Elsewhere it stays unknown, and a thread that is late is taken to be waiting for a core, for as long as anybody sleeps for that.
    fn find_clock(&self) {
        #[cfg(target_os = "linux")]
        {
            let mut clock = 0;
            // SAFETY: the calling thread exists; writes to `clock` alone.
            if unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &mut clock) } == 0 {
                self.clock.store(clock, Relaxed);
            }
        }
    }

    /// The thread's state. Only the thread itself, or who holds it still, may look.
    pub fn thread(&self) -> &Thread {
        // SAFETY: set before the peer is registered for others, valid until it leaves the world.
        unsafe { &*self.thread.load(Acquire) }
    }
}

impl Payload for ThreadPayload {
    fn flush(&self) {
        let p = self.thread.load(Acquire);
        if !p.is_null() {
            // SAFETY: as in `thread`; the caller is the thread at a safepoint or holds it.
            crate::shared::flush(unsafe { &*p });
        }
    }
}

pub(crate) type State = Peer<ThreadPayload>;

static WORLD: LazyLock<World<ThreadPayload>> = LazyLock::new(World::new);
static MULTITHREADED: AtomicBool = AtomicBool::new(false);

/// The set of all threads.
pub fn world() -> &'static World<ThreadPayload> {
    &WORLD
}

/// Whether a second thread has ever been started.
pub fn multithreaded() -> bool {
    MULTITHREADED.load(Relaxed)
}

#[cfg(feature = "gil")]
static GIL: weft_threads::Gil<ThreadPayload> = weft_threads::Gil::new();

/// The global interpreter lock of the `gil` build.
#[cfg(feature = "gil")]
pub fn gil() -> &'static weft_threads::Gil<ThreadPayload> {
    &GIL
}

/// The register stack: one reserved stretch of address space, committed as it is used.
pub struct Registers {
    base: *mut Value,
    limit: *mut Value,
    top: Cell<*mut Value>,
}

/// Miri does not know this one.
const NO_RESERVE: libc::c_int = if cfg!(miri) { 0 } else { libc::MAP_NORESERVE };

impl Registers {
    /// `None`: there is no address space for them.
    fn new(count: usize) -> Option<Registers> {
        // SAFETY: an anonymous private mapping, which is zero (all registers unbound).
        let base = unsafe {
            libc::mmap(
                null_mut(),
                count * 8,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | NO_RESERVE,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return None;
        }
        let base = base as *mut Value;
        // SAFETY: within the mapping.
        let limit = unsafe { base.add(count) };
        Some(Registers {
            base,
            limit,
            top: Cell::new(base),
        })
    }

    #[inline(always)]
    pub fn base(&self) -> *mut Value {
        self.base
    }
    /// End of the mapping.
    #[inline(always)]
    pub fn limit(&self) -> *mut Value {
        self.limit
    }
    /// End of the registers in use: everything below is a valid word and is looked through by handshakes.
    #[inline(always)]
    pub fn top(&self) -> *mut Value {
        self.top.get()
    }
    /// Moves the top. Everything below it must be initialised.
    #[inline(always)]
    pub fn set_top(&self, p: *mut Value) {
        debug_assert!(p >= self.base && p <= self.limit);
        self.top.set(p);
    }
}

impl Drop for Registers {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`.
        unsafe {
            libc::munmap(
                self.base as *mut _,
                self.limit as usize - self.base as usize,
            )
        };
    }
}

/// Counters that cost one addition where something rare happens.
#[derive(Default)]
pub struct Stats {
    pub published: Cell<u64>,
    /// While somebody counts: see `tally.rs`.
    pub(crate) tally: UnsafeCell<crate::tally::Tally>,
    pub(crate) changes: Cell<u32>,
    pub(crate) tried: Cell<u64>,
    pub(crate) awaited: Cell<u64>,
    pub collections: Cell<u64>,
    pub collected: Cell<u64>,
}

/// One thread's state. Fields that native code changes are cells, as handles reach the thread through
/// [`Thread::current`] while a `&mut Thread` (the right to reach a safepoint) is held further up: that reference is a
/// token, and the type is `!Unpin` so that it promises no uniqueness of the memory behind it. Its cache lines are its own.
#[repr(C, align(128))]
pub struct Thread {
    breaker: *const AtomicU32,
    tag: Cell<u16>,
    pub(crate) destroying: Cell<u32>,
    /// What it is called in the locks that it takes, and its pace.
    pub(crate) lock_name: Cell<u8>,
    pub pace: weft_threads::Pace,
    /// The layers above rely on some objects being this thread's alone: see [`before_publishing`].
    pub relying: Cell<bool>,
    pub regs: Registers,
    /// Where the machine stack of the innermost interpreter loop may have grown to; the interpreter's alone.
    pub loop_stack: Cell<usize>,
    /// The exception being raised: an owned word, NULL for none.
    pub exc: Cell<Value>,
    /// State of the layers above, set once when the thread starts.
    ext: Cell<*mut ()>,
    pub(crate) heap: Heap,
    pub(crate) dead: UnsafeCell<Vec<*mut Header>>,
    pub(crate) pending: UnsafeCell<VecDeque<Pending>>,
    /// Those that were waiting when it began to run them; the innermost run's last.
    pub(crate) serving: UnsafeCell<Vec<VecDeque<Pending>>>,
    pub(crate) waiting: UnsafeCell<Waiting>,
    pub(crate) batches: UnsafeCell<VecDeque<Batch>>,
    /// What it has changed of counts that are fought over; and how many shared counts it may change otherwise before one is looked at.
    pub(crate) ledger: weft_threads::ledger::Ledger,
    pub(crate) unlooked: Cell<u32>,
    /// It waits to be told that all have answered.
    pub(crate) asked: Cell<bool>,
    pub gc: crate::collect::GcState,
    pub stats: Stats,
    /// By which handlers of signals find it, while it runs.
    place: Cell<Option<&'static Place>>,
    /// When it began to run, if anybody asks.
    born: Cell<Option<crate::stats::Span>>,
    peer: Arc<State>,
    _pin: PhantomPinned,
}

thread_local! {
    static CURRENT: Cell<*mut Thread> = const { Cell::new(null_mut()) };
}

static BEFORE_PUBLISHING: OnceLock<fn(&Thread)> = OnceLock::new();

/// `f` is called before anything of a thread is published, if [`Thread::relying`] is set, which it then no longer is. To be said
/// once, before anything runs.
pub fn before_publishing(f: fn(&Thread)) {
    let _ = BEFORE_PUBLISHING.set(f);
}

/// What a thread's layers above refer to besides its registers: see [`held_above`].
type HeldAbove = fn(&Thread, &mut dyn FnMut(Value));
static HELD_ABOVE: OnceLock<HeldAbove> = OnceLock::new();

/// `f` gives what the layers above refer to for a thread without counting it, for collections, while that thread stands still. To be
/// said once, before anything runs.
pub fn held_above(f: HeldAbove) {
    let _ = HELD_ABOVE.set(f);
}

/// Calls `f` with each of these for `t`.
pub(crate) fn each_held_above(t: &Thread, f: &mut dyn FnMut(Value)) {
    if let Some(held) = HELD_ABOVE.get()
        && !t.ext().is_null()
    {
        held(t, f);
    }
}

/// Makes the state of a new thread, detached, with room for `registers` registers. `None`: too many threads, or no
/// memory. A state that is never entered is given to [`discard_state`].
///
/// The first call is the main thread's. The second one, made by it when it starts the first thread, gives the main thread a new
/// tag: all that it has made so far is shared from then on, without being touched.
pub fn spawn_state(starter: Option<&Thread>, registers: usize) -> Option<Box<Thread>> {
    if let Some(t) = starter
        && !MULTITHREADED.swap(true, AcqRel)
        && cfg!(not(feature = "gil"))
    {
        t.rely_no_more();
        crate::stats::all_shared(t);
        t.tag.set(WORLD.retag(&t.peer)?);
        t.lock_name.set(RawLock::name(t.tag.get()));
    }
    let regs = Registers::new(registers)?;
    let peer = WORLD.join(|_| ThreadPayload {
        thread: AtomicPtr::new(null_mut()),
        finishing: Finishing::new(),
        clock: AtomicI32::new(0),
    })?;
    // In the GIL build every object is local to every thread: one tag for all.
    let tag = if cfg!(feature = "gil") { 1 } else { peer.tag() };
    let counting = crate::stats::counting();
    let pace = weft_threads::Pace::new();
    if counting {
        pace.tell_each();
    }
    let thread = Box::new(Thread {
        breaker: peer.breaker(),
        tag: Cell::new(tag),
        destroying: Cell::new(0),
        lock_name: Cell::new(RawLock::name(tag)),
        pace,
        relying: Cell::new(false),
        regs,
        loop_stack: Cell::new(usize::MAX),
        exc: Cell::new(Value::NULL),
        ext: Cell::new(null_mut()),
        heap: Heap::new(),
        dead: UnsafeCell::default(),
        pending: UnsafeCell::default(),
        serving: UnsafeCell::default(),
        waiting: UnsafeCell::default(),
        batches: UnsafeCell::default(),
        ledger: Default::default(),
        unlooked: Cell::new(if counting { 1 } else { crate::fought::LOOKS }),
        asked: Cell::new(false),
        gc: Default::default(),
        stats: Stats::default(),
        place: Cell::new(None),
        born: Cell::new(None),
        peer,
        _pin: PhantomPinned,
    });
    thread
        .peer
        .payload()
        .thread
        .store(&*thread as *const Thread as *mut Thread, Release);
    Some(thread)
}

/// Takes back a state that no thread has entered.
pub fn discard_state(t: Box<Thread>) {
    WORLD.leave(&t.peer);
}

impl Thread {
    /// The state of the calling thread.
    ///
    /// # Panics
    /// If the thread has not entered the runtime; no code that handles objects runs before that.
    #[inline(always)]
    pub fn current<'a>() -> &'a Thread {
        let p = CURRENT.get();
        debug_assert!(!p.is_null());
        // SAFETY: set by `enter`, cleared by `leave`; a thread's own state outlives its use of objects.
        unsafe { &*p }
    }

    /// The state of the calling thread, if it has entered.
    pub fn try_current<'a>() -> Option<&'a Thread> {
        let p = CURRENT.get();
        if p.is_null() {
            None
        } else {
            // SAFETY: as in `current`.
            Some(unsafe { &*p })
        }
    }

    /// Makes this the calling thread's state and attaches it.
    pub fn enter(&mut self) {
        self.born.set(crate::stats::begin());
        self.peer.payload().find_clock();
        CURRENT.set(self);
        self.place.set(Some(roster::enter()));
        self.attach();
    }

    /// Ends the thread: publishes what is left of its objects, leaves its pages, candidates and finalizers to others. The thread
    /// must hold no handle any more.
    pub fn leave(self: Box<Self>) {
        if let Some(place) = self.place.take() {
            place.leave();
        }
        self.bequeath();
        if let Some(span) = self.born.take() {
            span.ran(&self);
            self.stats.published.set(0);
        }
        self.detach();
        CURRENT.set(null_mut());
        WORLD.leave(&self.peer);
    }

    /// Leaves all that it owns to the other threads.
    fn bequeath(&self) {
        crate::fought::settle_ledger(self);
        self.abandon_waiting();
        if cfg!(not(feature = "gil")) {
            self.publish_all();
        }
        self.heap.abandon();
    }

    /// This thread's tag: the owner of its local objects.
    #[inline(always)]
    pub fn tag(&self) -> u16 {
        if cfg!(feature = "gil") {
            1
        } else {
            self.tag.get()
        }
    }

    pub fn peer(&self) -> &Arc<State> {
        &self.peer
    }

    /// Whether something is asked of this thread: one load.
    #[inline(always)]
    pub fn interrupted(&self) -> bool {
        // SAFETY: the breaker lies in the peer, which this thread holds.
        unsafe { (*self.breaker).load(Relaxed) != 0 }
    }

    /// The breaker word, for the interpreter to poll.
    #[inline(always)]
    pub fn breaker(&self) -> *const AtomicU32 {
        self.breaker
    }

    #[inline(always)]
    pub fn ext(&self) -> *mut () {
        self.ext.get()
    }
    /// Sets the state of the layers above. Once, before the thread runs anything.
    pub fn set_ext(&self, p: *mut ()) {
        self.ext.set(p);
    }

    /// To be called before something of this thread is published.
    #[inline(always)]
    pub(crate) fn rely_no_more(&self) {
        if self.relying.replace(false)
            && let Some(f) = BEFORE_PUBLISHING.get()
        {
            f(self);
        }
    }

    fn attach(&self) {
        #[cfg(feature = "gil")]
        GIL.acquire(&self.peer);
        WORLD.attach(&self.peer);
    }

    fn detach(&self) {
        WORLD.detach(&self.peer);
        #[cfg(feature = "gil")]
        GIL.release();
    }

    /// Runs `f`, which may block and touches no object, detached: others may look through this thread's registers and
    /// need not wait for it (I8).
    #[track_caller]
    pub fn blocking<R>(&mut self, f: impl FnOnce() -> R) -> R {
        let at = Location::caller();
        let span = crate::stats::begin();
        if self.peer.breaker().load(Relaxed) & breaker_bits::SETTLE != 0 || self.asked.get() {
            self.hand_over();
        }
        self.detach();
        let r = f();
        self.attach();
        if let Some(span) = span {
            span.waited(at);
        }
        r
    }

    /// Runs `f` attached, in the midst of what [`Thread::blocking`] runs on the calling thread: for native code that calls back.
    /// Waits while the world stands still.
    ///
    /// # Safety
    /// The calling thread is away, in the `f` of its `blocking`, which does not use its `Thread` itself meanwhile.
    pub unsafe fn back<R>(f: impl FnOnce(&mut Thread) -> R) -> R {
        // SAFETY: the state of the calling thread, which has entered. Whoever called `blocking` has lent it exclusively, and does not
        // touch it until that returns: by the caller's promise this is the only use meanwhile.
        let t = unsafe { &mut *CURRENT.get() };
        debug_assert!(!t.peer.is_attached());
        t.attach();
        let r = f(t);
        t.detach();
        r
    }

    /// Serves what concerns memory and threads: stops, handshakes, settling, handing over the GIL. Gives the other bits
    /// that are raised.
    pub fn safepoint(&mut self) -> u32 {
        let span = crate::stats::begin();
        let mut bits = WORLD.safepoint(&self.peer);
        if let Some(span) = span {
            span.stood();
        }
        if bits & breaker_bits::HANDSHAKE != 0 {
            bits &= !breaker_bits::HANDSHAKE;
            if crate::shared::answered(self) {
                bits |= breaker_bits::SETTLE;
            }
        }
        #[cfg(feature = "gil")]
        if bits & breaker_bits::GIL != 0 {
            self.peer.take(breaker_bits::GIL);
            WORLD.detach(&self.peer);
            GIL.hand_over(&self.peer);
            WORLD.attach(&self.peer);
            bits &= !breaker_bits::GIL;
        }
        if bits & breaker_bits::SETTLE != 0 {
            self.peer.take(breaker_bits::SETTLE);
            self.settle(false);
            crate::fought::truce(self);
            bits &= !breaker_bits::SETTLE;
        }
        bits
    }
}

/// Forks by `fork`, with the world stopped; `in_child` tells from its result whether this is the child. There `t` takes over the heaps
/// and candidates of the threads that are gone: they were away, or at a safepoint. What their registers hold is never freed.
pub fn fork<R>(t: &Thread, fork: impl FnOnce() -> R, in_child: impl Fn(&R) -> bool) -> R {
    WORLD.stop(&t.peer, |stopped| {
        let result = WORLD.fork(&t.peer, fork, &in_child);
        if in_child(&result) {
            t.peer.payload().find_clock();
            if let Some(place) = t.place.get() {
                place.stay_alone();
            }
            for peer in stopped.peers() {
                let gone = peer.payload().thread.load(Acquire);
                if !Arc::ptr_eq(peer, &t.peer) && !gone.is_null() {
                    // SAFETY: the state is still in memory, and its thread is not there to change it.
                    unsafe { (*gone).bequeath() };
                }
            }
        }
        result
    })
}
