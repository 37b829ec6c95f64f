//! `syslog`: messages for the system's log.

use crate::support::{self, add_ints, c_int, c_int_or};
use parking_lot::Mutex;
use std::ffi::CString;
use weft_objects::audit;
use weft_objects::prelude::*;
use weft_objects::runtime;

struct State {
    open: bool,
    /// The system keeps a pointer to it until the log is closed.
    ident: Option<CString>,
}

static STATE: Mutex<State> = Mutex::new(State {
    open: false,
    ident: None,
});

fn text(t: &mut Thread, v: Value, func: &str, at: usize) -> Res<CString> {
    let text = support::text(t, v, func, &at.to_string())?;
    CString::new(text).map_err(|_| t.value_error("embedded null character"))
}

/// The program's name: the last part of `sys.argv[0]`.
fn program(t: &mut Thread) -> Option<CString> {
    let argv = runtime::sys_attr(t, "argv")?;
    let first = List::of(argv.value())?.get(t, 0)?.to_obj(t);
    let name = Str::of(first.value())?.to_string_lossy();
    let name = name.rsplit('/').next().unwrap_or("");
    if name.is_empty() {
        return None;
    }
    CString::new(name).ok()
}

fn open(t: &mut Thread, ident: Option<CString>, options: i32, facility: i32) {
    let mut state = t.blocking(|| STATE.lock());
    let p = ident.as_ref().map_or(std::ptr::null(), |i| i.as_ptr());
    // SAFETY: a C string that is kept until another one takes its place here, or null.
    unsafe { libc::openlog(p, options, facility) };
    state.ident = ident;
    state.open = true;
}

/// As [`open`], unless an audit hook objects.
fn opened(t: &mut Thread, ident: Option<CString>, options: i32, facility: i32) -> Res<()> {
    if audit::wanted() {
        let shown = match &ident {
            Some(i) => Str::new(t, &i.to_string_lossy()),
            None => Obj::from_raw(Value::NONE),
        };
        let args = [
            shown.value(),
            Value::int(options.into()),
            Value::int(facility.into()),
        ];
        audit::tell(t, "syslog.openlog", &args)?;
    }
    open(t, ident, options, facility);
    Ok(())
}

fn openlog(t: &mut Thread, a: &[Value]) -> Res {
    let ident = if a[0].is_null() || a[0].is_none() {
        program(t)
    } else {
        Some(text(t, a[0], "openlog", 1)?)
    };
    let options = c_int_or(t, a[1], 0)?;
    let facility = c_int_or(t, a[2], libc::LOG_USER)?;
    opened(t, ident, options, facility)?;
    Ok(Value::NONE)
}

fn syslog(t: &mut Thread, a: &[Value]) -> Res {
    let (priority, message) = if a[1].is_null() {
        (libc::LOG_INFO, text(t, a[0], "syslog", 1)?)
    } else {
        (c_int(t, a[0])?, text(t, a[1], "syslog", 2)?)
    };
    let said = if a[1].is_null() { a[0] } else { a[1] };
    audit::tell(t, "syslog.syslog", &[Value::int(priority.into()), said])?;
    let is_open = t.blocking(|| STATE.lock().open);
    if !is_open {
        let ident = program(t);
        opened(t, ident, 0, libc::LOG_USER)?;
    }
    t.blocking(|| {
        let _ident_stays = STATE.lock();
        // SAFETY: C strings.
        unsafe { libc::syslog(priority, c"%s".as_ptr(), message.as_ptr()) };
    });
    Ok(Value::NONE)
}

fn closelog(t: &mut Thread, _a: &[Value]) -> Res {
    audit::tell(t, "syslog.closelog", &[])?;
    t.blocking(|| {
        let mut state = STATE.lock();
        if state.open {
            // SAFETY: always callable; after it the system has no pointer to the name.
            unsafe { libc::closelog() };
            state.open = false;
            state.ident = None;
        }
    });
    Ok(Value::NONE)
}

fn setlogmask(t: &mut Thread, a: &[Value]) -> Res {
    unsafe extern "C" {
        fn setlogmask(mask: i32) -> i32;
    }
    let mask = c_int(t, a[0])?;
    audit::tell(t, "syslog.setlogmask", &[a[0]])?;
    // SAFETY: always callable.
    Ok(Value::int(unsafe { setlogmask(mask) }.into()))
}

