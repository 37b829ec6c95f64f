//! The functions that a program wants called, and calling them.

use super::event::{Event, Model, code};
use super::{
    COLUMN, LINE, XmlParser, byte_index, encoding_table, flag, raise, set_buffer_size,
    set_buffer_text, set_flag,
};
use crate::support::int_obj;
use weft_objects::cell::{self, or_none};
use weft_objects::int;
use weft_objects::prelude::*;

pub const HANDLERS: [&str; 22] = [
    "StartElementHandler",
    "EndElementHandler",
    "ProcessingInstructionHandler",
    "CharacterDataHandler",
    "UnparsedEntityDeclHandler",
    "NotationDeclHandler",
    "StartNamespaceDeclHandler",
    "EndNamespaceDeclHandler",
    "CommentHandler",
    "StartCdataSectionHandler",
    "EndCdataSectionHandler",
    "DefaultHandler",
    "DefaultHandlerExpand",
    "NotStandaloneHandler",
    "ExternalEntityRefHandler",
    "StartDoctypeDeclHandler",
    "EndDoctypeDeclHandler",
    "EntityDeclHandler",
    "XmlDeclHandler",
    "ElementDeclHandler",
    "AttlistDeclHandler",
    "SkippedEntityHandler",
];

const START: usize = 0;
const END: usize = 1;
const INSTRUCTION: usize = 2;
const TEXT: usize = 3;
const UNPARSED: usize = 4;
const NOTATION: usize = 5;
const START_NAMESPACE: usize = 6;
const END_NAMESPACE: usize = 7;
const COMMENT: usize = 8;
const START_CDATA: usize = 9;
const END_CDATA: usize = 10;
pub const DEFAULT: usize = 11;
const DEFAULT_EXPAND: usize = 12;
const NOT_STANDALONE: usize = 13;
const EXTERNAL: usize = 14;
const START_DOCTYPE: usize = 15;
const END_DOCTYPE: usize = 16;
const ENTITY: usize = 17;
const XML_DECL: usize = 18;
const ELEMENT: usize = 19;
const ATTLIST: usize = 20;
const SKIPPED: usize = 21;

pub fn is_set(p: &XmlParser, which: usize) -> bool {
    !p.handlers[which].get().is_null()
}

fn get<const I: usize>(t: &mut Thread, v: Value) -> Res {
    Ok(or_none(t, XmlParser::this(v).handlers[I].get()))
}

fn set<const I: usize>(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    if new.is_null() {
        return Err(t.runtime_error("Cannot delete attribute"));
    }
    if I == TEXT {
        // What was collected is the old one's.
        flush(t, v)?;
    }
    let p = XmlParser::this(v);
    let new = if new.is_none() {
        Value::NULL
    } else {
        cell::counted(t, new)
    };
    p.handlers[I].set(t, &p.header, new);
    Ok(())
}

macro_rules! handler {
    ($i:literal) => {
        GetSetDef::rw(HANDLERS[$i], get::<$i>, set::<$i>)
    };
}

