//! tuple: immutable, so read without locks. The items lie within the object; those of long tuples, and of instances of
//! subclasses, in an array outside.

use crate::memory;
use crate::prelude::*;
use crate::str::index::{self, Key};
use crate::types::{alloc_instance, type_flags};
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use weft_gc::{Flags, MAX_BLOCK};

/// Header flag: the items are outside.
const OUTSIDE: u8 = Flags::USER2;
/// Most items that lie within the object.
const INLINE: usize = (MAX_BLOCK - HEAD) / size_of::<Slot>();
const HEAD: usize = std::mem::offset_of!(Tuple, first);

/// A tuple.
#[repr(C)]
pub struct Tuple {
    pub header: Header,
    len: usize,
    /// Its hash, once it has been asked for; zero: not yet.
    hash: AtomicI64,
    /// The first item, or the address of the array outside.
    first: Slot,
}

/// The tuple without items.
static EMPTY: Tuple = Tuple {
    header: Header::immortal(&raw const TUPLE.head),
    len: 0,
    hash: AtomicI64::new(0),
    first: Slot::empty(),
};

/// Making tuples.
impl Tuple {
    /// `()`
    #[inline]
    pub fn empty(_t: &Thread) -> Obj {
        Obj::from_raw(EMPTY.header.value())
    }

    /// A tuple of new references.
    #[inline]
    pub fn from_slice(t: &Thread, items: &[Value]) -> Obj {
        Self::make(t, items.len(), |i| {
            let v = items[i];
            inc(t, v);
            v.bare()
        })
    }

    /// A tuple of the references in a vector.
    pub fn from_vec(t: &Thread, items: Vec<Obj>) -> Obj {
        let items = ManuallyDrop::new(items);
        let made = Self::make(t, items.len(), |i| items[i].value());
        // SAFETY: the references have moved on; only the vector's memory is left.
        drop(unsafe {
            Vec::from_raw_parts(
                items.as_ptr() as *mut ManuallyDrop<Obj>,
                0,
                items.capacity(),
            )
        });
        made
    }

    /// A tuple of owned register words, which are moved out: NULL stays behind.
    #[inline]
    pub fn from_regs(t: &Thread, items: &mut [Value]) -> Obj {
        Self::make(t, items.len(), |i| {
            to_heap(std::mem::replace(&mut items[i], Value::NULL))
        })
    }

    /// A tuple of a few items.
    #[inline]
    pub fn from_array<const N: usize>(t: &Thread, items: [Obj; N]) -> Obj {
        let items = items.map(Obj::into_value);
        Self::make(t, N, |i| items[i])
    }

    /// `(a, b)`
    #[inline(always)]
    pub fn pair(t: &Thread, a: Obj, b: Obj) -> Obj {
        let items = [a.into_value(), b.into_value()];
        Self::make(t, 2, |i| items[i])
    }

    /// `(a, b)` for an iterator that keeps the pair it gave last in `kept`: the same tuple with new items, if nobody else has it.
    #[inline(always)]
    pub fn pair_again(t: &Thread, owner: &Header, kept: &Slot, a: Obj, b: Obj) -> Obj {
        let last = kept.get();
        if last.is_ptr() {
            // SAFETY: the slot holds a pair that was made here; if it is local and counted once, nothing but the slot refers
            // to it, so it may change as one that is being made.
            unsafe {
                let pair = &*(last.ptr() as *const Tuple);
                if pair.header.is_local(t) && pair.header.count.load(Relaxed) == 1 {
                    pair.header.count.store(2, Relaxed);
                    pair.hash.store(0, Relaxed);
                    let items = &raw const pair.first;
                    let old = (*items).replace(t, &pair.header, a.into_value());
                    dec(t, old);
                    let old = (*items.add(1)).replace(t, &pair.header, b.into_value());
                    dec(t, old);
                    return Obj::from_raw(last);
                }
            }
        }
        Self::pair_kept(t, owner, kept, a, b)
    }

    #[inline(never)]
    fn pair_kept(t: &Thread, owner: &Header, kept: &Slot, a: Obj, b: Obj) -> Obj {
        let pair = Self::pair(t, a, b);
        Self::keep(t, owner, kept, &pair);
        pair
    }

