//! Programs: code words checked, and translated into what the machine runs.

use super::code::{self, At, Fold, MAXREPEAT, Op};
use memchr::memmem::Finder;
use weft_objects::text::wtf8;

/// One instruction. Numbers that are not explained index [`Program::code`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Inst {
    /// A character of [`Program::ones`].
    One(u32),
    /// Several characters: of [`Program::texts`].
    Text(u32),
    Mark(u32),
    At(At),
    Jump(u32),
    /// Goes on behind this; failing that, at `next`. Nothing to go on with if the character here is not that of `first`.
    Split {
        next: u32,
        first: Option<u32>,
    },
    /// A repeated character, of [`Program::repeats`]: as many as possible, as few as possible, or all there are.
    Greedy(u32),
    Lazy(u32),
    Possessive(u32),
    /// Begins one of [`Program::loops`], and goes to its end.
    Begin(u32),
    MaxUntil(u32),
    MinUntil(u32),
    PossessiveBegin(u32),
    PossessiveEnd(u32),
    /// The text of a group again.
    Ref {
        group: u32,
        fold: Fold,
    },
    /// Goes to `no` if the group has not matched.
    IfGroup {
        group: u32,
        no: u32,
    },
    AtomicBegin,
    AtomicEnd,
    /// Looks ahead, or from so many characters back.
    LookBegin {
        back: u32,
    },
    LookEnd,
    NotBegin {
        back: u32,
        next: u32,
    },
    NotEnd,
    Success,
    Fail,
}

/// A test of one character.
#[derive(Clone)]
pub struct One {
    /// The answers for the first 256.
    pub low: [u64; 4],
    pub kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    Any,
    /// All but the newline.
    Line,
    Literal {
        code: u32,
        fold: Fold,
        not: bool,
    },
    /// The set from `at` to `end` of the code words.
    Set {
        at: u32,
        end: u32,
        fold: Fold,
    },
}

/// A repeated character.
pub struct Repeat {
    pub one: u32,
    pub min: usize,
    pub max: usize,
    /// The character that must follow.
    pub then: Option<u32>,
}

/// A repeated part.
pub struct Loop {
    pub min: usize,
    pub max: usize,
    pub body: u32,
    /// The instruction at the end of the body.
    pub until: u32,
}

/// Literal text.
pub struct Text {
    pub wtf8: Box<[u8]>,
    /// The same for bytes, if all of it is.
    pub bytes: Option<Box<[u8]>>,
}

/// Where matches can begin. There is one for each program: its size does not matter.
#[allow(clippy::large_enum_variant)]
pub enum Start {
    Anywhere,
    /// At the beginning only.
    Beginning,
    /// With this text.
    Text {
        wtf8: Finder<'static>,
        bytes: Option<Finder<'static>>,
    },
    /// With one of these characters below 256; the others may be all.
    First {
        low: [u64; 4],
    },
}

pub struct Program {
    /// The words that it was made of.
    pub words: Box<[u32]>,
    pub code: Vec<Inst>,
    pub ones: Vec<One>,
    pub texts: Vec<Text>,
    pub repeats: Vec<Repeat>,
    pub loops: Vec<Loop>,
    pub groups: usize,
    pub start: Start,
    /// Fewest characters of a match.
    pub min: usize,
    /// What characters are depends on the locale.
    pub locale: bool,
}

/// How deep patterns may be nested.
const DEPTH: usize = 3000;

impl Program {
    /// `None` if the words are no well-formed program with this many groups.
    pub fn new(words: Vec<u32>, groups: usize) -> Option<Program> {
        let (&last, body) = words.split_last()?;
        if groups > code::MAXGROUPS || last != Op::SUCCESS {
            return None;
        }
        let mut p = Program {
            words: Box::default(),
            code: Vec::new(),
            ones: Vec::new(),
            texts: Vec::new(),
            repeats: Vec::new(),
            loops: Vec::new(),
            groups,
            start: Start::Anywhere,
            min: 0,
            locale: false,
        };
        Translator {
            words: &words,
            p: &mut p,
        }
        .sequence(0, body.len(), 0)?;
        p.code.push(Inst::Success);
        p.words = words.into();
        for i in 0..p.ones.len() {
            p.ones[i].low = p.low_of(p.ones[i].kind);
        }
        p.locale = p.ones.iter().any(|o| o.depends_on_locale(&p.words));
        p.look_ahead();
        p.start = p.find_start();
        Some(p)
    }

