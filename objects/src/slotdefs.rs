//! The correspondence of slots and special methods: wrappers that let Python call the slots of built-in types, and slot functions
//! that call the special methods of Python classes.

use crate::native::Sig;
use crate::prelude::*;
use crate::slots::{self, BIN_OPS, SlotFn, Slots};

/// One special method and the slot behind it.
pub struct SlotDef {
    pub name: &'static str,
    pub sig: Sig,
    /// The slot's word in a table, to compare and copy.
    get: fn(&Slots) -> *const (),
    /// Sets the slot to the function that calls the special method, or to this raw function, or empties it.
    set: fn(&Slots, SetTo),
    /// Calls the raw slot function with the arguments that Python gave (`self` first).
    wrap: fn(&mut Thread, *const (), &[Value]) -> Res,
}

#[derive(Clone, Copy)]
enum SetTo {
    Generic,
    Raw(*const ()),
    Nothing,
}

fn raw<F: Copy>(s: &SlotFn<F>) -> *const () {
    s.get().map_or(std::ptr::null(), |f| {
        // SAFETY: slot functions are of pointer size.
        unsafe { std::mem::transmute_copy::<F, *const ()>(&f) }
    })
}

fn put<F: Copy>(s: &SlotFn<F>, to: SetTo, generic: F) {
    match to {
        SetTo::Generic => s.set(Some(generic)),
        // SAFETY: `p` was read from the same slot of another table.
        SetTo::Raw(p) => s.set(Some(unsafe {
            std::mem::transmute_copy::<*const (), F>(&p)
        })),
        SetTo::Nothing => s.set(None),
    }
}

/// A raw slot function as its real type.
unsafe fn func<F: Copy>(p: *const ()) -> F {
    // SAFETY: the caller knows which slot `p` came from.
    unsafe { std::mem::transmute_copy::<*const (), F>(&p) }
}

/// Calls the special method `name` of `v`'s class if that is a function written in Python, the usual case.
#[inline]
fn python_special(t: &mut Thread, v: Value, name: &Str, args: &[Value]) -> Option<Res> {
    let f = type_of(v).lookup(t, name)?.value();
    if args.len() > 2 || !type_of(f).is(&crate::function::FUNCTION) {
        return None;
    }
    let mut all = [v, Value::NULL, Value::NULL];
    all[1..=args.len()].copy_from_slice(args);
    // The interpreter holds the function from the start.
    Some((crate::function::hooks().call)(
        t,
        f,
        Args::positional(&all[..=args.len()]),
    ))
}

/// Calls the special method `name` of `v`'s class. `Err` when there is none: TypeError with CPython's words is up to the caller.
fn special(t: &mut Thread, v: Value, name: &Str, args: &[Value]) -> Res<Option<Obj>> {
    if let Some(r) = python_special(t, v, name, args) {
        return r.map(|v| Some(Obj::own(v)));
    }
    let Some(f) = proto::lookup_special_raw(t, v, name)? else {
        return Ok(None);
    };
    f.call(t, args).map(Some)
}

fn must(t: &mut Thread, v: Value, name: &'static Str, args: &[Value]) -> Res<Obj> {
    match special(t, v, name, args)? {
        Some(o) => Ok(o),
        None => Err(t.attribute_error(v, name)),
    }
}

fn or_not_implemented(t: &mut Thread, v: Value, name: &'static Str, args: &[Value]) -> Res {
    Ok(special(t, v, name, args)?.map_or(Value::NOT_IMPLEMENTED, Obj::into_value))
}

macro_rules! unary_slots {
    ($($name:literal, $slot:ident, $generic:ident;)*) => {
        $(fn $generic(t: &mut Thread, v: Value) -> Res {
            let name = crate::id!(t, $name);
            must(t, v, name, &[]).map(Obj::into_value)
        })*
        const UNARY: &[SlotDef] = &[$(SlotDef {
            name: $name,
            sig: Sig::of("($self, /)"),
            get: |s| raw(&s.$slot),
            set: |s, to| put(&s.$slot, to, $generic as slots::UnaryFn),
            // SAFETY: `p` came from this slot.
            wrap: |t, p, a| unsafe { func::<slots::UnaryFn>(p)(t, a[0]) },
        }),*];
    };
}

unary_slots! {
    "__repr__", repr, slot_repr;
    "__str__", str, slot_str;
    "__iter__", iter, slot_iter;
    "__neg__", neg, slot_neg;
    "__pos__", pos, slot_pos;
    "__abs__", abs, slot_abs;
    "__invert__", invert, slot_invert;
    "__int__", int, slot_int;
    "__float__", float, slot_float;
    "__index__", index, slot_index;
    "__await__", await_, slot_await;
    "__aiter__", aiter, slot_aiter;
    "__anext__", anext, slot_anext;
}

macro_rules! compare_slots {
    ($($name:literal, $op:ident;)*) => {
        const COMPARE: &[SlotDef] = &[$(SlotDef {
            name: $name,
            sig: Sig::of("($self, value, /)"),
            get: |s| raw(&s.compare),
            set: |s, to| put(&s.compare, to, slot_compare as slots::CompareFn),
            // SAFETY: `p` came from this slot.
            wrap: |t, p, a| unsafe { func::<slots::CompareFn>(p)(t, a[0], a[1], CmpOp::$op) },
        }),*];
    };
}

compare_slots! {
    "__lt__", Lt; "__le__", Le; "__eq__", Eq; "__ne__", Ne; "__gt__", Gt; "__ge__", Ge;
}

fn slot_compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    let name = match op {
        CmpOp::Lt => crate::id!(t, "__lt__"),
        CmpOp::Le => crate::id!(t, "__le__"),
        CmpOp::Eq => crate::id!(t, "__eq__"),
        CmpOp::Ne => crate::id!(t, "__ne__"),
        CmpOp::Gt => crate::id!(t, "__gt__"),
        CmpOp::Ge => crate::id!(t, "__ge__"),
    };
    if let Some(r) = python_special(t, a, name, &[b]) {
        return r;
    }
    match proto::lookup_special_raw(t, a, name) {
        Ok(Some(f)) => f.call(t, &[b]).map(Obj::into_value),
        Ok(None) => Ok(Value::NOT_IMPLEMENTED),
        Err(e) if !t.exc_matches(&errors::ATTRIBUTE_ERROR) => Err(e),
        Err(_) => {
            t.clear_exc();
            Ok(Value::NOT_IMPLEMENTED)
        }
    }
}

/// The function of a Python class for binary operator `OP`.
fn slot_binary<const OP: u8>(t: &mut Thread, a: Value, b: Value) -> Res {
    let op = BinOp::ALL[OP as usize];
    let generic = slot_binary::<OP> as slots::BinaryFn as usize;
    let mine = |v: Value| {
        type_of(v).slots.binary[OP as usize]
            .get()
            .map(|f| f as usize)
            == Some(generic)
    };
    let (name, r_name, _) = op_names(t, op);
    let mut other = !type_of(a).is(type_of(b)) && mine(b);
    if mine(a) {
        if other && type_of(b).is_subtype(type_of(a)) && overloads(t, a, b, r_name) {
            let r = or_not_implemented(t, b, r_name, &[a])?;
            if r != Value::NOT_IMPLEMENTED {
                return Ok(r);
            }
            other = false;
        }
        let r = or_not_implemented(t, a, name, &[b])?;
        if r != Value::NOT_IMPLEMENTED || type_of(a).is(type_of(b)) {
            return Ok(r);
        }
    }
    if other {
        or_not_implemented(t, b, r_name, &[a])
    } else {
        Ok(Value::NOT_IMPLEMENTED)
    }
}

