//! The abstract operations: what the interpreter and native code do with any object.

use crate::memory;
use crate::prelude::*;
use crate::types::type_flags as tf;
use num_bigint::BigInt;
use std::ops::ControlFlow;

/// `id()`: the word without the uncounted bit, which is the address of a heap object.
pub fn identity(v: Value) -> u64 {
    v.bare().0
}

/// The number that reprs show after "at".
pub fn address(v: Value) -> u64 {
    identity(v)
}

/// `object.__hash__`: the address, rotated as CPython does.
pub fn identity_hash(v: Value) -> i64 {
    let h = identity(v).rotate_right(4) as i64;
    if h == -1 { -2 } else { h }
}

// --- attributes ---

/// `o.name`.
pub fn get_attr(t: &mut Thread, o: Value, name: &Str) -> Res<Obj> {
    get_attr_value(t, o, name.header.value()).map(Obj::own)
}

/// `o.name`, the name being a str object; a register word.
#[inline]
pub fn get_attr_value(t: &mut Thread, o: Value, name: Value) -> Res {
    match type_of(o).slots.get_attr.get() {
        Some(f) => f(t, o, name),
        None => crate::instance::generic_get_attr(t, o, name),
    }
}

/// `o.name`, or `None` if that raises AttributeError.
pub fn get_attr_opt(t: &mut Thread, o: Value, name: &Str) -> Res<Option<Obj>> {
    if type_of(o).has(tf::GENERIC_GETATTR) {
        match crate::instance::generic_get_attr_opt(t, o, name.header.value()) {
            Ok(v) => return Ok(v.map(Obj::own)),
            Err(e) if !t.exc_matches(&errors::ATTRIBUTE_ERROR) => return Err(e),
            Err(_) => {
                t.clear_exc();
                return Ok(None);
            }
        }
    }
    let found = if crate::type_new::looks_up_plainly(type_of(o)) {
        crate::type_new::get_attr_opt(t, o, name).map(|v| v.map(Obj::own))
    } else {
        get_attr(t, o, name).map(Some)
    };
    match found {
        Ok(found) => Ok(found),
        Err(e) if !t.exc_matches(&errors::ATTRIBUTE_ERROR) => Err(e),
        Err(_) => {
            t.clear_exc();
            Ok(None)
        }
    }
}

/// `o.name = v`.
pub fn set_attr(t: &mut Thread, o: Value, name: &Str, v: Value) -> Res<()> {
    set_attr_value(t, o, name.header.value(), v)
}

/// `o.name = v`, or with NULL `del o.name`.
pub fn set_attr_value(t: &mut Thread, o: Value, name: Value, v: Value) -> Res<()> {
    match type_of(o).slots.set_attr.get() {
        Some(f) => f(t, o, name, v),
        None => crate::instance::generic_set_attr(t, o, name, v),
    }
}

/// `del o.name`.
pub fn del_attr(t: &mut Thread, o: Value, name: &Str) -> Res<()> {
    set_attr(t, o, name, Value::NULL)
}

/// A special method found in the class: bound, or a function still to be given its `self`.
pub enum Special {
    Bound(Obj),
    Unbound(Obj, Value),
}

impl Special {
    /// Calls it with positional arguments.
    pub fn call(&self, t: &mut Thread, args: &[Value]) -> Res<Obj> {
        self.call_args(t, Args::positional(args))
    }
    pub fn call_args(&self, t: &mut Thread, args: Args<'_>) -> Res<Obj> {
        match self {
            Special::Bound(f) => call_kw(t, f.value(), args),
            Special::Unbound(f, v) => {
                let mut buffer = [Value::NULL; 8];
                let n = args.all().len();
                if n < 8 {
                    buffer[0] = *v;
                    buffer[1..=n].copy_from_slice(args.all());
                    call_kw(t, f.value(), Args::new(&buffer[..=n], args.names()))
                } else {
                    let mut all = vec![*v];
                    all.extend_from_slice(args.all());
                    call_kw(t, f.value(), Args::new(&all, args.names()))
                }
            }
        }
    }
}

/// Looks a special method up in the class of `v` (not in `v` itself), ready to be called.
#[inline]
pub fn lookup_special_raw(t: &mut Thread, v: Value, name: &Str) -> Res<Option<Special>> {
    let ty = type_of(v);
    let Some(d) = ty.lookup(t, name) else {
        return Ok(None);
    };
    let f = d.to_obj(t);
    let ft = type_of(f.value());
    if ft.has(tf::METHOD_DESCRIPTOR) {
        return Ok(Some(Special::Unbound(f, v)));
    }
    match ft.slots.descr_get.get() {
        Some(get) => {
            let bound = get(t, f.value(), v, ty.value())?;
            Ok(Some(Special::Bound(Obj::own(bound))))
        }
        None => Ok(Some(Special::Bound(f))),
    }
}

