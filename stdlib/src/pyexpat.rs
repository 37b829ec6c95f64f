//! `pyexpat`: reading XML. The parser is in [`parser`]; this is what programs see of it, named as expat's.

use crate::support::{self, Guarded, add, add_ints, int_obj};
use std::sync::OnceLock;
use weft_objects::buffer;
use weft_objects::bytes::Bytes;
use weft_objects::cell;
use weft_objects::int;
use weft_objects::module::Module;
use weft_objects::prelude::*;
use weft_objects::runtime::SharedObj;

mod chars;
mod decode;
mod dtd;
mod event;
mod handlers;
mod messages;
mod parser;

use decode::Encoding;
use event::{Fault, code};
use handlers::HANDLERS;
use parser::{Parser, Place};

/// What goes with a parser. Touched under the object's lock.
struct State {
    parser: Parser,
    /// Text that waits for more of it, if it is to be collected.
    text: Option<Vec<u8>>,
    text_room: usize,
    ordered: bool,
    specified: bool,
    base: Option<String>,
    error: u32,
    /// The document has ended, or something went wrong: why nothing more is taken.
    over: Option<u32>,
    /// A handler is running.
    calling: bool,
    /// It is parsing.
    busy: bool,
}

#[repr(C)]
struct XmlParser {
    header: Header,
    handlers: [Slot; HANDLERS.len()],
    /// A dict of names, or NULL.
    intern: Slot,
    state: Guarded<Option<State>>,
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: called with objects of this type alone.
    let p = unsafe { &*(h as *const XmlParser) };
    p.handlers.iter().for_each(|s| f(s.get()));
    f(p.intern.get());
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of this type.
    unsafe {
        let p = &*(h as *const XmlParser);
        for s in &p.handlers {
            t.drop_value(s.take_local());
        }
        t.drop_value(p.intern.take_local());
        drop(p.state.take());
    }
}

impl XmlParser {
    fn this<'a>(v: Value) -> &'a XmlParser {
        // SAFETY: called with objects of this type alone.
        unsafe { &*(v.ptr() as *const XmlParser) }
    }

    /// Runs `f` with the state, under the object's lock. (It is there from the beginning.)
    fn with<R: Default>(&self, t: &Thread, f: impl FnOnce(&mut State) -> R) -> R {
        let guard = lock(t, &self.header);
        self.state.get(&guard).as_mut().map(f).unwrap_or_default()
    }

    fn make(t: &Thread, parser: Parser, intern: Option<Obj>) -> Obj {
        // SAFETY: the layout of the type.
        let (o, p) = unsafe { cell::fresh::<XmlParser>(t, &XML_PARSER) };
        p.state.init(Some(State {
            parser,
            text: None,
            text_room: 8192,
            ordered: false,
            specified: false,
            base: None,
            error: 0,
            over: None,
            calling: false,
            busy: false,
        }));
        if let Some(intern) = intern {
            p.intern.init(t, &p.header, intern.into_value());
        }
        o
    }

    fn place(&self, t: &Thread) -> Place {
        self.with(t, |s| Some(s.parser.event)).unwrap_or_default()
    }
}

/// `xml.parsers.expat.ExpatError`
fn class(t: &mut Thread) -> Res<Obj> {
    static ERROR: OnceLock<SharedObj> = OnceLock::new();
    if let Some(class) = ERROR.get() {
        return Ok(class.get(t));
    }
    let bases = [&errors::EXCEPTION];
    let module = "xml.parsers.expat";
    let class = crate::_signal::new_exception_class(t, "ExpatError", module, &bases)?;
    Ok(ERROR.get_or_init(|| SharedObj::new(t, class)).get(t))
}

