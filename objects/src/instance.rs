//! Instances of Python classes, and `object`: attributes in inline slots by shape, or in a dict once one is asked for.

use crate::descr::MEMBER_DESCRIPTOR;
use crate::function::Function;
use crate::inline_slots::{Found, Words};
use crate::method::Method;
use crate::prelude::*;
use crate::shape::Shape;
use crate::types::{OBJECT, alloc_instance, type_flags as tf};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering::*};
use weft_gc::Flags;

/// Header flag: attributes are in inline slots, described by `shape`. Caches look at it without asking for the type: objects of no other
/// kind may have it.
pub const INLINE: u8 = Flags::USER1;

/// An instance whose class (and all its bases) define no layout of their own.
///
/// While the header has [`INLINE`], slot `i` belongs to the `i`-th attribute of the shape (NULL: not seen yet by this reader). Then
/// [`Flags::DICT`] is set instead, the attributes are in `dict`, and the slots are empty, for good. A store into a shared instance
/// happens under its lock, a read takes none: the shape is loaded before the slot, and an empty slot sends the reader to the lock.
#[repr(C)]
pub struct Instance {
    pub header: Header,
    pub shape: AtomicU32,
    /// Number of inline slots.
    pub cap: AtomicU16,
    _unused: AtomicU16,
    pub dict: Slot,
    slots: [Slot; 0],
}

/// Offset of the dict slot in an [`Instance`].
pub const DICT_OFFSET: usize = 24;
/// Offset of the first inline slot.
pub const SLOTS_OFFSET: usize = 32;
/// Most inline slots of an instance.
pub const MAX_SLOTS: usize = 60;

impl Instance {
    /// The inline slot `i`, which must be below `cap`.
    #[inline(always)]
    pub fn slot(&self, i: usize) -> &Slot {
        // SAFETY: the object was allocated with `cap` slots behind it.
        unsafe { &*self.slots.as_ptr().add(i) }
    }

    /// The instance in a word that is known to be one.
    #[inline(always)]
    pub fn of_unchecked<'a>(v: Value) -> &'a Instance {
        // SAFETY: the caller knows the class to be INLINE.
        unsafe { &*(v.ptr() as *const Instance) }
    }

    /// A new instance of an INLINE class.
    #[inline]
    pub fn new(t: &Thread, cls: &Type) -> Option<Obj> {
        let root = match cls.root_shape.load(Acquire) {
            0 => Shape::root(cls)?.id,
            id => id,
        };
        let cap = cls.inline_slots.load(Relaxed) as usize;
        // SAFETY: zeroed slots are empty; the size covers `cap` of them.
        unsafe {
            let p = t.alloc(&cls.head, SLOTS_OFFSET + cap * 8) as *mut Instance;
            (*p).shape.store(root, Relaxed);
            (*p).cap.store(cap as u16, Relaxed);
            (*p).header.flags.store(INLINE, Relaxed);
            Some(Obj::from_raw(Value::from_ptr(p as *const Header)))
        }
    }

    #[inline(always)]
    pub fn is_inline(&self) -> bool {
        self.header.has_flag(INLINE)
    }

    /// Calls `f` with its dict, and with the attributes that it has in slots.
    #[inline(always)]
    fn each_word(&self, mut f: impl FnMut(Value)) {
        f(self.dict.get());
        if self.is_inline() {
            for i in 0..self.cap.load(Relaxed) as usize {
                f(self.slot(i).get());
            }
        }
    }

