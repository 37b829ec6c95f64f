//! `str`: immutable text as WTF-8, with its length in bytes and in code points.
//!
//! Short strings carry their bytes right after the struct; longer ones, and instances of subclasses, point to memory outside.
//! ASCII is when there are as many bytes as code points. Access by index to long non-ASCII strings goes through a table that
//! is made when it is first needed.

use crate::memory;
use crate::prelude::*;
use crate::text::wtf8::{self, SkipTable};
use crate::text::{ErrorKind, Text, TextError, hash};
use crate::types::type_flags;
use std::sync::atomic::{AtomicI64, AtomicPtr, Ordering::*};
use weft_gc::{Flags, MAX_BLOCK};

pub use crate::str_format::{Convert, format_value, join_strings};

pub mod codecs;
pub mod index;
mod interned;
pub mod iter;

pub use iter::{STR_ASCII_ITERATOR, STR_ITERATOR};

/// In [`Str::bytes`]: the bytes are outside. (Not a header flag: [`crate::instance::INLINE`] must be nobody else's.)
const OUTSIDE: u32 = u32::MAX;
/// Header flag: in the table of interned strings.
const INTERNED: u8 = Flags::USER2;

/// Most bytes that lie within the object.
const INLINE_ASCII: usize = MAX_BLOCK - size_of::<Str>();
/// The same for strings that are not ASCII, which have no table of indexes.
const INLINE_WIDE: usize = 256;
/// From this size on `s += x` gives the string room to grow.
const GROWING: usize = 256;

/// A string.
#[repr(C)]
pub struct Str {
    pub header: Header,
    /// 0: not computed yet (or really 0).
    hash: AtomicI64,
    /// Of inline strings; those outside have theirs in [`Outside`].
    bytes: u32,
    chars: u32,
    // What follows: the bytes, or `Outside`.
}

/// Where the bytes of a string are that are not within it.
#[repr(C)]
struct Outside {
    ptr: *mut u8,
    bytes: usize,
    chars: usize,
    capacity: usize,
    index: AtomicPtr<SkipTable>,
}

/// Bytes of an instance of `str` that all its subclasses start with.
pub const INSTANCE_SIZE: usize = size_of::<Str>() + size_of::<Outside>();

/// Found by the hash that strings have anyway, which is keyed: nobody can choose texts that collide.
static INTERNED_STRINGS: interned::Interned = interned::Interned::new();
/// Places of the table at first: twice what the names of the built-in types and of start-up need.
const INTERNED_AT_FIRST: usize = 8192;
static LATIN1: [AtomicPtr<Str>; 256] = [const { AtomicPtr::new(std::ptr::null_mut()) }; 256];
static EMPTY: AtomicPtr<Str> = AtomicPtr::new(std::ptr::null_mut());

/// Raises what a text routine has failed with.
#[cold]
pub fn text_error(t: &Thread, e: TextError) -> Raised {
    match e.kind {
        ErrorKind::Value => t.value_error(e.msg),
        ErrorKind::Overflow => t.overflow_error(e.msg),
        ErrorKind::Type => t.type_error(e.msg),
        ErrorKind::Memory => t.memory_error(),
        ErrorKind::ZeroDivision => t.raise(&errors::ZERO_DIVISION_ERROR, e.msg),
    }
}

/// Making strings.
impl Str {
    #[inline]
    pub fn new(t: &Thread, s: &str) -> Obj {
        Self::from_wtf8(t, s.as_bytes())
    }

    /// `bytes` must be valid WTF-8.
    #[inline]
    pub fn from_wtf8(t: &Thread, bytes: &[u8]) -> Obj {
        Self::from_text(
            t,
            Text {
                bytes,
                chars: wtf8::count(bytes),
            },
        )
    }

    /// As [`Str::from_wtf8`] for text whose number of code points is known.
    #[inline]
    pub fn from_text(t: &Thread, text: Text<'_>) -> Obj {
        if text.chars <= 1 {
            return Self::tiny(t, text.bytes);
        }
        let n = text.bytes.len();
        if n <= Self::inline_limit(n, text.chars) {
            let p = Self::alloc_inline(t, n, text.chars);
            // SAFETY: room for `n` bytes follows the struct.
            unsafe { std::ptr::copy_nonoverlapping(text.bytes.as_ptr(), Self::data(p), n) };
            return Self::own(p);
        }
        Self::from_outside(t, text.bytes.to_vec(), text.chars)
    }

    pub fn from_string(t: &Thread, s: String) -> Obj {
        Self::from_vec(t, s.into_bytes())
    }

    /// Takes over valid WTF-8, without copying if it is long.
    pub fn from_vec(t: &Thread, v: Vec<u8>) -> Obj {
        let chars = wtf8::count(&v);
        Self::from_vec_counted(t, v, chars)
    }

