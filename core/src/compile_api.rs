//! From source to code objects: the compiler's plain data becomes objects, its errors become exceptions.

use crate::compile::bytecode::{Const, LocalKind};
use crate::compile::{self, CodeProto, ErrorKind, Mode, Options, Undecoded};
use crate::{tree_make, tree_read};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::AtomicU64;
use weft_objects::bytes::Bytes;
use weft_objects::code::{
    Code, CodeHead, CodeParts, Handler, LOCAL_CELL, LOCAL_FAST, LOCAL_FREE, LOCAL_HIDDEN, Position,
};
use weft_objects::prelude::*;
use weft_objects::{complex, float, int, set, slice};

/// Flags of `compile()`, numbered as CPython's.
pub mod cf {
    pub const DONT_IMPLY_DEDENT: i64 = 0x200;
    pub const ONLY_AST: i64 = 0x400;
    pub const IGNORE_COOKIE: i64 = 0x800;
    pub const TYPE_COMMENTS: i64 = 0x1000;
    pub const ALLOW_TOP_LEVEL_AWAIT: i64 = 0x2000;
    pub const ALLOW_INCOMPLETE_INPUT: i64 = 0x4000;
    pub const OPTIMIZED_AST: i64 = 0x8000 | ONLY_AST;
    pub const FUTURE_BARRY: i64 = 0x40_0000;
    pub const FUTURE_ANNOTATIONS: i64 = 0x100_0000;
    /// All the features of `__future__`, and the flag of nested scopes.
    pub const FUTURES: i64 = 0x1fe_0000 | 0x10;
    pub const ALL: i64 = FUTURES
        | DONT_IMPLY_DEDENT
        | IGNORE_COOKIE
        | TYPE_COMMENTS
        | ALLOW_TOP_LEVEL_AWAIT
        | ALLOW_INCOMPLETE_INPUT
        | OPTIMIZED_AST;
}

/// The code object for what the compiler has written, with this file name throughout.
pub fn code_named(t: &mut Thread, p: &CodeProto, filename: &Obj) -> Obj {
    let names: Box<[Value]> = p
        .names
        .iter()
        .map(|n| Str::intern(t, n).into_value())
        .collect();
    let cache_name = |i: &u32| names.get(*i as usize).copied().unwrap_or(Value::NULL);
    let head = CodeHead {
        name: Str::intern(t, &p.name),
        qualname: Str::intern(t, &p.qualname),
        filename: filename.clone(),
        first_line: p.first_line,
        argcount: p.argcount,
        posonly: p.posonly,
        kwonly: p.kwonly,
        flags: p.flags,
        nlocals: p.nlocals,
        nregs: p.nregs,
    };
    let parts = CodeParts {
        locals: p
            .locals
            .iter()
            .map(|(n, k)| (Str::intern(t, n), local_kind(*k)))
            .collect(),
        instrs: p.instrs.iter().map(|i| i.0).collect(),
        consts: p.consts.iter().map(|c| constant(t, c, filename)).collect(),
        caches: p.cache_names.iter().map(|_| AtomicU64::new(0)).collect(),
        cache_names: p.cache_names.iter().map(cache_name).collect(),
        names,
        handlers: p
            .handlers
            .iter()
            .map(|h| Handler {
                start: h.start,
                end: h.end,
                target: h.target,
                depth: h.depth,
            })
            .collect(),
        positions: p
            .positions
            .iter()
            .map(|p| Position {
                line: p.line,
                end_line: p.end_line,
                col: p.col,
                end_col: p.end_col,
            })
            .collect(),
    };
    Code::new(t, head, parts)
}

fn local_kind(k: LocalKind) -> u8 {
    match k {
        LocalKind::Fast => LOCAL_FAST,
        LocalKind::Cell => LOCAL_CELL,
        LocalKind::Free => LOCAL_FREE,
        LocalKind::Hidden => LOCAL_HIDDEN,
    }
}

