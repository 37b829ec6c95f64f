//! Checks that code words are a well-formed program, so that running them cannot go astray.

use rustpython_sre_engine::{
    MAXGROUPS, MAXREPEAT, SreAtCode, SreCatCode, SreInfo, SreOpcode as Op,
};

/// Whether `code` is a program with this many groups.
pub fn is_valid(code: &[u32], groups: usize) -> bool {
    let Some((&last, body)) = code.split_last() else {
        return false;
    };
    groups <= MAXGROUPS
        && last == Op::SUCCESS as u32
        && Checker { code, groups }
            .sequence(0, body.len(), 0)
            .is_some()
}

struct Checker<'a> {
    code: &'a [u32],
    groups: usize,
}

/// How deep patterns may be nested.
const DEPTH: usize = 10_000;

impl Checker<'_> {
    /// The word at `at`, if that is before `end`.
    fn word(&self, at: usize, end: usize) -> Option<usize> {
        if at < end {
            self.code.get(at).map(|w| *w as usize)
        } else {
            None
        }
    }

    /// Where the skip word at `at` leads to: not beyond `end`.
    fn target(&self, at: usize, end: usize) -> Option<usize> {
        let to = at + self.word(at, end)?;
        (to <= end).then_some(to)
    }

    fn is(&self, at: usize, op: Op) -> Option<()> {
        (*self.code.get(at)? == op as u32).then_some(())
    }

    /// Operations from `at` to `end`.
    fn sequence(&self, mut at: usize, end: usize, depth: usize) -> Option<()> {
        if at > end || depth > DEPTH {
            return None;
        }
        while at < end {
            at = self.operation(at, end, depth + 1)?;
        }
        (at == end).then_some(())
    }

    /// The operation at `at`: gives where the next one is.
    fn operation(&self, at: usize, end: usize, depth: usize) -> Option<usize> {
        let op = Op::try_from(*self.code.get(at)?).ok()?;
        let arg = at + 1;
        match op {
            Op::SUCCESS | Op::FAILURE | Op::ANY | Op::ANY_ALL => Some(arg),
            Op::MARK => (self.word(arg, end)? < 2 * self.groups).then_some(arg + 1),
            Op::LITERAL
            | Op::NOT_LITERAL
            | Op::LITERAL_IGNORE
            | Op::NOT_LITERAL_IGNORE
            | Op::LITERAL_UNI_IGNORE
            | Op::NOT_LITERAL_UNI_IGNORE
            | Op::LITERAL_LOC_IGNORE
            | Op::NOT_LITERAL_LOC_IGNORE => self.word(arg, end).map(|_| arg + 1),
            Op::AT => {
                SreAtCode::try_from(self.word(arg, end)? as u32).ok()?;
                Some(arg + 1)
            }
            Op::IN | Op::IN_IGNORE | Op::IN_UNI_IGNORE | Op::IN_LOC_IGNORE => {
                let to = self.target(arg, end)?;
                self.set(arg + 1, to.checked_sub(1)?)?;
                self.is(to - 1, Op::FAILURE)?;
                Some(to)
            }
            Op::INFO => self.info(arg, end),
            Op::BRANCH => self.branch(arg, end, depth),
            Op::REPEAT_ONE | Op::MIN_REPEAT_ONE | Op::POSSESSIVE_REPEAT_ONE | Op::ATOMIC_GROUP => {
                let to = self.target(arg, end)?;
                let first = if op == Op::ATOMIC_GROUP {
                    arg + 1
                } else {
                    self.bounds(arg + 1, end)?
                };
                self.sequence(first, to.checked_sub(1)?, depth)?;
                self.is(to - 1, Op::SUCCESS)?;
                Some(to)
            }
            Op::REPEAT | Op::POSSESSIVE_REPEAT => {
                let to = self.target(arg, end)?;
                let first = self.bounds(arg + 1, end)?;
                self.sequence(first, to, depth)?;
                self.word(to, end)?;
                match op {
                    Op::REPEAT => self
                        .is(to, Op::MAX_UNTIL)
                        .or_else(|| self.is(to, Op::MIN_UNTIL))?,
                    _ => self.is(to, Op::SUCCESS)?,
                }
                Some(to + 1)
            }
            Op::GROUPREF
            | Op::GROUPREF_IGNORE
            | Op::GROUPREF_UNI_IGNORE
            | Op::GROUPREF_LOC_IGNORE => (self.word(arg, end)? < self.groups).then_some(arg + 1),
            Op::GROUPREF_EXISTS => self.conditional(arg, end, depth),
            Op::ASSERT | Op::ASSERT_NOT => {
                let to = self.target(arg, end)?;
                // How far back it begins.
                if self.word(arg + 1, end)? & 0x8000_0000 != 0 {
                    return None;
                }
                self.sequence(arg + 2, to.checked_sub(1)?, depth)?;
                self.is(to - 1, Op::SUCCESS)?;
                Some(to)
            }
            _ => None,
        }
    }

    /// The bounds of a repeat, `min` and `max`.
    fn bounds(&self, at: usize, end: usize) -> Option<usize> {
        let (min, max) = (self.word(at, end)?, self.word(at + 1, end)?);
        (min <= max && max <= MAXREPEAT).then_some(at + 2)
    }

    /// `skip flags min max`, then a prefix or a set.
    fn info(&self, at: usize, end: usize) -> Option<usize> {
        let to = self.target(at, end)?;
        let flags = SreInfo::from_bits(self.word(at + 1, to)? as u32)?;
        self.word(at + 3, to)?;
        let mut next = at + 4;
        let prefixed = flags.contains(SreInfo::PREFIX);
        if flags.contains(SreInfo::LITERAL) && !prefixed
            || flags.contains(SreInfo::CHARSET) && prefixed
        {
            return None;
        }
        if prefixed {
            let (n, skip) = (self.word(next, to)?, self.word(next + 1, to)?);
            next += 2;
            if n == 0 || skip > n || next + 2 * n != to {
                return None;
            }
            let overlap = &self.code[next + n..to];
            // Falling back must make the prefix that is still matched shorter.
            return overlap
                .iter()
                .enumerate()
                .all(|(i, w)| *w as usize <= i)
                .then_some(to);
        }
        if flags.contains(SreInfo::CHARSET) {
            self.set(next, to.checked_sub(1)?)?;
            self.is(to - 1, Op::FAILURE)?;
            return Some(to);
        }
        (next == to).then_some(to)
    }

    /// `skip operations JUMP skip`, any number of times, and a zero skip. All jumps lead behind that.
    fn branch(&self, mut at: usize, end: usize, depth: usize) -> Option<usize> {
        let mut joined = None;
        while self.word(at, end)? != 0 {
            let next = self.target(at, end)?;
            let jump = next.checked_sub(2)?;
            self.sequence(at + 1, jump, depth)?;
            self.is(jump, Op::JUMP)?;
            let to = self.target(jump + 1, end)?;
            if joined.is_some_and(|j| j != to) {
                return None;
            }
            joined = Some(to);
            at = next;
        }
        (joined? == at + 1).then_some(at + 1)
    }

    /// `group skip operations`, then perhaps `JUMP skip operations`. The first skip counts from the group.
    fn conditional(&self, at: usize, end: usize, depth: usize) -> Option<usize> {
        if self.word(at, end)? >= self.groups {
            return None;
        }
        let no = at + self.word(at + 1, end)?;
        if no > end || no < at + 2 {
            return None;
        }
        if no >= at + 4
            && self.is(no - 2, Op::JUMP).is_some()
            && self.sequence(at + 2, no - 2, depth).is_some()
        {
            let to = self.target(no - 1, end)?;
            self.sequence(no, to, depth)?;
            return Some(to);
        }
        self.sequence(at + 2, no, depth)?;
        Some(no)
    }

    /// A character set from `at` to `end`, its closing FAILURE not among it.
    fn set(&self, mut at: usize, end: usize) -> Option<()> {
        if at > end {
            return None;
        }
        while at < end {
            let op = Op::try_from(*self.code.get(at)?).ok()?;
            at = match op {
                Op::NEGATE => at + 1,
                Op::LITERAL => at + 2,
                Op::RANGE | Op::RANGE_UNI_IGNORE => at + 3,
                Op::CHARSET => at + 9,
                Op::BIGCHARSET => {
                    let blocks = self.word(at + 1, end)?;
                    let indexes = self.code.get(at + 2..at + 66)?;
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
                    SreCatCode::try_from(self.word(at + 1, end)? as u32).ok()?;
                    at + 2
                }
                _ => return None,
            };
        }
        (at == end).then_some(())
    }
}
