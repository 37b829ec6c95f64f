//! `bytes`: immutable bytes. Short ones follow the struct, longer ones and those of subclasses lie outside.

use crate::buffer::Buffer;
use crate::bytearray::{BYTEARRAY, ByteArray};
use crate::memory;
use crate::prelude::*;
use crate::str::index::{self, Key, has_index};
use crate::text::hash;
use crate::types::type_flags;
use std::sync::atomic::{AtomicI64, AtomicPtr, Ordering::*};
use weft_gc::{Flags, MAX_BLOCK};

pub use crate::bytes_methods::{hex_arguments, hex_digit, to_hex};

pub mod format;
pub mod iter;

pub use iter::{BYTEARRAY_ITERATOR, BYTES_ITERATOR};

const OUTSIDE: u8 = Flags::USER2;
const INLINE: usize = MAX_BLOCK - size_of::<Bytes>();

/// A bytes object.
#[repr(C)]
pub struct Bytes {
    pub header: Header,
    /// 0: not computed yet (or really 0).
    hash: AtomicI64,
    len: usize,
    // What follows: the bytes, or `Outside`.
}

#[repr(C)]
struct Outside {
    ptr: *mut u8,
    capacity: usize,
}

const INSTANCE_SIZE: usize = size_of::<Bytes>() + size_of::<Outside>();

static EMPTY: AtomicPtr<Bytes> = AtomicPtr::new(std::ptr::null_mut());
static SINGLE: [AtomicPtr<Bytes>; 256] = [const { AtomicPtr::new(std::ptr::null_mut()) }; 256];

impl Bytes {
    pub fn new(t: &Thread, bytes: &[u8]) -> Obj {
        match *bytes {
            [] => Self::once(t, &EMPTY, bytes),
            [b] => Self::once(t, &SINGLE[b as usize], bytes),
            _ if bytes.len() <= INLINE => Self::inline(t, bytes),
            _ => Self::outside(t, &BYTES, bytes.to_vec()),
        }
    }

    /// Takes over the bytes, without copying if there are many.
    pub fn from_vec(t: &Thread, v: Vec<u8>) -> Obj {
        if v.len() <= INLINE {
            Self::new(t, &v)
        } else {
            Self::outside(t, &BYTES, v)
        }
    }

    /// As [`Bytes::from_vec`] for a vector from [`crate::runtime::Vm::take_text`], which goes back there.
    pub fn from_text_buffer(t: &Thread, v: Vec<u8>) -> Obj {
        if v.len() <= INLINE {
            let made = Self::new(t, &v);
            t.vm().give_text(v);
            return made;
        }
        Self::outside(t, &BYTES, v)
    }

    /// `n` bytes, which `write` fills; zeros before that.
    pub fn filled(t: &Thread, n: usize, write: impl FnOnce(&mut [u8])) -> Obj {
        if !(2..=INLINE).contains(&n) {
            let mut v = vec![0; n];
            write(&mut v);
            return Self::from_vec(t, v);
        }
        // SAFETY: all of the struct and the bytes after it are written here, before anybody else knows of them.
        unsafe {
            let p = t.alloc_uninit(&BYTES.head, size_of::<Bytes>() + n, true) as *mut Bytes;
            (&raw mut (*p).hash).write(AtomicI64::new(0));
            (&raw mut (*p).len).write(n);
            let to = p.add(1) as *mut u8;
            to.write_bytes(0, n);
            let made = Obj::from_raw(Value::from_ptr(p as *const Header));
            write(std::slice::from_raw_parts_mut(to, n));
            made
        }
    }