    /// Whether a character is what `kind` says.
    pub fn matches(&self, kind: Kind, c: u32) -> bool {
        match kind {
            Kind::Any => true,
            Kind::Line => c != u32::from('\n'),
            Kind::Literal { code, fold, not } => code::is_folded(code, fold, c) != not,
            Kind::Set { at, end, fold } => {
                code::set_has_folded(&self.words[at as usize..end as usize], fold, c)
            }
        }
    }

    /// The characters below 256 that are what `kind` says.
    pub fn low_of(&self, kind: Kind) -> code::Low {
        match kind {
            Kind::Any => [u64::MAX; 4],
            Kind::Line => [!(1 << b'\n'), u64::MAX, u64::MAX, u64::MAX],
            Kind::Literal { code, fold, not } => {
                let low = code::literal_low(code, fold);
                if not { low.map(|w| !w) } else { low }
            }
            Kind::Set { at, end, fold } => {
                code::set_low(&self.words[at as usize..end as usize], fold)
            }
        }
    }

    /// Finds what follows each repeated character.
    fn look_ahead(&mut self) {
        for pc in 0..self.code.len() {
            if let Inst::Greedy(r) | Inst::Lazy(r) = self.code[pc] {
                self.repeats[r as usize].then = self.literal_at(pc + 1);
            }
        }
    }

    /// The character that the instructions from `pc` on begin with.
    fn literal_at(&self, mut pc: usize) -> Option<u32> {
        loop {
            match self.code[pc] {
                Inst::Mark(_) => pc += 1,
                Inst::Jump(to) if to as usize > pc => pc = to as usize,
                Inst::Text(i) => return wtf8::first(&self.texts[i as usize].wtf8).map(|(c, _)| c),
                Inst::One(i) => {
                    return match self.ones[i as usize].kind {
                        Kind::Literal {
                            code,
                            fold: Fold::None,
                            not: false,
                        } => Some(code),
                        _ => None,
                    };
                }
                _ => return None,
            }
        }
    }

    fn find_start(&self) -> Start {
        let first = self.code.iter().find(|i| !matches!(i, Inst::Mark(_)));
        match first {
            Some(Inst::At(At::Beginning)) => return Start::Beginning,
            Some(Inst::Text(i)) => {
                let text = &self.texts[*i as usize];
                let finder = |b: &[u8]| Finder::new(b).into_owned();
                return Start::Text {
                    wtf8: finder(&text.wtf8),
                    bytes: text.bytes.as_deref().map(finder),
                };
            }
            _ => {}
        }
        let mut low = [0; 4];
        match self.first_set(0, &mut low, 0) {
            Some(()) if !self.locale && low != [u64::MAX; 4] => Start::First { low },
            _ => Start::Anywhere,
        }
    }

    /// Adds what the instructions from `pc` on can begin with. `None`: there is no telling.
    fn first_set(&self, mut pc: usize, low: &mut [u64; 4], depth: usize) -> Option<()> {
        if depth > 50 {
            return None;
        }
        let add = |low: &mut [u64; 4], one: u32| {
            low.iter_mut()
                .zip(&self.ones[one as usize].low)
                .for_each(|(a, b)| *a |= b);
        };
        loop {
            match self.code[pc] {
                Inst::Mark(_) | Inst::At(_) | Inst::AtomicBegin => pc += 1,
                Inst::Jump(to) if to as usize > pc => pc = to as usize,
                Inst::One(i) => {
                    add(low, i);
                    return Some(());
                }
                Inst::Text(i) => {
                    let (c, _) = wtf8::first(&self.texts[i as usize].wtf8)?;
                    if c < 256 {
                        low[c as usize / 64] |= 1 << (c % 64);
                    }
                    return Some(());
                }
                Inst::Greedy(r) | Inst::Lazy(r) | Inst::Possessive(r) => {
                    let r = &self.repeats[r as usize];
                    add(low, r.one);
                    if r.min > 0 {
                        return Some(());
                    }
                    pc += 1;
                }
                Inst::Split { next, .. } => {
                    self.first_set(pc + 1, low, depth + 1)?;
                    pc = next as usize;
                }
                Inst::Begin(l) | Inst::PossessiveBegin(l) if self.loops[l as usize].min > 0 => {
                    pc = self.loops[l as usize].body as usize;
                }
                Inst::Begin(l) | Inst::PossessiveBegin(l) => {
                    let l = &self.loops[l as usize];
                    self.first_set(l.body as usize, low, depth + 1)?;
                    pc = l.until as usize + 1;
                }
                _ => return None,
            }
        }
    }
}

