//! Struct sequences: tuples whose items have names, some of which are no items (`os.stat_result`, `time.struct_time`).

use parking_lot::Mutex;
use weft_objects::prelude::*;

/// Layout of the instances: a tuple, and the fields that are no items.
#[repr(C)]
pub struct Sequence {
    tuple: Tuple,
    /// A tuple, or NULL if there are no such fields.
    hidden: Slot,
}

/// A struct sequence type: see [`crate::struct_sequence!`].
pub struct Def {
    pub ty: &'static Type,
    /// All fields in order; an item without a name has an empty one.
    pub fields: &'static [&'static str],
    /// How many of them are items.
    pub visible: usize,
}

struct Known(&'static Def);
static KNOWN: Mutex<Vec<Known>> = Mutex::new(Vec::new());

/// The struct sequence type that `ty` is or derives from.
fn def_of(ty: &Type) -> Option<&'static Def> {
    KNOWN
        .lock()
        .iter()
        .find(|k| ty.is_subtype(k.0.ty))
        .map(|k| k.0)
}

impl Def {
    /// Makes the type ready for use, once.
    pub fn ready(&'static self, t: &Thread) {
        {
            let mut known = KNOWN.lock();
            if known.iter().any(|k| std::ptr::eq(k.0, self)) {
                return;
            }
            known.push(Known(self));
        }
        self.ty.ready(t);
        let unnamed = self.fields.iter().filter(|f| f.is_empty()).count();
        let ints = [
            ("n_sequence_fields", self.visible),
            ("n_fields", self.fields.len()),
            ("n_unnamed_fields", unnamed),
        ];
        for (name, n) in ints {
            self.ty
                .set_name(t, weft_objects::names::get(t, name), Value::int(n as i64));
        }
        if unnamed > 0 {
            self.ty.set_name(t, weft_objects::id!(t, ""), Value::NULL);
        }
        let names = self.fields[..self.visible]
            .iter()
            .filter(|f| !f.is_empty())
            .map(|f| Str::intern(t, f))
            .collect();
        let names = Tuple::from_vec(t, names);
        self.ty
            .set_name(t, weft_objects::id!(t, "__match_args__"), names.value());
    }

    /// An instance with these fields, as many as there are.
    pub fn make(&'static self, t: &Thread, fields: Vec<Obj>) -> Obj {
        self.ready(t);
        make(t, self, self.ty, fields)
    }
}

fn make(t: &Thread, def: &Def, cls: &Type, mut fields: Vec<Obj>) -> Obj {
    let hidden = fields.split_off(def.visible.min(fields.len()));
    let o = Tuple::new_instance(t, cls, fields);
    if !hidden.is_empty() {
        let s = this(o.value());
        s.hidden
            .init(t, &s.tuple.header, Tuple::from_vec(t, hidden).into());
    }
    o
}

fn this<'a>(v: Value) -> &'a Sequence {
    // SAFETY: the functions here are slots, methods and fields of struct sequence types alone.
    unsafe { &*(v.ptr() as *const Sequence) }
}

/// The getter of field `I`.
pub fn field<const I: usize>(t: &mut Thread, v: Value) -> Res {
    Ok(read(t, v, I))
}

fn read(t: &Thread, v: Value, i: usize) -> Value {
    let s = this(v);
    let n = s.tuple.len();
    if i < n {
        return to_reg(t, s.tuple.get(i));
    }
    match Tuple::exact(s.hidden.get()) {
        Some(h) if i - n < h.len() => to_reg(t, h.get(i - n)),
        _ => Value::NONE,
    }
}

/// `repr` of all struct sequence types.
pub fn repr(t: &mut Thread, v: Value) -> Res {
    let ty = type_of(v);
    let mut out = ty.full_name(t).into_bytes();
    out.push(b'(');
    let Some(def) = def_of(ty) else {
        return Ok(Str::from_vec(t, out).into());
    };
    let names = def.fields.iter().filter(|f| !f.is_empty());
    for (i, name) in names.take(def.visible).enumerate() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        let item = Obj::own(read(t, v, i));
        let r = proto::repr(t, item.value())?;
        if let Some(s) = Str::of(r.value()) {
            out.extend_from_slice(s.as_bytes());
        }
    }
    out.push(b')');
    Ok(Str::from_vec(t, out).into())
}

/// `cls(sequence, dict={})`
pub fn new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("structseq", "(sequence, dict=None)");
    let a = SIG.bind(t, args)?;
    let ty = Type::of_unchecked(cls);
    let Some(def) = def_of(ty) else {
        return Err(t.type_error("not a struct sequence type".into()));
    };
    if !a[1].is_null() && Dict::of(a[1]).is_none() {
        let name = ty.full_name(t);
        return Err(t.type_error(format!("{name}() takes a dict as second arg, if any")));
    }
    let mut items = match proto::to_vec(t, a[0]) {
        Ok(items) => items,
        Err(e) if !t.exc_matches(&errors::TYPE_ERROR) => return Err(e),
        Err(_) => return Err(t.type_error("constructor requires a sequence".into())),
    };
    let (n, min, max) = (items.len(), def.visible, def.fields.len());
    if n < min || n > max {
        let name = ty.full_name(t);
        let which = match (min == max, n < min) {
            (true, _) => format!("a {min}"),
            (_, true) => format!("an at least {min}"),
            _ => format!("an at most {max}"),
        };
        return Err(t.type_error(format!(
            "{name}() takes {which}-sequence ({n}-sequence given)"
        )));
    }
    let mut used = 0;
    for name in &def.fields[n..] {
        let mut found = None;
        if let Some(d) = Dict::of(a[1]) {
            found = d
                .get_str(t, weft_objects::names::get(t, name))
                .map(|v| v.to_obj(t));
        }
        used += usize::from(found.is_some());
        items.push(found.unwrap_or_else(crate::support::none));
    }
    if Dict::of(a[1]).is_some_and(|d| d.len() > used) {
        let name = ty.full_name(t);
        return Err(t.type_error(format!(
            "{name}() got duplicate or unexpected field name(s)"
        )));
    }
    Ok(make(t, def, ty, items).into())
}