    /// `a + b`
    fn joined(t: &Thread, a: &[u8], b: &[u8]) -> Obj {
        let n = a.len() + b.len();
        if !(2..=INLINE).contains(&n) {
            return Self::from_vec(t, [a, b].concat());
        }
        // SAFETY: all of the struct and the bytes after it are written here.
        unsafe {
            let p = t.alloc_uninit(&BYTES.head, size_of::<Bytes>() + n, true) as *mut Bytes;
            (&raw mut (*p).hash).write(AtomicI64::new(0));
            (&raw mut (*p).len).write(n);
            let to = p.add(1) as *mut u8;
            std::ptr::copy_nonoverlapping(a.as_ptr(), to, a.len());
            std::ptr::copy_nonoverlapping(b.as_ptr(), to.add(a.len()), b.len());
            Obj::from_raw(Value::from_ptr(p as *const Header))
        }
    }

    /// An instance of `cls`, which is `bytes` or a subclass.
    pub fn new_instance(t: &Thread, cls: &Type, v: Vec<u8>) -> Obj {
        if std::ptr::eq(cls, &BYTES) {
            Self::from_vec(t, v)
        } else {
            Self::outside(t, cls, v)
        }
    }

    fn inline(t: &Thread, bytes: &[u8]) -> Obj {
        // SAFETY: all of the struct and the bytes after it are written here.
        unsafe {
            let p =
                t.alloc_uninit(&BYTES.head, size_of::<Bytes>() + bytes.len(), true) as *mut Bytes;
            (&raw mut (*p).hash).write(AtomicI64::new(0));
            (&raw mut (*p).len).write(bytes.len());
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), p.add(1) as *mut u8, bytes.len());
            Obj::from_raw(Value::from_ptr(p as *const Header))
        }
    }

    fn outside(t: &Thread, cls: &Type, v: Vec<u8>) -> Obj {
        let mut v = std::mem::ManuallyDrop::new(v);
        // SAFETY: a zeroed object with room for `Outside` after the struct.
        unsafe {
            let p = if std::ptr::eq(cls, &BYTES) {
                t.alloc(&BYTES.head, INSTANCE_SIZE)
            } else {
                crate::types::alloc_instance(t, cls)
            } as *mut Bytes;
            (&raw mut (*p).len).write(v.len());
            (p.add(1) as *mut Outside).write(Outside {
                ptr: v.as_mut_ptr(),
                capacity: v.capacity(),
            });
            (*p).header.set_flag(OUTSIDE);
            Obj::from_raw(Value::from_ptr(p as *const Header))
        }
    }

    /// The one object with these bytes, at most one.
    fn once(t: &Thread, cell: &AtomicPtr<Bytes>, bytes: &[u8]) -> Obj {
        let p = cell.load(Acquire);
        if !p.is_null() {
            return Obj::from_raw(Value::from_ptr(p as *const Header));
        }
        let new = Self::inline(t, bytes);
        match cell.compare_exchange(
            std::ptr::null_mut(),
            new.value().ptr() as *mut Bytes,
            AcqRel,
            Acquire,
        ) {
            Ok(_) => {
                new.header().make_immortal();
                new
            }
            Err(first) => Obj::from_raw(Value::from_ptr(first as *const Header)),
        }
    }

    /// Bytes `start, start + step, ...`, `n` of them.
    pub fn span(&self, t: &Thread, start: isize, step: isize, n: usize) -> Obj {
        let s = self.as_slice();
        match (start, step) {
            (0, 1) if n == s.len() && self.is_exact() => Obj::new(t, self.header.value()),
            (start, 1) => Bytes::new(t, &s[start as usize..start as usize + n]),
            _ => Bytes::from_vec(t, Key::indexes(start, step, n).map(|i| s[i]).collect()),
        }
    }

    #[inline(always)]
    pub fn of<'a>(v: Value) -> Option<&'a Bytes> {
        crate::cast(v, &BYTES)
    }
    #[inline(always)]
    pub fn exact<'a>(v: Value) -> Option<&'a Bytes> {
        crate::cast_exact(v, &BYTES)
    }
    /// Of a value known to be bytes.
    #[inline(always)]
    pub fn this<'a>(v: Value) -> &'a Bytes {
        debug_assert!(Self::of(v).is_some());
        // SAFETY: methods and slots of `bytes` are called with instances only.
        unsafe { &*(v.ptr() as *const Bytes) }
    }

    #[inline(always)]
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: the bytes follow the struct or are where `Outside` says; they never change.
        unsafe {
            let tail = (self as *const Bytes).add(1);
            let ptr = if self.header.has_flag(OUTSIDE) {
                (*(tail as *const Outside)).ptr
            } else {
                tail as *mut u8
            };
            std::slice::from_raw_parts(ptr, self.len)
        }
    }
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    pub fn is_exact(&self) -> bool {
        std::ptr::eq(self.header.ty(), &BYTES.head)
    }
    pub fn value(&self) -> Value {
        self.header.value()
    }

    pub fn hash(&self) -> i64 {
        let h = self.hash.load(Relaxed);
        if h != 0 {
            return h;
        }
        let h = hash::hash_bytes(*crate::runtime::hash_key(), self.as_slice());
        self.hash.store(h, Relaxed);
        h
    }
}

