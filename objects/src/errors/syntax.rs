//! SyntaxError and its subclasses.

use super::*;

// SyntaxError's fields.
const MSG: usize = 0;
const FILENAME: usize = 1;
const LINENO: usize = 2;
const TEXT: usize = 4;
const END_LINENO: usize = 5;
const END_OFFSET: usize = 6;
const PRINT_FILE_AND_LINE: usize = 7;
const METADATA: usize = 8;
const FIELDS: usize = 9;

fn syntax_init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    base_init(t, v, args)?;
    let f = fields::<FIELDS>(v);
    let given = args.pos();
    if let Some(msg) = given.first() {
        f.set(t, MSG, *msg);
    }
    let [_, info] = given else { return Ok(()) };
    let info = proto::to_vec(t, *info)?;
    let n = info.len();
    if !(4..=7).contains(&n) {
        let (how, limit) = if n < 4 { ("least", 4) } else { ("most", 7) };
        return Err(t.type_error(format!(
            "function takes at {how} {limit} arguments ({n} given)"
        )));
    }
    let at = |i: usize| info.get(i).map_or(Value::NULL, |o| o.value());
    // filename, lineno, offset, text, end_lineno, end_offset, metadata
    for (i, field) in (FILENAME..=END_OFFSET).enumerate() {
        f.set(t, field, at(i));
    }
    f.set(t, METADATA, at(6));
    if !at(4).is_null() && at(5).is_null() {
        return Err(t.type_error("end_offset must be provided when end_lineno is provided".into()));
    }
    Ok(())
}

fn syntax_str(t: &mut Thread, v: Value) -> Res {
    let f = fields::<FIELDS>(v);
    let msg = f.own(t, MSG).unwrap_or_else(|| Obj::from_raw(Value::NONE));
    let file = f.own(t, FILENAME).filter(|n| Str::of(n.value()).is_some());
    let line = f
        .own(t, LINENO)
        .filter(|n| std::ptr::eq(type_of(n.value()), &crate::int::INT));
    let msg = proto::str(t, msg.value())?;
    if file.is_none() && line.is_none() {
        return Ok(msg.into());
    }
    let mut out = Vec::new();
    append(&mut out, &msg);
    out.extend_from_slice(b" (");
    if let Some(path) = file.as_ref().and_then(|f| Str::of(f.value())) {
        let path = path.as_bytes();
        let start = path.iter().rposition(|&b| b == b'/').map_or(0, |i| i + 1);
        out.extend_from_slice(&path[start..]);
    }
    if let Some(line) = line {
        out.extend_from_slice(if file.is_some() { b", line " } else { b"line " });
        append(&mut out, &proto::str(t, line.value())?);
    }
    out.push(b')');
    Ok(Str::from_wtf8(t, &out).into())
}

/// `SyntaxError`
pub static SYNTAX_ERROR: Type = Type::builtin(
    "SyntaxError",
    size_of::<Fields<FIELDS>>(),
    &Spec {
        init: Some(syntax_init),
        str: Some(syntax_str),
        members: &[
            member("msg", MSG),
            member("filename", FILENAME),
            member("lineno", LINENO),
            member("offset", 3),
            member("text", TEXT),
            member("end_lineno", END_LINENO),
            member("end_offset", END_OFFSET),
            member("print_file_and_line", PRINT_FILE_AND_LINE),
            member("_metadata", METADATA),
        ],
        ..Spec::EMPTY
    },
)
.base(&EXCEPTION)
.gc(traverse::<FIELDS>, clear::<FIELDS>)
.flags(type_flags::EXCEPTION)
.doc("Invalid syntax.");

exceptions! {
    INDENTATION_ERROR = "IndentationError", SYNTAX_ERROR, 9, "Improper indentation.";
    TAB_ERROR = "TabError", INDENTATION_ERROR, 9, "Improper mixture of spaces and tabs.";
    INCOMPLETE_INPUT_ERROR = "_IncompleteInputError", SYNTAX_ERROR, 9, "incomplete input.";
}
