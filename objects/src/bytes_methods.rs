//! The methods that bytes and bytearray share. Arguments are looked at first, then the object itself: of a bytearray
//! under its lock, so nothing in between calls Python.

use crate::buffer::{self, Buffer};
use crate::bytearray::{ByteArray, mutate};
use crate::bytes::{Bytes, byte};
use crate::memory;
use crate::prelude::*;
use crate::str::index::{bounds, has_index, size, size_or};
use crate::str::{text_argument, text_error};
use crate::str_methods::Pieces;
use crate::text::search::{self, Unit};
use crate::text::{Text, TextResult, case, strip};

macro_rules! shared_methods {
    ($($more:expr),* $(,)?) => {
        &[
            NativeDef::new("capitalize", "($self, /)", |t, a| map(t, a, case::capitalize_bytes)),
            NativeDef::new("center", "($self, width, fillchar=b' ', /)", |t, a| justify(t, a, "center", strip::center)),
            NativeDef::new("count", "($self, sub, start=None, end=None, /)", count),
            NativeDef::new("decode", "($self, /, encoding='utf-8', errors='strict')", decode),
            NativeDef::new("endswith", "($self, suffix, start=None, end=None, /)", |t, a| tail_match(t, a, "endswith", true)),
            NativeDef::new("expandtabs", "($self, /, tabsize=8)", expand_tabs),
            NativeDef::new("find", "($self, sub, start=None, end=None, /)", |t, a| find(t, a, false)),
            NativeDef::class("fromhex", "($type, string, /)", from_hex),
            NativeDef::new("hex", "($self, /, sep=<unrepresentable>, bytes_per_sep=1)", hex).doc(
                "Create a str of hexadecimal numbers.\n\n  sep\n    A character or byte to put between groups of digits.\n  bytes_per_sep\n    How many bytes a group has: counted from the right, or, if\n    negative, from the left.\n\nExample:\n>>> value = b'\\x0a\\x1b\\x2c'\n>>> value.hex()\n'0a1b2c'\n>>> value.hex(':')\n'0a:1b:2c'\n>>> value.hex(':', 2)\n'0a:1b2c'\n>>> value.hex(':', -2)\n'0a1b:2c'",
            ),
            NativeDef::new("index", "($self, sub, start=None, end=None, /)", |t, a| index(t, a, false)),
            NativeDef::new("isalnum", "($self, /)", |t, a| test(t, a, u8::is_ascii_alphanumeric)),
            NativeDef::new("isalpha", "($self, /)", |t, a| test(t, a, u8::is_ascii_alphabetic)),
            NativeDef::new("isascii", "($self, /)", |t, a| Ok(Value::bool(with_self(t, a[0], |s| s.is_ascii())))),
            NativeDef::new("isdigit", "($self, /)", |t, a| test(t, a, u8::is_ascii_digit)),
            NativeDef::new("islower", "($self, /)", |t, a| Ok(Value::bool(with_self(t, a[0], case::is_lower_bytes)))),
            NativeDef::new("isspace", "($self, /)", |t, a| test(t, a, |b| crate::text::unidata::is_ascii_space(*b))),
            NativeDef::new("istitle", "($self, /)", |t, a| Ok(Value::bool(with_self(t, a[0], case::is_title_bytes)))),
            NativeDef::new("isupper", "($self, /)", |t, a| Ok(Value::bool(with_self(t, a[0], case::is_upper_bytes)))),
            NativeDef::new("join", "($self, iterable_of_bytes, /)", join),
            NativeDef::new("ljust", "($self, width, fillchar=b' ', /)", |t, a| justify(t, a, "ljust", strip::ljust)),
            NativeDef::new("lower", "($self, /)", |t, a| map(t, a, |s| s.to_ascii_lowercase())),
            NativeDef::new("lstrip", "($self, bytes=None, /)", |t, a| strip(t, a, true, false)),
            NativeDef::static_("maketrans", "(frm, to, /)", make_trans),
            NativeDef::new("partition", "($self, sep, /)", |t, a| partition(t, a, false)),
            NativeDef::new("removeprefix", "($self, prefix, /)", remove_prefix),
            NativeDef::new("removesuffix", "($self, suffix, /)", remove_suffix),
            NativeDef::new("replace", "($self, old, new, count=-1, /)", replace),
            NativeDef::new("rfind", "($self, sub, start=None, end=None, /)", |t, a| find(t, a, true)),
            NativeDef::new("rindex", "($self, sub, start=None, end=None, /)", |t, a| index(t, a, true)),
            NativeDef::new("rjust", "($self, width, fillchar=b' ', /)", |t, a| justify(t, a, "rjust", strip::rjust)),
            NativeDef::new("rpartition", "($self, sep, /)", |t, a| partition(t, a, true)),
            NativeDef::new("rsplit", "($self, /, sep=None, maxsplit=-1)", |t, a| split(t, a, true)),
            NativeDef::new("rstrip", "($self, bytes=None, /)", |t, a| strip(t, a, false, true)),
            NativeDef::new("split", "($self, /, sep=None, maxsplit=-1)", |t, a| split(t, a, false)),
            NativeDef::new("splitlines", "($self, /, keepends=False)", split_lines),
            NativeDef::new("startswith", "($self, prefix, start=None, end=None, /)", |t, a| tail_match(t, a, "startswith", false)),
            NativeDef::new("strip", "($self, bytes=None, /)", |t, a| strip(t, a, true, true)),
            NativeDef::new("swapcase", "($self, /)", |t, a| map(t, a, case::swapcase_bytes)),
            NativeDef::new("title", "($self, /)", |t, a| map(t, a, case::title_bytes)),
            NativeDef::new("translate", "($self, table, /, delete=b'')", translate),
            NativeDef::new("upper", "($self, /)", |t, a| map(t, a, |s| s.to_ascii_uppercase())),
            NativeDef::new("zfill", "($self, width, /)", zero_fill),
            $($more),*
        ]
    };
}