    /// A str of the text in a vector from [`crate::runtime::Vm::take_text`], which goes back there.
    pub fn from_text_buffer(t: &Thread, v: Vec<u8>) -> Obj {
        let chars = wtf8::count(&v);
        if v.len() <= Self::inline_limit(v.len(), chars) {
            let made = Self::from_text(t, Text { bytes: &v, chars });
            t.vm().give_text(v);
            return made;
        }
        Self::from_outside(t, v, chars)
    }

    /// ASCII text of `n` bytes, which `write` writes; `None` if it is too long or too short for that.
    #[inline]
    pub fn ascii_filled(t: &Thread, n: usize, write: impl FnOnce(&mut [u8])) -> Option<Obj> {
        if !(2..=INLINE_ASCII).contains(&n) {
            return None;
        }
        let p = Self::alloc_inline(t, n, n);
        // SAFETY: room for `n` bytes follows the struct; the bytes, though unwritten, are ours.
        unsafe {
            let bytes = Self::data(p);
            bytes.write_bytes(0, n);
            write(std::slice::from_raw_parts_mut(bytes, n));
        }
        Some(Self::own(p))
    }

    /// As [`Str::from_vec`] where the number of code points is known.
    pub fn from_vec_counted(t: &Thread, v: Vec<u8>, chars: usize) -> Obj {
        if v.len() <= Self::inline_limit(v.len(), chars) {
            return Self::from_text(t, Text { bytes: &v, chars });
        }
        Self::from_outside(t, v, chars)
    }

    /// Text made of all the parts.
    pub fn from_parts(t: &Thread, parts: &[&[u8]]) -> Obj {
        let n: usize = parts.iter().map(|p| p.len()).sum();
        let chars: usize = parts.iter().map(|p| wtf8::count(p)).sum();
        Self::joined(t, parts, n, chars)
    }

    /// `parts` together hold `n` bytes and `chars` code points.
    pub(crate) fn joined(t: &Thread, parts: &[&[u8]], n: usize, chars: usize) -> Obj {
        if chars > 1 && n <= Self::inline_limit(n, chars) {
            let p = Self::alloc_inline(t, n, chars);
            let mut at = Self::data(p);
            for part in parts {
                // SAFETY: the parts' sizes add up to `n`, for which there is room.
                unsafe {
                    std::ptr::copy_nonoverlapping(part.as_ptr(), at, part.len());
                    at = at.add(part.len());
                }
            }
            return Self::own(p);
        }
        let mut v = Vec::with_capacity(n);
        for part in parts {
            v.extend_from_slice(part);
        }
        Self::from_vec_counted(t, v, chars)
    }

