//! What tracing tools have asked for (PEP 669), and the code objects that it is asked of.
//!
//! A tool asks for events, everywhere or in one code object. Where an instruction of a code object is to report something, its opcode
//! is replaced in place, and what it was, and who wants to know what, stands in a table beside the code ([`Sites`]). So code in which
//! nobody has asked for anything costs nothing. When the events change, the world stands still: code that is running is brought up to
//! date at once, all other code when it is entered next; until then its first instruction says that it is stale. The table of a code
//! object is made once and lives as long as the code; its entries are atomic, and an instruction that is replaced is written after
//! its entry (release), so whoever meets one finds the entry without a lock. Writers hold the lock of [`state`].

use crate::code::Code;
use crate::prelude::*;
use crate::runtime::Global;
use parking_lot::{Mutex, MutexGuard};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::*};

/// Events by number.
pub mod event {
    pub const PY_START: usize = 0;
    pub const PY_RESUME: usize = 1;
    pub const PY_RETURN: usize = 2;
    pub const PY_YIELD: usize = 3;
    pub const CALL: usize = 4;
    pub const LINE: usize = 5;
    pub const INSTRUCTION: usize = 6;
    pub const JUMP: usize = 7;
    pub const BRANCH_LEFT: usize = 8;
    pub const BRANCH_RIGHT: usize = 9;
    pub const STOP_ITERATION: usize = 10;
    pub const RAISE: usize = 11;
    pub const EXCEPTION_HANDLED: usize = 12;
    pub const PY_UNWIND: usize = 13;
    pub const PY_THROW: usize = 14;
    pub const RERAISE: usize = 15;
    pub const C_RETURN: usize = 16;
    pub const C_RAISE: usize = 17;
    pub const BRANCH: usize = 18;
}
use event::*;

/// How many events there are.
pub const EVENTS: usize = 19;
/// How many of them, the first ones, belong to an instruction, and can be asked for in one code object alone.
pub const LOCAL: usize = 11;
/// How many tools there are: six for programs, and the two below.
pub const TOOLS: usize = 8;
/// The tool that stands for `sys.setprofile`.
pub const PROFILE_TOOL: usize = 6;
/// The tool that stands for `sys.settrace`.
pub const TRACE_TOOL: usize = 7;

/// Names of the events, by number.
pub const NAMES: [&str; EVENTS] = [
    "PY_START",
    "PY_RESUME",
    "PY_RETURN",
    "PY_YIELD",
    "CALL",
    "LINE",
    "INSTRUCTION",
    "JUMP",
    "BRANCH_LEFT",
    "BRANCH_RIGHT",
    "STOP_ITERATION",
    "RAISE",
    "EXCEPTION_HANDLED",
    "PY_UNWIND",
    "PY_THROW",
    "RERAISE",
    "C_RETURN",
    "C_RAISE",
    "BRANCH",
];

/// What an instruction may report: which tools want it, a bit each.
#[derive(Default)]
pub struct Site {
    /// The opcode that belongs there.
    pub op: u8,
    /// See the constants.
    pub flags: u8,
    /// The start or the resumption of the frame.
    pub entry: AtomicU8,
    pub line: AtomicU8,
    pub instruction: AtomicU8,
    /// What the opcode itself does; of a branch, that it goes on with what follows.
    pub main: AtomicU8,
    /// Of a branch: that it jumps.
    pub right: AtomicU8,
    /// The end of a generator that is iterated over.
    pub stop: AtomicU8,
}

impl Site {
    /// The word that belongs where `word` is.
    #[inline]
    pub fn plain(&self, word: u64) -> u64 {
        let mark = if self.flags & Site::YIELD != 0 {
            YIELD_MARK
        } else {
            0
        };
        word & !0xff & !mark | u64::from(self.op)
    }

    /// The code begins here, behind what prepares its registers.
    pub const START: u8 = 1;
    /// A generator goes on here.
    pub const RESUME: u8 = 2;
    /// Another line may begin here.
    pub const LINE: u8 = 4;
    /// A Yield.
    pub const YIELD: u8 = 8;
    /// Lines without code come before it.
    pub const MARKED: u8 = 16;
    /// A call in another line comes before it, whose result is dropped: that counts as an instruction of its own.
    pub const DROPPED: u8 = 32;

    /// Whether anything is to be reported.
    pub fn reports(&self, lines: bool) -> bool {
        let tools = [
            &self.entry,
            &self.line,
            &self.instruction,
            &self.main,
            &self.right,
            &self.stop,
        ];
        // The last line of a frame is forgotten where it starts and where it comes by instructions without one.
        let marks = Site::START | Site::RESUME | Site::LINE;
        tools.iter().any(|x| x.load(Relaxed) != 0) || lines && self.flags & marks != 0
    }
}

/// The table of a code object.
pub struct Sites {
    /// One for each instruction.
    pub sites: Box<[Site]>,
    /// What each tool wants to know of this code alone: a bit per event.
    pub local: [AtomicU32; TOOLS],
    /// Which tools wanted each event when the table was last brought up to date.
    pub active: [AtomicU8; LOCAL],
    /// What [`State::restarts`] was then.
    pub restarts: AtomicU32,
}

/// What all tools have asked for.
pub struct State {
    /// All code objects that are ready to run.
    codes: Vec<usize>,
    /// Events that each tool wants everywhere: a bit per event.
    pub events: [u32; TOOLS],
    /// How often events that were disabled have been restarted.
    pub restarts: u32,
}

static STATE: Mutex<State> = Mutex::new(State {
    codes: Vec::new(),
    events: [0; TOOLS],
    restarts: 0,
});