    fn get<'t>(&self, t: &'t Thread, name: &Str) -> Option<Borrowed<'t>> {
        if !self.is_inline() {
            let d = Dict::of(self.dict.get())?;
            return d.get_str(t, name);
        }
        // Names of slots are interned: a name that is not interned anywhere is no attribute.
        let found = if name.is_interned() {
            None
        } else {
            Some(name.find_interned()?)
        };
        let name = found.unwrap_or(name);
        let found = self.words().read(
            |shape| Shape::by_id(shape).find(name),
            |i| self.slot(i).get().0,
            || drop(lock(t, &self.header)),
        );
        match found {
            Found::Word(w) => Some(Borrowed::new(t, Value(w))),
            Found::Absent => None,
            Found::InDict => Dict::of(self.dict.get())?.get_str(t, name),
        }
    }

    #[inline(always)]
    fn words(&self) -> Words<'_> {
        Words {
            flags: &self.header.flags,
            inline: INLINE,
            shape: &self.shape,
        }
    }

    /// Stores an attribute; takes over the register word.
    pub fn set(&self, t: &mut Thread, name: &Str, v: Value) -> Res<()> {
        if self.try_set_inline(t, name, v) {
            return Ok(());
        }
        let v = Obj::own(v);
        let d = self.dict_obj(t);
        match Dict::of(d.value()) {
            Some(d) => {
                d.set_str(t, name, v.value());
                Ok(())
            }
            None => Err(t.type_error("__dict__ is not a dict".into())),
        }
    }

    fn try_set_inline(&self, t: &Thread, name: &Str, v: Value) -> bool {
        let cls = type_of(self.header.value());
        let interned;
        let name = if name.is_interned() {
            name
        } else {
            interned = Str::intern_obj(t, Obj::new(t, Value::from_ptr(&name.header)));
            Str::of(interned.value()).unwrap_or(name)
        };
        let old;
        {
            let _guard = lock(t, &self.header);
            if !self.is_inline() {
                return false;
            }
            let shape = Shape::by_id(self.shape.load(Acquire));
            if let Some(i) = shape.find(name) {
                old = self.slot(i).replace(t, &self.header, v);
            } else {
                let i = shape.len as usize;
                if i >= self.cap.load(Relaxed) as usize {
                    cls.wants_more_slots(i + 1);
                    return false;
                }
                let Some(next) = shape.with(t, cls, name) else {
                    return false;
                };
                let fill = || self.slot(i).init(t, &self.header, v);
                self.words().add(next.id, fill);
                old = Value::NULL;
            }
        }
        dec(t, old);
        true
    }

    /// The instance's `__dict__`, made on the first call: from then on attributes live there.
    pub fn dict_obj(&self, t: &Thread) -> Obj {
        let d = self.dict.get();
        if !d.is_null() {
            return Obj::new(t, d);
        }
        let names = if self.is_inline() {
            Shape::by_id(self.shape.load(Acquire)).len as usize
        } else {
            0
        };
        let made = Dict::with_capacity(t, (names + 2).max(8));
        let _guard = lock(t, &self.header);
        let d = self.dict.get();
        if !d.is_null() {
            return Obj::new(t, d);
        }
        if self.is_inline() {
            let shape = Shape::by_id(self.shape.load(Acquire));
            let dict = Dict::of_obj(&made);
            let local = self.header.is_local(t);
            for (i, name) in shape.names().into_iter().enumerate() {
                let slot = self.slot(i);
                let v = slot.get();
                if let (Some(name), false) = (Str::of(name), v.is_null()) {
                    // What a local instance holds goes over as it is; of a shared one others may be looking at the slots.
                    let v = if local {
                        slot.take_local()
                    } else {
                        Obj::new(t, v).into_value()
                    };
                    dict.enter_new(t, name, v);
                }
            }
            let publish = || self.dict.init(t, &self.header, made.clone().into_value());
            let empty = || (0..shape.len as usize).for_each(|i| dec(t, self.slot(i).take()));
            self.words().move_out(Flags::DICT, publish, empty);
        } else {
            self.dict.init(t, &self.header, made.clone().into_value());
        }
        made
    }
}

impl Type {
    /// An instance has run out of slots: later ones get more.
    #[cold]
    fn wants_more_slots(&self, n: usize) {
        if n + 3 <= MAX_SLOTS && self.inline_slots.load(Relaxed) < n as u16 {
            self.inline_slots.store(n as u16 + 3, Relaxed);
        }
    }
}

/// The dict slot of any object whose class has one.
#[inline]
pub fn dict_slot<'a>(v: Value) -> Option<&'a Slot> {
    if !v.is_ptr() {
        return None;
    }
    let offset = type_of(v).dict_offset.load(Relaxed) as usize;
    if offset == 0 {
        None
    } else {
        // SAFETY: the class says that a slot is there.
        Some(unsafe { &*((v.ptr() as *const u8).add(offset) as *const Slot) })
    }
}