    /// The texts with `gap` between them, `n` bytes and `chars` code points in all.
    ///
    /// # Errors
    /// MemoryError.
    pub(crate) fn join_bytes<'b>(
        t: &Thread,
        gap: &[u8],
        texts: impl Iterator<Item = &'b [u8]>,
        n: usize,
        chars: usize,
    ) -> Res {
        let mut out = Vec::<u8>::new();
        let (made, mut at) = if chars > 1 && n <= Self::inline_limit(n, chars) {
            let p = Self::alloc_inline(t, n, chars);
            (Some(Self::own(p)), Self::data(p))
        } else {
            if out.try_reserve_exact(n).is_err() {
                return Err(t.memory_error());
            }
            (None, out.as_mut_ptr())
        };
        // SAFETY: there is room for `n` bytes at `at`, and that is what all texts and gaps add up to.
        unsafe {
            let mut put = |bytes: &[u8]| {
                std::ptr::copy_nonoverlapping(bytes.as_ptr(), at, bytes.len());
                at = at.add(bytes.len());
            };
            for (i, text) in texts.enumerate() {
                if i > 0 {
                    put(gap);
                }
                put(text);
            }
        }
        if let Some(o) = made {
            return Ok(o.into());
        }
        // SAFETY: as above.
        unsafe { out.set_len(n) };
        Ok(Self::from_vec_counted(t, out, chars).into())
    }

    /// `a + b`.
    pub fn concat(t: &Thread, a: &Str, b: &Str) -> Obj {
        let (x, y) = (a.as_bytes(), b.as_bytes());
        Self::joined(t, &[x, y], x.len() + y.len(), a.len() + b.len())
    }

    /// `left + right`, reusing `left` if nobody else has it: repeated appending is linear. `left` must be a str.
    pub fn append_in_place(t: &Thread, left: Obj, right: &Str) -> Obj {
        // SAFETY: the handle keeps it alive; the caller says it is a str.
        let s = unsafe { &*(left.value().ptr() as *const Str) };
        let (x, y) = (s.as_bytes(), right.as_bytes());
        let n = x.len() + y.len();
        if n < GROWING || !s.is_exact() || std::ptr::eq(s, right) {
            return Self::concat(t, s, right);
        }
        let chars = s.len() + right.len();
        let unique = s.header.is_local(t) && s.header.count.load(Relaxed) == 1;
        // SAFETY: the flag says that the bytes are outside.
        let ours = || s.is_outside() && unsafe { (*s.outside()).capacity != 0 };
        if unique && ours() && !s.header.is_immortal() {
            // SAFETY: nobody else refers to this local object, so nobody looks at its bytes.
            unsafe {
                let out = &mut *s.outside();
                let v = Vec::from_raw_parts(out.ptr, out.bytes, out.capacity);
                let mut v = std::mem::ManuallyDrop::new(v);
                if v.try_reserve(y.len()).is_err() {
                    // It stays as it is: MemoryError comes at the next poll, if not before.
                    weft_gc::reserve::starve(t);
                    return left;
                }
                v.extend_from_slice(y);
                out.ptr = v.as_mut_ptr();
                out.capacity = v.capacity();
                out.bytes = n;
                out.chars = chars;
                drop_index(out);
            }
            s.hash.store(0, Relaxed);
            return left;
        }
        let mut v = Vec::new();
        if v.try_reserve_exact(n + n / 2).is_err() && v.try_reserve_exact(n).is_err() {
            weft_gc::reserve::starve(t);
            return left;
        }
        v.extend_from_slice(x);
        v.extend_from_slice(y);
        Self::from_outside(t, v, chars)
    }

    /// `str(n)` of a small int.
    pub fn from_i64(t: &Thread, n: i64) -> Obj {
        crate::text::int::with_digits(n, |bytes| {
            let chars = bytes.len();
            Self::from_text(t, Text { bytes, chars })
        })
    }

    /// A register word for the string of one ASCII character; `None` if it has not been made yet.
    #[inline(always)]
    pub fn ascii_value(b: u8) -> Option<Value> {
        let p = LATIN1[b as usize].load(Acquire);
        if p.is_null() {
            None
        } else {
            // Immortal, so it need not be counted.
            Some(Value::uncounted(p as *const Header))
        }
    }

    /// A register word for the string of one code point.
    #[inline]
    pub fn char_value(t: &Thread, cp: u32) -> Value {
        if cp < 128
            && let Some(v) = Self::ascii_value(cp as u8)
        {
            return v;
        }
        Self::char(t, cp).into_value()
    }

    /// The string of one code point; those of Latin-1 are made once.
    #[inline]
    pub fn char(t: &Thread, cp: u32) -> Obj {
        if cp < 256 {
            return Self::latin1(t, cp as u8);
        }
        let mut buf = [0; 4];
        let n = wtf8::encode(cp, &mut buf);
        let p = Self::alloc_inline(t, n, 1);
        // SAFETY: room for `n` bytes follows the struct.
        unsafe { std::ptr::copy_nonoverlapping(buf.as_ptr(), Self::data(p), n) };
        Self::own(p)
    }

    /// The empty string.
    #[inline]
    pub fn empty(t: &Thread) -> Obj {
        Obj::from_raw(Self::once(t, &EMPTY, b"").value())
    }

    #[inline]
    pub(crate) fn latin1(t: &Thread, b: u8) -> Obj {
        let p = LATIN1[b as usize].load(Acquire);
        if !p.is_null() {
            return Obj::from_raw(Value::from_ptr(p as *const Header));
        }
        let mut buf = [0; 4];
        let n = wtf8::encode(u32::from(b), &mut buf);
        Obj::from_raw(Self::once(t, &LATIN1[b as usize], &buf[..n]).value())
    }

    /// At most one code point.
    fn tiny(t: &Thread, bytes: &[u8]) -> Obj {
        if let [b] = *bytes
            && b < 128
        {
            return Self::latin1(t, b);
        }
        match wtf8::first(bytes) {
            Some((cp, _)) => Self::char(t, cp),
            None => Self::empty(t),
        }
    }

    /// The interned string that `cell` remembers.
    #[inline]
    pub(crate) fn once(t: &Thread, cell: &AtomicPtr<Str>, bytes: &[u8]) -> &'static Str {
        let p = cell.load(Acquire);
        if !p.is_null() {
            // SAFETY: interned strings are immortal.
            return unsafe { &*p };
        }
        Self::remember(t, cell, bytes)
    }

    #[cold]
    fn remember(t: &Thread, cell: &AtomicPtr<Str>, bytes: &[u8]) -> &'static Str {
        let s = Self::intern_bytes(t, bytes);
        cell.store(s as *const Str as *mut Str, Release);
        s
    }

    #[inline(always)]
    fn inline_limit(bytes: usize, chars: usize) -> usize {
        if bytes == chars {
            INLINE_ASCII
        } else {
            INLINE_WIDE
        }
    }

    #[inline(always)]
    fn own(p: *mut Str) -> Obj {
        Obj::from_raw(Value::from_ptr(p as *const Header))
    }

    /// The bytes of an inline string.
    #[inline(always)]
    fn data(p: *mut Str) -> *mut u8 {
        // SAFETY: the bytes follow the struct.
        unsafe { p.add(1) as *mut u8 }
    }

    /// An inline string whose bytes the caller writes before anything else.
    #[inline]
    fn alloc_inline(t: &Thread, n: usize, chars: usize) -> *mut Str {
        // SAFETY: all of the struct is written here.
        unsafe {
            let p = t.alloc_uninit(&STR.head, size_of::<Str>() + n, true) as *mut Str;
            (&raw mut (*p).hash).write(AtomicI64::new(0));
            (&raw mut (*p).bytes).write(n as u32);
            (&raw mut (*p).chars).write(chars as u32);
            p
        }
    }

    fn from_outside(t: &Thread, v: Vec<u8>, chars: usize) -> Obj {
        // SAFETY: a zeroed object of the size that `set_outside` wants.
        unsafe {
            let p = t.alloc(&STR.head, INSTANCE_SIZE) as *mut Str;
            Self::set_outside(p, v, chars);
            Self::own(p)
        }
    }

    /// A string of text that stays: if it is long, its bytes are left where they are.
    pub fn from_static(t: &Thread, text: Text<'static>) -> Obj {
        if text.bytes.len() < size_of::<Outside>() * 2 {
            return Self::from_text(t, text);
        }
        let out = Outside {
            ptr: text.bytes.as_ptr().cast_mut(),
            bytes: text.bytes.len(),
            chars: text.chars,
            capacity: 0,
            index: AtomicPtr::new(std::ptr::null_mut()),
        };
        // SAFETY: a zeroed object of the size that this takes. What has no capacity is neither written to nor freed.
        unsafe {
            let p = t.alloc(&STR.head, INSTANCE_SIZE) as *mut Str;
            (p.add(1) as *mut Outside).write(out);
            (*p).bytes = OUTSIDE;
            Self::own(p)
        }
    }

    /// # Safety
    /// `p` is a new, zeroed object of at least [`INSTANCE_SIZE`] bytes.
    unsafe fn set_outside(p: *mut Str, v: Vec<u8>, chars: usize) {
        let mut v = std::mem::ManuallyDrop::new(v);
        let out = Outside {
            ptr: v.as_mut_ptr(),
            bytes: v.len(),
            chars,
            capacity: v.capacity(),
            index: AtomicPtr::new(std::ptr::null_mut()),
        };
        // SAFETY: the caller's promise.
        unsafe {
            (p.add(1) as *mut Outside).write(out);
            (*p).bytes = OUTSIDE;
        }
    }

    /// An instance of the subclass `cls` with the same text.
    pub fn new_instance(t: &Thread, cls: &Type, text: Text<'_>) -> Obj {
        let p = crate::types::alloc_instance(t, cls) as *mut Str;
        // SAFETY: a new zeroed instance of a subclass of str.
        unsafe { Self::set_outside(p, text.bytes.to_vec(), text.chars) };
        Self::own(p)
    }
}

