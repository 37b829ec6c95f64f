//! `_io`: the stream classes, one file each, and `open`.
//!
//! What a stream keeps besides references lies behind a lock that its holder keeps during a whole operation, calls of other streams
//! included; who waits for it is detached.

pub mod base;
mod buffered;
mod bytesio;
mod fileio;
mod newline;
mod rwpair;
mod stringio;
mod text_position;
mod text_read;
mod textio;

use crate::support::{self, add, add_ints};
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;
use weft_objects::runtime::{self, Global};

pub use base::{BUFFERED_IO_BASE, IO_BASE, RAW_IO_BASE, TEXT_IO_BASE};
pub use buffered::{BUFFERED_RANDOM, BUFFERED_READER, BUFFERED_WRITER};
pub use fileio::FILE_IO;
pub use textio::{TEXT_IO_WRAPPER, write_text};

/// `io.DEFAULT_BUFFER_SIZE`
pub const DEFAULT_BUFFER_SIZE: usize = 128 * 1024;

static UNSUPPORTED: Global = Global::new();

/// Raises `io.UnsupportedOperation`.
#[cold]
pub fn unsupported(t: &mut Thread, msg: &str) -> Raised {
    let Some(cls) = UNSUPPORTED.get() else {
        return t.raise(&errors::OS_ERROR, msg);
    };
    let msg = Str::new(t, msg);
    match proto::call(t, cls, &[msg.value()]) {
        Ok(exc) => t.raise_value(exc),
        Err(e) => e,
    }
}

/// The truth of an attribute that is a property, such as `closed`.
pub fn flag(t: &mut Thread, v: Value, name: &str) -> Res<bool> {
    let name = weft_objects::names::get(t, name);
    let r = proto::get_attr(t, v, name)?;
    proto::truth(t, r.value())
}

/// The truth of what a method gives, such as `readable()`.
pub fn ask(t: &mut Thread, v: Value, name: &str) -> Res<bool> {
    let r = proto::call_method(t, v, name, &[])?;
    proto::truth(t, r.value())
}

/// A size argument: absent and None are -1.
pub fn size_arg(t: &mut Thread, v: Value) -> Res<isize> {
    if v.is_null() || v.is_none() {
        return Ok(-1);
    }
    if v.is_int() {
        return Ok(v.as_int() as isize);
    }
    if !type_of(v).slots.index.is_set() {
        let got = type_of(v).name();
        return Err(t.type_error(format!("argument should be integer or None, not '{got}'")));
    }
    Ok(proto::index_i64(t, v)? as isize)
}

/// A position in a file.
pub fn offset_arg(t: &mut Thread, v: Value) -> Res<i64> {
    if !type_of(v).slots.index.is_set() {
        let got = type_of(v).name();
        return Err(t.type_error(format!(
            "'{got}' object cannot be interpreted as an integer"
        )));
    }
    proto::index_i64(t, v)
}

/// The bytes that a method was asked to write.
pub fn bytes_arg(t: &mut Thread, v: Value) -> Res<weft_objects::buffer::Buffer> {
    if Str::of(v).is_some() {
        return Err(t.type_error("a bytes-like object is required, not 'str'".into()));
    }
    weft_objects::buffer::get_bulk(t, v)
}

/// Runs `first`, then `second` whatever came of it; of two exceptions the first is the context of the second.
pub fn both(
    t: &mut Thread,
    first: Res<()>,
    second: impl FnOnce(&mut Thread) -> Res<()>,
) -> Res<()> {
    let Err(e) = first else { return second(t) };
    let kept = t.take_exc();
    match second(t) {
        Ok(()) => {
            if let Some(exc) = kept {
                t.set_exc(exc);
            }
            Err(e)
        }
        Err(later) => {
            if let (Some(new), Some(old)) = (t.take_exc(), kept) {
                errors::set_context(t, new.value(), old.value());
                t.set_exc(new);
            }
            Err(later)
        }
    }
}

// --- open ---

/// A parsed mode string.
#[derive(Default, Clone, Copy)]
struct Mode {
    reading: bool,
    writing: bool,
    appending: bool,
    creating: bool,
    updating: bool,
    text: bool,
    binary: bool,
}

