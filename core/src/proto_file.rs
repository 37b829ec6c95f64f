//! What the compiler writes, as bytes and back: for cached code files and for the start-up modules inside the program.
//!
//! Numbers are LEB128 variable-length integers, signed ones zigzagged; text and lists come with their lengths. Reading checks the form,
//! not the meaning: see [`crate::compile::verify`] for that.

use crate::compile::bytecode::{CodeProto, Const, Handler, Instr, LocalKind, Position};
use num_bigint::BigInt;

/// The bytes for a code object's data.
pub fn write(p: &CodeProto) -> Vec<u8> {
    let mut w = Writer(Vec::with_capacity(p.instrs.len() * 12 + 256));
    w.proto(p);
    w.0
}

/// The data in these bytes. `None` if they are not what [`write`] makes.
pub fn read(bytes: &[u8]) -> Option<CodeProto> {
    let mut r = Reader { bytes, depth: 0 };
    let p = r.proto()?;
    r.bytes.is_empty().then_some(p)
}

struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    fn signed(&mut self, n: i64) {
        self.number(((n << 1) ^ (n >> 63)) as u64);
    }

    fn bytes(&mut self, b: &[u8]) {
        self.number(b.len() as u64);
        self.0.extend_from_slice(b);
    }

    fn text(&mut self, s: &str) {
        self.bytes(s.as_bytes());
    }

    fn proto(&mut self, p: &CodeProto) {
        self.text(&p.name);
        self.text(&p.qualname);
        self.text(&p.filename);
        for n in [p.first_line, p.flags] {
            self.number(n.into());
        }
        for n in [p.argcount, p.posonly, p.kwonly, p.nlocals, p.nregs] {
            self.number(n.into());
        }
        self.number(p.locals.len() as u64);
        for (name, kind) in &p.locals {
            self.text(name);
            self.0.push(*kind as u8);
        }
        self.number(p.instrs.len() as u64);
        for i in &p.instrs {
            self.0.extend_from_slice(&i.0.to_le_bytes());
        }
        self.number(p.names.len() as u64);
        p.names.iter().for_each(|n| self.text(n));
        self.number(p.cache_names.len() as u64);
        p.cache_names
            .iter()
            .for_each(|n| self.number((*n).wrapping_add(1).into()));
        self.number(p.handlers.len() as u64);
        for h in &p.handlers {
            for n in [h.start, h.end, h.target, h.depth.into()] {
                self.number(n.into());
            }
        }
        self.positions(&p.positions);
        self.number(p.consts.len() as u64);
        p.consts.iter().for_each(|c| self.constant(c));
    }

    /// Each as its difference from the one before.
    fn positions(&mut self, all: &[Position]) {
        self.number(all.len() as u64);
        let mut last = Position::default();
        for p in all {
            self.signed(i64::from(p.line) - i64::from(last.line));
            self.signed(i64::from(p.end_line) - i64::from(p.line));
            self.signed(i64::from(p.col) - i64::from(last.col));
            self.signed(i64::from(p.end_col) - i64::from(p.col));
            last = *p;
        }
    }

    fn constants(&mut self, tag: u8, items: &[Const]) {
        self.0.push(tag);
        self.number(items.len() as u64);
        items.iter().for_each(|c| self.constant(c));
    }

    fn constant(&mut self, c: &Const) {
        match c {
            Const::None => self.0.push(b'N'),
            Const::True => self.0.push(b'T'),
            Const::False => self.0.push(b'F'),
            Const::Ellipsis => self.0.push(b'.'),
            Const::Int(i) => {
                self.0.push(b'i');
                self.signed(*i);
            }
            Const::BigInt(b) => {
                self.0.push(b'l');
                self.bytes(&b.to_signed_bytes_le());
            }
            Const::Float(f) => {
                self.0.push(b'g');
                self.0.extend_from_slice(&f.to_bits().to_le_bytes());
            }
            Const::Complex(re, im) => {
                self.0.push(b'y');
                for f in [re, im] {
                    self.0.extend_from_slice(&f.to_bits().to_le_bytes());
                }
            }
            Const::Str(s) => {
                self.0.push(b'u');
                self.bytes(s);
            }
            Const::Bytes(b) => {
                self.0.push(b's');
                self.bytes(b);
            }
            Const::Tuple(items) => self.constants(b'(', items),
            Const::FrozenSet(items) => self.constants(b'>', items),
            Const::Slice(parts) => self.constants(b':', &parts[..]),
            Const::Code(p) => {
                self.0.push(b'c');
                self.proto(p);
            }
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    depth: u32,
}

/// Constants and code nested deeper than this are refused.
const DEEPEST: u32 = 500;

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
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

    fn small<T: TryFrom<u64>>(&mut self) -> Option<T> {
        T::try_from(self.number()?).ok()
    }

    /// A length: of no more than what is left, as each item takes a byte at least.
    fn len(&mut self) -> Option<usize> {
        self.small::<usize>().filter(|n| *n <= self.bytes.len())
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(n)?;
        self.bytes = rest;
        Some(taken)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let n = self.len()?;
        self.take(n)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    fn word(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let n = self.len()?;
        (0..n).map(|_| item(self)).collect()
    }

    fn proto(&mut self) -> Option<CodeProto> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let (name, qualname, filename) = (self.text()?, self.text()?, self.text()?);
        let (first_line, flags) = (self.small()?, self.small()?);
        let (argcount, posonly, kwonly) = (self.small()?, self.small()?, self.small()?);
        let (nlocals, nregs) = (self.small()?, self.small()?);
        let locals = self.list(|r| Some((r.text()?, r.kind()?)))?;
        let n = self.len()?;
        let words = self.take(n.checked_mul(8)?)?;
        let word = |w: &[u8]| Instr(w.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)));
        let instrs = words.chunks_exact(8).map(word).collect();
        let names = self.list(Self::text)?;
        let cache_names = self.list(|r| Some(r.small::<u32>()?.wrapping_sub(1)))?;
        let handlers = self.list(|r| {
            Some(Handler {
                start: r.small()?,
                end: r.small()?,
                target: r.small()?,
                depth: r.small()?,
            })
        })?;
        let positions = self.positions()?;
        let consts = self.list(Self::constant)?;
        self.depth -= 1;
        Some(CodeProto {
            name,
            qualname,
            filename,
            first_line,
            argcount,
            posonly,
            kwonly,
            flags,
            nlocals,
            nregs,
            locals,
            instrs,
            consts,
            names,
            cache_names,
            handlers,
            positions,
        })
    }

    fn kind(&mut self) -> Option<LocalKind> {
        let kinds = [
            LocalKind::Fast,
            LocalKind::Cell,
            LocalKind::Free,
            LocalKind::Hidden,
        ];
        kinds.get(usize::from(self.byte()?)).copied()
    }

    fn positions(&mut self) -> Option<Vec<Position>> {
        let mut last = Position::default();
        self.list(|r| {
            let line = i64::from(last.line).checked_add(r.signed()?)?;
            let end_line = line.checked_add(r.signed()?)?;
            let col = i64::from(last.col).checked_add(r.signed()?)?;
            let end_col = col.checked_add(r.signed()?)?;
            last = Position {
                line: line.try_into().ok()?,
                end_line: end_line.try_into().ok()?,
                col: col.try_into().ok()?,
                end_col: end_col.try_into().ok()?,
            };
            Some(last)
        })
    }

    fn constant(&mut self) -> Option<Const> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let c = match self.byte()? {
            b'N' => Const::None,
            b'T' => Const::True,
            b'F' => Const::False,
            b'.' => Const::Ellipsis,
            b'i' => Const::Int(self.signed()?),
            b'l' => Const::BigInt(BigInt::from_signed_bytes_le(self.bytes()?)),
            b'g' => Const::Float(f64::from_bits(self.word()?)),
            b'y' => Const::Complex(f64::from_bits(self.word()?), f64::from_bits(self.word()?)),
            b'u' => Const::Str(self.bytes()?.into()),
            b's' => Const::Bytes(self.bytes()?.into()),
            b'(' => Const::Tuple(self.list(Self::constant)?),
            b'>' => Const::FrozenSet(self.list(Self::constant)?),
            b':' => Const::Slice(Box::new(self.list(Self::constant)?.try_into().ok()?)),
            b'c' => Const::Code(Box::new(self.proto()?)),
            _ => return None,
        };
        self.depth -= 1;
        Some(c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> CodeProto {
        let inner = CodeProto {
            name: "f".into(),
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
                Const::Tuple(vec![Const::None, Const::FrozenSet(vec![Const::True])]),
                Const::Slice(Box::new([Const::Int(1), Const::None, Const::Ellipsis])),
                Const::Code(Box::new(inner)),
            ],
            names: vec!["é".into()],
            cache_names: vec![0, u32::MAX],
            handlers: vec![Handler {
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
    fn what_is_written_is_read_again() {
        let p = sample();
        assert_eq!(read(&write(&p)), Some(p));
    }

    #[test]
    fn anything_else_is_refused_without_a_panic() {
        let good = write(&sample());
        for cut in 0..good.len() {
            assert_eq!(read(&good[..cut]), None);
        }
        for at in 0..good.len() {
            for flip in [1u8, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                let _ = read(&bad);
            }
        }
    }
}
