//! `bytearray`: mutable bytes. All of its methods hold its lock, which costs nothing while it is local; views of its memory are
//! counted, and while there are any it keeps its size.

use crate::buffer::Buffer;
use crate::bytes::{byte, bytes_source};
use crate::memory;
use crate::prelude::*;
use crate::str::index::{self, Key};
use crate::types::type_flags;
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicUsize, Ordering::*};

/// A bytearray.
#[repr(C)]
pub struct ByteArray {
    pub header: Header,
    /// Read and written under the object's lock.
    data: UnsafeCell<Vec<u8>>,
    /// Views of the memory.
    exports: AtomicUsize,
}

/// Why a change of size was refused.
struct Exported;

impl ByteArray {
    pub fn new(t: &Thread, v: Vec<u8>) -> Obj {
        // SAFETY: the object has this layout.
        unsafe {
            let p = t.alloc(&BYTEARRAY.head, size_of::<ByteArray>()) as *mut ByteArray;
            (&raw mut (*p).data).write(UnsafeCell::new(v));
            Obj::from_raw(Value::from_ptr(p as *const Header))
        }
    }

    pub fn of<'a>(v: Value) -> Option<&'a ByteArray> {
        crate::cast(v, &BYTEARRAY)
    }

    /// Of a value known to be a bytearray.
    pub fn this<'a>(v: Value) -> &'a ByteArray {
        debug_assert!(Self::of(v).is_some());
        // SAFETY: methods and slots of `bytearray` are called with instances only.
        unsafe { &*(v.ptr() as *const ByteArray) }
    }

    /// Calls `f` with the bytes, under the lock. `f` must not use this object in another way.
    #[inline]
    pub fn with<R>(&self, t: &Thread, f: impl FnOnce(&mut [u8]) -> R) -> R {
        let _guard = lock(t, &self.header);
        // SAFETY: the lock is held (or the object local), and `f` is the only one to look at the vector.
        f(unsafe { &mut *self.data.get() })
    }

    /// As [`ByteArray::with`], for changes of size: not while there are views.
    fn resize<R>(&self, t: &Thread, f: impl FnOnce(&mut Vec<u8>) -> R) -> Result<R, Exported> {
        let _guard = lock(t, &self.header);
        if self.exports.load(Acquire) > 0 {
            return Err(Exported);
        }
        // SAFETY: as in `with`.
        Ok(f(unsafe { &mut *self.data.get() }))
    }

    fn try_resize<R>(&self, t: &mut Thread, f: impl FnOnce(&mut Vec<u8>) -> R) -> Res<R> {
        self.resize(t, f).map_err(|Exported| {
            t.raise(
                &errors::BUFFER_ERROR,
                "Existing exports of data: object cannot be re-sized",
            )
        })
    }

    pub fn len(&self, t: &Thread) -> usize {
        self.with(t, |b| b.len())
    }
    pub fn is_empty(&self, t: &Thread) -> bool {
        self.len(t) == 0
    }
    pub fn get(&self, t: &Thread, i: usize) -> Option<u8> {
        self.with(t, |b| b.get(i).copied())
    }
    /// A copy of the bytes.
    pub fn to_vec(&self, t: &Thread) -> Vec<u8> {
        self.with(t, |b| b.to_vec())
    }
    /// Appends bytes: BufferError while there are views.
    pub fn extend(&self, t: &mut Thread, more: &[u8]) -> Res<()> {
        let fits = self.try_resize(t, |v| {
            let fits = v.try_reserve(more.len()).is_ok();
            if fits {
                v.extend_from_slice(more);
            }
            fits
        })?;
        if fits { Ok(()) } else { Err(t.memory_error()) }
    }
}

unsafe fn clear_bytearray(h: *mut Header, _t: &Thread) {
    // SAFETY: a dying object, whose memory nobody views: views hold a reference.
    drop(std::mem::take(unsafe {
        (*(h as *mut ByteArray)).data.get_mut()
    }));
}

