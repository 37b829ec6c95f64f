//! What the compiler writes, as bytes: for cached code files and for the library inside the program. [`crate::code_load`] makes code
//! objects of them.
//!
//! Two parts, the length of the first in front of it (a `u32` that it includes). What is hardly ever looked at makes the second, so
//! that it does not lie between what is: positions, and long texts, which are mostly documentation. The first refers to them by place
//! and length.
//!
//! The first: the names, each once: their number, where each begins and ends, their text. Then the file name; then the code, which
//! refers to names by number, and in which code is a constant like others. A code object begins with what is asked of one that does not
//! run; the length of the rest comes before that, so that it can be read when it is needed.
//!
//! Numbers are LEB128 variable-length integers, signed ones zigzagged, or where said little-endian `u32`; text and lists come with
//! their lengths. Instructions begin at a multiple of eight, so that they can be run where they lie.

use crate::compile::bytecode::{CodeProto, Const, Position};
use crate::compile::is_name_like;
use std::collections::HashMap;

/// The bytes for a code object's data.
pub fn write(p: &CodeProto) -> Vec<u8> {
    let mut names = Names::default();
    names.of_proto(p);
    let mut w = Writer {
        out: Vec::with_capacity(p.instrs.len() * 12 + 256),
        ..Writer::default()
    };
    w.u32(0);
    w.names(&names.all);
    w.bytes(p.filename.as_bytes());
    w.proto(p);
    let length = (w.out.len() as u32).to_le_bytes();
    w.out[..LENGTH].copy_from_slice(&length);
    w.out.append(&mut w.late);
    w.out
}

/// Bytes that say how long the first part is.
pub const LENGTH: usize = 4;
/// Texts of fewer bytes are copied when they become objects (see `Str::from_static`), so they are always looked at.
const LONG_TEXT: usize = 80;

/// The two parts.
pub fn parts(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = u32::from_le_bytes(bytes.get(..LENGTH)?.try_into().ok()?);
    bytes.split_at_checked(length as usize)
}

/// All that is interned, in the order in which it is met.
#[derive(Default)]
struct Names<'a> {
    all: Vec<&'a [u8]>,
    seen: std::collections::HashSet<&'a [u8]>,
}

impl<'a> Names<'a> {
    fn add(&mut self, name: &'a [u8]) {
        if self.seen.insert(name) {
            self.all.push(name);
        }
    }

    fn of_proto(&mut self, p: &'a CodeProto) {
        self.add(p.name.as_bytes());
        self.add(p.qualname.as_bytes());
        p.locals.iter().for_each(|(n, _)| self.add(n.as_bytes()));
        p.names.iter().for_each(|n| self.add(n.as_bytes()));
        p.consts.iter().for_each(|c| self.of_constant(c));
    }

    fn of_constant(&mut self, c: &'a Const) {
        match c {
            Const::Str(s) if is_name_like(s) => self.add(s),
            Const::Tuple(items) | Const::FrozenSet(items) => {
                items.iter().for_each(|c| self.of_constant(c));
            }
            Const::Slice(parts) => parts.iter().for_each(|c| self.of_constant(c)),
            Const::Code(p) => self.of_proto(p),
            _ => {}
        }
    }
}

/// Whether a set is part of the constant, or of code within it.
fn has_set(c: &Const) -> bool {
    match c {
        Const::FrozenSet(_) => true,
        Const::Tuple(items) => items.iter().any(has_set),
        Const::Slice(parts) => parts.iter().any(has_set),
        Const::Code(p) => p.consts.iter().any(has_set),
        _ => false,
    }
}

#[derive(Default)]
struct Writer<'a> {
    out: Vec<u8>,
    /// The second part.
    late: Vec<u8>,
    /// The number of each name.
    numbers: HashMap<&'a [u8], u64>,
}

impl<'a> Writer<'a> {
    fn number(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.out.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.out.push(n as u8);
    }

    fn signed(&mut self, n: i64) {
        self.number(((n << 1) ^ (n >> 63)) as u64);
    }

    fn bytes(&mut self, b: &[u8]) {
        self.number(b.len() as u64);
        self.out.extend_from_slice(b);
    }

    /// The same in the second part.
    fn late(&mut self, b: &[u8]) {
        self.number(self.late.len() as u64);
        self.number(b.len() as u64);
        self.late.extend_from_slice(b);
    }

