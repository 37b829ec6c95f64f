//! `OrderedDict`: a dict (which is ordered anyway) that can move keys to either end, and compares in order.

use crate::support::{self, Count};
use std::mem::offset_of;
use weft_objects::dict::DICT;
use weft_objects::dict::keys::hash_key;
use weft_objects::int;
use weft_objects::prelude::*;
use weft_objects::types::alloc_instance;

/// `collections.OrderedDict`
#[repr(C)]
struct Ordered {
    dict: Dict,
    /// The instance's attributes.
    attrs: Slot,
    /// No item lies before this position, if the first place of the table is empty (which it is not when a new table has been made).
    first: Count,
    /// Counts the changes of the set of keys and their order.
    state: Count,
}

fn this<'a>(v: Value) -> &'a Ordered {
    // SAFETY: slots and methods of ORDERED_DICT get its instances alone.
    unsafe { &*(v.ptr() as *const Ordered) }
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an OrderedDict, whose layout begins with a dict's.
    unsafe {
        if let Some(base) = DICT.head.traverse {
            base(h, f);
        }
        f((*(h as *const Ordered)).attrs.get());
    }
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying OrderedDict.
    unsafe {
        t.drop_value((*(h as *const Ordered)).attrs.take());
        if let Some(base) = DICT.head.clear {
            base(h, t);
        }
    }
}

impl Ordered {
    fn changed(&self) {
        self.state.set(self.state.get() + 1);
    }

    /// Where to look for the first item. To be called before anything is removed.
    fn start(&self, t: &Thread) -> usize {
        let mut at = 1;
        if self.dict.prev(t, &mut at).is_some() {
            self.first.set(0);
        }
        self.changed();
        self.first.get() as usize
    }

    /// Takes the first item out.
    fn pop_first(&self, t: &mut Thread) -> Res<Option<(Obj, Obj)>> {
        loop {
            let mut at = self.start(t);
            let Some((hash, k, _)) = self.dict.next_hashed(t, &mut at) else {
                if self.first.get() != 0 {
                    self.first.set(0);
                    continue;
                }
                return Ok(None);
            };
            let k = k.to_obj(t);
            if let Some(v) = self.dict.remove_hashed(t, k.value(), hash)? {
                self.first.set(at as u64);
                return Ok(Some((k, v)));
            }
        }
    }
}

/// Whether items are set by `dict` itself.
fn plain(v: Value) -> bool {
    type_of(v).slots.set_item.get().map(|f| f as usize) == Some(set_item as *const () as usize)
}

fn set_item(t: &mut Thread, v: Value, key: Value, x: Value) -> Res<()> {
    let o = this(v);
    if !x.is_null() {
        let n = o.dict.len();
        o.dict.set(t, key, x)?;
        if o.dict.len() != n {
            o.changed();
        }
        return Ok(());
    }
    o.start(t);
    match o.dict.remove(t, key)? {
        Some(_) => Ok(()),
        None => Err(t.key_error(key)),
    }
}

fn init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    update_from(t, v, args.pos(), "OrderedDict")?;
    for (name, x) in args.keywords() {
        proto::set_item(t, v, name, x)?;
    }
    Ok(())
}

fn update_from(t: &mut Thread, v: Value, pos: &[Value], name: &str) -> Res<()> {
    let other = match pos {
        [] => return Ok(()),
        [other] => *other,
        more => {
            return Err(t.type_error(format!(
                "{name} expected at most 1 argument, got {}",
                more.len()
            )));
        }
    };
    if plain(v) {
        return this(v).dict.update(t, other);
    }
    if Dict::exact(other).is_some()
        || proto::get_attr_opt(t, other, weft_objects::id!(t, "keys"))?.is_some()
    {
        let keys = proto::call_method(t, other, "keys", &[])?;
        let it = proto::iter(t, keys.value())?;
        while let Some(k) = proto::next(t, it.value())? {
            let x = proto::get_item(t, other, k.value())?;
            proto::set_item(t, v, k.value(), x.value())?;
        }
        return Ok(());
    }
    let it = proto::iter(t, other)?;
    while let Some(pair) = proto::next(t, it.value())? {
        let items = proto::to_vec(t, pair.value())?;
        let [k, x] = &items[..] else {
            let n = items.len();
            let msg = if n < 2 {
                format!(
                    "need more than {n} value{} to unpack",
                    if n == 1 { "" } else { "s" }
                )
            } else {
                "too many values to unpack (expected 2)".into()
            };
            return Err(t.value_error(msg));
        };
        proto::set_item(t, v, k.value(), x.value())?;
    }
    Ok(())
}

fn update(t: &mut Thread, a: &[Value]) -> Res {
    let pos = Tuple::of(a[1]).map_or_else(Vec::new, |p| p.to_vec(t));
    let words: Vec<Value> = pos.iter().map(Obj::value).collect();
    update_from(t, a[0], &words, "update")?;
    for (k, x) in Dict::of(a[2]).map_or_else(Vec::new, |d| d.items(t)) {
        proto::set_item(t, a[0], k.value(), x.value())?;
    }
    Ok(Value::NONE)
}

