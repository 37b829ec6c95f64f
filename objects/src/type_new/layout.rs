//! What instances of a class look like: `__slots__`, the dict, finalizers, and whether one layout may stand for another.
//!
//! Classes that add only a dict to `object` are INLINE: see [`crate::instance`]. In all others, what a class adds to the built-in
//! type it derives from are slots, one after the other, up to the class's size: so one function traverses all of them.

use crate::cell::counted;
use crate::instance::{self, DICT_OFFSET, Instance, MAX_SLOTS, SLOTS_OFFSET};
use crate::prelude::*;
use crate::types::{OBJECT, type_flags as tf};
use std::sync::atomic::{AtomicPtr, Ordering::*};
use weft_gc::TypeFlags;

/// Size of one added word.
const WORD: u32 = size_of::<Slot>() as u32;
/// Least and greatest number of inline slots that a class starts with.
const SLOTS: std::ops::RangeInclusive<u16> = 2..=30;
/// So many attributes that some more slots are little beside them.
const MANY: usize = 6;

type Traverse = unsafe fn(*const Header, &mut dyn FnMut(Value));
type Clear = unsafe fn(*mut Header, &Thread);

/// What a class adds to its base.
pub(super) struct Layout {
    add_dict: bool,
    add_weak: bool,
    inline: bool,
    no_weakrefs: bool,
    /// Names, mangled and sorted.
    members: Vec<Obj>,
    first_member: u32,
    size: u32,
    dict_offset: u32,
}

/// The built-in type that a class derives its layout from.
pub(super) fn static_base(ty: &Type) -> &Type {
    match ty.static_base {
        Some(b) if ty.is_heap() => b,
        _ => ty,
    }
}

/// Whether weak references to instances were possible if a heap type inherited from `ty` without adding to it.
pub(super) fn has_weakrefs(ty: &Type) -> bool {
    ty.is_heap() && !ty.has(tf::NO_WEAKREF) || crate::weakref::is_referable(static_base(ty))
}

fn has_dict(ty: &Type) -> bool {
    ty.dict_offset.load(Relaxed) != 0 || ty.has(tf::TYPE_SUBCLASS)
}

/// Reads `__slots__` and lays the instances out.
pub(super) fn plan(
    t: &mut Thread,
    name: Value,
    base: &Type,
    bases: &Obj,
    dict: &Obj,
) -> Res<Layout> {
    let may_dict = !has_dict(base);
    let may_weak = !has_weakrefs(base);
    let (mut add_dict, mut add_weak) = (may_dict, may_weak);
    let mut members = Vec::new();
    let slots = Dict::of_obj(dict)
        .get_str(t, crate::id!(t, "__slots__"))
        .map(|v| v.to_obj(t));
    if let Some(slots) = slots {
        (add_dict, add_weak) = (false, false);
        let names = slot_names(t, slots)?;
        if !names.is_empty() && base.has(tf::VAR_SIZED | tf::TYPE_SUBCLASS) {
            let msg = format!(
                "nonempty __slots__ not supported for subtype of '{}'",
                super::c_name(t, base)
            );
            return Err(t.type_error(msg));
        }
        for n in names {
            let text = checked_slot(t, n.value())?;
            match text.as_bytes() {
                b"__dict__" if !may_dict || add_dict => {
                    return Err(t.type_error("__dict__ slot disallowed: we already got one".into()));
                }
                b"__weakref__" if !may_weak || add_weak => {
                    return Err(
                        t.type_error("__weakref__ slot disallowed: we already got one".into())
                    );
                }
                b"__dict__" => add_dict = true,
                b"__weakref__" => add_weak = true,
                _ => members.push(member_name(t, name, n, Dict::of_obj(dict))?),
            }
        }
        // A base other than the best one may still bring a dict.
        for b in Tuple::this(bases.value())
            .values()
            .iter()
            .map(|b| Type::of_unchecked(*b))
            .filter(|b| !b.is(base))
        {
            add_dict |= may_dict && has_dict(b);
            add_weak |= may_weak && has_weakrefs(b);
        }
        members.sort_by(|a, b| {
            Str::this(a.value())
                .as_bytes()
                .cmp(Str::this(b.value()).as_bytes())
        });
    }
    Ok(lay_out(base, add_dict, add_weak, may_weak, members))
}