/// `bytearray`
pub static BYTEARRAY: Type = Type::builtin(
    "bytearray",
    size_of::<ByteArray>(),
    &Spec {
        new: Some(|t, cls, _| {
            let p = crate::types::alloc_instance(t, Type::of_unchecked(cls)) as *mut ByteArray;
            // SAFETY: a new instance.
            unsafe { (&raw mut (*p).data).write(UnsafeCell::new(Vec::new())) };
            Ok(Value::from_ptr(p as *const Header))
        }),
        init: Some(init),
        repr: Some(repr),
        str: Some(repr),
        compare: Some(compare),
        len: Some(|t, v| Ok(ByteArray::this(v).len(t))),
        get_item: Some(get_item),
        set_item: Some(set_item),
        contains: Some(crate::bytes_methods::contains),
        iter: Some(crate::bytes::iter::iter_bytearray),
        concat: Some(concat),
        repeat: Some(repeat),
        in_place_concat: Some(in_place_concat),
        in_place_repeat: Some(in_place_repeat),
        binary: &[(BinOp::Mod, crate::bytes::format::modulo_bytearray)],
        buffer: Some(buffer),
        methods: crate::bytes_methods::BYTEARRAY_METHODS,
        ..Spec::EMPTY
    },
)
.clear_only(clear_bytearray)
.flags(type_flags::MATCH_SELF)
.doc(
    "bytearray(iterable_of_ints) -> bytearray\n\
     bytearray(string, encoding[, errors]) -> bytearray\n\
     bytearray(bytes_or_buffer) -> mutable copy of bytes_or_buffer\n\
     bytearray(int) -> bytes array of that many zero bytes\n\
     bytearray() -> empty bytes array",
);

/// Methods that change the bytearray.
pub(crate) mod mutate {
    use super::*;

    pub fn append(t: &mut Thread, a: &[Value]) -> Res {
        let b = byte(t, a[1])?;
        ByteArray::this(a[0]).try_resize(t, |v| v.push(b))?;
        Ok(Value::NONE)
    }

    pub fn extend(t: &mut Thread, a: &[Value]) -> Res {
        let this = ByteArray::this(a[0]);
        if Str::of(a[1]).is_some() {
            return Err(t.type_error("expected iterable of integers; got: 'str'".into()));
        }
        // A `__buffer__` that is Python may change it.
        let before = type_of(a[1]).is_heap().then(|| this.len(t));
        let more = match crate::buffer::is_exporter(a[1]) || type_of(a[1]).slots.iter.is_set() {
            true => crate::bytes::bytes_from_object(t, a[1], "bytearray")?,
            false => {
                let got = type_of(a[1]).name();
                return Err(t.type_error(format!("can't extend bytearray with {got}")));
            }
        };
        let fits = this.try_resize(t, |v| {
            if v.try_reserve(more.len()).is_err() {
                return false;
            }
            match before {
                None => v.extend_from_slice(&more),
                // Where its end was.
                Some(at) => {
                    let at = at.min(v.len());
                    v.splice(at..at, more);
                }
            }
            true
        })?;
        if fits {
            Ok(Value::NONE)
        } else {
            Err(t.memory_error())
        }
    }

    pub fn insert(t: &mut Thread, a: &[Value]) -> Res {
        let at = index::size(t, a[1])?;
        let b = byte(t, a[2])?;
        ByteArray::this(a[0]).try_resize(t, |v| {
            let n = v.len() as isize;
            let at = if at < 0 { (at + n).max(0) } else { at.min(n) };
            v.insert(at as usize, b);
        })?;
        Ok(Value::NONE)
    }

    pub fn pop(t: &mut Thread, a: &[Value]) -> Res {
        let at = index::size_or(t, a[1], -1)?;
        let this = ByteArray::this(a[0]);
        if this.is_empty(t) {
            return Err(t.index_error("pop from empty bytearray"));
        }
        let popped = this.try_resize(t, |v| {
            let i = if at < 0 { at + v.len() as isize } else { at };
            (i >= 0 && (i as usize) < v.len()).then(|| v.remove(i as usize))
        })?;
        match popped {
            Some(b) => Ok(Value::int(i64::from(b))),
            None => Err(t.index_error("pop index out of range")),
        }
    }

