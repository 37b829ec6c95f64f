//! The module `marshal`: CPython's format for everything but code objects, whose data is ours (see [`crate::proto_file`]).

use crate::compile_api;
use num_bigint::{BigInt, Sign};
use std::collections::HashMap;
use weft_objects::audit;
use weft_objects::bytes::Bytes;
use weft_objects::code::Code;
use weft_objects::memory;
use weft_objects::prelude::*;
use weft_objects::set::Set;
use weft_objects::{buffer, complex, float, int, set, slice};
use weft_stdlib::support;

/// The version of the format that is written by default.
const VERSION: i64 = 5;
/// Nested deeper than this is an error.
const DEEPEST: u32 = 2000;
/// The object may be referred to later on.
const REF: u8 = 0x80;

/// Makes the module.
///
/// # Errors
/// None in practice.
pub fn module(t: &mut Thread) -> Res<Obj> {
    let m = support::module(
        t,
        "marshal",
        "This module contains functions that can read and write Python values in\na binary format. The format is specific to Python, but independent of\nmachine architecture issues.",
        FUNCTIONS,
    );
    support::add_ints(t, &m, &[("version", VERSION)]);
    Ok(m)
}

const FUNCTIONS: &[NativeDef] = &[
    NativeDef::new(
        "dump",
        "(value, file, version=5, /, *, allow_code=True)",
        dump,
    ),
    NativeDef::new(
        "dumps",
        "(value, version=5, /, *, allow_code=True)",
        |t, a| dumps(t, a[0], a[1], a[2]),
    ),
    NativeDef::new("load", "(file, /, *, allow_code=True)", load),
    NativeDef::new("loads", "(bytes, /, *, allow_code=True)", loads),
];

fn dump(t: &mut Thread, a: &[Value]) -> Res {
    let bytes = Obj::own(dumps(t, a[0], a[2], a[3])?);
    proto::call_method(t, a[1], "write", &[bytes.value()]).map(Obj::into_value)
}

fn dumps(t: &mut Thread, v: Value, version: Value, allow_code: Value) -> Res {
    let version = if version.is_null() {
        VERSION
    } else {
        i64::from(support::c_int(t, version)?)
    };
    let allow_code = support::truth_or(t, allow_code, true)?;
    audit::tell(t, "marshal.dumps", &[v, Value::int(version)])?;
    let mut w = Writer {
        out: Vec::new(),
        version,
        allow_code,
        depth: 0,
        seen: HashMap::new(),
    };
    w.object(t, v)?;
    Ok(Bytes::from_vec(t, w.out).into())
}

struct Writer {
    out: Vec<u8>,
    version: i64,
    allow_code: bool,
    depth: u32,
    /// Where each object that may occur again is: its word to its number.
    seen: HashMap<u64, u32>,
}

fn unmarshallable(t: &Thread) -> Raised {
    t.value_error("unmarshallable object")
}

impl Writer {
    fn long(&mut self, n: i32) {
        self.out.extend_from_slice(&n.to_le_bytes());
    }

    fn len(&mut self, t: &Thread, n: usize) -> Res<()> {
        match i32::try_from(n) {
            Ok(n) => {
                self.long(n);
                Ok(())
            }
            Err(_) => Err(unmarshallable(t)),
        }
    }

    fn sized(&mut self, t: &Thread, b: &[u8]) -> Res<()> {
        self.len(t, b.len())?;
        memory::append(t, &mut self.out, b)
    }

    fn object(&mut self, t: &mut Thread, v: Value) -> Res<()> {
        // What is not a text or bytes is short.
        memory::spare(t, &mut self.out, 64)?;
        if self.depth >= DEEPEST {
            return Err(t.value_error("object too deeply nested to marshal"));
        }
        self.depth += 1;
        let r = self.object_within(t, v);
        self.depth -= 1;
        r
    }

