//! `_string`: the parsers behind `string.Formatter`.

use std::sync::atomic::{AtomicUsize, Ordering::*};
use weft_objects::module::Module;
use weft_objects::prelude::*;
use weft_objects::str::text_error;
use weft_objects::text::TextResult;
use weft_objects::text::strformat::{self, Access, First, Template};

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("formatter_parser", "(string, /)", parser)
        .doc("parse the argument as a format string"),
    NativeDef::new(
        "formatter_field_name_split",
        "(string, /)",
        field_name_split,
    )
    .doc("split the argument as a field name"),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = Module::new(t, "_string");
    if let Some(module) = Module::of(m.value()) {
        FORMATTER_ITERATOR.ready(t);
        FIELD_NAME_ITERATOR.ready(t);
        module.add_functions(t, FUNCTIONS);
    }
    Ok(m)
}

/// Iterator over the parts of a template or the steps of a field name. They are parsed in advance, up to the first mistake,
/// which is raised when its turn comes.
#[repr(C)]
struct Parser {
    header: Header,
    /// The tuples to give out.
    items: Slot,
    /// The text.
    text: Slot,
    at: AtomicUsize,
}

/// Parses a text into tuples, up to its end or an error.
type ParseFn = fn(&Thread, &Str, &mut Vec<Obj>) -> TextResult<()>;

impl Parser {
    fn make(t: &Thread, ty: &'static Type, text: Value, parse: ParseFn) -> Obj {
        let mut items = Vec::new();
        // The error is found again when the items have run out.
        let _ = parse(t, Str::this(text), &mut items);
        let items = Tuple::from_vec(t, items);
        // SAFETY: the layout is the type's; the zeroed rest is valid.
        unsafe {
            let p = t.alloc(&ty.head, size_of::<Parser>()) as *mut Parser;
            (*p).items.init(t, &(*p).header, items.into_value());
            (*p).text
                .init(t, &(*p).header, Obj::new(t, text).into_value());
            Obj::from_raw(Value::from_ptr(p as *const Header))
        }
    }

    /// The next tuple, then the error, if there is one.
    fn next(t: &mut Thread, v: Value, parse: ParseFn) -> Res {
        // SAFETY: called with objects of the two iterator types only.
        let this = unsafe { &*(v.ptr() as *const Parser) };
        let items = Tuple::this(this.items.get());
        let at = this.at.load(Relaxed);
        if at < items.len() {
            this.at.store(at + 1, Relaxed);
            return Ok(to_reg(t, items.get(at)));
        }
        match parse(t, Str::this(this.text.get()), &mut Vec::new()) {
            Ok(()) => Ok(Value::NULL),
            Err(e) => Err(text_error(t, e)),
        }
    }
}

fn argument<'a>(t: &mut Thread, v: Value) -> Res<&'a Str> {
    match Str::of(v) {
        Some(s) => Ok(s),
        None => {
            let got = type_of(v).name();
            Err(t.type_error(format!("expected str, got {got}")))
        }
    }
}

fn parser(t: &mut Thread, a: &[Value]) -> Res {
    argument(t, a[0])?;
    Ok(Parser::make(t, &FORMATTER_ITERATOR, a[0], parts).into())
}

/// `(literal, field name, specification, conversion)` for each part.
fn parts(t: &Thread, text: &Str, out: &mut Vec<Obj>) -> TextResult<()> {
    let mut template = Template::new(text.as_bytes());
    while let Some(part) = template.next_part()? {
        let none = || Obj::from_raw(Value::NONE);
        let literal = Str::from_wtf8(t, part.literal);
        let items = match part.field {
            None => vec![literal, none(), none(), none()],
            Some(field) => {
                let conversion = field.conversion.map_or_else(none, |c| Str::char(t, c));
                vec![
                    literal,
                    Str::from_wtf8(t, field.name),
                    Str::from_wtf8(t, field.spec),
                    conversion,
                ]
            }
        };
        out.push(Tuple::from_vec(t, items));
    }
    Ok(())
}

fn field_name_split(t: &mut Thread, a: &[Value]) -> Res {
    let s = argument(t, a[0])?;
    let (first, _) = match strformat::split_name(s.as_bytes()) {
        Ok(split) => split,
        Err(e) => return Err(text_error(t, e)),
    };
    let head = match first {
        First::Auto => Str::empty(t),
        First::Index(i) => Obj::own(weft_objects::int::from_usize(t, i)),
        First::Name(name) => Str::from_wtf8(t, name),
    };
    let rest = Parser::make(t, &FIELD_NAME_ITERATOR, a[0], steps);
    Ok(Tuple::from_vec(t, vec![head, rest]).into())
}

/// `(is attribute, name or index)` for each step.
fn steps(t: &Thread, text: &Str, out: &mut Vec<Obj>) -> TextResult<()> {
    let (_, mut steps) = strformat::split_name(text.as_bytes())?;
    while let Some(step) = steps.next_access()? {
        let (attribute, name) = match step {
            Access::Attribute(name) => (true, Str::from_wtf8(t, name)),
            Access::Key(name) => (false, Str::from_wtf8(t, name)),
            Access::Index(i) => (false, Obj::own(weft_objects::int::from_usize(t, i))),
        };
        out.push(Tuple::from_vec(
            t,
            vec![Obj::from_raw(Value::bool(attribute)), name],
        ));
    }
    Ok(())
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object of this type.
    let p = unsafe { &*(h as *const Parser) };
    f(p.items.get());
    f(p.text.get());
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of this type.
    let p = unsafe { &*(h as *const Parser) };
    t.drop_value(p.items.take_local());
    t.drop_value(p.text.take_local());
}

const fn spec(next: weft_objects::slots::IterNextFn) -> Spec {
    Spec {
        iter: Some(|t, v| Ok(Obj::new(t, v).into())),
        iter_next: Some(next),
        ..Spec::EMPTY
    }
}
static FORMATTER_SPEC: Spec = spec(|t, v| Parser::next(t, v, parts));
static FIELD_NAME_SPEC: Spec = spec(|t, v| Parser::next(t, v, steps));

static FORMATTER_ITERATOR: Type =
    Type::builtin("formatteriterator", size_of::<Parser>(), &FORMATTER_SPEC)
        .gc(traverse, clear)
        .final_()
        .no_new();
static FIELD_NAME_ITERATOR: Type =
    Type::builtin("fieldnameiterator", size_of::<Parser>(), &FIELD_NAME_SPEC)
        .gc(traverse, clear)
        .final_()
        .no_new();
