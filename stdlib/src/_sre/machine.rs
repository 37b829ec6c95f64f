//! The machine that runs programs: backtracking with a stack of its own, on bytes or on the bytes of a str.
//!
//! Positions are byte offsets. What an operation changes beside the position (marks, counts of loops) is noted on the stack and
//! put back when the stack is unwound, so that only what is on the way to a match is ever seen.

use super::code::{At, Fold, Words};
use super::program::{Inst, Kind, One, Program, Repeat, Start};
use memchr::{memchr, memchr2};
use weft_objects::prelude::*;
use weft_objects::runtime;
use weft_objects::text::wtf8;

/// No position.
pub const UNSET: usize = usize::MAX;

/// What to go back to, or to put back.
#[derive(Clone, Copy)]
enum Entry {
    /// Go on there.
    Alternative {
        pc: u32,
        pos: usize,
    },
    /// The same after leaving a frame.
    Leave {
        pc: u32,
        pos: usize,
    },
    /// Nothing but leave a frame.
    Frame,
    /// A repeat that ends somewhere from `min` to `pos`.
    Greedy {
        pc: u32,
        min: usize,
        pos: usize,
    },
    /// A repeat that may take up to `left` more.
    Lazy {
        pc: u32,
        pos: usize,
        left: usize,
    },
    /// A loop that may go round again.
    Again {
        id: u32,
        pos: usize,
        count: usize,
    },
    Mark {
        mark: u32,
        old: usize,
        last: usize,
    },
    Loop {
        id: u32,
        count: usize,
        last: usize,
    },
}

/// A part that is matched for itself.
#[derive(Clone, Copy)]
struct Frame {
    /// Height of the stack when it began.
    height: usize,
    pos: usize,
}

/// A loop's state: rounds made (one less than none before the first), and where the last one began.
#[derive(Clone, Copy, Default)]
struct Round {
    count: usize,
    last: usize,
}

/// Room for a run, used again and again.
#[derive(Default)]
pub struct Machine {
    stack: Vec<Entry>,
    frames: Vec<Frame>,
    rounds: Vec<Round>,
    /// Start and end of each group.
    pub marks: Vec<usize>,
    /// The group closed last; 0 for none.
    pub last: usize,
    /// Where the match begins and ends.
    pub start: usize,
    pub end: usize,
}

/// Most entries of the stack.
const DEEPEST: usize = 1 << 27;
/// Steps back after which other demands on the thread are looked after.
const FUEL: u32 = 4096;

/// What is matched, and how.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    pub program: &'a Program,
    /// The tests of characters: the program's, or (if it depends on the locale) made for now.
    pub ones: &'a [One],
    /// Up to where matches may go.
    pub hay: &'a [u8],
    /// They are bytes and no str.
    pub bytes: bool,
    /// The match must end at the end.
    pub full: bool,
    /// Where it must not end.
    pub forbidden: usize,
}

impl Machine {
    /// Whether it is worth keeping for the next run.
    pub fn is_small(&self) -> bool {
        self.stack.capacity() < 4096
            && self.marks.capacity() < 4096
            && self.rounds.capacity() < 4096
    }

    /// Whether there is a match at `at`. `WIDE`: characters may take several bytes.
    pub fn matches<const WIDE: bool>(
        &mut self,
        t: &mut Thread,
        job: &Job<'_>,
        at: usize,
    ) -> Res<bool> {
        self.start = at;
        run::<WIDE>(self, t, job, at)
    }

    /// Whether there is a match at `at` or further on.
    pub fn search<const WIDE: bool>(
        &mut self,
        t: &mut Thread,
        job: &Job<'_>,
        mut at: usize,
    ) -> Res<bool> {
        loop {
            match candidate::<WIDE>(job, at) {
                Some(c) => at = c,
                None => return Ok(false),
            }
            if self.matches::<WIDE>(t, job, at)? {
                return Ok(true);
            }
            if at >= job.hay.len() {
                return Ok(false);
            }
            at += if WIDE { wtf8::width(job.hay[at]) } else { 1 };
        }
    }

