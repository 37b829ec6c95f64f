//! `print`, `input`, `open`.

use weft_objects::memory;
use weft_objects::prelude::*;
use weft_objects::{id, runtime};

pub(super) static FUNCTIONS: &[NativeDef] = &[
    NativeDef::raw("print", "(*args, sep=' ', end='\\n', file=None, flush=False)", print).doc(
        "Prints the values to a stream, or to sys.stdout by default.\n\n  sep\n    string inserted between values, default a space.\n  end\n    string appended after the last value, default a newline.\n  file\n    a file-like object (stream); defaults to the current sys.stdout.\n  flush\n    whether to forcibly flush the stream.",
    ),
    NativeDef::new("input", "(prompt='', /)", input).doc(
        "Read a string from standard input.  The trailing newline is stripped.\n\nThe prompt string, if given, is printed to standard output without a\ntrailing newline before reading input.\n\nIf the user hits EOF (*nix: Ctrl-D, Windows: Ctrl-Z+Return), raise EOFError.\nOn *nix systems, readline is used if available.",
    ),
    NativeDef::new(
        "open",
        "(file, mode='r', buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None)",
        open,
    )
    .doc("Open file and return a stream.  Raise OSError upon failure."),
];

/// The keyword arguments of `print`.
struct Options {
    sep: Value,
    end: Value,
    file: Value,
    flush: Value,
}

fn options(t: &Thread, args: Args<'_>) -> Res<Options> {
    let mut o = Options {
        sep: Value::NULL,
        end: Value::NULL,
        file: Value::NULL,
        flush: Value::NULL,
    };
    for (k, v) in args.keywords() {
        let v_or_null = if v.is_none() { Value::NULL } else { v };
        match Str::of(k).map(Str::as_bytes) {
            Some(b"sep") => o.sep = v_or_null,
            Some(b"end") => o.end = v_or_null,
            Some(b"file") => o.file = v_or_null,
            Some(b"flush") => o.flush = v,
            _ => {
                let k = Str::of(k).map_or_else(String::new, Str::to_string_lossy);
                return Err(
                    t.type_error(format!("print() got an unexpected keyword argument '{k}'"))
                );
            }
        }
    }
    for (name, v) in [("sep", o.sep), ("end", o.end)] {
        if !v.is_null() && Str::of(v).is_none() {
            let msg = format!("{name} must be None or a string, not {}", type_of(v).name());
            return Err(t.type_error(msg));
        }
    }
    Ok(o)
}

/// The streams of `_io`, on which one write is as good as many.
fn is_own_text_file(v: Value) -> bool {
    let ty = type_of(v);
    !ty.is_heap()
        && matches!(ty.static_module(), "_io" | "io")
        && matches!(ty.name().as_str(), "TextIOWrapper" | "StringIO")
}

fn print(t: &mut Thread, args: Args<'_>) -> Res {
    let o = options(t, args)?;
    let file = if o.file.is_null() {
        match runtime::sys_attr(t, "stdout") {
            None => return Err(t.runtime_error("lost sys.stdout")),
            Some(f) if f.value().is_none() => return Ok(Value::NONE),
            Some(f) => f,
        }
    } else {
        Obj::new(t, o.file)
    };
    let write = proto::get_attr(t, file.value(), id!(t, "write"))?;
    if is_own_text_file(file.value()) {
        print_at_once(t, &write, args.pos(), &o)?;
    } else {
        print_in_parts(t, &write, args.pos(), &o)?;
    }
    if !o.flush.is_null() && proto::truth(t, o.flush)? {
        proto::call_method(t, file.value(), "flush", &[])?;
    }
    Ok(Value::NONE)
}

fn text_or(v: Value, default: &[u8]) -> &[u8] {
    Str::of(v).map_or(default, Str::as_bytes)
}

fn print_at_once(t: &mut Thread, write: &Obj, values: &[Value], o: &Options) -> Res<()> {
    let mut texts: Vec<Obj> = memory::vec(t, values.len())?;
    for v in values {
        texts.push(proto::str(t, *v)?);
    }
    let sep = text_or(o.sep, b" ");
    let mut parts: Vec<&[u8]> = memory::vec(t, texts.len() * 2 + 1)?;
    for (i, s) in texts.iter().enumerate() {
        if i > 0 {
            parts.push(sep);
        }
        parts.push(text_or(s.value(), b""));
    }
    parts.push(text_or(o.end, b"\n"));
    memory::room(t, parts.iter().map(|p| p.len()).sum())?;
    let line = Str::from_parts(t, &parts);
    proto::call(t, write.value(), &[line.value()]).map(drop)
}

fn print_in_parts(t: &mut Thread, write: &Obj, values: &[Value], o: &Options) -> Res<()> {
    for (i, v) in values.iter().enumerate() {
        if i > 0 {
            write_part(t, write, o.sep, " ")?;
        }
        let s = proto::str(t, *v)?;
        proto::call(t, write.value(), &[s.value()])?;
    }
    write_part(t, write, o.end, "\n")
}

fn write_part(t: &mut Thread, write: &Obj, v: Value, default: &str) -> Res<()> {
    let s = if v.is_null() {
        Str::intern(t, default)
    } else {
        Obj::new(t, v)
    };
    proto::call(t, write.value(), &[s.value()]).map(drop)
}

/// A standard stream, which must be there.
fn stream(t: &mut Thread, name: &str) -> Res<Obj> {
    match runtime::sys_attr(t, name) {
        Some(f) if !f.value().is_none() => Ok(f),
        _ => Err(t.runtime_error(format!("input(): lost sys.{name}"))),
    }
}

/// Flushes; that it fails does not matter.
fn flush(t: &mut Thread, file: &Obj) {
    if proto::call_method(t, file.value(), "flush", &[]).is_err() {
        t.clear_exc();
    }
}

fn input(t: &mut Thread, a: &[Value]) -> Res {
    let stdin = stream(t, "stdin")?;
    let stdout = stream(t, "stdout")?;
    let stderr = stream(t, "stderr")?;
    flush(t, &stderr);
    if !a[0].is_null() {
        let prompt = proto::str(t, a[0])?;
        proto::call_method(t, stdout.value(), "write", &[prompt.value()])?;
    }
    flush(t, &stdout);
    let line = proto::call_method(t, stdin.value(), "readline", &[])?;
    let Some(s) = Str::of(line.value()) else {
        return Err(t.type_error("object.readline() returned non-string".into()));
    };
    if s.is_empty() {
        return Err(t.raise(&errors::EOF_ERROR, "EOF when reading a line"));
    }
    match s.as_bytes().strip_suffix(b"\n") {
        Some(text) => Ok(Str::from_wtf8(t, text).into()),
        None => Ok(line.into()),
    }
}

/// `io.open`.
fn open(t: &mut Thread, a: &[Value]) -> Res {
    const NAMES: [&str; 8] = [
        "file",
        "mode",
        "buffering",
        "encoding",
        "errors",
        "newline",
        "closefd",
        "opener",
    ];
    let io = runtime::import(t, "io")?;
    let f = proto::get_attr(t, io.value(), id!(t, "open"))?;
    let mut values = vec![a[0]];
    let mut names = Vec::new();
    for (v, name) in a.iter().zip(NAMES).skip(1) {
        if !v.is_null() {
            values.push(*v);
            names.push(Str::intern(t, name));
        }
    }
    let names = Tuple::from_vec(t, names);
    proto::call_kw(t, f.value(), Args::new(&values, names.value())).map(Obj::into_value)
}