/// Whether `b`'s class has a reflected method other than the one that `a`'s has.
fn overloads(t: &Thread, a: Value, b: Value, name: &Str) -> bool {
    let x = type_of(a).lookup(t, name).map(|v| v.value());
    let y = type_of(b).lookup(t, name).map(|v| v.value());
    match (x, y) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(x), Some(y)) => !x.same(y),
    }
}

fn op_names(t: &Thread, op: BinOp) -> (&'static Str, &'static Str, &'static Str) {
    use std::sync::OnceLock;
    static NAMES: [OnceLock<(usize, usize, usize)>; BIN_OPS] = [const { OnceLock::new() }; BIN_OPS];
    let (a, b, c) = NAMES[op as usize].get_or_init(|| {
        let named = |prefix: &str| {
            crate::names::get(t, &format!("__{prefix}{}__", op.stem())) as *const Str as usize
        };
        (named(""), named("r"), named("i"))
    });
    // SAFETY: interned names live for ever.
    unsafe {
        (
            &*(*a as *const Str),
            &*(*b as *const Str),
            &*(*c as *const Str),
        )
    }
}

fn slot_in_place<const OP: u8>(t: &mut Thread, a: Value, b: Value) -> Res {
    let (_, _, name) = op_names(t, BinOp::ALL[OP as usize]);
    or_not_implemented(t, a, name, &[b])
}

/// What `__add__` and the like take: `__pow__` alone may be given a modulus.
const fn operand_sig(op: BinOp) -> Sig {
    match op {
        BinOp::Pow => Sig::of("($self, value, mod=None, /)"),
        _ => Sig::of("($self, value, /)"),
    }
}

/// Calls a binary slot that `this` has or inherits; with a modulus, what that class has for three operands.
///
/// # Safety
/// `p` came from such a slot.
#[inline]
unsafe fn wrapped_binary(
    t: &mut Thread,
    p: *const (),
    this: Value,
    [a, b]: [Value; 2],
    modulus: Option<&Value>,
) -> Res {
    if let Some(&m) = modulus.filter(|m| !m.is_none() && !m.is_null()) {
        return match ternary_beside(p, type_of(this)) {
            Some(f) => f(t, a, b, m),
            None => Ok(Value::NOT_IMPLEMENTED),
        };
    }
    // SAFETY: the caller's promise.
    unsafe { func::<slots::BinaryFn>(p)(t, a, b) }
}

/// `pow` of three operands as the built-in class has it whose `**` is `p`: `ty` or a base.
#[cold]
fn ternary_beside(p: *const (), ty: &Type) -> Option<slots::TernaryFn> {
    ty.mro_tuple()?.values().iter().find_map(|base| {
        let base = Type::of_unchecked(*base);
        let f = base.slots.pow3.get()?;
        let own = std::ptr::fn_addr_eq(f, slot_pow3 as slots::TernaryFn);
        (!own && raw(&base.slots.binary[BinOp::Pow as usize]) == p).then_some(f)
    })
}

macro_rules! binary_slots {
    ($($name:literal, $rname:literal, $iname:literal, $op:ident;)*) => {
        const BINARY: &[SlotDef] = &[$(SlotDef {
            name: $name,
            sig: operand_sig(BinOp::$op),
            get: |s| raw(&s.binary[BinOp::$op as usize]),
            set: |s, to| put(&s.binary[BinOp::$op as usize], to, slot_binary::<{ BinOp::$op as u8 }> as slots::BinaryFn),
            // SAFETY: `p` came from this slot.
            wrap: |t, p, a| unsafe { wrapped_binary(t, p, a[0], [a[0], a[1]], a.get(2)) },
        }, SlotDef {
            name: $rname,
            sig: operand_sig(BinOp::$op),
            get: |s| raw(&s.binary[BinOp::$op as usize]),
            set: |s, to| put(&s.binary[BinOp::$op as usize], to, slot_binary::<{ BinOp::$op as u8 }> as slots::BinaryFn),
            // SAFETY: `p` came from this slot.
            wrap: |t, p, a| unsafe { wrapped_binary(t, p, a[0], [a[1], a[0]], a.get(2)) },
        }),*];
        const IN_PLACE: &[SlotDef] = &[$(SlotDef {
            name: $iname,
            sig: Sig::of("($self, value, /)"),
            get: |s| raw(&s.in_place[BinOp::$op as usize]),
            set: |s, to| put(&s.in_place[BinOp::$op as usize], to, slot_in_place::<{ BinOp::$op as u8 }> as slots::BinaryFn),
            // SAFETY: `p` came from this slot.
            wrap: |t, p, a| unsafe { func::<slots::BinaryFn>(p)(t, a[0], a[1]) },
        }),*];
    };
}

binary_slots! {
    "__add__", "__radd__", "__iadd__", Add;
    "__sub__", "__rsub__", "__isub__", Sub;
    "__mul__", "__rmul__", "__imul__", Mul;
    "__truediv__", "__rtruediv__", "__itruediv__", TrueDiv;
    "__floordiv__", "__rfloordiv__", "__ifloordiv__", FloorDiv;
    "__mod__", "__rmod__", "__imod__", Mod;
    "__pow__", "__rpow__", "__ipow__", Pow;
    "__lshift__", "__rlshift__", "__ilshift__", LShift;
    "__rshift__", "__rrshift__", "__irshift__", RShift;
    "__and__", "__rand__", "__iand__", And;
    "__or__", "__ror__", "__ior__", Or;
    "__xor__", "__rxor__", "__ixor__", Xor;
    "__matmul__", "__rmatmul__", "__imatmul__", MatMul;
    "__divmod__", "__rdivmod__", "__idivmod__", DivMod;
}

fn slot_hash(t: &mut Thread, v: Value) -> Res<i64> {
    let name = crate::id!(t, "__hash__");
    match special(t, v, name, &[])? {
        None => crate::proto::hash_not_implemented(t, v),
        Some(o) => {
            let Some(i) = crate::int::to_bigint(o.value()) else {
                return Err(t.type_error("__hash__ method should return an integer".into()));
            };
            let h = match crate::int::as_i64(o.value()) {
                Some(i) => i,
                None => crate::text::hash::hash_bigint(&i),
            };
            Ok(if h == -1 { -2 } else { h })
        }
    }
}

fn slot_call(t: &mut Thread, v: Value, args: Args<'_>) -> Res {
    let name = crate::id!(t, "__call__");
    match proto::lookup_special_raw(t, v, name)? {
        Some(f) => f.call_args(t, args).map(Obj::into_value),
        None => Err(proto::not_callable(t, v)),
    }
}

/// An AttributeError that a program raised without saying what is missing is told.
#[cold]
fn note_missing(t: &Thread, v: Value, name: Value) {
    if let Some(name) = Str::of(name) {
        errors::note_attribute(t, v, &name.to_string_lossy());
    }
}

