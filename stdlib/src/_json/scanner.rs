//! `make_scanner`: values out of JSON text. Positions are byte offsets here, and become indices where Python sees them.

use super::{decode_error, scan_string};
use std::mem::offset_of;
use weft_objects::cell::fresh;
use weft_objects::float::{self, FLOAT};
use weft_objects::gc_slots;
use weft_objects::int::{self, INT};
use weft_objects::prelude::*;
use weft_objects::str::text_error;
use weft_objects::text::{float as float_text, int as int_text};

/// A scanner with the settings of a `JSONDecoder`.
#[repr(C)]
struct Scanner {
    header: Header,
    strict: Slot,
    object_hook: Slot,
    object_pairs_hook: Slot,
    parse_float: Slot,
    parse_int: Slot,
    parse_constant: Slot,
}

gc_slots!(
    Scanner,
    traverse,
    clear,
    strict,
    object_hook,
    object_pairs_hook,
    parse_float,
    parse_int,
    parse_constant
);

fn this<'a>(v: Value) -> &'a Scanner {
    // SAFETY: slots of SCANNER get its instances alone.
    unsafe { &*(v.ptr() as *const Scanner) }
}

fn new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("make_scanner", "(context)");
    let a = SIG.bind(t, args)?;
    // SAFETY: `cls` is SCANNER or a subclass.
    let (o, s) = unsafe { fresh::<Scanner>(t, Type::of_unchecked(cls)) };
    let strict = proto::get_attr(t, a[0], weft_objects::id!(t, "strict"))?;
    let strict = proto::truth(t, strict.value())?;
    s.strict.init(t, &s.header, Value::bool(strict));
    let rest = [
        ("object_hook", &s.object_hook),
        ("object_pairs_hook", &s.object_pairs_hook),
        ("parse_float", &s.parse_float),
        ("parse_int", &s.parse_int),
        ("parse_constant", &s.parse_constant),
    ];
    for (name, slot) in rest {
        let v = proto::get_attr(t, a[0], weft_objects::names::get(t, name))?;
        slot.init(t, &s.header, v.into());
    }
    Ok(o.into())
}

/// One scan.
struct Scan<'a> {
    scanner: &'a Scanner,
    doc: &'a Str,
    text: &'a [u8],
    strict: bool,
    /// Keys of objects that came up last, by a hash of their text: the same text is the same string, mostly.
    keys: Vec<Option<(&'a [u8], Obj)>>,
}

/// How many keys are remembered.
const KEYS: usize = 256;

