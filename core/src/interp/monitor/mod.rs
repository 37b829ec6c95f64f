//! Events for tracing tools: which instructions report what, and bringing code up to date when that changes.
//! `fire` reports, `legacy` is `sys.settrace` and `sys.setprofile`, `jump` is assignment to `f_lineno`.

pub mod fire;
mod jump;
pub mod legacy;

pub use jump::set_lineno;

use super::handlers::{HANDLERS, Handler, State as Machine, handlers};
use crate::compile::bytecode::{DISCARD, Instr, OPS, Op};
use std::sync::atomic::{AtomicU8, Ordering::*};
use weft_objects::code::Code;
use weft_objects::frame::Frame;
use weft_objects::monitor::{self, INSTRUMENTED, Site, Sites, State, YIELD_MARK, event};
use weft_objects::prelude::*;

handlers! {
    instrumented(s) {
        s.save();
        match fire::report(s.t(), s.f, s.i) {
            Ok(i) => again(s, i),
            Err(f) => f,
        }
    }
    stale(s) {
        s.save();
        // SAFETY: the innermost frame; the pc is behind this instruction.
        unsafe {
            refresh(&monitor::state(), (*s.f).code());
            again(s, Instr((*s.pc.sub(1)).load(Acquire)))
        }
    }
}

/// Does the instruction `i` in place of the one that was found.
#[inline(always)]
fn again(s: Machine, i: Instr) -> *mut Frame {
    let handler: Handler = HANDLERS[i.op() as usize];
    Machine { i, ..s }.tail(handler)
}

/// What an opcode reports of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Nothing,
    Return,
    Yield,
    Call,
    Jump,
    /// A branch, by a condition or at the end of an iteration.
    Branch,
    ForIter,
    Send,
    EndAsyncFor,
}

/// What opcode `op` reports.
pub fn kind(op: u8) -> Kind {
    match OPS.get(op as usize) {
        Some(Op::Return | Op::ReturnK) => Kind::Return,
        Some(Op::Yield) => Kind::Yield,
        Some(Op::Call | Op::CallMethod | Op::CallKw | Op::CallEx) => Kind::Call,
        Some(Op::Jump | Op::JumpBack) => Kind::Jump,
        Some(
            Op::JumpTrue
            | Op::JumpFalse
            | Op::JumpNone
            | Op::JumpNotNone
            | Op::JumpLt
            | Op::JumpLe
            | Op::JumpEq
            | Op::JumpNe
            | Op::JumpGt
            | Op::JumpGe
            | Op::JumpLtK
            | Op::JumpLeK
            | Op::JumpEqK
            | Op::JumpNeK
            | Op::JumpGtK
            | Op::JumpGeK,
        ) => Kind::Branch,
        Some(Op::ForIter) => Kind::ForIter,
        Some(Op::Send) => Kind::Send,
        Some(Op::EndAsyncFor) => Kind::EndAsyncFor,
        _ => Kind::Nothing,
    }
}

/// Where instruction `i`, number `at`, jumps to.
pub fn target(i: Instr, at: usize) -> Option<usize> {
    let offset = match kind(i.op()) {
        Kind::Jump => i.off32(),
        Kind::Branch if i.op() <= Op::JumpNotNone as u8 => i.off32(),
        Kind::Branch | Kind::ForIter | Kind::Send => i.off16(),
        _ => return None,
    };
    (at + 1).checked_add_signed(offset)
}

/// The branches of a code object: each with what follows it and where it leads.
pub fn branches(code: &Code) -> Vec<[usize; 3]> {
    let words = (0..code.body().instrs.len()).map(|i| Instr(monitor::plain_word(code, i)));
    let branch = |(at, i): (usize, Instr)| match kind(i.op()) {
        Kind::Branch | Kind::ForIter => Some([at, at + 1, target(i, at)?]),
        _ => None,
    };
    words.enumerate().filter_map(branch).collect()
}

/// Number of the instruction behind those that prepare a frame.
pub fn entry(code: &Code) -> usize {
    let op = |i| monitor::plain_word(code, i) as u8;
    let prepares = [Op::CopyFree, Op::MakeCell, Op::ReturnGenerator].map(|op| op as u8);
    let n = code.body().instrs.len();
    (0..n).find(|i| !prepares.contains(&op(*i))).unwrap_or(0)
}