fn constant(t: &mut Thread, c: &Const, filename: &Obj) -> Value {
    let o = const_object(t, c, filename);
    Code::constant(t, o)
}

pub(crate) fn const_object(t: &mut Thread, c: &Const, filename: &Obj) -> Obj {
    let all = |t: &mut Thread, items: &[Const]| {
        items
            .iter()
            .map(|c| const_object(t, c, filename))
            .collect::<Vec<Obj>>()
    };
    match c {
        Const::None => Obj::from_raw(Value::NONE),
        Const::True => Obj::from_raw(Value::TRUE),
        Const::False => Obj::from_raw(Value::FALSE),
        Const::Ellipsis => Obj::from_raw(Value::ELLIPSIS),
        Const::Int(i) => Obj::own(int::from_i64(t, *i)),
        Const::BigInt(b) => Obj::own(int::from_bigint(t, b.clone())),
        Const::Float(f) => Obj::own(float::from_f64(t, *f)),
        Const::Complex(re, im) => Obj::own(complex::from_parts(t, *re, *im)),
        Const::Str(s) if compile::is_name_like(s) => Obj::new(t, Str::intern_bytes(t, s).value()),
        Const::Str(s) => Str::from_wtf8(t, s),
        Const::Bytes(b) => Bytes::new(t, b),
        Const::Tuple(items) => {
            let items = all(t, items);
            Tuple::from_vec(t, items)
        }
        Const::FrozenSet(items) => {
            let items = all(t, items);
            frozen_set(t, &items)
        }
        Const::Slice(parts) => {
            let mut parts = all(t, &parts[..]).into_iter();
            let mut part = || parts.next().unwrap_or_else(|| Obj::from_raw(Value::NONE));
            let (start, stop, step) = (part(), part(), part());
            slice::Slice::new(t, start, stop, step)
        }
        Const::Code(p) => code_named(t, p, filename),
    }
}

/// The items are constants: hashing and comparing them cannot fail.
pub(crate) fn frozen_set(t: &mut Thread, items: &[Obj]) -> Obj {
    let s = set::Set::new_frozen(t);
    for o in items {
        if set::Set::of_obj(&s).add(t, o.value()).is_err() {
            t.clear_exc();
        }
    }
    s
}

/// The compiler's data for a code object: the inverse of [`code_named`].
///
/// # Errors
/// ValueError if a constant is of a kind that the compiler does not write.
pub fn proto_from_code(t: &mut Thread, c: &Code) -> Res<CodeProto> {
    let b = c.body();
    let text = |v: Value| Str::of(v).map_or_else(String::new, |s| s.to_string_lossy());
    let kind = |k: u8| match k {
        LOCAL_CELL => LocalKind::Cell,
        LOCAL_FREE => LocalKind::Free,
        LOCAL_HIDDEN => LocalKind::Hidden,
        _ => LocalKind::Fast,
    };
    let cache_name = |v: &Value| {
        b.names
            .iter()
            .position(|n| n.same(*v))
            .filter(|_| !v.is_null())
            .map_or(u32::MAX, |i| i as u32)
    };
    let consts = b
        .consts
        .iter()
        .map(|v| const_of(t, *v))
        .collect::<Res<Vec<Const>>>()?;
    Ok(CodeProto {
        name: text(b.name.value()),
        qualname: text(b.qualname.value()),
        filename: text(b.filename.value()),
        first_line: b.first_line,
        argcount: b.argcount,
        posonly: b.posonly,
        kwonly: b.kwonly,
        flags: b.flags,
        nlocals: b.nlocals,
        nregs: b.nregs,
        locals: b
            .locals
            .iter()
            .map(|(n, k)| (text(n.value()), kind(*k)))
            .collect(),
        instrs: (0..b.instrs.len())
            .map(|i| compile::bytecode::Instr(weft_objects::monitor::plain_word(c, i)))
            .collect(),
        consts,
        names: b.names.iter().map(|n| text(*n)).collect(),
        cache_names: b.cache_names.iter().map(cache_name).collect(),
        handlers: b
            .handlers
            .iter()
            .map(|h| compile::bytecode::Handler {
                start: h.start,
                end: h.end,
                target: h.target,
                depth: h.depth,
            })
            .collect(),
        positions: b
            .positions
            .get()
            .iter()
            .map(|p| compile::bytecode::Position {
                line: p.line,
                end_line: p.end_line,
                col: p.col,
                end_col: p.end_col,
            })
            .collect(),
    })
}