/// Where a key is remembered.
fn place(bytes: &[u8]) -> usize {
    let h = bytes.iter().take(24).fold(bytes.len() as u64, |h, &b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    (h ^ (h >> 24)) as usize % KEYS
}

fn call(t: &mut Thread, v: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("scan_once", "(string, idx)");
    let a = SIG.bind(t, args)?;
    let Some(doc) = Str::of(a[0]) else {
        let got = type_of(a[0]).name();
        return Err(t.type_error(format!("first argument must be a string, not {got}")));
    };
    let i = proto::index_i64(t, a[1])?;
    if i < 0 {
        return Err(t.value_error("idx cannot be negative"));
    }
    if i as usize > doc.len() {
        let i = crate::support::int_obj(t, i);
        return Err(t.stop_iteration(Some(i)));
    }
    let s = this(v);
    let strict = s.strict.get() == Value::TRUE;
    let mut scan = Scan {
        scanner: s,
        doc,
        text: doc.as_bytes(),
        strict,
        keys: Vec::new(),
    };
    let (value, end) = scan.value(t, doc.offset(i as usize))?;
    let end = crate::support::int_obj(t, doc.index_of(end) as i64);
    Ok(Tuple::pair(t, value, end).into())
}

impl<'a> Scan<'a> {
    fn skip(&self, mut i: usize) -> usize {
        while matches!(self.text.get(i), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            i += 1;
        }
        i
    }

    /// The value at `i`, and where it ends. StopIteration if there is none.
    fn value(&mut self, t: &mut Thread, i: usize) -> Res<(Obj, usize)> {
        let rest = &self.text[i..];
        let word = |w: &str| rest.starts_with(w.as_bytes());
        match rest.first() {
            Some(b'"') => {
                let (text, end) = scan_string(t, self.doc, i + 1, self.strict)?;
                let s = match text {
                    Some(text) => Str::from_vec(t, text),
                    None => Str::from_wtf8(t, &self.text[i + 1..end - 1]),
                };
                Ok((s, end))
            }
            Some(b'{') => {
                let _guard =
                    t.enter_recursive(" while decoding a JSON object from a unicode string")?;
                self.object(t, i + 1)
            }
            Some(b'[') => {
                let _guard =
                    t.enter_recursive(" while decoding a JSON array from a unicode string")?;
                self.array(t, i + 1)
            }
            Some(b'n') if word("null") => Ok((Obj::from_raw(Value::NONE), i + 4)),
            Some(b't') if word("true") => Ok((Obj::from_raw(Value::TRUE), i + 4)),
            Some(b'f') if word("false") => Ok((Obj::from_raw(Value::FALSE), i + 5)),
            Some(b'N') if word("NaN") => self.constant(t, "NaN", i),
            Some(b'I') if word("Infinity") => self.constant(t, "Infinity", i),
            Some(b'-') if word("-Infinity") => self.constant(t, "-Infinity", i),
            _ => self.number(t, i),
        }
    }

    fn constant(&self, t: &mut Thread, name: &str, i: usize) -> Res<(Obj, usize)> {
        let s = Str::intern(t, name);
        Ok((
            proto::call(t, self.scanner.parse_constant.get(), &[s.value()])?,
            i + name.len(),
        ))
    }

    fn none_here(&self, t: &mut Thread, i: usize) -> Raised {
        let i = crate::support::int_obj(t, self.doc.index_of(i) as i64);
        t.stop_iteration(Some(i))
    }

    fn number(&self, t: &mut Thread, start: usize) -> Res<(Obj, usize)> {
        let b = self.text;
        let digits = |mut i: usize| {
            while b.get(i).is_some_and(u8::is_ascii_digit) {
                i += 1;
            }
            i
        };
        let first = start + usize::from(b.get(start) == Some(&b'-'));
        let mut end = match b.get(first) {
            Some(b'0') => first + 1,
            Some(b'1'..=b'9') => digits(first),
            _ => return Err(self.none_here(t, start)),
        };
        let mut is_float = false;
        if b.get(end) == Some(&b'.') && b.get(end + 1).is_some_and(u8::is_ascii_digit) {
            end = digits(end + 1);
            is_float = true;
        }
        if matches!(b.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(b.get(end + 1), Some(b'+' | b'-')));
            if b.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
                end = digits(end + 1 + sign);
                is_float = true;
            }
        }
        let text = &b[start..end];
        let parse = if is_float {
            self.scanner.parse_float.get()
        } else {
            self.scanner.parse_int.get()
        };
        let value = if is_float && parse.same(FLOAT.value()) {
            match float_text::parse_float_bytes(text) {
                Ok(f) => Obj::own(float::from_f64(t, f)),
                Err(e) => return Err(text_error(t, e)),
            }
        } else if !is_float && parse.same(INT.value()) {
            match int_text::parse_int_bytes(text, 10, int::max_str_digits()) {
                Ok(n) => Obj::own(int::from_text_int(t, n)),
                Err(e) => return Err(text_error(t, e)),
            }
        } else {
            let s = Str::from_wtf8(t, text);
            proto::call(t, parse, &[s.value()])?
        };
        Ok((value, end))
    }

    fn array(&mut self, t: &mut Thread, i: usize) -> Res<(Obj, usize)> {
        let list = List::new(t);
        let mut i = self.skip(i);
        if self.text.get(i) == Some(&b']') {
            return Ok((list, i + 1));
        }
        loop {
            let (v, end) = self.value(t, i)?;
            List::of_obj(&list).push(t, v.into());
            i = self.skip(end);
            match self.text.get(i) {
                Some(b']') => return Ok((list, i + 1)),
                Some(b',') => {}
                _ => return Err(decode_error(t, "Expecting ',' delimiter", self.doc, i)),
            }
            let comma = i;
            i = self.skip(i + 1);
            if self.text.get(i) == Some(&b']') {
                return Err(decode_error(
                    t,
                    "Illegal trailing comma before end of array",
                    self.doc,
                    comma,
                ));
            }
        }
    }

    fn key(&mut self, t: &mut Thread, i: usize) -> Res<(Obj, usize)> {
        let (text, end) = scan_string(t, self.doc, i, self.strict)?;
        if let Some(text) = text {
            return Ok((Str::from_vec(t, text), end));
        }
        let bytes = &self.text[i..end - 1];
        if self.keys.is_empty() {
            self.keys.resize_with(KEYS, || None);
        }
        let known = &mut self.keys[place(bytes)];
        match known {
            Some((text, key)) if *text == bytes => Ok((key.clone(), end)),
            _ => {
                let key = Str::from_wtf8(t, bytes);
                *known = Some((bytes, key.clone()));
                Ok((key, end))
            }
        }
    }

    fn object(&mut self, t: &mut Thread, i: usize) -> Res<(Obj, usize)> {
        let pairs_hook = self.scanner.object_pairs_hook.get();
        let mut pairs = (!pairs_hook.is_none()).then(Vec::new);
        let d = Dict::new(t);
        let mut i = self.skip(i);
        if self.text.get(i) == Some(&b'}') {
            i += 1;
        } else {
            let no_name = "Expecting property name enclosed in double quotes";
            if self.text.get(i) != Some(&b'"') {
                return Err(decode_error(t, no_name, self.doc, i));
            }
            loop {
                let (key, end) = self.key(t, i + 1)?;
                i = self.skip(end);
                if self.text.get(i) != Some(&b':') {
                    return Err(decode_error(t, "Expecting ':' delimiter", self.doc, i));
                }
                i = self.skip(i + 1);
                let (v, end) = self.value(t, i)?;
                match &mut pairs {
                    Some(pairs) => pairs.push(Tuple::pair(t, key, v)),
                    None => {
                        let hash = Str::of(key.value()).map_or(0, |k| k.hash());
                        Dict::of_obj(&d).set_hashed(t, key.value(), hash, v)?;
                    }
                }
                i = self.skip(end);
                match self.text.get(i) {
                    Some(b'}') => {
                        i += 1;
                        break;
                    }
                    Some(b',') => {}
                    _ => return Err(decode_error(t, "Expecting ',' delimiter", self.doc, i)),
                }
                let comma = i;
                i = self.skip(i + 1);
                match self.text.get(i) {
                    Some(b'"') => {}
                    Some(b'}') => {
                        return Err(decode_error(
                            t,
                            "Illegal trailing comma before end of object",
                            self.doc,
                            comma,
                        ));
                    }
                    _ => return Err(decode_error(t, no_name, self.doc, i)),
                }
            }
        }
        if let Some(pairs) = pairs {
            let list = List::from_vec(t, pairs);
            return Ok((
                proto::call(t, self.scanner.object_pairs_hook.get(), &[list.value()])?,
                i,
            ));
        }
        let hook = self.scanner.object_hook.get();
        if !hook.is_none() {
            return Ok((proto::call(t, hook, &[d.value()])?, i));
        }
        Ok((d, i))
    }
}

macro_rules! setting {
    ($name:ident) => {
        MemberDef {
            name: stringify!($name),
            offset: offset_of!(Scanner, $name),
            readonly: true,
            none_if_empty: true,
        }
    };
}

/// `_json.Scanner`
pub static SCANNER: Type = Type::builtin(
    "Scanner",
    size_of::<Scanner>(),
    &Spec {
        new: Some(new),
        call: Some(call),
        members: &[
            setting!(strict),
            setting!(object_hook),
            setting!(object_pairs_hook),
            setting!(parse_float),
            setting!(parse_int),
            setting!(parse_constant),
        ],
        ..Spec::EMPTY
    },
)
.module("_json")
.gc(traverse, clear)
.doc("JSON scanner object");