/// The table of a code object that has none.
fn make_sites(code: &Code) -> Box<Sites> {
    let body = code.body();
    let words: Vec<Instr> = (0..body.instrs.len())
        .map(|i| Instr(monitor::plain_word(code, i)))
        .collect();
    let mut sites: Vec<Site> = words
        .iter()
        .map(|w| Site {
            op: w.op(),
            ..Site::default()
        })
        .collect();
    let start = entry(code);
    let mut line = u32::MAX;
    for (at, word) in words.iter().enumerate() {
        if word.op() == Op::Yield as u8 {
            sites[at].flags |= Site::YIELD;
            if let Some(next) = sites.get_mut(at + 1) {
                next.flags |= Site::RESUME;
            }
        }
        if at < start || word.op() == Op::Ext as u8 {
            continue;
        }
        if at == start {
            sites[at].flags |= Site::START;
        }
        // What has no line is in that of whatever came before.
        let own = code.position(at).line;
        if own != 0 && own != line {
            sites[at].flags |= Site::LINE;
            line = own;
        }
        if let Some(to) = target(*word, at) {
            lead(code, &mut sites, to);
        }
    }
    for h in body.handlers.iter() {
        lead(code, &mut sites, h.target as usize);
    }
    for (at, site) in sites.iter_mut().enumerate() {
        if let Some(call) = dropping_call(&words, at)
            && code.position(call).line != code.position(at).line
        {
            site.flags |= Site::DROPPED;
        }
    }
    // A module without any line has one, so that debuggers stop there.
    if line == u32::MAX && code.start_line() == 0 && start < sites.len() {
        sites[start].flags |= Site::LINE;
    }
    for (at, _) in code.marks() {
        if let Some(site) = sites.get_mut(at) {
            site.flags |= Site::LINE | Site::MARKED;
        }
    }
    Box::new(Sites {
        sites: sites.into(),
        local: Default::default(),
        active: Default::default(),
        restarts: 0.into(),
    })
}

/// The call before instruction `at`, if its result is dropped.
fn dropping_call(words: &[Instr], at: usize) -> Option<usize> {
    let last = at.checked_sub(1)?;
    let call = if words[last].op() == Op::Ext as u8 {
        last.checked_sub(1)?
    } else {
        last
    };
    let drops = kind(words[call].op()) == Kind::Call && words[call].a() == DISCARD as usize;
    drops.then_some(call)
}

/// A jump leads to `to`: the first instruction with a line from there on may begin it.
fn lead(code: &Code, sites: &mut [Site], to: usize) {
    let first = (to..sites.len()).find(|at| code.position(*at).line != 0);
    if let Some(first) = first {
        sites[first].flags |= Site::LINE;
    }
}

/// The table of a code object. Under the lock.
fn sites(code: &Code) -> &Sites {
    loop {
        match code.sites() {
            Some(x) => return x,
            None => code.set_sites(make_sites(code)),
        }
    }
}

/// Has the instructions of the code report what is asked for now. Under the lock.
pub fn refresh(state: &State, code: &Code) {
    let wanted = |e: usize| {
        let local = |tool: usize| match code.sites() {
            Some(x) => (x.local[tool].load(Relaxed) >> e & 1) as u8,
            None => 0,
        };
        (0..monitor::TOOLS).fold(monitor::tools(e), |all, tool| all | local(tool) << tool)
    };
    let wanted: [u8; monitor::LOCAL] = std::array::from_fn(wanted);
    if code.sites().is_none() && wanted == [0; monitor::LOCAL] {
        write_first(code);
        return;
    }
    let x = sites(code);
    let restarted = x.restarts.swap(state.restarts, Relaxed) != state.restarts;
    // Per event: what goes and what comes. What a tool has disabled in a place stays so.
    let change: [(u8, u8); monitor::LOCAL] = std::array::from_fn(|e| {
        let old = x.active[e].swap(wanted[e], Relaxed);
        let gone = old & !wanted[e];
        let come = if restarted {
            wanted[e]
        } else {
            wanted[e] & !old
        };
        (gone, come)
    });
    for (at, site) in x.sites.iter().enumerate() {
        change_site(site, &change);
        if at > 0 {
            write_word(code, x, at);
        }
    }
    // Whoever sees the first one sees all the others.
    write_first(code);
}

/// Adds to a place what has come and takes off what has gone.
fn change_site(site: &Site, change: &[(u8, u8); monitor::LOCAL]) {
    let apply = |tools: &AtomicU8, e: usize| {
        let (gone, come) = change[e];
        tools.store(tools.load(Relaxed) & !gone | come, Release);
    };
    if site.op == Op::Ext as u8 {
        return;
    }
    if site.flags & Site::START != 0 {
        apply(&site.entry, event::PY_START);
    } else if site.flags & Site::RESUME != 0 {
        apply(&site.entry, event::PY_RESUME);
    }
    if site.flags & Site::LINE != 0 {
        apply(&site.line, event::LINE);
    }
    apply(&site.instruction, event::INSTRUCTION);
    match kind(site.op) {
        Kind::Nothing => {}
        Kind::Return => apply(&site.main, event::PY_RETURN),
        Kind::Yield => apply(&site.main, event::PY_YIELD),
        Kind::Call => apply(&site.main, event::CALL),
        Kind::Jump => apply(&site.main, event::JUMP),
        Kind::Send => apply(&site.stop, event::STOP_ITERATION),
        Kind::EndAsyncFor => apply(&site.right, event::BRANCH_RIGHT),
        k @ (Kind::Branch | Kind::ForIter) => {
            apply(&site.main, event::BRANCH_LEFT);
            apply(&site.right, event::BRANCH_RIGHT);
            if k == Kind::ForIter {
                apply(&site.stop, event::STOP_ITERATION);
            }
        }
    }
}

