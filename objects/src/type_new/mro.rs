//! Bases of a class: which metaclass, which layout and which order they give. The order is C3 (Barrett et al., OOPSLA 1996).

use crate::prelude::*;
use crate::types::{OBJECT, TYPE, type_flags as tf};

/// The bases as an exact tuple of classes, not empty.
pub(super) fn check_bases(t: &mut Thread, bases: Value) -> Res<Obj> {
    let Some(given) = Tuple::of(bases) else {
        return Err(t.type_error("bases must be a tuple".into()));
    };
    if given.is_empty() {
        return Ok(Tuple::from_slice(t, &[OBJECT.value()]));
    }
    for b in given.values() {
        if Type::of(*b).is_none() {
            let entries = proto::get_attr_opt(t, *b, crate::id!(t, "__mro_entries__"))?;
            let msg = match entries {
                Some(_) => "type() doesn't support MRO entry resolution; use types.new_class()",
                None => "bases must be types",
            };
            return Err(t.type_error(msg.into()));
        }
    }
    Ok(Tuple::from_slice(t, given.values()))
}

/// The most derived of `meta` and the bases' metaclasses. Bases that are no classes count like any other object.
pub fn metaclass_of<'a>(t: &mut Thread, meta: &'a Type, bases: &[Value]) -> Res<&'a Type> {
    let mut winner = meta;
    for b in bases {
        let other = type_of(*b);
        if winner.is_subtype(other) {
            continue;
        }
        if !other.is_subtype(winner) {
            let msg = "metaclass conflict: the metaclass of a derived class must be a (non-strict) subclass of the \
                       metaclasses of all its bases";
            return Err(t.type_error(msg.into()));
        }
        winner = other;
    }
    Ok(winner)
}

/// The nearest class, this one included, that defines the layout.
pub(super) fn solid_base(ty: &Type) -> &Type {
    let mut c = ty;
    while !c.has(tf::SOLID) {
        match c.base_type() {
            Some(b) => c = b,
            None => return c,
        }
    }
    c
}

/// The base whose layout contains the others'.
pub(super) fn best_base<'a>(t: &mut Thread, bases: &[Value]) -> Res<&'a Type> {
    let mut best: Option<(&Type, &Type)> = None;
    for b in bases {
        let b = Type::of_unchecked(*b);
        if !b.has(tf::BASE) {
            let msg = format!(
                "type '{}' is not an acceptable base type",
                super::c_name(t, b)
            );
            return Err(t.type_error(msg));
        }
        let candidate = solid_base(b);
        match best {
            Some((_, solid)) if solid.is_subtype(candidate) => {}
            Some((_, solid)) if !candidate.is_subtype(solid) => {
                return Err(t.type_error("multiple bases have instance lay-out conflict".into()));
            }
            _ => best = Some((b, candidate)),
        }
    }
    Ok(best.map_or(&OBJECT, |b| b.0))
}

/// Works the MRO out and sets it.
pub(super) fn set_mro(t: &mut Thread, ty: &Type) -> Res<()> {
    let mro = compute(t, ty)?;
    ty.change(t, || ty.mro.set(t, ty.header(), mro.into()));
    Ok(())
}

/// The MRO: what the metaclass's `mro()` says, or C3.
pub(super) fn compute(t: &mut Thread, ty: &Type) -> Res<Obj> {
    let name = crate::id!(t, "mro");
    let meta = type_of(ty.value());
    if meta.is(&TYPE)
        || meta.lookup(t, name).map(|v| v.value()) == TYPE.lookup(t, name).map(|v| v.value())
    {
        return linearize(t, ty);
    }
    let Some(f) = proto::lookup_special_raw(t, ty.value(), name)? else {
        return linearize(t, ty);
    };
    let order = f.call(t, &[])?;
    let items = proto::to_vec(t, order.value())?;
    let solid = solid_base(ty);
    for o in &items {
        let Some(c) = Type::of(o.value()) else {
            let msg = format!(
                "mro() returned a non-class ('{}')",
                type_of(o.value()).name()
            );
            return Err(t.type_error(msg));
        };
        if !solid.is_subtype(solid_base(c)) {
            let msg = format!(
                "mro() returned base with unsuitable layout ('{}')",
                c.name()
            );
            return Err(t.type_error(msg));
        }
    }
    Ok(Tuple::from_vec(t, items))
}

/// `type.mro`: C3.
pub(super) fn linearize(t: &mut Thread, ty: &Type) -> Res<Obj> {
    let bases: Vec<Value> = Tuple::exact(ty.bases.get())
        .map(|b| b.values().to_vec())
        .unwrap_or_default();
    for (i, b) in bases.iter().enumerate() {
        if bases[..i].iter().any(|x| x.same(*b)) {
            let msg = format!("duplicate base class {}", Type::of_unchecked(*b).name());
            return Err(t.type_error(msg));
        }
    }
    let mut order = vec![ty.value()];
    let mut lists: Vec<Vec<Value>> = Vec::with_capacity(bases.len() + 1);
    for b in &bases {
        match Type::of_unchecked(*b).mro_tuple() {
            Some(m) => lists.push(m.values().to_vec()),
            None => {
                let msg = format!(
                    "Cannot extend an incomplete type '{}'",
                    Type::of_unchecked(*b).name()
                );
                return Err(t.type_error(msg));
            }
        }
    }
    if lists.len() == 1 {
        order.append(&mut lists[0]);
        return Ok(Tuple::from_slice(t, &order));
    }
    lists.push(bases);
    match merge(&lists, &mut order) {
        Ok(()) => Ok(Tuple::from_slice(t, &order)),
        Err(left) => {
            let names: Vec<String> = left.iter().map(|c| Type::of_unchecked(*c).name()).collect();
            let what = "Cannot create a consistent method resolution order (MRO) for bases";
            Err(t.type_error(format!("{what} {}", names.join(", "))))
        }
    }
}