    fn object_within(&mut self, t: &mut Thread, v: Value) -> Res<()> {
        let simple = match v {
            Value::NONE => b'N',
            Value::TRUE => b'T',
            Value::FALSE => b'F',
            Value::ELLIPSIS => b'.',
            _ if v.same(errors::STOP_ITERATION.value()) => b'S',
            _ => 0,
        };
        if simple != 0 {
            self.out.push(simple);
            return Ok(());
        }
        let flag = match self.reference(v) {
            Some(0) => 0,
            Some(_) => REF,
            None => return Ok(()),
        };
        if int::is_exact_int(v) {
            return self.int(t, v, flag);
        }
        if float::is_exact_float(v) {
            let f = float::as_f64(v).unwrap_or(0.0);
            return self.floats(t, flag, &[f]);
        }
        if type_of(v).is(&complex::COMPLEX) {
            let (re, im) = complex::of(v).unwrap_or_default();
            return self.floats(t, flag, &[re, im]);
        }
        if let Some(s) = Str::exact(v) {
            return self.text(t, s, flag);
        }
        self.container(t, v, flag)
    }

    /// Writes a reference (`None`) if the object has been written before; else 1 if it may be referred to, 0 if not.
    fn reference(&mut self, v: Value) -> Option<u8> {
        if self.version < 3 || !v.is_ptr() {
            return Some(0);
        }
        let key = v.bare().0;
        if let Some(n) = self.seen.get(&key).copied() {
            self.out.push(b'r');
            self.long(n as i32);
            return None;
        }
        let n = self.seen.len() as u32;
        self.seen.insert(key, n);
        Some(1)
    }

    fn int(&mut self, t: &Thread, v: Value, flag: u8) -> Res<()> {
        if let Some(i) = int::as_i64(v).and_then(|i| i32::try_from(i).ok()) {
            self.out.push(b'i' | flag);
            self.long(i);
            return Ok(());
        }
        let big = int::to_bigint(v).unwrap_or_default();
        self.out.push(b'l' | flag);
        // Digits of 15 bits; the sign is that of their number.
        let digits = big.magnitude().to_radix_le(1 << 8);
        let mut words = Vec::new();
        let (mut have, mut bits) = (0u32, 0);
        for d in digits {
            have |= u32::from(d) << bits;
            bits += 8;
            if bits >= 15 {
                words.push((have & 0x7fff) as u16);
                have >>= 15;
                bits -= 15;
            }
        }
        if have != 0 {
            words.push(have as u16);
        }
        let Ok(n) = i32::try_from(words.len()) else {
            return Err(unmarshallable(t));
        };
        self.long(if big.sign() == Sign::Minus { -n } else { n });
        words
            .iter()
            .for_each(|w| self.out.extend_from_slice(&w.to_le_bytes()));
        Ok(())
    }

    fn floats(&mut self, t: &mut Thread, flag: u8, parts: &[f64]) -> Res<()> {
        let real = parts.len() == 1;
        if self.version > 1 {
            self.out.push(if real { b'g' } else { b'y' } | flag);
            parts
                .iter()
                .for_each(|f| self.out.extend_from_slice(&f.to_bits().to_le_bytes()));
            return Ok(());
        }
        self.out.push(if real { b'f' } else { b'x' } | flag);
        for f in parts {
            let o = Obj::own(float::from_f64(t, *f));
            let text = proto::repr(t, o.value())?;
            let text = Str::of(text.value()).map_or_else(Vec::new, |s| s.as_bytes().to_vec());
            self.out.push(text.len() as u8);
            self.out.extend_from_slice(&text);
        }
        Ok(())
    }