fn parse_mode(t: &mut Thread, mode: &str) -> Res<Mode> {
    let mut m = Mode::default();
    let bad = |t: &mut Thread| t.value_error(format!("invalid mode: '{mode}'"));
    for (i, c) in mode.chars().enumerate() {
        if mode.chars().take(i).any(|d| d == c) {
            return Err(bad(t));
        }
        match c {
            'r' => m.reading = true,
            'w' => m.writing = true,
            'a' => m.appending = true,
            'x' => m.creating = true,
            '+' => m.updating = true,
            't' => m.text = true,
            'b' => m.binary = true,
            _ => return Err(bad(t)),
        }
    }
    if m.text && m.binary {
        return Err(t.value_error("can't have text and binary mode at once"));
    }
    let kinds = [m.creating, m.reading, m.writing, m.appending]
        .iter()
        .filter(|k| **k)
        .count();
    if kinds != 1 {
        return Err(t.value_error("must have exactly one of create/read/write/append mode"));
    }
    Ok(m)
}

static OPEN_SIG: &str = "(file, mode='r', buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None)";

fn open(t: &mut Thread, a: &[Value]) -> Res {
    let mode = if a[1].is_null() {
        "r".to_string()
    } else {
        support::text(t, a[1], "open", "'mode'")?
    };
    let buffering = support::c_int_or(t, a[2], -1)?;
    for (v, what) in [(a[3], "encoding"), (a[4], "errors"), (a[5], "newline")] {
        if !v.is_null() && !v.is_none() && Str::of(v).is_none() {
            let got = type_of(v).name();
            return Err(t.type_error(format!(
                "open() argument '{what}' must be str or None, not {got}"
            )));
        }
    }
    let m = parse_mode(t, &mode)?;
    let present = |v: Value| !v.is_null() && !v.is_none();
    if m.binary {
        let what = [
            (a[3], "an encoding"),
            (a[4], "an errors"),
            (a[5], "a newline"),
        ];
        if let Some((_, what)) = what.iter().find(|(v, _)| present(*v)) {
            return Err(t.value_error(format!("binary mode doesn't take {what} argument")));
        }
    }
    if buffering == 0 && !m.binary {
        return Err(t.value_error("can't have unbuffered text I/O"));
    }
    if buffering < -1 {
        return Err(t.value_error("invalid buffering size"));
    }
    if m.binary && buffering == 1 {
        let text = "line buffering (buffering=1) isn't supported in binary mode, the default buffer size will be used";
        crate::_warnings::warn_text(t, &errors::RUNTIME_WARNING, text, 1)?;
    }
    let mut raw_mode = String::new();
    for (on, c) in [
        (m.creating, 'x'),
        (m.reading, 'r'),
        (m.writing, 'w'),
        (m.appending, 'a'),
        (m.updating, '+'),
    ] {
        if on {
            raw_mode.push(c);
        }
    }
    let closefd = if a[6].is_null() { Value::TRUE } else { a[6] };
    let opener = if a[7].is_null() { Value::NONE } else { a[7] };
    let raw_mode = Str::from_string(t, raw_mode);
    let file = if weft_objects::int::is_int(a[0]) {
        Obj::new(t, a[0])
    } else {
        support::fspath(t, a[0])?
    };
    let raw = proto::call(
        t,
        FILE_IO.value(),
        &[file.value(), raw_mode.value(), closefd, opener],
    )?;
    match open_on(t, &raw, m, &mode, buffering, a) {
        Ok(o) => Ok(o.into()),
        Err(e) => both(t, Err(e), |t| {
            proto::call_method(t, raw.value(), "close", &[]).map(drop)
        })
        .map(|()| Value::NONE),
    }
}

fn open_on(
    t: &mut Thread,
    raw: &Obj,
    m: Mode,
    mode: &str,
    buffering: i32,
    a: &[Value],
) -> Res<Obj> {
    let terminal = buffering == 1 || (buffering < 0 && fileio::is_terminal(raw.value()));
    let line_buffering = terminal && !m.binary;
    if buffering == 0 {
        return Ok(raw.clone());
    }
    let size = match buffering {
        n if n > 1 => n as usize,
        _ => fileio::block_size(raw.value()).clamp(8192, 8 << 20),
    };
    let ty = if m.updating {
        &BUFFERED_RANDOM
    } else if m.reading {
        &BUFFERED_READER
    } else {
        &BUFFERED_WRITER
    };
    let size = Value::int(size as i64);
    let buffer = proto::call(t, ty.value(), &[raw.value(), size])?;
    if m.binary {
        return Ok(buffer);
    }
    let or_none = |v: Value| if v.is_null() { Value::NONE } else { v };
    let args = [
        buffer.value(),
        or_none(a[3]),
        or_none(a[4]),
        or_none(a[5]),
        Value::bool(line_buffering),
    ];
    let wrapper = match proto::call(t, TEXT_IO_WRAPPER.value(), &args) {
        Ok(w) => w,
        Err(e) => {
            both(t, Err(e), |t| {
                proto::call_method(t, buffer.value(), "close", &[]).map(drop)
            })?;
            return Ok(buffer);
        }
    };
    let mode = Str::new(t, mode);
    proto::set_attr(
        t,
        wrapper.value(),
        weft_objects::id!(t, "mode"),
        mode.value(),
    )?;
    Ok(wrapper)
}