/// Whether an object keeps its attributes in slots of its own.
pub fn has_inline_values(v: Value) -> bool {
    v.is_ptr() && type_of(v).has(tf::INLINE) && Instance::of_unchecked(v).is_inline()
}

/// The instance's dict, made if it has none yet. `None`: its class has no room for one.
pub fn get_dict(t: &Thread, v: Value) -> Option<Obj> {
    let slot = dict_slot(v)?;
    if type_of(v).has(tf::INLINE) {
        return Some(Instance::of_unchecked(v).dict_obj(t));
    }
    let d = slot.get();
    if !d.is_null() {
        return Some(Obj::new(t, d));
    }
    let made = Dict::new(t);
    // SAFETY: `v` is an object, as it has a dict slot.
    let header = unsafe { v.header() };
    match slot.set_if(t, header, Value::NULL, made.clone().into_value()) {
        Ok(()) => Some(made),
        Err(unused) => {
            dec(t, unused);
            Some(Obj::new(t, slot.get()))
        }
    }
}

/// Replaces the instance's `__dict__`.
pub fn set_dict(t: &mut Thread, v: Value, d: Value) -> Res<()> {
    let Some(slot) = dict_slot(v) else {
        return Err(t.attribute_error(v, crate::id!(t, "__dict__")));
    };
    if !d.is_null() && Dict::of(d).is_none() {
        let msg = format!(
            "__dict__ must be set to a dictionary, not a '{}'",
            type_of(d).name()
        );
        return Err(t.type_error(msg));
    }
    let d = if d.is_null() {
        Dict::new(t)
    } else {
        Obj::new(t, d)
    };
    drop(get_dict(t, v));
    // SAFETY: `v` is an object, as it has a dict slot.
    let header = unsafe { v.header() };
    let old = {
        let _guard = lock(t, header);
        slot.replace(t, header, d.into_value())
    };
    dec(t, old);
    Ok(())
}

/// The attribute in the instance itself, its class not asked. Never runs Python.
#[inline]
pub fn own_attr<'t>(t: &'t Thread, v: Value, name: &Str) -> Option<Borrowed<'t>> {
    if !v.is_ptr() {
        return None;
    }
    let ty = type_of(v);
    if ty.has(tf::INLINE) {
        return Instance::of_unchecked(v).get(t, name);
    }
    let d = dict_slot(v)?.get();
    Dict::of(d)?.get_str(t, name)
}

/// `object.__getattribute__`.
pub fn generic_get_attr(t: &mut Thread, v: Value, name: Value) -> Res {
    match generic_get_attr_opt(t, v, name)? {
        Some(v) => Ok(v),
        None => {
            let Some(name) = Str::of(name) else {
                return Err(name_error(t, name));
            };
            Err(t.attribute_error(v, name))
        }
    }
}

#[cold]
fn name_error(t: &mut Thread, name: Value) -> Raised {
    let msg = format!(
        "attribute name must be string, not '{}'",
        type_of(name).name()
    );
    t.type_error(msg)
}

/// As [`generic_get_attr`], giving `None` where it would raise AttributeError itself.
pub fn generic_get_attr_opt(t: &mut Thread, v: Value, name: Value) -> Res<Option<Value>> {
    let Some(key) = Str::of(name) else {
        return Err(name_error(t, name));
    };
    let ty = type_of(v);
    let descr = ty.lookup(t, key).map(|d| d.value());
    if let Some(d) = descr {
        let dt = type_of(d);
        if dt.has(tf::HAS_DESCR_SET)
            && let Some(get) = dt.slots.descr_get.get()
        {
            if dt.is(&MEMBER_DESCRIPTOR) {
                // Runs no Python, so the class keeps it.
                return get(t, d, v, ty.value()).map(Some);
            }
            let d = Obj::new(t, d);
            return get(t, d.value(), v, ty.value()).map(Some);
        }
    }
    if let Some(found) = own_attr(t, v, key) {
        return Ok(Some(found.to_reg(t)));
    }
    let Some(d) = descr else { return Ok(None) };
    if Function::of(d).is_some() {
        return Ok(Some(Method::new(t, d, v).into()));
    }
    match type_of(d).slots.descr_get.get() {
        Some(get) => {
            let d = Obj::new(t, d);
            get(t, d.value(), v, ty.value()).map(Some)
        }
        None => Ok(Some(to_reg(t, d))),
    }
}