/// Interning.
impl Str {
    /// The one string with this text that is immortal and the same wherever it is interned.
    pub fn intern(t: &Thread, s: &str) -> Obj {
        Obj::from_raw(Self::intern_bytes(t, s.as_bytes()).value())
    }

    /// As [`Str::intern`], for WTF-8.
    pub fn intern_bytes(t: &Thread, bytes: &[u8]) -> &'static Str {
        let text = Text {
            bytes,
            chars: wtf8::count(bytes),
        };
        let hash = hash::hash_str(*crate::runtime::hash_key(), text);
        match Self::interned(hash, bytes) {
            Some(s) => s,
            // A fresh object of its own, as those of one character come from here.
            None => Self::intern_new(Self::fresh(t, text, hash)),
        }
    }

    /// The interned string with the text of `o`, a str. `o` itself becomes it if there is none and it is no subclass's.
    pub fn intern_obj(t: &Thread, o: Obj) -> Obj {
        // SAFETY: the handle keeps it alive; the caller says it is a str.
        let s = unsafe { &*(o.value().ptr() as *const Str) };
        if s.is_interned() {
            return o;
        }
        let found = match s.find_interned() {
            Some(found) => found,
            None if s.is_exact() => Self::intern_new(o),
            None => Self::intern_new(Self::fresh(t, s.text(), s.hash())),
        };
        Obj::from_raw(found.value())
    }

    /// The interned string with this one's text, if there is one.
    pub fn find_interned(&self) -> Option<&'static Str> {
        Self::interned(self.hash(), self.as_bytes())
    }

    #[inline]
    fn interned(hash: i64, bytes: &[u8]) -> Option<&'static Str> {
        let word = INTERNED_STRINGS.find(hash as u64, Self::same_text(hash, bytes))?;
        // SAFETY: the table holds interned strings, which are immortal.
        Some(unsafe { &*(word as *const Str) })
    }

    /// Tells whether a word of the table is the string with this hash and text.
    fn same_text(hash: i64, bytes: &[u8]) -> impl Fn(u64) -> bool {
        move |word| {
            // SAFETY: as in `interned`.
            let s = unsafe { &*(word as *const Str) };
            s.hash.load(Relaxed) == hash && s.as_bytes() == bytes
        }
    }

    /// A string of its own with this text, whose hash is known.
    fn fresh(t: &Thread, text: Text<'_>, hash: i64) -> Obj {
        let n = text.bytes.len();
        let o = if n > Self::inline_limit(n, text.chars) {
            Self::from_outside(t, text.bytes.to_vec(), text.chars)
        } else {
            let p = Self::alloc_inline(t, n, text.chars);
            // SAFETY: room for the bytes follows the struct.
            unsafe { std::ptr::copy_nonoverlapping(text.bytes.as_ptr(), Self::data(p), n) };
            Self::own(p)
        };
        // SAFETY: just made.
        unsafe { &*(o.value().ptr() as *const Str) }
            .hash
            .store(hash, Relaxed);
        o
    }

    /// Puts `o` into the table, unless another thread has just put in an equal one.
    fn intern_new(o: Obj) -> &'static Str {
        let p = o.value().ptr() as *const Str;
        // SAFETY: a str, which stays for ever once it is in the table.
        let s: &'static Str = unsafe { &*p };
        let hash = s.hash();
        let make = || {
            s.header.set_flag(INTERNED);
            s.header.make_immortal();
            p as u64
        };
        // SAFETY: as in `interned`.
        let hash_of = |word: u64| unsafe { &*(word as *const Str) }.hash() as u64;
        let is = Self::same_text(hash, s.as_bytes());
        let word = INTERNED_STRINGS.enter(hash as u64, is, make, hash_of, INTERNED_AT_FIRST);
        if word == p as u64 {
            std::mem::forget(o);
        }
        // SAFETY: as in `interned`.
        unsafe { &*(word as *const Str) }
    }

    #[inline(always)]
    pub fn is_interned(&self) -> bool {
        self.header.has_flag(INTERNED)
    }
}