pub(crate) fn const_of(t: &mut Thread, v: Value) -> Res<Const> {
    let all = |t: &mut Thread, items: Vec<Obj>| {
        items
            .iter()
            .map(|o| const_of(t, o.value()))
            .collect::<Res<Vec<Const>>>()
    };
    Ok(match v {
        Value::NONE => Const::None,
        Value::TRUE => Const::True,
        Value::FALSE => Const::False,
        Value::ELLIPSIS => Const::Ellipsis,
        v if v.is_int() => Const::Int(v.as_int()),
        _ => {
            if let Some(c) = Code::of(v) {
                Const::Code(Box::new(proto_from_code(t, c)?))
            } else if let Some(s) = Str::exact(v) {
                Const::Str(s.as_bytes().into())
            } else if let Some(b) = Bytes::exact(v) {
                Const::Bytes(b.as_slice().into())
            } else if let Some(x) = Tuple::exact(v) {
                let items = x.to_vec(t);
                Const::Tuple(all(t, items)?)
            } else if let Some(s) = set::Set::of(v) {
                let items = s.to_vec(t);
                Const::FrozenSet(all(t, items)?)
            } else if let Some(s) = slice::Slice::of(v) {
                let parts = [s.start.get(), s.stop.get(), s.step.get()];
                Const::Slice(Box::new([
                    const_of(t, parts[0])?,
                    const_of(t, parts[1])?,
                    const_of(t, parts[2])?,
                ]))
            } else if let Some(f) = float::as_f64(v) {
                Const::Float(f)
            } else if let Some(c) = complex::of(v) {
                Const::Complex(c.0, c.1)
            } else if let Some(i) = int::as_i64(v) {
                Const::Int(i)
            } else if let Some(b) = int::to_bigint(v) {
                Const::BigInt(b)
            } else {
                let msg = format!(
                    "a '{}' object cannot be a constant of code",
                    type_of(v).name()
                );
                return Err(t.value_error(msg));
            }
        }
    })
}

/// Raises what a [`compile::SyntaxError`] stands for.
#[cold]
pub fn raise_syntax_error(t: &mut Thread, e: &compile::SyntaxError, filename: Value) -> Raised {
    if !e.warnings.is_empty() {
        let filename = Obj::new(t, filename);
        if let Err(r) = warn(t, &e.warnings, &filename) {
            return r;
        }
    }
    let ty: &'static Type = match e.kind {
        ErrorKind::Syntax => &errors::SYNTAX_ERROR,
        ErrorKind::Indentation => &errors::INDENTATION_ERROR,
        ErrorKind::Tab => &errors::TAB_ERROR,
        ErrorKind::Incomplete => &errors::INCOMPLETE_INPUT_ERROR,
        ErrorKind::Value => return t.value_error(e.msg.clone()),
        ErrorKind::Recursion => return t.raise(&errors::RECURSION_ERROR, e.msg.clone()),
    };
    let number = |n: u32| {
        if e.line == 0 {
            Value::NONE
        } else {
            Value::int(i64::from(n))
        }
    };
    let text = if e.late {
        line_of_file(filename, e.line)
    } else {
        e.text.clone()
    };
    let text = text.map(|s| Str::new(t, &s));
    let info = Tuple::from_slice(
        t,
        &[
            filename,
            number(e.line),
            number(e.col),
            text.as_ref().map_or(Value::NONE, Obj::value),
            number(e.end_line),
            number(e.end_col),
        ],
    );
    let msg = Str::new(t, &e.msg);
    raise_syntax(t, ty, &[msg.value(), info.value()])
}

