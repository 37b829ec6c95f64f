//! list: storage. Its methods are in `list/methods.rs`.
//!
//! Writers hold the list's lock, which costs nothing while the list is local. Readers hold nothing and write nothing: the protocol
//! that makes this safe is the buffer's (`list/buffer.rs`).

pub mod buffer;
mod methods;
pub mod repr;

use crate::prelude::*;
use crate::slice;
use buffer::{Buffer, RawList};
pub use methods::LIST;
pub(crate) use methods::{assign_slice, delete_slice};
use std::mem::ManuallyDrop;
use weft_gc::share;

/// A list. Zero words are an empty one.
#[repr(C)]
pub struct List {
    pub header: Header,
    raw: RawList,
}

/// A list whose lock the thread holds ([`List::hold`]). Nothing here runs Python.
pub struct Held<'a> {
    list: &'a List,
    t: &'a Thread,
}

impl Held<'_> {
    pub fn len(&self) -> usize {
        self.list.len()
    }
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
    /// Item `i`, which stays as long as it is in the list. Panics if the list is not that long.
    pub fn get(&self, i: usize) -> Value {
        assert!(i < self.len());
        Value(self.list.raw.get(i))
    }
    /// Exchanges two items.
    pub fn swap(&self, i: usize, j: usize) {
        let (a, b) = (self.get(i), self.get(j));
        self.list.raw.set(i, b.0);
        self.list.raw.set(j, a.0);
    }
    /// Appends an item.
    pub fn push(&self, new: Obj) {
        let v = to_heap(new.into_value());
        self.list.keep(self.t, v);
        if !self.list.raw.has_room() {
            let n = self.len();
            self.list.grow(self.t, n + (n >> 1) + 4);
        }
        self.list.raw.push(v.0);
    }
    /// Takes the last item out.
    pub fn pop(&self) -> Option<Obj> {
        let n = self.len().checked_sub(1)?;
        let mut last = Value::NULL;
        self.list.raw.truncate(n, |word| last = Value(word));
        Some(Obj::from_raw(last))
    }
    /// Puts an item in the place of item `i`, and gives that.
    pub fn replace(&self, i: usize, new: Obj) -> Obj {
        assert!(i < self.len());
        let v = to_heap(new.into_value());
        self.list.keep(self.t, v);
        Obj::from_raw(Value(self.list.raw.set(i, v.0)))
    }
}

/// There is no room for the item. Whoever appends learns of it by MemoryError at the next poll, if not before.
#[cold]
fn refused(t: &Thread, v: Value) {
    weft_gc::reserve::starve(t);
    dec(t, v);
}

impl List {
    /// A new empty list.
    #[inline]
    pub fn new(t: &Thread) -> Obj {
        // SAFETY: the layout is this type's, and zero words are an empty list.
        unsafe { Obj::from_raw(Value::from_ptr(t.alloc(&LIST.head, size_of::<List>()))) }
    }

    /// A new empty list with room for `n` items.
    pub fn with_capacity(t: &Thread, n: usize) -> Obj {
        let l = List::new(t);
        if n > 0 {
            List::of_obj(&l).raw.replace(Buffer::try_new(n), 0);
        }
        l
    }

    /// A list of the references in a vector.
    pub fn from_vec(t: &Thread, items: Vec<Obj>) -> Obj {
        let mut items = ManuallyDrop::new(items);
        let made = Self::from_words(t, items.len(), |i| items[i].value());
        // SAFETY: the references have moved on; only the vector's memory is left.
        unsafe {
            items.set_len(0);
            ManuallyDrop::drop(&mut items);
        }
        made
    }

    /// A list of new references.
    pub fn from_slice(t: &Thread, items: &[Value]) -> Obj {
        Self::from_words(t, items.len(), |i| {
            inc(t, items[i]);
            items[i].bare()
        })
    }

    /// A list of owned register words, which are moved out: NULL stays behind.
    pub fn from_regs(t: &Thread, items: &mut [Value]) -> Obj {
        Self::from_words(t, items.len(), |i| {
            to_heap(std::mem::replace(&mut items[i], Value::NULL))
        })
    }