fn lay_out(
    base: &Type,
    add_dict: bool,
    add_weak: bool,
    may_weak: bool,
    members: Vec<Obj>,
) -> Layout {
    let base_size = base.head.basic_size.load(Relaxed).next_multiple_of(WORD);
    let plain = base_size == OBJECT.head.basic_size.load(Relaxed) && static_base(base).is(&OBJECT);
    let inline = members.is_empty() && (base.has(tf::INLINE) || (plain && add_dict));
    let no_weakrefs = may_weak && !add_weak;
    let mut layout = Layout {
        add_dict,
        add_weak,
        inline,
        no_weakrefs,
        members,
        first_member: 0,
        size: SLOTS_OFFSET as u32,
        dict_offset: DICT_OFFSET as u32,
    };
    if !inline {
        layout.dict_offset = base.dict_offset.load(Relaxed);
        layout.size = base_size;
        if add_dict {
            layout.dict_offset = layout.size;
            layout.size += WORD;
        }
        layout.first_member = layout.size;
        layout.size += WORD * layout.members.len() as u32;
    }
    layout
}

fn slot_names(t: &mut Thread, slots: Obj) -> Res<Vec<Obj>> {
    if Str::of(slots.value()).is_some() {
        Ok(vec![slots])
    } else {
        proto::to_vec(t, slots.value())
    }
}

fn checked_slot<'a>(t: &Thread, name: Value) -> Res<&'a Str> {
    let Some(s) = Str::of(name) else {
        let msg = format!(
            "__slots__ items must be strings, not '{}'",
            type_of(name).name()
        );
        return Err(t.type_error(msg));
    };
    if !crate::text::case::is_identifier(s.text()) {
        return Err(t.type_error("__slots__ must be identifiers".into()));
    }
    Ok(s)
}

/// The mangled name of a member, interned; ValueError if the class body has used it.
fn member_name(t: &mut Thread, class: Value, name: Obj, dict: &Dict) -> Res<Obj> {
    let mangled = mangle(t, class, name);
    let key = Str::this(mangled.value());
    if dict.get_str(t, key).is_some()
        && !matches!(
            key.as_bytes(),
            b"__qualname__" | b"__classcell__" | b"__classdictcell__"
        )
    {
        let shown = proto::repr(t, mangled.value())?;
        let shown = Str::of(shown.value()).map_or_else(String::new, Str::to_string_lossy);
        return Err(t.value_error(format!(
            "{shown} in __slots__ conflicts with class variable"
        )));
    }
    Ok(mangled)
}

/// `__x` in class `_C` is `_C__x`.
fn mangle(t: &Thread, class: Value, name: Obj) -> Obj {
    let class = Str::of(class).map_or(&b""[..], Str::as_bytes);
    let class = &class[class.iter().take_while(|b| **b == b'_').count()..];
    let text = Str::this(name.value()).as_bytes();
    if !text.starts_with(b"__") || text.ends_with(b"__") || class.is_empty() {
        return Str::intern_obj(t, name);
    }
    let whole = [b"_", class, text].concat();
    Str::intern_obj(t, Str::from_vec(t, whole))
}

