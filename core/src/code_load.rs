//! Code objects out of the bytes that [`crate::proto_file`] describes. Reading checks the form, not the meaning: see
//! [`crate::compile::verify`] for that.

use crate::compile_api::frozen_set;
use crate::proto_file::{LENGTH, parts};
use num_bigint::BigInt;
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering::*};
use weft_objects::bytes::Bytes;
use weft_objects::code::{
    Code, CodeHead, CodeParts, Handler, Instrs, LOCAL_CELL, LOCAL_FAST, LOCAL_FREE, LOCAL_HIDDEN,
    Packed, Positions,
};
use weft_objects::prelude::*;
use weft_objects::text::{Text, wtf8};
use weft_objects::{complex, float, int, slice};

/// The code object in these bytes. `None` if they are not what [`crate::proto_file::write`] makes.
pub fn load(t: &mut Thread, bytes: &[u8]) -> Option<Obj> {
    let parts = parts(bytes)?;
    let (file, at) = File::open(t, parts, None)?;
    let mut r = Reader::new(&file, None, at);
    let code = r.code(t)?;
    (r.at == parts.0.len()).then_some(code)
}

/// The same for the two parts that the program holds, with another file name throughout: instructions, positions and long texts are used
/// where they lie, and most functions are read no further than to their heads before they are called.
pub fn load_kept(t: &mut Thread, parts: Parts<'static>, filename: &Obj) -> Option<Obj> {
    let (file, at) = File::open(t, parts, Some(filename))?;
    let file = Arc::new(file);
    Reader::new(&file, Some(&file), at).code(t)
}

/// The same in memory of its own, for bytes whose code has been given out already.
pub fn load_copied(t: &mut Thread, parts: Parts, filename: &Obj) -> Option<Obj> {
    let (file, at) = File::open(t, parts, Some(filename))?;
    Reader::new(&file, None, at).code(t)
}

/// What [`parts`] gives.
pub type Parts<'a> = (&'a [u8], &'a [u8]);

/// What all code of a file refers to.
struct File<'a> {
    bytes: &'a [u8],
    late: &'a [u8],
    /// Where the places of the names are, and where their text is.
    places: usize,
    text: usize,
    /// Each name that has been asked for.
    names: Box<[AtomicPtr<Str>]>,
    filename: &'static Str,
    /// The bytes were made together with the program.
    trusted: bool,
}

impl<'a> File<'a> {
    /// The file, and where its code is.
    fn open(
        t: &Thread,
        (bytes, late): Parts<'a>,
        filename: Option<&Obj>,
    ) -> Option<(File<'a>, usize)> {
        let mut file = File {
            bytes,
            late,
            places: LENGTH + 4,
            text: 0,
            names: Box::default(),
            filename: weft_objects::names::get(t, ""),
            trusted: filename.is_some(),
        };
        let n = file.u32(LENGTH)?;
        if n > bytes.len() / 4 {
            return None;
        }
        file.names = (0..n).map(|_| AtomicPtr::new(null_mut())).collect();
        file.text = file.places + 4 * (n + 1);
        let at = file.text.checked_add(file.u32(file.text - 4)?)?;
        let mut r = Reader::new(&file, None, at);
        let own = r.bytes()?;
        let at = r.at;
        file.filename = match filename.and_then(|f| Str::of(f.value())) {
            Some(f) => Str::intern_bytes(t, f.as_bytes()),
            None => Str::intern_bytes(t, std::str::from_utf8(own).ok()?.as_bytes()),
        };
        Some((file, at))
    }

    fn u32(&self, at: usize) -> Option<usize> {
        let bytes = self.bytes.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
    }

    #[inline]
    fn name(&self, t: &Thread, n: usize) -> Option<&'static Str> {
        let p = self.names.get(n)?.load(Acquire);
        if p.is_null() {
            return self.find_name(t, n);
        }
        // SAFETY: interned strings are immortal.
        Some(unsafe { &*p })
    }

    fn find_name(&self, t: &Thread, n: usize) -> Option<&'static Str> {
        let at = self.places + 4 * n;
        let (start, end) = (self.u32(at)?, self.u32(at + 4)?);
        let text = self.bytes.get(self.text..)?.get(start..end)?;
        if !self.trusted {
            std::str::from_utf8(text).ok()?;
        }
        let name = Str::intern_bytes(t, text);
        self.names[n].store((name as *const Str).cast_mut(), Release);
        Some(name)
    }
}