fn open_code(t: &mut Thread, a: &[Value]) -> Res {
    if Str::of(a[0]).is_none() {
        let got = type_of(a[0]).name();
        return Err(t.type_error(format!(
            "open_code() argument 'path' must be str, not {got}"
        )));
    }
    let mode = Str::new(t, "rb");
    let n = Value::NULL;
    open(t, &[a[0], mode.value(), n, n, n, n, n, n])
}

/// With `-X warn_default_encoding`: EncodingWarning for a call that leaves the choice to the locale.
pub fn warn_default_encoding(t: &mut Thread, stacklevel: i64) -> Res<()> {
    let Some(flags) = runtime::sys_attr(t, "flags") else {
        return Ok(());
    };
    let name = weft_objects::id!(t, "warn_default_encoding");
    let Some(on) = proto::get_attr_opt(t, flags.value(), name)? else {
        return Ok(());
    };
    if !proto::truth(t, on.value())? {
        return Ok(());
    }
    let warnings = runtime::import(t, "warnings")?;
    let msg = Str::new(t, "'encoding' argument not specified");
    let args = [
        msg.value(),
        errors::ENCODING_WARNING.value(),
        Value::int(stacklevel),
    ];
    proto::call_method(t, warnings.value(), "warn", &args).map(drop)
}

/// `io.text_encoding`
fn text_encoding(t: &mut Thread, a: &[Value]) -> Res {
    if a[0].is_none() {
        let level = support::c_int_or(t, a[1], 2)?;
        warn_default_encoding(t, level.into())?;
        let name = if utf8_mode(t)? { "utf-8" } else { "locale" };
        return Ok(Str::intern(t, name).into());
    }
    Ok(Obj::new(t, a[0]).into())
}

/// `sys.flags.utf8_mode`
pub fn utf8_mode(t: &mut Thread) -> Res<bool> {
    let Some(flags) = runtime::sys_attr(t, "flags") else {
        return Ok(true);
    };
    match proto::get_attr_opt(t, flags.value(), weft_objects::id!(t, "utf8_mode"))? {
        Some(v) => proto::truth(t, v.value()),
        None => Ok(true),
    }
}

/// The bytes of a result that must be a bytes object.
pub fn expect_bytes<'a>(t: &mut Thread, o: &'a Obj, what: &str) -> Res<&'a [u8]> {
    match Bytes::of(o.value()) {
        Some(b) => Ok(b.as_slice()),
        None => {
            let got = type_of(o.value()).name();
            Err(t.type_error(format!(
                "{what} should have returned a bytes object, not '{got}'"
            )))
        }
    }
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("open", OPEN_SIG, open)
        .doc("Open file and return a stream.  Raise OSError upon failure."),
    NativeDef::new("open_code", "(path)", open_code)
        .doc("Opens the provided file with the intent to import the contents."),
    NativeDef::new(
        "text_encoding",
        "(encoding, stacklevel=2, /)",
        text_encoding,
    )
    .doc("A helper function to choose the text encoding."),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(
        t,
        "_io",
        "The io module provides the Python interfaces to stream handling.",
        FUNCTIONS,
    );
    add_ints(
        t,
        &m,
        &[("DEFAULT_BUFFER_SIZE", DEFAULT_BUFFER_SIZE as i64)],
    );
    let bases = [&errors::OS_ERROR, &errors::VALUE_ERROR];
    let unsupported = crate::_signal::new_exception_class(t, "UnsupportedOperation", "io", &bases)?;
    UNSUPPORTED.set(t, unsupported.clone());
    add(t, &m, "UnsupportedOperation", unsupported);
    add(
        t,
        &m,
        "BlockingIOError",
        Obj::new(t, errors::BLOCKING_IO_ERROR.value()),
    );
    for ty in [
        &IO_BASE,
        &RAW_IO_BASE,
        &BUFFERED_IO_BASE,
        &TEXT_IO_BASE,
        &FILE_IO,
        &BUFFERED_READER,
        &BUFFERED_WRITER,
        &BUFFERED_RANDOM,
        &rwpair::BUFFERED_RW_PAIR,
        &bytesio::BYTES_IO,
        &bytesio::BYTES_IO_BUFFER,
        &stringio::STRING_IO,
        &newline::INCREMENTAL_NEWLINE_DECODER,
        &TEXT_IO_WRAPPER,
    ] {
        support::add_type(t, &m, ty);
    }
    Ok(m)
}