/// Tools that want an event everywhere.
static GLOBAL: [AtomicU8; EVENTS] = [const { AtomicU8::new(0) }; EVENTS];
/// Whether any tool wants an event that comes with an exception.
static EXCEPTIONS: AtomicBool = AtomicBool::new(false);
/// Whether new code may have to report something.
static ANY: AtomicBool = AtomicBool::new(false);
/// The functions to call, by tool and event.
static CALLBACKS: [[AtomicU64; EVENTS]; 6] = [const { [const { AtomicU64::new(0) }; EVENTS] }; 6];

/// What a callback gives back to hear no more of an event in that place.
pub static DISABLE: Global = Global::new();
/// What stands for a first argument that is not there.
pub static MISSING: Global = Global::new();

/// The opcode of instructions that report something. The compiler knows none with these numbers.
pub const INSTRUMENTED: u8 = 255;
/// The opcode of the first instruction of code that is to be brought up to date.
pub const STALE: u8 = 254;
/// Set in the word of a Yield that reports something: its generator is not to be passed by.
pub const YIELD_MARK: u64 = 1 << 13;

/// The lock. Not to be held across anything that runs Python or reaches a safepoint.
pub fn state() -> MutexGuard<'static, State> {
    STATE.lock()
}

/// The tools that want an event everywhere.
pub fn tools(event: usize) -> u8 {
    GLOBAL[event].load(Relaxed)
}

/// Whether anybody wants to know of exceptions, or of frames that they leave.
#[inline(always)]
pub fn watches_exceptions() -> bool {
    EXCEPTIONS.load(Relaxed)
}

/// The function to call.
pub fn callback(t: &Thread, tool: usize, event: usize) -> Option<Obj> {
    let v = Value(CALLBACKS[tool][event].load(Acquire));
    if v.is_null() {
        None
    } else {
        Some(Obj::new(t, v))
    }
}

/// Sets the function to call; gives what it was.
pub fn set_callback(t: &Thread, tool: usize, event: usize, func: Option<Obj>) -> Option<Obj> {
    let new = func.map_or(Value::NULL, |o| {
        weft_gc::share(t, o.value());
        o.into_value()
    });
    let old = Value(CALLBACKS[tool][event].swap(new.0, AcqRel));
    if old.is_null() {
        None
    } else {
        Some(Obj::from_raw(old))
    }
}

impl State {
    /// Makes the wishes known to those who look without the lock.
    pub fn publish(&self) {
        for (event, tools) in GLOBAL.iter().enumerate() {
            let mut now = 0;
            for (tool, events) in self.events.iter().enumerate() {
                now |= ((events >> event & 1) as u8) << tool;
            }
            tools.store(now, Release);
        }
        let watched = [RAISE, EXCEPTION_HANDLED, PY_UNWIND, PY_THROW, RERAISE];
        EXCEPTIONS.store(watched.iter().any(|e| tools(*e) != 0), Release);
        ANY.store((0..LOCAL).any(|e| tools(e) != 0), Release);
    }

    /// Calls `f` with each code object.
    pub fn each_code(&self, mut f: impl FnMut(&Code)) {
        for code in &self.codes {
            // SAFETY: a code object takes itself off the list, under the lock, before it is freed.
            f(unsafe { &*(*code as *const Code) });
        }
    }
}

/// A code object is ready to run. (Any number of threads may say so.)
pub fn add(c: &Code) {
    let mut state = STATE.lock();
    if c.listed.load(Relaxed) != 0 {
        return;
    }
    state.codes.push(std::ptr::from_ref(c) as usize);
    c.listed.store(state.codes.len() as u32, Relaxed);
    if !ANY.load(Acquire) {
        return;
    }
    if c.call_flags & Code::GENERATOR == 0 {
        mark_stale(c);
    } else if let Some(refresh) = REFRESH.get() {
        // A generator expression is not entered at its first instruction.
        refresh(&state, c);
    }
}

/// Brings code up to date (the interpreter's business). Under the lock.
type RefreshHook = fn(&State, &Code);
static REFRESH: std::sync::OnceLock<RefreshHook> = std::sync::OnceLock::new();

/// What brings code up to date.
pub fn set_refresh_hook(f: RefreshHook) {
    let _ = REFRESH.set(f);
}

/// A code object dies.
pub fn forget(code: &Code) {
    let mut state = STATE.lock();
    let Some(at) = (code.listed.load(Relaxed) as usize).checked_sub(1) else {
        return;
    };
    state.codes.swap_remove(at);
    if let Some(moved) = state.codes.get(at) {
        // SAFETY: as in `each_code`.
        unsafe {
            (*(*moved as *const Code))
                .listed
                .store(at as u32 + 1, Relaxed)
        };
    }
}

/// Has the code brought up to date when it is entered next. Under the lock.
pub fn mark_stale(code: &Code) {
    if let Some(first) = code.body().instrs.first() {
        let word = first.load(Relaxed);
        first.store(word & !0xff | u64::from(STALE), Release);
    }
}

/// The word of instruction `i` as the compiler wrote it; 0 if there is none.
pub fn plain_word(code: &Code, i: usize) -> u64 {
    let word = match code.body().instrs.get(i) {
        Some(word) => word.load(Acquire),
        None => return 0,
    };
    match word as u8 {
        STALE if i == 0 => word & !0xff | u64::from(code.first_op.load(Relaxed)),
        INSTRUMENTED => code.sites().map_or(word, |x| x.sites[i].plain(word)),
        _ => word,
    }
}