    fn u32(&mut self, n: usize) {
        // A source of 4 GiB has been refused long before.
        self.out.extend_from_slice(&(n as u32).to_le_bytes());
    }

    /// The count, the places (one more than there are names), and the text that they are places in, all as `u32`.
    fn names(&mut self, all: &[&'a [u8]]) {
        self.u32(all.len());
        let mut at = 0;
        for (i, name) in all.iter().enumerate() {
            self.u32(at);
            self.numbers.insert(name, i as u64);
            at += name.len();
        }
        self.u32(at);
        all.iter().for_each(|name| self.out.extend_from_slice(name));
    }

    fn name(&mut self, name: &[u8]) {
        let n = self.numbers[name];
        self.number(n);
    }

    fn proto(&mut self, p: &'a CodeProto) {
        self.name(p.name.as_bytes());
        self.name(p.qualname.as_bytes());
        for n in [p.first_line, p.flags] {
            self.number(n.into());
        }
        for n in [p.argcount, p.posonly, p.kwonly, p.nlocals, p.nregs] {
            self.number(n.into());
        }
        let length_at = self.out.len();
        self.u32(0);
        self.number(p.instrs.len() as u64);
        self.out.resize(self.out.len().next_multiple_of(8), 0);
        for i in &p.instrs {
            self.out.extend_from_slice(&i.0.to_le_bytes());
        }
        self.rest(p);
        let length = (self.out.len() - length_at - 4) as u32;
        self.out[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
    }

    fn rest(&mut self, p: &'a CodeProto) {
        self.number(p.locals.len() as u64);
        for (name, kind) in &p.locals {
            self.name(name.as_bytes());
            self.out.push(*kind as u8);
        }
        self.number(p.names.len() as u64);
        p.names.iter().for_each(|n| self.name(n.as_bytes()));
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

    /// Each as its difference from the one before: they are unpacked when needed.
    fn positions(&mut self, all: &[Position]) {
        let mut last = Position::default();
        let mut w = Writer {
            out: Vec::with_capacity(all.len() * 4),
            ..Writer::default()
        };
        for p in all {
            w.signed(i64::from(p.line) - i64::from(last.line));
            w.signed(i64::from(p.end_line) - i64::from(p.line));
            w.signed(i64::from(p.col) - i64::from(last.col));
            w.signed(i64::from(p.end_col) - i64::from(p.col));
            last = *p;
        }
        self.late(&w.out);
    }

    fn constants(&mut self, tag: u8, items: &'a [Const]) {
        self.out.push(tag);
        self.number(items.len() as u64);
        items.iter().for_each(|c| self.constant(c));
    }

    fn constant(&mut self, c: &'a Const) {
        match c {
            Const::None => self.out.push(b'N'),
            Const::True => self.out.push(b'T'),
            Const::False => self.out.push(b'F'),
            Const::Ellipsis => self.out.push(b'.'),
            Const::Int(i) => {
                self.out.push(b'i');
                self.signed(*i);
            }
            Const::BigInt(b) => {
                self.out.push(b'l');
                self.bytes(&b.to_signed_bytes_le());
            }
            Const::Float(f) => {
                self.out.push(b'g');
                self.out.extend_from_slice(&f.to_bits().to_le_bytes());
            }
            Const::Complex(re, im) => {
                self.out.push(b'y');
                for f in [re, im] {
                    self.out.extend_from_slice(&f.to_bits().to_le_bytes());
                }
            }
            Const::Str(s) if is_name_like(s) => {
                self.out.push(b'r');
                self.name(s);
            }
            Const::Str(s) => {
                let long = s.len() >= LONG_TEXT;
                self.out.push(if long { b'U' } else { b'u' });
                let continues = |b: &&u8| **b & 0xc0 == 0x80;
                self.number((s.len() - s.iter().filter(continues).count()) as u64);
                if long { self.late(s) } else { self.bytes(s) }
            }
            Const::Bytes(b) => {
                self.out.push(b's');
                self.bytes(b);
            }
            Const::Tuple(items) => self.constants(b'(', items),
            Const::FrozenSet(items) => self.constants(b'>', items),
            Const::Slice(parts) => self.constants(b':', &parts[..]),
            Const::Code(p) => {
                // Making sets takes the interpreter.
                let sets = p.consts.iter().any(has_set);
                self.out.push(if sets { b'C' } else { b'c' });
                self.proto(p);
            }
        }
    }
}
