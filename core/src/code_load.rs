//! Code objects out of the bytes that [`crate::proto_file`] describes. Reading checks the form, not the meaning: see
//! [`crate::compile::verify`] for that.

use crate::compile_api::frozen_set;
use num_bigint::BigInt;
use std::sync::atomic::AtomicU64;
use weft_objects::bytes::Bytes;
use weft_objects::code::{
    Code, CodeBody, Handler, Instrs, LOCAL_CELL, LOCAL_FAST, LOCAL_FREE, LOCAL_HIDDEN, Packed,
    Positions,
};
use weft_objects::prelude::*;
use weft_objects::{complex, float, int, slice};

/// The code object in these bytes, with this file name throughout instead of its own. `None` if they are not what
/// [`crate::proto_file::write`] makes.
pub fn load(t: &mut Thread, bytes: &[u8], filename: Option<&Obj>) -> Option<Obj> {
    read(t, bytes, None, filename)
}

/// As [`load`] for bytes that stay: instructions and positions are used where they lie.
pub fn load_kept(t: &mut Thread, bytes: &'static [u8], filename: &Obj) -> Option<Obj> {
    read(t, bytes, Some(bytes), Some(filename))
}

fn read(
    t: &mut Thread,
    bytes: &[u8],
    kept: Option<&'static [u8]>,
    filename: Option<&Obj>,
) -> Option<Obj> {
    let mut r = Reader {
        bytes,
        at: 0,
        kept,
        names: Vec::new(),
        filename: Obj::from_raw(Value::NONE),
        depth: 0,
    };
    r.names(t)?;
    let own = r.bytes()?;
    r.filename = match filename {
        Some(f) => f.clone(),
        None => Str::new(t, std::str::from_utf8(own).ok()?),
    };
    let code = r.code(t)?;
    (r.at == bytes.len()).then_some(code)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The same bytes, if they stay.
    kept: Option<&'static [u8]>,
    names: Vec<&'static Str>,
    filename: Obj,
    depth: u32,
}

/// Constants and code nested deeper than this are refused.
const DEEPEST: u32 = 500;

impl<'a> Reader<'a> {
    #[inline]
    fn byte(&mut self) -> Option<u8> {
        let b = *self.bytes.get(self.at)?;
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
    fn len(&mut self) -> Option<usize> {
        let left = self.bytes.len() - self.at;
        self.small::<usize>().filter(|n| *n <= left)
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(n)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let n = self.len()?;
        self.take(n)
    }

    fn word(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let n = self.len()?;
        let mut all = Vec::with_capacity(n);
        for _ in 0..n {
            all.push(item(self)?);
        }
        Some(all)
    }

    fn names(&mut self, t: &Thread) -> Option<()> {
        let trusted = self.kept.is_some();
        self.names = self.list(|r| {
            let name = r.bytes()?;
            let well_formed = trusted || std::str::from_utf8(name).is_ok();
            well_formed.then(|| Str::intern_bytes(t, name))
        })?;
        Some(())
    }

    #[inline]
    fn name(&mut self) -> Option<&'static Str> {
        let n = self.number()?;
        self.names.get(n as usize).copied()
    }

    fn name_obj(&mut self) -> Option<Obj> {
        // Interned strings are immortal, so the word owns nothing.
        Some(Obj::from_raw(self.name()?.value()))
    }

    fn code(&mut self, t: &mut Thread) -> Option<Obj> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let (name, qualname) = (self.name_obj()?, self.name_obj()?);
        let (first_line, flags) = (self.small()?, self.small()?);
        let (argcount, posonly, kwonly) = (self.small()?, self.small()?, self.small()?);
        let (nlocals, nregs) = (self.small()?, self.small()?);
        let locals = self.list(|r| Some((r.name_obj()?, r.kind()?)))?;
        let names = self.list(|r| Some(r.name()?.value()))?;
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
        let instrs = self.instrs()?;
        let consts = self.list(|r| {
            let o = r.constant(t)?;
            Some(Code::constant(t, o))
        })?;
        self.depth -= 1;
        let body = CodeBody {
            name,
            qualname,
            filename: self.filename.clone(),
            first_line,
            argcount,
            posonly,
            kwonly,
            flags,
            nlocals,
            nregs,
            locals,
            instrs,
            consts: consts.into(),
            names: names.into(),
            caches: cache_names.iter().map(|_| AtomicU64::new(0)).collect(),
            cache_names: cache_names.into(),
            handlers: handlers.into(),
            positions,
        };
        Some(Code::new(t, body))
    }

    fn kind(&mut self) -> Option<u8> {
        self.byte()
            .filter(|k| matches!(*k, LOCAL_FAST | LOCAL_CELL | LOCAL_FREE | LOCAL_HIDDEN))
    }

    fn positions(&mut self) -> Option<Positions> {
        let packed = self.bytes()?;
        let end = self.at;
        Some(Positions::packed(match self.kept {
            Some(all) => Packed::Kept(&all[end - packed.len()..end]),
            None => Packed::Own(packed.into()),
        }))
    }

    fn instrs(&mut self) -> Option<Instrs> {
        let n = self.len()?;
        self.at = self.at.next_multiple_of(8);
        let words = self.take(n.checked_mul(8)?)?;
        if let Some(all) = self.kept
            && cfg!(target_endian = "little")
        {
            let p = all[self.at - words.len()..].as_ptr();
            if p.addr().is_multiple_of(align_of::<AtomicU64>()) {
                // SAFETY: `n` aligned words that stay; they are only ever loaded, which may be done with memory that cannot be written.
                let words = unsafe { std::slice::from_raw_parts(p.cast::<AtomicU64>(), n) };
                return Some(Instrs::Kept(words));
            }
        }
        let word = |w: &[u8]| w.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b));
        Some(words.chunks_exact(8).map(word).collect())
    }

    fn items(&mut self, t: &mut Thread) -> Option<Vec<Obj>> {
        self.list(|r| r.constant(t))
    }

    fn constant(&mut self, t: &mut Thread) -> Option<Obj> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let o = match self.byte()? {
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
            b'r' => self.name_obj()?,
            b'u' => Str::from_wtf8(t, self.bytes()?),
            b's' => Bytes::new(t, self.bytes()?),
            b'(' => {
                let items = self.items(t)?;
                Tuple::from_vec(t, items)
            }
            b'>' => {
                let items = self.items(t)?;
                frozen_set(t, &items)
            }
            b':' => {
                let [start, stop, step] = self.items(t)?.try_into().ok()?;
                slice::Slice::new(t, start, stop, step)
            }
            b'c' => self.code(t)?,
            _ => return None,
        };
        self.depth -= 1;
        Some(o)
    }
}

/// A code object as bytes, and back with another file name: for tests of both.
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
        let code = load(t, &good, None).expect("what was just written");
        let code = Code::of(code.value()).expect("a code object");
        assert_eq!(crate::compile_api::proto_from_code(t, code).ok(), Some(p));
        for cut in 0..good.len() {
            assert!(load(t, &good[..cut], None).is_none());
        }
        for at in 0..good.len() {
            for flip in [1u8, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                let _ = load(t, &bad, None);
            }
        }
    }
}