    fn mark(&mut self, mark: u32, pos: usize) {
        let i = mark as usize;
        if !self.stack.is_empty() {
            self.stack.push(Entry::Mark {
                mark,
                old: self.marks[i],
                last: self.last,
            });
        }
        self.marks[i] = pos;
        if mark & 1 == 1 {
            self.last = i / 2 + 1;
        }
    }

    fn set_round(&mut self, id: u32, to: Round) {
        let r = &mut self.rounds[id as usize];
        self.stack.push(Entry::Loop {
            id,
            count: r.count,
            last: r.last,
        });
        *r = to;
    }

    fn enter(&mut self, pos: usize, entry: Entry) {
        self.frames.push(Frame {
            height: self.stack.len(),
            pos,
        });
        self.stack.push(entry);
    }

    /// Leaves a frame whose part has matched: nothing in it is gone back to, but what it changed can be put back.
    fn cut(&mut self) -> usize {
        let Some(f) = self.frames.pop() else { return 0 };
        let mut keep = f.height;
        for i in f.height..self.stack.len() {
            if let Entry::Mark { .. } | Entry::Loop { .. } = self.stack[i] {
                self.stack[keep] = self.stack[i];
                keep += 1;
            }
        }
        self.stack.truncate(keep);
        f.pos
    }

    /// Puts back what has changed since a frame began, and leaves it.
    fn undo_frame(&mut self) {
        let Some(f) = self.frames.pop() else { return };
        while self.stack.len() > f.height {
            if let Some(e) = self.stack.pop() {
                self.undo(e);
            }
        }
    }

    #[inline(always)]
    fn undo(&mut self, e: Entry) {
        match e {
            Entry::Mark { mark, old, last } => {
                self.marks[mark as usize] = old;
                self.last = last;
            }
            Entry::Loop { id, count, last } => self.rounds[id as usize] = Round { count, last },
            _ => {}
        }
    }

    fn group(&self, group: u32) -> Option<(usize, usize)> {
        let (a, b) = (
            self.marks[2 * group as usize],
            self.marks[2 * group as usize + 1],
        );
        (a != UNSET && b != UNSET && a <= b).then_some((a, b))
    }
}

/// The first place from `at` on where a match may begin.
fn candidate<const WIDE: bool>(job: &Job<'_>, at: usize) -> Option<usize> {
    let hay = job.hay;
    if at > hay.len() || hay.len() - at < job.program.min {
        return None;
    }
    match &job.program.start {
        Start::Anywhere => Some(at),
        Start::Beginning => (at == 0).then_some(0),
        Start::Text { wtf8, bytes } => {
            let finder = if job.bytes { bytes.as_ref()? } else { wtf8 };
            finder.find(&hay[at..]).map(|i| at + i)
        }
        Start::First { low } => {
            let has = |b: u8| low[usize::from(b >> 6)] >> (b & 63) & 1 != 0;
            if !WIDE {
                return hay[at..].iter().position(|b| has(*b)).map(|i| at + i);
            }
            let mut at = at;
            while at < hay.len() {
                let (c, n) = wtf8::decode_at(hay, at);
                if u8::try_from(c).map_or(true, has) {
                    return Some(at);
                }
                at += n;
            }
            None
        }
    }
}

/// Where the character at `pos` ends, if it is what `one` asks for.
#[inline(always)]
fn step<const WIDE: bool>(job: &Job<'_>, one: &One, pos: usize) -> Option<usize> {
    let b = *job.hay.get(pos)?;
    if !WIDE || b < 128 {
        return one.has_low(b).then_some(pos + 1);
    }
    step_wide(job, one, pos)
}

#[inline(never)]
fn step_wide(job: &Job<'_>, one: &One, pos: usize) -> Option<usize> {
    let (c, n) = wtf8::decode_at(job.hay, pos);
    let hit = match u8::try_from(c) {
        Ok(c) => one.has_low(c),
        Err(_) => job.program.matches(one.kind, c),
    };
    hit.then_some(pos + n)
}