/// The methods of `bytes`.
pub const BYTES_METHODS: &[NativeDef] = shared_methods![
    NativeDef::new("__getnewargs__", "($self, /)", |t, a| {
        let copy = Bytes::new(t, Bytes::this(a[0]).as_slice());
        Ok(Tuple::from_vec(t, vec![copy]).into())
    }),
    NativeDef::new("__bytes__", "($self, /)", |t, a| {
        let b = Bytes::this(a[0]);
        Ok(if b.is_exact() {
            Obj::new(t, a[0]).into()
        } else {
            Bytes::new(t, b.as_slice()).into()
        })
    }),
    NativeDef::new("__sizeof__", "($self, /)", |_, a| Ok(Value::int(
        Bytes::this(a[0]).len() as i64 + 33
    ))),
];

/// The methods of `bytearray`.
pub const BYTEARRAY_METHODS: &[NativeDef] = shared_methods![
    NativeDef::new("append", "($self, item, /)", mutate::append),
    NativeDef::new("clear", "($self, /)", mutate::clear),
    NativeDef::new("copy", "($self, /)", mutate::copy),
    NativeDef::new("extend", "($self, iterable_of_ints, /)", mutate::extend),
    NativeDef::new("insert", "($self, index, item, /)", mutate::insert),
    NativeDef::new("pop", "($self, index=-1, /)", mutate::pop),
    NativeDef::new("remove", "($self, value, /)", mutate::remove),
    NativeDef::new("reverse", "($self, /)", mutate::reverse),
    NativeDef::new("resize", "($self, size, /)", mutate::resize),
    NativeDef::new("__alloc__", "($self, /)", mutate::alloc),
    NativeDef::new("__sizeof__", "($self, /)", mutate::size_of),
    NativeDef::new("__reduce__", "($self, /)", mutate::reduce),
    NativeDef::new("__reduce_ex__", "($self, proto=0, /)", mutate::reduce),
];

/// Calls `f` with the bytes of a bytes or bytearray object.
#[inline]
fn with_self<R>(t: &Thread, v: Value, f: impl FnOnce(&[u8]) -> R) -> R {
    match Bytes::of(v) {
        Some(b) => f(b.as_slice()),
        None => ByteArray::this(v).with(t, |s| f(s)),
    }
}