/// Raises ExpatError about the place where the parser is.
fn raise(t: &mut Thread, p: &XmlParser, code: u32) -> Raised {
    p.with(t, |s| s.error = code);
    let place = p.place(t);
    let (line, column) = (place.line, place.column);
    let what = messages::text(code).unwrap_or("unknown error");
    let msg = format!("{what}: line {line}, column {column}");
    let made = class(t).and_then(|class| {
        let msg = Str::from_string(t, msg);
        let exc = proto::call(t, class.value(), &[msg.value()])?;
        let fields = [
            ("code", i64::from(code)),
            ("offset", column as i64),
            ("lineno", line as i64),
        ];
        for (name, n) in fields {
            let name = weft_objects::names::get(t, name);
            proto::set_attr(t, exc.value(), name, Value::int(n))?;
        }
        Ok(exc)
    });
    match made {
        Ok(exc) => t.raise_value(exc),
        Err(e) => e,
    }
}

// --- parsing ---

/// Takes more data and calls handlers for what has become whole.
fn parse(t: &mut Thread, v: Value, data: &[u8], last: bool, func: &str) -> Res<()> {
    let p = XmlParser::this(v);
    if p.with(t, |s| s.busy) {
        let msg = format!("cannot call {func}() from within a handler");
        return Err(t.runtime_error(msg));
    }
    let refused = p.with(t, |s| {
        if s.busy {
            return Some(code::ABORTED);
        }
        if s.over.is_some() {
            return s.over;
        }
        s.busy = true;
        s.parser.feed(data, last);
        None
    });
    if let Some(code) = refused {
        return Err(raise(t, p, code));
    }
    let done = events(t, v, p);
    p.with(t, |s| {
        s.busy = false;
        if done.is_err() || last {
            s.over = Some(code::FINISHED);
        }
    });
    done
}

fn events(t: &mut Thread, v: Value, p: &XmlParser) -> Res<()> {
    loop {
        let expand = !handlers::is_set(p, handlers::DEFAULT);
        let next = p.with(t, |s| {
            s.parser.expand = expand;
            Some(s.parser.next())
        });
        match next {
            Some(Ok(Some((event, raw)))) => handlers::deliver(t, v, event, raw)?,
            Some(Err(Fault { code, .. })) => {
                handlers::flush(t, v)?;
                return Err(raise(t, p, code));
            }
            _ => return handlers::flush(t, v),
        }
        if t.interrupted() {
            weft_objects::runtime::safepoint(t)?;
        }
    }
}

fn parse_method(t: &mut Thread, a: &[Value]) -> Res {
    let last = support::truth_or(t, a[2], false)?;
    if let Some(s) = Str::of(a[1]) {
        if s.as_str().is_none() {
            let e = errors::unicode_encode_error(
                t,
                "utf-8",
                Obj::new(t, a[1]),
                0,
                1,
                "surrogates not allowed",
            );
            return Err(t.raise_value(e));
        }
        XmlParser::this(a[0]).with(t, |state| {
            if !state.parser.has_begun() {
                state.parser.set_encoding(Encoding::Utf8);
            }
        });
        parse(t, a[0], s.as_bytes(), last, "Parse")?;
    } else {
        let b = buffer::get(t, a[1])?;
        parse(t, a[0], b.as_bytes(), last, "Parse")?;
    }
    Ok(Value::int(1))
}

fn parse_file(t: &mut Thread, a: &[Value]) -> Res {
    let name = weft_objects::id!(t, "read");
    let Some(read) = proto::get_attr_opt(t, a[1], name)? else {
        return Err(t.type_error("argument must have 'read' attribute".into()));
    };
    loop {
        let part = proto::call(t, read.value(), &[Value::int(2048)])?;
        let v = part.value();
        if Bytes::of(v).is_none() && !type_of(v).is_subtype(&weft_objects::bytearray::BYTEARRAY) {
            let got = type_of(v).name();
            return Err(t.type_error(format!("read() did not return a bytes object (type={got})")));
        }
        let b = buffer::get(t, v)?;
        if b.len > 2048 {
            let n = b.len;
            return Err(t.value_error(format!(
                "read() returned too much data: 2048 bytes requested, {n} returned"
            )));
        }
        let last = b.len == 0;
        parse(t, a[0], b.as_bytes(), last, "ParseFile")?;
        if last {
            return Ok(Value::int(1));
        }
    }
}

