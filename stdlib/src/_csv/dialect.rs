//! `_csv.Dialect`: how values are separated and quoted.

use super::{quoting, registered};
use weft_objects::prelude::*;
use weft_objects::{cell, int, names};

/// What a dialect has been made of; it never changes.
#[repr(C)]
pub struct Dialect {
    header: Header,
    lineterminator: Slot,
    pub delimiter: u32,
    pub quotechar: Option<u32>,
    pub escapechar: Option<u32>,
    pub quoting: i32,
    pub doublequote: bool,
    pub skipinitialspace: bool,
    pub strict: bool,
}

weft_objects::gc_slots!(Dialect, traverse, clear, lineterminator);

const PARAMS: [&str; 8] = [
    "delimiter",
    "doublequote",
    "escapechar",
    "lineterminator",
    "quotechar",
    "quoting",
    "skipinitialspace",
    "strict",
];

impl Dialect {
    /// The dialect in a word that is known to be one.
    pub fn this<'a>(v: Value) -> &'a Dialect {
        // SAFETY: called with instances of DIALECT alone.
        unsafe { &*(v.ptr() as *const Dialect) }
    }

    pub fn lineterminator(&self) -> &Str {
        Str::this(self.lineterminator.get())
    }
}

/// `Dialect(dialect=None, **fmtparams)`, as the arguments behind the first one of `reader` and the like say.
pub fn from_call(t: &mut Thread, args: Args<'_>) -> Res<Obj> {
    let rest = Args::new(&args.all()[1..], args.names());
    new(t, DIALECT.value(), rest).map(Obj::own)
}

fn new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let mut dialect = Value::NULL;
    let mut given = [Value::NULL; 8];
    for (i, v) in args.pos().iter().enumerate() {
        match i {
            0 => dialect = *v,
            1..=8 => given[i - 1] = *v,
            _ => {
                let n = args.pos().len();
                return Err(t.type_error(format!("function takes at most 9 arguments ({n} given)")));
            }
        }
    }
    for (name, v) in args.keywords() {
        let text = Str::of(name).map_or_else(String::new, Str::to_string_lossy);
        match PARAMS.iter().position(|p| *p == text) {
            Some(i) => given[i] = v,
            None if text == "dialect" => dialect = v,
            None => {
                return Err(t.type_error(format!(
                    "this function got an unexpected keyword argument '{text}'"
                )));
            }
        }
    }
    let mut own: Option<Obj> = None;
    if !dialect.is_null() && !dialect.is_none() {
        let found = if Str::of(dialect).is_some() {
            registered(t, dialect)?
        } else {
            Obj::new(t, dialect)
        };
        let plain = given.iter().all(|v| v.is_null());
        if plain && type_of(found.value()).is(&DIALECT) {
            return Ok(found.into());
        }
        own = Some(found);
    }
    // What is not given comes from the dialect, if that has it.
    let mut values: Vec<Option<Obj>> = given.iter().map(|v| crate::support::given(t, *v)).collect();
    if let Some(d) = &own {
        for (name, v) in PARAMS.iter().zip(&mut values) {
            if v.is_none() {
                *v = proto::get_attr_opt(t, d.value(), names::get(t, name))?;
            }
        }
    }
    make(t, cls, &values).map(Obj::into_value)
}

/// A character, or (if `optional`) None.
fn char_of(
    t: &mut Thread,
    v: &Option<Obj>,
    name: &str,
    default: Option<u32>,
    optional: bool,
) -> Res<Option<u32>> {
    let Some(v) = v else { return Ok(default) };
    if optional && v.value().is_none() {
        return Ok(None);
    }
    let or_none = if optional { " or None" } else { "" };
    match Str::of(v.value()) {
        Some(s) if s.len() == 1 => Ok(Some(s.char_at(0))),
        Some(s) => {
            let n = s.len();
            let msg = format!(
                "\"{name}\" must be a unicode character{or_none}, not a string of length {n}"
            );
            Err(t.type_error(msg))
        }
        None => {
            let got = type_of(v.value()).name();
            Err(t.type_error(format!(
                "\"{name}\" must be a unicode character{or_none}, not {got}"
            )))
        }
    }
}

fn flag(t: &mut Thread, v: &Option<Obj>, default: bool) -> Res<bool> {
    match v {
        Some(v) => proto::truth(t, v.value()),
        None => Ok(default),
    }
}

