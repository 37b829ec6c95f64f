//! Template strings (PEP 750): `string.templatelib.Template` and `Interpolation`.

use crate::cell::{counted, fresh, own};
use crate::gc_slots;
use crate::prelude::*;

/// What a t-string gives.
#[repr(C)]
pub struct Template {
    pub header: Header,
    /// A tuple of str, one more than there are interpolations.
    pub strings: Slot,
    /// A tuple.
    pub interpolations: Slot,
}

/// One replacement field of a t-string.
#[repr(C)]
pub struct Interpolation {
    pub header: Header,
    pub value: Slot,
    pub expression: Slot,
    /// 'a', 'r', 's', or None.
    pub conversion: Slot,
    pub format_spec: Slot,
}

impl Template {
    /// A template of a tuple of strings and one of interpolations, which is one shorter.
    pub fn new(t: &Thread, strings: Obj, interpolations: Obj) -> Obj {
        // SAFETY: the layout of templates.
        let (o, x) = unsafe { fresh::<Template>(t, &TEMPLATE) };
        x.strings.init(t, &x.header, strings.into());
        x.interpolations.init(t, &x.header, interpolations.into());
        o
    }

    pub fn of<'a>(v: Value) -> Option<&'a Template> {
        crate::cast_exact(v, &TEMPLATE)
    }
}

impl Interpolation {
    /// All borrowed; `conversion` is a str or None.
    pub fn new(
        t: &Thread,
        value: Value,
        expression: Value,
        conversion: Value,
        format_spec: Value,
    ) -> Obj {
        // SAFETY: the layout of interpolations.
        let (o, x) = unsafe { fresh::<Interpolation>(t, &INTERPOLATION) };
        x.value.init(t, &x.header, counted(t, value));
        x.expression.init(t, &x.header, counted(t, expression));
        x.conversion.init(t, &x.header, counted(t, conversion));
        x.format_spec.init(t, &x.header, counted(t, format_spec));
        o
    }

    pub fn of<'a>(v: Value) -> Option<&'a Interpolation> {
        crate::cast_exact(v, &INTERPOLATION)
    }
}

/// Collects strings, adjacent ones joined, and what stands between them.
#[derive(Default)]
struct Builder {
    strings: Vec<Obj>,
    fields: Vec<Obj>,
    last: Vec<u8>,
}

impl Builder {
    fn text(&mut self, s: &Str) {
        self.last.extend_from_slice(s.as_bytes());
    }
    fn field(&mut self, t: &Thread, field: Obj) {
        self.end_text(t);
        self.fields.push(field);
    }
    fn end_text(&mut self, t: &Thread) {
        self.strings.push(Str::from_wtf8(t, &self.last));
        self.last.clear();
    }
    fn template(&mut self, t: &Thread, x: &Template) {
        let (Some(strings), Some(fields)) = (
            Tuple::of(x.strings.get()),
            Tuple::of(x.interpolations.get()),
        ) else {
            return;
        };
        for i in 0..strings.len() {
            if let Some(s) = Str::of(strings.get(i)) {
                self.text(s);
            }
            if i < fields.len() {
                self.field(t, Obj::new(t, fields.get(i)));
            }
        }
    }
    fn finish(mut self, t: &Thread) -> Obj {
        self.end_text(t);
        let strings = Tuple::from_vec(t, self.strings);
        Template::new(t, strings, Tuple::from_vec(t, self.fields))
    }
}

fn template_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    if args.has_keywords() {
        return Err(t.type_error("Template.__new__ only accepts *args arguments".into()));
    }
    let mut b = Builder::default();
    for &v in args.pos() {
        if let Some(s) = Str::of(v) {
            b.text(s);
        } else if Interpolation::of(v).is_some() {
            b.field(t, Obj::new(t, v));
        } else {
            let got = type_of(v).full_name(t);
            let msg = format!(
                "Template.__new__ *args need to be of type 'str' or 'Interpolation', got {got}"
            );
            return Err(t.type_error(msg));
        }
    }
    Ok(b.finish(t).into())
}

fn this<'a>(v: Value) -> &'a Template {
    // SAFETY: slot functions of TEMPLATE get its instances alone.
    unsafe { &*(v.ptr() as *const Template) }
}

fn parts(t: &Thread, v: Value) -> (Vec<Obj>, Vec<Obj>) {
    let x = this(v);
    let list = |s: &Slot| Tuple::of(s.get()).map_or_else(Vec::new, |a| a.to_vec(t));
    (list(&x.strings), list(&x.interpolations))
}

