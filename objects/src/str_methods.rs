//! The methods of `str`.

use crate::memory;
use crate::prelude::*;
use crate::str::index::{bounds, size_or};
use crate::str::{text_argument, text_error};
use crate::text::search::{self, Unit};
use crate::text::strip::{self, Translated};
use crate::text::{Text, TextResult, case, wtf8};

/// The methods, in CPython's order.
pub const METHODS: &[NativeDef] = &[
    NativeDef::new(
        "encode",
        "($self, /, encoding='utf-8', errors='strict')",
        encode,
    ),
    NativeDef::new("replace", "($self, old, new, /, count=-1)", replace),
    NativeDef::new("split", "($self, /, sep=None, maxsplit=-1)", |t, a| {
        split(t, a, false)
    }),
    NativeDef::new("rsplit", "($self, /, sep=None, maxsplit=-1)", |t, a| {
        split(t, a, true)
    }),
    NativeDef::new("join", "($self, iterable, /)", join),
    NativeDef::new("capitalize", "($self, /)", |t, a| {
        map(t, a, case::capitalize)
    }),
    NativeDef::new("casefold", "($self, /)", |t, a| map(t, a, case::casefold)),
    NativeDef::new("title", "($self, /)", |t, a| map(t, a, case::title)),
    NativeDef::new("center", "($self, width, fillchar=' ', /)", |t, a| {
        justify(t, a, "center", strip::center)
    }),
    NativeDef::new("count", "($self, sub, start=None, end=None, /)", count),
    NativeDef::new("expandtabs", "($self, /, tabsize=8)", expand_tabs),
    NativeDef::new("find", "($self, sub, start=None, end=None, /)", |t, a| {
        Ok(position(t, a, "find", false)?.0)
    }),
    NativeDef::new("partition", "($self, sep, /)", |t, a| {
        partition(t, a, false)
    }),
    NativeDef::new("index", "($self, sub, start=None, end=None, /)", |t, a| {
        index(t, a, "index", false)
    }),
    NativeDef::new("ljust", "($self, width, fillchar=' ', /)", |t, a| {
        justify(t, a, "ljust", strip::ljust)
    }),
    NativeDef::new("lower", "($self, /)", |t, a| {
        map_ascii(t, a, |b| b.make_ascii_lowercase(), case::lower)
    }),
    NativeDef::new("lstrip", "($self, chars=None, /)", |t, a| {
        strip(t, a, "lstrip", true, false)
    }),
    NativeDef::new("rfind", "($self, sub, start=None, end=None, /)", |t, a| {
        Ok(position(t, a, "rfind", true)?.0)
    }),
    NativeDef::new("rindex", "($self, sub, start=None, end=None, /)", |t, a| {
        index(t, a, "rindex", true)
    }),
    NativeDef::new("rjust", "($self, width, fillchar=' ', /)", |t, a| {
        justify(t, a, "rjust", strip::rjust)
    }),
    NativeDef::new("rstrip", "($self, chars=None, /)", |t, a| {
        strip(t, a, "rstrip", false, true)
    }),
    NativeDef::new("rpartition", "($self, sep, /)", |t, a| {
        partition(t, a, true)
    }),
    NativeDef::new("splitlines", "($self, /, keepends=False)", split_lines),
    NativeDef::new("strip", "($self, chars=None, /)", |t, a| {
        strip(t, a, "strip", true, true)
    }),
    NativeDef::new("swapcase", "($self, /)", |t, a| map(t, a, case::swapcase)),
    NativeDef::new("translate", "($self, table, /)", translate),
    NativeDef::new("upper", "($self, /)", |t, a| {
        map_ascii(t, a, |b| b.make_ascii_uppercase(), case::upper)
    }),
    NativeDef::new(
        "startswith",
        "($self, prefix, start=None, end=None, /)",
        |t, a| tail_match(t, a, "startswith", false),
    ),
    NativeDef::new(
        "endswith",
        "($self, suffix, start=None, end=None, /)",
        |t, a| tail_match(t, a, "endswith", true),
    ),
    NativeDef::new("removeprefix", "($self, prefix, /)", remove_prefix),
    NativeDef::new("removesuffix", "($self, suffix, /)", remove_suffix),
    NativeDef::new("isascii", "($self, /)", |_, a| {
        Ok(Value::bool(Str::this(a[0]).is_ascii()))
    }),
    NativeDef::new("islower", "($self, /)", |_, a| test(a, case::is_lower)),
    NativeDef::new("isupper", "($self, /)", |_, a| test(a, case::is_upper)),
    NativeDef::new("istitle", "($self, /)", |_, a| test(a, case::is_title)),
    NativeDef::new("isspace", "($self, /)", |_, a| test(a, case::is_space)),
    NativeDef::new("isdecimal", "($self, /)", |_, a| test(a, case::is_decimal)),
    NativeDef::new("isdigit", "($self, /)", |_, a| test(a, case::is_digit)),
    NativeDef::new("isnumeric", "($self, /)", |_, a| test(a, case::is_numeric)),
    NativeDef::new("isalpha", "($self, /)", |_, a| test(a, case::is_alpha)),
    NativeDef::new("isalnum", "($self, /)", |_, a| test(a, case::is_alnum)),
    NativeDef::new("isidentifier", "($self, /)", |_, a| {
        test(a, case::is_identifier)
    }),
    NativeDef::new("isprintable", "($self, /)", |_, a| {
        test(a, case::is_printable)
    }),
    NativeDef::new("zfill", "($self, width, /)", zero_fill),
    NativeDef::raw(
        "format",
        "($self, /, *args, **kwargs)",
        crate::str_format::format,
    ),
    NativeDef::new(
        "format_map",
        "($self, mapping, /)",
        crate::str_format::format_map,
    ),
    NativeDef::new(
        "__format__",
        "($self, format_spec, /)",
        crate::str_format::dunder_format,
    ),
    NativeDef::static_(
        "maketrans",
        "(x, y=<unrepresentable>, z=<unrepresentable>, /)",
        make_trans,
    ),
    NativeDef::new("__getnewargs__", "($self, /)", new_args),
    NativeDef::new("__sizeof__", "($self, /)", size_of_str),
];

