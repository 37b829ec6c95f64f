//! `array`: arrays of numbers or characters.

use crate::support;
use std::cell::UnsafeCell;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::*};
use weft_objects::audit;
use weft_objects::buffer::{self, Buffer, Layout};
use weft_objects::bytearray::ByteArray;
use weft_objects::bytes::Bytes;
use weft_objects::memory;
use weft_objects::prelude::*;
use weft_objects::slice::Slice;
use weft_objects::str::index::{self, Key, has_index};
use weft_objects::types::alloc_instance;
use weft_objects::{int, names};

mod item;
mod iter;
mod methods;
mod pickle;

use item::Code;

/// An array. All of its functions hold its lock, which costs nothing while it is local.
#[repr(C)]
pub struct Array {
    header: Header,
    /// Read and written under the object's lock. Whole items.
    data: UnsafeCell<Vec<u8>>,
    /// Views of the memory.
    exports: AtomicUsize,
    code: Code,
}

// SAFETY: `data` is used under the lock, `code` never changes.
unsafe impl Sync for Array {}

impl Array {
    fn new(t: &Thread, cls: &Type, code: Code, data: Vec<u8>) -> Obj {
        // SAFETY: the layout of arrays, of which all fields are written.
        unsafe {
            let p = alloc_instance(t, cls) as *mut Array;
            (&raw mut (*p).data).write(UnsafeCell::new(data));
            (&raw mut (*p).code).write(code);
            Obj::from_raw(Value::from_ptr(p as *const Header))
        }
    }

    fn of<'a>(v: Value) -> Option<&'a Array> {
        cast(v, &ARRAY)
    }

    /// The array in a word that is known to be one.
    fn this<'a>(v: Value) -> &'a Array {
        // SAFETY: slots and methods of arrays get their instances alone.
        unsafe { &*(v.ptr() as *const Array) }
    }

    /// Calls `f` with the bytes, under the lock. `f` must not use this object in another way.
    #[inline]
    fn with<R>(&self, t: &Thread, f: impl FnOnce(&mut [u8]) -> R) -> R {
        let _guard = lock(t, &self.header);
        // SAFETY: the lock is held (or the object local), and `f` is the only one to look at the vector.
        f(unsafe { &mut *self.data.get() })
    }

    /// The same for what may change the size: BufferError while there are views.
    fn resize<R>(&self, t: &mut Thread, f: impl FnOnce(&mut Vec<u8>) -> R) -> Res<R> {
        let done = {
            let _guard = lock(t, &self.header);
            // SAFETY: as in `with`.
            (self.exports.load(Acquire) == 0).then(|| f(unsafe { &mut *self.data.get() }))
        };
        done.ok_or_else(|| {
            t.raise(
                &errors::BUFFER_ERROR,
                "cannot resize an array that is exporting buffers",
            )
        })
    }

    /// Number of items.
    fn len(&self, t: &Thread) -> usize {
        self.with(t, |b| b.len()) / self.code.size()
    }

    fn to_vec(&self, t: &Thread) -> Vec<u8> {
        self.with(t, |b| b.to_vec())
    }

    /// The item at `i`, if there are so many.
    fn get(&self, t: &mut Thread, i: usize) -> Res<Option<Obj>> {
        let size = self.code.size();
        let mut bits = [0; 8];
        let found = self.with(t, |b| match b.get(i * size..(i + 1) * size) {
            Some(item) => {
                bits[..size].copy_from_slice(item);
                true
            }
            None => false,
        });
        if found {
            self.code.unpack(t, bits).map(|v| Some(Obj::own(v)))
        } else {
            Ok(None)
        }
    }

    /// The objects for all items.
    fn to_objects(&self, t: &mut Thread) -> Res<Vec<Obj>> {
        let n = self.len(t);
        memory::room_for(t, n, self.code.size())?;
        memory::room_for(t, n, 2 * size_of::<Obj>())?;
        let data = self.to_vec(t);
        let mut out = memory::vec(t, data.len() / self.code.size())?;
        for item in data.chunks_exact(self.code.size()) {
            let mut bits = [0; 8];
            bits[..item.len()].copy_from_slice(item);
            out.push(Obj::own(self.code.unpack(t, bits)?));
        }
        Ok(out)
    }

    fn push(&self, t: &mut Thread, v: Value) -> Res<()> {
        let bits = self.code.pack(t, v)?;
        self.grow_by(t, &bits[..self.code.size()])
    }