    fn text(&mut self, t: &Thread, s: &Str, flag: u8) -> Res<()> {
        let bytes = s.as_bytes();
        let interned = s.is_interned();
        if self.version >= 4 && s.is_ascii() {
            if bytes.len() < 256 {
                self.out.push(if interned { b'Z' } else { b'z' } | flag);
                self.out.push(bytes.len() as u8);
                self.out.extend_from_slice(bytes);
                return Ok(());
            }
            self.out.push(if interned { b'A' } else { b'a' } | flag);
            return self.sized(t, bytes);
        }
        self.out.push(
            if interned && self.version >= 3 {
                b't'
            } else {
                b'u'
            } | flag,
        );
        self.sized(t, bytes)
    }

    fn container(&mut self, t: &mut Thread, v: Value, flag: u8) -> Res<()> {
        if let Some(b) = Bytes::exact(v) {
            self.out.push(b's' | flag);
            return self.sized(t, b.as_slice());
        }
        if let Some(x) = Tuple::exact(v) {
            let items = x.to_vec(t);
            if self.version >= 4 && items.len() < 256 {
                self.out.push(b')' | flag);
                self.out.push(items.len() as u8);
                return self.all(t, &items);
            }
            return self.items(t, b'(' | flag, items);
        }
        if let Some(l) = List::exact(v) {
            let items = l.to_vec(t);
            return self.items(t, b'[' | flag, items);
        }
        if let Some(d) = Dict::exact(v) {
            self.out.push(b'{' | flag);
            for (k, v) in d.items(t) {
                self.object(t, k.value())?;
                self.object(t, v.value())?;
            }
            self.out.push(b'0');
            return Ok(());
        }
        if let Some(s) = Set::exact(v) {
            return self.set(t, b'<' | flag, s);
        }
        if type_of(v).is(&set::FROZENSET) {
            return self.set(t, b'>' | flag, Set::this(v));
        }
        if let Some(s) = slice::Slice::of(v) {
            if self.version < 5 {
                return Err(unmarshallable(t));
            }
            self.out.push(b':' | flag);
            let parts = [&s.start, &s.stop, &s.step].map(|p| Obj::new(t, p.get()));
            return self.all(t, &parts);
        }
        if let Some(c) = Code::of(v) {
            if !self.allow_code {
                return Err(t.value_error("marshalling code objects is disallowed"));
            }
            let p = compile_api::proto_from_code(t, c)?;
            self.out.push(b'c' | flag);
            return self.sized(t, &crate::proto_file::write(&p));
        }
        if buffer::is_exporter(v) {
            let bytes = buffer::get(t, v)?.to_vec();
            self.out.push(b's' | flag);
            return self.sized(t, &bytes);
        }
        Err(unmarshallable(t))
    }

    fn items(&mut self, t: &mut Thread, tag: u8, items: Vec<Obj>) -> Res<()> {
        self.out.push(tag);
        self.len(t, items.len())?;
        self.all(t, &items)
    }

    fn all(&mut self, t: &mut Thread, items: &[Obj]) -> Res<()> {
        items.iter().try_for_each(|o| self.object(t, o.value()))
    }

    /// In an order that does not depend on hashes: that of the items' own bytes.
    fn set(&mut self, t: &mut Thread, tag: u8, s: &Set) -> Res<()> {
        let mut items = Vec::new();
        for o in s.to_vec(t) {
            let mut w = Writer {
                out: Vec::new(),
                version: self.version.min(2),
                allow_code: self.allow_code,
                depth: self.depth,
                seen: HashMap::new(),
            };
            w.object(t, o.value())?;
            items.push((w.out, o));
        }
        items.sort_by(|a, b| a.0.cmp(&b.0));
        let items = items.into_iter().map(|(_, o)| o).collect();
        self.items(t, tag, items)
    }
}

// --- reading ---

fn load(t: &mut Thread, a: &[Value]) -> Res {
    let allow_code = support::truth_or(t, a[1], true)?;
    audit::tell(t, "marshal.load", &[])?;
    let mut r = Reader {
        source: Source::File(Obj::new(t, a[0])),
        refs: Vec::new(),
        allow_code,
        depth: 0,
    };
    r.object(t)?.map_or_else(
        || Err(bad(t, "NULL object in marshal data for object")),
        |o| Ok(o.into()),
    )
}