    pub fn remove(t: &mut Thread, a: &[Value]) -> Res {
        let b = byte(t, a[1])?;
        let this = ByteArray::this(a[0]);
        if this.with(t, |s| memchr::memchr(b, s).is_none()) {
            return Err(t.value_error("value not found in bytearray"));
        }
        this.try_resize(t, |v| {
            if let Some(at) = memchr::memchr(b, v) {
                v.remove(at);
            }
        })?;
        Ok(Value::NONE)
    }

    pub fn reverse(t: &mut Thread, a: &[Value]) -> Res {
        ByteArray::this(a[0]).with(t, |s| s.reverse());
        Ok(Value::NONE)
    }

    pub fn clear(t: &mut Thread, a: &[Value]) -> Res {
        ByteArray::this(a[0]).try_resize(t, std::mem::take)?;
        Ok(Value::NONE)
    }

    pub fn copy(t: &mut Thread, a: &[Value]) -> Res {
        let v = ByteArray::this(a[0]).to_vec(t);
        Ok(ByteArray::new(t, v).into())
    }

    pub fn resize(t: &mut Thread, a: &[Value]) -> Res {
        let n = index::size(t, a[1])?;
        if n < 0 {
            return Err(t.value_error(format!(
                "bytearray.resize(): new size must be >= 0, got {n}"
            )));
        }
        let b = ByteArray::this(a[0]);
        if b.len(t) == n as usize {
            return Ok(Value::NONE);
        }
        let ok = b.try_resize(t, |v| {
            let more = (n as usize).saturating_sub(v.len());
            let ok = v.try_reserve(more).is_ok();
            if ok {
                v.resize(n as usize, 0);
            }
            ok
        })?;
        if ok {
            Ok(Value::NONE)
        } else {
            Err(t.memory_error())
        }
    }

    pub fn alloc(t: &mut Thread, a: &[Value]) -> Res {
        let _guard = lock(t, &ByteArray::this(a[0]).header);
        // SAFETY: the lock is held.
        let v = unsafe { &*ByteArray::this(a[0]).data.get() };
        let n = if v.capacity() == 0 {
            0
        } else {
            v.capacity().max(v.len() + 1)
        };
        Ok(Value::int(n as i64))
    }

    pub fn size_of(t: &mut Thread, a: &[Value]) -> Res {
        let n = alloc(t, a)?;
        Ok(Value::int(n.as_int() + 56))
    }

    /// `__reduce__`, `__reduce_ex__`: Latin-1 text for protocols below 3.
    pub fn reduce(t: &mut Thread, a: &[Value]) -> Res {
        let protocol = match a.get(1) {
            Some(&v) if !v.is_null() => index::c_int(t, v, 0)?,
            _ => 2,
        };
        let v = ByteArray::this(a[0]).to_vec(t);
        let args = if v.is_empty() {
            Vec::new()
        } else if protocol < 3 {
            let text = crate::text::wtf8::collect(v.iter().map(|&b| u32::from(b)));
            vec![Str::from_vec(t, text), Str::new(t, "latin-1")]
        } else {
            vec![crate::bytes::Bytes::from_vec(t, v)]
        };
        let cls = Obj::new(t, type_of(a[0]).value());
        let args = Tuple::from_vec(t, args);
        let state = proto::call_method(t, a[0], "__getstate__", &[])?;
        Ok(Tuple::from_vec(t, vec![cls, args, state]).into())
    }
}

static INIT: SigCell = SigCell::new(
    "bytearray",
    "(source=b'', encoding='utf-8', errors='strict')",
);

fn init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    let a = INIT.bind(t, args)?;
    let this = ByteArray::this(v);
    if !this.is_empty(t) {
        this.try_resize(t, |v| v.clear())?;
    }
    let lazy = !a[0].is_null()
        && a[1].is_null()
        && a[2].is_null()
        && type_of(a[0]).slots.iter_next.is_set()
        && !crate::buffer::is_exporter(a[0])
        && !type_of(a[0]).slots.index.is_set();
    if lazy {
        // What runs meanwhile sees the items that have come.
        return proto::for_each(t, a[0], |t, o| {
            let b = byte(t, o.value())?;
            this.extend(t, &[b])?;
            Ok(std::ops::ControlFlow::Continue(()))
        });
    }
    let new = bytes_source(t, a[0], a[1], a[2], "bytearray")?;
    if !new.is_empty() {
        this.try_resize(t, |v| *v = new)?;
    }
    Ok(())
}