/// Bytes that stay, and bytes that do not.
enum Late<'a> {
    Kept(&'static [u8]),
    Passing(&'a [u8]),
}

struct Reader<'f, 'a> {
    file: &'f File<'a>,
    /// The same file, if its bytes stay.
    kept: Option<&'f Arc<File<'static>>>,
    at: usize,
    depth: u32,
}

/// Constants and code nested deeper than this are refused.
const DEEPEST: u32 = 500;

impl<'f, 'a> Reader<'f, 'a> {
    fn new(file: &'f File<'a>, kept: Option<&'f Arc<File<'static>>>, at: usize) -> Self {
        Reader {
            file,
            kept,
            at,
            depth: 0,
        }
    }

    #[inline]
    fn byte(&mut self) -> Option<u8> {
        let b = *self.file.bytes.get(self.at)?;
        self.at += 1;
        Some(b)
    }

    #[inline]
    fn number(&mut self) -> Option<u64> {
        let b = self.byte()?;
        if b < 0x80 {
            return Some(b.into());
        }
        let mut n = u64::from(b & 0x7f);
        for shift in (7..64).step_by(7) {
            let b = self.byte()?;
            n |= u64::from(b & 0x7f) << shift;
            if b & 0x80 == 0 {
                return Some(n);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let n = self.number()?;
        Some((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    #[inline]
    fn small<T: TryFrom<u64>>(&mut self) -> Option<T> {
        T::try_from(self.number()?).ok()
    }

    /// A length: of no more than what is left, as each item takes a byte at least.
    #[inline]
    fn len(&mut self) -> Option<usize> {
        let n = self.small::<usize>()?;
        (n <= self.file.bytes.len() - self.at).then_some(n)
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(n)?;
        let taken = self.file.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let n = self.len()?;
        self.take(n)
    }

    /// The last `n` bytes that were taken, if they stay.
    fn kept(&self, n: usize) -> Option<&'static [u8]> {
        self.kept.map(|f| &f.bytes[self.at - n..self.at])
    }

    /// What lies in the second part.
    fn late(&mut self) -> Option<Late<'a>> {
        let (at, n) = (self.small::<usize>()?, self.small::<usize>()?);
        let range = at..at.checked_add(n)?;
        Some(match self.kept {
            Some(file) => Late::Kept(file.late.get(range)?),
            None => Late::Passing(self.file.late.get(range)?),
        })
    }

    fn word(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    #[inline]
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let n = self.len()?;
        let mut all = Vec::with_capacity(n);
        for _ in 0..n {
            all.push(item(self)?);
        }
        Some(all)
    }

    #[inline]
    fn name(&mut self, t: &Thread) -> Option<&'static Str> {
        let n = self.number()?;
        self.file.name(t, n as usize)
    }

    fn name_obj(&mut self, t: &Thread) -> Option<Obj> {
        // Interned strings are immortal, so the word owns nothing.
        Some(Obj::from_raw(self.name(t)?.value()))
    }

    fn head(&mut self, t: &Thread) -> Option<CodeHead> {
        Some(CodeHead {
            name: self.name_obj(t)?,
            qualname: self.name_obj(t)?,
            filename: Obj::from_raw(self.file.filename.value()),
            first_line: self.small()?,
            flags: self.small()?,
            argcount: self.small()?,
            posonly: self.small()?,
            kwonly: self.small()?,
            nlocals: self.small()?,
            nregs: self.small()?,
        })
    }

    fn code(&mut self, t: &mut Thread) -> Option<Obj> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let head = self.head(t)?;
        // Its length.
        self.take(4)?;
        let instrs = self.instrs()?;
        let parts = self.parts(&mut *t, instrs, |r, t| r.constant_of_any_kind(t))?;
        self.depth -= 1;
        Some(Code::new(t, head, parts))
    }

    /// Code whose parts are read when they are needed. `None` as well if its instructions cannot be run where they lie.
    fn lazy_code(&mut self, t: &Thread, file: &Arc<File<'static>>) -> Option<Obj> {
        let head = self.head(t)?;
        let rest = self.file.u32(self.at)?;
        let start = self.at + 4;
        self.at = start;
        let Instrs::Kept(instrs) = self.instrs()? else {
            return None;
        };
        self.at = start.checked_add(rest)?;
        let file = Arc::clone(file);
        let source = move |t: &Thread| {
            let mut r = Reader::new(&file, Some(&file), start);
            let instrs = r.instrs().unwrap_or(Instrs::Kept(instrs));
            r.parts(t, instrs, |r, t| r.plain_constant(t))
                .expect("written together with the program")
        };
        // SAFETY: the instructions are the program's. All that the parts consist of is published when it is made a constant, or interned.
        Some(unsafe { Code::new_lazy(t, head, instrs.as_ptr(), Box::new(source)) })
    }

    fn parts<T>(
        &mut self,
        mut t: T,
        instrs: Instrs,
        constant: impl Fn(&mut Self, &mut T) -> Option<Obj>,
    ) -> Option<CodeParts>
    where
        T: std::ops::Deref<Target = Thread>,
    {
        let locals = self.list(|r| Some((r.name_obj(&t)?, r.kind()?)))?;
        let names = self.list(|r| Some(r.name(&t)?.value()))?;
        let cache_names = self.list(|r| match r.number()? {
            0 => Some(Value::NULL),
            n => Some(names.get(n as usize - 1).copied().unwrap_or(Value::NULL)),
        })?;
        let handlers = self.list(|r| {
            Some(Handler {
                start: r.small()?,
                end: r.small()?,
                target: r.small()?,
                depth: r.small()?,
            })
        })?;
        let positions = self.positions()?;
        let consts = self.list(|r| {
            let o = constant(r, &mut t)?;
            Some(Code::constant(&t, o))
        })?;
        Some(CodeParts {
            locals,
            instrs,
            consts: consts.into(),
            names: names.into(),
            caches: cache_names.iter().map(|_| AtomicU64::new(0)).collect(),
            cache_names: cache_names.into(),
            handlers: handlers.into(),
            positions,
        })
    }

    fn kind(&mut self) -> Option<u8> {
        self.byte()
            .filter(|k| matches!(*k, LOCAL_FAST | LOCAL_CELL | LOCAL_FREE | LOCAL_HIDDEN))
    }

    fn positions(&mut self) -> Option<Positions> {
        Some(Positions::packed(match self.late()? {
            Late::Kept(packed) => Packed::Kept(packed),
            Late::Passing(packed) => Packed::Own(packed.into()),
        }))
    }

    fn instrs(&mut self) -> Option<Instrs> {
        // Code is never empty.
        let n = self.len().filter(|n| *n > 0)?;
        self.at = self.at.next_multiple_of(8);
        let words = self.take(n.checked_mul(8)?)?;
        if let Some(kept) = self.kept(words.len())
            && cfg!(target_endian = "little")
            && kept.as_ptr().addr().is_multiple_of(align_of::<AtomicU64>())
        {
            // SAFETY: `n` aligned words that stay, in memory that can be written, and that no other code object has.
            let words = unsafe { std::slice::from_raw_parts(kept.as_ptr().cast::<AtomicU64>(), n) };
            return Some(Instrs::Kept(words));
        }
        let word = |w: &[u8]| w.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b));
        Some(words.chunks_exact(8).map(word).collect())
    }

    /// A constant other than sets and code that has some.
    fn plain_constant(&mut self, t: &mut &Thread) -> Option<Obj> {
        let tag = self.byte()?;
        self.constant(t, tag, Self::plain_constant)
    }

    fn constant_of_any_kind(&mut self, t: &mut &mut Thread) -> Option<Obj> {
        let tag = self.byte()?;
        match tag {
            b'c' if self.kept.is_none() => self.code(t),
            b'C' => self.code(t),
            b'>' => {
                let items = self.items(t, Self::constant_of_any_kind)?;
                Some(frozen_set(t, &items))
            }
            _ => self.constant(t, tag, Self::constant_of_any_kind),
        }
    }

    fn items<T>(
        &mut self,
        t: &mut T,
        item: fn(&mut Self, &mut T) -> Option<Obj>,
    ) -> Option<Vec<Obj>> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let items = self.list(|r| item(r, t));
        self.depth -= 1;
        items
    }

    fn constant<T>(
        &mut self,
        t: &mut T,
        tag: u8,
        item: fn(&mut Self, &mut T) -> Option<Obj>,
    ) -> Option<Obj>
    where
        T: std::ops::Deref<Target = Thread>,
    {
        Some(match tag {
            b'N' => Obj::from_raw(Value::NONE),
            b'T' => Obj::from_raw(Value::TRUE),
            b'F' => Obj::from_raw(Value::FALSE),
            b'.' => Obj::from_raw(Value::ELLIPSIS),
            b'i' => Obj::own(int::from_i64(t, self.signed()?)),
            b'l' => {
                let b = BigInt::from_signed_bytes_le(self.bytes()?);
                Obj::own(int::from_bigint(t, b))
            }
            b'g' => Obj::own(float::from_f64(t, f64::from_bits(self.word()?))),
            b'y' => {
                let (re, im) = (f64::from_bits(self.word()?), f64::from_bits(self.word()?));
                Obj::own(complex::from_parts(t, re, im))
            }
            b'r' => self.name_obj(t)?,
            b'u' => self.text(t)?,
            b'U' => self.long_text(t)?,
            b's' => Bytes::new(t, self.bytes()?),
            b'(' => {
                let items = self.items(t, item)?;
                Tuple::from_vec(t, items)
            }
            b':' => {
                let [start, stop, step] = self.items(t, item)?.try_into().ok()?;
                slice::Slice::new(t, start, stop, step)
            }
            b'c' => {
                let file = self.kept?;
                self.lazy_code(t, file)?
            }
            _ => return None,
        })
    }

    fn text(&mut self, t: &Thread) -> Option<Obj> {
        let chars = self.small()?;
        let bytes = self.bytes()?;
        let text = self.kept(bytes.len());
        text_of(t, chars, text.map_or(Late::Passing(bytes), Late::Kept))
    }

    fn long_text(&mut self, t: &Thread) -> Option<Obj> {
        let chars = self.small()?;
        text_of(t, chars, self.late()?)
    }
}

