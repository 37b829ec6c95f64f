//! Traceback objects, and the printing of exceptions where the `traceback` module cannot be had.

use crate::cell::{counted, fresh, or_none, own};
use crate::code::Code;
use crate::errors::{Exception, is_exception};
use crate::frame::FrameObject;
use crate::gc_slots;
use crate::prelude::*;
use std::fmt::Write;
use std::sync::atomic::{AtomicI32, Ordering::*};

/// One step of the way that an exception has come.
#[repr(C)]
pub struct Traceback {
    pub header: Header,
    /// The step nearer to where it was raised, or NULL.
    pub next: Slot,
    pub frame: Slot,
    pub lasti: AtomicI32,
    /// [`UNKNOWN`]: it has not been asked for.
    lineno: AtomicI32,
}

/// A line that follows from `lasti`, once somebody wants to know: most exceptions are handled without a look at their tracebacks.
const UNKNOWN: i32 = -1;

impl Traceback {
    /// Takes over `next` (a register word or NULL).
    pub fn new(t: &Thread, next: Value, frame: Obj, lasti: i32, lineno: i32) -> Obj {
        // SAFETY: the layout of tracebacks.
        let (o, tb) = unsafe { fresh::<Traceback>(t, &TRACEBACK) };
        tb.next.init(t, &tb.header, next);
        tb.frame.init(t, &tb.header, frame.into_value());
        tb.lasti.store(lasti, Relaxed);
        tb.lineno.store(lineno, Relaxed);
        o
    }

    pub fn of<'a>(v: Value) -> Option<&'a Traceback> {
        crate::cast_exact(v, &TRACEBACK)
    }

    /// The line, unless the frame does not say.
    pub fn line(&self, t: &Thread) -> Option<i32> {
        let known = self.lineno.load(Relaxed);
        if known != UNKNOWN {
            return Some(known);
        }
        let frame = own(t, &self.frame)?;
        let code = FrameObject::of(frame.value())?.code()?;
        let line = match self.lasti.load(Relaxed) {
            0 => code.body().first_line,
            lasti => code.line(Code::at_offset(lasti)?),
        };
        let line = i32::try_from(line).ok()?;
        self.lineno.store(line, Relaxed);
        Some(line)
    }
}

pub fn is_traceback(v: Value) -> bool {
    Traceback::of(v).is_some()
}

/// Adds a step to the pending exception's traceback: it leaves `frame`.
#[cold]
pub fn push(t: &Thread, frame: Obj, lasti: i32) {
    let Some(e) = Exception::of(t.exc.get()) else {
        return;
    };
    let next = counted(t, e.traceback.get());
    let tb = Traceback::new(t, next, frame, lasti, UNKNOWN);
    e.set_traceback(t, Some(tb));
}

fn this<'a>(v: Value) -> &'a Traceback {
    // SAFETY: slot functions of TRACEBACK get its instances alone.
    unsafe { &*(v.ptr() as *const Traceback) }
}

fn traceback_new(t: &mut Thread, _cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("traceback", "(tb_next, tb_frame, tb_lasti, tb_lineno)");
    let a = SIG.bind(t, args)?;
    if !type_of(a[1]).is(&crate::frame::FRAME) {
        let got = type_of(a[1]).name();
        return Err(t.type_error(format!(
            "traceback() argument 'tb_frame' must be frame, not {got}"
        )));
    }
    let next = checked(t, a[0])?;
    let lasti = crate::str::index::c_int(t, a[2], 0)?;
    let lineno = crate::str::index::c_int(t, a[3], 0)?;
    let frame = Obj::new(t, a[1]);
    Ok(Traceback::new(
        t,
        next.map_or(Value::NULL, Obj::into_value),
        frame,
        lasti,
        lineno,
    )
    .into())
}

/// A traceback or None.
fn checked(t: &Thread, v: Value) -> Res<Option<Obj>> {
    if v.is_none() {
        return Ok(None);
    }
    if Traceback::of(v).is_none() {
        let got = type_of(v).name();
        return Err(t.type_error(format!("expected traceback object or None, got '{got}'")));
    }
    Ok(Some(Obj::new(t, v)))
}