fn loads(t: &mut Thread, a: &[Value]) -> Res {
    let allow_code = support::truth_or(t, a[1], true)?;
    let bytes = buffer::get(t, a[0])?.to_vec();
    if audit::wanted() {
        let told = Bytes::from_vec(t, bytes.clone());
        audit::tell(t, "marshal.loads", &[told.value()])?;
    }
    let mut r = Reader {
        source: Source::Bytes(bytes, 0),
        refs: Vec::new(),
        allow_code,
        depth: 0,
    };
    r.object(t)?.map_or_else(
        || Err(bad(t, "NULL object in marshal data for object")),
        |o| Ok(o.into()),
    )
}

enum Source {
    Bytes(Vec<u8>, usize),
    File(Obj),
}

struct Reader {
    source: Source,
    /// What may be referred to, in order; `None` while it is being read.
    refs: Vec<Option<Obj>>,
    allow_code: bool,
    depth: u32,
}

fn bad(t: &Thread, what: &str) -> Raised {
    if what.starts_with("NULL") {
        t.type_error(what.into())
    } else {
        t.value_error(format!("bad marshal data ({what})"))
    }
}

impl Reader {
    fn take(&mut self, t: &mut Thread, n: usize) -> Res<Vec<u8>> {
        let short = |t: &Thread| t.raise(&errors::EOF_ERROR, "marshal data too short");
        match &mut self.source {
            Source::Bytes(b, at) => match b.get(*at..).and_then(|rest| rest.get(..n)) {
                Some(part) => {
                    let part = part.to_vec();
                    *at += n;
                    Ok(part)
                }
                None => Err(short(t)),
            },
            Source::File(f) => {
                let mut all = Vec::with_capacity(n.min(1 << 20));
                while all.len() < n {
                    let want = Value::int((n - all.len()) as i64);
                    let part = proto::call_method(t, f.value(), "read", &[want])?;
                    let Some(part) = Bytes::of(part.value()) else {
                        let got = type_of(part.value()).name();
                        return Err(
                            t.type_error(format!("file.read() returned not bytes but {got}"))
                        );
                    };
                    if part.is_empty() {
                        return Err(short(t));
                    }
                    all.extend_from_slice(part.as_slice());
                }
                Ok(all)
            }
        }
    }

    fn byte(&mut self, t: &mut Thread) -> Res<u8> {
        if let Source::Bytes(b, at) = &mut self.source {
            return match b.get(*at) {
                Some(x) => {
                    *at += 1;
                    Ok(*x)
                }
                None => Err(t.raise(&errors::EOF_ERROR, "marshal data too short")),
            };
        }
        Ok(self.take(t, 1)?[0])
    }

    fn long(&mut self, t: &mut Thread) -> Res<i32> {
        let b = self.take(t, 4)?;
        Ok(i32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    fn double(&mut self, t: &mut Thread) -> Res<f64> {
        let b = self.take(t, 8)?;
        Ok(f64::from_bits(
            b.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)),
        ))
    }

    fn len(&mut self, t: &mut Thread, what: &str) -> Res<usize> {
        match usize::try_from(self.long(t)?) {
            Ok(n) => Ok(n),
            Err(_) => Err(bad(t, &format!("{what} size out of range"))),
        }
    }

    fn sized(&mut self, t: &mut Thread, what: &str) -> Res<Vec<u8>> {
        let n = self.len(t, what)?;
        self.take(t, n)
    }

    /// An object; `None` is the end mark of a dict.
    fn object(&mut self, t: &mut Thread) -> Res<Option<Obj>> {
        if self.depth >= DEEPEST {
            return Err(bad(t, "recursion limit exceeded"));
        }
        self.depth += 1;
        let tag = self.byte(t)?;
        let flag = tag & REF != 0;
        let o = self.tagged(t, tag & !REF, flag);
        self.depth -= 1;
        o
    }