    /// The tuple that an iterator has kept, if it has `n` items and nobody else has it, so that it may change.
    #[inline(always)]
    fn unused<'a>(t: &Thread, kept: &Slot, n: usize) -> Option<&'a Tuple> {
        let last = kept.get();
        if !last.is_ptr() {
            return None;
        }
        // SAFETY: the slot holds a tuple.
        let x = unsafe { &*(last.ptr() as *const Tuple) };
        let alone = x.header.is_local(t) && x.header.count.load(Relaxed) == 1;
        (alone && x.len == n && !x.header.has_flag(OUTSIDE)).then_some(x)
    }

    /// As [`Tuple::pair_again`], for any number of items; their references move into the tuple.
    #[inline]
    pub fn again(t: &Thread, owner: &Header, kept: &Slot, items: &[Value]) -> Obj {
        if let Some(x) = Self::unused(t, kept, items.len()) {
            inc(t, x.header.value());
            x.hash.store(0, Relaxed);
            for (slot, v) in x.as_slice().iter().zip(items) {
                dec(t, slot.replace(t, &x.header, *v));
            }
            return Obj::from_raw(x.header.value());
        }
        let made = Self::make(t, items.len(), |i| items[i]);
        Self::keep(t, owner, kept, &made);
        made
    }

    /// As [`Tuple::again`] for new references to `items`, of which those before `from` are what they were last time.
    #[inline]
    pub fn again_from(
        t: &Thread,
        owner: &Header,
        kept: &Slot,
        items: &[Value],
        from: usize,
    ) -> Obj {
        if let Some(x) = Self::unused(t, kept, items.len()) {
            inc(t, x.header.value());
            x.hash.store(0, Relaxed);
            for (slot, v) in x.as_slice()[from..].iter().zip(&items[from..]) {
                inc(t, *v);
                dec(t, slot.replace(t, &x.header, v.bare()));
            }
            return Obj::from_raw(x.header.value());
        }
        let made = Self::from_slice(t, items);
        Self::keep(t, owner, kept, &made);
        made
    }

    /// Remembers a tuple for next time, unless somebody has held on to the one before.
    fn keep(t: &Thread, owner: &Header, kept: &Slot, made: &Obj) {
        if owner.is_local(t) && made.value().is_ptr() {
            let last = kept.get();
            if last.is_null() {
                kept.set(t, owner, made.clone().into_value());
            } else if last.is_ptr() {
                // Somebody keeps the tuples: it is not worth while.
                kept.set(t, owner, Value::NONE);
            }
        }
    }

    /// A tuple of counted words.
    #[inline(always)]
    fn make(t: &Thread, n: usize, mut item: impl FnMut(usize) -> Value) -> Obj {
        if n == 0 {
            return Self::empty(t);
        }
        if n > INLINE {
            return Self::make_outside(t, &TUPLE, (0..n).map(item));
        }
        // SAFETY: all words after the header are written before anything else happens; the block has room for `n` items.
        unsafe {
            let p = t.alloc_uninit(&TUPLE.head, HEAD + n * size_of::<Slot>(), false) as *mut Tuple;
            (&raw mut (*p).len).write(n);
            (&raw mut (*p).hash).write(AtomicI64::new(0));
            let items = &raw mut (*p).first;
            for i in 0..n {
                items.add(i).write(Slot::new(item(i)));
            }
            Obj::from_raw(Value::from_ptr(p as *const Header))
        }
    }

    /// An instance of a subclass, with owned words.
    fn make_outside(t: &Thread, cls: &Type, items: impl Iterator<Item = Value>) -> Obj {
        let slots: Box<[Slot]> = items.map(Slot::new).collect();
        let p = alloc_instance(t, cls) as *mut Tuple;
        // SAFETY: a new instance with at least the layout of `Tuple`.
        unsafe {
            (&raw mut (*p).len).write(slots.len());
            (&raw mut (*p).first as *mut *mut Slot).write(Box::into_raw(slots) as *mut Slot);
            (*p).header.set_flag(OUTSIDE);
            Obj::from_raw(Value::from_ptr(p as *const Header))
        }
    }