fn put_next(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    if new.is_null() {
        return Err(t.type_error("can't delete tb_next attribute".into()));
    }
    let new = checked(t, new)?;
    let mut step = new.as_ref().map_or(Value::NULL, Obj::value);
    while let Some(tb) = Traceback::of(step) {
        if step.same(v) {
            return Err(t.value_error("traceback loop detected"));
        }
        step = tb.next.get();
    }
    let tb = this(v);
    tb.next
        .set(t, &tb.header, new.map_or(Value::NULL, Obj::into_value));
    Ok(())
}

fn dir(t: &mut Thread, _a: &[Value]) -> Res {
    let names = ["tb_frame", "tb_next", "tb_lasti", "tb_lineno"];
    let names = names.iter().map(|n| Str::intern(t, n)).collect();
    Ok(List::from_vec(t, names).into())
}

gc_slots!(Traceback, traverse, clear, next, frame);

/// `types.TracebackType`
pub static TRACEBACK: Type = Type::builtin(
    "traceback",
    size_of::<Traceback>(),
    &Spec {
        new: Some(traceback_new),
        methods: &[NativeDef::new("__dir__", "($self, /)", dir)],
        getset: &[
            GetSetDef::rw(
                "tb_next",
                |t, v| Ok(or_none(t, this(v).next.get())),
                put_next,
            ),
            GetSetDef::ro("tb_frame", |t, v| Ok(or_none(t, this(v).frame.get()))),
            GetSetDef::ro("tb_lasti", |_, v| {
                Ok(Value::int(i64::from(this(v).lasti.load(Relaxed))))
            }),
            GetSetDef::ro("tb_lineno", |t, v| {
                let line = this(v).line(t).map(i64::from);
                Ok(line.map_or(Value::NONE, Value::int))
            }),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.final_()
.doc("Create a new traceback object.");

// --- Printing ---

/// Adds the exception, those that it comes from, and its notes to `out`, as CPython prints an exception that nobody catches (without
/// source lines). Errors on the way are swallowed.
pub fn print_exception(t: &mut Thread, exc: Value, out: &mut String) {
    print_chain(t, exc, "", out, 0);
}

/// Exceptions within exceptions deeper than this are left out.
const DEEPEST: usize = 10;

fn print_chain(t: &mut Thread, exc: Value, indent: &str, out: &mut String, depth: usize) {
    // From the newest to the oldest, with what is said between each and the one before.
    let mut chain: Vec<(Obj, &str)> = Vec::new();
    let mut next = Some((Obj::new(t, exc), ""));
    while let Some((e, why)) = next.take() {
        if chain.iter().any(|(seen, _)| seen.value().same(e.value())) {
            break;
        }
        if let Some(x) = Exception::of(e.value()) {
            if let Some(cause) = own(t, &x.cause) {
                next = Some((
                    cause,
                    "The above exception was the direct cause of the following exception:",
                ));
            } else if !x.suppress_context.load(Acquire)
                && let Some(context) = own(t, &x.context)
            {
                next = Some((
                    context,
                    "During handling of the above exception, another exception occurred:",
                ));
            }
        }
        chain.push((e, why));
    }
    for (e, why) in chain.iter().rev() {
        print_one(t, e.value(), indent, out, depth);
        if !why.is_empty() {
            let _ = write!(out, "{indent}\n{indent}{why}\n{indent}\n");
        }
    }
}

fn print_one(t: &mut Thread, exc: Value, indent: &str, out: &mut String, depth: usize) {
    let group = crate::exception_groups::members(t, exc);
    let tb = Exception::of(exc).and_then(|e| own(t, &e.traceback));
    let bar = if group.is_some() && depth == 0 {
        "  + "
    } else {
        ""
    };
    let inner = if group.is_some() {
        format!("{indent}{}", if depth == 0 { "  | " } else { "" })
    } else {
        indent.to_string()
    };
    if let Some(tb) = tb {
        let lead = if bar.is_empty() {
            indent.to_string()
        } else {
            format!("{indent}{bar}")
        };
        let kind = if group.is_some() {
            "Exception Group Traceback"
        } else {
            "Traceback"
        };
        let _ = writeln!(out, "{lead}{kind} (most recent call last):");
        print_steps(t, tb, &inner, out);
    }
    let text = describe(t, exc);
    for line in text.split('\n') {
        let _ = writeln!(out, "{inner}{line}");
    }
    print_notes(t, exc, &inner, out);
    if let Some(members) = group {
        print_group(t, &members, indent, out, depth);
    }
}

fn print_group(t: &mut Thread, members: &[Obj], indent: &str, out: &mut String, depth: usize) {
    let outer = format!("{indent}{}", if depth == 0 { "  " } else { "" });
    if depth >= DEEPEST {
        let _ = writeln!(out, "{outer}| ... (max_group_depth is {DEEPEST})");
        return;
    }
    let inner = format!("{outer}  | ");
    for (i, e) in members.iter().enumerate() {
        let plus = if i == 0 { "+-" } else { "  " };
        let _ = writeln!(
            out,
            "{outer}{plus}+---------------- {} ----------------",
            i + 1
        );
        print_chain(t, e.value(), &inner, out, depth + 1);
    }
    let _ = writeln!(out, "{outer}  +------------------------------------");
}

fn print_steps(t: &mut Thread, tb: Obj, indent: &str, out: &mut String) {
    let mut step = Some(tb);
    let mut last = String::new();
    let mut times = 0;
    while let Some(tb) = step.take() {
        let Some(s) = Traceback::of(tb.value()) else {
            break;
        };
        let frame = own(t, &s.frame);
        let line = s.line(t).unwrap_or(UNKNOWN);
        step = own(t, &s.next);
        let found = frame.map(|f| place(t, f.value()));
        let (file, name) = match found {
            Some(Ok(place)) => place,
            _ => {
                t.clear_exc();
                ("?".into(), "?".into())
            }
        };
        let text = format!("{indent}  File \"{file}\", line {line}, in {name}\n");
        if text == last {
            times += 1;
        } else {
            repeated(indent, times, out);
            times = 1;
            last = text;
        }
        if times <= 3 {
            out.push_str(&last);
        }
    }
    repeated(indent, times, out);
}

/// What stands for the lines that were left out because they are equal.
fn repeated(indent: &str, times: usize, out: &mut String) {
    if times > 3 {
        let (n, s) = (times - 3, if times == 4 { "" } else { "s" });
        let _ = writeln!(out, "{indent}  [Previous line repeated {n} more time{s}]");
    }
}

/// The file and function of a frame.
fn place(t: &mut Thread, frame: Value) -> Res<(String, String)> {
    let code = proto::get_attr(t, frame, crate::id!(t, "f_code"))?;
    let file = proto::get_attr(t, code.value(), crate::id!(t, "co_filename"))?;
    let name = proto::get_attr(t, code.value(), crate::id!(t, "co_qualname"))?;
    Ok((text(&file), text(&name)))
}

fn text(s: &Obj) -> String {
    Str::of(s.value()).map_or_else(|| "?".into(), |s| s.to_string_lossy())
}

/// The last line of a traceback: the class and the message.
pub fn describe(t: &mut Thread, exc: Value) -> String {
    let class = type_of(exc);
    let module = class.module_name(t).map(|m| text(&m));
    let mut name = class.qualname(t).to_string_lossy();
    if let Some(m) = module.filter(|m| m != "builtins" && m != "__main__") {
        name = format!("{m}.{name}");
    }
    let message = match proto::str(t, exc) {
        Ok(s) => text(&s),
        Err(_) => {
            t.clear_exc();
            "<exception str() failed>".into()
        }
    };
    if message.is_empty() {
        name
    } else {
        format!("{name}: {message}")
    }
}

fn print_notes(t: &mut Thread, exc: Value, indent: &str, out: &mut String) {
    if !is_exception(exc) {
        return;
    }
    let notes = proto::get_attr_opt(t, exc, crate::id!(t, "__notes__"));
    let notes = match notes {
        Ok(Some(n)) => proto::to_vec(t, n.value()),
        Ok(None) => return,
        Err(r) => Err(r),
    };
    match notes {
        Ok(notes) => {
            for n in notes {
                let line = proto::str(t, n.value())
                    .map(|s| text(&s))
                    .unwrap_or_else(|_| {
                        t.clear_exc();
                        "<note str() failed>".into()
                    });
                for line in line.split('\n') {
                    let _ = writeln!(out, "{indent}{line}");
                }
            }
        }
        Err(_) => t.clear_exc(),
    }
}
