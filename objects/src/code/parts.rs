//! Parts of code objects that may lie where they were read from: instructions, and positions, which are unpacked when asked for.

use super::Position;
use std::ops::Deref;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

/// Instruction words. Atomic, because other threads run them while they are replaced by such as report events (see [`crate::monitor`]).
/// No two code objects have the same ones.
pub enum Instrs {
    Own(Box<[AtomicU64]>),
    Kept(&'static [AtomicU64]),
}

impl Deref for Instrs {
    type Target = [AtomicU64];
    #[inline(always)]
    fn deref(&self) -> &[AtomicU64] {
        match self {
            Instrs::Own(b) => b,
            Instrs::Kept(b) => b,
        }
    }
}

impl FromIterator<u64> for Instrs {
    fn from_iter<I: IntoIterator<Item = u64>>(words: I) -> Instrs {
        Instrs::Own(words.into_iter().map(AtomicU64::new).collect())
    }
}

/// Where the instructions come from.
pub struct Positions {
    packed: Packed,
    unpacked: OnceLock<Box<[Position]>>,
}

/// For each instruction four signed numbers (LEB128, zigzag): its line less the last one's, its lines, its column less the last
/// one's, its columns.
#[derive(Clone)]
pub enum Packed {
    Own(Box<[u8]>),
    Kept(&'static [u8]),
}

impl Positions {
    pub fn packed(packed: Packed) -> Positions {
        Positions {
            packed,
            unpacked: OnceLock::new(),
        }
    }

    pub fn get(&self) -> &[Position] {
        self.unpacked.get_or_init(|| match &self.packed {
            Packed::Own(b) => unpack(b),
            Packed::Kept(b) => unpack(b),
        })
    }

    /// The line of instruction `i`, or else of the last one before it that has any. Allocates nothing, and waits for nobody.
    pub fn line_near(&self, i: usize) -> Option<u32> {
        let known = |line: u32| (line != 0).then_some(line);
        if let Some(all) = self.unpacked.get() {
            let lines = all.iter().take(i + 1).rev();
            return lines.map(|p| p.line).find_map(known);
        }
        let mut bytes = match &self.packed {
            Packed::Own(b) => &**b,
            Packed::Kept(b) => b,
        };
        let (mut last, mut line) = (Position::default(), None);
        for _ in 0..=i {
            let Some(p) = next(&mut bytes, last) else {
                break;
            };
            last = p;
            line = known(p.line).or(line);
        }
        line
    }
}

impl Clone for Positions {
    fn clone(&self) -> Positions {
        match self.unpacked.get() {
            Some(p) => p.iter().copied().collect(),
            None => Positions::packed(self.packed.clone()),
        }
    }
}

impl FromIterator<Position> for Positions {
    fn from_iter<I: IntoIterator<Item = Position>>(all: I) -> Positions {
        Positions {
            packed: Packed::Kept(&[]),
            unpacked: OnceLock::from(all.into_iter().collect::<Box<[_]>>()),
        }
    }
}

/// As many as are well-formed.
fn unpack(mut bytes: &[u8]) -> Box<[Position]> {
    let mut all = Vec::with_capacity(bytes.len() / 4);
    let mut last = Position::default();
    while let Some(p) = next(&mut bytes, last) {
        all.push(p);
        last = p;
    }
    all.into()
}

fn next(bytes: &mut &[u8], last: Position) -> Option<Position> {
    let line = i64::from(last.line).checked_add(signed(bytes)?)?;
    let end_line = line.checked_add(signed(bytes)?)?;
    let col = i64::from(last.col).checked_add(signed(bytes)?)?;
    let end_col = col.checked_add(signed(bytes)?)?;
    Some(Position {
        line: line.try_into().ok()?,
        end_line: end_line.try_into().ok()?,
        col: col.try_into().ok()?,
        end_col: end_col.try_into().ok()?,
    })
}

fn signed(bytes: &mut &[u8]) -> Option<i64> {
    let mut n = 0u64;
    for shift in (0..64).step_by(7) {
        let (b, rest) = bytes.split_first()?;
        *bytes = rest;
        n |= u64::from(b & 0x7f) << shift;
        if b & 0x80 == 0 {
            return Some((n >> 1) as i64 ^ -((n & 1) as i64));
        }
    }
    None
}