/// Looking at strings.
impl Str {
    /// The string, if `v` is an instance of `str` or a subclass.
    #[inline(always)]
    pub fn of<'a>(v: Value) -> Option<&'a Str> {
        crate::cast(v, &STR)
    }

    /// The string, if `v` is exactly a `str`.
    #[inline(always)]
    pub fn exact<'a>(v: Value) -> Option<&'a Str> {
        crate::cast_exact(v, &STR)
    }

    /// The same as [`Str::of`] where `v` is known to be one: `self` of a method.
    #[inline(always)]
    pub fn this<'a>(v: Value) -> &'a Str {
        debug_assert!(Self::of(v).is_some());
        // SAFETY: methods and slots of `str` are called with instances only.
        unsafe { &*(v.ptr() as *const Str) }
    }

    #[inline(always)]
    pub fn value(&self) -> Value {
        self.header.value()
    }

    #[inline(always)]
    pub fn is_exact(&self) -> bool {
        std::ptr::eq(self.header.ty(), &STR.head)
    }

    /// A new reference to this string if it is exactly a `str`, else a `str` with the same text.
    pub fn to_exact(&self, t: &Thread) -> Obj {
        if self.is_exact() {
            Obj::new(t, self.value())
        } else {
            Self::from_text(t, self.text())
        }
    }

    #[inline(always)]
    fn is_outside(&self) -> bool {
        self.bytes == OUTSIDE
    }

    #[inline(always)]
    fn outside(&self) -> *mut Outside {
        // SAFETY: follows the struct if the flag says so.
        unsafe { (self as *const Str).add(1) as *mut Outside }
    }

