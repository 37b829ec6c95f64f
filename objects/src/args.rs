//! Arguments of a call: a slice of registers, the keyword ones last.

use crate::tuple::Tuple;
use weft_gc::Value;

/// Borrowed arguments: positional ones, then the values of the keyword arguments, whose names are in a tuple.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    all: &'a [Value],
    /// Tuple of str, or NULL for none.
    names: Value,
}

impl<'a> Args<'a> {
    #[inline(always)]
    pub fn positional(all: &'a [Value]) -> Args<'a> {
        Args {
            all,
            names: Value::NULL,
        }
    }
    /// `names` is a tuple of as many str as there are keyword values at the end of `all`, or NULL.
    #[inline(always)]
    pub fn new(all: &'a [Value], names: Value) -> Args<'a> {
        Args { all, names }
    }
    #[inline(always)]
    pub fn has_keywords(&self) -> bool {
        !self.names.is_null() && self.keyword_count() > 0
    }
    pub fn keyword_count(&self) -> usize {
        Tuple::exact(self.names).map_or(0, |n| n.len())
    }
    /// The positional arguments.
    #[inline]
    pub fn pos(&self) -> &'a [Value] {
        if self.names.is_null() {
            self.all
        } else {
            &self.all[..self.all.len() - self.keyword_count()]
        }
    }
    /// All values: positional, then keyword.
    #[inline(always)]
    pub fn all(&self) -> &'a [Value] {
        self.all
    }
    /// The names' tuple, or NULL.
    #[inline(always)]
    pub fn names(&self) -> Value {
        self.names
    }
    /// The keyword arguments: name, value.
    pub fn keywords(&self) -> impl Iterator<Item = (Value, Value)> + use<'a> {
        let n = self.keyword_count();
        let values = &self.all[self.all.len() - n..];
        let names = self.names;
        values
            .iter()
            .enumerate()
            .map(move |(i, v)| (Tuple::exact(names).map_or(Value::NULL, |t| t.get(i)), *v))
    }
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// What `f` gives for the same arguments with `first` before them.
    #[inline]
    pub fn after<R>(self, first: Value, f: impl FnOnce(Args<'_>) -> R) -> R {
        let n = self.all.len();
        if n < 8 {
            let mut few = [Value::NULL; 8];
            few[0] = first;
            few[1..=n].copy_from_slice(self.all);
            return f(Args::new(&few[..=n], self.names));
        }
        let mut all = Vec::with_capacity(n + 1);
        all.push(first);
        all.extend_from_slice(self.all);
        f(Args::new(&all, self.names))
    }
}