/// `object.__setattr__` and `__delattr__`.
pub fn generic_set_attr(t: &mut Thread, v: Value, name: Value, value: Value) -> Res<()> {
    let Some(key) = Str::of(name) else {
        return Err(name_error(t, name));
    };
    let ty = type_of(v);
    let descr = ty.lookup(t, key).map(|d| d.value());
    if let Some(d) = descr
        && let Some(set) = type_of(d).slots.descr_set.get()
    {
        if type_of(d).is(&MEMBER_DESCRIPTOR) {
            // Runs no Python, so the class keeps it.
            return set(t, d, v, value);
        }
        let d = Obj::new(t, d);
        return set(t, d.value(), v, value);
    }
    if dict_slot(v).is_none() {
        return Err(no_dict_error(t, v, key, descr.is_some()));
    }
    if value.is_null() {
        let d = get_dict(t, v);
        let removed = d
            .as_ref()
            .and_then(|d| Dict::of(d.value()))
            .and_then(|d| d.remove_str(t, key));
        return match removed {
            Some(_) => Ok(()),
            None => Err(t.attribute_error(v, key)),
        };
    }
    let value = Obj::new(t, value);
    if ty.has(tf::INLINE) {
        return Instance::of_unchecked(v).set(t, key, value.into_value());
    }
    let d = get_dict(t, v);
    if let Some(d) = d.as_ref().and_then(|d| Dict::of(d.value())) {
        d.set_str(t, key, value.value());
    }
    Ok(())
}

#[cold]
fn no_dict_error(t: &mut Thread, v: Value, name: &Str, in_class: bool) -> Raised {
    let (ty, name) = (type_of(v), name.to_string_lossy());
    let msg = if in_class {
        format!("'{}' object attribute '{name}' is read-only", ty.name())
    } else {
        let why = " and no __dict__ for setting new attributes";
        format!("'{}' object has no attribute '{name}'{why}", ty.name())
    };
    let exc = t.raise(&errors::ATTRIBUTE_ERROR, msg);
    errors::note_attribute(t, v, &name);
    exc
}

pub(crate) unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object of an INLINE class.
    let o = unsafe { &*(h as *const Instance) };
    // Many words are empty, or small numbers: a call for each of them would cost collectors a tenth of their time.
    o.each_word(|v| {
        if v.is_ptr() {
            f(v);
        }
    });
}

/// Calls `f` with the attributes that are no references, if it is an instance whose traversal leaves them out.
pub fn each_small(h: &Header, f: &mut dyn FnMut(Value)) {
    if type_of(h.value()).has(tf::INLINE) {
        Instance::of_unchecked(h.value()).each_word(|v| {
            if !v.is_ptr() {
                f(v);
            }
        });
    }
}

pub(crate) unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of an INLINE class.
    let o = unsafe { &*(h as *const Instance) };
    t.drop_value(o.dict.take_local());
    for i in 0..o.cap.load(Relaxed) as usize {
        t.drop_value(o.slot(i).take_local());
    }
}

// --- object ---

/// `object.__new__`.
pub fn object_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let ty = Type::of_unchecked(cls);
    if !args.all().is_empty() {
        excess_args(t, ty, false)?;
    }
    if ty.has(tf::ABSTRACT) {
        return Err(abstract_error(t, ty));
    }
    new_instance(t, ty)
}

/// A bare instance of any class whose layout derives from `object`'s.
pub fn new_instance(t: &mut Thread, ty: &Type) -> Res {
    if ty.has(tf::INLINE) {
        return match Instance::new(t, ty) {
            Some(o) => Ok(o.into()),
            None => Err(t.memory_error()),
        };
    }
    Ok(Value::from_ptr(alloc_instance(t, ty)))
}