fn pop(t: &mut Thread, a: &[Value]) -> Res {
    let o = this(a[0]);
    o.start(t);
    if let Some(x) = o.dict.remove(t, a[1])? {
        return Ok(x.into());
    }
    if a[2].is_null() {
        return Err(t.key_error(a[1]));
    }
    Ok(Obj::new(t, a[2]).into())
}

fn popitem(t: &mut Thread, a: &[Value]) -> Res {
    let o = this(a[0]);
    let last = support::truth_or(t, a[1], true)?;
    let item = if last {
        o.start(t);
        o.dict.remove_last(t)
    } else {
        o.pop_first(t)?
    };
    match item {
        Some((k, x)) => Ok(Tuple::pair(t, k, x).into()),
        None => Err(t.raise(&errors::KEY_ERROR, "dictionary is empty")),
    }
}

fn setdefault(t: &mut Thread, a: &[Value]) -> Res {
    let default = if a[2].is_null() { Value::NONE } else { a[2] };
    if plain(a[0]) {
        return this(a[0]).dict.set_default(t, a[1], default);
    }
    if proto::contains(t, a[0], a[1])? {
        return proto::get_item(t, a[0], a[1]).map(Obj::into_value);
    }
    proto::set_item(t, a[0], a[1], default)?;
    Ok(Obj::new(t, default).into())
}

fn move_to_end(t: &mut Thread, a: &[Value]) -> Res {
    let o = this(a[0]);
    let last = support::truth_or(t, a[2], true)?;
    let hash = hash_key(t, a[1])?;
    let Some(x) = o.dict.get_hashed(t, a[1], hash)?.map(Obj::own) else {
        return Err(t.key_error(a[1]));
    };
    if last {
        // Nothing to do for the key that is there already.
        let mut at = o.dict.end();
        let end = o.dict.prev(t, &mut at).map(|(k, _)| k.value());
        if end.is_some_and(|k| k.same(a[1])) {
            return Ok(Value::NONE);
        }
        o.start(t);
        o.dict.remove_hashed(t, a[1], hash)?;
        o.dict.set_hashed(t, a[1], hash, x)?;
        return Ok(Value::NONE);
    }
    o.dict.remove_hashed(t, a[1], hash)?;
    let mut rest = Vec::with_capacity(o.dict.len());
    let mut at = 0;
    while let Some((hash, k, x)) = o.dict.next_hashed(t, &mut at) {
        rest.push((hash, k.to_obj(t), x.to_obj(t)));
    }
    o.dict.clear(t);
    o.first.set(0);
    o.dict.set_hashed(t, a[1], hash, x)?;
    for (hash, k, x) in rest {
        o.dict.set_hashed(t, k.value(), hash, x)?;
    }
    Ok(Value::NONE)
}

fn clear_method(t: &mut Thread, a: &[Value]) -> Res {
    let o = this(a[0]);
    o.dict.clear(t);
    o.first.set(0);
    o.changed();
    Ok(Value::NONE)
}

fn copy(t: &mut Thread, a: &[Value]) -> Res {
    let o = this(a[0]);
    let ty = type_of(a[0]);
    if ty.is(&ORDERED_DICT) {
        let new = Obj::from_raw(Value::from_ptr(alloc_instance(t, ty)));
        this(new.value()).dict.fill_from(t, &o.dict);
        return Ok(new.into());
    }
    let cls = Obj::new(t, ty.value());
    let new = proto::call(t, cls.value(), &[])?;
    let state = o.state.get();
    for (k, _) in o.dict.items(t) {
        let x = proto::get_item(t, a[0], k.value())?;
        if o.state.get() != state {
            return Err(mutated(t));
        }
        proto::set_item(t, new.value(), k.value(), x.value())?;
    }
    Ok(new.into())
}

#[cold]
fn mutated(t: &Thread) -> Raised {
    t.runtime_error("OrderedDict mutated during iteration")
}

fn size_of_dict(t: &mut Thread, a: &[Value]) -> Res {
    let more = size_of::<Ordered>() - size_of::<Dict>();
    Ok(int::from_usize(t, this(a[0]).dict.size(t) + more))
}

fn fromkeys(t: &mut Thread, a: &[Value]) -> Res {
    let value = if a[2].is_null() { Value::NONE } else { a[2] };
    let new = proto::call(t, a[0], &[])?;
    let it = proto::iter(t, a[1])?;
    while let Some(k) = proto::next(t, it.value())? {
        proto::set_item(t, new.value(), k.value(), value)?;
    }
    Ok(new.into())
}

fn compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    let Some(f) = DICT.slots.compare.get() else {
        return Ok(Value::NOT_IMPLEMENTED);
    };
    let r = f(t, a, b, CmpOp::Eq)?;
    if r == Value::NOT_IMPLEMENTED || !matches!(op, CmpOp::Eq | CmpOp::Ne) {
        return Ok(Value::NOT_IMPLEMENTED);
    }
    let mut same = r == Value::TRUE;
    if same && type_of(b).is_subtype(&ORDERED_DICT) && type_of(a).is_subtype(&ORDERED_DICT) {
        same = same_order(t, this(a), this(b))?;
    }
    Ok(Value::bool(same == (op == CmpOp::Eq)))
}