fn slot_get_attr(t: &mut Thread, v: Value, name: Value) -> Res {
    let get = crate::id!(t, "__getattribute__");
    let hook = crate::id!(t, "__getattr__");
    let own = type_of(v).lookup(t, get).map(|d| d.value());
    let is_object = own
        .and_then(WrapperDescr::of)
        .is_some_and(|w| w.raw == generic_get_attr_ptr());
    let first = if is_object {
        match crate::instance::generic_get_attr_opt(t, v, name) {
            Ok(Some(v)) => return Ok(v),
            Ok(None) => None,
            Err(e) => Some(e),
        }
    } else {
        match must(t, v, get, &[name]) {
            Ok(o) => return Ok(o.into()),
            Err(e) => Some(e),
        }
    };
    let has_hook = type_of(v).lookup(t, hook).is_some();
    match first {
        Some(e) => {
            if !has_hook || !t.exc_matches(&errors::ATTRIBUTE_ERROR) {
                note_missing(t, v, name);
                return Err(e);
            }
            t.clear_exc();
        }
        None if !has_hook => {
            let Some(name) = Str::of(name) else {
                return Err(t.type_error("attribute name must be string".into()));
            };
            return Err(t.attribute_error(v, name));
        }
        None => {}
    }
    match must(t, v, hook, &[name]) {
        Ok(o) => Ok(o.into_value()),
        Err(e) => {
            note_missing(t, v, name);
            Err(e)
        }
    }
}

fn generic_get_attr_ptr() -> *const () {
    crate::instance::generic_get_attr as slots::GetAttrFn as *const ()
}

fn slot_set_attr(t: &mut Thread, v: Value, name: Value, value: Value) -> Res<()> {
    if value.is_null() {
        let del = crate::id!(t, "__delattr__");
        return must(t, v, del, &[name]).map(drop);
    }
    let set = crate::id!(t, "__setattr__");
    must(t, v, set, &[name, value]).map(drop)
}

/// StopIteration is left for the caller: it may carry the result of what is delegated to.
fn slot_iter_next(t: &mut Thread, v: Value) -> Res {
    let name = crate::id!(t, "__next__");
    must(t, v, name, &[]).map(Obj::into_value)
}

fn slot_descr_get(t: &mut Thread, d: Value, obj: Value, ty: Value) -> Res {
    let name = crate::id!(t, "__get__");
    let none = |v: Value| if v.is_null() { Value::NONE } else { v };
    match special(t, d, name, &[none(obj), none(ty)])? {
        Some(o) => Ok(o.into()),
        None => Ok(Obj::new(t, d).into()),
    }
}

fn slot_descr_set(t: &mut Thread, d: Value, obj: Value, value: Value) -> Res<()> {
    if value.is_null() {
        let name = crate::id!(t, "__delete__");
        return must(t, d, name, &[obj]).map(drop);
    }
    let name = crate::id!(t, "__set__");
    must(t, d, name, &[obj, value]).map(drop)
}

fn slot_init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    let name = crate::id!(t, "__init__");
    let Some(f) = proto::lookup_special_raw(t, v, name)? else {
        return Ok(());
    };
    let r = f.call_args(t, args)?;
    if !r.value().is_none() {
        let msg = format!(
            "__init__() should return None, not '{}'",
            type_of(r.value()).name()
        );
        return Err(t.type_error(msg));
    }
    Ok(())
}

fn slot_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let name = crate::id!(t, "__new__");
    let f = proto::get_attr(t, cls, name)?;
    let mut all = vec![cls];
    all.extend_from_slice(args.all());
    proto::call_kw(t, f.value(), Args::new(&all, args.names())).map(Obj::into_value)
}

fn slot_finalize(t: &mut Thread, v: Value) -> Res<()> {
    let name = crate::id!(t, "__del__");
    special(t, v, name, &[]).map(drop)
}

fn slot_len(t: &mut Thread, v: Value) -> Res<usize> {
    let name = crate::id!(t, "__len__");
    let o = must(t, v, name, &[])?;
    let i = proto::index(t, o.value())?;
    match crate::int::as_i64(i.value()) {
        Some(n) if n >= 0 => Ok(n as usize),
        Some(_) => Err(t.value_error("__len__() should return >= 0")),
        None if crate::int::to_bigint(i.value())
            .is_some_and(|b| b.sign() == num_bigint::Sign::Minus) =>
        {
            Err(t.value_error("__len__() should return >= 0"))
        }
        None => Err(t.overflow_error("cannot fit 'int' into an index-sized integer")),
    }
}

/// Whether subscriptions of the type's instances call a method found in the class, such as a function written in Python.
#[inline(always)]
pub fn calls_get_item(ty: &Type) -> bool {
    let get = ty.slots.get_item.get();
    get.is_some_and(|f| f as usize == slot_get_item as *const () as usize)
}

/// The class's own `__getitem__`, if subscription goes to one that is written in Python.
#[inline]
pub fn python_get_item<'t>(t: &'t Thread, ty: &Type) -> Option<Borrowed<'t>> {
    if !calls_get_item(ty) {
        return None;
    }
    ty.lookup(t, crate::id!(t, "__getitem__"))
}

/// The same for `__iter__`.
pub fn python_iter<'t>(t: &'t Thread, ty: &Type) -> Option<Borrowed<'t>> {
    let iter = ty.slots.iter.get()?;
    if iter as usize != slot_iter as *const () as usize {
        return None;
    }
    ty.lookup(t, crate::id!(t, "__iter__"))
}

/// The same for `__setitem__`.
pub fn python_set_item<'t>(t: &'t Thread, ty: &Type) -> Option<Borrowed<'t>> {
    let set = ty.slots.set_item.get()?;
    if set as usize != slot_set_item as *const () as usize {
        return None;
    }
    ty.lookup(t, crate::id!(t, "__setitem__"))
}

/// The same for `__call__`.
pub fn python_call<'t>(t: &'t Thread, ty: &Type) -> Option<Borrowed<'t>> {
    let call = ty.slots.call.get()?;
    if call as usize != slot_call as *const () as usize {
        return None;
    }
    ty.lookup(t, crate::id!(t, "__call__"))
}

fn slot_get_item(t: &mut Thread, v: Value, key: Value) -> Res {
    let name = crate::id!(t, "__getitem__");
    must(t, v, name, &[key]).map(Obj::into_value)
}

fn slot_set_item(t: &mut Thread, v: Value, key: Value, value: Value) -> Res<()> {
    let (name, args) = if value.is_null() {
        (crate::id!(t, "__delitem__"), vec![key])
    } else {
        (crate::id!(t, "__setitem__"), vec![key, value])
    };
    match special(t, v, name, &args)? {
        Some(_) => Ok(()),
        None => {
            let what = if value.is_null() {
                "deletion"
            } else {
                "assignment"
            };
            let msg = format!(
                "'{}' object does not support item {what}",
                type_of(v).name()
            );
            Err(t.type_error(msg))
        }
    }
}

fn slot_contains(t: &mut Thread, v: Value, item: Value) -> Res<bool> {
    let name = crate::id!(t, "__contains__");
    match type_of(v).lookup(t, name).map(|d| d.value()) {
        Some(d) if d.is_none() => {
            let msg = format!("'{}' object is not a container", type_of(v).name());
            Err(t.type_error(msg))
        }
        Some(_) => {
            let o = must(t, v, name, &[item])?;
            proto::truth(t, o.value())
        }
        None => proto::contains_by_iteration(t, v, item),
    }
}

fn slot_truth(t: &mut Thread, v: Value) -> Res<bool> {
    let name = crate::id!(t, "__bool__");
    match special(t, v, name, &[])? {
        Some(o) if o.value().is_bool() => Ok(o.value() == Value::TRUE),
        Some(o) => {
            let msg = format!(
                "__bool__ should return bool, returned {}",
                type_of(o.value()).name()
            );
            Err(t.type_error(msg))
        }
        None => match type_of(v).slots.len.get() {
            Some(len) => Ok(len(t, v)? != 0),
            None => Ok(true),
        },
    }
}