#[cold]
fn excess_args(t: &mut Thread, ty: &Type, in_init: bool) -> Res<()> {
    let own_new = ty.slots.new.get().map(|f| f as usize) != Some(object_new as *const () as usize);
    let own_init =
        ty.slots.init.get().map(|f| f as usize) != Some(object_init as *const () as usize);
    if in_init {
        if own_init {
            let msg = "object.__init__() takes exactly one argument (the instance to initialize)";
            return Err(t.type_error(msg.into()));
        }
        if !own_new {
            let msg = format!(
                "{}.__init__() takes exactly one argument (the instance to initialize)",
                ty.name()
            );
            return Err(t.type_error(msg));
        }
        return Ok(());
    }
    if own_new {
        return Err(t.type_error(
            "object.__new__() takes exactly one argument (the type to instantiate)".into(),
        ));
    }
    if !own_init {
        let msg = format!("{}() takes no arguments", ty.name());
        return Err(t.type_error(msg));
    }
    Ok(())
}

#[cold]
fn abstract_error(t: &mut Thread, ty: &Type) -> Raised {
    let mut names: Vec<String> = Vec::new();
    let set = ty
        .dict(t)
        .and_then(|d| d.get_str(t, crate::id!(t, "__abstractmethods__")))
        .map(|v| v.to_obj(t));
    if let Some(set) = set {
        match proto::to_vec(t, set.value()) {
            Ok(v) => names.extend(
                v.iter()
                    .filter_map(|o| Str::of(o.value()))
                    .map(|s| format!("'{}'", s.to_string_lossy())),
            ),
            Err(e) => return e,
        }
    }
    names.sort();
    let s = if names.len() == 1 { "" } else { "s" };
    let msg = format!(
        "Can't instantiate abstract class {} without an implementation for abstract method{s} {}",
        ty.name(),
        names.join(", ")
    );
    t.type_error(msg)
}

/// `object.__init__`.
pub fn object_init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    if args.all().is_empty() {
        Ok(())
    } else {
        excess_args(t, type_of(v), true)
    }
}

fn object_repr(t: &mut Thread, v: Value) -> Res {
    let name = type_of(v).full_name(t);
    Ok(Str::new(
        t,
        &format!("<{name} object at {:#x}>", crate::proto::address(v)),
    )
    .into())
}

fn object_str(t: &mut Thread, v: Value) -> Res {
    proto::repr(t, v).map(Obj::into_value)
}

fn object_hash(_t: &mut Thread, v: Value) -> Res<i64> {
    Ok(proto::identity_hash(v))
}

/// Whether objects of the type are equal to themselves alone, as `object` says.
#[inline]
pub fn compares_identity(ty: &Type) -> bool {
    ty.slots.compare.get().map(|f| f as usize) == Some(object_compare as *const () as usize)
}

/// Whether objects of the type are hashed by their identity, as `object` says.
#[inline]
pub fn hashes_identity(ty: &Type) -> bool {
    ty.slots.hash.get().map(|f| f as usize) == Some(object_hash as *const () as usize)
}

fn object_compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    match op {
        CmpOp::Eq => Ok(if a.same(b) {
            Value::TRUE
        } else {
            Value::NOT_IMPLEMENTED
        }),
        CmpOp::Ne => {
            // The inverse of `__eq__`, unless that has no answer.
            let Some(f) = type_of(a).slots.compare.get() else {
                return Ok(Value::NOT_IMPLEMENTED);
            };
            let r = f(t, a, b, CmpOp::Eq)?;
            if r == Value::NOT_IMPLEMENTED {
                return Ok(r);
            }
            let r = Obj::own(r);
            Ok(Value::bool(!proto::truth(t, r.value())?))
        }
        _ => Ok(Value::NOT_IMPLEMENTED),
    }
}

fn object_format(t: &mut Thread, a: &[Value]) -> Res {
    let Some(spec) = Str::of(a[1]) else {
        let msg = format!(
            "__format__() argument must be str, not {}",
            type_of(a[1]).name()
        );
        return Err(t.type_error(msg));
    };
    if !spec.is_empty() {
        let msg = format!(
            "unsupported format string passed to {}.__format__",
            type_of(a[0]).name()
        );
        return Err(t.type_error(msg));
    }
    proto::str(t, a[0]).map(Obj::into_value)
}