/// Appends the merged lists to `order`; fails with the candidates that are in each other's way.
fn merge(lists: &[Vec<Value>], order: &mut Vec<Value>) -> Result<(), Vec<Value>> {
    let mut at = vec![0; lists.len()];
    loop {
        let mut heads = lists
            .iter()
            .zip(&at)
            .filter_map(|(l, &i)| l.get(i).copied())
            .peekable();
        if heads.peek().is_none() {
            return Ok(());
        }
        let good = |c: Value| {
            !lists
                .iter()
                .zip(&at)
                .any(|(l, &i)| l.iter().skip(i + 1).any(|x| x.same(c)))
        };
        let Some(next) = heads.find(|c| good(*c)) else {
            let mut left: Vec<Value> = Vec::new();
            for (l, &i) in lists.iter().zip(&at) {
                if let Some(c) = l.get(i)
                    && !left.iter().any(|x| x.same(*c))
                {
                    left.push(*c);
                }
            }
            return Err(left);
        };
        order.push(next);
        for (l, i) in lists.iter().zip(&mut at) {
            if l.get(*i).is_some_and(|x| x.same(next)) {
                *i += 1;
            }
        }
    }
}

/// Assignment to `__bases__`.
pub(super) fn set_bases(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    let ty = Type::of_unchecked(v);
    super::attrs::check_assignable(t, ty, new, "__bases__")?;
    let Some(given) = Tuple::of(new) else {
        let msg = format!(
            "can only assign tuple to {}.__bases__, not {}",
            ty.name(),
            type_of(new).name()
        );
        return Err(t.type_error(msg));
    };
    if given.is_empty() {
        let msg = format!(
            "can only assign non-empty tuple to {}.__bases__, not ()",
            ty.name()
        );
        return Err(t.type_error(msg));
    }
    for b in given.values() {
        let Some(b) = Type::of(*b) else {
            let msg = format!(
                "{}.__bases__ must be tuple of classes, not '{}'",
                ty.name(),
                type_of(*b).name()
            );
            return Err(t.type_error(msg));
        };
        if b.is_subtype(ty) || derives(b, ty) {
            return Err(t.type_error("a __bases__ item causes an inheritance cycle".into()));
        }
    }
    let base = best_base(t, given.values())?;
    let Some(old_base) = ty.base_type() else {
        return Ok(());
    };
    super::layout::check_compatible(t, base, old_base, "__bases__")?;
    let bases = Tuple::from_slice(t, given.values());
    let (old_bases, old_base) = (Obj::new(t, ty.bases.get()), Obj::new(t, old_base.value()));
    replace_bases(t, ty, &bases, base.value());
    let mut done = Vec::new();
    if let Err(e) = recompute(t, ty, &mut done) {
        let exc = t.take_exc();
        for (c, mro) in done {
            let c = Type::of_unchecked(c.value());
            c.change(t, || c.mro.set(t, c.header(), mro.into()));
        }
        replace_bases(t, ty, &old_bases, old_base.value());
        return Err(exc.map_or(e, |x| t.set_exc(x)));
    }
    ty.change(t, || crate::slotdefs::refill(t, ty));
    if ty.has_shapes() {
        crate::site_cache::forget_slots(t);
    }
    Ok(())
}

/// Whether `ty` is among the bases of `b` and of theirs, whatever the MROs say: they may be about to change.
fn derives(b: &Type, ty: &Type) -> bool {
    let mut todo = vec![b];
    let mut seen: Vec<*const Type> = Vec::new();
    while let Some(c) = todo.pop() {
        if std::ptr::eq(c, ty) {
            return true;
        }
        if c.is_heap() && !seen.contains(&(c as *const Type)) {
            seen.push(c);
            let bases = Tuple::exact(c.bases.get()).map_or(&[][..], |b| b.values());
            todo.extend(bases.iter().map(|b| Type::of_unchecked(*b)));
        }
    }
    false
}

fn replace_bases(t: &Thread, ty: &Type, bases: &Obj, base: Value) {
    ty.unlist();
    ty.bases.set(t, ty.header(), bases.clone().into());
    ty.base.set(t, ty.header(), Obj::new(t, base).into());
    super::add_to_bases(ty);
    ty.modified(t);
}

/// New MROs for a class and all below it; `done` gets the old ones.
fn recompute(t: &mut Thread, ty: &Type, done: &mut Vec<(Obj, Obj)>) -> Res<()> {
    let mro = compute(t, ty)?;
    let old = ty.change(t, || ty.mro.replace(t, ty.header(), mro.into()));
    // Empty while the class is being made: its `mro()` may do this.
    if !old.is_null() {
        done.push((Obj::new(t, ty.value()), Obj::own(old)));
    }
    let below: Vec<Obj> = ty
        .subclasses_snapshot()
        .into_iter()
        .map(|s| Obj::new(t, s))
        .collect();
    for sub in below {
        recompute(t, Type::of_unchecked(sub.value()), done)?;
    }
    Ok(())
}
