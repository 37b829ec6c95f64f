//! What a pattern is matched against, and the matching itself.

use super::machine::{Job, Machine, UNSET};
use super::program::{One, Program};
use std::cell::Cell;
use weft_objects::buffer::{self, Buffer};
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;
use weft_objects::text::{Text, wtf8};

/// A str, or the bytes of a bytes-like object. Offsets are in bytes; so are indexes, unless there are wider characters.
pub struct Subject {
    pub obj: Obj,
    /// `None` for a str.
    bytes: Option<Buffer>,
    /// Characters take one byte each.
    narrow: bool,
    /// In characters.
    pub len: usize,
}

impl Subject {
    /// # Errors
    /// TypeError for what is neither str nor bytes-like.
    pub fn new(t: &mut Thread, v: Value) -> Res<Subject> {
        if let Some(s) = Str::of(v) {
            return Ok(Subject {
                obj: Obj::new(t, v),
                bytes: None,
                narrow: s.is_ascii(),
                len: s.len(),
            });
        }
        if !buffer::is_exporter(v) {
            let got = type_of(v).name();
            return Err(t.type_error(format!("expected string or bytes-like object, got '{got}'")));
        }
        // A lexer comes back to the same bytes again and again: no copy, unless it costs little. Matching takes each byte as it finds it.
        let b = buffer::get_up_to(t, v, 4096)?;
        Ok(Subject {
            obj: Obj::new(t, v),
            len: b.len,
            narrow: true,
            bytes: Some(b),
        })
    }

    pub fn is_bytes(&self) -> bool {
        self.bytes.is_some()
    }

    /// The memory of a bytes-like object, or the WTF-8 of a str.
    pub fn raw(&self) -> &[u8] {
        match &self.bytes {
            Some(b) => b.as_bytes(),
            None => Str::this(self.obj.value()).as_bytes(),
        }
    }

    /// The offset of a character.
    pub fn offset(&self, index: usize) -> usize {
        if self.narrow {
            index
        } else {
            Str::this(self.obj.value()).offset(index)
        }
    }

    /// The index of the character at an offset.
    pub fn index(&self, offset: usize) -> usize {
        if self.narrow {
            offset
        } else {
            Str::this(self.obj.value()).index_of(offset)
        }
    }

    /// A str or bytes object of what lies between two offsets.
    pub fn part(&self, t: &Thread, start: usize, end: usize) -> Obj {
        let raw = self.raw();
        let whole = start == 0 && end == raw.len();
        let part = &raw[start..end];
        match &self.bytes {
            Some(_) if whole && Bytes::exact(self.obj.value()).is_some() => self.obj.clone(),
            Some(_) => Bytes::new(t, part),
            None if whole => Str::this(self.obj.value()).to_exact(t),
            None => {
                let chars = if self.narrow {
                    part.len()
                } else {
                    wtf8::count(part)
                };
                Str::from_text(t, Text { bytes: part, chars })
            }
        }
    }

    /// A str or bytes object of text of this kind.
    pub fn wrap(&self, t: &Thread, text: Vec<u8>) -> Obj {
        if self.is_bytes() {
            Bytes::from_vec(t, text)
        } else {
            Str::from_vec(t, text)
        }
    }

    /// `pos` and `endpos` as indexes into the subject.
    pub fn clamp(&self, pos: isize, endpos: isize) -> (usize, usize) {
        (
            pos.clamp(0, self.len as isize) as usize,
            endpos.clamp(0, self.len as isize) as usize,
        )
    }
}

/// How a pattern must match.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// From here.
    Match,
    /// From here to the end.
    Full,
    /// From here or further on.
    Search,
}

thread_local! {
    /// A machine that is not in use.
    static SPARE: Cell<Option<Box<Machine>>> = const { Cell::new(None) };
}

/// One pattern going through one subject.
pub struct Run<'a> {
    program: &'a Program,
    pub subject: &'a Subject,
    machine: Option<Box<Machine>>,
    /// Tests of characters made for the locale of now, if the program depends on it.
    ones: Option<Vec<One>>,
    /// Offsets: where the next match is looked for, and the end of where.
    pub start: usize,
    pub end: usize,
    /// An empty match at `start` is none: the one before was that.
    pub must_advance: bool,
}

impl<'a> Run<'a> {
    /// Between the indexes `pos` and `endpos`.
    pub fn new(
        program: &'a Program,
        subject: &'a Subject,
        (pos, endpos): (usize, usize),
    ) -> Run<'a> {
        let (start, end) = (subject.offset(pos), subject.offset(endpos));
        Self::resume(program, subject, start, end, false)
    }

    /// Over all of the subject.
    pub fn over(program: &'a Program, subject: &'a Subject) -> Run<'a> {
        Self::resume(program, subject, 0, subject.raw().len(), false)
    }

    pub fn resume(
        program: &'a Program,
        subject: &'a Subject,
        start: usize,
        end: usize,
        must_advance: bool,
    ) -> Run<'a> {
        let ones = program.locale.then(|| {
            let fresh = |o: &One| One {
                low: program.low_of(o.kind),
                kind: o.kind,
            };
            program.ones.iter().map(fresh).collect()
        });
        let machine = Some(SPARE.take().unwrap_or_default());
        Run {
            program,
            subject,
            machine,
            ones,
            start,
            end,
            must_advance,
        }
    }

    fn machine(&self) -> &Machine {
        self.machine
            .as_deref()
            .expect("there until the run is dropped")
    }

    /// Looks for the next match.
    pub fn next(&mut self, t: &mut Thread, how: How) -> Res<bool> {
        if self.start > self.end {
            return Ok(false);
        }
        let job = Job {
            program: self.program,
            ones: self.ones.as_deref().unwrap_or(&self.program.ones),
            hay: &self.subject.raw()[..self.end],
            bytes: self.subject.is_bytes(),
            full: how == How::Full,
            forbidden: if self.must_advance { self.start } else { UNSET },
        };
        let Some(m) = &mut self.machine else {
            return Ok(false);
        };
        let found = match (how, self.subject.narrow) {
            (How::Search, true) => m.search::<false>(t, &job, self.start),
            (How::Search, false) => m.search::<true>(t, &job, self.start),
            (_, true) => m.matches::<false>(t, &job, self.start),
            (_, false) => m.matches::<true>(t, &job, self.start),
        }?;
        if found {
            self.must_advance = m.start == m.end;
            self.start = m.end;
        }
        Ok(found)
    }

    /// Where the last match lies: offsets.
    pub fn span(&self) -> (usize, usize) {
        let m = self.machine();
        (m.start, m.end)
    }

    /// Where a group of the last match lies, if it took part in it. Groups count from 1.
    pub fn group(&self, i: usize) -> Option<(usize, usize)> {
        let marks = &self.machine().marks;
        let (a, b) = (marks[2 * i - 2], marks[2 * i - 1]);
        (a != UNSET && b != UNSET && a <= b).then_some((a, b))
    }

    /// The group that was closed last; 0 for none.
    pub fn last_group(&self) -> usize {
        self.machine().last
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        if let Some(m) = self.machine.take()
            && m.is_small()
        {
            SPARE.set(Some(m));
        }
    }
}