/// Writes the layout into a new class.
pub(super) fn apply(made: &Obj, base: &Type, layout: &Layout) {
    let p = made.value().ptr() as *mut Type;
    let below = static_base(base);
    let ty = Type::of_unchecked(made.value());
    let mut flags = tf::HEAP | tf::BASE;
    if layout.inline {
        flags |= tf::INLINE;
    }
    if layout.no_weakrefs {
        flags |= tf::NO_WEAKREF;
    }
    if !layout.members.is_empty() {
        flags |= tf::SOLID;
    }
    ty.flags.store(flags, Relaxed);
    ty.dict_offset.store(layout.dict_offset, Relaxed);
    ty.head.basic_size.store(layout.size, Relaxed);
    let added = layout.size > below.head.basic_size.load(Relaxed).next_multiple_of(WORD);
    let mut gc_flags = below.head.gc_flags.load(Relaxed);
    let (traverse, clear): (Option<Traverse>, Option<Clear>) = if layout.inline {
        (Some(instance::traverse), Some(instance::clear))
    } else if added {
        (Some(traverse_added), Some(clear_added))
    } else {
        (below.head.traverse, below.head.clear)
    };
    if added {
        gc_flags |= TypeFlags::CONTAINER;
    }
    ty.head.gc_flags.store(gc_flags, Relaxed);
    // SAFETY: the class is new and known to nobody else; a built-in type lives for ever.
    unsafe {
        (&raw mut (*p).static_base).write(Some(&*(below as *const Type)));
        (&raw mut (*p).head.traverse).write(traverse);
        (&raw mut (*p).head.clear).write(clear);
    }
}

/// Puts the descriptors for what the class adds into its dict.
pub(super) fn add_descriptors(t: &Thread, ty: &Type, layout: &Layout) {
    let Some(d) = ty.dict(t) else { return };
    for (i, name) in layout.members.iter().enumerate() {
        let offset = layout.first_member + WORD * i as u32;
        let m = crate::descr::new_member_obj(t, name.clone(), offset as usize, false, false, ty);
        d.set_str(t, Str::this(name.value()), m.value());
    }
    for (add, def) in [(layout.add_dict, &DICT), (layout.add_weak, &WEAKREF)] {
        let name = crate::names::get(t, def.name);
        if add && d.get_str(t, name).is_none() {
            let g = crate::descr::new_getset(t, def, ty);
            d.set_str(t, name, g.value());
        }
    }
}

static DICT: GetSetDef = GetSetDef {
    name: "__dict__",
    get: crate::descr::get_dict,
    set: Some(crate::descr::set_dict),
    doc: "dictionary for instance variables",
};

static WEAKREF: GetSetDef = GetSetDef {
    name: "__weakref__",
    get: first_weakref,
    set: None,
    doc: "list of weak references to the object",
};

fn first_weakref(t: &mut Thread, v: Value) -> Res {
    // SAFETY: `v` is an instance of a heap type, not an immediate.
    let h = unsafe { v.header() };
    Ok(weft_gc::weak::refs_of(t, h)
        .into_iter()
        .next()
        .map_or(Value::NONE, Obj::into_value))
}

/// The words that heap types have added to the layout of the built-in type below.
///
/// # Safety
/// `h` is an instance of a heap type that is not INLINE.
unsafe fn added<'a>(h: *const Header) -> (&'a [Slot], &'a Type) {
    // SAFETY: the type's memory stays until all that die with it are cleared; the words between the two sizes are slots.
    unsafe {
        let ty = &*((*h).ty() as *const weft_gc::TypeHead as *const Type);
        let below = static_base(ty);
        let start = below.head.basic_size.load(Relaxed).next_multiple_of(WORD) as usize;
        let end = ty.head.basic_size.load(Relaxed) as usize;
        let first = (h as *const u8).add(start) as *const Slot;
        (
            std::slice::from_raw_parts(first, (end - start) / size_of::<Slot>()),
            below,
        )
    }
}

unsafe fn traverse_added(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: only classes with added words have this function.
    let (words, below) = unsafe { added(h) };
    words.iter().for_each(|s| f(s.get()));
    if let Some(traverse) = below.head.traverse {
        // SAFETY: the object starts with that type's layout.
        unsafe { traverse(h, f) };
    }
}

unsafe fn clear_added(h: *mut Header, t: &Thread) {
    // SAFETY: as in `traverse_added`.
    let (words, below) = unsafe { added(h) };
    words.iter().for_each(|s| t.drop_value(s.take_local()));
    if let Some(clear) = below.head.clear {
        // SAFETY: the object starts with that type's layout.
        unsafe { clear(h, t) };
    }
}