/// Keeps a bytearray from being resized while arguments are looked at, which may run Python code.
fn hold(t: &mut Thread, v: Value) -> Res<Option<Buffer>> {
    match Bytes::of(v) {
        Some(_) => Ok(None),
        None => buffer::get_any(t, v, false).map(Some),
    }
}

/// An object of the kind of `like`.
fn make(t: &Thread, like: Value, v: Vec<u8>) -> Obj {
    if Bytes::of(like).is_some() {
        Bytes::from_vec(t, v)
    } else {
        ByteArray::new(t, v)
    }
}

fn make_part(t: &Thread, like: Value, part: &[u8]) -> Obj {
    match Bytes::of(like) {
        Some(b) if b.is_exact() && b.len() == part.len() => Obj::new(t, like),
        Some(_) => Bytes::new(t, part),
        None => ByteArray::new(t, part.to_vec()),
    }
}

/// The part of the object that `f` picks.
fn part_of(t: &Thread, v: Value, f: impl FnOnce(&[u8]) -> &[u8]) -> Res {
    Ok(with_self(t, v, |s| make_part(t, v, f(s))).into())
}

/// The result of a routine that gives `None` for "unchanged".
fn changed(t: &mut Thread, like: Value, result: TextResult<Option<Vec<u8>>>) -> Res {
    match result {
        Ok(Some(v)) => Ok(make(t, like, v).into()),
        Ok(None) => part_of(t, like, |s| s),
        Err(e) => Err(text_error(t, e)),
    }
}

fn map(t: &mut Thread, a: &[Value], f: fn(&[u8]) -> Vec<u8>) -> Res {
    memory::room(t, with_self(t, a[0], <[u8]>::len))?;
    let v = with_self(t, a[0], f);
    Ok(make(t, a[0], v).into())
}

fn test(t: &mut Thread, a: &[Value], f: fn(&u8) -> bool) -> Res {
    Ok(Value::bool(with_self(t, a[0], |s| {
        !s.is_empty() && s.iter().all(f)
    })))
}

/// The bytes of an argument, which the caller holds.
enum Given<'a> {
    Bytes(&'a [u8]),
    Buffer(Buffer),
}

impl Given<'_> {
    #[inline(always)]
    fn as_bytes(&self) -> &[u8] {
        match self {
            Given::Bytes(b) => b,
            Given::Buffer(b) => b.as_bytes(),
        }
    }
}

/// A bytes-like argument.
#[inline]
fn given<'a>(t: &mut Thread, v: Value) -> Res<Given<'a>> {
    match Bytes::exact(v) {
        Some(b) => Ok(Given::Bytes(b.as_slice())),
        None => buffer::get(t, v).map(Given::Buffer),
    }
}

/// What is searched for: a byte or the bytes of a buffer.
enum Needle<'a> {
    Byte([u8; 1]),
    Bytes(&'a [u8]),
    Buffer(Buffer),
}

impl<'a> Needle<'a> {
    fn new(t: &mut Thread, v: Value) -> Res<Needle<'a>> {
        if let Some(b) = Bytes::exact(v) {
            return Ok(Needle::Bytes(b.as_slice()));
        }
        if buffer::is_exporter(v) {
            return Ok(Needle::Buffer(buffer::get(t, v)?));
        }
        if !has_index(v) {
            let got = type_of(v).name();
            return Err(t.type_error(format!(
                "argument should be integer or bytes-like object, not '{got}'"
            )));
        }
        Ok(Needle::Byte([byte(t, v)?]))
    }
    fn as_bytes(&self) -> &[u8] {
        match self {
            Needle::Byte(b) => b,
            Needle::Bytes(b) => b,
            Needle::Buffer(b) => b.as_bytes(),
        }
    }
}