fn repr(t: &mut Thread, v: Value) -> Res {
    memory::room(t, ByteArray::this(v).len(t))?;
    let bytes = ByteArray::this(v).to_vec(t);
    memory::room_for_repr(t, &bytes)?;
    let text = crate::text::repr::bytearray_repr(&bytes);
    let name = type_of(v).name();
    Ok(Str::from_string(t, format!("{name}({text})")).into())
}

fn compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    if ByteArray::of(a).is_none() || !crate::buffer::is_exporter(b) {
        return Ok(Value::NOT_IMPLEMENTED);
    }
    if a.same(b) {
        return Ok(Value::bool(op.of(std::cmp::Ordering::Equal)));
    }
    let Ok(right) = crate::buffer::get_still(t, b) else {
        t.clear_exc();
        return Ok(Value::NOT_IMPLEMENTED);
    };
    let right = right.to_vec();
    Ok(Value::bool(
        ByteArray::this(a).with(t, |left| op.of((*left).cmp(&right[..]))),
    ))
}

fn get_item(t: &mut Thread, v: Value, key: Value) -> Res {
    let this = ByteArray::this(v);
    if let Some(i) = key.to_int()
        && i >= 0
        && let Some(b) = this.get(t, i as usize)
    {
        return Ok(Value::int(i64::from(b)));
    }
    let n = this.len(t);
    match index::key(t, key, n, "bytearray")? {
        Key::At(i) => match this.get(t, i) {
            Some(b) => Ok(Value::int(i64::from(b))),
            None => Err(t.index_error("bytearray index out of range")),
        },
        Key::Span(start, step, n) => {
            // Another thread may have made it shorter meanwhile.
            let part = this.with(t, |s| {
                Key::indexes(start, step, n)
                    .filter_map(|i| s.get(i).copied())
                    .collect()
            });
            Ok(ByteArray::new(t, part).into())
        }
    }
}

fn set_item(t: &mut Thread, v: Value, key: Value, item: Value) -> Res<()> {
    let this = ByteArray::this(v);
    if key.is_int()
        && item.is_int()
        && let Ok(b) = u8::try_from(item.as_int())
    {
        let i = key.as_int();
        let done = this.with(t, |s| {
            let i = if i < 0 { i + s.len() as i64 } else { i };
            let place = usize::try_from(i).ok().and_then(|i| s.get_mut(i));
            place.map(|p| *p = b).is_some()
        });
        if done {
            return Ok(());
        }
    }
    let is_slice = crate::slice::Slice::of(key).is_some();
    if !is_slice && !item.is_null() {
        let n = this.len(t);
        let Key::At(i) = index::key(t, key, n, "bytearray")? else {
            return Ok(());
        };
        let b = byte(t, item)?;
        let done = this.with(t, |s| s.get_mut(i).map(|p| *p = b).is_some());
        return if done {
            Ok(())
        } else {
            Err(t.index_error("bytearray index out of range"))
        };
    }
    // What the item is may be found out by Python code, which may change this object: so first.
    let new = if item.is_null() {
        Vec::new()
    } else if crate::buffer::is_exporter(item) {
        crate::buffer::get_still(t, item)?.to_vec()
    } else if index::has_index(item) || Str::of(item).is_some() {
        return Err(t.type_error(
            "can assign only bytes, buffers, or iterables of ints in range(0, 256)".into(),
        ));
    } else {
        crate::bytes::bytes_from_object(t, item, "bytearray")?
    };
    let n = this.len(t);
    match index::key(t, key, n, "bytearray")? {
        Key::At(i) => this.try_resize(t, |v| {
            if i < v.len() {
                v.remove(i);
            }
        }),
        Key::Span(start, 1, n) => this.splice(t, start as usize, n, &new),
        // Nothing in the place of some takes them out.
        Key::Span(start, step, n) if item.is_null() || new.is_empty() => {
            this.delete_span(t, start, step, n)
        }
        Key::Span(start, step, n) if n == new.len() => {
            this.with(t, |s| {
                for (i, b) in Key::indexes(start, step, n).zip(&new) {
                    if let Some(p) = s.get_mut(i) {
                        *p = *b;
                    }
                }
            });
            Ok(())
        }
        Key::Span(_, _, n) => {
            let m = new.len();
            Err(t.value_error(format!(
                "attempt to assign bytes of size {m} to extended slice of size {n}"
            )))
        }
    }
}