unsafe fn clear_bytes(h: *mut Header, _t: &Thread) {
    // SAFETY: a dying bytes object: its memory is nobody else's any more.
    unsafe {
        if (*h).has_flag(OUTSIDE) {
            let b = &mut *(h as *mut Bytes);
            let out = &mut *((h as *mut Bytes).add(1) as *mut Outside);
            drop(Vec::from_raw_parts(out.ptr, b.len, out.capacity));
            out.ptr = std::ptr::dangling_mut();
            (b.len, out.capacity) = (0, 0);
        }
    }
}

/// `bytes`
pub static BYTES: Type = Type::builtin(
    "bytes",
    INSTANCE_SIZE,
    &Spec {
        new: Some(new_bytes),
        repr: Some(|t, v| {
            let bytes = Bytes::this(v).as_slice();
            memory::room_for_repr(t, bytes)?;
            let repr = crate::text::repr::bytes_repr(bytes);
            Ok(Str::from_string(t, repr).into())
        }),
        hash: Some(|_, v| Ok(Bytes::this(v).hash())),
        compare: Some(compare),
        len: Some(|_, v| Ok(Bytes::this(v).len())),
        get_item: Some(get_item),
        contains: Some(crate::bytes_methods::contains),
        iter: Some(iter::iter_bytes),
        concat: Some(concat),
        repeat: Some(repeat),
        binary: &[(BinOp::Mod, format::modulo)],
        buffer: Some(buffer),
        methods: crate::bytes_methods::BYTES_METHODS,
        ..Spec::EMPTY
    },
)
.clear_only(clear_bytes)
.flags(type_flags::MATCH_SELF | type_flags::VAR_SIZED)
.doc(
    "bytes(iterable_of_ints) -> bytes\n\
     bytes(string, encoding[, errors]) -> bytes\n\
     bytes(bytes_or_buffer) -> immutable copy of bytes_or_buffer\n\
     bytes(int) -> bytes object of that many zero bytes\n\
     bytes() -> empty bytes object",
);

static NEW: SigCell = SigCell::new("bytes", "(source=b'', encoding='utf-8', errors='strict')");

fn new_bytes(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let a = NEW.bind(t, args)?;
    let cls = Type::of_unchecked(cls);
    let (source, encoding, errors) = (a[0], a[1], a[2]);
    let plain = encoding.is_null() && errors.is_null();
    if plain && !source.is_null() && Str::exact(source).is_none() {
        if Bytes::exact(source).is_some() && std::ptr::eq(cls, &BYTES) {
            return Ok(Obj::new(t, source).into());
        }
        if let Some(method) = proto::lookup_special(t, source, crate::id!(t, "__bytes__"))? {
            let b = proto::call(t, method.value(), &[])?;
            let Some(bytes) = Bytes::of(b.value()) else {
                let got = type_of(b.value()).name();
                return Err(t.type_error(format!("__bytes__ returned non-bytes (type {got})")));
            };
            if std::ptr::eq(cls, &BYTES) {
                return Ok(b.into());
            }
            return Ok(Bytes::new_instance(t, cls, bytes.as_slice().to_vec()).into());
        }
    }
    let v = bytes_source(t, source, encoding, errors, "bytes")?;
    Ok(Bytes::new_instance(t, cls, v).into())
}