/// An argument that must be a str: `f() argument 1 must be str, not int`.
fn str_argument<'a>(t: &mut Thread, v: Value, f: &str, position: usize) -> Res<&'a Str> {
    match Str::of(v) {
        Some(s) => Ok(s),
        None => {
            let got = type_of(v).name();
            let at = if position == 0 {
                String::new()
            } else {
                format!(" {position}")
            };
            Err(t.type_error(format!("{f}() argument{at} must be str, not {got}")))
        }
    }
}

/// The result of a routine that gives `None` for "unchanged".
fn changed(t: &mut Thread, s: &Str, result: TextResult<Option<Vec<u8>>>) -> Res {
    match result {
        Ok(Some(v)) => Ok(Str::from_vec(t, v).into()),
        Ok(None) => Ok(s.to_exact(t).into()),
        Err(e) => Err(text_error(t, e)),
    }
}

/// A str for `piece`, a part of `s`: `s` itself if it is all of it.
#[inline]
fn part(t: &Thread, s: &Str, piece: &[u8]) -> Obj {
    if piece.len() == s.as_bytes().len() {
        return s.to_exact(t);
    }
    if s.is_ascii() {
        if let [b] = *piece {
            return Str::latin1(t, b);
        }
        return Str::from_text(
            t,
            Text {
                bytes: piece,
                chars: piece.len(),
            },
        );
    }
    Str::from_wtf8(t, piece)
}