impl ByteArray {
    /// Puts `new` in place of the `n` bytes from `start` on.
    fn splice(&self, t: &mut Thread, start: usize, n: usize, new: &[u8]) -> Res<()> {
        if n == new.len() {
            let same = self.with(t, |s| match s.get_mut(start..start + n) {
                Some(part) => {
                    part.copy_from_slice(new);
                    true
                }
                None => false,
            });
            if same {
                return Ok(());
            }
        }
        self.try_resize(t, |v| {
            let start = start.min(v.len());
            let end = (start + n).min(v.len());
            v.splice(start..end, new.iter().copied());
        })
    }

    fn delete_span(&self, t: &mut Thread, start: isize, step: isize, n: usize) -> Res<()> {
        if n == 0 {
            return Ok(());
        }
        let first = if step < 0 {
            start + (n as isize - 1) * step
        } else {
            start
        } as usize;
        let step = step.unsigned_abs();
        self.try_resize(t, |v| {
            let mut i = 0;
            v.retain(|_| {
                let gone = i >= first && (i - first).is_multiple_of(step) && (i - first) / step < n;
                i += 1;
                !gone
            });
        })
    }
}

fn concat(t: &mut Thread, a: Value, b: Value) -> Res {
    if !crate::buffer::is_exporter(b) {
        let (x, y) = (type_of(a).name(), type_of(b).name());
        return Err(t.type_error(format!("can't concat {y} to {x}")));
    }
    let right = crate::buffer::get_still(t, b)?;
    let n = ByteArray::this(a).len(t).saturating_add(right.len);
    let mut out = memory::vec(t, n)?;
    ByteArray::this(a).with(t, |s| out.extend_from_slice(s));
    memory::room(t, right.len)?;
    out.extend_from_slice(&right.to_vec());
    Ok(ByteArray::new(t, out).into())
}

fn in_place_concat(t: &mut Thread, a: Value, b: Value) -> Res {
    if !crate::buffer::is_exporter(b) {
        let (x, y) = (type_of(a).name(), type_of(b).name());
        return Err(t.type_error(format!("can't concat {y} to {x}")));
    }
    if let Some(right) = crate::bytes::Bytes::of(b) {
        ByteArray::this(a).extend(t, right.as_slice())?;
    } else {
        let right = crate::bytes::bytes_from_object(t, b, "bytearray")?;
        ByteArray::this(a).extend(t, &right)?;
    }
    Ok(Obj::new(t, a).into())
}

fn repeat(t: &mut Thread, v: Value, n: Value) -> Res {
    let n = index::repeat_count(t, n)?;
    memory::room(t, ByteArray::this(v).len(t))?;
    let s = ByteArray::this(v).to_vec(t);
    let out = index::repeated(t, &s, n, "")?;
    Ok(ByteArray::new(t, out).into())
}

fn in_place_repeat(t: &mut Thread, v: Value, n: Value) -> Res {
    let n = index::repeat_count(t, n)?;
    let this = ByteArray::this(v);
    memory::room(t, this.len(t))?;
    let s = this.to_vec(t);
    let out = index::repeated(t, &s, n, "")?;
    if out.len() != s.len() {
        this.try_resize(t, |v| *v = out)?;
    }
    Ok(Obj::new(t, v).into())
}

fn buffer(t: &mut Thread, v: Value, _writable: bool) -> Res<Buffer> {
    let this = ByteArray::this(v);
    let (ptr, len) = this.with(t, |s| {
        this.exports.fetch_add(1, AcqRel);
        (s.as_mut_ptr(), s.len())
    });
    Ok(Buffer::new(Obj::new(t, v), ptr, len, false, Some(release)))
}

fn release(h: &Header) {
    // SAFETY: only buffers of bytearrays have this function.
    unsafe {
        (*(h as *const Header as *const ByteArray))
            .exports
            .fetch_sub(1, AcqRel)
    };
}