impl One {
    fn depends_on_locale(&self, words: &[u32]) -> bool {
        match self.kind {
            Kind::Literal { fold, .. } => fold == Fold::Locale,
            Kind::Set {
                fold: Fold::Locale, ..
            } => true,
            // Perhaps no category, but a number that looks like one: that does no harm.
            Kind::Set { at, end, .. } => {
                let set = &words[at as usize..end as usize];
                set.windows(2)
                    .any(|w| w[0] == Op::CATEGORY && matches!(w[1], 8 | 9))
            }
            _ => false,
        }
    }

    #[inline(always)]
    pub fn has_low(&self, c: u8) -> bool {
        self.low[usize::from(c >> 6)] >> (c & 63) & 1 != 0
    }
}

/// Checks that code words are a well-formed program, and translates it.
struct Translator<'a> {
    words: &'a [u32],
    p: &'a mut Program,
}

impl Translator<'_> {
    /// The word at `at`, if that is before `end`.
    fn word(&self, at: usize, end: usize) -> Option<usize> {
        if at < end {
            self.words.get(at).map(|w| *w as usize)
        } else {
            None
        }
    }

    /// Where the skip word at `at` leads to: not beyond `end`.
    fn target(&self, at: usize, end: usize) -> Option<usize> {
        let to = at + self.word(at, end)?;
        (to <= end).then_some(to)
    }

    fn is(&self, at: usize, op: u32) -> Option<()> {
        (*self.words.get(at)? == op).then_some(())
    }

    fn here(&self) -> u32 {
        self.p.code.len() as u32
    }

    fn emit(&mut self, i: Inst) -> usize {
        self.p.code.push(i);
        self.p.code.len() - 1
    }

    fn one(&mut self, kind: Kind) -> u32 {
        self.p.ones.push(One { low: [0; 4], kind });
        self.p.ones.len() as u32 - 1
    }

    /// Operations from `at` to `end`.
    fn sequence(&mut self, mut at: usize, end: usize, depth: usize) -> Option<()> {
        if at > end || depth > DEPTH {
            return None;
        }
        while at < end {
            at = match self.literals(at, end) {
                Some(next) => next,
                None => self.operation(at, end, depth + 1)?,
            };
        }
        (at == end).then_some(())
    }

    /// Two or more literals in a row become one text.
    fn literals(&mut self, at: usize, end: usize) -> Option<usize> {
        let mut next = at;
        let mut text = Vec::new();
        while next + 1 < end && self.words[next] == Op::LITERAL && self.words[next + 1] <= 0x10_ffff
        {
            text.push(self.words[next + 1]);
            next += 2;
        }
        if text.len() < 2 {
            return None;
        }
        let bytes = text
            .iter()
            .map(|c| u8::try_from(*c).ok())
            .collect::<Option<Box<[u8]>>>();
        self.p.texts.push(Text {
            wtf8: wtf8::collect(text).into(),
            bytes,
        });
        let i = self.p.texts.len() as u32 - 1;
        self.emit(Inst::Text(i));
        Some(next)
    }

    /// The test of a character that the operation at `at` is, and where the next operation is.
    fn single(&self, at: usize, end: usize) -> Option<(Kind, usize)> {
        let literal = |fold, not| {
            let code = self.word(at + 1, end)? as u32;
            Some((Kind::Literal { code, fold, not }, at + 2))
        };
        let set = |fold| {
            let to = self.target(at + 1, end)?;
            let last = to.checked_sub(1)?;
            self.set(at + 2, last)?;
            self.is(last, Op::FAILURE)?;
            Some((
                Kind::Set {
                    at: at as u32 + 2,
                    end: last as u32,
                    fold,
                },
                to,
            ))
        };
        match *self.words.get(at)? {
            Op::ANY => Some((Kind::Line, at + 1)),
            Op::ANY_ALL => Some((Kind::Any, at + 1)),
            Op::LITERAL => literal(Fold::None, false),
            Op::NOT_LITERAL => literal(Fold::None, true),
            Op::LITERAL_IGNORE => literal(Fold::Ascii, false),
            Op::NOT_LITERAL_IGNORE => literal(Fold::Ascii, true),
            Op::LITERAL_UNI_IGNORE => literal(Fold::Unicode, false),
            Op::NOT_LITERAL_UNI_IGNORE => literal(Fold::Unicode, true),
            Op::LITERAL_LOC_IGNORE => literal(Fold::Locale, false),
            Op::NOT_LITERAL_LOC_IGNORE => literal(Fold::Locale, true),
            Op::IN => set(Fold::None),
            Op::IN_IGNORE => set(Fold::Ascii),
            Op::IN_UNI_IGNORE => set(Fold::Unicode),
            Op::IN_LOC_IGNORE => set(Fold::Locale),
            _ => None,
        }
    }

    /// The operation at `at`: gives where the next one is.
    fn operation(&mut self, at: usize, end: usize, depth: usize) -> Option<usize> {
        let op = *self.words.get(at)?;
        let arg = at + 1;
        if let Some((kind, next)) = self.single(at, end) {
            let one = self.one(kind);
            self.emit(Inst::One(one));
            return Some(next);
        }
        match op {
            Op::SUCCESS => {
                self.emit(Inst::Success);
                Some(arg)
            }
            Op::FAILURE => {
                self.emit(Inst::Fail);
                Some(arg)
            }
            Op::MARK => {
                let mark = self.word(arg, end).filter(|m| *m < 2 * self.p.groups)?;
                self.emit(Inst::Mark(mark as u32));
                Some(arg + 1)
            }
            Op::AT => {
                let place = At::new(self.word(arg, end)? as u32)?;
                self.emit(Inst::At(place));
                Some(arg + 1)
            }
            Op::INFO => self.info(arg, end),
            Op::BRANCH => self.branch(arg, end, depth),
            Op::REPEAT_ONE | Op::MIN_REPEAT_ONE | Op::POSSESSIVE_REPEAT_ONE => {
                self.repeat_one(op, arg, end)
            }
            Op::REPEAT => self.repeat(arg, end, depth),
            Op::POSSESSIVE_REPEAT => self.possessive(arg, end, depth),
            Op::ATOMIC_GROUP => {
                let to = self.target(arg, end)?;
                self.emit(Inst::AtomicBegin);
                self.body(arg + 1, to, depth)?;
                self.emit(Inst::AtomicEnd);
                Some(to)
            }
            Op::ASSERT | Op::ASSERT_NOT => self.assertion(op == Op::ASSERT_NOT, arg, end, depth),
            Op::GROUPREF => self.reference(Fold::None, arg, end),
            Op::GROUPREF_IGNORE => self.reference(Fold::Ascii, arg, end),
            Op::GROUPREF_UNI_IGNORE => self.reference(Fold::Unicode, arg, end),
            Op::GROUPREF_LOC_IGNORE => self.reference(Fold::Locale, arg, end),
            Op::GROUPREF_EXISTS => self.conditional(arg, end, depth),
            _ => None,
        }
    }

    /// Operations from `at` on that end with SUCCESS just before `to`.
    fn body(&mut self, at: usize, to: usize, depth: usize) -> Option<()> {
        let last = to.checked_sub(1)?;
        self.is(last, Op::SUCCESS)?;
        self.sequence(at, last, depth)
    }

    /// The bounds of a repeat, `min` and `max`.
    fn bounds(&self, at: usize, end: usize) -> Option<(usize, usize)> {
        let (min, max) = (self.word(at, end)?, self.word(at + 1, end)?);
        let max = if max == MAXREPEAT as usize {
            usize::MAX
        } else {
            max
        };
        (min <= max).then_some((min, max))
    }

    fn repeat_one(&mut self, op: u32, at: usize, end: usize) -> Option<usize> {
        let to = self.target(at, end)?;
        let (min, max) = self.bounds(at + 1, end)?;
        let (kind, next) = self.single(at + 3, to)?;
        self.is(next, Op::SUCCESS)?;
        if next + 1 != to {
            return None;
        }
        let one = self.one(kind);
        self.p.repeats.push(Repeat {
            one,
            min,
            max,
            then: None,
        });
        let r = self.p.repeats.len() as u32 - 1;
        self.emit(match op {
            Op::REPEAT_ONE => Inst::Greedy(r),
            Op::MIN_REPEAT_ONE => Inst::Lazy(r),
            _ => Inst::Possessive(r),
        });
        Some(to)
    }

    /// A new loop, with where it begins.
    fn new_loop(&mut self, at: usize, end: usize) -> Option<(u32, usize)> {
        let (min, max) = self.bounds(at, end)?;
        self.p.loops.push(Loop {
            min,
            max,
            body: 0,
            until: 0,
        });
        Some((self.p.loops.len() as u32 - 1, at + 2))
    }

    fn repeat(&mut self, at: usize, end: usize, depth: usize) -> Option<usize> {
        let to = self.target(at, end)?;
        let (l, first) = self.new_loop(at + 1, end)?;
        self.emit(Inst::Begin(l));
        self.p.loops[l as usize].body = self.here();
        self.sequence(first, to, depth)?;
        let until = match self.word(to, end)? as u32 {
            Op::MAX_UNTIL => Inst::MaxUntil(l),
            Op::MIN_UNTIL => Inst::MinUntil(l),
            _ => return None,
        };
        self.p.loops[l as usize].until = self.emit(until) as u32;
        Some(to + 1)
    }

    fn possessive(&mut self, at: usize, end: usize, depth: usize) -> Option<usize> {
        let to = self.target(at, end)?;
        let (l, first) = self.new_loop(at + 1, end)?;
        self.emit(Inst::PossessiveBegin(l));
        self.p.loops[l as usize].body = self.here();
        self.sequence(first, to, depth)?;
        self.word(to, end)?;
        self.is(to, Op::SUCCESS)?;
        self.p.loops[l as usize].until = self.emit(Inst::PossessiveEnd(l)) as u32;
        Some(to + 1)
    }

    fn assertion(&mut self, not: bool, at: usize, end: usize, depth: usize) -> Option<usize> {
        let to = self.target(at, end)?;
        let back = self.word(at + 1, end).filter(|n| n & 0x8000_0000 == 0)? as u32;
        let begin = self.emit(Inst::LookBegin { back });
        self.body(at + 2, to, depth)?;
        if not {
            self.emit(Inst::NotEnd);
            self.p.code[begin] = Inst::NotBegin {
                back,
                next: self.here(),
            };
        } else {
            self.emit(Inst::LookEnd);
        }
        Some(to)
    }

    fn reference(&mut self, fold: Fold, at: usize, end: usize) -> Option<usize> {
        let group = self.word(at, end).filter(|g| *g < self.p.groups)? as u32;
        self.emit(Inst::Ref { group, fold });
        Some(at + 1)
    }

    /// `skip flags min max`, then a prefix or a set; of all that, the least width is of interest here.
    fn info(&mut self, at: usize, end: usize) -> Option<usize> {
        const PREFIX: usize = 1;
        const LITERAL: usize = 2;
        const CHARSET: usize = 4;
        let to = self.target(at, end)?;
        let flags = self.word(at + 1, to)?;
        let min = self.word(at + 2, to)?;
        self.word(at + 3, to)?;
        let next = at + 4;
        match flags {
            0 => (next == to).then_some(())?,
            CHARSET => {
                let last = to.checked_sub(1)?;
                self.set(next, last)?;
                self.is(last, Op::FAILURE)?;
            }
            f if f == PREFIX || f == PREFIX | LITERAL => {
                let (n, skip) = (self.word(next, to)?, self.word(next + 1, to)?);
                if skip > n || next + 2 + 2 * n != to {
                    return None;
                }
            }
            _ => return None,
        }
        if self.p.code.is_empty() {
            self.p.min = min;
        }
        Some(to)
    }

    /// `skip operations JUMP skip`, any number of times, and a zero skip. All jumps lead behind that.
    fn branch(&mut self, mut at: usize, end: usize, depth: usize) -> Option<usize> {
        let mut joined = None;
        let mut jumps = Vec::new();
        while self.word(at, end)? != 0 {
            let next = self.target(at, end)?;
            let jump = next.checked_sub(2)?;
            // The last one leaves nothing to fall back to.
            let last = self.word(next, end)? == 0;
            let split = if last {
                None
            } else {
                Some(self.emit(Inst::Fail))
            };
            let begin = self.p.code.len();
            self.sequence(at + 1, jump, depth)?;
            self.is(jump, Op::JUMP)?;
            let to = self.target(jump + 1, end)?;
            if joined.is_some_and(|j| j != to) {
                return None;
            }
            joined = Some(to);
            if let Some(split) = split {
                jumps.push(self.emit(Inst::Fail));
                let first = self.first_one(begin);
                self.p.code[split] = Inst::Split {
                    next: self.here(),
                    first,
                };
            }
            at = next;
        }
        for j in jumps {
            self.p.code[j] = Inst::Jump(self.here());
        }
        (joined? == at + 1).then_some(at + 1)
    }

    /// The test that the instructions from `begin` on begin with.
    fn first_one(&mut self, begin: usize) -> Option<u32> {
        let first = self.p.code[begin..]
            .iter()
            .find(|i| !matches!(i, Inst::Mark(_)));
        match *first? {
            Inst::One(i) => Some(i),
            Inst::Text(i) => {
                let (code, _) = wtf8::first(&self.p.texts[i as usize].wtf8)?;
                Some(self.one(Kind::Literal {
                    code,
                    fold: Fold::None,
                    not: false,
                }))
            }
            Inst::Greedy(r) | Inst::Lazy(r) | Inst::Possessive(r) => {
                let r = &self.p.repeats[r as usize];
                (r.min > 0).then_some(r.one)
            }
            _ => None,
        }
    }

    /// `group skip operations`, then perhaps `JUMP skip operations`. The first skip counts from the group.
    fn conditional(&mut self, at: usize, end: usize, depth: usize) -> Option<usize> {
        let group = self.word(at, end).filter(|g| *g < self.p.groups)? as u32;
        let no = at + self.word(at + 1, end)?;
        if no > end || no < at + 2 {
            return None;
        }
        let test = self.emit(Inst::Fail);
        // The yes part ends with a jump over the no part; what merely looks like one is no jump.
        let to = (no >= at + 4)
            .then(|| {
                self.is(no - 2, Op::JUMP)
                    .and_then(|()| self.target(no - 1, end))
            })
            .flatten()
            .filter(|to| *to >= no);
        let (code, ones, texts) = (self.p.code.len(), self.p.ones.len(), self.p.texts.len());
        let (repeats, loops) = (self.p.repeats.len(), self.p.loops.len());
        if let Some(to) = to
            && self.sequence(at + 2, no - 2, depth).is_some()
        {
            let jump = self.emit(Inst::Fail);
            self.p.code[test] = Inst::IfGroup {
                group,
                no: self.here(),
            };
            self.sequence(no, to, depth)?;
            self.p.code[jump] = Inst::Jump(self.here());
            return Some(to);
        }
        self.p.code.truncate(code);
        self.p.ones.truncate(ones);
        self.p.texts.truncate(texts);
        self.p.repeats.truncate(repeats);
        self.p.loops.truncate(loops);
        self.sequence(at + 2, no, depth)?;
        self.p.code[test] = Inst::IfGroup {
            group,
            no: self.here(),
        };
        Some(no)
    }

    /// A character set from `at` to `end`, its closing FAILURE not among it.
    fn set(&self, mut at: usize, end: usize) -> Option<()> {
        if at > end {
            return None;
        }
        while at < end {
            at = match *self.words.get(at)? {
                Op::NEGATE => at + 1,
                Op::LITERAL => at + 2,
                Op::RANGE | Op::RANGE_UNI_IGNORE => at + 3,
                Op::CHARSET => at + 9,
                Op::BIGCHARSET => {
                    let blocks = self.word(at + 1, end)?;
                    let indexes = self.words.get(at + 2..at + 66)?;
                    if indexes
                        .iter()
                        .flat_map(|w| w.to_ne_bytes())
                        .any(|b| usize::from(b) >= blocks)
                    {
                        return None;
                    }
                    at + 66 + blocks * 8
                }
                Op::CATEGORY => {
                    code::is_category(self.word(at + 1, end)? as u32).then_some(())?;
                    at + 2
                }
                _ => return None,
            };
        }
        (at == end).then_some(())
    }
}