/// The attributes of parsers.
pub const ATTRIBUTES: &[GetSetDef] = &[
    handler!(0),
    handler!(1),
    handler!(2),
    handler!(3),
    handler!(4),
    handler!(5),
    handler!(6),
    handler!(7),
    handler!(8),
    handler!(9),
    handler!(10),
    handler!(11),
    handler!(12),
    handler!(13),
    handler!(14),
    handler!(15),
    handler!(16),
    handler!(17),
    handler!(18),
    handler!(19),
    handler!(20),
    handler!(21),
    GetSetDef::ro("ErrorCode", |t, v| {
        let n = XmlParser::this(v).with(t, |s| s.error);
        Ok(Value::int(n.into()))
    }),
    GetSetDef::ro("ErrorLineNumber", LINE),
    GetSetDef::ro("ErrorColumnNumber", COLUMN),
    GetSetDef::ro("ErrorByteIndex", byte_index),
    GetSetDef::ro("CurrentLineNumber", LINE),
    GetSetDef::ro("CurrentColumnNumber", COLUMN),
    GetSetDef::ro("CurrentByteIndex", byte_index),
    GetSetDef::ro("intern", |t, v| {
        Ok(or_none(t, XmlParser::this(v).intern.get()))
    }),
    GetSetDef::rw(
        "buffer_text",
        |t, v| flag(t, v, |s| s.text.is_some()),
        set_buffer_text,
    ),
    GetSetDef::rw(
        "buffer_size",
        |t, v| {
            let n = XmlParser::this(v).with(t, |s| s.text_room);
            Ok(int::from_usize(t, n))
        },
        set_buffer_size,
    ),
    GetSetDef::ro("buffer_used", |t, v| {
        let n = XmlParser::this(v).with(t, |s| s.text.as_ref().map_or(0, Vec::len));
        Ok(int::from_usize(t, n))
    }),
    GetSetDef::rw(
        "ordered_attributes",
        |t, v| flag(t, v, |s| s.ordered),
        |t, v, new| set_flag(t, v, new, |s, on| s.ordered = on),
    ),
    GetSetDef::rw(
        "specified_attributes",
        |t, v| flag(t, v, |s| s.specified),
        |t, v, new| set_flag(t, v, new, |s, on| s.specified = on),
    ),
    GetSetDef::rw(
        "namespace_prefixes",
        |t, v| flag(t, v, |s| s.parser.triplets),
        |t, v, new| set_flag(t, v, new, |s, on| s.parser.triplets = on),
    ),
];

// --- calling ---

fn call(t: &mut Thread, v: Value, which: usize, args: &[Obj]) -> Res<Option<Obj>> {
    let p = XmlParser::this(v);
    let Some(f) = cell::own(t, &p.handlers[which]) else {
        return Ok(None);
    };
    let args: Vec<Value> = args.iter().map(Obj::value).collect();
    p.with(t, |s| s.calling = true);
    let r = proto::call(t, f.value(), &args);
    p.with(t, |s| s.calling = false);
    r.map(Some)
}

/// Gives the text that was collected to its handler.
pub fn flush(t: &mut Thread, v: Value) -> Res<()> {
    let p = XmlParser::this(v);
    let text = p.with(t, |s| {
        s.text.as_mut().map(std::mem::take).unwrap_or_default()
    });
    if text.is_empty() {
        return Ok(());
    }
    let text = Str::from_vec(t, text);
    call(t, v, TEXT, &[text]).map(drop)
}

fn text(t: &mut Thread, v: Value, text: String) -> Res<()> {
    let p = XmlParser::this(v);
    let full = p.with(t, |s| {
        let room = s.text_room;
        s.text.as_ref().is_some_and(|b| b.len() + text.len() > room)
    });
    if full {
        flush(t, v)?;
    }
    let now = p.with(t, |s| match &mut s.text {
        Some(b) if text.len() <= s.text_room => {
            b.extend_from_slice(text.as_bytes());
            None
        }
        _ => Some(text),
    });
    match now {
        Some(text) => {
            let text = Str::from_string(t, text);
            call(t, v, TEXT, &[text]).map(drop)
        }
        None => Ok(()),
    }
}

/// A name, the same object each time.
fn name(t: &mut Thread, v: Value, s: &str) -> Res<Obj> {
    let new = Str::new(t, s);
    match Dict::of(XmlParser::this(v).intern.get()) {
        Some(d) => d.set_default(t, new.value(), new.value()).map(Obj::own),
        None => Ok(new),
    }
}

fn maybe(t: &mut Thread, v: Value, s: Option<&str>) -> Res<Obj> {
    match s {
        Some(s) => name(t, v, s),
        None => Ok(crate::support::none()),
    }
}

fn plain(t: &Thread, s: Option<String>) -> Obj {
    s.map_or_else(crate::support::none, |s| Str::from_string(t, s))
}

fn base(t: &mut Thread, v: Value) -> Obj {
    let base = XmlParser::this(v).with(t, |s| s.base.clone());
    plain(t, base)
}