    fn some(&mut self, t: &mut Thread, what: &str) -> Res<Obj> {
        match self.object(t)? {
            Some(o) => Ok(o),
            None => Err(bad(t, &format!("NULL object in marshal data for {what}"))),
        }
    }

    fn many(&mut self, t: &mut Thread, n: usize, what: &str) -> Res<Vec<Obj>> {
        let mut items = Vec::with_capacity(n.min(1 << 16));
        for _ in 0..n {
            items.push(self.some(t, what)?);
        }
        Ok(items)
    }

    fn tagged(&mut self, t: &mut Thread, tag: u8, flag: bool) -> Res<Option<Obj>> {
        let constant = match tag {
            b'0' => return Ok(None),
            b'N' => Value::NONE,
            b'T' => Value::TRUE,
            b'F' => Value::FALSE,
            b'.' => Value::ELLIPSIS,
            b'S' => errors::STOP_ITERATION.value(),
            b'r' => return self.referred(t).map(Some),
            _ => Value::NULL,
        };
        if !constant.is_null() {
            return Ok(Some(Obj::new(t, constant)));
        }
        // What contains others has its number before them.
        let slot = flag.then(|| {
            self.refs.push(None);
            self.refs.len() - 1
        });
        let o = match tag {
            b'[' | b'{' | b'<' => self.mutable(t, tag, slot)?,
            b'(' | b')' | b'>' | b':' => self.fixed(t, tag)?,
            b'c' => self.code(t)?,
            _ => self.plain(t, tag)?,
        };
        if let Some(i) = slot {
            self.refs[i] = Some(o.clone());
        }
        Ok(Some(o))
    }

    fn referred(&mut self, t: &mut Thread) -> Res<Obj> {
        let n = self.long(t)?;
        match usize::try_from(n).ok().and_then(|n| self.refs.get(n)) {
            Some(Some(o)) => Ok(o.clone()),
            _ => Err(bad(t, "invalid reference")),
        }
    }

    fn plain(&mut self, t: &mut Thread, tag: u8) -> Res<Obj> {
        Ok(match tag {
            b'i' => {
                let n = self.long(t)?;
                Obj::own(int::from_i64(t, n.into()))
            }
            b'I' => {
                let b = self.take(t, 8)?;
                Obj::own(int::from_i64(
                    t,
                    b.iter().rev().fold(0, |n, b| n << 8 | i64::from(*b)),
                ))
            }
            b'l' => self.big(t)?,
            b'g' => {
                let f = self.double(t)?;
                Obj::own(float::from_f64(t, f))
            }
            b'f' => {
                let f = self.float_text(t)?;
                Obj::own(float::from_f64(t, f))
            }
            b'y' => {
                let (re, im) = (self.double(t)?, self.double(t)?);
                Obj::own(complex::from_parts(t, re, im))
            }
            b'x' => {
                let (re, im) = (self.float_text(t)?, self.float_text(t)?);
                Obj::own(complex::from_parts(t, re, im))
            }
            b's' => {
                let b = self.sized(t, "bytes object")?;
                Bytes::from_vec(t, b)
            }
            b'z' | b'Z' => {
                let n = self.byte(t)?;
                let b = self.take(t, n.into())?;
                self.text(t, b, tag == b'Z')?
            }
            b'a' | b'A' | b'u' | b't' => {
                let b = self.sized(t, "string")?;
                self.text(t, b, matches!(tag, b'A' | b't'))?
            }
            _ => return Err(bad(t, "unknown type code")),
        })
    }

    fn text(&mut self, t: &Thread, b: Vec<u8>, interned: bool) -> Res<Obj> {
        if weft_objects::text::wtf8::validate(&b).is_err() {
            return Err(bad(t, "invalid text"));
        }
        Ok(if interned {
            Obj::new(t, Str::intern_bytes(t, &b).value())
        } else {
            Str::from_vec(t, b)
        })
    }