/// As [`raise_syntax_error`]; what the parser found comes with what it takes to look for misspelt keywords.
#[cold]
fn raise_with_source(
    t: &mut Thread,
    e: &compile::SyntaxError,
    filename: Value,
    source: Option<&str>,
) -> Raised {
    let r = raise_syntax_error(t, e, filename);
    if e.late || !t.exc_matches(&errors::SYNTAX_ERROR) {
        return r;
    }
    let Some(exc) = t.take_exc() else {
        return r;
    };
    // It begins where its line does, behind the indentation.
    let line = e.block;
    let text = source.and_then(|s| s.lines().nth((line as usize).checked_sub(1)?));
    let col = text.map_or(0, |l| l.len() - l.trim_start().len());
    let source = source.map_or_else(|| Obj::from_raw(Value::NONE), |s| Str::new(t, s));
    let place = [
        Value::int(i64::from(line)),
        Value::int(col as i64),
        source.value(),
    ];
    let metadata = Tuple::from_slice(t, &place);
    let name = Str::intern(t, "_metadata");
    if let Err(r) = proto::set_attr(t, exc.value(), Str::this(name.value()), metadata.value()) {
        return r;
    }
    t.set_exc(exc)
}

/// A line of a file, with its newline: what the compiler, unlike the parser, shows of a source.
fn line_of_file(filename: Value, line: u32) -> Option<String> {
    let path = Str::of(filename)?;
    let path = weft_stdlib::support::fs_encode(path.as_bytes())?;
    let path = std::path::Path::new(std::ffi::OsStr::from_bytes(&path));
    let regular = std::fs::metadata(path).is_ok_and(|m| m.is_file());
    let bytes = if regular {
        std::fs::read(path).ok()?
    } else {
        return None;
    };
    let text = compile::decode_source(&bytes, None).ok()?;
    let text = text
        .split_inclusive('\n')
        .nth((line as usize).checked_sub(1)?)?;
    Some(text.to_string())
}

/// The code object of a source text.
///
/// # Errors
/// SyntaxError or a subclass with all its fields; RecursionError.
pub fn compile_source(
    t: &mut Thread,
    source: &str,
    filename: &str,
    mode: Mode,
    opts: &Options,
) -> Res<Obj> {
    let name = Str::new(t, filename);
    compile_named(t, source, &name, mode, opts)
}

/// As [`compile_source`], the file name being a str object.
pub fn compile_named(
    t: &mut Thread,
    source: &str,
    filename: &Obj,
    mode: Mode,
    opts: &Options,
) -> Res<Obj> {
    let mut opts = opts.clone();
    opts.filename = Str::of(filename.value()).map_or_else(String::new, |s| s.to_string_lossy());
    refuse_nul(t, source, filename)?;
    match compile::compile_warning(source, mode, &opts) {
        Ok((p, warnings)) => {
            warn(t, &warnings, filename)?;
            Ok(code_named(t, &p, filename))
        }
        Err(e) => {
            let source = (!opts.from_file).then_some(source);
            Err(raise_with_source(t, &e, filename.value(), source))
        }
    }
}

/// The symbol tables of a source; `func` is for messages.
///
/// # Errors
/// As [`compile_object`].
pub fn symbol_tables(
    t: &mut Thread,
    source: Value,
    filename: Value,
    mode: Mode,
    func: &str,
) -> Res<Vec<compile::Table>> {
    let filename = path_text(t, filename)?;
    let text = source_text(t, source, func, "string or bytes", filename.value())?;
    refuse_nul(t, &text, &filename)?;
    let opts = Options {
        filename: Str::of(filename.value()).map_or_else(String::new, |s| s.to_string_lossy()),
        ..Options::default()
    };
    match compile::symbol_tables(&text, mode, &opts) {
        Ok(tables) => Ok(tables),
        Err(e) => Err(raise_syntax_error(t, &e, filename.value())),
    }
}

