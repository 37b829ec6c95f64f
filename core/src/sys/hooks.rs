//! The hooks of `sys`: showing values and exceptions, `breakpoint()`, audit hooks.

use weft_objects::code::Code;
use weft_objects::errors::Exception;
use weft_objects::prelude::*;
use weft_objects::runtime::sys_attr;
use weft_objects::traceback::Traceback;
use weft_objects::{int, runtime, traceback};

/// `sys.displayhook(object)`
pub fn displayhook(t: &mut Thread, a: &[Value]) -> Res {
    let v = a[0];
    if v.is_none() {
        return Ok(Value::NONE);
    }
    let Some(builtins) = runtime::builtins_dict(t) else {
        return Err(t.runtime_error("lost builtins module"));
    };
    let underscore = weft_objects::id!(t, "_");
    builtins.set_str(t, underscore, Value::NONE);
    let Some(out) = sys_attr(t, "stdout").filter(|o| !o.value().is_none()) else {
        return Err(t.runtime_error("lost sys.stdout"));
    };
    let text = proto::repr(t, v)?;
    if proto::call_method(t, out.value(), "write", &[text.value()]).is_err() {
        if !t.exc_matches(&errors::UNICODE_ENCODE_ERROR) {
            return Err(Raised::new_unchecked());
        }
        t.clear_exc();
        write_escaped(t, &out, &text)?;
    }
    let newline = Str::new(t, "\n");
    proto::call_method(t, out.value(), "write", &[newline.value()])?;
    builtins.set_str(t, underscore, v);
    Ok(Value::NONE)
}

/// Writes what the stream's encoding cannot express as escapes.
fn write_escaped(t: &mut Thread, out: &Obj, text: &Obj) -> Res<()> {
    let encoding = proto::get_attr(t, out.value(), weft_objects::id!(t, "encoding"))?;
    let how = Str::intern(t, "backslashreplace");
    let bytes = proto::call_method(t, text.value(), "encode", &[encoding.value(), how.value()])?;
    if let Some(buffer) = proto::get_attr_opt(t, out.value(), weft_objects::id!(t, "buffer"))? {
        return proto::call_method(t, buffer.value(), "write", &[bytes.value()]).map(drop);
    }
    let strict = Str::intern(t, "strict");
    let text = proto::call_method(
        t,
        bytes.value(),
        "decode",
        &[encoding.value(), strict.value()],
    )?;
    proto::call_method(t, out.value(), "write", &[text.value()]).map(drop)
}

/// `sys.excepthook(exctype, value, traceback)`
pub fn excepthook(t: &mut Thread, a: &[Value]) -> Res {
    let (v, tb) = (a[1], a[2]);
    if let Some(e) = Exception::of(v)
        && traceback::is_traceback(tb)
        && e.traceback.get().is_null()
    {
        e.set_traceback(t, Some(Obj::new(t, tb)));
    }
    display(t, v);
    Ok(Value::NONE)
}

/// Prints an exception to `sys.stderr`: by the `traceback` module, or without source lines if that cannot be had.
pub fn display(t: &mut Thread, exc: Value) {
    let Some(err) = sys_attr(t, "stderr") else {
        // Before there are streams.
        let mut text = String::new();
        traceback::print_exception(t, exc, &mut text);
        eprint!("{text}");
        return;
    };
    if err.value().is_none() {
        return;
    }
    if Exception::of(exc).is_some() && by_module(t, exc).is_ok() {
        return;
    }
    t.clear_exc();
    let mut text = String::new();
    if Exception::of(exc).is_some() {
        traceback::print_exception(t, exc, &mut text);
    } else {
        let got = type_of(exc).name();
        text = format!("TypeError: print_exception(): Exception expected for value, {got} found\n");
    }
    let s = Str::new(t, &text);
    if proto::call_method(t, err.value(), "write", &[s.value()]).is_err() {
        t.clear_exc();
        eprint!("{text}");
    }
    flush(t, &err);
}

fn by_module(t: &mut Thread, exc: Value) -> Res<()> {
    crate::start::register_command_source(t);
    let module = runtime::import(t, "traceback")?;
    let print = proto::get_attr(
        t,
        module.value(),
        weft_objects::id!(t, "_print_exception_bltin"),
    )?;
    proto::call(t, print.value(), &[exc]).map(drop)
}

/// Flushes a stream, swallowing errors.
pub fn flush(t: &mut Thread, stream: &Obj) {
    if proto::call_method(t, stream.value(), "flush", &[]).is_err() {
        t.clear_exc();
    }
}