/// Goes over at most `max` characters that are what `one` asks for.
#[inline(always)]
fn run_of<const WIDE: bool>(job: &Job<'_>, one: &One, mut pos: usize, max: usize) -> usize {
    let hay = job.hay;
    if !WIDE || max == usize::MAX {
        let end = if WIDE {
            hay.len()
        } else {
            pos.saturating_add(max).min(hay.len())
        };
        match one.kind {
            Kind::Any => return end,
            Kind::Line => return memchr(b'\n', &hay[pos..end]).map_or(end, |i| pos + i),
            Kind::Literal {
                code,
                fold: Fold::None,
                not: true,
            } if code < 128 => {
                return memchr(code as u8, &hay[pos..end]).map_or(end, |i| pos + i);
            }
            _ if !WIDE => {
                return hay[pos..end]
                    .iter()
                    .position(|b| !one.has_low(*b))
                    .map_or(end, |i| pos + i);
            }
            _ => {}
        }
    }
    let mut left = max;
    while left > 0 {
        match step::<WIDE>(job, one, pos) {
            Some(next) => pos = next,
            None => break,
        }
        left -= 1;
    }
    pos
}

#[inline(always)]
fn back<const WIDE: bool>(hay: &[u8], pos: usize) -> usize {
    if WIDE {
        wtf8::previous(hay, pos)
    } else {
        pos - 1
    }
}

/// Whether the character `c` is at `pos`.
#[inline(always)]
fn is_at<const WIDE: bool>(hay: &[u8], pos: usize, c: u32) -> bool {
    match hay.get(pos) {
        None => false,
        Some(b) if !WIDE || c < 128 => u32::from(*b) == c,
        Some(_) => wtf8::decode_at(hay, pos).0 == c,
    }
}

/// The last place from `pos` down to `min` where a repeat can end.
#[inline(always)]
fn greedy_end<const WIDE: bool>(
    hay: &[u8],
    r: &Repeat,
    min: usize,
    mut pos: usize,
) -> Option<usize> {
    let Some(c) = r.then else { return Some(pos) };
    if c < 128 {
        let end = (pos + 1).min(hay.len());
        return memchr::memrchr(c as u8, hay.get(min..end)?).map(|i| min + i);
    }
    while !is_at::<WIDE>(hay, pos, c) {
        if pos <= min {
            return None;
        }
        pos = back::<WIDE>(hay, pos);
    }
    Some(pos)
}

/// The first place from `pos` on where a repeat that takes at most `left` more can end, with what is left then.
#[inline(always)]
fn lazy_end<const WIDE: bool>(
    job: &Job<'_>,
    r: &Repeat,
    mut pos: usize,
    mut left: usize,
) -> Option<(usize, usize)> {
    let Some(c) = r.then else {
        return Some((pos, left));
    };
    let one = &job.ones[r.one as usize];
    if c < 128 && left == usize::MAX {
        let rest = job.hay.get(pos..)?;
        match one.kind {
            Kind::Any => return memchr(c as u8, rest).map(|i| (pos + i, left)),
            Kind::Line => {
                let i = memchr2(c as u8, b'\n', rest)?;
                return (rest[i] == c as u8).then_some((pos + i, left));
            }
            _ => {}
        }
    }
    while !is_at::<WIDE>(job.hay, pos, c) {
        if left == 0 {
            return None;
        }
        pos = step::<WIDE>(job, one, pos)?;
        left = less(left);
    }
    Some((pos, left))
}

/// One less, unless it is without limit.
#[inline(always)]
fn less(left: usize) -> usize {
    if left == usize::MAX { left } else { left - 1 }
}

fn is_place<const WIDE: bool>(hay: &[u8], at: At, pos: usize) -> bool {
    let end = hay.len();
    match at {
        At::Beginning => pos == 0,
        At::BeginningLine => pos == 0 || hay[pos - 1] == b'\n',
        At::End => pos == end || pos + 1 == end && hay[pos] == b'\n',
        At::EndLine => pos == end || hay[pos] == b'\n',
        At::EndString => pos == end,
        At::Boundary(w) => {
            end > 0 && is_word_before::<WIDE>(hay, w, pos) != is_word_at::<WIDE>(hay, w, pos)
        }
        At::NotBoundary(w) => {
            is_word_before::<WIDE>(hay, w, pos) == is_word_at::<WIDE>(hay, w, pos)
        }
    }
}