fn log_mask(t: &mut Thread, a: &[Value]) -> Res {
    let n = c_int(t, a[0])?;
    Ok(Value::int((1i32.wrapping_shl(n as u32)).into()))
}

fn log_upto(t: &mut Thread, a: &[Value]) -> Res {
    let n = c_int(t, a[0])?;
    Ok(Value::int(
        (1i32
            .wrapping_shl((n as u32).wrapping_add(1))
            .wrapping_sub(1))
        .into(),
    ))
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new(
        "openlog",
        "(ident=None, logoption=0, facility=LOG_USER)",
        openlog,
    )
    .doc("Set logging options of subsequent syslog() calls."),
    NativeDef::new("syslog", "(priority_or_message, message=None, /)", syslog)
        .doc("syslog([priority=LOG_INFO,] message)\nSend the string message to the system logger."),
    NativeDef::new("closelog", "()", closelog)
        .doc("Reset the syslog module values and call the system library closelog()."),
    NativeDef::new("setlogmask", "(maskpri, /)", setlogmask)
        .doc("Set the priority mask to maskpri and return the previous mask value."),
    NativeDef::new("LOG_MASK", "(pri, /)", log_mask)
        .doc("Calculates the mask for the individual priority pri."),
    NativeDef::new("LOG_UPTO", "(pri, /)", log_upto)
        .doc("Calculates the mask for all priorities up to and including pri."),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(t, "syslog", "", FUNCTIONS);
    add_ints(t, &m, INTS);
    Ok(m)
}

static INTS: &[(&str, i64)] = &[
    ("LOG_ALERT", libc::LOG_ALERT as i64),
    ("LOG_AUTH", libc::LOG_AUTH as i64),
    ("LOG_AUTHPRIV", libc::LOG_AUTHPRIV as i64),
    ("LOG_CONS", libc::LOG_CONS as i64),
    ("LOG_CRIT", libc::LOG_CRIT as i64),
    ("LOG_CRON", libc::LOG_CRON as i64),
    ("LOG_DAEMON", libc::LOG_DAEMON as i64),
    ("LOG_DEBUG", libc::LOG_DEBUG as i64),
    ("LOG_EMERG", libc::LOG_EMERG as i64),
    ("LOG_ERR", libc::LOG_ERR as i64),
    ("LOG_FTP", libc::LOG_FTP as i64),
    ("LOG_INFO", libc::LOG_INFO as i64),
    ("LOG_KERN", libc::LOG_KERN as i64),
    ("LOG_LOCAL0", libc::LOG_LOCAL0 as i64),
    ("LOG_LOCAL1", libc::LOG_LOCAL1 as i64),
    ("LOG_LOCAL2", libc::LOG_LOCAL2 as i64),
    ("LOG_LOCAL3", libc::LOG_LOCAL3 as i64),
    ("LOG_LOCAL4", libc::LOG_LOCAL4 as i64),
    ("LOG_LOCAL5", libc::LOG_LOCAL5 as i64),
    ("LOG_LOCAL6", libc::LOG_LOCAL6 as i64),
    ("LOG_LOCAL7", libc::LOG_LOCAL7 as i64),
    ("LOG_LPR", libc::LOG_LPR as i64),
    ("LOG_MAIL", libc::LOG_MAIL as i64),
    ("LOG_NDELAY", libc::LOG_NDELAY as i64),
    ("LOG_NEWS", libc::LOG_NEWS as i64),
    ("LOG_NOTICE", libc::LOG_NOTICE as i64),
    ("LOG_NOWAIT", libc::LOG_NOWAIT as i64),
    ("LOG_ODELAY", libc::LOG_ODELAY as i64),
    ("LOG_PERROR", libc::LOG_PERROR as i64),
    ("LOG_PID", libc::LOG_PID as i64),
    ("LOG_SYSLOG", libc::LOG_SYSLOG as i64),
    ("LOG_USER", libc::LOG_USER as i64),
    ("LOG_UUCP", libc::LOG_UUCP as i64),
    ("LOG_WARNING", libc::LOG_WARNING as i64),
];