/// How many inline slots new instances get: one for each attribute that methods of the class and its bases assign, an even number, as
/// blocks are sized so; where there are many, some more, for attributes that others assign: the first instance to run out of slots, often
/// the only one that there is, keeps its attributes in a dict.
pub(super) fn inline_slots(t: &Thread, ty: &Type) -> u16 {
    let key = crate::id!(t, "__static_attributes__");
    let mut names: Vec<u64> = Vec::new();
    let mut least = 0;
    for c in ty.mro_tuple().map_or(&[][..], |m| m.values()) {
        let c = Type::of_unchecked(*c);
        least = least.max(c.inline_slots.load(Relaxed));
        let Some(own) = c.dict(t).and_then(|d| d.get_str(t, key)) else {
            continue;
        };
        for name in Tuple::of(own.value()).map_or(&[][..], |x| x.values()) {
            if !names.contains(&name.bare().0) {
                names.push(name.bare().0);
            }
        }
    }
    let more = if names.len() >= MANY { 2 } else { 0 };
    ((names.len() + more).min(MAX_SLOTS) as u16)
        .max(least)
        .clamp(*SLOTS.start(), *SLOTS.end())
        .next_multiple_of(2)
}

unsafe fn always(_h: *const Header) -> bool {
    true
}

/// Brings what memory management knows of the class's finalizer up to date: after `__del__` has changed.
pub fn note_finalizer(ty: &Type) {
    let below = static_base(ty);
    let finalize = |ty: &Type| ty.slots.finalize.get().map(|f| f as usize);
    let f: Option<unsafe fn(*const Header) -> bool> = if finalize(ty) == finalize(below) {
        below.head.has_finalizer
    } else if ty.slots.finalize.is_set() {
        Some(always)
    } else {
        None
    };
    let p = ty.value().ptr() as *mut Type;
    // SAFETY: the field is of pointer size; the class may be in use, so it is stored whole.
    unsafe {
        let field = AtomicPtr::from_ptr((&raw mut (*p).head.has_finalizer).cast::<*mut ()>());
        field.store(f.map_or(std::ptr::null_mut(), |f| f as *mut ()), Release);
    }
}

// --- one layout for another ---

/// Whether the class adds nothing to its base's layout.
fn adds_nothing(c: &Type, base: &Type) -> bool {
    c.head.basic_size.load(Relaxed) == base.head.basic_size.load(Relaxed)
        && c.dict_offset.load(Relaxed) == base.dict_offset.load(Relaxed)
        && c.has(tf::INLINE) == base.has(tf::INLINE)
        && (c.has(tf::NO_WEAKREF) == base.has(tf::NO_WEAKREF)
            && (base.is_heap() || has_weakrefs(c) == has_weakrefs(base)))
}

/// The class nearest to the root with the same layout.
fn layout_root(ty: &Type) -> &Type {
    let mut c = ty;
    while let Some(b) = c.base_type() {
        if !adds_nothing(c, b) {
            break;
        }
        c = b;
    }
    c
}

/// The names of the members that the class itself has.
fn own_members(t: &Thread, ty: &Type) -> Vec<u64> {
    let mut names: Vec<(u32, u64)> = Vec::new();
    for (_, v) in ty.dict(t).map(|d| d.items(t)).unwrap_or_default() {
        if let Some(m) = crate::descr::MemberDescr::of(v.value())
            && m.owner.get().same(ty.value())
        {
            names.push((m.offset, m.name.get().bare().0));
        }
    }
    names.sort_unstable();
    names.into_iter().map(|n| n.1).collect()
}