/// `x in b`
pub(crate) fn contains(t: &mut Thread, v: Value, item: Value) -> Res<bool> {
    let exact = Bytes::exact(item);
    let _held = match exact {
        Some(_) => None,
        None => Some(hold(t, v)?),
    };
    let needle = if let Some(b) = exact {
        Needle::Bytes(b.as_slice())
    } else if has_index(item) {
        Needle::Byte([byte(t, item)?])
    } else {
        Needle::Buffer(buffer::get(t, item)?)
    };
    Ok(with_self(t, v, |s| {
        search::find(s, needle.as_bytes()).is_some()
    }))
}

/// Calls `f` with the part to search and where it starts; `None` if the start is beyond the end.
fn search_in<R>(
    t: &mut Thread,
    a: &[Value],
    f: impl FnOnce(&[u8], usize) -> Option<R>,
) -> Res<Option<R>> {
    let _held = hold(t, a[0])?;
    let n = with_self(t, a[0], |s| s.len());
    let (start, end) = bounds(t, a[2], a[3], n)?;
    Ok(with_self(t, a[0], |s| {
        let end = end.min(s.len());
        if start > end {
            None
        } else {
            f(&s[start..end], start)
        }
    }))
}

fn position(t: &mut Thread, a: &[Value], last: bool) -> Res<Option<usize>> {
    let _held = hold(t, a[0])?;
    let needle = Needle::new(t, a[1])?;
    search_in(t, a, |hay, start| {
        let needle = needle.as_bytes();
        let at = if last {
            search::rfind(hay, needle)
        } else {
            search::find(hay, needle)
        };
        at.map(|at| at + start)
    })
}

fn find(t: &mut Thread, a: &[Value], last: bool) -> Res {
    Ok(Value::int(position(t, a, last)?.map_or(-1, |i| i as i64)))
}

fn index(t: &mut Thread, a: &[Value], last: bool) -> Res {
    match position(t, a, last)? {
        Some(i) => Ok(Value::int(i as i64)),
        None => Err(t.value_error("subsection not found")),
    }
}

fn count(t: &mut Thread, a: &[Value]) -> Res {
    let _held = hold(t, a[0])?;
    let needle = Needle::new(t, a[1])?;
    let n = search_in(t, a, |hay, _| {
        Some(search::count(hay, needle.as_bytes(), Unit::Byte))
    })?;
    Ok(Value::int(n.unwrap_or(0) as i64))
}

fn decode(t: &mut Thread, a: &[Value]) -> Res {
    if a[1].is_null()
        && a[2].is_null()
        && let Some(b) = Bytes::exact(a[0])
        && b.as_slice().is_ascii()
    {
        let bytes = b.as_slice();
        let chars = bytes.len();
        memory::room(t, chars)?;
        return Ok(Str::from_text(t, crate::text::Text { bytes, chars }).into());
    }
    let encoding = text_argument(t, a[1], "decode", "encoding")?;
    let errors = text_argument(t, a[2], "decode", "errors")?;
    crate::str::codecs::decode_text(t, a[0], encoding, errors).map(Obj::into_value)
}

fn tail_match(t: &mut Thread, a: &[Value], f: &str, end: bool) -> Res {
    let matches = |t: &mut Thread, affix: Value| -> Res<bool> {
        let affix = given(t, affix)?;
        let found = search_in(t, a, |s, _| {
            Some(if end {
                s.ends_with(affix.as_bytes())
            } else {
                s.starts_with(affix.as_bytes())
            })
        })?;
        Ok(found == Some(true))
    };
    if let Some(affixes) = Tuple::of(a[1]) {
        for i in 0..affixes.len() {
            if matches(t, affixes.get(i))? {
                return Ok(Value::TRUE);
            }
        }
        return Ok(Value::FALSE);
    }
    if !buffer::is_exporter(a[1]) {
        let got = type_of(a[1]).name();
        return Err(t.type_error(format!(
            "{f} first arg must be bytes or a tuple of bytes, not {got}"
        )));
    }
    Ok(Value::bool(matches(t, a[1])?))
}

fn remove_prefix(t: &mut Thread, a: &[Value]) -> Res {
    let affix = given(t, a[1])?;
    part_of(t, a[0], |s| s.strip_prefix(affix.as_bytes()).unwrap_or(s))
}