/// `lower` and `upper`: bytes that are ASCII by `f`, everything else by `wide`.
fn map_ascii(
    t: &mut Thread,
    a: &[Value],
    f: impl FnOnce(&mut [u8]),
    wide: fn(Text<'_>) -> Vec<u8>,
) -> Res {
    let s = Str::this(a[0]);
    let bytes = s.as_bytes();
    memory::room(t, bytes.len())?;
    if s.is_ascii()
        && let Some(made) = Str::ascii_filled(t, bytes.len(), |out| {
            out.copy_from_slice(bytes);
            f(out);
        })
    {
        return Ok(made.into());
    }
    map(t, a, wide)
}

fn map(t: &mut Thread, a: &[Value], f: fn(Text<'_>) -> Vec<u8>) -> Res {
    let text = Str::this(a[0]).text();
    // Some characters become three.
    let times = if text.is_ascii() { 1 } else { 3 };
    memory::room_for(t, text.bytes.len(), times)?;
    let mapped = f(text);
    Ok(Str::from_vec(t, mapped).into())
}

fn test(a: &[Value], f: fn(Text<'_>) -> bool) -> Res {
    Ok(Value::bool(f(Str::this(a[0]).text())))
}

fn encode(t: &mut Thread, a: &[Value]) -> Res {
    let s = Str::this(a[0]);
    if a[1].is_null() && a[2].is_null() && s.is_ascii() {
        memory::room(t, s.len())?;
        return Ok(crate::bytes::Bytes::new(t, s.as_bytes()).into());
    }
    let encoding = text_argument(t, a[1], "encode", "encoding")?;
    let errors = text_argument(t, a[2], "encode", "errors")?;
    crate::str::codecs::encode_text(t, a[0], encoding, errors).map(Obj::into_value)
}

/// See [`search_arguments`].
type SearchArguments<'a> = (&'a Str, Option<(usize, usize, &'a [u8])>);

/// What is searched for, and the part of the string to search: its first code point, first byte and bytes. `None` for the
/// part if it is empty because `start` is too far.
fn search_arguments<'a>(t: &mut Thread, a: &[Value], f: &str) -> Res<SearchArguments<'a>> {
    let s = Str::this(a[0]);
    let sub = str_argument(t, a[1], f, 1)?;
    if a[2].is_null() && a[3].is_null() {
        return Ok((sub, Some((0, 0, s.as_bytes()))));
    }
    let (start, end) = bounds(t, a[2], a[3], s.len())?;
    if start > end {
        return Ok((sub, None));
    }
    let (from, to) = (s.offset(start), s.offset(end));
    Ok((sub, Some((start, from, &s.as_bytes()[from..to]))))
}

/// `find` and `rfind`: the index, or -1; and whether there is one.
#[inline]
fn position(t: &mut Thread, a: &[Value], f: &str, last: bool) -> Res<(Value, bool)> {
    // The usual case.
    let s = Str::this(a[0]);
    if a[2].is_null()
        && !last
        && s.is_ascii()
        && let Some(sub) = Str::exact(a[1])
        && a[3].is_null()
    {
        return Ok(match search::find(s.as_bytes(), sub.as_bytes()) {
            Some(at) => (Value::int(at as i64), true),
            None => (Value::int(-1), false),
        });
    }
    position_in(t, a, f, last)
}

fn position_in(t: &mut Thread, a: &[Value], f: &str, last: bool) -> Res<(Value, bool)> {
    let (sub, hay) = search_arguments(t, a, f)?;
    let none = (Value::int(-1), false);
    let Some((start, from, hay)) = hay else {
        return Ok(none);
    };
    let at = if last {
        search::rfind(hay, sub.as_bytes())
    } else {
        search::find(hay, sub.as_bytes())
    };
    let Some(at) = at else { return Ok(none) };
    let s = Str::this(a[0]);
    let i = if start == 0 || s.is_ascii() {
        s.index_of(from + at)
    } else {
        start + wtf8::count(&hay[..at])
    };
    Ok((Value::int(i as i64), true))
}

fn index(t: &mut Thread, a: &[Value], f: &str, last: bool) -> Res {
    match position(t, a, f, last)? {
        (i, true) => Ok(i),
        _ => Err(t.value_error("substring not found")),
    }
}

fn count(t: &mut Thread, a: &[Value]) -> Res {
    let (sub, hay) = search_arguments(t, a, "count")?;
    let n = hay.map_or(0, |(_, _, hay)| {
        search::count(hay, sub.as_bytes(), Unit::CodePoint)
    });
    Ok(Value::int(n as i64))
}

fn replace(t: &mut Thread, a: &[Value]) -> Res {
    let s = Str::this(a[0]);
    let old = str_argument(t, a[1], "replace", 1)?;
    let new = str_argument(t, a[2], "replace", 2)?;
    let max = size_or(t, a[3], -1)?;
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    let result = search::replace(
        s.as_bytes(),
        old.as_bytes(),
        new.as_bytes(),
        max,
        Unit::CodePoint,
    );
    changed(t, s, result)
}

/// The pieces of a split: the first ones on the stack.
pub(crate) struct Pieces {
    few: [Value; 16],
    n: usize,
    many: Vec<Obj>,
    refused: bool,
}

impl Pieces {
    #[inline(always)]
    pub fn new() -> Pieces {
        Pieces {
            few: [Value::NULL; 16],
            n: 0,
            many: Vec::new(),
            refused: false,
        }
    }

    #[inline(always)]
    pub fn push(&mut self, piece: Obj) {
        if self.n < self.few.len() {
            self.few[self.n] = piece.into_value();
            self.n += 1;
        } else {
            self.push_more(piece);
        }
    }

    /// What there is no memory for is left out: [`Pieces::list`] tells.
    #[inline]
    fn push_more(&mut self, piece: Obj) {
        if self.many.len() == self.many.capacity() {
            self.refused |= self.refused || self.many.try_reserve(1).is_err();
            if self.refused {
                return;
            }
        }
        self.many.push(piece);
    }

    /// Turns their order round.
    pub fn reverse(&mut self) {
        if self.many.is_empty() {
            self.few[..self.n].reverse();
            return;
        }
        let n = std::mem::take(&mut self.n);
        let few = self.few[..n].iter().map(|v| Obj::from_raw(*v));
        let mut all: Vec<Obj> = few.chain(std::mem::take(&mut self.many)).collect();
        all.reverse();
        self.many = all;
    }

    /// All of them.
    ///
    /// # Errors
    /// MemoryError.
    pub fn list(mut self, t: &Thread) -> Res<Obj> {
        if self.refused {
            return Err(t.memory_error());
        }
        memory::check(t)?;
        memory::room_for(t, self.n + self.many.len(), size_of::<Value>())?;
        let n = std::mem::take(&mut self.n);
        let mut many = std::mem::take(&mut self.many).into_iter();
        Ok(List::from_words(t, n + many.len(), |i| {
            if i < n {
                self.few[i]
            } else {
                many.next().map_or(Value::NONE, Obj::into_value)
            }
        }))
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        for v in &self.few[..self.n] {
            drop(Obj::from_raw(*v));
        }
    }
}

fn split(t: &mut Thread, a: &[Value], right: bool) -> Res {
    let s = Str::this(a[0]);
    let sep = if a[1].is_null() || a[1].is_none() {
        None
    } else {
        match Str::of(a[1]) {
            Some(sep) => Some(sep),
            None => {
                let got = type_of(a[1]).name();
                return Err(t.type_error(format!("must be str or None, not {got}")));
            }
        }
    };
    let max = usize::try_from(size_or(t, a[2], -1)?).unwrap_or(usize::MAX);
    if sep.is_some_and(Str::is_empty) {
        return Err(t.value_error("empty separator"));
    }
    let hay = s.as_bytes();
    let mut parts = Pieces::new();
    {
        let t = &*t;
        let emit = |piece: &[u8]| parts.push(part(t, s, piece));
        match (sep, right) {
            (Some(sep), false) => search::split(hay, sep.as_bytes(), max, emit),
            (Some(sep), true) => search::rsplit(hay, sep.as_bytes(), max, emit),
            (None, false) => search::split_whitespace(hay, s.is_ascii(), max, emit),
            (None, true) => search::rsplit_whitespace(hay, max, emit),
        }
    }
    if right {
        parts.reverse();
    }
    Ok(parts.list(t)?.into())
}

fn split_lines(t: &mut Thread, a: &[Value]) -> Res {
    let keep = !a[1].is_null() && proto::truth(t, a[1])?;
    let s = Str::this(a[0]);
    let mut parts = Pieces::new();
    {
        let t = &*t;
        search::splitlines(s.as_bytes(), keep, |piece| parts.push(part(t, s, piece)));
    }
    Ok(parts.list(t)?.into())
}

fn partition(t: &mut Thread, a: &[Value], last: bool) -> Res {
    let s = Str::this(a[0]);
    let Some(sep) = Str::of(a[1]) else {
        let got = type_of(a[1]).name();
        return Err(t.type_error(format!("must be str, not {got}")));
    };
    if sep.is_empty() {
        return Err(t.value_error("empty separator"));
    }
    let found = if last {
        search::rpartition(s.as_bytes(), sep.as_bytes())
    } else {
        search::partition(s.as_bytes(), sep.as_bytes())
    };
    let parts = match found {
        Some((before, _, after)) => [part(t, s, before), Obj::new(t, a[1]), part(t, s, after)],
        None if last => [Str::empty(t), Str::empty(t), s.to_exact(t)],
        None => [s.to_exact(t), Str::empty(t), Str::empty(t)],
    };
    Ok(Tuple::from_array(t, parts).into())
}

/// `sep.join(iterable)`
fn join(t: &mut Thread, a: &[Value]) -> Res {
    let sep = Str::this(a[0]);
    // Nothing below runs Python, so that a list stays as it is.
    if let Some(l) = List::exact(a[1])
        && let Some(items) = l.local_items(t)
    {
        return join_items(t, sep, items);
    }
    if let Some(x) = Tuple::exact(a[1]) {
        return join_items(t, sep, x.values());
    }
    let items = match joinable(t, a[1])? {
        Some(items) => items,
        None => return Err(t.type_error("can only join an iterable".into())),
    };
    let words: Vec<Value> = items.iter().map(Obj::value).collect();
    join_items(t, sep, &words)
}

fn join_items(t: &Thread, sep: &Str, items: &[Value]) -> Res {
    let (mut n, mut chars) = (0usize, 0usize);
    for (i, item) in items.iter().enumerate() {
        let Some(s) = Str::of(*item) else {
            let got = type_of(*item).name();
            return Err(t.type_error(format!(
                "sequence item {i}: expected str instance, {got} found"
            )));
        };
        let text = s.text();
        n += text.bytes.len();
        chars += text.chars;
    }
    if let [one] = *items
        && Str::exact(one).is_some()
    {
        return Ok(Obj::new(t, one).into());
    }
    let gaps = items.len().saturating_sub(1);
    let gap = sep.as_bytes();
    let total = gap.len().checked_mul(gaps).and_then(|m| m.checked_add(n));
    let Some(total) = total.filter(|&n| n <= isize::MAX as usize) else {
        return Err(t.overflow_error("join() result is too long for a Python string"));
    };
    let texts = items.iter().map(|v| Str::this(*v).as_bytes());
    Str::join_bytes(t, gap, texts, total, chars + sep.len() * gaps)
}

/// The items of what `join` is given; `None` if it cannot be iterated.
pub(crate) fn joinable(t: &mut Thread, v: Value) -> Res<Option<Vec<Obj>>> {
    match proto::to_vec(t, v) {
        Ok(items) => Ok(Some(items)),
        Err(e) => {
            // Errors of an iterable's own code are not ours to replace.
            let slots = &type_of(v).slots;
            if !slots.iter.is_set()
                && !slots.get_item.is_set()
                && t.exc_matches(&errors::TYPE_ERROR)
            {
                t.clear_exc();
                return Ok(None);
            }
            Err(e)
        }
    }
}

fn justify(
    t: &mut Thread,
    a: &[Value],
    f: &str,
    how: fn(Text<'_>, usize, u32) -> TextResult<Option<Vec<u8>>>,
) -> Res {
    let s = Str::this(a[0]);
    let width = crate::str::index::size(t, a[1])?;
    let fill = if a[2].is_null() {
        0x20
    } else {
        match Str::of(a[2]) {
            Some(c) if c.len() == 1 => c.char_at(0),
            Some(c) => {
                let n = c.len();
                return Err(t.type_error(format!(
                    "{f}(): argument 2 must be a unicode character, not a string of length {n}"
                )));
            }
            None => {
                let got = type_of(a[2]).name();
                return Err(t.type_error(format!(
                    "{f}() argument 2 must be a unicode character, not {got}"
                )));
            }
        }
    };
    let width = width.max(0) as usize;
    let bytes = s.as_bytes();
    if s.is_ascii() && fill < 0x80 && width > bytes.len() {
        let marg = width - bytes.len();
        let left = match f {
            "ljust" => 0,
            "rjust" => marg,
            _ => marg / 2 + (marg & width & 1),
        };
        if let Some(made) = Str::ascii_filled(t, width, |out| {
            out.fill(fill as u8);
            out[left..left + bytes.len()].copy_from_slice(bytes);
        }) {
            return Ok(made.into());
        }
    }
    let result = how(s.text(), width, fill);
    changed(t, s, result)
}

fn zero_fill(t: &mut Thread, a: &[Value]) -> Res {
    let s = Str::this(a[0]);
    let width = crate::str::index::size(t, a[1])?;
    let result = strip::zfill(s.text(), width.max(0) as usize);
    changed(t, s, result)
}

fn expand_tabs(t: &mut Thread, a: &[Value]) -> Res {
    let s = Str::this(a[0]);
    let size = crate::str::index::c_int(t, a[1], 8)?;
    if memchr::memchr(b'\t', s.as_bytes()).is_none() {
        return Ok(s.to_exact(t).into());
    }
    let result = strip::expandtabs(s.text(), size.max(0) as usize).map(Some);
    changed(t, s, result)
}

fn strip(t: &mut Thread, a: &[Value], f: &str, left: bool, right: bool) -> Res {
    let s = Str::this(a[0]);
    let chars = if a[1].is_null() || a[1].is_none() {
        None
    } else {
        match Str::of(a[1]) {
            Some(c) => Some(c.as_bytes()),
            None => {
                return Err(t.type_error(format!("{f} arg must be None or str")));
            }
        }
    };
    let rest = strip::strip_str(s.as_bytes(), chars, left, right);
    Ok(part(t, s, rest).into())
}

/// `startswith` and `endswith`.
fn tail_match(t: &mut Thread, a: &[Value], f: &str, end: bool) -> Res {
    let s = Str::this(a[0]);
    let hay = if a[2].is_null() && a[3].is_null() {
        Some(s.as_bytes())
    } else {
        let (from, to) = bounds(t, a[2], a[3], s.len())?;
        (from <= to).then(|| s.slice(from, to).bytes)
    };
    let matches = |affix: &Str| match hay {
        Some(hay) if end => hay.ends_with(affix.as_bytes()),
        Some(hay) => hay.starts_with(affix.as_bytes()),
        None => false,
    };
    if let Some(affix) = Str::of(a[1]) {
        return Ok(Value::bool(matches(affix)));
    }
    let Some(affixes) = Tuple::of(a[1]) else {
        let got = type_of(a[1]).name();
        return Err(t.type_error(format!(
            "{f} first arg must be str or a tuple of str, not {got}"
        )));
    };
    for i in 0..affixes.len() {
        let Some(affix) = Str::of(affixes.get(i)) else {
            let got = type_of(affixes.get(i)).name();
            return Err(t.type_error(format!("tuple for {f} must only contain str, not {got}")));
        };
        if matches(affix) {
            return Ok(Value::TRUE);
        }
    }
    Ok(Value::FALSE)
}

fn remove_prefix(t: &mut Thread, a: &[Value]) -> Res {
    let s = Str::this(a[0]);
    let prefix = str_argument(t, a[1], "removeprefix", 0)?;
    let rest = s
        .as_bytes()
        .strip_prefix(prefix.as_bytes())
        .unwrap_or(s.as_bytes());
    Ok(part(t, s, rest).into())
}

fn remove_suffix(t: &mut Thread, a: &[Value]) -> Res {
    let s = Str::this(a[0]);
    let suffix = str_argument(t, a[1], "removesuffix", 0)?;
    let rest = s
        .as_bytes()
        .strip_suffix(suffix.as_bytes())
        .unwrap_or(s.as_bytes());
    Ok(part(t, s, rest).into())
}

fn translate(t: &mut Thread, a: &[Value]) -> Res {
    let s = Str::this(a[0]);
    let table = a[1];
    let t = std::cell::RefCell::new(t);
    let out = strip::translate(
        s.text(),
        |cp| translated(&mut t.borrow_mut(), table, cp),
        |out, more| memory::grow(&t.borrow(), out, more),
    )?;
    let t = t.into_inner();
    Ok(Str::from_vec(t, out).into())
}

/// What the table says of a character.
fn translated(t: &mut Thread, table: Value, cp: u32) -> Res<Translated> {
    let key = Value::int(i64::from(cp));
    let got = match Dict::exact(table) {
        Some(d) => match d.get(t, key)? {
            Some(found) => Ok(Obj::own(found)),
            None => return Ok(Translated::Same),
        },
        None => proto::get_item(t, table, key),
    };
    let found = match got {
        Ok(found) => found,
        Err(e) => {
            if t.exc_matches(&errors::LOOKUP_ERROR) {
                t.clear_exc();
                return Ok(Translated::Same);
            }
            return Err(e);
        }
    };
    let v = found.value();
    if v.is_none() {
        return Ok(Translated::Delete);
    }
    if let Some(s) = Str::of(v) {
        memory::room(t, s.as_bytes().len())?;
        return Ok(Translated::Str(s.as_bytes().to_vec()));
    }
    if Int::of(v).is_none() {
        return Err(t.type_error("character mapping must return integer, None or str".into()));
    }
    match crate::int::as_i64(v) {
        Some(n @ 0..=0x10_FFFF) => Ok(Translated::Char(n as u32)),
        _ => Err(t.value_error("character mapping must be in range(0x110000)")),
    }
}

/// `str.maketrans`
fn make_trans(t: &mut Thread, a: &[Value]) -> Res {
    let (x, y, z) = (a[0], a[1], a[2]);
    let table = Dict::new(t);
    if y.is_null() {
        return copy_table(t, x, table);
    }
    let Some(from) = Str::of(x) else {
        return Err(t.type_error(
            "first maketrans argument must be a string if there is a second argument".into(),
        ));
    };
    let to = str_argument(t, y, "maketrans", 2)?;
    if from.len() != to.len() {
        return Err(t.value_error("the first two maketrans arguments must have equal length"));
    }
    let d = Dict::of_obj(&table);
    for (k, v) in from.text().code_points().zip(to.text().code_points()) {
        d.set(t, Value::int(i64::from(k)), Value::int(i64::from(v)))?;
    }
    if !z.is_null() {
        for k in str_argument(t, z, "maketrans", 3)?.text().code_points() {
            d.set(t, Value::int(i64::from(k)), Value::NONE)?;
        }
    }
    Ok(table.into())
}

/// `str.maketrans(dict)`
fn copy_table(t: &mut Thread, from: Value, table: Obj) -> Res {
    if Dict::exact(from).is_none() {
        return Err(
            t.type_error("if you give only one argument to maketrans it must be a dict".into())
        );
    }
    for k in proto::to_vec(t, from)? {
        let v = proto::get_item(t, from, k.value())?;
        let key = match Str::of(k.value()) {
            Some(s) if s.len() == 1 => Value::int(i64::from(s.char_at(0))),
            Some(_) => {
                return Err(t.value_error("string keys in translate table must be of length 1"));
            }
            None if Int::of(k.value()).is_some() => k.value(),
            None => {
                return Err(
                    t.type_error("keys in translate table must be strings or integers".into())
                );
            }
        };
        Dict::of_obj(&table).set(t, key, v.value())?;
    }
    Ok(table.into())
}

fn new_args(t: &mut Thread, a: &[Value]) -> Res {
    let s = Str::from_text(t, Str::this(a[0]).text());
    Ok(Tuple::from_vec(t, vec![s]).into())
}

/// As much as CPython's string of that text takes, whose header is larger in the free-threaded build.
fn size_of_str(_t: &mut Thread, a: &[Value]) -> Res {
    let s = Str::this(a[0]);
    let widest = s.as_bytes().iter().copied().max().unwrap_or(0);
    let size = match widest {
        0..0x80 => 40 + s.len() + 1,
        0x80..0xC4 => 56 + s.len() + 1,
        0xC4..0xF0 => 56 + 2 * (s.len() + 1),
        _ => 56 + 4 * (s.len() + 1),
    };
    let header = if cfg!(feature = "gil") { 0 } else { 16 };
    Ok(Value::int((size + header) as i64))
}