/// The bound special method of `v`, looked up in its class.
pub fn lookup_special(t: &mut Thread, v: Value, name: &Str) -> Res<Option<Obj>> {
    let ty = type_of(v);
    let Some(d) = ty.lookup(t, name) else {
        return Ok(None);
    };
    let f = d.to_obj(t);
    match type_of(f.value()).slots.descr_get.get() {
        Some(get) => get(t, f.value(), v, ty.value()).map(|b| Some(Obj::own(b))),
        None => Ok(Some(f)),
    }
}

// --- calls ---

#[cold]
pub fn not_callable(t: &mut Thread, f: Value) -> Raised {
    let msg = format!("'{}' object is not callable", type_of(f).name());
    t.type_error(msg)
}

pub fn is_callable(v: Value) -> bool {
    type_of(v).slots.call.is_set()
}

/// `f(*args)`.
#[inline]
pub fn call(t: &mut Thread, f: Value, args: &[Value]) -> Res<Obj> {
    call_kw(t, f, Args::positional(args))
}

/// `f(*args, **kwargs)`.
#[inline]
pub fn call_kw(t: &mut Thread, f: Value, args: Args<'_>) -> Res<Obj> {
    call_value(t, f, args).map(Obj::own)
}

/// As [`call_kw`], giving a register word.
pub fn call_value(t: &mut Thread, f: Value, args: Args<'_>) -> Res {
    match type_of(f).slots.call.get() {
        Some(c) => {
            let _guard = t.enter_recursive(" while calling a Python object")?;
            c(t, f, args)
        }
        None => Err(not_callable(t, f)),
    }
}

/// `o.name(*args)`.
pub fn call_method(t: &mut Thread, o: Value, name: &str, args: &[Value]) -> Res<Obj> {
    let name = crate::names::get(t, name);
    let f = get_attr(t, o, name)?;
    call(t, f.value(), args)
}

// --- text ---

/// `repr(v)`: a str.
pub fn repr(t: &mut Thread, v: Value) -> Res<Obj> {
    let _guard = t.enter_recursive(" while getting the repr of an object")?;
    match type_of(v).slots.repr.get() {
        Some(f) => {
            let r = Obj::own(f(t, v)?);
            must_be_str(t, r, "__repr__ returned non-string")
        }
        None => Ok(Str::new(
            t,
            &format!("<{} object at {:#x}>", type_of(v).name(), address(v)),
        )),
    }
}

fn must_be_str(t: &mut Thread, r: Obj, what: &str) -> Res<Obj> {
    if Str::of(r.value()).is_some() {
        return Ok(r);
    }
    let msg = format!("{what} (type {})", type_of(r.value()).name());
    Err(t.type_error(msg))
}

/// `str(v)`: a str.
pub fn str(t: &mut Thread, v: Value) -> Res<Obj> {
    if Str::exact(v).is_some() {
        return Ok(Obj::new(t, v));
    }
    if let Some(i) = v.to_int() {
        return Ok(Str::from_i64(t, i));
    }
    let _guard = t.enter_recursive(" while getting the str of an object")?;
    match type_of(v).slots.str.get() {
        Some(f) => {
            let r = Obj::own(f(t, v)?);
            must_be_str(t, r, "__str__ returned non-string")
        }
        None => repr(t, v),
    }
}

/// `ascii(v)`: a str.
pub fn ascii(t: &mut Thread, v: Value) -> Res<Obj> {
    let r = repr(t, v)?;
    let Some(s) = Str::of(r.value()) else {
        return Ok(r);
    };
    if s.is_ascii() {
        return Ok(r);
    }
    memory::room_for_repr(t, s.as_bytes())?;
    let mut out = String::new();
    for c in crate::text::wtf8::code_points(s.as_bytes()) {
        match c {
            0..=0x7f => out.push(c as u8 as char),
            0x80..=0xff => out.push_str(&format!("\\x{c:02x}")),
            0x100..=0xffff => out.push_str(&format!("\\u{c:04x}")),
            _ => out.push_str(&format!("\\U{c:08x}")),
        }
    }
    Ok(Str::new(t, &out))
}

/// `format(v, spec)`: a str.
pub fn format(t: &mut Thread, v: Value, spec: &Str) -> Res<Obj> {
    if spec.is_empty() && Str::exact(v).is_some() {
        return Ok(Obj::new(t, v));
    }
    let name = crate::id!(t, "__format__");
    match lookup_special_raw(t, v, name)? {
        Some(f) => {
            let r = f.call(t, &[spec.header.value()])?;
            if Str::of(r.value()).is_none() {
                let msg = format!(
                    "__format__ must return a str, not {}",
                    type_of(r.value()).name()
                );
                return Err(t.type_error(msg));
            }
            Ok(r)
        }
        None => {
            let msg = format!("Type {} doesn't define __format__", type_of(v).name());
            Err(t.type_error(msg))
        }
    }
}

// --- hash, equality, order, truth ---