fn slot_pow3(t: &mut Thread, a: Value, b: Value, c: Value) -> Res {
    let mine = |v: Value| {
        let f = type_of(v).slots.pow3.get();
        f.is_some_and(|f| std::ptr::fn_addr_eq(f, slot_pow3 as slots::TernaryFn))
    };
    let (name, r_name) = (crate::id!(t, "__pow__"), crate::id!(t, "__rpow__"));
    let mut other = !type_of(a).is(type_of(b)) && mine(b);
    if mine(a) {
        if other && type_of(b).is_subtype(type_of(a)) && overloads(t, a, b, r_name) {
            let r = or_not_implemented(t, b, r_name, &[a, c])?;
            if r != Value::NOT_IMPLEMENTED {
                return Ok(r);
            }
            other = false;
        }
        let r = or_not_implemented(t, a, name, &[b, c])?;
        if r != Value::NOT_IMPLEMENTED {
            return Ok(r);
        }
    }
    if other {
        return or_not_implemented(t, b, r_name, &[a, c]);
    }
    Ok(Value::NOT_IMPLEMENTED)
}

fn slot_buffer(t: &mut Thread, v: Value, writable: bool) -> Res<crate::buffer::Buffer> {
    let name = crate::id!(t, "__buffer__");
    let flags = Value::int(if writable { 1 } else { 0 });
    let is_native = |t: &Thread, name: &Str| {
        let found = type_of(v).lookup(t, name);
        found.map(|f| WrapperDescr::of(f.value()).is_some())
    };
    let native = is_native(t, name) == Some(true);
    let view = must(t, v, name, &[flags])?;
    if !crate::memoryview::is_memoryview(view.value()) {
        return Err(t.type_error("__buffer__ returned non-memoryview object".into()));
    }
    let b = crate::buffer::get_any(t, view.value(), writable)?;
    let to_tell = is_native(t, crate::id!(t, "__release_buffer__")) == Some(false);
    Ok(match to_tell {
        true => crate::buffer::lender::Lender::lend(t, b, v, &view, native),
        false => b,
    })
}

fn wrap_hash(t: &mut Thread, p: *const (), a: &[Value]) -> Res {
    // SAFETY: `p` came from the hash slot.
    let h = unsafe { func::<slots::HashFn>(p)(t, a[0]) }?;
    Ok(crate::int::from_i64(t, h))
}

fn wrap_next(t: &mut Thread, p: *const (), a: &[Value]) -> Res {
    // SAFETY: `p` came from the iter_next slot.
    let v = unsafe { func::<slots::IterNextFn>(p)(t, a[0]) }?;
    if v.is_null() {
        Err(t.stop_iteration(None))
    } else {
        Ok(v)
    }
}

fn wrap_descr_get(t: &mut Thread, p: *const (), a: &[Value]) -> Res {
    let null = |v: Value| if v.is_none() { Value::NULL } else { v };
    let (obj, ty) = (null(a[1]), null(a[2]));
    if obj.is_null() && ty.is_null() {
        return Err(t.type_error("__get__(None, None) is invalid".into()));
    }
    // SAFETY: `p` came from the descr_get slot.
    unsafe { func::<slots::DescrGetFn>(p)(t, a[0], obj, ty) }
}

fn wrap_set_attr(t: &mut Thread, p: *const (), a: &[Value]) -> Res {
    if let Some(ty) = Type::of(a[0])
        && !ty.is(type_of(a[0]))
        && p == crate::instance::generic_set_attr as slots::SetAttrFn as *const ()
    {
        let msg = format!(
            "can't apply this __setattr__ to {} object",
            type_of(a[0]).name()
        );
        return Err(t.type_error(msg));
    }
    // SAFETY: `p` came from the set_attr slot.
    unsafe { func::<slots::SetAttrFn>(p)(t, a[0], a[1], a.get(2).copied().unwrap_or(Value::NULL)) }
        .map(|()| Value::NONE)
}

