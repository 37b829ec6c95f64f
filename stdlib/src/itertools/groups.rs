//! `groupby` and the iterators over its groups.

use crate::support::{Count, given_some};
use weft_objects::cell::{fresh, own};
use weft_objects::gc_slots;
use weft_objects::iter::iter_self;
use weft_objects::prelude::*;

/// `itertools.groupby`
#[repr(C)]
struct GroupBy {
    header: Header,
    source: Slot,
    /// NULL: the items are their own keys.
    key: Slot,
    /// Key of the group that is being given out.
    target: Slot,
    /// The last item taken, and its key.
    current_key: Slot,
    current: Slot,
    /// Number of the group being given out: others have ended.
    group: Count,
}

/// The iterator over one group.
#[repr(C)]
struct Grouper {
    header: Header,
    parent: Slot,
    target: Slot,
    group: Count,
}

gc_slots!(
    GroupBy,
    traverse,
    clear,
    source,
    key,
    target,
    current_key,
    current
);
gc_slots!(Grouper, traverse_grouper, clear_grouper, parent, target);

fn this<'a>(v: Value) -> &'a GroupBy {
    // SAFETY: slots of GROUPBY get its instances alone; a grouper's parent is one.
    unsafe { &*(v.ptr() as *const GroupBy) }
}

fn groupby_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("groupby", "(iterable, key=None)");
    let a = SIG.bind(t, args)?;
    let source = proto::iter(t, a[0])?;
    let key = given_some(t, a[1]);
    // SAFETY: `cls` is GROUPBY or a subclass.
    let (o, g) = unsafe { fresh::<GroupBy>(t, Type::of_unchecked(cls)) };
    g.source.init(t, &g.header, source.into());
    if let Some(key) = key {
        g.key.init(t, &g.header, key.into());
    }
    Ok(o.into())
}

/// Takes the next item and its key. False at the end.
fn step(t: &mut Thread, g: &GroupBy) -> Res<bool> {
    let Some(x) = proto::next(t, g.source.get())? else {
        return Ok(false);
    };
    let f = g.key.get();
    let key = if f.is_null() {
        x.clone()
    } else {
        proto::call(t, f, &[x.value()])?
    };
    g.current.set(t, &g.header, x.into());
    g.current_key.set(t, &g.header, key.into());
    Ok(true)
}

fn groupby_next(t: &mut Thread, v: Value) -> Res {
    let g = this(v);
    g.group.set(g.group.get() + 1);
    loop {
        match (own(t, &g.current_key), own(t, &g.target)) {
            (None, _) => {}
            (Some(_), None) => break,
            (Some(k), Some(target)) => {
                if !proto::eq(t, target.value(), k.value())? {
                    break;
                }
            }
        }
        if !step(t, g)? {
            return Ok(Value::NULL);
        }
    }
    let Some(key) = own(t, &g.current_key) else {
        return Ok(Value::NULL);
    };
    g.target.set(t, &g.header, key.clone().into());
    let group = new_grouper(t, v, &key);
    Ok(Tuple::pair(t, key, group).into())
}

fn new_grouper(t: &Thread, parent: Value, target: &Obj) -> Obj {
    // SAFETY: the layout of GROUPER.
    let (o, g) = unsafe { fresh::<Grouper>(t, &GROUPER) };
    g.parent.init(t, &g.header, Obj::new(t, parent).into());
    g.target.init(t, &g.header, target.clone().into());
    g.group.set(this(parent).group.get());
    o
}

fn grouper_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("_grouper", "(parent, tgtkey, /)");
    let a = SIG.bind(t, args)?;
    if !type_of(a[0]).is_subtype(&GROUPBY) {
        let got = type_of(a[0]).name();
        return Err(t.type_error(format!(
            "_grouper() argument 1 must be itertools.groupby, not {got}"
        )));
    }
    let target = Obj::new(t, a[1]);
    Ok(new_grouper(t, a[0], &target).into())
}

fn grouper_next(t: &mut Thread, v: Value) -> Res {
    // SAFETY: slots of GROUPER get its instances alone.
    let it = unsafe { &*(v.ptr() as *const Grouper) };
    let g = this(it.parent.get());
    if g.group.get() != it.group.get() {
        return Ok(Value::NULL);
    }
    if g.current.get().is_null() && !step(t, g)? {
        return Ok(Value::NULL);
    }
    let Some(key) = own(t, &g.current_key) else {
        return Ok(Value::NULL);
    };
    if !proto::eq(t, it.target.get(), key.value())? {
        return Ok(Value::NULL);
    }
    let x = g.current.take();
    g.current_key.set(t, &g.header, Value::NULL);
    Ok(x)
}

/// `itertools.groupby`
pub static GROUPBY: Type = Type::builtin(
    "groupby",
    size_of::<GroupBy>(),
    &Spec { new: Some(groupby_new), iter: Some(iter_self), iter_next: Some(groupby_next), ..Spec::EMPTY },
)
.module("itertools")
.gc(traverse, clear)
.doc(
    "make an iterator that returns consecutive keys and groups from the iterable\n\n  iterable\n    Elements to divide into \
     groups according to the key function.\n  key\n    A function for computing the group category for each element.\n    If \
     the key function is not specified or is None, the element itself\n    is used for grouping.",
);

/// `itertools._grouper`
pub static GROUPER: Type = Type::builtin(
    "_grouper",
    size_of::<Grouper>(),
    &Spec {
        new: Some(grouper_new),
        iter: Some(iter_self),
        iter_next: Some(grouper_next),
        ..Spec::EMPTY
    },
)
.module("itertools")
.gc(traverse_grouper, clear_grouper)
.final_();