fn remove_suffix(t: &mut Thread, a: &[Value]) -> Res {
    let affix = given(t, a[1])?;
    part_of(t, a[0], |s| s.strip_suffix(affix.as_bytes()).unwrap_or(s))
}

fn expand_tabs(t: &mut Thread, a: &[Value]) -> Res {
    let size = crate::str::index::c_int(t, a[1], 8)?.max(0) as usize;
    let result = with_self(t, a[0], |s| strip::expandtabs(Text::of_bytes(s), size));
    changed(t, a[0], result.map(Some))
}

fn justify(
    t: &mut Thread,
    a: &[Value],
    f: &str,
    how: fn(Text<'_>, usize, u32) -> TextResult<Option<Vec<u8>>>,
) -> Res {
    let width = size(t, a[1])?.max(0) as usize;
    let fill = if a[2].is_null() {
        b' '
    } else {
        fill_byte(t, a[2], f)?
    };
    let result = with_self(t, a[0], |s| {
        if fill < 0x80 {
            return how(Text::of_bytes(s), width, u32::from(fill));
        }
        // The routine writes code points: a byte that is none by itself is put in afterwards.
        how(Text::of_bytes(s), width, 0).map(|padded| padded.map(|p| refill(p, s, fill, f)))
    });
    changed(t, a[0], result)
}

/// Replaces the zeros around `s` in `padded`.
fn refill(mut padded: Vec<u8>, s: &[u8], fill: u8, f: &str) -> Vec<u8> {
    let marg = padded.len() - s.len();
    let left = match f {
        "rjust" => marg,
        "ljust" => 0,
        _ => marg / 2 + (marg & padded.len() & 1),
    };
    padded[..left].fill(fill);
    padded[left + s.len()..].fill(fill);
    padded
}

fn fill_byte(t: &mut Thread, v: Value, f: &str) -> Res<u8> {
    let (len, first) = if Bytes::of(v).is_some() || ByteArray::of(v).is_some() {
        with_self(t, v, |s| (Some(s.len()), s.first().copied()))
    } else {
        (None, None)
    };
    let got = type_of(v).name();
    match (len, first) {
        (Some(1), Some(b)) => Ok(b),
        (Some(n), _) => Err(t.type_error(format!(
            "{f}(): argument 2 must be a byte string of length 1, not a {got} object of length {n}"
        ))),
        _ => Err(t.type_error(format!(
            "{f}() argument 2 must be a byte string of length 1, not {got}"
        ))),
    }
}

fn zero_fill(t: &mut Thread, a: &[Value]) -> Res {
    let width = size(t, a[1])?.max(0) as usize;
    let result = with_self(t, a[0], |s| strip::zfill(Text::of_bytes(s), width));
    changed(t, a[0], result)
}

fn strip(t: &mut Thread, a: &[Value], left: bool, right: bool) -> Res {
    let set = if a[1].is_null() || a[1].is_none() {
        None
    } else {
        Some(given(t, a[1])?)
    };
    let set = set.as_ref().map(Given::as_bytes);
    part_of(t, a[0], |s| strip::strip_bytes(s, set, left, right))
}

fn replace(t: &mut Thread, a: &[Value]) -> Res {
    let old = given(t, a[1])?;
    let new = given(t, a[2])?;
    let max = usize::try_from(size_or(t, a[3], -1)?).unwrap_or(usize::MAX);
    let result = with_self(t, a[0], |s| {
        search::replace(s, old.as_bytes(), new.as_bytes(), max, Unit::Byte)
    });
    match result {
        Err(e) if e.kind == crate::text::ErrorKind::Overflow => {
            Err(t.overflow_error("replace bytes is too long"))
        }
        result => changed(t, a[0], result),
    }
}

fn split(t: &mut Thread, a: &[Value], right: bool) -> Res {
    let _held = hold(t, a[0])?;
    let sep = if a[1].is_null() || a[1].is_none() {
        None
    } else {
        Some(given(t, a[1])?)
    };
    let max = usize::try_from(size_or(t, a[2], -1)?).unwrap_or(usize::MAX);
    if sep.as_ref().is_some_and(|s| s.as_bytes().is_empty()) {
        return Err(t.value_error("empty separator"));
    }
    let mut parts = Pieces::new();
    {
        let t = &*t;
        let parts = &mut parts;
        with_self(t, a[0], |hay| {
            let emit = |piece: &[u8]| parts.push(make_part(t, a[0], piece));
            match (&sep, right) {
                (Some(sep), false) => search::split(hay, sep.as_bytes(), max, emit),
                (Some(sep), true) => search::rsplit(hay, sep.as_bytes(), max, emit),
                (None, false) => search::split_whitespace_bytes(hay, max, emit),
                (None, true) => search::rsplit_whitespace_bytes(hay, max, emit),
            }
        });
    }
    if right {
        parts.reverse();
    }
    Ok(parts.list(t)?.into())
}

fn split_lines(t: &mut Thread, a: &[Value]) -> Res {
    let keep = !a[1].is_null() && proto::truth(t, a[1])?;
    let mut parts = Pieces::new();
    {
        let t = &*t;
        let parts = &mut parts;
        with_self(t, a[0], |hay| {
            search::splitlines_bytes(hay, keep, |piece| parts.push(make_part(t, a[0], piece)))
        });
    }
    Ok(parts.list(t)?.into())
}

fn partition(t: &mut Thread, a: &[Value], last: bool) -> Res {
    let sep = given(t, a[1])?;
    if sep.as_bytes().is_empty() {
        return Err(t.value_error("empty separator"));
    }
    let sep_obj = if Bytes::of(a[0]).is_some() {
        if Bytes::of(a[1]).is_some() {
            Obj::new(t, a[1])
        } else {
            Bytes::new(t, sep.as_bytes())
        }
    } else {
        ByteArray::new(t, sep.as_bytes().to_vec())
    };
    let parts = {
        let t = &*t;
        with_self(t, a[0], |s| {
            let found = if last {
                search::rpartition(s, sep.as_bytes())
            } else {
                search::partition(s, sep.as_bytes())
            };
            let part = |p| make_part(t, a[0], p);
            match found {
                Some((before, _, after)) => vec![part(before), sep_obj, part(after)],
                None if last => vec![part(b""), part(b""), part(s)],
                None => vec![part(s), part(b""), part(b"")],
            }
        })
    };
    Ok(Tuple::from_vec(t, parts).into())
}

fn join(t: &mut Thread, a: &[Value]) -> Res {
    if let Some(joined) = join_plain(t, a[0], a[1]) {
        return Ok(joined.into());
    }
    let _held = hold(t, a[0])?;
    let Some(items) = crate::str_methods::joinable(t, a[1])? else {
        return Err(t.type_error("can only join an iterable".into()));
    };
    if let [one] = &items[..]
        && Bytes::exact(one.value()).is_some()
        && Bytes::of(a[0]).is_some()
    {
        return Ok(one.clone().into());
    }
    let mut buffers = memory::vec(t, items.len())?;
    let mut n = 0usize;
    for (i, item) in items.iter().enumerate() {
        if !buffer::is_exporter(item.value()) {
            let got = type_of(item.value()).name();
            return Err(t.type_error(format!(
                "sequence item {i}: expected a bytes-like object, {got} found"
            )));
        }
        let b = buffer::get_still(t, item.value())?;
        if !b.is_c_contiguous() {
            let got = type_of(item.value()).name();
            return Err(t.type_error(format!(
                "sequence item {i}: expected a bytes-like object, {got} found"
            )));
        }
        n = n.saturating_add(b.len);
        buffers.push(b);
        if List::exact(a[1]).is_some_and(|l| l.len() != items.len()) {
            return Err(t.runtime_error("sequence changed size during iteration"));
        }
    }
    let gaps = items.len().saturating_sub(1);
    let joined = with_self(t, a[0], |sep| {
        let total = sep
            .len()
            .checked_mul(gaps)
            .and_then(|m| m.checked_add(n))
            .filter(|&n| n <= isize::MAX as usize)?;
        let mut out = Vec::new();
        out.try_reserve_exact(total).ok()?;
        for (i, b) in buffers.iter().enumerate() {
            if i > 0 {
                out.extend_from_slice(sep);
            }
            out.extend_from_slice(b.as_bytes());
        }
        Some(out)
    });
    match joined {
        Some(v) => Ok(make(t, a[0], v).into()),
        None => Err(t.memory_error()),
    }
}

/// `join` of a list or tuple of bytes objects that runs no Python. `None`: something else.
fn join_plain(t: &Thread, sep: Value, items: Value) -> Option<Obj> {
    let sep = Bytes::exact(sep)?.as_slice();
    let items = match List::exact(items) {
        Some(l) => l.local_items(t)?,
        None => Tuple::exact(items)?.values(),
    };
    let mut n = sep.len().checked_mul(items.len().checked_sub(1)?)?;
    for v in items {
        n = n.checked_add(Bytes::exact(*v)?.len())?;
    }
    if let [one] = items {
        return Some(Obj::new(t, *one));
    }
    let mut out = t.vm().take_text();
    out.try_reserve(n).ok()?;
    for (i, v) in items.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(sep);
        }
        out.extend_from_slice(Bytes::exact(*v)?.as_slice());
    }
    Some(Bytes::from_text_buffer(t, out))
}