const OTHERS: &[SlotDef] = &[
    SlotDef {
        name: "__hash__",
        sig: Sig::of("($self, /)"),
        get: |s| raw(&s.hash),
        set: |s, to| put(&s.hash, to, slot_hash as slots::HashFn),
        wrap: wrap_hash,
    },
    SlotDef {
        name: "__call__",
        sig: Sig::of("($self, /, *args, **kwargs)"),
        get: |s| raw(&s.call),
        set: |s, to| put(&s.call, to, slot_call as slots::CallFn),
        wrap: |t, p, a| {
            // SAFETY: `p` came from this slot.
            with_args(t, a, |t, v, args| unsafe {
                func::<slots::CallFn>(p)(t, v, args)
            })
        },
    },
    SlotDef {
        name: "__getattribute__",
        sig: Sig::of("($self, name, /)"),
        get: |s| raw(&s.get_attr),
        set: |s, to| put(&s.get_attr, to, slot_get_attr as slots::GetAttrFn),
        // SAFETY: `p` came from this slot.
        wrap: |t, p, a| unsafe { func::<slots::GetAttrFn>(p)(t, a[0], a[1]) },
    },
    SlotDef {
        name: "__getattr__",
        sig: Sig::of(""),
        get: |_| std::ptr::null(),
        set: |s, to| {
            if matches!(to, SetTo::Generic) {
                put(&s.get_attr, to, slot_get_attr as slots::GetAttrFn)
            }
        },
        wrap: |_, _, _| Ok(Value::NONE),
    },
    SlotDef {
        name: "__setattr__",
        sig: Sig::of("($self, name, value, /)"),
        get: |s| raw(&s.set_attr),
        set: |s, to| put(&s.set_attr, to, slot_set_attr as slots::SetAttrFn),
        wrap: wrap_set_attr,
    },
    SlotDef {
        name: "__delattr__",
        sig: Sig::of("($self, name, /)"),
        get: |s| raw(&s.set_attr),
        set: |s, to| put(&s.set_attr, to, slot_set_attr as slots::SetAttrFn),
        wrap: wrap_set_attr,
    },
    SlotDef {
        name: "__next__",
        sig: Sig::of("($self, /)"),
        get: |s| raw(&s.iter_next),
        set: |s, to| put(&s.iter_next, to, slot_iter_next as slots::IterNextFn),
        wrap: wrap_next,
    },
    SlotDef {
        name: "__get__",
        sig: Sig::of("($self, instance, owner=None, /)"),
        get: |s| raw(&s.descr_get),
        set: |s, to| put(&s.descr_get, to, slot_descr_get as slots::DescrGetFn),
        wrap: wrap_descr_get,
    },
    SlotDef {
        name: "__set__",
        sig: Sig::of("($self, instance, value, /)"),
        get: |s| raw(&s.descr_set),
        set: |s, to| put(&s.descr_set, to, slot_descr_set as slots::DescrSetFn),
        wrap: |t, p, a| {
            // SAFETY: `p` came from this slot.
            unsafe { func::<slots::DescrSetFn>(p)(t, a[0], a[1], a[2]) }.map(|()| Value::NONE)
        },
    },
    SlotDef {
        name: "__delete__",
        sig: Sig::of("($self, instance, /)"),
        get: |s| raw(&s.descr_set),
        set: |s, to| put(&s.descr_set, to, slot_descr_set as slots::DescrSetFn),
        wrap: |t, p, a| {
            // SAFETY: `p` came from this slot.
            unsafe { func::<slots::DescrSetFn>(p)(t, a[0], a[1], Value::NULL) }
                .map(|()| Value::NONE)
        },
    },
    SlotDef {
        name: "__init__",
        sig: Sig::of("($self, /, *args, **kwargs)"),
        get: |s| raw(&s.init),
        set: |s, to| put(&s.init, to, slot_init as slots::InitFn),
        wrap: |t, p, a| {
            with_args(t, a, |t, v, args| {
                // SAFETY: `p` came from this slot.
                unsafe { func::<slots::InitFn>(p)(t, v, args) }.map(|()| Value::NONE)
            })
        },
    },
    SlotDef {
        name: "__new__",
        sig: Sig::of(""),
        get: |s| raw(&s.new),
        set: |s, to| put(&s.new, to, slot_new as slots::NewFn),
        wrap: |_, _, _| Ok(Value::NONE),
    },
    SlotDef {
        name: "__del__",
        sig: Sig::of("($self, /)"),
        get: |s| raw(&s.finalize),
        set: |s, to| put(&s.finalize, to, slot_finalize as slots::FinalizeFn),
        // SAFETY: `p` came from this slot.
        wrap: |t, p, a| unsafe { func::<slots::FinalizeFn>(p)(t, a[0]) }.map(|()| Value::NONE),
    },
    SlotDef {
        name: "__len__",
        sig: Sig::of("($self, /)"),
        get: |s| raw(&s.len),
        set: |s, to| put(&s.len, to, slot_len as slots::LenFn),
        wrap: |t, p, a| {
            // SAFETY: `p` came from this slot.
            unsafe { func::<slots::LenFn>(p)(t, a[0]) }.map(|n| crate::int::from_usize(t, n))
        },
    },
    SlotDef {
        name: "__getitem__",
        sig: Sig::of("($self, key, /)"),
        get: |s| raw(&s.get_item),
        set: |s, to| put(&s.get_item, to, slot_get_item as slots::BinaryFn),
        // SAFETY: `p` came from this slot.
        wrap: |t, p, a| unsafe { func::<slots::BinaryFn>(p)(t, a[0], a[1]) },
    },
    SlotDef {
        name: "__setitem__",
        sig: Sig::of("($self, key, value, /)"),
        get: |s| raw(&s.set_item),
        set: |s, to| put(&s.set_item, to, slot_set_item as slots::SetItemFn),
        wrap: |t, p, a| {
            // SAFETY: `p` came from this slot.
            unsafe { func::<slots::SetItemFn>(p)(t, a[0], a[1], a[2]) }.map(|()| Value::NONE)
        },
    },
    SlotDef {
        name: "__delitem__",
        sig: Sig::of("($self, key, /)"),
        get: |s| raw(&s.set_item),
        set: |s, to| put(&s.set_item, to, slot_set_item as slots::SetItemFn),
        wrap: |t, p, a| {
            // SAFETY: `p` came from this slot.
            unsafe { func::<slots::SetItemFn>(p)(t, a[0], a[1], Value::NULL) }.map(|()| Value::NONE)
        },
    },
    SlotDef {
        name: "__contains__",
        sig: Sig::of("($self, key, /)"),
        get: |s| raw(&s.contains),
        set: |s, to| put(&s.contains, to, slot_contains as slots::ContainsFn),
        // SAFETY: `p` came from this slot.
        wrap: |t, p, a| unsafe { func::<slots::ContainsFn>(p)(t, a[0], a[1]) }.map(Value::bool),
    },
    SlotDef {
        name: "__add__",
        sig: Sig::of("($self, value, /)"),
        get: |s| raw(&s.concat),
        set: |_, _| {},
        // SAFETY: `p` came from this slot.
        wrap: |t, p, a| unsafe { func::<slots::BinaryFn>(p)(t, a[0], a[1]) },
    },
    SlotDef {
        name: "__mul__",
        sig: Sig::of("($self, value, /)"),
        get: |s| raw(&s.repeat),
        set: |_, _| {},
        // SAFETY: `p` came from this slot.
        wrap: |t, p, a| unsafe { func::<slots::BinaryFn>(p)(t, a[0], a[1]) },
    },
    SlotDef {
        name: "__rmul__",
        sig: Sig::of("($self, value, /)"),
        get: |s| raw(&s.repeat),
        set: |_, _| {},
        // SAFETY: `p` came from this slot.
        wrap: |t, p, a| unsafe { func::<slots::BinaryFn>(p)(t, a[0], a[1]) },
    },
    SlotDef {
        name: "__iadd__",
        sig: Sig::of("($self, value, /)"),
        get: |s| raw(&s.in_place_concat),
        set: |_, _| {},
        // SAFETY: `p` came from this slot.
        wrap: |t, p, a| unsafe { func::<slots::BinaryFn>(p)(t, a[0], a[1]) },
    },
    SlotDef {
        name: "__imul__",
        sig: Sig::of("($self, value, /)"),
        get: |s| raw(&s.in_place_repeat),
        set: |_, _| {},
        // SAFETY: `p` came from this slot.
        wrap: |t, p, a| unsafe { func::<slots::BinaryFn>(p)(t, a[0], a[1]) },
    },
    SlotDef {
        name: "__bool__",
        sig: Sig::of("($self, /)"),
        get: |s| raw(&s.truth),
        set: |s, to| put(&s.truth, to, slot_truth as slots::InquiryFn),
        // SAFETY: `p` came from this slot.
        wrap: |t, p, a| unsafe { func::<slots::InquiryFn>(p)(t, a[0]) }.map(Value::bool),
    },
    SlotDef {
        name: "__buffer__",
        sig: Sig::of("($self, flags, /)"),
        get: |s| raw(&s.buffer),
        set: |s, to| put(&s.buffer, to, slot_buffer as slots::BufferFn),
        wrap: |t, p, a| {
            let writable = crate::proto::index_i64(t, a[1])? & 1 != 0;
            // SAFETY: `p` came from the buffer slot.
            let b = unsafe { func::<slots::BufferFn>(p)(t, a[0], writable) }?;
            Ok(crate::memoryview::from_buffer(t, b).into())
        },
    },
    SlotDef {
        name: "__release_buffer__",
        sig: Sig::of("($self, buffer, /)"),
        get: |s| raw(&s.buffer),
        // What a class's own does is up to the slot for `__buffer__`.
        set: |_, _| {},
        wrap: |t, _, a| crate::buffer::lender::release_builtin(t, a[0], a[1]),
    },
];

/// Splits the bound `*args, **kwargs` of a wrapper again.
fn with_args(
    t: &mut Thread,
    a: &[Value],
    f: impl FnOnce(&mut Thread, Value, Args<'_>) -> Res,
) -> Res {
    let mut all: Vec<Value> = Tuple::exact(a[1])
        .map(|x| x.values().to_vec())
        .unwrap_or_default();
    let items = Dict::exact(a[2]).map(|d| d.items(t)).unwrap_or_default();
    if items.is_empty() {
        return f(t, a[0], Args::positional(&all));
    }
    all.extend(items.iter().map(|(_, v)| v.value()));
    let names: Vec<Value> = items.iter().map(|(k, _)| k.value()).collect();
    let names = Tuple::from_slice(t, &names);
    f(t, a[0], Args::new(&all, names.value()))
}

fn all_defs() -> impl Iterator<Item = &'static SlotDef> {
    UNARY
        .iter()
        .chain(COMPARE)
        .chain(BINARY)
        .chain(IN_PLACE)
        .chain(OTHERS)
}

/// The definitions with their names, interned.
struct Named {
    /// In the order of [`all_defs`].
    all: Vec<(&'static Str, &'static SlotDef)>,
    /// By the address of the name: the numbers in `all`.
    sorted: Vec<(usize, usize)>,
}

fn named(t: &Thread) -> &'static Named {
    static NAMED: std::sync::OnceLock<Named> = std::sync::OnceLock::new();
    NAMED.get_or_init(|| {
        let all: Vec<_> = all_defs()
            .map(|def| (crate::names::get(t, def.name), def))
            .collect();
        let places = all.iter().enumerate();
        let mut sorted: Vec<_> = places.map(|(i, (name, _))| (address(name), i)).collect();
        sorted.sort_unstable();
        Named { all, sorted }
    })
}

