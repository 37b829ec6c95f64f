//! What a pattern is matched against, and the matching itself.

use rustpython_sre_engine::engine::State;
use rustpython_sre_engine::{Request, StrDrive, StringCursor};
use rustpython_wtf8::Wtf8;
use weft_objects::buffer::{self, Buffer};
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;

/// A str, or the bytes of a bytes-like object.
pub struct Subject {
    pub obj: Obj,
    /// `None` for a str.
    bytes: Option<Buffer>,
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
                len: s.len(),
            });
        }
        if !buffer::is_exporter(v) {
            let got = type_of(v).name();
            return Err(t.type_error(format!("expected string or bytes-like object, got '{got}'")));
        }
        let b = buffer::get(t, v)?;
        Ok(Subject {
            obj: Obj::new(t, v),
            len: b.len,
            bytes: Some(b),
        })
    }

    pub fn is_bytes(&self) -> bool {
        self.bytes.is_some()
    }

    /// The memory of the characters from `start` to `end`.
    pub fn raw_part(&self, start: usize, end: usize) -> &[u8] {
        match &self.bytes {
            Some(b) => &b.as_bytes()[start..end],
            None => Str::this(self.obj.value()).slice(start, end).bytes,
        }
    }

    /// A str or bytes object of the characters from `start` to `end`.
    pub fn part(&self, t: &Thread, start: usize, end: usize) -> Obj {
        match &self.bytes {
            None => Str::this(self.obj.value()).substring(t, start, end),
            Some(b) => {
                if start == 0 && end == self.len && Bytes::exact(self.obj.value()).is_some() {
                    return self.obj.clone();
                }
                Bytes::new(t, &b.as_bytes()[start..end])
            }
        }
    }

    /// As [`Subject::part`] for indexes of an object that may have changed since.
    pub fn part_within(&self, t: &Thread, start: usize, end: usize) -> Obj {
        let end = end.min(self.len);
        self.part(t, start.min(end), end)
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

/// One pattern going through one subject.
pub struct Run<'a> {
    code: &'a [u32],
    pub subject: &'a Subject,
    state: State,
    /// Where the next match is looked for, and the end of where.
    pub start: usize,
    pub end: usize,
    /// An empty match at `start` is none: the one before was that.
    pub must_advance: bool,
}

impl<'a> Run<'a> {
    pub fn new(code: &'a [u32], subject: &'a Subject, pos: isize, endpos: isize) -> Run<'a> {
        let (start, end) = subject.clamp(pos, endpos);
        Run {
            code,
            subject,
            state: State::default(),
            start,
            end,
            must_advance: false,
        }
    }

    /// Looks for the next match. Other threads do not wait for this one meanwhile.
    pub fn next(&mut self, t: &mut Thread, how: How) -> bool {
        if self.start > self.end {
            return false;
        }
        if weft_gc::multithreaded() {
            t.blocking(|| self.step(how))
        } else {
            self.step(how)
        }
    }

    fn step(&mut self, how: How) -> bool {
        let subject = self.subject;
        match &subject.bytes {
            Some(b) => self.drive(Narrow(b.as_bytes()), how),
            None => {
                let s = Str::this(subject.obj.value());
                if s.is_ascii() {
                    self.drive(Narrow(s.as_bytes()), how)
                } else {
                    self.drive(Wide(s), how)
                }
            }
        }
    }

    fn drive<S: StrDrive>(&mut self, string: S, how: How) -> bool {
        let req = Request {
            string,
            start: self.start,
            end: self.end,
            pattern_codes: self.code,
            match_all: how == How::Full,
            must_advance: self.must_advance,
        };
        self.state.reset(&req, self.start);
        let found = match how {
            How::Search => self.state.search(req),
            How::Match | How::Full => self.state.py_match(&req),
        };
        if found {
            let (_, end) = self.span();
            self.must_advance = end == self.state.start;
            self.start = end;
        } else {
            self.state = State::default();
        }
        found
    }

    /// Where the last match lies.
    pub fn span(&self) -> (usize, usize) {
        (self.state.start, self.state.cursor.position)
    }

    /// Where a group of the last match lies, if it took part in it. Groups count from 1.
    pub fn group(&self, i: usize) -> Option<(usize, usize)> {
        let (a, b) = self.state.marks.get(i - 1);
        if a.is_some() && b.is_some() {
            Some((a.unpack(), b.unpack()))
        } else {
            None
        }
    }

    /// The group that was closed last.
    pub fn last_group(&self) -> Option<usize> {
        usize::try_from(self.state.marks.last_index()).ok()
    }
}