#[inline]
fn is_word_at<const WIDE: bool>(hay: &[u8], w: Words, pos: usize) -> bool {
    match hay.get(pos) {
        None => false,
        Some(b) if !WIDE => w.has(u32::from(*b)),
        Some(_) => w.has(wtf8::decode_at(hay, pos).0),
    }
}

#[inline]
fn is_word_before<const WIDE: bool>(hay: &[u8], w: Words, pos: usize) -> bool {
    match pos {
        0 => false,
        _ if !WIDE => w.has(u32::from(hay[pos - 1])),
        _ => w.has(wtf8::decode_before(hay, pos).0),
    }
}

/// `n` characters before `pos`, if there are so many.
fn back_by<const WIDE: bool>(hay: &[u8], pos: usize, n: u32) -> Option<usize> {
    if !WIDE {
        return pos.checked_sub(n as usize);
    }
    let mut pos = pos;
    for _ in 0..n {
        if pos == 0 {
            return None;
        }
        pos = wtf8::previous(hay, pos);
    }
    Some(pos)
}

/// Where the text of a group ends if it is here again.
fn again<const WIDE: bool>(
    hay: &[u8],
    (a, b): (usize, usize),
    fold: Fold,
    pos: usize,
) -> Option<usize> {
    if fold == Fold::None {
        return hay[pos..].starts_with(&hay[a..b]).then_some(pos + b - a);
    }
    let char_at = |at: usize| {
        if WIDE {
            wtf8::decode_at(hay, at)
        } else {
            (u32::from(hay[at]), 1)
        }
    };
    let (mut from, mut to) = (a, pos);
    while from < b {
        if to >= hay.len() {
            return None;
        }
        let ((c, n), (d, m)) = (char_at(from), char_at(to));
        if fold.lower(c) != fold.lower(d) {
            return None;
        }
        from += n;
        to += m;
    }
    Some(to)
}

/// Looks after what others ask of the thread.
#[cold]
#[inline(never)]
fn refuel(m: &mut Machine, t: &mut Thread) -> Res<()> {
    // Between two such looks there are fewer steps, each of which puts one or two there.
    if m.stack.len() > DEEPEST || m.stack.try_reserve(2 * FUEL as usize).is_err() {
        return Err(t.memory_error());
    }
    if t.interrupted() {
        runtime::safepoint(t)
    } else {
        Ok(())
    }
}