/// The hash slot of unhashable types.
pub fn hash_not_implemented(t: &mut Thread, v: Value) -> Res<i64> {
    let msg = format!("unhashable type: '{}'", type_of(v).name());
    Err(t.type_error(msg))
}

/// `hash(v)`.
#[inline]
pub fn hash(t: &mut Thread, v: Value) -> Res<i64> {
    if v.is_int() {
        return Ok(crate::text::hash::hash_i64(v.as_int()));
    }
    if let Some(s) = Str::exact(v) {
        return Ok(s.hash());
    }
    match type_of(v).slots.hash.get() {
        Some(f) => f(t, v),
        None => hash_not_implemented(t, v),
    }
}

/// `a is b or a == b`, as containers compare.
#[inline]
pub fn eq(t: &mut Thread, a: Value, b: Value) -> Res<bool> {
    if a.same(b) {
        return Ok(true);
    }
    if a.both_ints(b) {
        return Ok(false);
    }
    if a.both_floats(b) {
        return Ok(a.as_float() == b.as_float());
    }
    if let (Some(x), Some(y)) = (Str::exact(a), Str::exact(b)) {
        return Ok(x.eq(y));
    }
    compare_bool(t, a, b, CmpOp::Eq)
}

/// The truth of `a op b`.
#[inline]
pub fn compare_bool(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res<bool> {
    if a.both_ints(b) {
        return Ok(op.of(a.as_int().cmp(&b.as_int())));
    }
    compare_truth(t, a, b, op)
}

fn compare_truth(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res<bool> {
    let r = compare(t, a, b, op)?;
    if r.is_bool() {
        return Ok(r == Value::TRUE);
    }
    let r = Obj::own(r);
    truth(t, r.value())
}

/// `a op b`: a register word.
pub fn compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    if a.both_ints(b) {
        return Ok(Value::bool(op.of(a.as_int().cmp(&b.as_int()))));
    }
    let (ta, tb) = (type_of(a), type_of(b));
    if matches!(op, CmpOp::Eq | CmpOp::Ne)
        && crate::instance::compares_identity(ta)
        && (ta.is(tb) || crate::instance::compares_identity(tb))
    {
        return Ok(Value::bool(a.same(b) == (op == CmpOp::Eq)));
    }
    let _guard = t.enter_recursive(" in comparison")?;
    if ta.is(tb)
        && let Some(f) = ta.slots.compare.get()
    {
        let r = f(t, a, b, op)?;
        if r != Value::NOT_IMPLEMENTED {
            return Ok(r);
        }
    }
    let reflected_first = !ta.is(tb) && tb.slots.compare.is_set() && tb.is_subtype(ta);
    if reflected_first && let Some(f) = tb.slots.compare.get() {
        let r = f(t, b, a, op.swapped())?;
        if r != Value::NOT_IMPLEMENTED {
            return Ok(r);
        }
    }
    if !ta.is(tb)
        && let Some(f) = ta.slots.compare.get()
    {
        let r = f(t, a, b, op)?;
        if r != Value::NOT_IMPLEMENTED {
            return Ok(r);
        }
    }
    if !reflected_first && let Some(f) = tb.slots.compare.get() {
        let r = f(t, b, a, op.swapped())?;
        if r != Value::NOT_IMPLEMENTED {
            return Ok(r);
        }
    }
    match op {
        CmpOp::Eq => Ok(Value::bool(a.same(b))),
        CmpOp::Ne => Ok(Value::bool(!a.same(b))),
        _ => {
            let msg = format!(
                "'{}' not supported between instances of '{}' and '{}'",
                op.symbol(),
                ta.name(),
                tb.name()
            );
            Err(t.type_error(msg))
        }
    }
}

/// `bool(v)`.
#[inline(always)]
pub fn truth(t: &mut Thread, v: Value) -> Res<bool> {
    if v.is_bool() {
        return Ok(v == Value::TRUE);
    }
    truth_slow(t, v)
}

#[inline(never)]
fn truth_slow(t: &mut Thread, v: Value) -> Res<bool> {
    if v.is_int() {
        return Ok(v.as_int() != 0);
    }
    if v.is_none() {
        return Ok(false);
    }
    if v.is_float() {
        return Ok(v.as_float() != 0.0);
    }
    let ty = type_of(v);
    if let Some(f) = ty.slots.truth.get() {
        return f(t, v);
    }
    match ty.slots.len.get() {
        Some(f) => Ok(f(t, v)? != 0),
        None => Ok(true),
    }
}

// --- containers ---

/// `len(v)`.
pub fn len(t: &mut Thread, v: Value) -> Res<usize> {
    match type_of(v).slots.len.get() {
        Some(f) => f(t, v),
        None => {
            let msg = format!("object of type '{}' has no len()", type_of(v).name());
            Err(t.type_error(msg))
        }
    }
}

/// `len(v)` or `v.__length_hint__()` or the default.
pub fn length_hint(t: &mut Thread, v: Value, default: usize) -> Res<usize> {
    if let Some(f) = type_of(v).slots.len.get() {
        match f(t, v) {
            Ok(n) => return Ok(n),
            Err(e) if !t.exc_matches(&errors::TYPE_ERROR) => return Err(e),
            Err(_) => t.clear_exc(),
        }
    }
    let name = crate::id!(t, "__length_hint__");
    let Some(f) = lookup_special_raw(t, v, name)? else {
        return Ok(default);
    };
    let r = match f.call(t, &[]) {
        Ok(r) => r,
        Err(e) if !t.exc_matches(&errors::TYPE_ERROR) => return Err(e),
        Err(_) => {
            t.clear_exc();
            return Ok(default);
        }
    };
    if r.value() == Value::NOT_IMPLEMENTED {
        return Ok(default);
    }
    match crate::int::as_i64(r.value()) {
        Some(n) if n >= 0 => Ok(n as usize),
        Some(_) => Err(t.value_error("__length_hint__() should return >= 0")),
        None if crate::int::is_int(r.value()) => {
            Err(t.overflow_error("Python int too large to convert to C ssize_t"))
        }
        None => {
            let msg = format!(
                "__length_hint__ must be an integer, not {}",
                type_of(r.value()).name()
            );
            Err(t.type_error(msg))
        }
    }
}

/// `iter(v)`.
pub fn iter(t: &mut Thread, v: Value) -> Res<Obj> {
    let ty = type_of(v);
    if let Some(f) = ty.slots.iter.get() {
        let it = match f(t, v) {
            Ok(it) => Obj::own(it),
            Err(e) => return Err(iter_failed(t, v, e)),
        };
        if !type_of(it.value()).slots.iter_next.is_set() {
            let msg = format!(
                "iter() returned non-iterator of type '{}'",
                type_of(it.value()).name()
            );
            return Err(t.type_error(msg));
        }
        return Ok(it);
    }
    if ty.slots.get_item.is_set() && is_sequence(t, v) {
        return Ok(crate::iter::sequence_iter(t, v));
    }
    let msg = format!("'{}' object is not iterable", ty.name());
    Err(t.type_error(msg))
}

/// A class says with `__iter__ = None` that its instances cannot be iterated.
#[cold]
fn iter_failed(t: &mut Thread, v: Value, e: Raised) -> Raised {
    let own = type_of(v).lookup(t, crate::id!(t, "__iter__"));
    if !own.is_some_and(|f| f.value().is_none()) {
        return e;
    }
    t.clear_exc();
    let msg = format!("'{}' object is not iterable", type_of(v).name());
    t.type_error(msg)
}

/// Has `__getitem__` and is neither a dict nor a class of mappings: can be iterated by index. Built-in types that are
/// subscripted otherwise (matches, unions) have no length.
pub fn is_sequence(t: &Thread, v: Value) -> bool {
    let ty = type_of(v);
    let _ = t;
    ty.slots.get_item.is_set()
        && (ty.is_heap() || ty.slots.len.is_set() && !ty.has(tf::NO_SEQUENCE))
        && Dict::of(v).is_none()
        && Type::of(v).is_none()
        && !ty.is(&crate::mappingproxy::MAPPINGPROXY)
}

/// The next item of an iterator, or `None` at its end.
#[inline]
pub fn next(t: &mut Thread, it: Value) -> Res<Option<Obj>> {
    let v = next_value(t, it)?;
    let item = if v.is_null() { None } else { Some(Obj::own(v)) };
    crate::runtime::poll_in_loop(t)?;
    Ok(item)
}

/// As [`next`]: a register word, NULL at the end.
#[inline]
pub fn next_value(t: &mut Thread, it: Value) -> Res {
    let _guard = t.enter_recursive(" while iterating")?;
    match type_of(it).slots.iter_next.get() {
        Some(f) => match f(t, it) {
            Ok(v) => Ok(v),
            Err(e) => ended(t, e),
        },
        None => not_iterator(t, it),
    }
}

/// The end of an iteration, if it was StopIteration that was raised.
#[cold]
#[inline(never)]
pub fn ended(t: &mut Thread, e: Raised) -> Res {
    if !t.exc_matches(&errors::STOP_ITERATION) {
        return Err(e);
    }
    t.clear_exc();
    Ok(Value::NULL)
}

#[cold]
#[inline(never)]
fn not_iterator(t: &mut Thread, it: Value) -> Res {
    let msg = format!("'{}' object is not an iterator", type_of(it).name());
    Err(t.type_error(msg))
}

/// Calls `f` with each item.
pub fn for_each(
    t: &mut Thread,
    iterable: Value,
    mut f: impl FnMut(&mut Thread, Obj) -> Res<ControlFlow<()>>,
) -> Res<()> {
    let it = iter(t, iterable)?;
    while let Some(item) = next(t, it.value())? {
        if f(t, item)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Whether hashing the object, comparing it with its like, or asking for its truth runs no Python.
#[inline]
pub fn is_simple(v: Value) -> bool {
    !v.is_ptr() || Str::exact(v).is_some()
}

/// All items.
pub fn to_vec(t: &mut Thread, iterable: Value) -> Res<Vec<Obj>> {
    if let Some(l) = List::exact(iterable) {
        memory::room_for(t, l.len(), size_of::<Obj>())?;
        return Ok(l.to_vec(t));
    }
    if let Some(x) = Tuple::exact(iterable) {
        memory::room_for(t, x.len(), size_of::<Obj>())?;
        return Ok(x.values().iter().map(|v| Obj::new(t, *v)).collect());
    }
    if let Some(items) = crate::dict_views::snapshot(t, iterable) {
        return Ok(items);
    }
    let mut items = Vec::new();
    if let Some(mut steps) = crate::generator::Steps::new(t, iterable) {
        loop {
            match steps.next(t)? {
                v if v.is_null() => return Ok(items),
                v => {
                    if let Err(e) = memory::push(t, &mut items, Obj::own(v)) {
                        steps.pause(t);
                        return Err(e);
                    }
                }
            }
        }
    }
    for_each(t, iterable, |t, o| {
        memory::push(t, &mut items, o)?;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(items)
}

/// `v[key]`: a register word.
pub fn get_item_value(t: &mut Thread, v: Value, key: Value) -> Res {
    if let Some(f) = type_of(v).slots.get_item.get() {
        return f(t, v, key);
    }
    if let Some(cls) = Type::of(v) {
        let name = crate::id!(t, "__class_getitem__");
        if let Some(f) = get_attr_opt(t, v, name)?.filter(|f| !f.value().is_none()) {
            return call_value(t, f.value(), Args::positional(&[key]));
        }
        if cls.is(&crate::types::TYPE) {
            return Ok(crate::generic_alias::new(t, v, key)?.into());
        }
        let msg = format!("type '{}' is not subscriptable", cls.name());
        return Err(t.type_error(msg));
    }
    let msg = format!("'{}' object is not subscriptable", type_of(v).name());
    Err(t.type_error(msg))
}

/// `v[key]`.
pub fn get_item(t: &mut Thread, v: Value, key: Value) -> Res<Obj> {
    get_item_value(t, v, key).map(Obj::own)
}

/// `namespace[key]` (a register word), or `None` if there is no such key.
pub fn get_name(t: &mut Thread, namespace: Value, key: &Str) -> Res<Option<Value>> {
    if let Some(d) = Dict::exact(namespace) {
        return Ok(d.get_str(t, key).map(|v| v.to_reg(t)));
    }
    match get_item_value(t, namespace, key.header.value()) {
        Ok(v) => Ok(Some(v)),
        Err(e) if !t.exc_matches(&errors::KEY_ERROR) => Err(e),
        Err(_) => {
            t.clear_exc();
            Ok(None)
        }
    }
}

/// `v[key] = x`.
pub fn set_item(t: &mut Thread, v: Value, key: Value, x: Value) -> Res<()> {
    match type_of(v).slots.set_item.get() {
        Some(f) => f(t, v, key, x),
        None => {
            let ty = type_of(v);
            let what = if x.is_null() {
                "deletion"
            } else {
                "assignment"
            };
            // CPython's words for sequences that are asked by number.
            let numbered = type_of(key).slots.index.is_set() && ty.slots.len.is_set();
            let verb = if x.is_null() && numbered {
                "doesn't"
            } else {
                "does not"
            };
            let msg = format!("'{}' object {verb} support item {what}", ty.name());
            Err(t.type_error(msg))
        }
    }
}

/// `del v[key]`.
pub fn del_item(t: &mut Thread, v: Value, key: Value) -> Res<()> {
    set_item(t, v, key, Value::NULL)
}

/// `item in v`.
pub fn contains(t: &mut Thread, v: Value, item: Value) -> Res<bool> {
    match type_of(v).slots.contains.get() {
        Some(f) => f(t, v, item),
        None => contains_by_iteration(t, v, item),
    }
}

pub(crate) fn contains_by_iteration(t: &mut Thread, v: Value, item: Value) -> Res<bool> {
    let ty = type_of(v);
    let subscripted = ty.slots.get_item.is_set() && !ty.has(tf::NO_SEQUENCE);
    if !ty.slots.iter.is_set() && !subscripted {
        let msg = format!(
            "argument of type '{}' is not a container or iterable",
            ty.name()
        );
        return Err(t.type_error(msg));
    }
    let mut found = false;
    for_each(t, v, |t, x| {
        found = eq(t, x.value(), item)?;
        Ok(if found {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })?;
    Ok(found)
}

// --- arithmetic ---

/// `a op b`: a register word.
pub fn binary(t: &mut Thread, op: BinOp, a: Value, b: Value) -> Res {
    let ty = type_of(a);
    if ty.is(type_of(b)) {
        if let Some(f) = ty.slots.binary[op as usize].get() {
            let r = f(t, a, b)?;
            if r != Value::NOT_IMPLEMENTED {
                return Ok(r);
            }
        }
        return sequence_op(t, op, a, b, false);
    }
    if op == BinOp::Mul && b.is_int() && ty.slots.repeat.is_set() && !ty.is_heap() {
        // Numbers have no `repeat`, and what ints have to say of sequences is known.
        return sequence_op(t, op, a, b, false);
    }
    let r = binary_raw(t, op, a, b)?;
    if r != Value::NOT_IMPLEMENTED {
        return Ok(r);
    }
    sequence_op(t, op, a, b, false)
}

/// The number protocol's part: NotImplemented if neither side knows.
pub fn binary_raw(t: &mut Thread, op: BinOp, a: Value, b: Value) -> Res {
    let (ta, tb) = (type_of(a), type_of(b));
    let fa = ta.slots.binary[op as usize].get();
    let fb = if ta.is(tb) {
        None
    } else {
        tb.slots.binary[op as usize].get()
    };
    let fb = match (fa, fb) {
        (Some(x), Some(y)) if std::ptr::fn_addr_eq(x, y) => None,
        _ => fb,
    };
    if let Some(fa) = fa {
        if let Some(fb) = fb
            && tb.is_subtype(ta)
        {
            let r = fb(t, a, b)?;
            if r != Value::NOT_IMPLEMENTED {
                return Ok(r);
            }
            return fa(t, a, b);
        }
        let r = fa(t, a, b)?;
        if r != Value::NOT_IMPLEMENTED {
            return Ok(r);
        }
    }
    match fb {
        Some(fb) => fb(t, a, b),
        None => Ok(Value::NOT_IMPLEMENTED),
    }
}

fn sequence_op(t: &mut Thread, op: BinOp, a: Value, b: Value, in_place: bool) -> Res {
    let (sa, sb) = (&type_of(a).slots, &type_of(b).slots);
    match op {
        BinOp::Add => {
            let f = if in_place {
                sa.in_place_concat.get().or(sa.concat.get())
            } else {
                sa.concat.get()
            };
            if let Some(f) = f {
                return f(t, a, b);
            }
        }
        BinOp::Mul => {
            let f = if in_place {
                sa.in_place_repeat.get().or(sa.repeat.get())
            } else {
                sa.repeat.get()
            };
            if let Some(f) = f {
                return repeat(t, f, a, b);
            }
            if let Some(f) = sb.repeat.get() {
                return repeat(t, f, b, a);
            }
        }
        _ => {}
    }
    Err(binary_error(t, op, a, b, in_place))
}

fn repeat(t: &mut Thread, f: crate::slots::BinaryFn, seq: Value, n: Value) -> Res {
    if !type_of(n).slots.index.is_set() {
        let msg = format!(
            "can't multiply sequence by non-int of type '{}'",
            type_of(n).name()
        );
        return Err(t.type_error(msg));
    }
    f(t, seq, n)
}

#[cold]
fn binary_error(t: &mut Thread, op: BinOp, a: Value, b: Value, in_place: bool) -> Raised {
    let symbol = if in_place {
        op.in_place_symbol()
    } else {
        op.symbol()
    };
    let (na, nb) = (type_of(a).name(), type_of(b).name());
    let mut msg = format!("unsupported operand type(s) for {symbol}: '{na}' and '{nb}'");
    if op == BinOp::RShift && na == "builtin_function_or_method" && nb != na {
        msg.push_str(". Did you mean \"print(<message>, file=<output_stream>)\"?");
    }
    t.type_error(msg)
}

/// `a op= b`: a register word.
pub fn in_place(t: &mut Thread, op: BinOp, a: Value, b: Value) -> Res {
    if let Some(f) = type_of(a).slots.in_place[op as usize].get() {
        let r = f(t, a, b)?;
        if r != Value::NOT_IMPLEMENTED {
            return Ok(r);
        }
    }
    let r = binary_raw(t, op, a, b)?;
    if r != Value::NOT_IMPLEMENTED {
        return Ok(r);
    }
    sequence_op(t, op, a, b, true)
}

/// `pow(a, b, c)`.
pub fn pow3(t: &mut Thread, a: Value, b: Value, c: Value) -> Res {
    if c.is_none() {
        return binary(t, BinOp::Pow, a, b);
    }
    let (x, y) = (type_of(a), type_of(b));
    let order = match !x.is(y) && y.is_subtype(x) {
        true => [b, a, c],
        false => [a, b, c],
    };
    let mut tried: Vec<usize> = Vec::new();
    for v in order {
        if let Some(f) = type_of(v).slots.pow3.get() {
            if tried.contains(&(f as usize)) {
                continue;
            }
            tried.push(f as usize);
            let r = f(t, a, b, c)?;
            if r != Value::NOT_IMPLEMENTED {
                return Ok(r);
            }
        }
    }
    let (x, y, z) = (type_of(a).name(), type_of(b).name(), type_of(c).name());
    Err(t.type_error(format!(
        "unsupported operand type(s) for ** or pow(): '{x}', '{y}', '{z}'"
    )))
}

macro_rules! unary_ops {
    ($($(#[$doc:meta])* $name:ident, $slot:ident, $msg:literal;)*) => {
        $($(#[$doc])*
        pub fn $name(t: &mut Thread, v: Value) -> Res {
            match type_of(v).slots.$slot.get() {
                Some(f) => f(t, v),
                None => {
                    let msg = format!($msg, type_of(v).name());
                    Err(t.type_error(msg))
                }
            }
        })*
    };
}

unary_ops! {
    /// `-v`.
    neg, neg, "bad operand type for unary -: '{}'";
    /// `+v`.
    pos, pos, "bad operand type for unary +: '{}'";
    /// `~v`.
    invert, invert, "bad operand type for unary ~: '{}'";
    /// `abs(v)`.
    abs, abs, "bad operand type for abs(): '{}'";
}

// --- numbers out of objects ---

/// `operator.index(v)`: an int object.
#[inline]
pub fn index(t: &mut Thread, v: Value) -> Res<Obj> {
    if v.is_int() {
        return Ok(Obj::from_raw(v));
    }
    index_of_object(t, v)
}

#[inline(never)]
fn index_of_object(t: &mut Thread, v: Value) -> Res<Obj> {
    if crate::int::is_int(v) {
        return Ok(Obj::new(t, v));
    }
    match type_of(v).slots.index.get() {
        Some(f) => {
            let r = Obj::own(f(t, v)?);
            if crate::int::is_exact_int(r.value()) {
                return Ok(r);
            }
            if crate::int::is_int(r.value()) {
                errors::warn::strict_subclass(t, "__index__", "int", r.value())?;
                return Ok(r);
            }
            let msg = format!(
                "__index__ returned non-int (type {})",
                type_of(r.value()).name()
            );
            Err(t.type_error(msg))
        }
        None => {
            let msg = format!(
                "'{}' object cannot be interpreted as an integer",
                type_of(v).name()
            );
            Err(t.type_error(msg))
        }
    }
}

/// An index as `i64`; OverflowError if it does not fit.
pub fn index_i64(t: &mut Thread, v: Value) -> Res<i64> {
    if v.is_int() {
        return Ok(v.as_int());
    }
    let i = index(t, v)?;
    match crate::int::as_i64(i.value()) {
        Some(i) => Ok(i),
        None => Err(t.overflow_error("Python int too large to convert to C ssize_t")),
    }
}

/// An index of a sequence: IndexError if it does not fit.
pub fn index_for(t: &mut Thread, v: Value) -> Res<i64> {
    if v.is_int() {
        return Ok(v.as_int());
    }
    let i = index(t, v)?;
    match crate::int::as_i64(i.value()) {
        Some(i) => Ok(i),
        None => {
            let msg = format!(
                "cannot fit '{}' into an index-sized integer",
                type_of(v).name()
            );
            Err(t.index_error(msg))
        }
    }
}

/// An index for a slice: clamped to what fits.
pub fn index_clamped(t: &mut Thread, v: Value) -> Res<isize> {
    if v.is_int() {
        return Ok(v.as_int() as isize);
    }
    let i = index(t, v)?;
    Ok(match crate::int::as_i64(i.value()) {
        Some(i) => i as isize,
        None => match crate::int::to_bigint(i.value()) {
            Some(b) if b < BigInt::from(0) => isize::MIN,
            _ => isize::MAX,
        },
    })
}

/// `float(v)` as the math module takes its arguments.
pub fn as_f64(t: &mut Thread, v: Value) -> Res<f64> {
    if v.is_float() {
        return Ok(v.as_float());
    }
    if let Some(f) = crate::float::as_f64(v) {
        return Ok(f);
    }
    if let Some(f) = type_of(v).slots.float.get() {
        let r = Obj::own(f(t, v)?);
        return crate::float::returned(t, v, r.value());
    }
    if type_of(v).slots.index.is_set() {
        let i = index(t, v)?;
        return match crate::float::to_f64(t, i.value())? {
            Some(f) => Ok(f),
            None => Err(t.overflow_error("int too large to convert to float")),
        };
    }
    let msg = format!("must be real number, not {}", type_of(v).name());
    Err(t.type_error(msg))
}

// --- classes ---

/// `isinstance(o, cls)`.
pub fn is_instance(t: &mut Thread, o: Value, cls: Value) -> Res<bool> {
    if type_of(o).value().same(cls) {
        return Ok(true);
    }
    if type_of(cls).is(&crate::types::TYPE) {
        let (ty, c) = (type_of(o), Type::of_unchecked(cls));
        // What is no instance of a class of the program's cannot lie about its class.
        if ty.is_subtype(c) || !ty.is_heap() && ty.has(tf::GENERIC_GETATTR) {
            return Ok(ty.is_subtype(c));
        }
        return recursive_is_instance(t, o, c);
    }
    if let Some(x) = Tuple::of(cls) {
        let _guard = t.enter_recursive(" in __instancecheck__")?;
        for i in 0..x.len() {
            if is_instance(t, o, x.get(i))? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    let name = crate::id!(t, "__instancecheck__");
    if let Some(f) = lookup_special_raw(t, cls, name)? {
        let _guard = t.enter_recursive(" in __instancecheck__")?;
        let r = f.call(t, &[o])?;
        return truth(t, r.value());
    }
    is_instance_default(t, o, cls)
}

fn recursive_is_instance(t: &mut Thread, o: Value, c: &Type) -> Res<bool> {
    if type_of(o).is_subtype(c) {
        return Ok(true);
    }
    // A proxy may lie about its class.
    if !o.is_ptr() || type_of(o).has(tf::GENERIC_GETATTR) && !defines_class(t, o) {
        return Ok(false);
    }
    let name = crate::id!(t, "__class__");
    match get_attr_opt(t, o, name)? {
        Some(k) => Ok(Type::of(k.value()).is_some_and(|k| k.is_subtype(c))),
        None => Ok(false),
    }
}

/// `o.__class__`, or its type if it has none.
///
/// # Errors
/// What looking for it raises.
pub fn class_of(t: &mut Thread, o: Value) -> Res<Obj> {
    let ty = type_of(o);
    if !ty.has(tf::GENERIC_GETATTR) || defines_class(t, o) {
        let said = get_attr_opt(t, o, crate::id!(t, "__class__"))?;
        if let Some(class) = said {
            return Ok(class);
        }
    }
    Ok(Obj::new(t, type_of(o).value()))
}

fn defines_class(t: &Thread, o: Value) -> bool {
    if !type_of(o).is_heap() {
        return false;
    }
    let name = crate::id!(t, "__class__");
    let own = type_of(o).lookup(t, name).map(|v| v.value());
    own != crate::types::OBJECT.lookup(t, name).map(|v| v.value())
}

/// `type.__instancecheck__`.
pub fn is_instance_default(t: &mut Thread, o: Value, cls: Value) -> Res<bool> {
    if let Some(c) = Type::of(cls) {
        return recursive_is_instance(t, o, c);
    }
    if bases_of(t, cls)?.is_none() {
        return Err(
            t.type_error("isinstance() arg 2 must be a type, a tuple of types, or a union".into())
        );
    }
    let name = crate::id!(t, "__class__");
    match get_attr_opt(t, o, name)? {
        Some(k) => abstract_subclass(t, k.value(), cls),
        None => Ok(false),
    }
}

fn bases_of(t: &mut Thread, cls: Value) -> Res<Option<Obj>> {
    let name = crate::id!(t, "__bases__");
    Ok(get_attr_opt(t, cls, name)?.filter(|b| Tuple::of(b.value()).is_some()))
}

fn abstract_subclass(t: &mut Thread, k: Value, cls: Value) -> Res<bool> {
    if k.same(cls) {
        return Ok(true);
    }
    let _guard = t.enter_recursive(" in __subclasscheck__")?;
    let Some(bases) = bases_of(t, k)? else {
        return Ok(false);
    };
    let n = Tuple::of(bases.value()).map_or(0, |b| b.len());
    for i in 0..n {
        let b = Tuple::of(bases.value()).map_or(Value::NONE, |x| x.get(i));
        if abstract_subclass(t, b, cls)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `issubclass(k, cls)`.
pub fn is_subclass(t: &mut Thread, k: Value, cls: Value) -> Res<bool> {
    if let (Some(c), Some(k)) = (Type::of(cls), Type::of(k))
        && type_of(cls).is(&crate::types::TYPE)
    {
        return Ok(k.is_subtype(c));
    }
    if let Some(x) = Tuple::of(cls) {
        let _guard = t.enter_recursive(" in __subclasscheck__")?;
        for i in 0..x.len() {
            if is_subclass(t, k, x.get(i))? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    let name = crate::id!(t, "__subclasscheck__");
    if let Some(f) = lookup_special_raw(t, cls, name)? {
        let _guard = t.enter_recursive(" in __subclasscheck__")?;
        let r = f.call(t, &[k])?;
        return truth(t, r.value());
    }
    is_subclass_default(t, k, cls)
}

/// `type.__subclasscheck__`.
pub fn is_subclass_default(t: &mut Thread, k: Value, cls: Value) -> Res<bool> {
    if let (Some(c), Some(k)) = (Type::of(cls), Type::of(k)) {
        return Ok(k.is_subtype(c));
    }
    if bases_of(t, k)?.is_none() {
        return Err(t.type_error("issubclass() arg 1 must be a class".into()));
    }
    if bases_of(t, cls)?.is_none() {
        return Err(t.type_error(
            "issubclass() arg 2 must be a class, a tuple of classes, or a union".into(),
        ));
    }
    abstract_subclass(t, k, cls)
}
