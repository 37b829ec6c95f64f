//! `StringIO`: a text stream in memory. The text is WTF-8; positions count characters, which is the same as long as all is ASCII.

use super::base::{IoBase, TEXT_IO_BASE, finalize};
use super::newline;
use super::{offset_arg, size_arg};
use crate::support::{self, Guarded};
use weft_gc::{Locked, lock};
use weft_objects::cell::own;
use weft_objects::int;
use weft_objects::prelude::*;
use weft_objects::text::{search, wtf8};
use weft_objects::types::alloc_instance;

#[repr(C)]
struct StringIo {
    base: IoBase,
    state: Guarded<State>,
}

#[derive(Default)]
struct State {
    text: Vec<u8>,
    /// Some of the text is not ASCII.
    wide: bool,
    /// Position in bytes, and how many characters it lies beyond the end.
    at: usize,
    beyond: usize,
    closed: bool,
    ready: bool,
    newline: Newline,
    seen: u32,
}

/// What `newline=` said.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Newline {
    #[default]
    Lf,
    /// None: all become `\n` when written.
    Universal,
    /// Empty: left alone, but lines end at all kinds.
    Any,
    Cr,
    CrLf,
}

impl Newline {
    fn text(self) -> Option<&'static str> {
        match self {
            Newline::Universal => None,
            Newline::Any => Some(""),
            Newline::Lf => Some("\n"),
            Newline::Cr => Some("\r"),
            Newline::CrLf => Some("\r\n"),
        }
    }
}

fn this<'a>(v: Value) -> &'a StringIo {
    // SAFETY: slots and methods of STRING_IO get its instances alone.
    unsafe { &*(v.ptr() as *const StringIo) }
}

impl StringIo {
    fn lock<'t>(&'t self, t: &'t Thread) -> Locked<'t> {
        lock(t, &self.base.header)
    }

    #[inline]
    fn with<R>(&self, t: &Thread, f: impl FnOnce(&mut State) -> R) -> Res<R> {
        let guard = self.lock(t);
        let s = self.state.get(&guard);
        if s.closed || !s.ready {
            let msg = if s.closed {
                "I/O operation on closed file"
            } else {
                "I/O operation on uninitialized object"
            };
            drop(guard);
            return Err(t.value_error(msg));
        }
        Ok(f(s))
    }
}

impl State {
    /// Number of characters.
    fn chars(&self, bytes: &[u8]) -> usize {
        if self.wide {
            wtf8::count(bytes)
        } else {
            bytes.len()
        }
    }

    fn position(&self) -> usize {
        self.chars(&self.text[..self.at]) + self.beyond
    }

    fn go_to(&mut self, chars: usize) {
        let total = self.chars(&self.text);
        self.beyond = chars.saturating_sub(total);
        let chars = chars.min(total);
        self.at = if self.wide {
            wtf8::advance(&self.text, 0, chars)
        } else {
            chars
        };
    }

    /// The next `n` bytes, which the position moves over.
    fn take(&mut self, n: usize) -> &[u8] {
        let start = self.at;
        if self.beyond == 0 {
            self.at += n;
        }
        &self.text[start..self.at]
    }

    /// Bytes of the next `n` characters.
    fn bytes_of(&self, n: usize) -> usize {
        let left = &self.text[self.at..];
        if self.beyond > 0 {
            0
        } else if self.wide {
            wtf8::advance(left, 0, n.min(left.len()))
        } else {
            n.min(left.len())
        }
    }

    /// Bytes of the next line, of at most `limit` characters.
    fn line(&self, limit: isize) -> usize {
        if self.beyond > 0 {
            return 0;
        }
        let left = &self.text[self.at..];
        let most = if limit < 0 {
            left.len()
        } else {
            self.bytes_of(limit as usize)
        };
        line_end(&left[..most], self.newline)
    }

    /// False: there is no memory.
    fn write(&mut self, text: &[u8]) -> bool {
        let text = self.translated(text);
        if text.is_empty() {
            return true;
        }
        let more = self.beyond.saturating_add(text.len());
        if self.text.capacity() - self.text.len() < more && self.text.try_reserve(more).is_err() {
            return false;
        }
        if self.beyond > 0 {
            self.text.resize(self.text.len() + self.beyond, 0);
            self.at = self.text.len();
            self.beyond = 0;
        }
        self.wide |= !text.is_ascii();
        if self.at == self.text.len() {
            self.text.extend_from_slice(&text);
        } else {
            // As many characters are overwritten as are written.
            let n = self.chars(&text);
            let over = self.bytes_of(n);
            self.text
                .splice(self.at..self.at + over, text.iter().copied());
        }
        self.at += text.len();
        true
    }