/// The bytes that the arguments of `bytes()` or `bytearray()` ask for.
pub(crate) fn bytes_source(
    t: &mut Thread,
    source: Value,
    encoding: Value,
    errors: Value,
    what: &str,
) -> Res<Vec<u8>> {
    if !source.is_null() && Str::of(source).is_some() {
        if encoding.is_null() {
            return Err(t.type_error("string argument without an encoding".into()));
        }
        let encoding = crate::str::text_argument(t, encoding, what, "encoding")?;
        let errors = crate::str::text_argument(t, errors, what, "errors")?;
        let b = crate::str::codecs::encode_text(t, source, encoding, errors)?;
        return Ok(Bytes::this(b.value()).as_slice().to_vec());
    }
    if !encoding.is_null() {
        return Err(t.type_error("encoding without a string argument".into()));
    }
    if !errors.is_null() {
        return Err(t.type_error("errors without a string argument".into()));
    }
    if source.is_null() {
        return Ok(Vec::new());
    }
    if has_index(source) {
        match index_count(t, source) {
            Ok(n) => return zeros(t, n),
            Err(e) if !t.exc_matches(&errors::TYPE_ERROR) => return Err(e),
            Err(_) => t.clear_exc(),
        }
    }
    bytes_from_object(t, source, what)
}

fn index_count(t: &mut Thread, v: Value) -> Res<usize> {
    let i = proto::index(t, v)?;
    match crate::int::as_i64(i.value()) {
        Some(n) if n >= 0 => Ok(n as usize),
        Some(_) => Err(t.value_error("negative count")),
        None => {
            let got = type_of(v).name();
            Err(t.overflow_error(format!("cannot fit '{got}' into an index-sized integer")))
        }
    }
}

/// `n` zero bytes.
pub(crate) fn zeros(t: &mut Thread, n: usize) -> Res<Vec<u8>> {
    let mut v = Vec::new();
    if n > isize::MAX as usize || v.try_reserve_exact(n).is_err() {
        return Err(t.memory_error());
    }
    v.resize(n, 0);
    Ok(v)
}

/// The bytes of a buffer, or of an iterable of ints.
pub fn bytes_from_object(t: &mut Thread, v: Value, what: &str) -> Res<Vec<u8>> {
    // Not by a view, while which no other thread could change its size.
    if let Some(b) = crate::cast_exact::<ByteArray>(v, &BYTEARRAY) {
        memory::room(t, b.len(t))?;
        return Ok(b.to_vec(t));
    }
    if crate::buffer::is_exporter(v) {
        let b = crate::buffer::get_still(t, v)?;
        memory::room(t, b.len)?;
        return Ok(b.to_vec());
    }
    let slots = &type_of(v).slots;
    if Str::of(v).is_some() || !(slots.iter.is_set() || slots.get_item.is_set()) {
        let got = type_of(v).name();
        return Err(t.type_error(format!("cannot convert '{got}' object to {what}")));
    }
    let items = match List::exact(v) {
        Some(l) => l.local_items(t),
        None => Tuple::exact(v).map(Tuple::values),
    };
    let small = |v: &Value| v.to_int().and_then(|n| u8::try_from(n).ok());
    if let Some(items) = items
        && let Some(out) = items.iter().map(small).collect()
    {
        return Ok(out);
    }
    let hint = proto::length_hint(t, v, 64)?;
    let mut out = Vec::with_capacity(hint.min(1 << 20));
    let name = if what == "bytearray" { "byte" } else { "bytes" };
    proto::for_each(t, v, |t, item| {
        let b = byte_named(t, item.value(), name)?;
        memory::push(t, &mut out, b)?;
        Ok(std::ops::ControlFlow::Continue(()))
    })?;
    Ok(out)
}