/// The text of a source given as str, bytes or a buffer; `func` and `what` are for the message if it is something else.
///
/// # Errors
/// TypeError; UnicodeEncodeError for lone surrogates; SyntaxError for bytes that cannot be decoded.
pub fn source_text(
    t: &mut Thread,
    source: Value,
    func: &str,
    what: &str,
    filename: Value,
) -> Res<String> {
    if let Some(s) = Str::of(source) {
        if let Some(s) = s.as_str() {
            return Ok(s.to_string());
        }
        let at = weft_objects::text::wtf8::code_points(s.as_bytes())
            .position(|c| (0xd800..0xe000).contains(&c));
        let at = at.unwrap_or(0);
        let o = Obj::new(t, source);
        let e = errors::unicode_encode_error(t, "utf-8", o, at, at + 1, "surrogates not allowed");
        return Err(t.raise_value(e));
    }
    if !weft_objects::buffer::is_exporter(source) {
        return Err(t.type_error(format!("{func}() arg 1 must be a {what} object")));
    }
    let bytes = weft_objects::buffer::get(t, source)?.to_vec();
    decode(t, &bytes, filename)
}

/// The text of a source file: byte order mark, coding cookie, UTF-8 by default.
///
/// # Errors
/// SyntaxError.
pub fn decode(t: &mut Thread, bytes: &[u8], filename: Value) -> Res<String> {
    decode_of(t, bytes, filename, None)
}

/// As [`decode`], for the program's own file.
///
/// # Errors
/// SyntaxError.
pub fn decode_program(t: &mut Thread, bytes: &[u8], filename: Value) -> Res<String> {
    let file = Str::of(filename).map_or(String::new(), |s| s.to_string_lossy());
    decode_of(t, bytes, filename, Some(&file))
}

fn decode_of(t: &mut Thread, bytes: &[u8], filename: Value, program: Option<&str>) -> Res<String> {
    let encoding = match compile::decode_source(bytes, program) {
        Ok(s) => return Ok(s),
        Err(Undecoded::Codec(name)) => name,
        Err(Undecoded::Null(at)) => return Err(null_byte(t, bytes, at, program, filename)),
        Err(Undecoded::Wrong(e)) => {
            let filename = if program.is_some() {
                filename
            } else {
                Value::NONE
            };
            return Err(raise_syntax_error(t, &e, filename));
        }
    };
    let data = Bytes::new(t, bytes);
    let name = Str::new(t, &encoding);
    match proto::call_method(t, data.value(), "decode", &[name.value()]) {
        Ok(s) => match Str::of(s.value()).and_then(|s| s.as_str()) {
            Some(s) => Ok(s.to_string()),
            None => source_text(t, s.value(), "compile", "string", filename),
        },
        Err(r) if t.exc_matches(&errors::UNICODE_ERROR) || t.exc_matches(&errors::LOOKUP_ERROR) => {
            let Some(e) = t.take_exc() else {
                return Err(r);
            };
            let msg = proto::str(t, e.value())?;
            let at = [filename, Value::int(0), Value::int(-1), Value::NONE];
            let info = Tuple::from_slice(t, &at);
            Err(raise_syntax(
                t,
                &errors::SYNTAX_ERROR,
                &[msg.value(), info.value()],
            ))
        }
        Err(r) => Err(r),
    }
}