/// Bytes, or text of one byte a character.
#[derive(Clone, Copy)]
struct Narrow<'a>(&'a [u8]);

impl<'a> StrDrive for Narrow<'a> {
    #[inline(always)]
    fn count(&self) -> usize {
        self.0.len()
    }
    #[inline(always)]
    fn create_cursor(&self, n: usize) -> StringCursor {
        self.0.create_cursor(n)
    }
    #[inline(always)]
    fn adjust_cursor(&self, cursor: &mut StringCursor, n: usize) {
        self.0.adjust_cursor(cursor, n);
    }
    #[inline(always)]
    fn advance(cursor: &mut StringCursor) -> u32 {
        let c = <&[u8]>::peek(cursor);
        <&[u8]>::skip(cursor, 1);
        c
    }
    #[inline(always)]
    fn peek(cursor: &StringCursor) -> u32 {
        <&[u8]>::peek(cursor)
    }
    #[inline(always)]
    fn skip(cursor: &mut StringCursor, n: usize) {
        <&[u8]>::skip(cursor, n);
    }
    #[inline(always)]
    fn back_advance(cursor: &mut StringCursor) -> u32 {
        <&[u8]>::back_advance(cursor)
    }
    #[inline(always)]
    fn back_peek(cursor: &StringCursor) -> u32 {
        <&[u8]>::back_peek(cursor)
    }
    #[inline(always)]
    fn back_skip(cursor: &mut StringCursor, n: usize) {
        <&[u8]>::back_skip(cursor, n);
    }
}

/// Text that is not ASCII.
#[derive(Clone, Copy)]
struct Wide<'a>(&'a Str);

/// Steps that are not worth a look into the string's table of indexes.
const NEAR: usize = 32;

impl StrDrive for Wide<'_> {
    #[inline]
    fn count(&self) -> usize {
        self.0.len()
    }
    fn create_cursor(&self, n: usize) -> StringCursor {
        let mut cursor = self.0.as_bytes().create_cursor(self.0.offset(n));
        cursor.position = n;
        cursor
    }
    fn adjust_cursor(&self, cursor: &mut StringCursor, n: usize) {
        // A cursor that has not been set is at 0; going there from anywhere takes no look-up either.
        let distance = n.wrapping_sub(cursor.position);
        if cursor.position > 0 && distance <= NEAR {
            <&Wtf8>::skip(cursor, distance);
        } else {
            *cursor = self.create_cursor(n);
        }
    }
    #[inline(always)]
    fn advance(cursor: &mut StringCursor) -> u32 {
        <&Wtf8>::advance(cursor)
    }
    #[inline(always)]
    fn peek(cursor: &StringCursor) -> u32 {
        <&Wtf8>::peek(cursor)
    }
    #[inline(always)]
    fn skip(cursor: &mut StringCursor, n: usize) {
        <&Wtf8>::skip(cursor, n);
    }
    #[inline(always)]
    fn back_advance(cursor: &mut StringCursor) -> u32 {
        <&Wtf8>::back_advance(cursor)
    }
    #[inline(always)]
    fn back_peek(cursor: &StringCursor) -> u32 {
        <&Wtf8>::back_peek(cursor)
    }
    #[inline(always)]
    fn back_skip(cursor: &mut StringCursor, n: usize) {
        <&Wtf8>::back_skip(cursor, n);
    }
}