    fn translated<'a>(&mut self, text: &'a [u8]) -> std::borrow::Cow<'a, [u8]> {
        use std::borrow::Cow;
        match self.newline {
            Newline::Universal | Newline::Any => {
                self.seen |= newline::kinds_of(text);
                if self.newline == Newline::Universal && text.contains(&b'\r') {
                    return Cow::Owned(newline::translate(text.to_vec()));
                }
                Cow::Borrowed(text)
            }
            Newline::Lf => Cow::Borrowed(text),
            Newline::Cr => Cow::Owned(newline::with_ends(text, b"\r")),
            Newline::CrLf => Cow::Owned(newline::with_ends(text, b"\r\n")),
        }
    }
}

/// Bytes up to and with the first line end.
fn line_end(text: &[u8], newline: Newline) -> usize {
    match newline {
        Newline::Lf | Newline::Universal => search::find(text, b"\n").map_or(text.len(), |i| i + 1),
        Newline::Cr => search::find(text, b"\r").map_or(text.len(), |i| i + 1),
        Newline::CrLf => search::find(text, b"\r\n").map_or(text.len(), |i| i + 2),
        Newline::Any => match text.iter().position(|b| matches!(b, b'\n' | b'\r')) {
            Some(i) if text[i] == b'\r' && text.get(i + 1) == Some(&b'\n') => i + 2,
            Some(i) => i + 1,
            None => text.len(),
        },
    }
}

fn new(t: &mut Thread, cls: Value, _args: Args<'_>) -> Res {
    Ok(Value::from_ptr(alloc_instance(t, Type::of_unchecked(cls))))
}

fn parse_newline(t: &mut Thread, v: Value) -> Res<Newline> {
    if v.is_null() {
        return Ok(Newline::Lf);
    }
    if v.is_none() {
        return Ok(Newline::Universal);
    }
    let Some(s) = Str::of(v) else {
        let got = type_of(v).name();
        return Err(t.type_error(format!("newline must be str or None, not {got}")));
    };
    Ok(match s.as_bytes() {
        b"" => Newline::Any,
        b"\n" => Newline::Lf,
        b"\r" => Newline::Cr,
        b"\r\n" => Newline::CrLf,
        _ => {
            let r = proto::repr(t, v)?;
            let r = Str::of(r.value()).map_or_else(String::new, |s| s.to_string_lossy());
            return Err(t.value_error(format!("illegal newline value: {r}")));
        }
    })
}

fn start(t: &mut Thread, v: Value, initial: Value, newline: Value) -> Res<()> {
    let newline = parse_newline(t, newline)?;
    let text = if initial.is_null() || initial.is_none() {
        &[][..]
    } else {
        match Str::of(initial) {
            Some(s) => s.as_bytes(),
            None => {
                let got = type_of(initial).name();
                return Err(t.type_error(format!("initial_value must be str or None, not {got}")));
            }
        }
    };
    let b = this(v);
    let guard = b.lock(t);
    let s = b.state.get(&guard);
    *s = State {
        newline,
        ready: true,
        ..State::default()
    };
    if !s.write(text) {
        return Err(t.memory_error());
    }
    s.go_to(0);
    Ok(())
}

fn init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    static SIG: SigCell = SigCell::new("StringIO", "(initial_value='', newline='\\n')");
    let a = SIG.bind(t, args)?;
    start(t, v, a[0], a[1])
}

fn read(t: &mut Thread, a: &[Value]) -> Res {
    let n = size_arg(t, a[1])?;
    let t = &*t;
    let s = this(a[0]).with(t, |s| {
        let n = if n < 0 {
            s.bytes_of(usize::MAX >> 1)
        } else {
            s.bytes_of(n as usize)
        };
        Str::from_wtf8(t, s.take(n))
    })?;
    Ok(s.into())
}