fn address(name: &Str) -> usize {
    name as *const Str as usize
}

impl Named {
    /// The numbers of the definitions of this name.
    fn of(&self, name: &Str) -> impl Iterator<Item = usize> + use<'_> {
        let at = match name.is_interned() {
            true => address(name),
            false => name.find_interned().map_or(0, address),
        };
        let first = self.sorted.partition_point(|(a, _)| *a < at);
        let same = self.sorted[first..]
            .iter()
            .take_while(move |(a, _)| *a == at);
        same.map(|(_, i)| *i)
    }

    /// Notes which definitions have names in a class's dict.
    fn note(&self, t: &Thread, ty: &Type, found: &mut [bool]) {
        let (Some(d), mut pos) = (ty.dict(t), 0) else {
            return;
        };
        while let Some((key, _)) = d.next(t, &mut pos) {
            if let Some(name) = Str::of(key.value())
                && name.as_bytes().starts_with(b"__")
            {
                self.of(name).for_each(|i| found[i] = true);
            }
        }
    }
}

/// Puts a wrapper into the dict of a built-in type for each slot that it has itself.
pub fn add_wrappers(t: &Thread, ty: &'static Type) {
    let Some(d) = ty.dict(t) else { return };
    for (name, def) in &named(t).all {
        let p = (def.get)(&ty.slots);
        if p.is_null() || def.sig.text.is_empty() {
            continue;
        }
        if def.name == "__hash__"
            && p == crate::proto::hash_not_implemented as slots::HashFn as *const ()
        {
            continue;
        }
        if d.get_str(t, name).is_none() {
            let w = WrapperDescr::new(t, def, ty, p);
            d.set_str(t, name, w.value());
        }
    }
    if ty.slots.hash.get().map(|f| f as usize)
        == Some(crate::proto::hash_not_implemented as slots::HashFn as usize)
    {
        d.set_str(t, crate::id!(t, "__hash__"), Value::NONE);
    }
    if ty.slots.new.is_set() {
        let f = crate::type_new::new_wrapper(t, ty);
        d.set_str(t, crate::id!(t, "__new__"), f.value());
    }
}

/// Brings the slots of a heap type (and its subclasses) up to date after `name` has been set or removed in its dict.
pub fn update(t: &Thread, ty: &Type, name: &Str) {
    if ty.is_heap() {
        let text = name.as_bytes();
        let named = named(t);
        named.of(name).for_each(|i| set_slot(t, ty, named.all[i].1));
        if text == b"__eq__" || text == b"__hash__" {
            set_hash(t, ty);
        }
        ty.note_generic();
    }
    for sub in ty.subclasses_snapshot() {
        update(t, Type::of_unchecked(sub), name);
    }
}

/// Fills all slots of a new heap type from its MRO.
pub fn fill(t: &Thread, ty: &Type) {
    let mro = ty.mro_tuple().map_or(&[][..], |m| m.values());
    let one_base = follows_one_base(ty, mro);
    let above = if one_base { &mro[1..2] } else { &mro[1..] };
    for base in above {
        ty.slots.inherit_all(&Type::of_unchecked(*base).slots);
    }
    let named = named(t);
    let mut wanted = vec![false; named.all.len()];
    if one_base {
        // All that differs from the base is what the class itself says.
        named.note(t, ty, &mut wanted);
    } else if mro.len() > 3 && mro.iter().any(|c| has_slots_of_its_own(*c)) {
        // The first base may have from `object` what a later one has of its own.
        wanted.fill(true);
    } else {
        let classes = mro.iter().map(|c| Type::of_unchecked(*c));
        classes
            .filter(|c| c.is_heap())
            .for_each(|c| named.note(t, c, &mut wanted));
    }
    for ((_, def), _) in named.all.iter().zip(wanted).filter(|(_, w)| *w) {
        set_slot(t, ty, def);
    }
    set_hash(t, ty);
    ty.note_generic();
}

/// Whether a class is built in, and not `object`.
fn has_slots_of_its_own(class: Value) -> bool {
    let class = Type::of_unchecked(class);
    !class.is_heap() && !class.is(&crate::types::OBJECT)
}

/// Whether the MRO is that of the only base, behind the class itself.
fn follows_one_base(ty: &Type, mro: &[Value]) -> bool {
    let bases = Tuple::exact(ty.bases.get()).map_or(&[][..], |b| b.values());
    let [base] = bases else { return false };
    let above = Type::of_unchecked(*base).mro_tuple();
    above.is_some_and(|above| {
        above.len() + 1 == mro.len()
            && above
                .values()
                .iter()
                .zip(&mro[1..])
                .all(|(a, b)| a.same(*b))
    })
}

/// Works all slots out again after the bases have changed, for the class and all below it.
pub fn refill(t: &Thread, ty: &Type) {
    all_defs().for_each(|def| set_slot(t, ty, def));
    set_hash(t, ty);
    ty.note_generic();
    for sub in ty.subclasses_snapshot() {
        refill(t, Type::of_unchecked(sub));
    }
}

fn set_slot(t: &Thread, ty: &Type, def: &'static SlotDef) {
    let name = crate::names::get(t, def.name);
    match ty.lookup_uncached(t, name).map(|v| v.value()) {
        // Several names may share a slot: the others decide.
        None => {
            if !sharers(t, ty, def) && !(def.get)(&ty.slots).is_null() {
                (def.set)(&ty.slots, SetTo::Nothing);
            }
        }
        Some(d) => match WrapperDescr::of(d) {
            Some(w)
                if std::ptr::eq(w.def, def)
                    && !sharers_python(t, ty, def)
                    && ty.is_subtype(w.owner()) =>
            {
                (def.set)(&ty.slots, SetTo::Raw(w.raw))
            }
            // `list.__add__` is another slot than `int.__add__`, which stays as it is.
            Some(w)
                if !std::ptr::eq(w.def, def)
                    && w.def.name == def.name
                    && ty.is_subtype(w.owner()) => {}
            _ if def.name == "__new__" => match crate::type_new::new_wrapper_of(d, ty) {
                Some(f) => (def.set)(&ty.slots, SetTo::Raw(f as *const ())),
                None => (def.set)(&ty.slots, SetTo::Generic),
            },
            _ => (def.set)(&ty.slots, SetTo::Generic),
        },
    }
    if matches!(def.name, "__pow__" | "__rpow__") {
        let python = ty
            .lookup_uncached(t, name)
            .is_some_and(|d| WrapperDescr::of(d.value()).is_none());
        if python {
            ty.slots.pow3.set(Some(slot_pow3));
        }
    }
    if matches!(def.name, "__buffer__" | "__release_buffer__") {
        let python = |name: &str| {
            let found = ty.lookup_uncached(t, crate::names::get(t, name));
            found.map(|d| !d.value().is_none() && WrapperDescr::of(d.value()).is_none())
        };
        if python("__buffer__").is_some() && python("__release_buffer__") == Some(true) {
            ty.slots.buffer.set(Some(slot_buffer));
        }
    }
    if def.name == "__del__" {
        crate::type_new::note_finalizer(ty);
    }
}

/// Whether another special method of the same slot is defined somewhere in the MRO.
fn sharers(t: &Thread, ty: &Type, def: &SlotDef) -> bool {
    partner_names(def)
        .iter()
        .any(|n| ty.lookup_uncached(t, crate::names::get(t, n)).is_some())
}