/// Whether two dicts that are equal have their keys in the same order.
fn same_order(t: &mut Thread, a: &Ordered, b: &Ordered) -> Res<bool> {
    if a.dict.len() != b.dict.len() {
        return Ok(false);
    }
    let before = (a.state.get(), b.state.get());
    let (x, y) = (a.dict.items(t), b.dict.items(t));
    for ((p, _), (q, _)) in x.iter().zip(&y) {
        let equal = proto::eq(t, p.value(), q.value())?;
        if (a.state.get(), b.state.get()) != before {
            return Err(mutated(t));
        }
        if !equal {
            return Ok(false);
        }
    }
    Ok(true)
}

fn repr(t: &mut Thread, v: Value) -> Res {
    let name = type_of(v).name();
    let o = this(v);
    if o.dict.is_empty() {
        return Ok(Str::from_string(t, format!("{name}()")).into());
    }
    let Some(_guard) = t.repr_enter(v) else {
        return Ok(Str::new(t, "...").into());
    };
    let d = if type_of(v).is(&ORDERED_DICT) {
        o.dict.copy(t)
    } else {
        // The items as the subclass shows them.
        let items = proto::call_method(t, v, "items", &[])?;
        proto::call(t, DICT.value(), &[items.value()])?
    };
    let r = proto::repr(t, d.value())?;
    let r = Str::of(r.value()).map_or_else(Vec::new, |s| s.as_bytes().to_vec());
    Ok(Str::from_parts(t, &[name.as_bytes(), b"(", &r, b")"]).into())
}

fn or(t: &mut Thread, a: Value, b: Value) -> Res {
    if Dict::of(a).is_none() || Dict::of(b).is_none() {
        return Ok(Value::NOT_IMPLEMENTED);
    }
    let own_one = if type_of(a).is_subtype(&ORDERED_DICT) {
        a
    } else {
        b
    };
    let cls = Obj::new(t, type_of(own_one).value());
    let new = proto::call(t, cls.value(), &[a])?;
    update_from(t, new.value(), &[b], "update")?;
    Ok(new.into())
}

fn in_place_or(t: &mut Thread, a: Value, b: Value) -> Res {
    update_from(t, a, &[b], "update")?;
    Ok(to_reg(t, a.bare()))
}

fn reduce(t: &mut Thread, a: &[Value]) -> Res {
    let state = proto::call_method(t, a[0], "__getstate__", &[])?;
    let items = proto::call_method(t, a[0], "items", &[])?;
    let items = proto::iter(t, items.value())?;
    let (cls, args) = (Obj::new(t, type_of(a[0]).value()), Tuple::empty(t));
    Ok(Tuple::from_vec(t, vec![cls, args, state, support::none(), items]).into())
}

/// `collections.OrderedDict`
pub static ORDERED_DICT: Type = Type::builtin(
    "OrderedDict",
    size_of::<Ordered>(),
    &Spec {
        init: Some(init),
        repr: Some(repr),
        compare: Some(compare),
        hash: Some(proto::hash_not_implemented),
        set_item: Some(set_item),
        binary: &[(BinOp::Or, or)],
        in_place: &[(BinOp::Or, in_place_or)],
        methods: &[
            NativeDef::new("update", "($self, /, *args, **kwargs)", update),
            NativeDef::new("pop", "($self, /, key, default=<unrepresentable>)", pop)
                .doc("Remove specified key and return the corresponding value."),
            NativeDef::new("popitem", "($self, /, last=True)", popitem)
                .doc("Remove and return a (key, value) pair from the dictionary."),
            NativeDef::new("setdefault", "($self, /, key, default=None)", setdefault)
                .doc("Insert key with a value of default if key is not in the dictionary."),
            NativeDef::new("move_to_end", "($self, /, key, last=True)", move_to_end)
                .doc("Move an existing element to the end (or beginning if last is false)."),
            NativeDef::new("clear", "($self, /)", clear_method)
                .doc("Remove all items from ordered dict."),
            NativeDef::new("copy", "($self, /)", copy).doc("A shallow copy of ordered dict."),
            NativeDef::new("__sizeof__", "($self, /)", size_of_dict),
            NativeDef::new("__reduce__", "($self, /)", reduce)
                .doc("Return state information for pickling"),
            NativeDef::class("fromkeys", "($type, /, iterable, value=None)", fromkeys).doc(
                "Create a new ordered dictionary with keys from iterable and values set to value.",
            ),
        ],
        getset: &[GetSetDef::rw(
            "__dict__",
            weft_objects::descr::get_dict,
            weft_objects::descr::set_dict,
        )],
        ..Spec::EMPTY
    },
)
.base(&DICT)
.module("collections")
.gc(traverse, clear)
.dict_at(offset_of!(Ordered, attrs))
.doc("Dictionary that remembers insertion order");