fn model(t: &Thread, m: Model) -> Obj {
    let children = m.children.into_iter().map(|c| model(t, c)).collect();
    let parts = vec![
        int_obj(t, m.kind),
        int_obj(t, m.quantity),
        plain(t, m.name),
        Tuple::from_vec(t, children),
    ];
    Tuple::from_vec(t, parts)
}

fn attributes(
    t: &mut Thread,
    v: Value,
    mut list: Vec<(String, String)>,
    specified: usize,
) -> Res<Obj> {
    let (ordered, only) = XmlParser::this(v).with(t, |s| (s.ordered, s.specified));
    if only {
        list.truncate(specified);
    }
    let mut flat = Vec::with_capacity(list.len() * 2);
    for (n, value) in list {
        flat.push(name(t, v, &n)?);
        flat.push(Str::from_string(t, value));
    }
    if ordered {
        return Ok(List::from_vec(t, flat));
    }
    let d = Dict::new(t);
    for pair in flat.chunks_exact(2) {
        if let Some(d) = Dict::exact(d.value()) {
            d.set(t, pair[0].value(), pair[1].value())?;
        }
    }
    Ok(d)
}

/// Which handler an event is for.
fn handler_of(p: &XmlParser, e: &Event) -> Option<usize> {
    Some(match e {
        Event::XmlDecl { .. } => XML_DECL,
        Event::StartDoctype { .. } => START_DOCTYPE,
        Event::EndDoctype => END_DOCTYPE,
        Event::ElementDecl(..) => ELEMENT,
        Event::AttlistDecl { .. } => ATTLIST,
        Event::EntityDecl {
            notation: Some(_), ..
        } if is_set(p, UNPARSED) => UNPARSED,
        Event::EntityDecl { .. } => ENTITY,
        Event::NotationDecl { .. } => NOTATION,
        Event::Start { .. } => START,
        Event::End(_) => END,
        Event::Text(_) => TEXT,
        Event::Instruction(..) => INSTRUCTION,
        Event::Comment(_) => COMMENT,
        Event::StartCdata => START_CDATA,
        Event::EndCdata => END_CDATA,
        Event::StartNamespace(..) => START_NAMESPACE,
        Event::EndNamespace(_) => END_NAMESPACE,
        Event::External { .. } => EXTERNAL,
        Event::Skipped(..) => SKIPPED,
        Event::NotStandalone => NOT_STANDALONE,
        Event::Encoding(_) | Event::Other => return None,
    })
}

/// Calls the handler of an event, or the default one with the event's source text.
pub fn deliver(t: &mut Thread, v: Value, e: Event, raw: String) -> Res<()> {
    let p = XmlParser::this(v);
    if let Event::Encoding(name) = &e {
        let table = encoding_table(t, name)?;
        if !table.has_ascii() {
            return Err(raise(t, p, code::UNKNOWN_ENCODING));
        }
        p.with(t, |s| s.parser.set_encoding(table));
        return Ok(());
    }
    let which = handler_of(p, &e).filter(|w| is_set(p, *w));
    let Some(which) = which else {
        if raw.starts_with("<!") && !raw.starts_with("<!--") && !raw.starts_with("<![")
            || raw.starts_with(']')
        {
            for part in tokens(&raw) {
                default(t, v, part.to_owned())?;
            }
            return Ok(());
        }
        return default(t, v, raw);
    };
    if let Event::Text(s) = e {
        return text(t, v, s);
    }
    flush(t, v)?;
    let args = arguments(t, v, e, which)?;
    let r = call(t, v, which, &args)?;
    let refused = match which {
        NOT_STANDALONE => code::NOT_STANDALONE,
        EXTERNAL => code::EXTERNAL_ENTITY_HANDLING,
        _ => return Ok(()),
    };
    match r {
        Some(r) if proto::index_i64(t, r.value())? == 0 => Err(raise(t, p, refused)),
        _ => Ok(()),
    }
}