    /// The text as WTF-8.
    #[inline(always)]
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: the bytes follow the struct or are where `Outside` says; strings do not change while somebody looks.
        unsafe {
            if !self.is_outside() {
                let data = (self as *const Str).add(1) as *const u8;
                return std::slice::from_raw_parts(data, self.bytes as usize);
            }
            let out = self.outside();
            std::slice::from_raw_parts((*out).ptr, (*out).bytes)
        }
    }

    /// Number of code points.
    #[inline(always)]
    pub fn len(&self) -> usize {
        if !self.is_outside() {
            return self.chars as usize;
        }
        // SAFETY: as in `as_bytes`.
        unsafe { (*self.outside()).chars }
    }

    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes and length together.
    #[inline]
    pub fn text(&self) -> Text<'_> {
        Text {
            bytes: self.as_bytes(),
            chars: self.len(),
        }
    }

    #[inline(always)]
    pub fn is_ascii(&self) -> bool {
        self.as_bytes().len() == self.len()
    }

    /// The text as Rust's `str`; `None` if there are surrogates in it.
    pub fn as_str(&self) -> Option<&str> {
        if self.is_ascii() {
            // SAFETY: ASCII is UTF-8.
            return Some(unsafe { std::str::from_utf8_unchecked(self.as_bytes()) });
        }
        wtf8::as_str(self.as_bytes())
    }

    /// The text with surrogates escaped as `\udc80`: for messages.
    pub fn to_string_lossy(&self) -> String {
        match self.as_str() {
            Some(s) => s.to_owned(),
            None => {
                let mut out = String::new();
                for cp in wtf8::code_points(self.as_bytes()) {
                    match char::from_u32(cp) {
                        Some(c) => out.push(c),
                        None => out.push_str(&format!("\\u{cp:04x}")),
                    }
                }
                out
            }
        }
    }

    /// Byte offset of code point `i <= len`.
    #[inline]
    pub fn offset(&self, i: usize) -> usize {
        if self.is_ascii() {
            i
        } else {
            self.offset_wide(i)
        }
    }

    #[cold]
    #[inline(never)]
    fn offset_wide(&self, i: usize) -> usize {
        if !self.is_outside() {
            return self.text().offset(i);
        }
        self.index().offset(self.as_bytes(), i)
    }

    /// Index of the code point that starts at byte `offset`.
    pub fn index_of(&self, offset: usize) -> usize {
        if self.is_ascii() {
            return offset;
        }
        if !self.is_outside() {
            return wtf8::count(&self.as_bytes()[..offset]);
        }
        self.index().index(self.as_bytes(), offset)
    }

    /// The table of a string whose bytes are outside; made at first use, by whichever thread is first.
    fn index(&self) -> &SkipTable {
        // SAFETY: once set, the table stays until the string dies (or, unshared, grows).
        unsafe {
            let cell = &(*self.outside()).index;
            let p = cell.load(Acquire);
            if !p.is_null() {
                return &*p;
            }
            let new = Box::into_raw(Box::new(SkipTable::build(self.as_bytes())));
            match cell.compare_exchange(std::ptr::null_mut(), new, AcqRel, Acquire) {
                Ok(_) => &*new,
                Err(first) => {
                    drop(Box::from_raw(new));
                    &*first
                }
            }
        }
    }

    /// The code point at `i < len`.
    #[inline]
    pub fn char_at(&self, i: usize) -> u32 {
        let bytes = self.as_bytes();
        if bytes.len() == self.len() {
            return u32::from(bytes[i]);
        }
        wtf8::decode_at(bytes, self.offset_wide(i)).0
    }

    /// The code point that starts at byte `offset`, and how many bytes it has; `None` at the end.
    #[inline]
    pub fn char_from(&self, offset: usize) -> Option<(u32, usize)> {
        let bytes = self.as_bytes();
        (offset < bytes.len()).then(|| wtf8::decode_at(bytes, offset))
    }

    /// The text between two indexes, `start <= end <= len`.
    pub fn slice(&self, start: usize, end: usize) -> Text<'_> {
        let bytes = self.as_bytes();
        if bytes.len() == self.len() {
            return Text {
                bytes: &bytes[start..end],
                chars: end - start,
            };
        }
        Text {
            bytes: &bytes[self.offset(start)..self.offset(end)],
            chars: end - start,
        }
    }

    /// `self[start:end]` for `start <= end <= len`.
    pub fn substring(&self, t: &Thread, start: usize, end: usize) -> Obj {
        if start == 0 && end == self.len() && self.is_exact() {
            return Obj::new(t, self.value());
        }
        Self::from_text(t, self.slice(start, end))
    }

    /// Code points `start, start + step, ...`, `n` of them.
    pub fn span(&self, t: &Thread, start: isize, step: isize, n: usize) -> Obj {
        if step == 1 {
            return self.substring(t, start as usize, start as usize + n);
        }
        let mut out = Vec::with_capacity(n);
        if self.is_ascii() {
            let bytes = self.as_bytes();
            out.extend(index::Key::indexes(start, step, n).map(|i| bytes[i]));
        } else {
            for i in index::Key::indexes(start, step, n) {
                wtf8::push(&mut out, self.char_at(i));
            }
        }
        Self::from_vec_counted(t, out, n)
    }

    /// `hash(self)`.
    #[inline(always)]
    pub fn hash(&self) -> i64 {
        let h = self.hash.load(Relaxed);
        if h != 0 { h } else { self.compute_hash() }
    }

    #[inline(never)]
    fn compute_hash(&self) -> i64 {
        let h = hash::hash_str(*crate::runtime::hash_key(), self.text());
        self.hash.store(h, Relaxed);
        h
    }

    /// Whether the texts are equal.
    // Not PartialEq: a `Str` is a header with text behind it, which nobody should compare by accident.
    #[allow(clippy::should_implement_trait)]
    #[inline]
    pub fn eq(&self, other: &Str) -> bool {
        self.quick_eq(other)
            .unwrap_or_else(|| self.as_bytes() == other.as_bytes())
    }

    /// [`Str::eq`], as far as it needs no look at the bytes.
    #[inline(always)]
    pub fn quick_eq(&self, other: &Str) -> Option<bool> {
        if std::ptr::eq(self, other) {
            return Some(true);
        }
        let (f, g) = (
            self.header.flags.load(Relaxed),
            other.header.flags.load(Relaxed),
        );
        let differ = f & g & INTERNED != 0
            || self.bytes != other.bytes && !self.is_outside() && !other.is_outside();
        if differ { Some(false) } else { None }
    }

    /// Whether the text is `s`.
    #[inline]
    pub fn is(&self, s: &str) -> bool {
        self.as_bytes() == s.as_bytes()
    }
}