/// `sys.unraisablehook(unraisable)`
pub fn unraisablehook(t: &mut Thread, a: &[Value]) -> Res {
    let Some(err) = sys_attr(t, "stderr").filter(|e| !e.value().is_none()) else {
        return Ok(Value::NONE);
    };
    let field = |t: &mut Thread, name: &'static str| {
        let name = weft_objects::names::get(t, name);
        proto::get_attr(t, a[0], name)
    };
    let (ty, value, tb) = (
        field(t, "exc_type")?,
        field(t, "exc_value")?,
        field(t, "exc_traceback")?,
    );
    let (msg, object) = (field(t, "err_msg")?, field(t, "object")?);
    let mut text = match Str::of(msg.value()) {
        Some(m) => m.to_string_lossy(),
        None if object.value().is_none() => String::new(),
        None => "Exception ignored in".into(),
    };
    if !object.value().is_none() {
        let r = match proto::repr(t, object.value()) {
            Ok(r) => Str::of(r.value()).map_or_else(String::new, |s| s.to_string_lossy()),
            Err(_) => {
                t.clear_exc();
                "<object repr() failed>".into()
            }
        };
        text = format!("{text}: {r}\n");
    } else if !text.is_empty() {
        text.push_str(":\n");
    }
    let s = Str::new(t, &text);
    proto::call_method(t, err.value(), "write", &[s.value()])?;
    if !ty.value().is_none() && print_unchained(t, &ty, &value, &tb).is_err() {
        t.clear_exc();
        let mut text = String::new();
        traceback::print_exception(t, value.value(), &mut text);
        let s = Str::new(t, &text);
        proto::call_method(t, err.value(), "write", &[s.value()])?;
    }
    flush(t, &err);
    Ok(Value::NONE)
}

fn print_unchained(t: &mut Thread, ty: &Obj, value: &Obj, tb: &Obj) -> Res<()> {
    let module = runtime::import(t, "traceback")?;
    let print = proto::get_attr(t, module.value(), weft_objects::id!(t, "print_exception"))?;
    let names = Tuple::from_vec(t, vec![Str::intern(t, "chain")]);
    let args = [ty.value(), value.value(), tb.value(), Value::FALSE];
    proto::call_kw(t, print.value(), Args::new(&args, names.value())).map(drop)
}

/// Prints the pending exception as an uncaught one: through `sys.excepthook`, or in spite of it.
pub fn print_uncaught(t: &mut Thread) {
    let Some(exc) = t.take_exc() else { return };
    let tb = match Exception::of(exc.value()).map(|e| e.traceback.get()) {
        Some(tb) if Traceback::of(tb).is_some() => Obj::new(t, tb),
        _ => Obj::from_raw(Value::NONE),
    };
    set_last(t, &exc, &tb);
    let Some(hook) = sys_attr(t, "excepthook") else {
        eprintln!("sys.excepthook is missing");
        display(t, exc.value());
        return;
    };
    let ty = Obj::new(t, type_of(exc.value()).value());
    let told = [hook.value(), ty.value(), exc.value(), tb.value()];
    if audit(t, "sys.excepthook", &told).is_err() {
        let refused = t.exc_matches(&errors::RUNTIME_ERROR);
        t.clear_exc();
        if refused {
            return;
        }
    }
    if proto::call(t, hook.value(), &[ty.value(), exc.value(), tb.value()]).is_ok() {
        return;
    }
    if t.exc_matches(&errors::SYSTEM_EXIT) {
        return;
    }
    let Some(second) = t.take_exc() else { return };
    eprintln!("Error in sys.excepthook:");
    display(t, second.value());
    eprintln!("\nOriginal exception was:");
    display(t, exc.value());
}

/// What `pdb.pm()` and the like look at.
fn set_last(t: &mut Thread, exc: &Obj, tb: &Obj) {
    let Some(d) = runtime::SYS.of(t).get().and_then(Dict::of) else {
        return;
    };
    let ty = type_of(exc.value()).value();
    for (name, v) in [
        ("last_exc", exc.value()),
        ("last_type", ty),
        ("last_value", exc.value()),
        ("last_traceback", tb.value()),
    ] {
        let name = weft_objects::names::get(t, name);
        d.set_str(t, name, v);
    }
}