fn compatible(t: &Thread, new: &Type, old: &Type) -> bool {
    let (a, b) = (layout_root(new), layout_root(old));
    if a.is(b) {
        return true;
    }
    let same = |f: u32| a.has(f) == b.has(f);
    let same_base = match (a.base_type(), b.base_type()) {
        (Some(x), Some(y)) => x.is(y),
        _ => false,
    };
    a.is_heap()
        && b.is_heap()
        && same_base
        && same(tf::INLINE)
        && same(tf::NO_WEAKREF)
        && a.head.basic_size.load(Relaxed) == b.head.basic_size.load(Relaxed)
        && a.dict_offset.load(Relaxed) == b.dict_offset.load(Relaxed)
        && own_members(t, a) == own_members(t, b)
}

/// TypeError unless instances of `old` could be instances of `new`.
pub(super) fn check_compatible(t: &Thread, new: &Type, old: &Type, what: &str) -> Res<()> {
    if compatible(t, new, old) {
        return Ok(());
    }
    let (n, o) = (super::c_name(t, new), super::c_name(t, old));
    Err(t.type_error(format!(
        "{what} assignment: '{n}' object layout differs from '{o}'"
    )))
}

/// Assignment to `__class__`.
///
/// # Errors
/// TypeError if the classes' layouts differ, or one of them is built in (modules excepted).
pub fn set_class(t: &mut Thread, v: Value, cls: Value) -> Res<()> {
    if cls.is_null() {
        return Err(t.type_error("can't delete __class__ attribute".into()));
    }
    let Some(new) = Type::of(cls) else {
        let msg = format!(
            "__class__ must be set to a class, not '{}' object",
            type_of(cls).name()
        );
        return Err(t.type_error(msg));
    };
    let name = crate::id!(t, "__class__").value();
    crate::audit::tell(t, "object.__setattr__", &[v, name, cls])?;
    let old = type_of(v);
    let module = |ty: &Type| ty.is_subtype(&crate::module::MODULE);
    if (new.has(tf::IMMUTABLE) || old.has(tf::IMMUTABLE)) && !(module(new) && module(old)) {
        return Err(t.type_error(
            "__class__ assignment only supported for mutable types or ModuleType subclasses".into(),
        ));
    }
    if new.is(old) {
        return Ok(());
    }
    check_compatible(t, new, old, "__class__")?;
    if new.has(tf::HAS_DESCR_SET) && !old.has(tf::HAS_DESCR_SET) {
        crate::site_cache::forget_slots(t);
    }
    if new.has(tf::INLINE) {
        // Its shape belongs to the old class.
        drop(Instance::of_unchecked(v).dict_obj(t));
    }
    // SAFETY: an instance of a class that allows assignment is a heap object.
    let h = unsafe { v.header() };
    if !h.is_local(t) {
        weft_gc::share(t, cls);
    }
    let change = || {
        if new.has(tf::INLINE) {
            Instance::of_unchecked(v).shape.store(0, Release);
        }
        h.ty.store(&raw const new.head as *mut _, Release);
    };
    if weft_gc::multithreaded() {
        let peer = t.peer().clone();
        weft_gc::world().stop(&peer, |_| change());
    } else {
        change();
    }
    Ok(())
}

/// The instance's attributes in a dict of their own; `None` if it has none. Leaves inline slots as they are.
pub(super) fn attributes(t: &Thread, v: Value) -> Option<Obj> {
    let slot = instance::dict_slot(v)?;
    let o = type_of(v)
        .has(tf::INLINE)
        .then(|| Instance::of_unchecked(v))
        .filter(|o| o.is_inline());
    if let Some(o) = o {
        let _guard = lock(t, &o.header);
        if o.is_inline() {
            let shape = crate::shape::Shape::by_id(o.shape.load(Acquire));
            let made = Dict::with_capacity(t, shape.len as usize);
            for (i, name) in shape.names().into_iter().enumerate() {
                let held = o.slot(i).get();
                if !held.is_null() {
                    Dict::of_obj(&made).set_str(t, Str::this(name), held);
                }
            }
            return Some(made).filter(|d| !Dict::of_obj(d).is_empty());
        }
    }
    let d = slot.get();
    let full = Dict::of(d).is_some_and(|d| !d.is_empty());
    full.then(|| Obj::from_raw(counted(t, d).bare()))
}