fn template_repr(t: &mut Thread, v: Value) -> Res {
    let (strings, fields) = (own(t, &this(v).strings), own(t, &this(v).interpolations));
    let mut out = b"Template(strings=".to_vec();
    for (part, end) in [(strings, ", interpolations="), (fields, ")")] {
        let part = part.unwrap_or_else(|| Obj::from_raw(Value::NONE));
        let r = proto::repr(t, part.value())?;
        errors::append(&mut out, &r);
        out.extend_from_slice(end.as_bytes());
    }
    Ok(Str::from_wtf8(t, &out).into())
}

/// The parts in their order, empty strings left out.
fn template_iter(t: &mut Thread, v: Value) -> Res {
    let (strings, fields) = parts(t, v);
    let mut all = Vec::with_capacity(strings.len() + fields.len());
    let mut fields = fields.into_iter();
    for s in strings {
        if Str::of(s.value()).is_some_and(|s| !s.is_empty()) {
            all.push(s);
        }
        all.extend(fields.next());
    }
    // SAFETY: the layout of these iterators.
    let (o, it) = unsafe { fresh::<TemplateIter>(t, &TEMPLATE_ITER) };
    let all = Tuple::from_vec(t, all);
    let inner = proto::iter(t, all.value())?;
    it.inner.init(t, &it.header, inner.into());
    Ok(o.into())
}

fn template_add(t: &mut Thread, a: Value, b: Value) -> Res {
    let (Some(x), Some(y)) = (Template::of(a), Template::of(b)) else {
        if Template::of(a).is_none() {
            return Ok(Value::NOT_IMPLEMENTED);
        }
        let got = type_of(b).full_name(t);
        let who = "string.templatelib.Template";
        return Err(t.type_error(format!(
            "can only concatenate {who} (not \"{got}\") to {who}"
        )));
    };
    let mut joined = Builder::default();
    joined.template(t, x);
    joined.template(t, y);
    Ok(joined.finish(t).into())
}

fn template_reduce(t: &mut Thread, a: &[Value]) -> Res {
    let lib = crate::runtime::import(t, "string.templatelib")?;
    let f = proto::get_attr(t, lib.value(), crate::id!(t, "_template_unpickle"))?;
    let x = this(a[0]);
    let pair = Tuple::from_vec(
        t,
        vec![
            Obj::new(t, x.strings.get()),
            Obj::new(t, x.interpolations.get()),
        ],
    );
    Ok(Tuple::from_vec(t, vec![f, pair]).into())
}

fn get_values(t: &mut Thread, v: Value) -> Res {
    let (_, fields) = parts(t, v);
    let values = fields
        .iter()
        .filter_map(|f| Interpolation::of(f.value()))
        .map(|f| Obj::new(t, f.value.get()))
        .collect();
    Ok(Tuple::from_vec(t, values).into())
}

const GENERIC: NativeDef = NativeDef::class(
    "__class_getitem__",
    "($type, item, /)",
    crate::generic_alias::class_getitem,
)
.doc("See PEP 585");

const fn ro_member(name: &'static str, offset: usize) -> MemberDef {
    MemberDef {
        name,
        offset,
        readonly: true,
        none_if_empty: true,
    }
}

gc_slots!(
    Template,
    traverse_template,
    clear_template,
    strings,
    interpolations
);

/// `string.templatelib.Template`
pub static TEMPLATE: Type = Type::builtin(
    "Template",
    size_of::<Template>(),
    &Spec {
        new: Some(template_new),
        repr: Some(template_repr),
        iter: Some(template_iter),
        concat: Some(template_add),
        methods: &[
            GENERIC,
            NativeDef::new("__reduce__", "($self, /)", template_reduce),
        ],
        members: &[
            ro_member("strings", std::mem::offset_of!(Template, strings)),
            ro_member(
                "interpolations",
                std::mem::offset_of!(Template, interpolations),
            ),
        ],
        getset: &[GetSetDef::ro("values", get_values)],
        ..Spec::EMPTY
    },
)
.module("string.templatelib")
.gc(traverse_template, clear_template)
.final_()
.doc("Template object");

#[repr(C)]
struct TemplateIter {
    header: Header,
    inner: Slot,
}

fn iter_next(t: &mut Thread, v: Value) -> Res {
    // SAFETY: slot functions of TEMPLATE_ITER get its instances alone.
    let it = unsafe { &*(v.ptr() as *const TemplateIter) };
    match own(t, &it.inner) {
        Some(inner) => proto::next_value(t, inner.value()),
        None => Ok(Value::NULL),
    }
}