/// `sys.breakpointhook(*args, **kws)`
pub fn breakpointhook(t: &mut Thread, a: &[Value]) -> Res {
    let env = if crate::start::config().ignore_environment {
        None
    } else {
        std::env::var("PYTHONBREAKPOINT").ok()
    };
    let name = match env.as_deref() {
        Some("0") => return Ok(Value::NONE),
        None | Some("") => "pdb.set_trace",
        Some(name) => name,
    };
    let (module, attr) = name.rsplit_once('.').unwrap_or(("builtins", name));
    let hook = match module {
        "" => Err(t.raise(&errors::IMPORT_ERROR, "")),
        _ => runtime::import(t, module),
    };
    let hook = hook.and_then(|m| {
        let attr = weft_objects::names::get(t, attr);
        proto::get_attr(t, m.value(), attr)
    });
    let hook = match hook {
        Ok(h) => h,
        Err(e)
            if !t.exc_matches(&errors::IMPORT_ERROR)
                && !t.exc_matches(&errors::ATTRIBUTE_ERROR) =>
        {
            return Err(e);
        }
        Err(_) => {
            t.clear_exc();
            let warnings = runtime::import(t, "warnings")?;
            let msg = Str::new(
                t,
                &format!("Ignoring unimportable $PYTHONBREAKPOINT: \"{name}\""),
            );
            let args = [msg.value(), errors::RUNTIME_WARNING.value(), Value::int(1)];
            proto::call_method(t, warnings.value(), "warn", &args)?;
            return Ok(Value::NONE);
        }
    };
    call_with(t, hook.value(), a[0], a[1])
}

/// `f(*args, **kwargs)` of a tuple and a dict.
fn call_with(t: &mut Thread, f: Value, args: Value, kwargs: Value) -> Res {
    let mut all = Tuple::of(args).map(|x| x.to_vec(t)).unwrap_or_default();
    let mut names = Vec::new();
    for (k, v) in Dict::of(kwargs).map(|d| d.items(t)).unwrap_or_default() {
        names.push(k);
        all.push(v);
    }
    let names = Tuple::from_vec(t, names);
    let values: Vec<Value> = all.iter().map(Obj::value).collect();
    proto::call_value(t, f, Args::new(&values, names.value()))
}

// --- audit hooks ---

pub use weft_objects::audit::tell as audit;

/// `sys.audit(event, *args)`
pub fn sys_audit(t: &mut Thread, a: &[Value]) -> Res {
    let Some(event) = Str::of(a[0]) else {
        let got = type_of(a[0]).name();
        return Err(t.type_error(format!("audit() argument 1 must be str, not {got}")));
    };
    let event = event.to_string_lossy();
    let args = Tuple::of(a[1])
        .map(|x| x.values().to_vec())
        .unwrap_or_default();
    audit(t, &event, &args)?;
    Ok(Value::NONE)
}

/// `sys.addaudithook(hook)`
pub fn addaudithook(t: &mut Thread, a: &[Value]) -> Res {
    if audit(t, "sys.addaudithook", &[]).is_err() {
        // A hook may refuse another one.
        if t.exc_matches(&errors::RUNTIME_ERROR) {
            t.clear_exc();
            return Ok(Value::NONE);
        }
        return Err(Raised::new_unchecked());
    }
    let hook = Obj::new(t, a[0]);
    weft_objects::audit::add(t, hook);
    Ok(Value::NONE)
}

/// The exit code that an uncaught SystemExit asks for; anything but an int or None is printed.
pub fn exit_code(t: &mut Thread, exc: &Obj) -> i32 {
    let mut code = errors::system_exit_code(t, exc.value());
    // Subclasses may have overridden the attribute.
    if let Ok(Some(c)) = proto::get_attr_opt(t, exc.value(), weft_objects::id!(t, "code")) {
        code = c;
    }
    t.clear_exc();
    if code.value().is_none() {
        return 0;
    }
    if int::is_int(code.value()) {
        return int::as_i64(code.value()).map_or(-1, |i| i as i32);
    }
    if let Some(out) = sys_attr(t, "stdout") {
        flush(t, &out);
    }
    let text = match proto::str(t, code.value()) {
        Ok(s) => s,
        Err(_) => {
            t.clear_exc();
            return 1;
        }
    };
    let line = Str::of(text.value()).map_or_else(String::new, |s| s.to_string_lossy()) + "\n";
    let err = sys_attr(t, "stderr").filter(|e| !e.value().is_none());
    match err {
        Some(err) => {
            let s = Str::new(t, &line);
            if proto::call_method(t, err.value(), "write", &[s.value()]).is_err() {
                t.clear_exc();
            }
            flush(t, &err);
        }
        None => eprint!("{line}"),
    }
    1
}

/// Whether a traceback's frame runs code of the import system.
pub fn is_import_code(c: &Code) -> bool {
    Str::of(c.body().filename.value()).is_some_and(|f| {
        f.is("<frozen importlib._bootstrap>") || f.is("<frozen importlib._bootstrap_external>")
    })
}