/// SyntaxError for a null byte; that in a program's file has a place.
#[cold]
fn null_byte(
    t: &mut Thread,
    bytes: &[u8],
    at: usize,
    program: Option<&str>,
    filename: Value,
) -> Raised {
    if program.is_none() {
        let msg = Str::new(t, "source code string cannot contain null bytes");
        return raise_syntax(t, &errors::SYNTAX_ERROR, &[msg.value()]);
    }
    let before = String::from_utf8_lossy(&bytes[..at]);
    let line = before.matches('\n').count() as i64 + 1;
    let text = before.rsplit('\n').next().unwrap_or("");
    let text = Str::new(t, text);
    let msg = Str::new(t, "source code cannot contain null bytes");
    let at = [filename, Value::int(line), Value::int(0), text.value()];
    let info = Tuple::from_slice(t, &at);
    raise_syntax(t, &errors::SYNTAX_ERROR, &[msg.value(), info.value()])
}

fn raise_syntax(t: &mut Thread, ty: &'static Type, args: &[Value]) -> Raised {
    match proto::call(t, ty.value(), args) {
        Ok(exc) => t.raise_value(exc),
        Err(r) => r,
    }
}

/// The builtin `compile`, `version` being `_feature_version` (and what `eval` and `exec` do with text). A code object is given back as it is.
///
/// # Errors
/// As CPython: TypeError, ValueError, SyntaxError.
pub fn compile_object(
    t: &mut Thread,
    source: Value,
    filename: Value,
    mode: &str,
    flags: i64,
    dont_inherit: bool,
    optimize: i64,
    version: i64,
) -> Res<Obj> {
    if flags & !cf::ALL != 0 {
        return Err(t.value_error("compile(): unrecognised flags"));
    }
    if !(-1..=2).contains(&optimize) {
        return Err(t.value_error("compile(): invalid optimize value"));
    }
    weft_objects::audit::tell(t, "compile", &[source, filename])?;
    let filename = path_text(t, filename)?;
    let ast_only = flags & cf::ONLY_AST != 0;
    let kind = match mode {
        "exec" => Some(Mode::Exec),
        "eval" => Some(Mode::Eval),
        "single" => Some(Mode::Single),
        "func_type" if ast_only => None,
        "func_type" => {
            return Err(t.value_error("compile() mode 'func_type' requires flag PyCF_ONLY_AST"));
        }
        _ if ast_only => {
            let msg = "compile() mode must be 'exec', 'eval', 'single' or 'func_type'";
            return Err(t.value_error(msg));
        }
        _ => return Err(t.value_error("compile() mode must be 'exec', 'eval' or 'single'")),
    };
    if Code::of(source).is_some() {
        return Ok(Obj::new(t, source));
    }
    let inherited = if dont_inherit { 0 } else { inherited_flags(t) };
    let opts = Options {
        filename: Str::of(filename.value()).map_or_else(String::new, |s| s.to_string_lossy()),
        optimize: if optimize < 0 {
            crate::start::config().optimize
        } else {
            optimize as u8
        },
        future_annotations: (flags | inherited) & cf::FUTURE_ANNOTATIONS != 0,
        barry: (flags | inherited) & cf::FUTURE_BARRY != 0,
        top_level_await: flags & cf::ALLOW_TOP_LEVEL_AWAIT != 0,
        allow_incomplete: flags & cf::ALLOW_INCOMPLETE_INPUT != 0,
        max_digits: u32::try_from(int::max_str_digits()).ok(),
        from_file: false,
    };
    if tree_read::is_node(t, source)? {
        return compile_node(t, source, kind, flags, &filename, &opts);
    }
    let text = source_text(
        t,
        source,
        "compile",
        "string, bytes or AST",
        filename.value(),
    )?;
    if !ast_only {
        return compile_named(t, &text, &filename, kind.unwrap_or(Mode::Exec), &opts);
    }
    refuse_nul(t, &text, &filename)?;
    let how = tree_options(flags, &opts, version);
    let mut warned = Vec::new();
    let steps = match kind {
        Some(mode) => compile::outline(&text, mode, &opts, how).map(|(steps, warnings)| {
            warned = warnings;
            steps
        }),
        None => compile::outline_signature(&text, &opts),
    };
    match steps {
        Ok(steps) => {
            warn(t, &warned, &filename)?;
            tree_make::make(t, &steps)
        }
        Err(e) => Err(raise_with_source(t, &e, filename.value(), Some(&text))),
    }
}