/// The encoding that an argument names; `None`: not one that the parser knows by itself.
fn encoding_arg(t: &mut Thread, v: Value, func: &str) -> Res<Option<Encoding>> {
    if v.is_null() || v.is_none() {
        return Ok(None);
    }
    let name = text_or_none(t, v, func, "encoding")?;
    match Encoding::by_name(&name) {
        // The first bytes say which of the two it is.
        Some(Encoding::Utf16(_)) if name.len() == "utf-16".len() => Ok(None),
        Some(e) => Ok(Some(e)),
        None => encoding_table(t, &name).map(Some),
    }
}

fn text_or_none(t: &mut Thread, v: Value, func: &str, param: &str) -> Res<String> {
    match Str::of(v) {
        Some(s) => Ok(s.to_string_lossy()),
        None => {
            let got = type_of(v).name();
            Err(t.type_error(format!(
                "{func}() argument '{param}' must be str or None, not {got}"
            )))
        }
    }
}

/// What a codec makes of each byte.
fn encoding_table(t: &mut Thread, name: &str) -> Res<Encoding> {
    let all: Vec<u8> = (0..=255).collect();
    let (all, name) = (Bytes::from_vec(t, all), Str::new(t, name));
    let how = Str::new(t, "replace");
    let decoded = proto::call_method(t, all.value(), "decode", &[name.value(), how.value()])?;
    let Some(s) = Str::of(decoded.value()).filter(|s| s.len() == 256) else {
        return Err(t.value_error("multi-byte encodings are not supported"));
    };
    let mut table = Box::new([None; 256]);
    for (i, c) in table.iter_mut().enumerate() {
        *c = char::from_u32(s.char_at(i)).filter(|c| *c != '\u{fffd}');
    }
    Ok(Encoding::Table(table))
}

fn external_parser(t: &mut Thread, a: &[Value]) -> Res {
    let p = XmlParser::this(a[0]);
    let context = if a[1].is_none() {
        None
    } else {
        Some(support::text(t, a[1], "ExternalEntityParserCreate", "1")?)
    };
    let encoding = encoding_arg(t, a[2], "ExternalEntityParserCreate")?;
    let child = p.with(t, |s| {
        let child = s.parser.child(context.as_deref(), encoding);
        Some((
            child,
            s.text.is_some(),
            s.text_room,
            s.ordered,
            s.specified,
            s.base.clone(),
        ))
    });
    let Some((child, collects, room, ordered, specified, base)) = child else {
        return Err(t.runtime_error("the parser has no state"));
    };
    let intern = cell::own(t, &p.intern);
    let o = XmlParser::make(t, child, intern);
    let new = XmlParser::this(o.value());
    new.with(t, |s| {
        s.text = collects.then(Vec::new);
        (s.text_room, s.ordered, s.specified, s.base) = (room, ordered, specified, base);
    });
    for (from, to) in p.handlers.iter().zip(&new.handlers) {
        if let Some(f) = cell::own(t, from) {
            to.set(t, &new.header, f.into_value());
        }
    }
    Ok(o.into())
}

fn set_base(t: &mut Thread, a: &[Value]) -> Res {
    let base = support::text(t, a[1], "SetBase", "1")?;
    XmlParser::this(a[0]).with(t, |s| s.base = Some(base));
    Ok(Value::NONE)
}

fn get_base(t: &mut Thread, a: &[Value]) -> Res {
    match XmlParser::this(a[0]).with(t, |s| s.base.clone()) {
        Some(base) => Ok(Str::from_string(t, base).into()),
        None => Ok(Value::NONE),
    }
}

fn input_context(t: &mut Thread, a: &[Value]) -> Res {
    let p = XmlParser::this(a[0]);
    let rest = p.with(t, |s| {
        s.calling.then(|| s.parser.rest().as_bytes().to_vec())
    });
    match rest {
        Some(rest) => Ok(Bytes::from_vec(t, rest).into()),
        None => Ok(Value::NONE),
    }
}