    fn float_text(&mut self, t: &mut Thread) -> Res<f64> {
        let n = self.byte(t)?;
        let b = self.take(t, n.into())?;
        match std::str::from_utf8(&b).ok().and_then(|s| s.parse().ok()) {
            Some(f) => Ok(f),
            None => Err(bad(t, "invalid float")),
        }
    }

    fn big(&mut self, t: &mut Thread) -> Res<Obj> {
        let n = self.long(t)?;
        let bytes = self.take(t, n.unsigned_abs() as usize * 2)?;
        let mut digits = Vec::with_capacity(bytes.len());
        let (mut have, mut bits) = (0u32, 0);
        for d in bytes.chunks_exact(2) {
            let d = u16::from_le_bytes([d[0], d[1]]);
            if d > 0x7fff {
                return Err(bad(t, "digit out of range in long"));
            }
            have |= u32::from(d) << bits;
            bits += 15;
            while bits >= 8 {
                digits.push(have as u8);
                have >>= 8;
                bits -= 8;
            }
        }
        digits.push(have as u8);
        if n != 0 && bytes.ends_with(&[0, 0]) {
            return Err(bad(t, "unnormalized long data"));
        }
        let sign = if n < 0 { Sign::Minus } else { Sign::Plus };
        Ok(Obj::own(int::from_bigint(
            t,
            BigInt::from_bytes_le(sign, &digits),
        )))
    }

    fn mutable(&mut self, t: &mut Thread, tag: u8, slot: Option<usize>) -> Res<Obj> {
        let note = |r: &mut Reader, o: &Obj| {
            if let Some(i) = slot {
                r.refs[i] = Some(o.clone());
            }
        };
        if tag == b'{' {
            let d = Dict::new(t);
            note(self, &d);
            while let Some(k) = self.object(t)? {
                let Some(v) = self.object(t)? else { break };
                Dict::of_obj(&d).set(t, k.value(), v.value())?;
            }
            return Ok(d);
        }
        let n = self.len(t, if tag == b'[' { "list" } else { "set" })?;
        if tag == b'[' {
            let l = List::new(t);
            note(self, &l);
            for _ in 0..n {
                let item = self.some(t, "list")?;
                List::of_obj(&l).push(t, item.into_value());
            }
            return Ok(l);
        }
        let s = Set::new(t);
        note(self, &s);
        for _ in 0..n {
            let item = self.some(t, "set")?;
            Set::of_obj(&s).add(t, item.value())?;
        }
        Ok(s)
    }

    fn fixed(&mut self, t: &mut Thread, tag: u8) -> Res<Obj> {
        let n = match tag {
            b')' => self.byte(t)?.into(),
            b':' => 3,
            b'(' => self.len(t, "tuple")?,
            _ => self.len(t, "set")?,
        };
        let items = self.many(t, n, if tag == b'>' { "set" } else { "tuple" })?;
        Ok(match tag {
            b'>' => {
                let s = Set::new_frozen(t);
                for item in items {
                    Set::of_obj(&s).add(t, item.value())?;
                }
                s
            }
            b':' => {
                let mut parts = items.into_iter();
                let mut part = || parts.next().unwrap_or_else(|| Obj::from_raw(Value::NONE));
                let (start, stop, step) = (part(), part(), part());
                slice::Slice::new(t, start, stop, step)
            }
            _ => Tuple::from_vec(t, items),
        })
    }

    fn code(&mut self, t: &mut Thread) -> Res<Obj> {
        if !self.allow_code {
            return Err(t.value_error("unmarshalling code objects is disallowed"));
        }
        let b = self.sized(t, "code object")?;
        match crate::code_load::load(t, &b) {
            Some(code) => Ok(code),
            None => Err(bad(t, "invalid code object")),
        }
    }
}