fn text_of(t: &Thread, chars: usize, bytes: Late) -> Option<Obj> {
    match bytes {
        Late::Kept(bytes) => Some(Str::from_static(t, Text { bytes, chars })),
        Late::Passing(bytes) => wtf8::validate(bytes)
            .is_ok()
            .then(|| Str::from_wtf8(t, bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::bytecode::{self, CodeProto, Const, Instr, LocalKind, Position};
    use crate::proto_file::write;

    fn sample() -> CodeProto {
        let inner = CodeProto {
            name: "f".into(),
            filename: "a.py".into(),
            first_line: 7,
            instrs: vec![Instr(4)],
            positions: vec![Position {
                line: 7,
                end_line: 7,
                col: 0,
                end_col: 1,
            }],
            ..CodeProto::default()
        };
        CodeProto {
            name: "<module>".into(),
            filename: "a.py".into(),
            flags: 0x400_0000,
            nregs: 300,
            locals: vec![("x".into(), LocalKind::Cell)],
            instrs: vec![Instr(u64::MAX), Instr(3)],
            consts: vec![
                Const::Int(-5),
                Const::BigInt(BigInt::from(-1) << 100),
                Const::Float(-0.0),
                Const::Str(b"\xed\xa0\x80".as_slice().into()),
                Const::Str(b"a_name".as_slice().into()),
                Const::Str(
                    "a text that is \u{fc}ber all limits "
                        .repeat(3)
                        .as_bytes()
                        .into(),
                ),
                Const::Tuple(vec![Const::None, Const::FrozenSet(vec![Const::True])]),
                Const::Slice(Box::new([Const::Int(1), Const::None, Const::Ellipsis])),
                Const::Code(Box::new(inner)),
            ],
            names: vec!["é".into()],
            cache_names: vec![0, u32::MAX],
            handlers: vec![bytecode::Handler {
                start: 1,
                end: 2,
                target: 0,
                depth: 9,
            }],
            positions: vec![
                Position {
                    line: 3,
                    end_line: 4,
                    col: 10,
                    end_col: 2,
                },
                Position {
                    line: 0,
                    end_line: 0,
                    col: 0,
                    end_col: 0,
                },
            ],
            ..CodeProto::default()
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_anything_else_is_refused_without_a_panic() {
        let mut thread = weft_objects::runtime::main_thread(1 << 20);
        let t = &mut *thread;
        weft_objects::runtime::ready_types(t);
        let p = sample();
        let good = write(&p);
        let code = load(t, &good).expect("what was just written");
        let code = Code::of(code.value()).expect("a code object");
        assert_eq!(crate::compile_api::proto_from_code(t, code).ok(), Some(p));
        for cut in 0..good.len() {
            assert!(load(t, &good[..cut]).is_none());
        }
        for at in 0..good.len() {
            for flip in [1u8, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                let _ = load(t, &bad);
            }
        }
    }
}