impl std::fmt::Display for Str {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.as_str() {
            Some(s) => f.write_str(s),
            None => f.write_str(&self.to_string_lossy()),
        }
    }
}

fn drop_index(out: &mut Outside) {
    let p = std::mem::replace(out.index.get_mut(), std::ptr::null_mut());
    if !p.is_null() {
        // SAFETY: made by `Box::into_raw` in `index`, and nobody else can reach the string.
        drop(unsafe { Box::from_raw(p) });
    }
}

unsafe fn clear_str(h: *mut Header, _t: &Thread) {
    // SAFETY: a dying str: its memory is nobody else's any more.
    unsafe {
        if (*(h as *const Str)).is_outside() {
            let out = &mut *((h as *mut Str).add(1) as *mut Outside);
            drop_index(out);
            if out.capacity != 0 {
                drop(Vec::from_raw_parts(out.ptr, out.bytes, out.capacity));
            }
            out.ptr = std::ptr::dangling_mut();
            (out.bytes, out.capacity) = (0, 0);
        }
    }
}

/// `str`
pub static STR: Type = Type::builtin(
    "str",
    INSTANCE_SIZE,
    &Spec {
        new: Some(new_str),
        repr: Some(|t, v| {
            let s = Str::this(v);
            let bytes = s.as_bytes();
            let plain = |b: &u8| matches!(b, 0x20..0x7f) && *b != b'\'' && *b != b'\\';
            if bytes.len() < INLINE_ASCII - 2
                && bytes.iter().all(plain)
                && let Some(made) = Str::ascii_filled(t, bytes.len() + 2, |out| {
                    out[0] = b'\'';
                    out[1..=bytes.len()].copy_from_slice(bytes);
                    out[bytes.len() + 1] = b'\'';
                })
            {
                return Ok(made.into());
            }
            memory::room_for_repr(t, s.as_bytes())?;
            let repr = crate::text::repr::str_repr(s.text());
            Ok(Str::from_string(t, repr).into())
        }),
        str: Some(|t, v| Ok(Str::this(v).to_exact(t).into())),
        hash: Some(|_, v| Ok(Str::this(v).hash())),
        compare: Some(compare),
        len: Some(|_, v| Ok(Str::this(v).len())),
        get_item: Some(get_item),
        contains: Some(contains),
        iter: Some(iter::iter_str),
        concat: Some(concat),
        repeat: Some(repeat),
        binary: &[(BinOp::Mod, crate::str_format::modulo)],
        methods: crate::str_methods::METHODS,
        ..Spec::EMPTY
    },
)
.clear_only(clear_str)
.flags(type_flags::MATCH_SELF)
.doc("str(object='') -> str\nstr(bytes_or_buffer[, encoding[, errors]]) -> str");

static NEW: SigCell = SigCell::new("str", "(object='', encoding='utf-8', errors='strict')");

fn new_str(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    if args.pos().len() > 3 {
        let n = args.pos().len();
        return Err(t.type_error(format!("str expected at most 3 arguments, got {n}")));
    }
    if args.has_keywords() && args.all().len() > 3 {
        let n = args.all().len();
        return Err(t.type_error(format!("str() takes at most 3 arguments ({n} given)")));
    }
    let (object, encoding, errors) = match (args.pos(), args.has_keywords()) {
        ([one], false) => (*one, Value::NULL, Value::NULL),
        _ => {
            let a = NEW.bind(t, args)?;
            (a[0], a[1], a[2])
        }
    };
    let text = if object.is_null() {
        Str::empty(t)
    } else if encoding.is_null() && errors.is_null() {
        proto::str(t, object)?
    } else {
        decode_object(t, object, encoding, errors)?
    };
    if std::ptr::eq(Type::of_unchecked(cls), &STR) {
        return Ok(text.into());
    }
    Ok(Str::new_instance(t, Type::of_unchecked(cls), Str::this(text.value()).text()).into())
}