/// Whether one of them is written in Python (or anything but a wrapper of the same slot).
fn sharers_python(t: &Thread, ty: &Type, def: &SlotDef) -> bool {
    partner_names(def).iter().any(|n| {
        ty.lookup_uncached(t, crate::names::get(t, n))
            .is_some_and(|d| {
                !d.value().is_none() && WrapperDescr::of(d.value()).is_none_or(|w| w.def.name != *n)
            })
    })
}

fn partner_names(def: &SlotDef) -> Vec<&'static str> {
    match def.name {
        "__getattribute__" => vec!["__getattr__"],
        "__getattr__" => vec!["__getattribute__"],
        "__setattr__" => vec!["__delattr__"],
        "__delattr__" => vec!["__setattr__"],
        "__set__" => vec!["__delete__"],
        "__delete__" => vec!["__set__"],
        "__setitem__" => vec!["__delitem__"],
        "__delitem__" => vec!["__setitem__"],
        "__lt__" | "__le__" | "__eq__" | "__ne__" | "__gt__" | "__ge__" => COMPARE
            .iter()
            .map(|d| d.name)
            .filter(|n| *n != def.name)
            .collect(),
        name => match BINARY.iter().position(|d| d.name == name) {
            Some(i) => vec![BINARY[i ^ 1].name],
            None => Vec::new(),
        },
    }
}

/// A class that defines `__eq__` but not `__hash__` is not hashable.
fn set_hash(t: &Thread, ty: &Type) {
    if let Some(h) = ty.lookup_uncached(t, crate::id!(t, "__hash__"))
        && h.value().is_none()
    {
        ty.slots.hash.set(Some(crate::proto::hash_not_implemented));
    }
}

impl Slots {
    /// As `inherit`, comparison and hash included: for heap types, whose dict says what they define themselves.
    pub fn inherit_all(&self, base: &Slots) {
        let (c, h) = (self.compare.is_set(), self.hash.is_set());
        self.inherit(base);
        if !c {
            self.compare.copy_from(&base.compare);
        }
        if !h {
            self.hash.copy_from(&base.hash);
        }
    }
}

// --- the objects in the dicts of built-in types ---

/// `wrapper_descriptor`: a slot of a built-in type as a method.
#[repr(C)]
pub struct WrapperDescr {
    pub header: Header,
    pub def: &'static SlotDef,
    pub raw: *const (),
    owner: Slot,
}

impl WrapperDescr {
    pub fn new(t: &Thread, def: &'static SlotDef, owner: &Type, raw: *const ()) -> Obj {
        // SAFETY: every field is written before anything else happens.
        unsafe {
            let p =
                t.alloc(&WRAPPER_DESCRIPTOR.head, size_of::<WrapperDescr>()) as *mut WrapperDescr;
            (&raw mut (*p).def).write(def);
            (&raw mut (*p).raw).write(raw);
            (*p).owner
                .init(t, &(*p).header, Obj::new(t, owner.value()).into_value());
            Obj::from_raw(Value::from_ptr(p as *const Header))
        }
    }
    pub fn of<'a>(v: Value) -> Option<&'a WrapperDescr> {
        crate::cast_exact(v, &WRAPPER_DESCRIPTOR)
    }
    pub fn owner(&self) -> &Type {
        Type::of_unchecked(self.owner.get())
    }

    fn call(&self, t: &mut Thread, args: Args<'_>) -> Res {
        let Some(&v) = args.pos().first() else {
            let msg = format!(
                "descriptor '{}' of '{}' object needs an argument",
                self.def.name,
                self.owner().name()
            );
            return Err(t.type_error(msg));
        };
        if !type_of(v).is_subtype(self.owner()) {
            let (n, o, got) = (self.def.name, self.owner().name(), type_of(v).name());
            return Err(t.type_error(format!(
                "descriptor '{n}' requires a '{o}' object but received a '{got}'"
            )));
        }
        // The arguments are bound as for any native, then handed to the slot.
        let shape = self.def.sig.shape;
        let (min, max) = (shape.required as usize, shape.positional as usize);
        if self.def.sig.shape.open {
            return match self.def.name {
                // SAFETY: `raw` came from that slot.
                "__call__" => unsafe {
                    func::<slots::CallFn>(self.raw)(t, v, Args::new(&args.all()[1..], args.names()))
                },
                // SAFETY: as above.
                _ => unsafe {
                    func::<slots::InitFn>(self.raw)(t, v, Args::new(&args.all()[1..], args.names()))
                }
                .map(|()| Value::NONE),
            };
        }
        if args.has_keywords() {
            let msg = format!("wrapper {}() takes no keyword arguments", self.def.name);
            return Err(t.type_error(msg));
        }
        let given = args.pos();
        if given.len() < min || given.len() > max {
            let (want, most, got) = (min - 1, max - 1, given.len() - 1);
            let want = match most {
                _ if most > want => format!("{want} or {most} arguments"),
                1 => "1 argument".to_owned(),
                _ => format!("{want} arguments"),
            };
            return Err(t.type_error(format!("expected {want}, got {got}")));
        }
        let mut padded = [Value::NULL; 8];
        padded[..given.len()].copy_from_slice(given);
        for p in &mut padded[given.len()..max] {
            *p = Value::NONE;
        }
        (self.def.wrap)(t, self.raw, &padded[..max])
    }
}

fn descr_of<'a>(v: Value) -> &'a WrapperDescr {
    // SAFETY: called for objects of that type only.
    unsafe { &*(v.ptr() as *const WrapperDescr) }
}

/// `method-wrapper`: a wrapper bound to its object.
#[repr(C)]
pub struct MethodWrapper {
    pub header: Header,
    descr: Slot,
    self_: Slot,
}

fn wrapper_of<'a>(v: Value) -> &'a MethodWrapper {
    // SAFETY: called for objects of that type only.
    unsafe { &*(v.ptr() as *const MethodWrapper) }
}

fn wrapper_get(t: &mut Thread, d: Value, obj: Value, _ty: Value) -> Res {
    if obj.is_null() {
        return Ok(to_reg(t, d.bare()));
    }
    let w = descr_of(d);
    if !type_of(obj).is_subtype(w.owner()) {
        let (n, o, got) = (w.def.name, w.owner().name(), type_of(obj).name());
        return Err(t.type_error(format!(
            "descriptor '{n}' for '{o}' objects doesn't apply to a '{got}' object"
        )));
    }
    // SAFETY: both slots are written before anything else happens.
    unsafe {
        let p = t.alloc(&METHOD_WRAPPER.head, size_of::<MethodWrapper>()) as *mut MethodWrapper;
        (*p).descr
            .init(t, &(*p).header, Obj::new(t, d).into_value());
        (*p).self_
            .init(t, &(*p).header, Obj::new(t, obj).into_value());
        Ok(Value::from_ptr(p as *const Header))
    }
}

/// Most parameters of a special method, `self` included, that [`method_wrapper_call`] lays out by itself.
const MOST: usize = 4;

fn method_wrapper_call(t: &mut Thread, v: Value, args: Args<'_>) -> Res {
    let m = wrapper_of(v);
    let (d, self_) = (descr_of(m.descr.get()), m.self_.get());
    let shape = d.def.sig.shape;
    let (min, max) = (shape.required as usize, shape.positional as usize);
    let given = args.all();
    // The usual call: all by position, and in range.
    if args.names().is_null()
        && !shape.open
        && max <= MOST
        && (min..=max).contains(&(given.len() + 1))
        && (type_of(self_).is(d.owner()) || type_of(self_).is_subtype(d.owner()))
    {
        let mut all = [Value::NONE; MOST];
        all[0] = self_;
        all[1..=given.len()].copy_from_slice(given);
        return (d.def.wrap)(t, d.raw, &all[..max]);
    }
    args.after(self_, |args| d.call(t, args))
}