fn readline(t: &mut Thread, a: &[Value]) -> Res {
    let limit = size_arg(t, a[1])?;
    let t = &*t;
    let s = this(a[0]).with(t, |s| {
        let n = s.line(limit);
        Str::from_wtf8(t, s.take(n))
    })?;
    Ok(s.into())
}

fn next_line(t: &mut Thread, v: Value) -> Res {
    let line = if type_of(v).is(&STRING_IO) {
        Obj::own(readline(t, &[v, Value::NULL])?)
    } else {
        proto::call_method(t, v, "readline", &[])?
    };
    match Str::of(line.value()) {
        Some(s) if s.is_empty() => Ok(Value::NULL),
        Some(_) => Ok(line.into()),
        None => {
            let got = type_of(line.value()).name();
            Err(t.raise(
                &errors::OS_ERROR,
                format!("readline() should have returned a str object, not '{got}'"),
            ))
        }
    }
}

fn write(t: &mut Thread, a: &[Value]) -> Res {
    let Some(s) = Str::of(a[1]) else {
        let got = type_of(a[1]).name();
        return Err(t.type_error(format!("string argument expected, got '{got}'")));
    };
    if !this(a[0]).with(t, |state| state.write(s.as_bytes()))? {
        return Err(t.memory_error());
    }
    Ok(Value::int(s.len() as i64))
}

fn seek(t: &mut Thread, a: &[Value]) -> Res {
    let offset = offset_arg(t, a[1])?;
    let whence = support::c_int_or(t, a[2], 0)?;
    if !(0..=2).contains(&whence) {
        return Err(t.value_error(format!("Invalid whence ({whence}, should be 0, 1 or 2)")));
    }
    if whence == 0 && offset < 0 {
        return Err(t.value_error(format!("Negative seek position {offset}")));
    }
    if whence != 0 && offset != 0 {
        return Err(t.raise(&errors::OS_ERROR, "Can't do nonzero cur-relative seeks"));
    }
    let at = this(a[0]).with(t, |s| {
        match whence {
            0 => s.go_to(offset as usize),
            2 => {
                s.at = s.text.len();
                s.beyond = 0;
            }
            _ => {}
        }
        s.position()
    })?;
    Ok(int::from_i64(t, at as i64))
}

fn tell(t: &mut Thread, a: &[Value]) -> Res {
    let at = this(a[0]).with(t, |s| s.position())?;
    Ok(int::from_i64(t, at as i64))
}

fn truncate(t: &mut Thread, a: &[Value]) -> Res {
    let size = if a[1].is_null() || a[1].is_none() {
        None
    } else {
        Some(size_arg(t, a[1])?)
    };
    if let Some(n) = size
        && n < 0
    {
        return Err(t.value_error(format!("Negative size value {n}")));
    }
    let n = this(a[0]).with(t, |s| {
        let now = s.position();
        let n = size.map_or(now, |n| n as usize);
        s.go_to(n);
        let end = s.at;
        s.text.truncate(end);
        s.go_to(now);
        n
    })?;
    Ok(int::from_i64(t, n as i64))
}

fn getvalue(t: &mut Thread, a: &[Value]) -> Res {
    let t = &*t;
    Ok(this(a[0]).with(t, |s| Str::from_wtf8(t, &s.text))?.into())
}

fn close(t: &mut Thread, a: &[Value]) -> Res {
    let b = this(a[0]);
    let guard = b.lock(t);
    let s = b.state.get(&guard);
    s.closed = true;
    s.text = Vec::new();
    Ok(Value::NONE)
}

fn get_closed(t: &mut Thread, v: Value) -> Res {
    let b = this(v);
    let guard = b.lock(t);
    Ok(Value::bool(b.state.get(&guard).closed))
}

fn getstate(t: &mut Thread, a: &[Value]) -> Res {
    let value = Obj::own(getvalue(t, a)?);
    let newline = this(a[0]).with(t, |s| s.newline)?;
    let newline = newline
        .text()
        .map_or_else(support::none, |s| Str::new(t, s));
    let pos = Obj::own(tell(t, a)?);
    let dict = match own(t, &this(a[0]).base.dict) {
        Some(d) => Dict::of(d.value()).map_or_else(support::none, |d| d.copy(t)),
        None => support::none(),
    };
    Ok(Tuple::from_vec(t, vec![value, newline, pos, dict]).into())
}