    /// A list of `n` counted words.
    #[inline(always)]
    pub(crate) fn from_words(t: &Thread, n: usize, mut word: impl FnMut(usize) -> Value) -> Obj {
        let l = List::new(t);
        if n > 0 {
            let buffer = Buffer::filled(n, |i| word(i).0);
            List::of_obj(&l).raw.replace(buffer, n);
        }
        l
    }

    /// The list in a handle that is known to be one.
    #[inline(always)]
    pub fn of_obj(o: &Obj) -> &List {
        debug_assert!(List::of(o.value()).is_some());
        // SAFETY: the caller has made the list.
        unsafe { &*(o.value().ptr() as *const List) }
    }

    /// As [`List::of`] where `v` is known to be one: `self` of a method.
    #[inline(always)]
    pub fn this<'a>(v: Value) -> &'a List {
        debug_assert!(List::of(v).is_some());
        // SAFETY: methods and slots of `list` are called with instances only.
        unsafe { &*(v.ptr() as *const List) }
    }

    /// The list, if `v` is one or an instance of a subclass.
    #[inline(always)]
    pub fn of<'a>(v: Value) -> Option<&'a List> {
        match List::exact(v) {
            None => List::of_subclass(v),
            l => l,
        }
    }

    #[cold]
    fn of_subclass<'a>(v: Value) -> Option<&'a List> {
        // SAFETY: instances of subclasses start with the layout of their base.
        (v.is_ptr() && type_of(v).is_subtype(&LIST)).then(|| unsafe { &*(v.ptr() as *const List) })
    }

    /// The list, if `v` is one and not an instance of a subclass.
    #[inline(always)]
    pub fn exact<'a>(v: Value) -> Option<&'a List> {
        crate::cast_exact(v, &LIST)
    }

    pub fn value(&self) -> Value {
        self.header.value()
    }