/// Writes the opcode of instruction `at` that its entry asks for. Under the lock.
fn write_word(code: &Code, x: &Sites, at: usize) {
    let word = &code.body().instrs[at];
    let (site, now) = (&x.sites[at], word.load(Relaxed));
    let lines = x.active[event::LINE].load(Relaxed) != 0;
    let plain = if now as u8 == site.op {
        now
    } else {
        site.plain(now)
    };
    let new = if site.reports(lines) {
        let mark = if site.flags & Site::YIELD != 0 {
            YIELD_MARK
        } else {
            0
        };
        plain & !0xff | u64::from(INSTRUMENTED) | mark
    } else {
        plain
    };
    if new != now {
        word.store(new, Release);
    }
}

/// As [`write_word`] for the first instruction, also where there is no table.
fn write_first(code: &Code) {
    if let Some(x) = code.sites() {
        if !x.sites.is_empty() {
            write_word(code, x, 0);
        }
    } else if let Some(word) = code.body().instrs.first() {
        let now = word.load(Relaxed);
        if now as u8 == monitor::STALE {
            word.store(
                now & !0xff | u64::from(code.first_op.load(Relaxed)),
                Release,
            );
        }
    }
}

/// Takes a tool off the entry of an instruction, whose opcode may then be what it was.
fn disable(code: &Code, at: usize, tools: &AtomicU8, tool: usize) {
    let _state = monitor::state();
    tools.fetch_and(!(1 << tool), AcqRel);
    if let Some(x) = code.sites()
        && code.body().instrs[at].load(Relaxed) as u8 == INSTRUMENTED
    {
        write_word(code, x, at);
    }
}

/// Whether code may be entered at other places than its first instruction.
fn resumes(code: &Code) -> bool {
    code.flags & (32 | 128 | 512) != 0
}

/// Changes what tools ask for, everywhere.
pub fn change(t: &Thread, f: impl FnOnce(&mut State)) {
    while_stopped(t, || {
        let mut state = monitor::state();
        f(&mut state);
        state.publish();
        let any = (0..monitor::LOCAL).any(|e| monitor::tools(e) != 0);
        state.each_code(|code| {
            if resumes(code) {
                refresh(&state, code);
            } else if any || code.sites().is_some() {
                monitor::mark_stale(code);
            } else {
                write_first(code);
            }
        });
    });
}

/// What each tool wants to know of this code alone.
pub fn local_events(code: &Code, tool: usize) -> u32 {
    code.sites().map_or(0, |x| x.local[tool].load(Relaxed))
}

/// Changes that.
pub fn set_local_events(t: &Thread, code: &Code, tool: usize, events: u32) {
    if local_events(code, tool) == events {
        return;
    }
    while_stopped(t, || {
        let state = monitor::state();
        sites(code).local[tool].store(events, Relaxed);
        refresh(&state, code);
    });
}

/// Stops the world, runs `f`, and then brings all running frames up to date.
fn while_stopped(t: &Thread, f: impl FnOnce()) {
    weft_gc::world().stop(t.peer(), |stopped| {
        f();
        for peer in stopped.peers() {
            let other = peer.payload().thread();
            if !other.ext().is_null() {
                update_frames(other);
            }
        }
    });
}

/// Brings the code of all running frames up to date, and notes the line that each is in.
fn update_frames(other: &Thread) {
    let vm = other.vm();
    let mut lines = vm.lines.borrow_mut();
    let known = std::mem::take(&mut *lines);
    let mut f = vm.frames_base();
    while f < vm.frame_top() {
        // SAFETY: a frame of a thread that stands still, or of this one.
        let (code, line) = unsafe { ((*f).code(), (*f).line()) };
        // What is being reported may come before the line in which the frame is about to be.
        let reported = known.get(lines.len()).filter(|_| vm.reporting.get() == f);
        lines.push(reported.copied().unwrap_or(line));
        if code.body().instrs[0].load(Relaxed) as u8 == monitor::STALE {
            refresh(&monitor::state(), code);
        }
        f = f.wrapping_add(1);
    }
}