/// Runs the program from its beginning at `at`.
fn run<const WIDE: bool>(m: &mut Machine, t: &mut Thread, job: &Job<'_>, at: usize) -> Res<bool> {
    let p = job.program;
    let code = &p.code[..];
    let hay = job.hay;
    m.stack.clear();
    m.frames.clear();
    m.marks.clear();
    m.marks.resize(2 * p.groups, UNSET);
    m.rounds.resize(p.loops.len(), Round::default());
    m.last = 0;
    let mut fuel = FUEL;
    macro_rules! burn {
        () => {
            fuel -= 1;
            if fuel == 0 {
                fuel = FUEL;
                refuel(m, t)?;
            }
        };
    }
    let (mut pc, mut pos) = (0, at);
    loop {
        // Goes on as long as things match.
        loop {
            match code[pc] {
                Inst::One(i) => match step::<WIDE>(job, &job.ones[i as usize], pos) {
                    Some(next) => {
                        pos = next;
                        pc += 1;
                    }
                    None => break,
                },
                Inst::Text(i) => {
                    let text = &p.texts[i as usize];
                    let text = if job.bytes {
                        text.bytes.as_deref()
                    } else {
                        Some(&*text.wtf8)
                    };
                    match text {
                        Some(text) if hay[pos..].starts_with(text) => pos += text.len(),
                        _ => break,
                    }
                    pc += 1;
                }
                Inst::Mark(i) => {
                    m.mark(i, pos);
                    pc += 1;
                }
                Inst::At(place) => {
                    if !is_place::<WIDE>(hay, place, pos) {
                        break;
                    }
                    pc += 1;
                }
                Inst::Jump(to) => pc = to as usize,
                Inst::Split { next, first } => {
                    let here = first
                        .is_none_or(|i| step::<WIDE>(job, &job.ones[i as usize], pos).is_some());
                    if here {
                        m.stack.push(Entry::Alternative { pc: next, pos });
                        pc += 1;
                    } else {
                        pc = next as usize;
                    }
                }
                Inst::Greedy(i) | Inst::Possessive(i) => {
                    let r = &p.repeats[i as usize];
                    let one = &job.ones[r.one as usize];
                    let Some(min) = least::<WIDE>(job, one, pos, r.min) else {
                        break;
                    };
                    let max = run_of::<WIDE>(
                        job,
                        one,
                        min,
                        r.max.saturating_sub(r.min) | limitless(r.max),
                    );
                    if matches!(code[pc], Inst::Possessive(_)) {
                        pos = max;
                    } else {
                        let Some(end) = greedy_end::<WIDE>(hay, r, min, max) else {
                            break;
                        };
                        if end > min {
                            let pos = back::<WIDE>(hay, end);
                            m.stack.push(Entry::Greedy {
                                pc: pc as u32,
                                min,
                                pos,
                            });
                        }
                        pos = end;
                    }
                    pc += 1;
                }
                Inst::Lazy(i) => {
                    let r = &p.repeats[i as usize];
                    let Some(min) = least::<WIDE>(job, &job.ones[r.one as usize], pos, r.min)
                    else {
                        break;
                    };
                    let left = (r.max - r.min) | limitless(r.max);
                    let Some((end, left)) = lazy_end::<WIDE>(job, r, min, left) else {
                        break;
                    };
                    if left > 0 {
                        m.stack.push(Entry::Lazy {
                            pc: pc as u32,
                            pos: end,
                            left,
                        });
                    }
                    pos = end;
                    pc += 1;
                }
                Inst::Begin(id) => {
                    m.set_round(
                        id,
                        Round {
                            count: usize::MAX,
                            last: UNSET,
                        },
                    );
                    pc = p.loops[id as usize].until as usize;
                }
                Inst::MaxUntil(id) => {
                    burn!();
                    let l = &p.loops[id as usize];
                    let r = m.rounds[id as usize];
                    let count = r.count.wrapping_add(1);
                    if count < l.min {
                        m.set_round(
                            id,
                            Round {
                                count,
                                last: r.last,
                            },
                        );
                        pc = l.body as usize;
                    } else if count < l.max && pos != r.last {
                        m.stack.push(Entry::Alternative {
                            pc: pc as u32 + 1,
                            pos,
                        });
                        m.set_round(id, Round { count, last: pos });
                        pc = l.body as usize;
                    } else {
                        pc += 1;
                    }
                }
                Inst::MinUntil(id) => {
                    burn!();
                    let l = &p.loops[id as usize];
                    let r = m.rounds[id as usize];
                    let count = r.count.wrapping_add(1);
                    if count < l.min {
                        m.set_round(
                            id,
                            Round {
                                count,
                                last: r.last,
                            },
                        );
                        pc = l.body as usize;
                    } else {
                        if count < l.max && pos != r.last {
                            m.stack.push(Entry::Again { id, pos, count });
                        }
                        pc += 1;
                    }
                }
                Inst::PossessiveBegin(id) => {
                    m.set_round(
                        id,
                        Round {
                            count: 0,
                            last: UNSET,
                        },
                    );
                    pc = possessive_round(m, job, id, pos);
                }
                Inst::PossessiveEnd(id) => {
                    burn!();
                    m.cut();
                    let r = m.rounds[id as usize];
                    m.set_round(
                        id,
                        Round {
                            count: r.count + 1,
                            last: r.last,
                        },
                    );
                    pc = possessive_round(m, job, id, pos);
                }
                Inst::Ref { group, fold } => {
                    let Some(next) = m
                        .group(group)
                        .and_then(|g| again::<WIDE>(hay, g, fold, pos))
                    else {
                        break;
                    };
                    pos = next;
                    pc += 1;
                }
                Inst::IfGroup { group, no } => {
                    pc = if m.group(group).is_some() {
                        pc + 1
                    } else {
                        no as usize
                    };
                }
                Inst::AtomicBegin => {
                    m.enter(pos, Entry::Frame);
                    pc += 1;
                }
                Inst::AtomicEnd => {
                    m.cut();
                    pc += 1;
                }
                Inst::LookBegin { back } => {
                    let Some(from) = back_by::<WIDE>(hay, pos, back) else {
                        break;
                    };
                    m.enter(pos, Entry::Frame);
                    pos = from;
                    pc += 1;
                }
                Inst::LookEnd => {
                    pos = m.cut();
                    pc += 1;
                }
                Inst::NotBegin { back, next } => match back_by::<WIDE>(hay, pos, back) {
                    // Before the beginning there is nothing that could match.
                    None => pc = next as usize,
                    Some(from) => {
                        m.enter(pos, Entry::Leave { pc: next, pos });
                        pos = from;
                        pc += 1;
                    }
                },
                Inst::NotEnd => {
                    m.undo_frame();
                    break;
                }
                Inst::Success => {
                    if job.full && pos != hay.len() || pos == job.forbidden {
                        break;
                    }
                    m.end = pos;
                    return Ok(true);
                }
                Inst::Fail => break,
            }
        }
        // Goes back to where something else can be tried.
        loop {
            burn!();
            let Some(e) = m.stack.pop() else {
                return Ok(false);
            };
            match e {
                Entry::Alternative { pc: to, pos: at } => {
                    (pc, pos) = (to as usize, at);
                    break;
                }
                Entry::Leave { pc: to, pos: at } => {
                    m.frames.pop();
                    (pc, pos) = (to as usize, at);
                    break;
                }
                Entry::Frame => {
                    m.frames.pop();
                }
                Entry::Greedy {
                    pc: at,
                    min,
                    pos: from,
                } => {
                    if let Inst::Greedy(i) = code[at as usize]
                        && let Some(end) =
                            greedy_end::<WIDE>(hay, &p.repeats[i as usize], min, from)
                    {
                        if end > min {
                            let pos = back::<WIDE>(hay, end);
                            m.stack.push(Entry::Greedy { pc: at, min, pos });
                        }
                        (pc, pos) = (at as usize + 1, end);
                        break;
                    }
                }
                Entry::Lazy {
                    pc: at,
                    pos: from,
                    left,
                } => {
                    if let Inst::Lazy(i) = code[at as usize] {
                        let r = &p.repeats[i as usize];
                        let next = step::<WIDE>(job, &job.ones[r.one as usize], from);
                        if let Some((end, left)) =
                            next.and_then(|n| lazy_end::<WIDE>(job, r, n, less(left)))
                        {
                            if left > 0 {
                                m.stack.push(Entry::Lazy {
                                    pc: at,
                                    pos: end,
                                    left,
                                });
                            }
                            (pc, pos) = (at as usize + 1, end);
                            break;
                        }
                    }
                }
                Entry::Again { id, pos: at, count } => {
                    m.set_round(id, Round { count, last: at });
                    (pc, pos) = (p.loops[id as usize].body as usize, at);
                    break;
                }
                e => m.undo(e),
            }
        }
    }
}

/// All ones if there is no limit.
#[inline(always)]
fn limitless(max: usize) -> usize {
    if max == usize::MAX { usize::MAX } else { 0 }
}

/// Goes over exactly `n` characters.
#[inline(always)]
fn least<const WIDE: bool>(job: &Job<'_>, one: &One, mut pos: usize, n: usize) -> Option<usize> {
    if n > job.hay.len() - pos {
        return None;
    }
    for _ in 0..n {
        pos = step::<WIDE>(job, one, pos)?;
    }
    Some(pos)
}

/// Another round of a possessive loop, or what follows it. Each round is matched for itself.
fn possessive_round(m: &mut Machine, job: &Job<'_>, id: u32, pos: usize) -> usize {
    let l = &job.program.loops[id as usize];
    let r = m.rounds[id as usize];
    if r.count < l.min {
        m.enter(pos, Entry::Frame);
    } else if r.count < l.max && pos != r.last {
        m.set_round(
            id,
            Round {
                count: r.count,
                last: pos,
            },
        );
        m.enter(
            pos,
            Entry::Leave {
                pc: l.until + 1,
                pos,
            },
        );
    } else {
        return l.until as usize + 1;
    }
    l.body as usize
}