fn setstate(t: &mut Thread, a: &[Value]) -> Res {
    let Some(state) = Tuple::of(a[1]).filter(|s| s.len() >= 4) else {
        let (ty, got) = (type_of(a[0]).full_name(t), type_of(a[1]).name());
        return Err(t.type_error(format!(
            "{ty}.__setstate__ argument should be 4-tuple, got {got}"
        )));
    };
    let [value, newline, pos, dict] = [0, 1, 2, 3].map(|i| Obj::new(t, state.get(i)));
    if Str::of(value.value()).is_none() {
        let got = type_of(value.value()).name();
        return Err(t.type_error(format!("initial_value must be str or None, not {got}")));
    }
    if this(a[0]).with(t, |_| ()).is_err() {
        let closed = this(a[0]).state.get(&this(a[0]).lock(t)).closed;
        if closed {
            return Err(t.value_error("I/O operation on closed file"));
        }
        t.clear_exc();
    }
    start(t, a[0], Value::NONE, newline.value())?;
    let text = Str::of(value.value()).map_or_else(Vec::new, |s| s.as_bytes().to_vec());
    let pos = proto::index_i64(t, pos.value())?;
    if pos < 0 {
        return Err(t.value_error("position value cannot be negative"));
    }
    super::base::check_state_dict(t, &dict, "fourth")?;
    this(a[0]).with(t, |s| {
        // As it is: it has been translated before.
        s.wide = !text.is_ascii();
        s.text = text;
        s.go_to(pos as usize);
    })?;
    if let Some(more) = Dict::of(dict.value())
        && let Some(own) = weft_objects::instance::get_dict(t, a[0])
        && let Some(own) = Dict::of(own.value())
    {
        own.merge_from(t, more)?;
    }
    Ok(Value::NONE)
}

fn get_newlines(t: &mut Thread, v: Value) -> Res {
    let seen = this(v).with(t, |s| {
        matches!(s.newline, Newline::Universal | Newline::Any).then_some(s.seen)
    })?;
    Ok(seen.map_or(Value::NONE, |seen| newline::newlines(t, seen)))
}

/// What it says of itself while it is open.
fn yes(t: &mut Thread, a: &[Value]) -> Res {
    this(a[0]).with(t, |_| Value::TRUE)
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of this layout.
    unsafe {
        drop((*(h as *const StringIo)).state.take());
        super::base::clear_base(h, t);
    }
}

unsafe fn has_finalizer(h: *const Header) -> bool {
    // SAFETY: an object. Closing a plain StringIO would do nothing that its death does not do.
    unsafe { !std::ptr::eq((*h).ty(), &STRING_IO.head) }
}

/// `_io.StringIO`
pub static STRING_IO: Type = Type::builtin(
    "StringIO",
    size_of::<StringIo>(),
    &Spec {
        new: Some(new),
        init: Some(init),
        iter_next: Some(next_line),
        finalize: Some(finalize),
        methods: &[
            NativeDef::new("read", "($self, size=-1, /)", read),
            NativeDef::new("readline", "($self, size=-1, /)", readline),
            NativeDef::new("write", "($self, s, /)", write),
            NativeDef::new("seek", "($self, pos, whence=0, /)", seek),
            NativeDef::new("tell", "($self, /)", tell),
            NativeDef::new("truncate", "($self, pos=None, /)", truncate),
            NativeDef::new("getvalue", "($self, /)", getvalue),
            NativeDef::new("close", "($self, /)", close),
            NativeDef::new("readable", "($self, /)", yes),
            NativeDef::new("writable", "($self, /)", yes),
            NativeDef::new("seekable", "($self, /)", yes),
            NativeDef::new("__getstate__", "($self, /)", getstate),
            NativeDef::new("__setstate__", "($self, state, /)", setstate),
        ],
        getset: &[
            GetSetDef::ro("closed", get_closed),
            GetSetDef::ro("newlines", get_newlines),
            GetSetDef::ro("line_buffering", |t, v| this(v).with(t, |_| Value::FALSE)),
        ],
        ..Spec::EMPTY
    },
)
.base(&TEXT_IO_BASE)
.module("_io")
.gc(super::base::traverse_base, clear)
.finalizer(has_finalizer)
.doc("Text I/O implementation using an in-memory buffer.");