fn make(t: &mut Thread, cls: Value, v: &[Option<Obj>]) -> Res<Obj> {
    let delimiter = char_of(t, &v[0], "delimiter", Some(u32::from(',')), false)?;
    let doublequote = flag(t, &v[1], true)?;
    let escapechar = char_of(t, &v[2], "escapechar", None, true)?;
    let lineterminator = match &v[3] {
        None => Str::new(t, "\r\n"),
        Some(o) if Str::of(o.value()).is_some() => o.clone(),
        Some(o) => {
            let got = type_of(o.value()).name();
            return Err(t.type_error(format!("\"lineterminator\" must be a string, not {got}")));
        }
    };
    let quotechar = char_of(t, &v[4], "quotechar", Some(u32::from('"')), true)?;
    let mut quoting = match &v[5] {
        None => quoting::MINIMAL,
        Some(o) if int::is_exact_int(o.value()) => {
            weft_objects::str::index::c_int(t, o.value(), 0)?
        }
        Some(o) => {
            let got = type_of(o.value()).name();
            return Err(t.type_error(format!("\"quoting\" must be an integer, not {got}")));
        }
    };
    let skipinitialspace = flag(t, &v[6], false)?;
    let strict = flag(t, &v[7], false)?;
    if !(quoting::MINIMAL..=quoting::NOTNULL).contains(&quoting) {
        return Err(t.type_error("bad \"quoting\" value".into()));
    }
    if v[4].is_some() && quotechar.is_none() && v[5].is_none() {
        quoting = quoting::NONE;
    }
    if quoting != quoting::NONE && quotechar.is_none() {
        return Err(t.type_error("quotechar must be set if quoting enabled".into()));
    }
    let Some(delimiter) = delimiter else {
        return Err(t.type_error("\"delimiter\" must be set".into()));
    };
    let end = Str::this(lineterminator.value());
    check(t, delimiter, escapechar, quotechar, skipinitialspace, end)?;
    // SAFETY: the layout of dialects, of which all fields are written here.
    unsafe {
        let (o, _) = cell::fresh::<Dialect>(t, Type::of_unchecked(cls));
        let p = o.value().ptr() as *mut Dialect;
        (&raw mut (*p).delimiter).write(delimiter);
        (&raw mut (*p).quotechar).write(quotechar);
        (&raw mut (*p).escapechar).write(escapechar);
        (&raw mut (*p).quoting).write(quoting);
        (&raw mut (*p).doublequote).write(doublequote);
        (&raw mut (*p).skipinitialspace).write(skipinitialspace);
        (&raw mut (*p).strict).write(strict);
        (*p).lineterminator
            .init(t, &(*p).header, lineterminator.into());
        Ok(o)
    }
}

/// ValueError if characters have two meanings.
fn check(
    t: &mut Thread,
    delimiter: u32,
    escapechar: Option<u32>,
    quotechar: Option<u32>,
    skip_space: bool,
    end: &Str,
) -> Res<()> {
    let chars = [
        ("delimiter", Some(delimiter)),
        ("escapechar", escapechar),
        ("quotechar", quotechar),
    ];
    for (name, c) in chars {
        let Some(c) = c else { continue };
        let blank = skip_space && name != "delimiter" && c == u32::from(' ');
        if c == u32::from('\n') || c == u32::from('\r') || blank {
            return Err(t.value_error(format!("bad {name} value")));
        }
    }
    let mut clash = None;
    for (i, (a, c)) in chars.iter().enumerate() {
        if c.is_none() {
            continue;
        }
        for (b, d) in &chars[i + 1..] {
            if c == d {
                clash = clash.or(Some((*a, *b)));
            }
        }
    }
    for (a, c) in chars {
        if clash.is_none() && c.is_some_and(|c| end.text().code_points().any(|x| x == c)) {
            clash = Some((a, "lineterminator"));
        }
    }
    match clash {
        Some((a, b)) => Err(t.value_error(format!("bad {a} or {b} value"))),
        None => Ok(()),
    }
}

fn char_obj(t: &Thread, c: Option<u32>) -> Value {
    c.map_or(Value::NONE, |c| Str::char(t, c).into())
}

fn no_pickle(t: &mut Thread, a: &[Value]) -> Res {
    let name = type_of(a[0]).name();
    Err(t.type_error(format!("cannot pickle '{name}' instances")))
}

/// `_csv.Dialect`
pub static DIALECT: Type = Type::builtin(
    "Dialect",
    size_of::<Dialect>(),
    &Spec {
        new: Some(new),
        // What `new` has made of the arguments stands.
        init: Some(|_, _, _| Ok(())),
        methods: &[
            NativeDef::new("__reduce__", "($self, /)", no_pickle),
            NativeDef::new("__reduce_ex__", "($self, protocol, /)", no_pickle),
        ],
        getset: &[
            GetSetDef::ro("delimiter", |t, v| {
                Ok(char_obj(t, Some(Dialect::this(v).delimiter)))
            }),
            GetSetDef::ro("doublequote", |_, v| {
                Ok(Value::bool(Dialect::this(v).doublequote))
            }),
            GetSetDef::ro("escapechar", |t, v| {
                Ok(char_obj(t, Dialect::this(v).escapechar))
            }),
            GetSetDef::ro("lineterminator", |t, v| {
                Ok(to_reg(t, Dialect::this(v).lineterminator.get()))
            }),
            GetSetDef::ro("quotechar", |t, v| {
                Ok(char_obj(t, Dialect::this(v).quotechar))
            }),
            GetSetDef::ro("quoting", |_, v| {
                Ok(Value::int(Dialect::this(v).quoting.into()))
            }),
            GetSetDef::ro("skipinitialspace", |_, v| {
                Ok(Value::bool(Dialect::this(v).skipinitialspace))
            }),
            GetSetDef::ro("strict", |_, v| Ok(Value::bool(Dialect::this(v).strict))),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.module("_csv")
.doc("CSV dialect\n\nThe Dialect type records CSV dialect options.");