/// A byte from an int: `byte must be in range(0, 256)`.
pub fn byte(t: &mut Thread, v: Value) -> Res<u8> {
    byte_named(t, v, "byte")
}

fn byte_named(t: &mut Thread, v: Value, name: &str) -> Res<u8> {
    let n = match v.to_int() {
        Some(n) => Some(n),
        None => {
            let i = proto::index(t, v)?;
            crate::int::as_i64(i.value())
        }
    };
    match n.and_then(|n| u8::try_from(n).ok()) {
        Some(b) => Ok(b),
        None => Err(t.value_error(format!("{name} must be in range(0, 256)"))),
    }
}

fn compare(_t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    let (Some(x), Some(y)) = (Bytes::of(a), Bytes::of(b)) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    let (x, y) = (x.as_slice(), y.as_slice());
    Ok(Value::bool(match op {
        CmpOp::Eq => x == y,
        CmpOp::Ne => x != y,
        _ => op.of(x.cmp(y)),
    }))
}

fn get_item(t: &mut Thread, v: Value, key: Value) -> Res {
    let b = Bytes::this(v);
    let s = b.as_slice();
    if let Some(i) = key.to_int()
        && let Some(x) = s.get(if i < 0 { i + s.len() as i64 } else { i } as usize)
    {
        return Ok(Value::int(i64::from(*x)));
    }
    Ok(match index::key(t, key, s.len(), "bytes")? {
        Key::At(i) => Value::int(i64::from(s[i])),
        Key::Span(start, step, n) => {
            memory::room(t, n)?;
            b.span(t, start, step, n).into()
        }
    })
}

fn concat(t: &mut Thread, a: Value, b: Value) -> Res {
    if let (Some(x), Some(y)) = (Bytes::exact(a), Bytes::exact(b))
        && !x.is_empty()
        && !y.is_empty()
    {
        memory::room(t, x.len().saturating_add(y.len()))?;
        return Ok(Bytes::joined(t, x.as_slice(), y.as_slice()).into());
    }
    if !crate::buffer::is_exporter(b) {
        let (x, y) = (type_of(a).name(), type_of(b).name());
        return Err(t.type_error(format!("can't concat {y} to {x}")));
    }
    let left = Bytes::this(a);
    if let Some(right) = Bytes::exact(b) {
        if left.is_empty() {
            return Ok(Obj::new(t, b).into());
        }
        if right.is_empty() && left.is_exact() {
            return Ok(Obj::new(t, a).into());
        }
    }
    let right = crate::buffer::get_still(t, b)?;
    let mut out = memory::vec(t, left.len().saturating_add(right.len))?;
    out.extend_from_slice(left.as_slice());
    if right.is_c_contiguous() {
        out.extend_from_slice(right.as_bytes());
    } else {
        out.extend_from_slice(&right.to_vec());
    }
    Ok(Bytes::from_vec(t, out).into())
}

fn repeat(t: &mut Thread, v: Value, n: Value) -> Res {
    let n = index::repeat_count(t, n)?;
    let b = Bytes::this(v);
    if n == 1 && b.is_exact() {
        return Ok(Obj::new(t, v).into());
    }
    let out = index::repeated(t, b.as_slice(), n, "repeated bytes are too long")?;
    Ok(Bytes::from_vec(t, out).into())
}

fn buffer(t: &mut Thread, v: Value, writable: bool) -> Res<Buffer> {
    if writable {
        return Err(t.raise(&errors::BUFFER_ERROR, "Object is not writable."));
    }
    let s = Bytes::this(v).as_slice();
    Ok(Buffer::new(
        Obj::new(t, v),
        s.as_ptr() as *mut u8,
        s.len(),
        true,
        None,
    ))
}