/// The tokens of a declaration: it is given to the default handler one by one.
fn tokens(s: &str) -> Vec<&str> {
    use super::chars::{is_name, is_space};
    let (mut all, mut rest) = (Vec::new(), s);
    while let Some(c) = rest.chars().next() {
        let n = match c {
            '<' => 2 + rest[2..].find(|c| !is_name(c)).unwrap_or(rest.len() - 2),
            '"' | '\'' => rest[1..].find(c).map_or(rest.len(), |i| i + 2),
            c if is_space(c) => rest.find(|c| !is_space(c)).unwrap_or(rest.len()),
            c if is_name(c) => rest.find(|c| !is_name(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        all.push(&rest[..n]);
        rest = &rest[n..];
    }
    all
}

fn default(t: &mut Thread, v: Value, raw: String) -> Res<()> {
    let p = XmlParser::this(v);
    let which = [DEFAULT_EXPAND, DEFAULT]
        .into_iter()
        .find(|w| is_set(p, *w));
    let (Some(which), false) = (which, raw.is_empty()) else {
        return Ok(());
    };
    flush(t, v)?;
    let raw = Str::from_string(t, raw);
    call(t, v, which, &[raw]).map(drop)
}

fn arguments(t: &mut Thread, v: Value, e: Event, which: usize) -> Res<Vec<Obj>> {
    Ok(match e {
        Event::XmlDecl {
            version,
            encoding,
            standalone,
        } => vec![
            plain(t, version),
            plain(t, encoding),
            int_obj(t, standalone),
        ],
        Event::StartDoctype {
            name: n,
            system,
            public,
            internal,
        } => vec![
            name(t, v, &n)?,
            maybe(t, v, system.as_deref())?,
            maybe(t, v, public.as_deref())?,
            int_obj(t, internal.into()),
        ],
        Event::ElementDecl(n, m) => vec![name(t, v, &n)?, model(t, m)],
        Event::AttlistDecl {
            element,
            name: n,
            kind,
            default,
            required,
        } => vec![
            name(t, v, &element)?,
            name(t, v, &n)?,
            Str::from_string(t, kind),
            plain(t, default),
            int_obj(t, required.into()),
        ],
        Event::EntityDecl {
            name: n,
            system,
            public,
            notation,
            ..
        } if which == UNPARSED => vec![
            name(t, v, &n)?,
            base(t, v),
            maybe(t, v, system.as_deref())?,
            maybe(t, v, public.as_deref())?,
            maybe(t, v, notation.as_deref())?,
        ],
        Event::EntityDecl {
            name: n,
            parameter,
            value,
            system,
            public,
            notation,
        } => vec![
            name(t, v, &n)?,
            int_obj(t, parameter.into()),
            plain(t, value),
            base(t, v),
            maybe(t, v, system.as_deref())?,
            maybe(t, v, public.as_deref())?,
            maybe(t, v, notation.as_deref())?,
        ],
        Event::NotationDecl {
            name: n,
            system,
            public,
        } => vec![
            name(t, v, &n)?,
            base(t, v),
            maybe(t, v, system.as_deref())?,
            maybe(t, v, public.as_deref())?,
        ],
        Event::Start {
            name: n,
            attributes: list,
            specified,
        } => vec![name(t, v, &n)?, attributes(t, v, list, specified)?],
        Event::End(n) => vec![name(t, v, &n)?],
        Event::Instruction(target, data) => vec![name(t, v, &target)?, Str::from_string(t, data)],
        Event::Comment(s) | Event::Text(s) | Event::Encoding(s) => vec![Str::from_string(t, s)],
        Event::StartNamespace(prefix, uri) => {
            vec![
                maybe(t, v, prefix.as_deref())?,
                maybe(t, v, uri.as_deref())?,
            ]
        }
        Event::EndNamespace(prefix) => vec![maybe(t, v, prefix.as_deref())?],
        Event::External {
            context,
            system,
            public,
        } => vec![
            plain(t, context),
            base(t, v),
            maybe(t, v, system.as_deref())?,
            maybe(t, v, public.as_deref())?,
        ],
        Event::Skipped(n, parameter) => {
            vec![name(t, v, &n)?, Obj::from_raw(Value::bool(parameter))]
        }
        Event::EndDoctype
        | Event::StartCdata
        | Event::EndCdata
        | Event::NotStandalone
        | Event::Other => Vec::new(),
    })
}