fn hidden_dict(t: &Thread, v: Value, def: &Def) -> Obj {
    let d = Dict::new(t);
    for (i, name) in def.fields.iter().enumerate().skip(def.visible) {
        let item = Obj::own(read(t, v, i));
        if let Some(d) = Dict::exact(d.value()) {
            d.set_str(t, weft_objects::names::get(t, name), item.value());
        }
    }
    d
}

fn reduce(t: &mut Thread, a: &[Value]) -> Res {
    let ty = type_of(a[0]);
    let Some(def) = def_of(ty) else {
        return Err(t.type_error("not a struct sequence type".into()));
    };
    let items = Tuple::from_slice(t, this(a[0]).tuple.values());
    let args = Tuple::from_vec(t, vec![items, hidden_dict(t, a[0], def)]);
    let cls = Obj::new(t, ty.value());
    Ok(Tuple::from_vec(t, vec![cls, args]).into())
}

fn replace(t: &mut Thread, a: &[Value]) -> Res {
    let ty = type_of(a[0]);
    let Some(def) = def_of(ty) else {
        return Err(t.type_error("not a struct sequence type".into()));
    };
    if def.fields.iter().any(|f| f.is_empty()) {
        let name = ty.full_name(t);
        return Err(t.type_error(format!(
            "__replace__() is not supported for {name} because it has unnamed field(s)"
        )));
    }
    let mut items: Vec<Obj> = (0..def.fields.len())
        .map(|i| Obj::own(read(t, a[0], i)))
        .collect();
    let mut unknown = Vec::new();
    if let Some(kw) = Dict::of(a[1]) {
        for (k, v) in kw.items(t) {
            let name = Str::of(k.value()).map_or_else(String::new, |s| s.to_string_lossy());
            match def.fields.iter().position(|f| *f == name) {
                Some(i) => items[i] = v,
                None => unknown.push(k),
            }
        }
    }
    if !unknown.is_empty() {
        let list = List::from_vec(t, unknown);
        let r = proto::repr(t, list.value())?;
        let r = Str::of(r.value()).map_or_else(String::new, |s| s.to_string_lossy());
        return Err(t.type_error(format!("Got unexpected field name(s): {r}")));
    }
    Ok(make(t, def, ty, items).into())
}

/// The methods of all struct sequence types.
pub const METHODS: &[NativeDef] = &[NativeDef::new("__reduce__", "($self, /)", reduce), REPLACE];

/// Fields cannot be set.
pub fn read_only(t: &mut Thread, _: Value, _: Value) -> Res<()> {
    Err(t.raise(&errors::ATTRIBUTE_ERROR, "readonly attribute"))
}

/// `__replace__`
pub const REPLACE: NativeDef = NativeDef::new("__replace__", "($self, /, **changes)", replace);

/// # Safety
/// A struct sequence that nobody changes meanwhile.
pub unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: the caller's promise; the layout begins with a tuple's.
    unsafe {
        if let Some(base) = weft_objects::tuple::TUPLE.head.traverse {
            base(h, f);
        }
        f((*(h as *const Sequence)).hidden.get());
    }
}

/// # Safety
/// A dying struct sequence.
pub unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: as in `traverse`.
    unsafe {
        t.drop_value((*(h as *const Sequence)).hidden.take());
        if let Some(base) = weft_objects::tuple::TUPLE.head.clear {
            base(h, t);
        }
    }
}

/// Declares a struct sequence type: `struct_sequence!(NAME, DEF, "name" in "module", items 9, { 0 "tm_year", ... })`.
#[macro_export]
macro_rules! struct_sequence {
    ($ty:ident, $def:ident, $name:literal in $module:literal, items $visible:literal, {$($i:literal $field:literal),* $(,)?}) => {
        #[doc = concat!("`", $module, ".", $name, "`")]
        pub static $ty: ::weft_objects::types::Type = ::weft_objects::types::Type::builtin(
            $name,
            size_of::<$crate::structseq::Sequence>(),
            &::weft_objects::slots::Spec {
                repr: Some($crate::structseq::repr),
                new: Some($crate::structseq::new),
                methods: $crate::structseq::METHODS,
                getset: &[$(::weft_objects::native::GetSetDef::rw($field, $crate::structseq::field::<$i>, $crate::structseq::read_only)),*],
                ..::weft_objects::slots::Spec::EMPTY
            },
        )
        .base(&::weft_objects::tuple::TUPLE)
        .module($module)
        .gc($crate::structseq::traverse, $crate::structseq::clear)
        .mutable_unless(matches!($module.as_bytes(), b"sys"))
        .final_();
        #[doc = concat!("Fields of `", $module, ".", $name, "`.")]
        pub static $def: $crate::structseq::Def = $crate::structseq::Def {
            ty: &$ty,
            fields: &[$($field),*],
            visible: $visible,
        };
    };
}