fn object_sizeof(_t: &mut Thread, a: &[Value]) -> Res {
    let ty = type_of(a[0]);
    let slots = match ty.has(tf::INLINE) && a[0].is_ptr() {
        true => SLOTS_OFFSET + 8 * usize::from(Instance::of_unchecked(a[0]).cap.load(Relaxed)),
        false => 0,
    };
    let fixed = ty.head.basic_size.load(Relaxed) as usize;
    Ok(Value::int(fixed.max(slots) as i64))
}

fn object_reduce(t: &mut Thread, a: &[Value]) -> Res {
    reduce(t, a[0], 0)
}

fn object_reduce_ex(t: &mut Thread, a: &[Value]) -> Res {
    let protocol = proto::index_i64(t, a[1])?;
    let name = crate::id!(t, "__reduce__");
    let own = type_of(a[0]).lookup(t, name).map(|v| v.value());
    let base = OBJECT.lookup(t, name).map(|v| v.value());
    if own != base {
        let f = proto::get_attr(t, a[0], name)?;
        return proto::call(t, f.value(), &[]).map(Obj::into_value);
    }
    reduce(t, a[0], protocol)
}

/// `copyreg` holds the rules.
fn reduce(t: &mut Thread, v: Value, protocol: i64) -> Res {
    let copyreg = crate::runtime::import(t, "copyreg")?;
    if protocol < 2 {
        let f = proto::get_attr(t, copyreg.value(), crate::id!(t, "_reduce_ex"))?;
        return proto::call(t, f.value(), &[v, Value::int(protocol)]).map(Obj::into_value);
    }
    crate::type_new::reduce_2(t, copyreg, v)
}

fn object_getstate(t: &mut Thread, a: &[Value]) -> Res {
    crate::type_new::default_getstate(t, a[0], false)
}

fn object_dir(t: &mut Thread, a: &[Value]) -> Res {
    crate::type_new::object_dir(t, a[0])
}

fn object_init_subclass(_t: &mut Thread, _a: &[Value]) -> Res {
    Ok(Value::NONE)
}

fn object_subclasshook(_t: &mut Thread, _a: &[Value]) -> Res {
    Ok(Value::NOT_IMPLEMENTED)
}

fn get_class(t: &mut Thread, v: Value) -> Res {
    Ok(to_reg(t, type_of(v).value()))
}

fn set_class(t: &mut Thread, v: Value, cls: Value) -> Res<()> {
    crate::type_new::set_class(t, v, cls)
}

pub(crate) static OBJECT_SPEC: Spec = Spec {
    new: Some(object_new),
    init: Some(object_init),
    repr: Some(object_repr),
    str: Some(object_str),
    hash: Some(object_hash),
    compare: Some(object_compare),
    get_attr: Some(generic_get_attr),
    set_attr: Some(generic_set_attr),
    methods: &[
        NativeDef::new("__format__", "($self, format_spec, /)", object_format)
            .doc("Default object formatter."),
        NativeDef::new("__sizeof__", "($self, /)", object_sizeof)
            .doc("Size of object in memory, in bytes."),
        NativeDef::new("__reduce__", "($self, /)", object_reduce).doc("Helper for pickle."),
        NativeDef::new("__reduce_ex__", "($self, protocol, /)", object_reduce_ex)
            .doc("Helper for pickle."),
        NativeDef::new("__getstate__", "($self, /)", object_getstate).doc("Helper for pickle."),
        NativeDef::new("__dir__", "($self, /)", object_dir).doc("Default dir() implementation."),
        NativeDef::class("__init_subclass__", "($type, /)", object_init_subclass),
        NativeDef::class(
            "__subclasshook__",
            "($type, subclass, /)",
            object_subclasshook,
        ),
    ],
    getset: &[GetSetDef::rw("__class__", get_class, set_class)],
    ..Spec::EMPTY
};