fn tree_options(flags: i64, opts: &Options, version: i64) -> compile::TreeOptions {
    let optimize = flags & cf::OPTIMIZED_AST == cf::OPTIMIZED_AST;
    compile::TreeOptions {
        type_comments: flags & cf::TYPE_COMMENTS != 0,
        optimize: optimize.then_some(opts.optimize),
        feature_version: u8::try_from(version).ok(),
    }
}

/// Gives the compiler's warnings. One that is an error by the filters becomes a SyntaxError.
fn warn(t: &mut Thread, warnings: &[compile::SyntaxError], filename: &Obj) -> Res<()> {
    for w in warnings {
        let line = i64::from(w.line);
        let category = &errors::SYNTAX_WARNING;
        let done = weft_stdlib::_warnings::warn_about(t, category, &w.msg, filename, line);
        if let Err(r) = done {
            if !t.exc_matches(category) {
                return Err(r);
            }
            t.clear_exc();
            let error = compile::SyntaxError {
                msg: w.msg.replace(compile::FUTURE, ""),
                ..w.clone()
            };
            return Err(raise_syntax_error(t, &error, filename.value()));
        }
    }
    Ok(())
}

/// Compiles a tree, or gives it back if trees are what is wanted.
fn compile_node(
    t: &mut Thread,
    node: Value,
    mode: Option<Mode>,
    flags: i64,
    filename: &Obj,
    opts: &Options,
) -> Res<Obj> {
    tree_read::check_kind(t, node, mode)?;
    let mode = match mode {
        Some(mode) if flags & cf::OPTIMIZED_AST != cf::ONLY_AST => mode,
        _ => return Ok(Obj::new(t, node)),
    };
    let tree = tree_read::read(t, node, mode)?;
    if flags & cf::ONLY_AST != 0 {
        let how = tree_options(flags, opts, -1);
        return match compile::outline_tree(&tree, mode, opts, how) {
            Ok(steps) => tree_make::make(t, &steps),
            Err(e) => Err(raise_syntax_error(t, &e, filename.value())),
        };
    }
    match compile::compile_tree(&tree, mode, opts) {
        Ok((p, warnings)) => {
            warn(t, &warnings, filename)?;
            Ok(code_named(t, &p, filename))
        }
        Err(e) => Err(raise_syntax_error(t, &e, filename.value())),
    }
}

/// SyntaxError for a source with a null character.
fn refuse_nul(t: &mut Thread, source: &str, filename: &Obj) -> Res<()> {
    match source.bytes().position(|b| b == 0) {
        None => Ok(()),
        Some(at) => Err(null_byte(t, source.as_bytes(), at, None, filename.value())),
    }
}

/// The features of `__future__` that the calling code has switched on.
fn inherited_flags(t: &Thread) -> i64 {
    match t.vm().top_frame() {
        // SAFETY: a running frame of this thread.
        Some(f) => i64::from(unsafe { (*f).code().flags }) & cf::FUTURES & !0x10,
        None => 0,
    }
}

/// A file name for a code object: str, bytes or PathLike.
fn path_text(t: &mut Thread, v: Value) -> Res<Obj> {
    if Str::exact(v).is_some() {
        return Ok(Obj::new(t, v));
    }
    let p = weft_stdlib::support::fspath(t, v)?;
    match Bytes::of(p.value()) {
        Some(b) => Ok(weft_stdlib::support::fs_decode(t, b.as_slice())),
        None => Ok(p),
    }
}