fn set_param_entity_parsing(t: &mut Thread, a: &[Value]) -> Res {
    let flag = support::c_int(t, a[1])?;
    let done = XmlParser::this(a[0]).with(t, |s| {
        let early = !s.parser.has_begun() && (0..=2).contains(&flag);
        if early {
            s.parser.parameter_entities = flag;
        }
        early
    });
    Ok(Value::int(done.into()))
}

fn use_foreign_dtd(t: &mut Thread, a: &[Value]) -> Res {
    let flag = support::truth_or(t, a[1], true)?;
    let p = XmlParser::this(a[0]);
    let late = p.with(t, |s| {
        let late = s.parser.has_begun();
        if !late {
            s.parser.foreign = flag;
        }
        late
    });
    // "cannot change setting once parsing has begun"
    if late {
        Err(raise(t, p, 26))
    } else {
        Ok(Value::NONE)
    }
}

/// ExpatError that is about no place.
fn plain_error(t: &mut Thread, msg: &str) -> Raised {
    match class(t) {
        Ok(class) => t.raise(Type::of_unchecked(class.value()), msg),
        Err(e) => e,
    }
}

fn root_only(t: &mut Thread, p: &XmlParser) -> Res<()> {
    if p.with(t, |s| s.parser.is_child()) {
        return Err(plain_error(t, "parser must be a root parser"));
    }
    Ok(())
}

fn set_amplification(t: &mut Thread, a: &[Value]) -> Res {
    let factor = proto::as_f64(t, a[1])?;
    let p = XmlParser::this(a[0]);
    root_only(t, p)?;
    if factor.is_nan() || factor < 1.0 {
        return Err(plain_error(t, "'max_factor' must be at least 1.0"));
    }
    p.with(t, |s| s.parser.amplification = factor);
    Ok(Value::NONE)
}

fn set_threshold(t: &mut Thread, a: &[Value]) -> Res {
    let n = proto::index_i64(t, a[1])?;
    let Ok(n) = u64::try_from(n) else {
        return Err(t.value_error("Cannot convert negative int"));
    };
    let p = XmlParser::this(a[0]);
    root_only(t, p)?;
    p.with(t, |s| s.parser.threshold = n);
    Ok(Value::NONE)
}

// --- attributes ---

fn flag(t: &Thread, v: Value, f: impl FnOnce(&mut State) -> bool) -> Res {
    Ok(Value::bool(XmlParser::this(v).with(t, f)))
}

fn set_flag(t: &mut Thread, v: Value, new: Value, f: impl FnOnce(&mut State, bool)) -> Res<()> {
    if new.is_null() {
        return Err(t.runtime_error("Cannot delete attribute"));
    }
    let on = proto::truth(t, new)?;
    XmlParser::this(v).with(t, |s| f(s, on));
    Ok(())
}

fn set_buffer_text(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    if !new.is_null() && !proto::truth(t, new)? {
        handlers::flush(t, v)?;
    }
    set_flag(t, v, new, |s, on| match (on, &s.text) {
        (true, None) => s.text = Some(Vec::new()),
        (false, _) => s.text = None,
        _ => {}
    })
}

fn set_buffer_size(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    if new.is_null() {
        return Err(t.runtime_error("Cannot delete attribute"));
    }
    if !int::is_int(new) {
        return Err(t.type_error("buffer_size must be an integer".into()));
    }
    let n = proto::index_i64(t, new)?;
    if n <= 0 {
        return Err(t.value_error("buffer_size must be greater than zero"));
    }
    if n > i64::from(i32::MAX) {
        let most = i32::MAX;
        return Err(t.value_error(format!("buffer_size must not be greater than {most}")));
    }
    let same = XmlParser::this(v).with(t, |s| s.text_room == n as usize);
    if !same {
        handlers::flush(t, v)?;
    }
    XmlParser::this(v).with(t, |s| s.text_room = n as usize);
    Ok(())
}