/// `str(bytes, encoding, errors)`
fn decode_object(t: &mut Thread, object: Value, encoding: Value, errors: Value) -> Res<Obj> {
    let encoding = text_argument(t, encoding, "str", "encoding")?;
    let errors = text_argument(t, errors, "str", "errors")?;
    if Str::of(object).is_some() {
        return Err(t.type_error("decoding str is not supported".into()));
    }
    if !type_of(object).slots.buffer.is_set() {
        let got = type_of(object).name();
        return Err(t.type_error(format!(
            "decoding to str: need a bytes-like object, {got} found"
        )));
    }
    codecs::decode_text(t, object, encoding, errors)
}

/// An optional str argument; absent counts as the default.
pub(crate) fn text_argument<'a>(
    t: &mut Thread,
    v: Value,
    f: &str,
    name: &str,
) -> Res<Option<&'a Str>> {
    if v.is_null() {
        return Ok(None);
    }
    match Str::of(v) {
        Some(s) if memchr::memchr(0, s.as_bytes()).is_some() => {
            Err(t.value_error("embedded null character"))
        }
        Some(s) => Ok(Some(s)),
        None => {
            let got = type_of(v).name();
            Err(t.type_error(format!("{f}() argument '{name}' must be str, not {got}")))
        }
    }
}

fn compare(_t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    let (Some(x), Some(y)) = (Str::of(a), Str::of(b)) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    Ok(Value::bool(match op {
        CmpOp::Eq => x.eq(y),
        CmpOp::Ne => !x.eq(y),
        _ => op.of(x.as_bytes().cmp(y.as_bytes())),
    }))
}

fn get_item(t: &mut Thread, v: Value, key: Value) -> Res {
    let s = Str::this(v);
    let len = s.len();
    if let Some(i) = key.to_int() {
        let at = if i < 0 { i + len as i64 } else { i } as usize;
        let bytes = s.as_bytes();
        // Bytes that are code points: the one at an index that is out of range is not there.
        if bytes.len() == len
            && let Some(&b) = bytes.get(at)
        {
            return Ok(Str::char_value(t, u32::from(b)));
        }
    }
    match index::key(t, key, len, "string")? {
        index::Key::At(i) => Ok(Str::char_value(t, s.char_at(i))),
        index::Key::Span(start, step, n) => {
            // At most four bytes a character, where it is copied character by character.
            let most = n.saturating_mul(4).min(s.as_bytes().len());
            memory::room(t, most)?;
            Ok(s.span(t, start, step, n).into())
        }
    }
}

fn contains(t: &mut Thread, v: Value, item: Value) -> Res<bool> {
    let Some(needle) = Str::of(item) else {
        let got = type_of(item).name();
        return Err(t.type_error(format!(
            "'in <string>' requires string as left operand, not {got}"
        )));
    };
    Ok(crate::text::search::find(Str::this(v).as_bytes(), needle.as_bytes()).is_some())
}

fn concat(t: &mut Thread, a: Value, b: Value) -> Res {
    let Some(right) = Str::of(b) else {
        let got = crate::type_new::c_name(t, type_of(b));
        return Err(t.type_error(format!("can only concatenate str (not \"{got}\") to str")));
    };
    let left = Str::this(a);
    if right.is_empty() && left.is_exact() {
        return Ok(Obj::new(t, a).into());
    }
    if left.is_empty() && right.is_exact() {
        return Ok(Obj::new(t, b).into());
    }
    memory::room(
        t,
        left.as_bytes().len().saturating_add(right.as_bytes().len()),
    )?;
    Ok(Str::concat(t, left, right).into())
}

fn repeat(t: &mut Thread, v: Value, n: Value) -> Res {
    let n = index::repeat_count(t, n)?;
    let s = Str::this(v);
    if n == 1 && s.is_exact() {
        return Ok(Obj::new(t, v).into());
    }
    if n == 0 || s.is_empty() {
        return Ok(Str::empty(t).into());
    }
    let chars = s.len();
    let bytes = s.as_bytes();
    if s.is_ascii()
        && n <= INLINE_ASCII
        && let Some(made) = Str::ascii_filled(t, bytes.len() * n, |out| {
            for part in out.chunks_exact_mut(bytes.len()) {
                part.copy_from_slice(bytes);
            }
        })
    {
        return Ok(made.into());
    }
    // Too many characters, or more bytes than there can be of so many.
    let what = match chars.checked_mul(n) {
        Some(n) if n <= isize::MAX as usize => "",
        _ => "repeated string is too long",
    };
    let out = index::repeated(t, s.as_bytes(), n, what)?;
    Ok(Str::from_vec_counted(t, out, chars * n).into())
}
