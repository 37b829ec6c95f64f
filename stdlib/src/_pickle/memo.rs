//! The memos of picklers and unpicklers. Every word in them is a reference of theirs.

use std::collections::HashMap;
use weft_objects::prelude::*;

/// What a pickler has written: objects by identity, each with its number.
#[derive(Default)]
pub struct Memo {
    entries: Vec<(u64, usize)>,
    /// A table of places in `entries`, plus one; 0: free. Its size is a power of two.
    table: Vec<u32>,
}

impl Memo {
    fn place(&self, word: u64) -> usize {
        let mask = self.table.len() - 1;
        let mut i = (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & mask;
        loop {
            let at = self.table[i] as usize;
            if at == 0 || self.entries[at - 1].0 == word {
                return i;
            }
            i = (i + 1) & mask;
        }
    }

    /// The number of an object.
    #[inline]
    pub fn get(&self, word: u64) -> Option<usize> {
        if self.table.is_empty() {
            return None;
        }
        match self.table[self.place(word)] {
            0 => None,
            at => Some(self.entries[at as usize - 1].1),
        }
    }

    /// How many there are, which is also the next number.
    #[inline]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes over the reference; gives it back if the object was there already.
    #[must_use]
    pub fn put(&mut self, word: u64, number: usize) -> Option<u64> {
        if (self.entries.len() + 1) * 3 > self.table.len() * 2 {
            self.grow();
        }
        let i = self.place(word);
        match self.table[i] {
            0 => {
                self.entries.push((word, number));
                self.table[i] = self.entries.len() as u32;
                None
            }
            at => {
                self.entries[at as usize - 1].1 = number;
                Some(word)
            }
        }
    }

    fn grow(&mut self) {
        let size = (self.table.len() * 2).max(16);
        self.table = vec![0; size];
        for i in 0..self.entries.len() {
            let at = self.place(self.entries[i].0);
            self.table[at] = i as u32 + 1;
        }
    }

    /// Words and numbers, in the order in which they came.
    pub fn entries(&self) -> &[(u64, usize)] {
        &self.entries
    }
}

/// What an unpickler has read: objects by number. Small numbers have a place each; stray large ones do not make it larger.
#[derive(Default)]
pub struct LoadMemo {
    /// 0: nothing is there.
    dense: Vec<u64>,
    sparse: HashMap<usize, u64>,
    len: usize,
}

/// How far behind the end a number may be that still gets a place.
const GAP: usize = 256;

impl LoadMemo {
    #[inline]
    pub fn get(&self, i: usize) -> Option<Value> {
        match self.dense.get(i) {
            Some(0) | None => self.sparse.get(&i).map(|w| Value(*w)),
            Some(w) => Some(Value(*w)),
        }
    }

    /// Takes over the reference; gives the one that was there.
    #[must_use]
    #[inline]
    pub fn put(&mut self, i: usize, v: Value) -> Option<Value> {
        let old = if i == self.dense.len() {
            self.dense.push(v.0);
            0
        } else if i < self.dense.len() {
            std::mem::replace(&mut self.dense[i], v.0)
        } else {
            self.put_far(i, v)
        };
        if old == 0 {
            // A number that had come too early has got a place of its own since.
            let early = match self.sparse.is_empty() || i >= self.dense.len() {
                true => None,
                false => self.sparse.remove(&i),
            };
            if early.is_none() {
                self.len += 1;
            }
            return early.map(Value);
        }
        Some(Value(old))
    }

    #[cold]
    fn put_far(&mut self, i: usize, v: Value) -> u64 {
        if i - self.dense.len() < GAP {
            self.dense.resize(i, 0);
            self.dense.push(v.0);
            return 0;
        }
        self.sparse.insert(i, v.0).unwrap_or(0)
    }

    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Numbers and words.
    pub fn entries(&self) -> impl Iterator<Item = (usize, Value)> {
        let dense = self.dense.iter().enumerate().filter(|(_, w)| **w != 0);
        let sparse = self.sparse.iter().map(|(i, w)| (*i, *w));
        dense
            .map(|(i, w)| (i, *w))
            .chain(sparse)
            .map(|(i, w)| (i, Value(w)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_by_identity() {
        let mut m = Memo::default();
        for i in 0..1000u64 {
            assert_eq!(m.get(i * 16), None);
            assert_eq!(m.put(i * 16, i as usize), None);
        }
        assert!((0..1000u64).all(|i| m.get(i * 16) == Some(i as usize)));
        assert_eq!(m.put(32, 7), Some(32));
        assert_eq!((m.get(32), m.len()), (Some(7), 1000));
    }

    #[test]
    fn numbers_near_and_far() {
        let v = |i: u64| Value(i * 16);
        let mut m = LoadMemo::default();
        assert_eq!(m.put(1 << 40, v(1)), None);
        assert_eq!(m.put(300, v(2)), None);
        for i in 0..300 {
            assert_eq!(m.put(i, v(i as u64 + 10)), None);
        }
        assert_eq!(m.len(), 302);
        assert_eq!(m.put(300, v(3)), Some(v(2)));
        assert_eq!(m.put(310, v(4)), None);
        assert_eq!(m.get(305), None);
        assert_eq!(m.put(1 << 40, v(5)), Some(v(1)));
        assert_eq!(
            (m.get(1 << 40), m.get(300), m.get(310)),
            (Some(v(5)), Some(v(3)), Some(v(4)))
        );
        assert_eq!((m.len(), m.entries().count()), (303, 303));
    }
}