    #[inline(always)]
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The item `i`, if the list is that long.
    #[inline(always)]
    pub fn get<'t>(&self, t: &'t Thread, i: usize) -> Option<Borrowed<'t>> {
        match self.raw.get(i) {
            0 => None,
            word => Some(Borrowed::new(t, Value(word))),
        }
    }

    /// The slot of an item of a local list, by an index as Python writes it.
    #[inline(always)]
    pub fn local_slot(&self, t: &Thread, i: i64) -> Option<&Slot> {
        debug_assert!(self.header.is_local(t));
        // SAFETY: a slot is a word, and this one holds a counted reference or an immediate.
        self.raw
            .local_word(i)
            .map(|w| unsafe { &*(w as *const _ as *const Slot) })
    }

    /// Whether the list is local and has room for another item: then [`List::push_local`] may follow.
    #[inline(always)]
    pub fn has_local_room(&self, t: &Thread) -> bool {
        self.header.is_local(t) && self.raw.has_room()
    }
    /// Appends a counted word to a local list with room.
    #[inline(always)]
    pub fn push_local(&self, v: Value) {
        self.raw.push(v.0);
    }

    /// Appends a register word, which is taken over.
    #[inline(always)]
    pub fn push(&self, t: &Thread, v: Value) {
        if self.header.is_local(t) && self.raw.has_room() {
            self.raw.push(to_heap(v).0);
        } else {
            self.push_slow(t, v);
        }
    }

    #[cold]
    #[inline(never)]
    fn push_slow(&self, t: &Thread, v: Value) {
        let v = to_heap(v);
        let _guard = lock(t, &self.header);
        self.keep(t, v);
        let n = self.len();
        if !self.raw.has_room()
            && !self.grow(t, n + (n >> 1) + 4)
            && !self.grow(t, n + (n >> 4) + 1)
        {
            return refused(t, v);
        }
        self.raw.push(v.0);
    }

    /// Keeps I3: what goes into a shared list is published.
    #[inline(always)]
    fn keep(&self, t: &Thread, v: Value) {
        if !self.header.is_local(t) {
            share(t, v);
        }
    }

    /// Under the lock: room for `capacity` items. False: there is no such memory. (Then less may do, but not so little that a list which
    /// grows is copied for every few items.)
    #[cold]
    #[inline(never)]
    fn grow(&self, t: &Thread, capacity: usize) -> bool {
        if self.header.is_local(t) && self.raw.grow_in_place(capacity) {
            return true;
        }
        let new = Buffer::try_new(capacity);
        if new.is_null() {
            return false;
        }
        // SAFETY: just made.
        self.raw.copy_to(unsafe { &*new }, self.len());
        self.publish(t, new, self.len());
        true
    }

    /// Under the lock: another buffer. The old one is retired; what its words refer to is the caller's business.
    fn publish(&self, t: &Thread, new: *mut Buffer, len: usize) {
        let old = self.raw.replace(new, len);
        if !old.is_null() {
            // SAFETY: the buffer has just been taken out of sight.
            unsafe { t.retire(&self.header, old as *mut u8, (*old).bytes(), Buffer::free) };
        }
    }

    /// Makes room for `n` more items. False: there is no such memory.
    pub fn reserve(&self, t: &Thread, n: usize) -> bool {
        let _guard = lock(t, &self.header);
        let Some(need) = self.len().checked_add(n) else {
            return false;
        };
        let p = self.raw.buffer();
        let capacity = if p.is_null() {
            0
        } else {
            // SAFETY: a buffer in use.
            unsafe { (*p).capacity() }
        };
        if need > capacity {
            return self.grow(t, need);
        }
        true
    }

    /// The place of item `i`, which may be counted from the end; too large a number if there is no such place.
    #[inline(always)]
    fn place(&self, i: i64) -> usize {
        if i < 0 {
            (i + self.len() as i64) as usize
        } else {
            i as usize
        }
    }

    /// As [`Self::get`], of an item that may be counted from the end.
    pub fn get_at<'t>(&self, t: &'t Thread, i: i64) -> Option<Borrowed<'t>> {
        loop {
            let n = self.len();
            let found = self.get(t, if i < 0 { i + n as i64 } else { i } as usize);
            // Others may have made it shorter just now.
            if found.is_some() || i >= 0 || self.len() == n {
                return found;
            }
        }
    }

    /// Replaces item `i` by a register word, which is taken over (and dropped if the list is not that long: false).
    #[inline(always)]
    pub fn set(&self, t: &Thread, i: usize, v: Value) -> bool {
        self.set_at(t, i as i64, v)
    }

    /// As [`Self::set`], of an item that may be counted from the end.
    #[inline(always)]
    pub fn set_at(&self, t: &Thread, i: i64, v: Value) -> bool {
        let v = to_heap(v);
        let (old, done) = {
            let _guard = lock(t, &self.header);
            let i = self.place(i);
            if i < self.len() {
                self.keep(t, v);
                (Value(self.raw.set(i, v.0)), true)
            } else {
                (v, false)
            }
        };
        dec(t, old);
        done
    }

    /// Takes the last item out.
    #[inline]
    pub fn pop(&self, t: &Thread) -> Option<Obj> {
        let _guard = lock(t, &self.header);
        let n = self.len().checked_sub(1)?;
        let mut last = Value::NULL;
        self.raw.truncate(n, |word| last = Value(word));
        Some(Obj::from_raw(last))
    }

    /// Takes item `i` out, which may be counted from the end, if there is such an item.
    pub fn remove_at(&self, t: &Thread, i: i64) -> Option<Obj> {
        let _guard = lock(t, &self.header);
        self.remove_locked(t, self.place(i))
    }

    /// Takes the first item equal to `x` out. False: there is none.
    pub fn remove(&self, t: &mut Thread, x: Value) -> Res<bool> {
        loop {
            let found = self.find_item(t, x, 0, usize::MAX)?;
            let (i, item) = match found {
                Some(found) => found,
                None if self.header.is_local(t) => return Ok(false),
                // It may have been moved behind the search's back: once more in what there is at one moment.
                None => {
                    let now = self.copy(t);
                    match List::of_obj(&now).find_item(t, x, 0, usize::MAX)? {
                        Some(found) => found,
                        None => return Ok(false),
                    }
                }
            };
            if self.remove_item(t, i, item).is_some() {
                return Ok(true);
            }
        }
    }

    /// Takes out an item that has just been at place `i`, wherever it is now.
    fn remove_item(&self, t: &Thread, i: usize, item: Value) -> Option<Obj> {
        let _guard = lock(t, &self.header);
        let i = match self.raw.get(i) == item.0 {
            true => i,
            false => self.words().position(|word| word.0 == item.0)?,
        };
        self.remove_locked(t, i)
    }

    fn remove_locked(&self, t: &Thread, i: usize) -> Option<Obj> {
        let n = self.len();
        if i >= n {
            return None;
        }
        let item = Value(self.raw.get(i));
        self.raw
            .move_words(i + 1, i, n - i - 1, self.header.is_local(t));
        self.raw.truncate(n - 1, |_| {});
        Some(Obj::from_raw(item))
    }

    /// Puts a register word, which is taken over, before item `i`, which may be counted from the end; at the end or the beginning
    /// if the list is not that long.
    pub fn insert(&self, t: &Thread, i: i64, v: Value) {
        let v = to_heap(v);
        let _guard = lock(t, &self.header);
        self.keep(t, v);
        let n = self.len();
        let i = if i < 0 {
            i.saturating_add(n as i64).max(0) as usize
        } else {
            (i as usize).min(n)
        };
        if !self.raw.has_room()
            && !self.grow(t, n + (n >> 2) + 4)
            && !self.grow(t, n + (n >> 4) + 1)
        {
            return refused(t, v);
        }
        if i == n {
            self.raw.push(v.0);
            return;
        }
        // The last word twice, so that the list grows by a whole one; then all in between move up.
        self.raw.push(self.raw.get(n - 1));
        self.raw
            .move_words(i, i + 1, n - 1 - i, self.header.is_local(t));
        self.raw.set(i, v.0);
    }

    /// Puts the references of a vector in the place of items `start..end` (both cut off at the length), and gives what was there.
    pub fn splice(&self, t: &Thread, start: usize, end: usize, items: Vec<Obj>) -> Vec<Obj> {
        let _guard = lock(t, &self.header);
        self.splice_locked(t, start, end, items)
    }

    /// As [`Self::splice`], by numbers as Python writes them in `l[start:stop]`.
    pub fn splice_slice(&self, t: &Thread, start: isize, stop: isize, items: Vec<Obj>) -> Vec<Obj> {
        let _guard = lock(t, &self.header);
        let (start, _, n) = slice::select(start, stop, 1, self.len());
        self.splice_locked(t, start as usize, start as usize + n, items)
    }

    fn splice_locked(&self, t: &Thread, start: usize, end: usize, items: Vec<Obj>) -> Vec<Obj> {
        let items = ManuallyDrop::new(items);
        let n = self.len();
        let end = end.clamp(0, n);
        let start = start.min(end);
        for o in items.iter() {
            self.keep(t, o.value());
        }
        let (tail, len) = (n - end, n - (end - start) + items.len());
        let p = self.raw.buffer();
        let capacity = if p.is_null() {
            0
        } else {
            // SAFETY: a buffer in use.
            unsafe { (*p).capacity() }
        };
        if len > capacity && !self.grow(t, len + (len >> 3)) && !self.grow(t, len + (len >> 4)) {
            weft_gc::reserve::starve(t);
            return ManuallyDrop::into_inner(items);
        }
        let gone = (start..end)
            .map(|i| Obj::from_raw(Value(self.raw.get(i))))
            .collect();
        let local = self.header.is_local(t);
        if len >= n {
            self.raw.move_words(end, end + (len - n), tail, local);
            self.raw
                .write_words(start, items.iter().map(|o| o.value().0));
            self.raw.set_len(len);
        } else {
            self.raw
                .write_words(start, items.iter().map(|o| o.value().0));
            self.raw.move_words(end, start + items.len(), tail, local);
            self.raw.truncate(len, |_| {});
        }
        // SAFETY: the references have moved on; only the vector's memory is left.
        drop(unsafe {
            Vec::from_raw_parts(
                items.as_ptr() as *mut ManuallyDrop<Obj>,
                0,
                items.capacity(),
            )
        });
        gone
    }

    /// Puts the references of a vector in the place of the items that `start:stop:step` selects, and gives what was there.
    ///
    /// # Errors
    /// How many items are selected, if it is another number: then nothing is done.
    pub fn replace_slice(
        &self,
        t: &Thread,
        [start, stop, step]: [isize; 3],
        items: Vec<Obj>,
    ) -> Result<Vec<Obj>, usize> {
        let _guard = lock(t, &self.header);
        let (start, step, n) = slice::select(start, stop, step, self.len());
        if items.len() != n {
            return Err(n);
        }
        let put = |(i, new): (usize, Obj)| {
            let v = to_heap(new.into_value());
            self.keep(t, v);
            Obj::from_raw(Value(
                self.raw.set((start + i as isize * step) as usize, v.0),
            ))
        };
        Ok(items.into_iter().enumerate().map(put).collect())
    }

    /// Takes out the items that `start:stop:step` selects.
    pub fn remove_slice(&self, t: &Thread, start: isize, stop: isize, step: isize) -> Vec<Obj> {
        let _guard = lock(t, &self.header);
        let (start, step, n) = slice::select(start, stop, step, self.len());
        let (mut next, step) = if step < 0 && n > 0 {
            (start + step * (n as isize - 1), -step)
        } else {
            (start, step)
        };
        let (len, mut gone) = (self.len(), Vec::with_capacity(n));
        let first = next.max(0) as usize;
        let mut to = first;
        for i in first..len {
            let word = self.raw.get(i);
            if i as isize == next && gone.len() < n {
                gone.push(Obj::from_raw(Value(word)));
                next = next.wrapping_add(step);
            } else {
                self.raw.set(to, word);
                to += 1;
            }
        }
        self.raw.truncate(to.min(len), |_| {});
        gone
    }

    /// Appends the references of a vector.
    pub fn append(&self, t: &Thread, items: Vec<Obj>) {
        self.splice(t, usize::MAX, usize::MAX, items);
    }

    /// Appends new references to the items of an iterable.
    ///
    /// # Errors
    /// TypeError if it is not iterable; what its iterator raises, after the items that came before.
    pub fn extend(&self, t: &mut Thread, iterable: Value) -> Res<()> {
        methods::extend(t, self, iterable)
    }

    /// New references to all items, as they are at one moment.
    pub fn to_vec(&self, t: &Thread) -> Vec<Obj> {
        if self.header.is_local(t) {
            return self.words().map(|v| Obj::new(t, v)).collect();
        }
        let words: Vec<Value> = {
            let _guard = lock(t, &self.header);
            self.words().collect()
        };
        // Counted when others have the lock already: what was in the list then is there until this thread's next safepoint (I5).
        words.into_iter().map(|v| Obj::new(t, v)).collect()
    }

    /// A new list of the items that `start:stop:step` selects, as they are at one moment.
    pub fn slice(&self, t: &Thread, start: isize, stop: isize, step: isize) -> Obj {
        let guard = lock(t, &self.header);
        let (start, step, n) = slice::select(start, stop, step, self.len());
        if n == 0 {
            return List::new(t);
        }
        let (words, mut at) = (self.raw_words(), start);
        if step == 1 && !self.header.is_local(t) {
            let made = Self::from_words(t, n, |i| {
                // SAFETY: as below.
                Value(unsafe { *words.offset(start + i as isize) })
            });
            // As in `to_vec`.
            drop(guard);
            List::of_obj(&made).words().for_each(|v| inc_item(t, v));
            return made;
        }
        if step == 1 {
            return Self::from_words(t, n, |i| {
                // SAFETY: as below.
                let v = Value(unsafe { *words.offset(start + i as isize) });
                inc_item(t, v);
                v
            });
        }
        Self::from_words(t, n, |_| {
            // SAFETY: between the first and the last, which are within the length; under the lock.
            let v = Value(unsafe { *words.offset(at) });
            // Behind the last one it may be anywhere.
            at = at.wrapping_add(step);
            inc(t, v);
            v
        })
    }

    /// A new list of all items, as they are at one moment.
    pub fn copy(&self, t: &Thread) -> Obj {
        self.slice(t, 0, isize::MAX, 1)
    }

    /// Under the lock or when local: where the words of a list with a buffer lie.
    #[inline(always)]
    fn raw_words(&self) -> *const u64 {
        // SAFETY: the list has a buffer, as the caller knows.
        unsafe { (*self.raw.buffer()).words() }
    }

    /// Puts new references to `items` in the place of items `start..end`. False, and nothing is done: others may look at this list.
    pub fn splice_local(&self, t: &Thread, start: usize, end: usize, items: &[Value]) -> bool {
        if !self.header.is_local(t) {
            return false;
        }
        let n = self.len();
        let end = end.min(n);
        let start = start.min(end);
        let (k, gone) = (items.len(), end - start);
        let p = self.raw.buffer();
        let capacity = if p.is_null() {
            0
        } else {
            // SAFETY: a buffer in use.
            unsafe { (*p).capacity() }
        };
        let len = n - gone + k;
        if len > capacity && !self.grow(t, len + (len >> 3)) && !self.grow(t, len + (len >> 4)) {
            weft_gc::reserve::starve(t);
            return true;
        }
        if len == 0 {
            self.clear(t);
            return true;
        }
        // SAFETY: the list is local, so this thread is alone with it, and dropping a reference runs no Python: nobody sees the
        // words while they move. All of them are within the capacity.
        unsafe {
            let words = (*self.raw.buffer()).words();
            for v in items {
                inc(t, *v);
            }
            // From the end, as CPython does: the order in which finalizers run.
            for i in (start..end).rev() {
                dec(t, Value(*words.add(i)));
            }
            if k != gone {
                std::ptr::copy(words.add(end), words.add(start + k), n - end);
                if len < n {
                    words.add(len).write_bytes(0, n - len);
                }
            }
            for (i, v) in items.iter().enumerate() {
                *words.add(start + i) = v.bare().0;
            }
        }
        self.raw.set_len(len);
        true
    }

    /// The items of a local list, which the caller must not change meanwhile.
    #[inline(always)]
    pub fn local_items(&self, t: &Thread) -> Option<&[Value]> {
        if !self.header.is_local(t) {
            return None;
        }
        if self.is_empty() {
            return Some(&[]);
        }
        // SAFETY: the words of a local list stay as they are until this thread changes it.
        Some(unsafe { std::slice::from_raw_parts(self.raw_words() as *const Value, self.len()) })
    }

    /// Under the lock or when local: the words.
    fn words(&self) -> impl Iterator<Item = Value> + '_ {
        (0..self.len()).map(|i| Value(self.raw.get(i)))
    }

    /// Takes all items out.
    pub fn take_all(&self, t: &Thread) -> Vec<Obj> {
        let _guard = lock(t, &self.header);
        let items = self.words().map(Obj::from_raw).collect();
        // The words stay in the old buffer for readers that are there already; their references are the vector's.
        self.publish(t, std::ptr::null_mut(), 0);
        items
    }

    /// As [`Self::take_all`]; [`Self::is_marked`] then tells whether anything was done to the list since.
    pub fn take_all_marked(&self, t: &Thread) -> (Vec<Obj>, usize) {
        let items = self.take_all(t);
        let mark = Buffer::new(0);
        let _guard = lock(t, &self.header);
        if self.raw.buffer().is_null() {
            self.publish(t, mark, 0);
        } else {
            // SAFETY: just made, and nobody else knows it.
            unsafe { Buffer::free(mark as *mut u8, 0) };
        }
        (items, mark as usize)
    }

    /// Whether the list is as `take_all_marked` left it.
    pub fn is_marked(&self, mark: usize) -> bool {
        let p = self.raw.buffer();
        // SAFETY: a buffer in use, which is freed after this thread's next safepoint at the earliest.
        p as usize == mark && unsafe { (*p).capacity() == 0 }
    }

    /// Replaces all items, and gives what was there.
    pub fn replace_all(&self, t: &Thread, items: Vec<Obj>) -> Vec<Obj> {
        let new = if items.is_empty() {
            std::ptr::null_mut()
        } else {
            Buffer::new(items.len())
        };
        let _guard = lock(t, &self.header);
        let gone = self.words().map(Obj::from_raw).collect();
        let items = ManuallyDrop::new(items);
        for (i, o) in items.iter().enumerate() {
            self.keep(t, o.value());
            // SAFETY: just made, of that length.
            unsafe { (*new).word(i) }.store(o.value().0, std::sync::atomic::Ordering::Relaxed);
        }
        self.publish(t, new, items.len());
        // SAFETY: the references have moved on; only the vector's memory is left.
        drop(unsafe {
            Vec::from_raw_parts(
                items.as_ptr() as *mut ManuallyDrop<Obj>,
                0,
                items.capacity(),
            )
        });
        gone
    }

    /// Removes all items.
    pub fn clear(&self, t: &Thread) {
        let mut items = self.take_all(t);
        items.reverse();
        drop(items);
    }

    /// Runs `f` on the list while its lock is held, so that what it does is one step for everybody else.
    pub fn hold<R>(&self, t: &Thread, f: impl FnOnce(&Held<'_>) -> R) -> R {
        let _guard = lock(t, &self.header);
        f(&Held { list: self, t })
    }

    /// Reverses the order of the items.
    pub fn reverse(&self, t: &Thread) {
        let _guard = lock(t, &self.header);
        let n = self.len();
        for i in 0..n / 2 {
            let (a, b) = (self.raw.get(i), self.raw.get(n - 1 - i));
            self.raw.set(i, b);
            self.raw.set(n - 1 - i, a);
        }
    }

    /// Bytes of the object and its buffer.
    pub fn size(&self, t: &Thread) -> usize {
        let _guard = lock(t, &self.header);
        let p = self.raw.buffer();
        size_of::<List>()
            + if p.is_null() {
                0
            } else {
                // SAFETY: a buffer in use.
                unsafe { (*p).bytes() }
            }
    }

    /// Whether `x` is among the items.
    pub fn contains(&self, t: &mut Thread, x: Value) -> Res<bool> {
        Ok(self.find(t, x, 0, usize::MAX)?.is_some())
    }

    /// Index of the first item equal to `x` in `start..end`.
    pub fn find(&self, t: &mut Thread, x: Value, start: usize, end: usize) -> Res<Option<usize>> {
        Ok(self.find_item(t, x, start, end)?.map(|(i, _)| i))
    }

    /// As [`Self::find`], with the word of the item, which may have gone by now: good for telling whether it is there still.
    #[inline(always)]
    fn find_item(
        &self,
        t: &mut Thread,
        x: Value,
        start: usize,
        end: usize,
    ) -> Res<Option<(usize, Value)>> {
        let mut i = start;
        while i < end
            && let Some(item) = self.get(t, i)
        {
            let item = item.value();
            if item.same(x) {
                return Ok(Some((i, item)));
            }
            // A comparison of words calls nothing; any other may change the list.
            if !(item.both_ints(x)) {
                let held = Obj::new(t, item);
                if proto::eq(t, held.value(), x)? {
                    return Ok(Some((i, item)));
                }
            }
            i += 1;
        }
        Ok(None)
    }
}

/// Counts a reference to an item, which is not NULL.
#[inline(always)]
fn inc_item(t: &Thread, v: Value) {
    if v.0 & 7 == 0 {
        inc(t, v);
    }
}

/// Visits what a list refers to.
///
/// # Safety
/// A list that nobody changes meanwhile.
pub(crate) unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: the caller's promise.
    for v in unsafe { (*(h as *const List)).words() } {
        f(v);
    }
}

/// Drops what a dying list refers to.
///
/// # Safety
/// A list that nobody refers to.
pub(crate) unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: the caller's promise: the buffer is this call's alone, and no reader is left (I5).
    unsafe {
        let l = &*(h as *const List);
        let n = l.len();
        let p = l.raw.replace(std::ptr::null_mut(), 0);
        if !p.is_null() {
            let words = (*p).words();
            for i in (0..n).rev() {
                t.drop_value(Value(*words.add(i)));
            }
            Buffer::free(p as *mut u8, 0);
        }
    }
}