    /// An instance of the class, `tuple` or a subclass, with these items.
    pub fn new_instance(t: &Thread, cls: &Type, items: Vec<Obj>) -> Obj {
        if cls.is(&TUPLE) {
            return Self::from_vec(t, items);
        }
        Self::make_outside(t, cls, items.into_iter().map(Obj::into_value))
    }
}

/// Looking at tuples.
impl Tuple {
    /// The tuple, if `v` is an instance of `tuple` or a subclass.
    #[inline(always)]
    pub fn of<'a>(v: Value) -> Option<&'a Tuple> {
        crate::cast(v, &TUPLE)
    }

    /// The tuple, if `v` is exactly a `tuple`.
    #[inline(always)]
    pub fn exact<'a>(v: Value) -> Option<&'a Tuple> {
        crate::cast_exact(v, &TUPLE)
    }

    /// The tuple, if `v` is one that is compared as tuples are, also of a subclass.
    #[inline]
    pub fn plain<'a>(v: Value) -> Option<&'a Tuple> {
        Tuple::exact(v).or_else(|| {
            let inherited = type_of(v).slots.compare.get().map(|f| f as usize);
            // SAFETY: only tuples have this slot.
            (inherited == Some(compare as *const () as usize))
                .then(|| unsafe { &*(v.ptr() as *const Tuple) })
        })
    }

    /// As [`Tuple::of`] where `v` is known to be one: `self` of a method.
    #[inline(always)]
    pub fn this<'a>(v: Value) -> &'a Tuple {
        debug_assert!(Self::of(v).is_some());
        // SAFETY: methods and slots of `tuple` are called with instances only.
        unsafe { &*(v.ptr() as *const Tuple) }
    }

    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The items.
    #[inline(always)]
    pub fn as_slice(&self) -> &[Slot] {
        let first = &raw const self.first;
        // SAFETY: `len` items follow within the object, or are where the first word says.
        unsafe {
            let items = if self.header.flags.load(Relaxed) & OUTSIDE == 0 {
                first
            } else {
                *(first as *const *const Slot)
            };
            std::slice::from_raw_parts(items, self.len)
        }
    }

    /// The item `i`, borrowed.
    ///
    /// # Panics
    /// If `i` is out of range.
    #[inline(always)]
    pub fn get(&self, i: usize) -> Value {
        self.as_slice()[i].get()
    }

    /// New references to all items.
    pub fn to_vec(&self, t: &Thread) -> Vec<Obj> {
        self.values().iter().map(|v| Obj::new(t, *v)).collect()
    }

    /// The items as words, borrowed.
    #[inline]
    pub fn values(&self) -> &[Value] {
        let items = self.as_slice();
        // SAFETY: a slot has the layout of a word, and the words of a tuple do not change.
        unsafe { std::slice::from_raw_parts(items.as_ptr() as *const Value, items.len()) }
    }

    /// Items `start, start + step, ...`, `n` of them, as a new tuple.
    pub fn span(&self, t: &Thread, start: isize, step: isize, n: usize) -> Obj {
        if step == 1 && n == self.len && Tuple::exact(self.header.value()).is_some() {
            return Obj::new(t, self.header.value());
        }
        Self::make(t, n, |i| {
            let v = self.get((start + i as isize * step) as usize);
            inc(t, v);
            v
        })
    }

    pub fn value(&self) -> Value {
        self.header.value()
    }
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: a tuple.
    for s in unsafe { (*(h as *const Tuple)).as_slice() } {
        f(s.get());
    }
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying tuple, which nobody refers to: its array is freed once, after its references.
    unsafe {
        let tuple = &mut *(h as *mut Tuple);
        let n = std::mem::replace(&mut tuple.len, 0);
        let outside = tuple.header.has_flag(OUTSIDE);
        let items = if outside {
            *(&raw const tuple.first as *const *mut Value)
        } else {
            &raw mut tuple.first as *mut Value
        };
        for i in (0..n).rev() {
            t.drop_value(*items.add(i));
        }
        if outside {
            let items = items as *mut Slot;
            drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(items, n)));
            tuple.header.clear_flag(OUTSIDE);
        }
    }
}