fn method_wrapper_compare(_t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    if !type_of(b).is(&METHOD_WRAPPER) || !matches!(op, CmpOp::Eq | CmpOp::Ne) {
        return Ok(Value::NOT_IMPLEMENTED);
    }
    let (x, y) = (wrapper_of(a), wrapper_of(b));
    let same = x.descr.get().same(y.descr.get()) && x.self_.get().same(y.self_.get());
    Ok(Value::bool(same == (op == CmpOp::Eq)))
}

unsafe fn traverse_descr(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object of this type.
    f(unsafe { (*(h as *const WrapperDescr)).owner.get() });
}
unsafe fn clear_descr(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of this type.
    t.drop_value(unsafe { (*(h as *const WrapperDescr)).owner.take() });
}
unsafe fn traverse_bound(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object of this type.
    let m = unsafe { &*(h as *const MethodWrapper) };
    f(m.descr.get());
    f(m.self_.get());
}
unsafe fn clear_bound(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of this type.
    let m = unsafe { &*(h as *const MethodWrapper) };
    t.drop_value(m.descr.take_local());
    t.drop_value(m.self_.take_local());
}

fn sig_value(t: &Thread, def: &SlotDef) -> Value {
    Str::new(t, def.sig.text).into()
}

/// What a special method does, as its `__doc__` says it.
fn slot_doc(name: &str) -> String {
    let of_builtin = |f: &str| format!("Return {f}(self).");
    match name {
        "__next__" => "Implement next(self).".into(),
        "__iter__" => "Implement iter(self).".into(),
        "__setattr__" => "Implement setattr(self, name, value).".into(),
        "__delattr__" => "Implement delattr(self, name).".into(),
        "__getattribute__" => "Return getattr(self, name).".into(),
        "__init__" => "Initialize self.  See help(type(self)) for accurate signature.".into(),
        "__call__" => "Call self as a function.".into(),
        "__getitem__" => "Return self[key].".into(),
        "__setitem__" => "Set self[key] to value.".into(),
        "__delitem__" => "Delete self[key].".into(),
        "__contains__" => "Return bool(key in self).".into(),
        "__index__" => "Return self converted to an integer, if self is suitable for use as an index into a list.".into(),
        "__bool__" => "True if self else False".into(),
        "__repr__" | "__str__" | "__hash__" | "__len__" | "__abs__" | "__int__" | "__float__" => {
            of_builtin(name.trim_matches('_'))
        }
        "__eq__" => "Return self==value.".into(),
        "__ne__" => "Return self!=value.".into(),
        "__lt__" => "Return self<value.".into(),
        "__le__" => "Return self<=value.".into(),
        "__gt__" => "Return self>value.".into(),
        "__ge__" => "Return self>=value.".into(),
        "__add__" => "Return self+value.".into(),
        "__radd__" => "Return value+self.".into(),
        "__sub__" => "Return self-value.".into(),
        "__mul__" => "Return self*value.".into(),
        _ => format!("Implement {name}."),
    }
}

/// `wrapper_descriptor`
pub static WRAPPER_DESCRIPTOR: Type = Type::builtin(
    "wrapper_descriptor",
    size_of::<WrapperDescr>(),
    &Spec {
        call: Some(|t, v, args| descr_of(v).call(t, args)),
        descr_get: Some(wrapper_get),
        repr: Some(|t, v| {
            let w = descr_of(v);
            let s = format!(
                "<slot wrapper '{}' of '{}' objects>",
                w.def.name,
                w.owner().name()
            );
            Ok(Str::new(t, &s).into())
        }),
        getset: &[
            GetSetDef::ro("__name__", |t, v| {
                Ok(Str::intern(t, descr_of(v).def.name).into())
            }),
            GetSetDef::ro("__qualname__", |t, v| {
                let w = descr_of(v);
                let s = format!("{}.{}", w.owner().name(), w.def.name);
                Ok(Str::new(t, &s).into())
            }),
            GetSetDef::ro("__objclass__", |t, v| {
                Ok(to_reg(t, descr_of(v).owner.get()))
            }),
            GetSetDef::ro("__text_signature__", |t, v| {
                Ok(sig_value(t, descr_of(v).def))
            }),
            GetSetDef::ro("__doc__", |t, v| {
                Ok(Str::new(t, &slot_doc(descr_of(v).def.name)).into())
            }),
        ],
        methods: &[NativeDef::new("__reduce__", "($self, /)", |t, a| {
            let w = descr_of(a[0]);
            let getattr = crate::runtime::builtin(t, "getattr")?;
            let pair =
                Tuple::from_vec(t, vec![Obj::new(t, w.owner.get()), Str::new(t, w.def.name)]);
            Ok(Tuple::from_vec(t, vec![getattr, pair]).into())
        })],
        ..Spec::EMPTY
    },
)
.gc(traverse_descr, clear_descr)
.flags(crate::types::type_flags::METHOD_DESCRIPTOR);

/// `method-wrapper`
pub static METHOD_WRAPPER: Type = Type::builtin(
    "method-wrapper",
    size_of::<MethodWrapper>(),
    &Spec {
        call: Some(method_wrapper_call),
        compare: Some(method_wrapper_compare),
        hash: Some(|_, v| {
            let m = wrapper_of(v);
            Ok((m.descr.get().bare().0 ^ m.self_.get().bare().0) as i64 >> 4)
        }),
        repr: Some(|t, v| {
            let m = wrapper_of(v);
            let name = descr_of(m.descr.get()).def.name;
            let (ty, at) = (type_of(m.self_.get()).name(), proto::address(m.self_.get()));
            Ok(Str::new(
                t,
                &format!("<method-wrapper '{name}' of {ty} object at {at:#x}>"),
            )
            .into())
        }),
        getset: &[
            GetSetDef::ro("__self__", |t, v| Ok(to_reg(t, wrapper_of(v).self_.get()))),
            GetSetDef::ro("__name__", |t, v| {
                Ok(Str::intern(t, descr_of(wrapper_of(v).descr.get()).def.name).into())
            }),
            GetSetDef::ro("__qualname__", |t, v| {
                let w = descr_of(wrapper_of(v).descr.get());
                let s = format!("{}.{}", w.owner().name(), w.def.name);
                Ok(Str::new(t, &s).into())
            }),
            GetSetDef::ro("__objclass__", |t, v| {
                Ok(to_reg(t, descr_of(wrapper_of(v).descr.get()).owner.get()))
            }),
            GetSetDef::ro("__text_signature__", |t, v| {
                Ok(sig_value(t, descr_of(wrapper_of(v).descr.get()).def))
            }),
            GetSetDef::ro("__doc__", |t, v| {
                let name = descr_of(wrapper_of(v).descr.get()).def.name;
                Ok(Str::new(t, &slot_doc(name)).into())
            }),
        ],
        methods: &[NativeDef::new("__reduce__", "($self, /)", |t, a| {
            let m = wrapper_of(a[0]);
            let getattr = crate::runtime::builtin(t, "getattr")?;
            let name = descr_of(m.descr.get()).def.name;
            let pair = Tuple::from_vec(t, vec![Obj::new(t, m.self_.get()), Str::new(t, name)]);
            Ok(Tuple::from_vec(t, vec![getattr, pair]).into())
        })],
        ..Spec::EMPTY
    },
)
.gc(traverse_bound, clear_bound);