/// A number about the place where the parser is.
fn position(t: &Thread, v: Value, f: impl FnOnce(Place) -> usize) -> Res {
    let n = f(XmlParser::this(v).place(t));
    Ok(int::from_usize(t, n))
}

fn byte_index(t: &mut Thread, v: Value) -> Res {
    let n = XmlParser::this(v).with(t, |s| {
        let begun = s.parser.has_begun();
        Some(if begun {
            s.parser.event.byte as i64
        } else {
            -1
        })
    });
    Ok(Value::int(n.unwrap_or(-1)))
}

const LINE: fn(&mut Thread, Value) -> Res = |t, v| position(t, v, |p| p.line);
const COLUMN: fn(&mut Thread, Value) -> Res = |t, v| position(t, v, |p| p.column);

/// `pyexpat.xmlparser`
static XML_PARSER: Type = Type::builtin(
    "xmlparser",
    size_of::<XmlParser>(),
    &Spec {
        methods: &[
            NativeDef::new("Parse", "($self, data, isfinal=False, /)", parse_method)
                .doc("Parse XML data.\n\n'isfinal' should be true at end of input."),
            NativeDef::new("ParseFile", "($self, file, /)", parse_file)
                .doc("Parse XML data from file-like object."),
            NativeDef::new("SetBase", "($self, base, /)", set_base).doc("Set the base URL for the parser."),
            NativeDef::new("GetBase", "($self, /)", get_base).doc("Return base URL string for the parser."),
            NativeDef::new("GetInputContext", "($self, /)", input_context)
                .doc("Return the untranslated text of the input that caused the current event."),
            NativeDef::new(
                "ExternalEntityParserCreate",
                "($self, context, encoding=None, /)",
                external_parser,
            )
            .doc("Create a parser for parsing an external entity based on the information passed to the ExternalEntityRefHandler."),
            NativeDef::new("SetParamEntityParsing", "($self, flag, /)", set_param_entity_parsing)
                .doc("Controls parsing of parameter entities (including the external DTD subset)."),
            NativeDef::new("UseForeignDTD", "($self, flag=True, /)", use_foreign_dtd)
                .doc("Allows the application to provide an artificial external subset if one is not specified as part of the document instance."),
            NativeDef::new("SetReparseDeferralEnabled", "($self, enabled, /)", |t, a| {
                let on = proto::truth(t, a[1])?;
                XmlParser::this(a[0]).with(t, |s| s.parser.deferral = on);
                Ok(Value::NONE)
            })
            .doc("Enable/Disable reparse deferral; enabled by default with Expat >=2.6.0."),
            NativeDef::new("GetReparseDeferralEnabled", "($self, /)", |t, a| {
                flag(t, a[0], |s| s.parser.deferral)
            })
            .doc("Retrieve reparse deferral enabled status; always returns false with Expat <2.6.0."),
            NativeDef::new(
                "SetBillionLaughsAttackProtectionMaximumAmplification",
                "($self, max_factor, /)",
                set_amplification,
            ),
            NativeDef::new(
                "SetBillionLaughsAttackProtectionActivationThreshold",
                "($self, threshold, /)",
                set_threshold,
            ),
        ],
        getset: handlers::ATTRIBUTES,
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.module("pyexpat")
.final_()
.no_new()
.doc("XML parser");

fn parser_create(t: &mut Thread, a: &[Value]) -> Res {
    let encoding = encoding_arg(t, a[0], "ParserCreate")?;
    let separator = if a[1].is_null() || a[1].is_none() {
        None
    } else {
        let s = text_or_none(t, a[1], "ParserCreate", "namespace_separator")?;
        let mut chars = s.chars();
        let first = chars.next();
        if chars.next().is_some() {
            return Err(t.value_error(
                "namespace_separator must be at most one character, omitted, or None",
            ));
        }
        Some(first)
    };
    let intern = if a[2].is_null() {
        Some(Dict::new(t))
    } else if a[2].is_none() {
        None
    } else if Dict::of(a[2]).is_some() {
        Some(Obj::new(t, a[2]))
    } else {
        return Err(t.type_error("intern must be a dictionary".into()));
    };
    Ok(XmlParser::make(t, Parser::new(encoding, separator), intern).into())
}

fn error_string(t: &mut Thread, a: &[Value]) -> Res {
    let n = proto::index_i64(t, a[0])?;
    match u32::try_from(n).ok().and_then(messages::text) {
        Some(s) => Ok(Str::new(t, s).into()),
        None => Ok(Value::NONE),
    }
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new(
        "ParserCreate",
        "(encoding=None, namespace_separator=None, intern=<unrepresentable>)",
        parser_create,
    )
    .doc("Return a new XML parser object."),
    NativeDef::new("ErrorString", "(code, /)", error_string)
        .doc("Returns string error for given number."),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(t, "pyexpat", "Python wrapper for Expat parser.", FUNCTIONS);
    XML_PARSER.ready(t);
    add(t, &m, "XMLParserType", Obj::new(t, XML_PARSER.value()));
    let class = class(t)?;
    add(t, &m, "ExpatError", class.clone());
    add(t, &m, "error", class);
    // The version of expat that this behaves like.
    add(t, &m, "EXPAT_VERSION", Str::new(t, "expat_2.7.1"));
    let version = vec![int_obj(t, 2), int_obj(t, 7), int_obj(t, 1)];
    add(t, &m, "version_info", Tuple::from_vec(t, version));
    add(t, &m, "native_encoding", Str::new(t, "UTF-8"));
    add(t, &m, "features", List::from_vec(t, Vec::new()));
    add_ints(
        t,
        &m,
        &[
            ("XML_PARAM_ENTITY_PARSING_NEVER", 0),
            ("XML_PARAM_ENTITY_PARSING_UNLESS_STANDALONE", 1),
            ("XML_PARAM_ENTITY_PARSING_ALWAYS", 2),
        ],
    );
    add_models(t, &m);
    add_messages(t, &m);
    Ok(m)
}

fn add_models(t: &Thread, m: &Obj) {
    let model = Module::new(t, "pyexpat.model");
    add_ints(
        t,
        &model,
        &[
            ("XML_CTYPE_EMPTY", 1),
            ("XML_CTYPE_ANY", 2),
            ("XML_CTYPE_MIXED", 3),
            ("XML_CTYPE_NAME", 4),
            ("XML_CTYPE_CHOICE", 5),
            ("XML_CTYPE_SEQ", 6),
            ("XML_CQUANT_NONE", 0),
            ("XML_CQUANT_OPT", 1),
            ("XML_CQUANT_REP", 2),
            ("XML_CQUANT_PLUS", 3),
        ],
    );
    add(
        t,
        &model,
        "__doc__",
        Str::new(t, "Constants used to interpret content model information."),
    );
    add(t, m, "model", model);
}

fn add_messages(t: &mut Thread, m: &Obj) {
    let all = Module::new(t, "pyexpat.errors");
    let (codes, texts) = (Dict::new(t), Dict::new(t));
    for (i, (name, text)) in messages::ALL.iter().enumerate() {
        let (code, text) = (int_obj(t, i as i64 + 1), Str::new(t, text));
        add(t, &all, name, text.clone());
        if let (Some(c), Some(x)) = (Dict::exact(codes.value()), Dict::exact(texts.value())) {
            // Such keys cannot fail.
            let _ = c.set(t, text.value(), code.value());
            let _ = x.set(t, code.value(), text.value());
        }
    }
    add(t, &all, "codes", codes);
    add(t, &all, "messages", texts);
    add(
        t,
        &all,
        "__doc__",
        Str::new(t, "Constants used to describe error conditions."),
    );
    add(t, m, "errors", all);
}