/// `tuple`
pub static TUPLE: Type = Type::builtin(
    "tuple",
    size_of::<Tuple>(),
    &Spec {
        new: Some(new),
        repr: Some(repr),
        hash: Some(hash),
        compare: Some(compare),
        iter: Some(|t, v| Ok(crate::iter::new_tuple_iter(t, v).into())),
        len: Some(|_, v| Ok(Tuple::this(v).len())),
        get_item: Some(get_item),
        contains: Some(contains),
        concat: Some(concat),
        repeat: Some(repeat),
        methods: &[
            NativeDef::new("__getnewargs__", "($self, /)", |t, a| {
                let copy = Tuple::from_slice(t, Tuple::this(a[0]).values());
                Ok(Tuple::from_vec(t, vec![copy]).into())
            }),
            NativeDef::new("index", "($self, value, start=0, stop=sys.maxsize, /)", tuple_index)
                .doc("Return first index of value.\n\nRaises ValueError if the value is not present."),
            NativeDef::new("count", "($self, value, /)", count).doc("Return number of occurrences of value."),
            NativeDef::class("__class_getitem__", "($type, item, /)", crate::generic_alias::class_getitem),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.flags(type_flags::SEQUENCE | type_flags::MATCH_SELF | type_flags::VAR_SIZED)
.doc(
    "Built-in immutable sequence.\n\nIf no argument is given, the constructor returns an empty tuple.\nIf iterable is specified \
     the tuple is initialized from iterable's items.\n\nIf the argument is a tuple, the return value is the same object.",
)
.signature("(iterable=(), /)");

fn new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let ty = Type::of_unchecked(cls);
    if args.has_keywords()
        && (ty.is(&TUPLE)
            || ty.slots.init.get().map(|f| f as usize)
                == TUPLE.slots.init.get().map(|f| f as usize))
    {
        return Err(t.type_error("tuple() takes no keyword arguments".into()));
    }
    let items = match args.pos() {
        [] => Vec::new(),
        [v] if ty.is(&TUPLE) && Tuple::exact(*v).is_some() => return Ok(Obj::new(t, *v).into()),
        [v] => {
            if ty.is(&TUPLE)
                && let Some(items) = List::exact(*v).and_then(|l| l.local_items(t))
            {
                memory::room_for(t, items.len(), size_of::<Slot>())?;
                return Ok(Tuple::from_slice(t, items).into());
            }
            if let Some(from) = Tuple::exact(*v) {
                let items = from.values().iter().map(|v| Obj::new(t, *v).into_value());
                return Ok(Tuple::make_outside(t, ty, items).into());
            }
            let items = proto::to_vec(t, *v)?;
            memory::room_for(t, items.len(), size_of::<Slot>())?;
            items
        }
        more => {
            return Err(t.type_error(format!(
                "tuple expected at most 1 argument, got {}",
                more.len()
            )));
        }
    };
    Ok(Tuple::new_instance(t, ty, items).into())
}

fn repr(t: &mut Thread, v: Value) -> Res {
    let tuple = Tuple::this(v);
    if tuple.is_empty() {
        return Ok(Str::intern(t, "()").into());
    }
    let Some(_guard) = crate::list::repr::enter(t, v) else {
        return Ok(Str::intern(t, "(...)").into());
    };
    let mut out = b"(".to_vec();
    for (i, s) in tuple.as_slice().iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        crate::list::repr::push(t, &mut out, s.get())?;
    }
    out.extend_from_slice(if tuple.len() == 1 { b",)" } else { b")" });
    Ok(Str::from_vec(t, out).into())
}

/// CPython's: xxHash over the items' hashes.
fn hash(t: &mut Thread, v: Value) -> Res<i64> {
    const P1: u64 = 11400714785074694791;
    const P2: u64 = 14029467366897019727;
    const P5: u64 = 2870177450012600261;
    let tuple = Tuple::this(v);
    let known = tuple.hash.load(Relaxed);
    if known != 0 {
        return Ok(known);
    }
    let _guard = t.enter_recursive(" while hashing a tuple")?;
    let mut acc = P5;
    for s in tuple.as_slice() {
        let lane = proto::hash(t, s.get())? as u64;
        acc = acc
            .wrapping_add(lane.wrapping_mul(P2))
            .rotate_left(31)
            .wrapping_mul(P1);
    }
    acc = acc.wrapping_add(tuple.len() as u64 ^ (P5 ^ 3527539));
    let hash = if acc == u64::MAX {
        1546275796
    } else {
        acc as i64
    };
    // Items do not change; who asks at the same time finds the same.
    tuple.hash.store(hash, Relaxed);
    Ok(hash)
}

fn compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    let (Some(x), Some(y)) = (Tuple::of(a), Tuple::of(b)) else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    for (p, q) in x.as_slice().iter().zip(y.as_slice()) {
        let (p, q) = (p.get(), q.get());
        if !proto::eq(t, p, q)? {
            return match op {
                CmpOp::Eq => Ok(Value::FALSE),
                CmpOp::Ne => Ok(Value::TRUE),
                _ => proto::compare(t, p, q, op),
            };
        }
    }
    Ok(Value::bool(op.of(x.len().cmp(&y.len()))))
}