fn translate(t: &mut Thread, a: &[Value]) -> Res {
    let table = if a[1].is_none() {
        None
    } else {
        Some(given(t, a[1])?)
    };
    let table: Option<&[u8; 256]> = match &table {
        None => None,
        Some(b) => match b.as_bytes().try_into() {
            Ok(table) => Some(table),
            Err(_) => return Err(t.value_error("translation table must be 256 characters long")),
        },
    };
    let delete = if a[2].is_null() {
        None
    } else {
        Some(given(t, a[2])?)
    };
    let delete = delete.as_ref().map_or(&b""[..], |b| b.as_bytes());
    memory::room(t, with_self(t, a[0], <[u8]>::len))?;
    let v = with_self(t, a[0], |s| strip::translate_bytes(s, table, delete));
    if Bytes::exact(a[0]).is_some_and(|b| b.as_slice() == v) {
        return Ok(Obj::new(t, a[0]).into());
    }
    Ok(make(t, a[0], v).into())
}

fn make_trans(t: &mut Thread, a: &[Value]) -> Res {
    let from = given(t, a[0])?;
    let to = given(t, a[1])?;
    if from.as_bytes().len() != to.as_bytes().len() {
        return Err(t.value_error("maketrans arguments must have same length"));
    }
    let mut table: Vec<u8> = (0..=255).collect();
    for (f, to) in from.as_bytes().iter().zip(to.as_bytes()) {
        table[usize::from(*f)] = *to;
    }
    Ok(Bytes::from_vec(t, table).into())
}