    /// Appends bytes.
    fn grow_by(&self, t: &mut Thread, more: &[u8]) -> Res<()> {
        let fits = self.resize(t, |b| {
            let fits = b.try_reserve(more.len()).is_ok();
            if fits {
                b.extend_from_slice(more);
            }
            fits
        })?;
        if fits { Ok(()) } else { Err(t.memory_error()) }
    }

    fn push_bytes(&self, t: &mut Thread, bytes: &[u8]) -> Res<()> {
        if !bytes.len().is_multiple_of(self.code.size()) {
            return Err(t.value_error("bytes length not a multiple of item size"));
        }
        if bytes.is_empty() {
            return Ok(());
        }
        self.grow_by(t, bytes)
    }

    /// Appends what an iterable gives; an array must be of the same kind.
    fn extend(&self, t: &mut Thread, v: Value) -> Res<()> {
        if let Some(other) = Array::of(v) {
            if other.code != self.code {
                return Err(t.type_error("can only extend with array of same kind".into()));
            }
            let more = other.to_vec(t);
            return self.push_bytes(t, &more);
        }
        self.extend_each(t, v)
    }

    fn extend_each(&self, t: &mut Thread, v: Value) -> Res<()> {
        proto::for_each(t, v, |t, item| {
            self.push(t, item.value())?;
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Finds the first item from `from` to `to` that is equal to `x`.
    fn find(&self, t: &mut Thread, x: Value, from: usize, to: usize) -> Res<Option<usize>> {
        let mut i = from;
        while i < to {
            let Some(item) = self.get(t, i)? else { break };
            if proto::eq(t, item.value(), x)? {
                return Ok(Some(i));
            }
            i += 1;
        }
        Ok(None)
    }
}

unsafe fn clear(h: *mut Header, _t: &Thread) {
    // SAFETY: a dying object, whose memory nobody views: views hold a reference.
    drop(std::mem::take(unsafe {
        (*(h as *mut Array)).data.get_mut()
    }));
}

/// Reads an index or slice.
fn key(t: &mut Thread, key: Value, len: usize, range: &str) -> Res<Key> {
    if Slice::of(key).is_some() {
        return index::key(t, key, len, "array");
    }
    if !has_index(key) {
        return Err(t.type_error("array indices must be integers".into()));
    }
    let i = proto::index_for(t, key)?;
    let at = if i < 0 { i + len as i64 } else { i };
    if at < 0 || at >= len as i64 {
        Err(t.index_error(range))
    } else {
        Ok(Key::At(at as usize))
    }
}

/// The bytes of item `i`, counted from the end if it is negative.
#[inline(always)]
fn item_bytes(b: &[u8], i: i64, size: usize) -> Option<[u8; 8]> {
    let i = if i < 0 {
        i + (b.len() / size) as i64
    } else {
        i
    };
    let at = usize::try_from(i).ok()?.checked_mul(size)?;
    let rest = b.get(at..)?;
    // Sizes that are known, so that nothing is called to copy a few bytes.
    Some(match size {
        8 => *rest.first_chunk::<8>()?,
        4 => {
            let [a, b, c, d] = *rest.first_chunk::<4>()?;
            [a, b, c, d, 0, 0, 0, 0]
        }
        2 => {
            let [a, b] = *rest.first_chunk::<2>()?;
            [a, b, 0, 0, 0, 0, 0, 0]
        }
        _ => [*rest.first()?, 0, 0, 0, 0, 0, 0, 0],
    })
}

fn get_item(t: &mut Thread, v: Value, k: Value) -> Res {
    let a = Array::this(v);
    const RANGE: &str = "array index out of range";
    if k.is_int() {
        let size = a.code.size();
        return match a.with(t, |b| item_bytes(b, k.as_int(), size)) {
            Some(bytes) => a.code.unpack(t, bytes),
            None => Err(t.index_error(RANGE)),
        };
    }
    let len = a.len(t);
    match key(t, k, len, RANGE)? {
        Key::At(i) => match a.get(t, i)? {
            Some(o) => Ok(o.into()),
            None => Err(t.index_error(RANGE)),
        },
        Key::Span(start, step, n) => {
            let size = a.code.size();
            let part = a.with(t, |b| {
                let mut out = Vec::with_capacity(n * size);
                for i in Key::indexes(start, step, n) {
                    // Another thread may have made it shorter meanwhile.
                    out.extend_from_slice(b.get(i * size..(i + 1) * size).unwrap_or_default());
                }
                out
            });
            Ok(Array::new(t, &ARRAY, a.code, part).into())
        }
    }
}

fn set_item(t: &mut Thread, v: Value, k: Value, item: Value) -> Res<()> {
    let a = Array::this(v);
    let size = a.code.size();
    const RANGE: &str = "array assignment index out of range";
    if k.is_int() && !item.is_null() {
        let bits = a.code.pack(t, item)?;
        let done = a.with(t, |b| {
            let i = k.as_int();
            let i = if i < 0 {
                i + (b.len() / size) as i64
            } else {
                i
            };
            let at = usize::try_from(i).ok()?.checked_mul(size)?;
            b.get_mut(at..at.checked_add(size)?)?
                .copy_from_slice(&bits[..size]);
            Some(())
        });
        return done.ok_or_else(|| t.index_error(RANGE));
    }
    if Slice::of(k).is_some() {
        return set_slice(t, a, k, item);
    }
    let len = a.len(t);
    let Key::At(i) = key(t, k, len, RANGE)? else {
        return Ok(());
    };
    let range = i * size..(i + 1) * size;
    let done = if item.is_null() {
        a.resize(t, |b| {
            let there = b.len() >= range.end;
            if there {
                b.drain(range);
            }
            there
        })?
    } else {
        let bits = a.code.pack(t, item)?;
        a.with(t, |b| {
            b.get_mut(range)
                .map(|p| p.copy_from_slice(&bits[..size]))
                .is_some()
        })
    };
    if done {
        Ok(())
    } else {
        Err(t.index_error(RANGE))
    }
}

fn set_slice(t: &mut Thread, a: &Array, k: Value, item: Value) -> Res<()> {
    let size = a.code.size();
    let new = if item.is_null() {
        Vec::new()
    } else {
        let Some(other) = Array::of(item) else {
            let got = type_of(item).name();
            return Err(t.type_error(format!(
                "can only assign array (not \"{got}\") to array slice"
            )));
        };
        if other.code != a.code {
            return Err(t.type_error("bad argument type for built-in operation".into()));
        }
        other.to_vec(t)
    };
    let len = a.len(t);
    let Key::Span(start, step, n) = index::key(t, k, len, "array")? else {
        return Ok(());
    };
    if step == 1 {
        if new.len() == n * size {
            let range = start as usize * size..start as usize * size + new.len();
            if a.with(t, |b| {
                b.get_mut(range).map(|p| p.copy_from_slice(&new)).is_some()
            }) {
                return Ok(());
            }
        }
        return a.resize(t, |b| {
            let from = (start as usize * size).min(b.len());
            let to = (from + n * size).min(b.len());
            b.splice(from..to, new);
        });
    }
    if item.is_null() {
        return if n == 0 {
            Ok(())
        } else {
            a.resize(t, |b| delete(b, size, start, step, n))
        };
    }
    if new.len() != n * size {
        let m = new.len() / size;
        return Err(t.value_error(format!(
            "attempt to assign array of size {m} to extended slice of size {n}"
        )));
    }
    a.with(t, |b| {
        for (i, item) in Key::indexes(start, step, n).zip(new.chunks_exact(size)) {
            if let Some(p) = b.get_mut(i * size..(i + 1) * size) {
                p.copy_from_slice(item);
            }
        }
    });
    Ok(())
}

/// Takes out the `n` items from `start` on, every `step`th.
fn delete(b: &mut Vec<u8>, size: usize, start: isize, step: isize, n: usize) {
    let first = if step < 0 {
        start + (n as isize - 1) * step
    } else {
        start
    } as usize;
    let step = step.unsigned_abs();
    let mut at = 0;
    b.retain(|_| {
        let i = at / size;
        at += 1;
        !(i >= first && (i - first).is_multiple_of(step) && (i - first) / step < n)
    });
}

fn concat(t: &mut Thread, v: Value, w: Value) -> Res {
    let a = Array::this(v);
    let Some(b) = Array::of(w) else {
        let got = type_of(w).name();
        return Err(t.type_error(format!("can only append array (not \"{got}\") to array")));
    };
    if a.code != b.code {
        return Err(t.type_error("bad argument type for built-in operation".into()));
    }
    let mut out = a.to_vec(t);
    out.extend_from_slice(&b.to_vec(t));
    Ok(Array::new(t, &ARRAY, a.code, out).into())
}

fn in_place_concat(t: &mut Thread, v: Value, w: Value) -> Res {
    if Array::of(w).is_none() {
        let got = type_of(w).name();
        return Err(t.type_error(format!("can only extend array with array (not \"{got}\")")));
    }
    Array::this(v).extend(t, w)?;
    Ok(Obj::new(t, v).into())
}

fn repeat(t: &mut Thread, v: Value, n: Value) -> Res {
    let a = Array::this(v);
    let n = index::repeat_count(t, n)?;
    let data = a.to_vec(t);
    let out = index::repeated(t, &data, n, "")?;
    Ok(Array::new(t, &ARRAY, a.code, out).into())
}

fn in_place_repeat(t: &mut Thread, v: Value, n: Value) -> Res {
    let a = Array::this(v);
    let n = index::repeat_count(t, n)?;
    let data = a.to_vec(t);
    let out = index::repeated(t, &data, n, "")?;
    if out.len() != data.len() {
        a.resize(t, |b| *b = out)?;
    }
    Ok(Obj::new(t, v).into())
}

fn compare(t: &mut Thread, v: Value, w: Value, op: CmpOp) -> Res {
    let (Some(a), Some(b)) = (Array::of(v), Array::of(w)) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    let (n, m) = (a.len(t), b.len(t));
    let equality = matches!(op, CmpOp::Eq | CmpOp::Ne);
    if equality && n != m {
        return Ok(Value::bool(op == CmpOp::Ne));
    }
    if equality && a.code == b.code && !a.code.is_float() {
        let other = b.to_vec(t);
        return Ok(Value::bool(
            a.with(t, |data| *data == other[..]) == (op == CmpOp::Eq),
        ));
    }
    for i in 0..n.min(m) {
        let (Some(x), Some(y)) = (a.get(t, i)?, b.get(t, i)?) else {
            break;
        };
        // Not by identity: a NaN differs from itself.
        if !proto::compare_bool(t, x.value(), y.value(), CmpOp::Eq)? {
            return match op {
                CmpOp::Eq => Ok(Value::FALSE),
                CmpOp::Ne => Ok(Value::TRUE),
                op => proto::compare(t, x.value(), y.value(), op),
            };
        }
    }
    Ok(Value::bool(op.of(n.cmp(&m))))
}

fn repr(t: &mut Thread, v: Value) -> Res {
    let a = Array::this(v);
    let (name, code) = (type_of(v).name(), a.code.char());
    if a.len(t) == 0 {
        return Ok(Str::from_string(t, format!("{name}('{code}')")).into());
    }
    let items = if a.code.is_text() {
        methods::to_text(t, a)?
    } else {
        let items = a.to_objects(t)?;
        List::from_vec(t, items)
    };
    let items = proto::repr(t, items.value())?;
    let mut out = format!("{name}('{code}', ").into_bytes();
    out.extend_from_slice(Str::this(items.value()).as_bytes());
    out.push(b')');
    Ok(Str::from_vec(t, out).into())
}

fn buffer(t: &mut Thread, v: Value, _writable: bool) -> Res<Buffer> {
    let a = Array::this(v);
    let (ptr, len) = a.with(t, |b| {
        a.exports.fetch_add(1, AcqRel);
        (b.as_mut_ptr(), b.len())
    });
    let b = Buffer::new(Obj::new(t, v), ptr, len, false, Some(release));
    Ok(match a.code.format() {
        "B" => b,
        format => b.with_layout(Arc::new(Layout::row(
            format,
            a.code.size(),
            len / a.code.size(),
        ))),
    })
}

fn release(h: &Header) {
    // SAFETY: only buffers of arrays have this function.
    unsafe {
        (*(h as *const Header as *const Array))
            .exports
            .fetch_sub(1, AcqRel)
    };
}

/// `array(typecode, initializer=())`
fn new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let ty = Type::of_unchecked(cls);
    let own_init = |ty: &Type| ty.slots.init.get().map(|f| f as usize);
    if args.has_keywords() && (ty.is(&ARRAY) || own_init(ty) == own_init(&ARRAY)) {
        return Err(t.type_error("array.array() takes no keyword arguments".into()));
    }
    let (code, initial) = match args.pos() {
        [] => return Err(t.type_error("array() takes at least 1 argument (0 given)".into())),
        [code] => (*code, Value::NULL),
        [code, initial] => (*code, *initial),
        more => {
            let n = more.len();
            return Err(t.type_error(format!("array() takes at most 2 arguments ({n} given)")));
        }
    };
    let c = item::code_point(t, code, "array() argument 1")?;
    if c == u32::from('u') {
        let text = "The 'u' type code is deprecated and will be removed in Python 3.16";
        crate::_warnings::warn_text(t, &errors::DEPRECATION_WARNING, text, 1)?;
    }
    audit::tell(t, "array.__new__", &[code, initial])?;
    let as_char = char::from_u32(c).unwrap_or('?');
    let code = Code::new(c);
    let is_text = c == u32::from('u') || c == u32::from('w');
    if !is_text {
        if Str::of(initial).is_some() {
            let msg = format!("cannot use a str to initialize an array with typecode '{as_char}'");
            return Err(t.type_error(msg));
        }
        if Array::of(initial).is_some_and(|a| a.code.is_text()) {
            let msg = format!(
                "cannot use a unicode array to initialize an array with typecode '{as_char}'"
            );
            return Err(t.type_error(msg));
        }
    }
    let Some(code) = code else {
        return Err(
            t.value_error("bad typecode (must be b, B, u, w, h, H, i, I, l, L, q, Q, f or d)")
        );
    };
    let o = Array::new(t, ty, code, Vec::new());
    fill(t, Array::this(o.value()), initial)?;
    Ok(o.into())
}

fn fill(t: &mut Thread, a: &Array, initial: Value) -> Res<()> {
    if initial.is_null() {
        return Ok(());
    }
    if let Some(s) = Str::of(initial) {
        return methods::push_text(t, a, s);
    }
    if Bytes::of(initial).is_some() || ByteArray::of(initial).is_some() {
        let b = buffer::get(t, initial)?;
        return a.push_bytes(t, b.as_bytes());
    }
    match Array::of(initial) {
        Some(other) if other.code == a.code => a.extend(t, initial),
        _ => a.extend_each(t, initial),
    }
}

/// `array.array`
pub static ARRAY: Type = Type::builtin(
    "array",
    size_of::<Array>(),
    &Spec {
        new: Some(new),
        repr: Some(repr),
        compare: Some(compare),
        len: Some(|t, v| Ok(Array::this(v).len(t))),
        get_item: Some(get_item),
        set_item: Some(set_item),
        contains: Some(|t, v, x| Ok(Array::this(v).find(t, x, 0, usize::MAX)?.is_some())),
        iter: Some(iter::new),
        concat: Some(concat),
        repeat: Some(repeat),
        in_place_concat: Some(in_place_concat),
        in_place_repeat: Some(in_place_repeat),
        buffer: Some(buffer),
        methods: methods::METHODS,
        getset: &[
            GetSetDef::ro("typecode", |t, v| {
                let c = u32::from(Array::this(v).code.char());
                Ok(Str::char(t, c).into())
            }),
            GetSetDef::ro("itemsize", |_, v| Ok(Value::int(Array::this(v).code.size() as i64))),
        ],
        ..Spec::EMPTY
    },
)
.clear_only(clear)
.module("array")
.flags(weft_objects::types::type_flags::SEQUENCE)
.doc(
    "array(typecode [, initializer]) -> array\n\nReturn a new array whose items are restricted by typecode,\n\
     and initialized from the optional initializer value.",
);

static FUNCTIONS: &[NativeDef] = &[NativeDef::new(
    "_array_reconstructor",
    "(arraytype, typecode, mformat_code, items, /)",
    pickle::reconstruct,
)
.doc("Internal. Used for pickling support.")];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let doc = "This module defines an object type which can efficiently represent an array of basic values.";
    let m = support::module(t, "array", doc, FUNCTIONS);
    support::add_type(t, &m, &ARRAY);
    iter::ARRAY_ITERATOR.ready(t);
    support::add(t, &m, "ArrayType", Obj::new(t, ARRAY.value()));
    support::add(t, &m, "typecodes", Str::new(t, Code::ALL));
    let abc = weft_objects::runtime::import(t, "collections.abc")?;
    let sequence = proto::get_attr(t, abc.value(), names::get(t, "MutableSequence"))?;
    proto::call_method(t, sequence.value(), "register", &[ARRAY.value()])?;
    Ok(m)
}

/// An int as an object.
fn count_obj(t: &Thread, n: usize) -> Value {
    int::from_usize(t, n)
}
