//! `_tuplegetter`: the descriptor of a namedtuple's field.

use crate::cell::fresh;
use crate::gc_slots;
use crate::prelude::*;
use std::mem::offset_of;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// The descriptor of a namedtuple's field.
#[repr(C)]
struct TupleGetter {
    header: Header,
    doc: Slot,
    /// Set when it is made.
    index: AtomicI64,
}

gc_slots!(TupleGetter, traverse_getter, clear_getter, doc);

fn getter_of<'a>(v: Value) -> &'a TupleGetter {
    // SAFETY: slots and methods of TUPLE_GETTER get its instances alone.
    unsafe { &*(v.ptr() as *const TupleGetter) }
}

/// The number of the item that `v` gets from a tuple, if it is such a descriptor.
pub fn index_of(v: Value) -> Option<usize> {
    let g = crate::cast_exact::<TupleGetter>(v, &TUPLE_GETTER)?;
    usize::try_from(g.index.load(Relaxed)).ok()
}

fn getter_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("_tuplegetter", "(index, doc, /)");
    let a = SIG.bind(t, args)?;
    let index = proto::index_i64(t, a[0])?;
    // SAFETY: `cls` is TUPLE_GETTER or a subclass.
    let (o, g): (_, &TupleGetter) = unsafe { fresh(t, Type::of_unchecked(cls)) };
    g.index.store(index, Relaxed);
    g.doc.init(t, &g.header, Obj::new(t, a[1]).into());
    Ok(o.into())
}

fn getter_get(t: &mut Thread, v: Value, obj: Value, _ty: Value) -> Res {
    let index = getter_of(v).index.load(Relaxed);
    match Tuple::of(obj) {
        Some(x) if index >= 0 && (index as usize) < x.len() => Ok(to_reg(t, x.get(index as usize))),
        Some(_) => Err(t.index_error("tuple index out of range")),
        None if obj.is_null() || obj.is_none() => Ok(Obj::new(t, v).into()),
        None => {
            let got = type_of(obj).name();
            Err(t.type_error(format!(
                "descriptor for index '{index}' for tuple subclasses doesn't apply to '{got}' object"
            )))
        }
    }
}

fn getter_set(t: &mut Thread, _v: Value, _obj: Value, new: Value) -> Res<()> {
    let what = if new.is_null() {
        "can't delete attribute"
    } else {
        "can't set attribute"
    };
    Err(t.raise(&errors::ATTRIBUTE_ERROR, what))
}

fn getter_reduce(t: &mut Thread, a: &[Value]) -> Res {
    let g = getter_of(a[0]);
    let (index, doc) = (
        Obj::own(crate::int::from_i64(t, g.index.load(Relaxed))),
        Obj::own(crate::cell::or_none(t, g.doc.get())),
    );
    let args = Tuple::pair(t, index, doc);
    let cls = Obj::new(t, type_of(a[0]).value());
    Ok(Tuple::pair(t, cls, args).into())
}

fn getter_repr(t: &mut Thread, v: Value) -> Res {
    let g = getter_of(v);
    let doc = proto::repr(t, g.doc.get())?;
    let doc = Str::of(doc.value()).map_or_else(String::new, |s| s.to_string_lossy());
    let s = format!(
        "{}({}, {doc})",
        type_of(v).full_name(t),
        g.index.load(Relaxed)
    );
    Ok(Str::from_string(t, s).into())
}

/// `_collections._tuplegetter`
pub static TUPLE_GETTER: Type = Type::builtin(
    "_tuplegetter",
    size_of::<TupleGetter>(),
    &Spec {
        new: Some(getter_new),
        repr: Some(getter_repr),
        descr_get: Some(getter_get),
        descr_set: Some(getter_set),
        methods: &[NativeDef::new("__reduce__", "($self, /)", getter_reduce)],
        members: &[MemberDef {
            name: "__doc__",
            offset: offset_of!(TupleGetter, doc),
            readonly: false,
            none_if_empty: true,
        }],
        ..Spec::EMPTY
    },
)
.module("collections")
.gc(traverse_getter, clear_getter);