gc_slots!(TemplateIter, traverse_iter, clear_iter, inner);

/// The iterator over a template's parts.
pub static TEMPLATE_ITER: Type = Type::builtin(
    "TemplateIter",
    size_of::<TemplateIter>(),
    &Spec {
        iter: Some(|t, v| Ok(to_reg(t, v.bare()))),
        iter_next: Some(iter_next),
        ..Spec::EMPTY
    },
)
.module("string.templatelib")
.gc(traverse_iter, clear_iter)
.final_()
.no_new();

fn interpolation_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new(
        "Interpolation",
        "(value, expression='', conversion=None, format_spec='')",
    );
    let a = SIG.bind(t, args)?;
    let empty = Str::new(t, "");
    let or = |v: Value, default: Value| if v.is_null() { default } else { v };
    let (expression, conversion) = (or(a[1], empty.value()), or(a[2], Value::NONE));
    let format_spec = or(a[3], empty.value());
    for (v, name) in [
        (expression, "expression"),
        (conversion, "conversion"),
        (format_spec, "format_spec"),
    ] {
        if Str::of(v).is_none() && !(name == "conversion" && v.is_none()) {
            let got = type_of(v).name();
            return Err(t.type_error(format!(
                "Interpolation() argument '{name}' must be str, not {got}"
            )));
        }
    }
    if let Some(c) = Str::of(conversion)
        && !(c.is("s") || c.is("r") || c.is("a"))
    {
        return Err(
            t.value_error("Interpolation() argument 'conversion' must be one of 's', 'a' or 'r'")
        );
    }
    Ok(Interpolation::new(t, a[0], expression, conversion, format_spec).into())
}

fn interpolation_parts(t: &Thread, v: Value) -> Vec<Obj> {
    // SAFETY: slot functions of INTERPOLATION get its instances alone.
    let x = unsafe { &*(v.ptr() as *const Interpolation) };
    [&x.value, &x.expression, &x.conversion, &x.format_spec]
        .iter()
        .map(|s| Obj::new(t, s.get()))
        .collect()
}

fn interpolation_repr(t: &mut Thread, v: Value) -> Res {
    let mut out = b"Interpolation(".to_vec();
    for (i, part) in interpolation_parts(t, v).into_iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        let r = proto::repr(t, part.value())?;
        errors::append(&mut out, &r);
    }
    out.push(b')');
    Ok(Str::from_wtf8(t, &out).into())
}

fn interpolation_reduce(t: &mut Thread, a: &[Value]) -> Res {
    let parts = interpolation_parts(t, a[0]);
    let args = Tuple::from_vec(t, parts);
    let class = Obj::new(t, INTERPOLATION.value());
    Ok(Tuple::from_vec(t, vec![class, args]).into())
}

gc_slots!(
    Interpolation,
    traverse_field,
    clear_field,
    value,
    expression,
    conversion,
    format_spec
);

/// `string.templatelib.Interpolation`
pub static INTERPOLATION: Type = Type::builtin(
    "Interpolation",
    size_of::<Interpolation>(),
    &Spec {
        new: Some(interpolation_new),
        repr: Some(interpolation_repr),
        methods: &[
            GENERIC,
            NativeDef::new("__reduce__", "($self, /)", interpolation_reduce),
        ],
        members: &[
            ro_member("value", std::mem::offset_of!(Interpolation, value)),
            ro_member(
                "expression",
                std::mem::offset_of!(Interpolation, expression),
            ),
            ro_member(
                "conversion",
                std::mem::offset_of!(Interpolation, conversion),
            ),
            ro_member(
                "format_spec",
                std::mem::offset_of!(Interpolation, format_spec),
            ),
        ],
        ..Spec::EMPTY
    },
)
.module("string.templatelib")
.gc(traverse_field, clear_field)
.final_()
.doc("Interpolation object");

/// Adds the class attributes of these types that are no methods: once, when they are ready.
pub fn init(t: &Thread) {
    TEMPLATE.ready(t);
    TEMPLATE_ITER.ready(t);
    INTERPOLATION.ready(t);
    let names = ["value", "expression", "conversion", "format_spec"];
    let names = names.iter().map(|n| Str::intern(t, n)).collect();
    let names = Tuple::from_vec(t, names);
    INTERPOLATION.set_name(t, crate::id!(t, "__match_args__"), names.value());
}