/// `bytes.fromhex`, `bytearray.fromhex`
fn from_hex(t: &mut Thread, a: &[Value]) -> Res {
    let cls = a[0];
    let v = if let Some(s) = Str::of(a[1]) {
        parse_hex(t, s.as_bytes(), |at| s.index_of(at))?
    } else if buffer::is_exporter(a[1]) {
        let b = given(t, a[1])?;
        parse_hex(t, b.as_bytes(), |at| at)?
    } else {
        let got = type_of(a[1]).name();
        return Err(t.type_error(format!(
            "fromhex() argument must be str or bytes-like, not {got}"
        )));
    };
    let ty = Type::of_unchecked(cls);
    let is_bytes = ty.is_subtype(&crate::bytes::BYTES);
    let made = if is_bytes {
        Bytes::from_vec(t, v)
    } else {
        ByteArray::new(t, v)
    };
    if std::ptr::eq(ty, &crate::bytes::BYTES) || std::ptr::eq(ty, &crate::bytearray::BYTEARRAY) {
        return Ok(made.into());
    }
    proto::call(t, cls, &[made.value()]).map(Obj::into_value)
}

fn parse_hex(t: &mut Thread, s: &[u8], index: impl Fn(usize) -> usize) -> Res<Vec<u8>> {
    let digit = |i: usize| s.get(i).and_then(|b| (*b as char).to_digit(16));
    let mut out = memory::vec(t, s.len() / 2)?;
    let mut at = 0;
    while at < s.len() {
        if crate::text::unidata::is_ascii_space(s[at]) {
            at += 1;
            continue;
        }
        match (digit(at), digit(at + 1)) {
            (Some(high), Some(low)) => out.push((high << 4 | low) as u8),
            (Some(_), None) if at + 1 >= s.len() => {
                return Err(t.value_error(
                    "fromhex() arg must contain an even number of hexadecimal digits",
                ));
            }
            (high, _) => {
                let at = index(at + usize::from(high.is_some()));
                return Err(t.value_error(format!(
                    "non-hexadecimal number found in fromhex() arg at position {at}"
                )));
            }
        }
        at += 2;
    }
    Ok(out)
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The arguments `sep` and `bytes_per_sep` of `hex()`.
pub fn hex_arguments(t: &mut Thread, sep: Value, group: Value) -> Res<(Option<u8>, i32)> {
    let group = crate::str::index::c_int(t, group, 1)?;
    if sep.is_null() {
        return Ok((None, group));
    }
    proto::len(t, sep)?;
    let found = if let Some(s) = Str::of(sep) {
        (s.len(), s.as_bytes().first().copied())
    } else if let Some(b) = Bytes::of(sep) {
        (b.len(), b.as_slice().first().copied())
    } else {
        return Err(t.type_error("sep must be str or bytes.".into()));
    };
    match found {
        (1, Some(b)) if b < 0x80 => Ok((Some(b), group)),
        (1, _) => Err(t.value_error("sep must be ASCII.")),
        _ => Err(t.value_error("sep must be length 1.")),
    }
}

/// `bytes.hex`: groups are counted from the right, or from the left if `group` is negative.
pub fn to_hex(s: &[u8], sep: Option<u8>, group: i32) -> Vec<u8> {
    let size = group.unsigned_abs() as usize;
    let Some(sep) = sep.filter(|_| size > 0) else {
        let mut out = vec![0; s.len() * 2];
        fill_hex(s, &mut out);
        return out;
    };
    let mut out = Vec::with_capacity(s.len() * 3);
    for (i, b) in s.iter().enumerate() {
        if i > 0 && (if group > 0 { s.len() - i } else { i }).is_multiple_of(size) {
            out.push(sep);
        }
        out.push(HEX[usize::from(b >> 4)]);
        out.push(HEX[usize::from(b & 15)]);
    }
    out
}

/// Writes two digits for each byte.
fn fill_hex(s: &[u8], out: &mut [u8]) {
    for (pair, b) in out.as_chunks_mut::<2>().0.iter_mut().zip(s) {
        *pair = [HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]];
    }
}

/// What a hexadecimal digit stands for; 0xFF for other characters.
#[inline(always)]
pub fn hex_digit(b: u8) -> u8 {
    static VALUES: [u8; 256] = {
        let mut values = [0xFF; 256];
        let mut i = 0;
        while i < 16 {
            values[HEX[i].to_ascii_lowercase() as usize] = i as u8;
            values[HEX[i].to_ascii_uppercase() as usize] = i as u8;
            i += 1;
        }
        values
    };
    VALUES[usize::from(b)]
}

fn hex(t: &mut Thread, a: &[Value]) -> Res {
    memory::room_for(t, with_self(t, a[0], <[u8]>::len), 3)?;
    if a[1].is_null()
        && let Some(b) = Bytes::exact(a[0])
        && let Some(made) = Str::ascii_filled(t, b.len() * 2, |out| fill_hex(b.as_slice(), out))
    {
        return Ok(made.into());
    }
    let _held = hold(t, a[0])?;
    let (sep, group) = hex_arguments(t, a[1], a[2])?;
    let text = with_self(t, a[0], |s| to_hex(s, sep, group));
    Ok(Str::from_vec(t, text).into())
}