fn get_item(t: &mut Thread, v: Value, key: Value) -> Res {
    let tuple = Tuple::this(v);
    if let Some(i) = key.to_int() {
        let at = if i < 0 { i + tuple.len() as i64 } else { i };
        if let Some(s) = tuple.as_slice().get(at as usize) {
            return Ok(to_reg(t, s.get()));
        }
    }
    match index::key(t, key, tuple.len(), "tuple")? {
        Key::At(i) => Ok(to_reg(t, tuple.get(i))),
        Key::Span(start, step, n) => Ok(tuple.span(t, start, step, n).into()),
    }
}

fn contains(t: &mut Thread, v: Value, x: Value) -> Res<bool> {
    for s in Tuple::this(v).as_slice() {
        if proto::eq(t, s.get(), x)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn concat(t: &mut Thread, a: Value, b: Value) -> Res {
    let x = Tuple::this(a);
    let Some(y) = Tuple::of(b) else {
        let got = type_of(b).name();
        return Err(t.type_error(format!(
            "can only concatenate tuple (not \"{got}\") to tuple"
        )));
    };
    if x.is_empty() && Tuple::exact(b).is_some() {
        return Ok(to_reg(t, b.bare()));
    }
    if y.is_empty() && Tuple::exact(a).is_some() {
        return Ok(to_reg(t, a.bare()));
    }
    let (x, y) = (x.values(), y.values());
    memory::room_for(t, x.len() + y.len(), size_of::<Slot>())?;
    Ok(Tuple::make(t, x.len() + y.len(), |i| {
        let v = if i < x.len() { x[i] } else { y[i - x.len()] };
        inc(t, v);
        v
    })
    .into())
}

fn repeat(t: &mut Thread, a: Value, n: Value) -> Res {
    let n = index::repeat_count(t, n)?;
    let items = Tuple::this(a).values();
    if Tuple::exact(a).is_some() && (n == 1 || items.is_empty()) {
        return Ok(to_reg(t, a.bare()));
    }
    match items.len().checked_mul(n) {
        Some(total) if total <= isize::MAX as usize / 16 && try_memory(total * 8) => {
            Ok(Tuple::make(t, total, |i| {
                let v = items[i % items.len()];
                inc(t, v);
                v
            })
            .into())
        }
        _ => Err(t.memory_error()),
    }
}

/// Whether there is likely to be so much memory: large requests are tried out, so that they fail as a MemoryError.
pub(crate) fn try_memory(bytes: usize) -> bool {
    bytes < 1 << 20 || crate::memory::is_room(bytes)
}

fn tuple_index(t: &mut Thread, a: &[Value]) -> Res {
    let tuple = Tuple::this(a[0]);
    let (start, end) = index::bounds(t, a[2], a[3], tuple.len())?;
    for i in start..end {
        if proto::eq(t, tuple.get(i), a[1])? {
            return Ok(Value::int(i as i64));
        }
    }
    Err(t.value_error("tuple.index(x): x not in tuple"))
}

fn count(t: &mut Thread, a: &[Value]) -> Res {
    let mut n = 0;
    for s in Tuple::this(a[0]).as_slice() {
        n += i64::from(proto::eq(t, s.get(), a[1])?);
    }
    Ok(Value::int(n))
}
