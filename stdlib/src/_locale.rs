//! `_locale`: the C library's locales.

use crate::support::{self, add, add_ints, fs_decode, int_obj};
use parking_lot::Mutex;
use std::ffi::{CStr, CString, c_char};
use weft_objects::int;
use weft_objects::prelude::*;
use weft_objects::runtime::{self, Global};

/// The C library has one locale for all threads, and its answers lie in memory that the next call changes.
static LOCALE: Mutex<()> = Mutex::new(());

static ERROR: Global = Global::new();

#[allow(non_camel_case_types)]
type wchar_t = libc::wchar_t;

unsafe extern "C" {
    fn wcscoll(a: *const wchar_t, b: *const wchar_t) -> libc::c_int;
    fn wcsxfrm(to: *mut wchar_t, from: *const wchar_t, n: usize) -> usize;
}

#[cold]
fn error(t: &mut Thread, msg: &str) -> Raised {
    let Some(cls) = ERROR.get() else {
        return t.value_error(msg);
    };
    let msg = Str::new(t, msg);
    match proto::call(t, cls, &[msg.value()]) {
        Ok(exc) => t.raise_value(exc),
        Err(e) => e,
    }
}

fn setlocale(t: &mut Thread, a: &[Value]) -> Res {
    let category = support::c_int(t, a[0])?;
    let name = if a[1].is_null() || a[1].is_none() {
        None
    } else {
        let name = support::text(t, a[1], "setlocale", "2")?;
        match CString::new(name) {
            Ok(c) => Some(c),
            Err(_) => return Err(t.value_error("embedded null character")),
        }
    };
    let found = {
        let _one = LOCALE.lock();
        // SAFETY: the name is ours, or NULL to ask; the answer is copied before the next call.
        unsafe {
            let p = libc::setlocale(
                category,
                name.as_ref().map_or(std::ptr::null(), |c| c.as_ptr()),
            );
            (!p.is_null()).then(|| CStr::from_ptr(p).to_bytes().to_vec())
        }
    };
    match found {
        Some(name) => Ok(fs_decode(t, &name).into()),
        None => Err(error(
            t,
            if name.is_some() {
                "unsupported locale setting"
            } else {
                "locale query failed"
            },
        )),
    }
}

/// What the C library says about numbers and money, copied.
struct Conventions {
    texts: [(&'static str, Vec<u8>); 8],
    groupings: [(&'static str, Vec<u8>); 2],
    numbers: [(&'static str, i64); 8],
}

fn conventions() -> Conventions {
    let _one = LOCALE.lock();
    // SAFETY: the C library's texts are zero-terminated and copied under the lock.
    unsafe {
        let l = &*libc::localeconv();
        let text = |p: *const c_char| {
            if p.is_null() {
                Vec::new()
            } else {
                CStr::from_ptr(p).to_bytes().to_vec()
            }
        };
        Conventions {
            texts: [
                ("decimal_point", text(l.decimal_point)),
                ("thousands_sep", text(l.thousands_sep)),
                ("int_curr_symbol", text(l.int_curr_symbol)),
                ("currency_symbol", text(l.currency_symbol)),
                ("mon_decimal_point", text(l.mon_decimal_point)),
                ("mon_thousands_sep", text(l.mon_thousands_sep)),
                ("positive_sign", text(l.positive_sign)),
                ("negative_sign", text(l.negative_sign)),
            ],
            groupings: [
                ("grouping", text(l.grouping)),
                ("mon_grouping", text(l.mon_grouping)),
            ],
            numbers: [
                ("int_frac_digits", l.int_frac_digits as i64),
                ("frac_digits", l.frac_digits as i64),
                ("p_cs_precedes", l.p_cs_precedes as i64),
                ("p_sep_by_space", l.p_sep_by_space as i64),
                ("n_cs_precedes", l.n_cs_precedes as i64),
                ("n_sep_by_space", l.n_sep_by_space as i64),
                ("p_sign_posn", l.p_sign_posn as i64),
                ("n_sign_posn", l.n_sign_posn as i64),
            ],
        }
    }
}

fn localeconv(t: &mut Thread, _a: &[Value]) -> Res {
    let c = conventions();
    let d = Dict::new(t);
    let put = |name: &str, v: Obj| {
        Dict::of_obj(&d).set_str(t, weft_objects::names::get(t, name), v.value())
    };
    for (name, text) in &c.texts {
        put(name, fs_decode(t, text));
    }
    for (name, sizes) in &c.groupings {
        let mut list: Vec<Obj> = sizes.iter().map(|n| int_obj(t, i64::from(*n))).collect();
        // Unless it says that there are no further groups, a zero says that the last size goes on.
        if !list.is_empty() && sizes.last() != Some(&(c_char::MAX as u8)) {
            list.push(int_obj(t, 0));
        }
        put(name, List::from_vec(t, list));
    }
    for (name, n) in c.numbers {
        put(name, int_obj(t, n));
    }
    Ok(d.into())
}

/// Text as wide characters.
fn wide(t: &mut Thread, v: Value, func: &str, n: usize) -> Res<Vec<wchar_t>> {
    let Some(s) = Str::of(v) else {
        let got = type_of(v).name();
        return Err(t.type_error(format!("{func}() argument {n} must be str, not {got}")));
    };
    let mut out: Vec<wchar_t> = weft_objects::text::wtf8::code_points(s.as_bytes())
        .map(|c| c as wchar_t)
        .collect();
    if out.contains(&0) {
        return Err(t.value_error("embedded null character"));
    }
    out.push(0);
    Ok(out)
}

fn strcoll(t: &mut Thread, a: &[Value]) -> Res {
    let (x, y) = (wide(t, a[0], "strcoll", 1)?, wide(t, a[1], "strcoll", 2)?);
    // SAFETY: both are zero-terminated.
    Ok(Value::int(i64::from(unsafe {
        wcscoll(x.as_ptr(), y.as_ptr())
    })))
}

fn strxfrm(t: &mut Thread, a: &[Value]) -> Res {
    let from = wide(t, a[0], "strxfrm", 1)?;
    let mut to: Vec<wchar_t> = vec![0; from.len() + 1];
    loop {
        // SAFETY: the text is zero-terminated, the buffer as long as stated.
        let n = unsafe { wcsxfrm(to.as_mut_ptr(), from.as_ptr(), to.len()) };
        if n < to.len() {
            to.truncate(n);
            break;
        }
        if n > 1 << 28 {
            return Err(t.os_error(libc::EINVAL, None));
        }
        to.resize(n + 1, 0);
    }
    let mut out = Vec::with_capacity(to.len());
    for c in to {
        weft_objects::text::wtf8::push(&mut out, u32::try_from(c).unwrap_or(0xfffd).min(0x10ffff));
    }
    Ok(Str::from_vec(t, out).into())
}

fn information(item: libc::nl_item) -> Vec<u8> {
    let _one = LOCALE.lock();
    // SAFETY: zero-terminated, copied under the lock.
    unsafe {
        let p = libc::nl_langinfo(item);
        if p.is_null() {
            Vec::new()
        } else {
            CStr::from_ptr(p).to_bytes().to_vec()
        }
    }
}

fn nl_langinfo(t: &mut Thread, a: &[Value]) -> Res {
    let item = support::c_int(t, a[0])?;
    if !ITEMS.iter().any(|(_, n)| *n == item) {
        return Err(t.value_error("unsupported langinfo constant"));
    }
    let text = information(item);
    Ok(fs_decode(t, &text).into())
}

fn getencoding(t: &mut Thread, _a: &[Value]) -> Res {
    let utf8 = match runtime::sys_attr(t, "flags") {
        Some(flags) => {
            let mode = proto::get_attr_opt(t, flags.value(), weft_objects::id!(t, "utf8_mode"))?;
            mode.is_some_and(|m| int::as_i64(m.value()).is_some_and(|n| n != 0))
        }
        None => false,
    };
    let codeset = if utf8 {
        Vec::new()
    } else {
        information(libc::CODESET)
    };
    // What the C locale says is not what anybody means: as when CPython coerces it, UTF-8.
    if codeset.is_empty() || codeset == b"ANSI_X3.4-1968" || codeset == b"US-ASCII" {
        return Ok(Str::new(t, if utf8 { "utf-8" } else { "UTF-8" }).into());
    }
    Ok(fs_decode(t, &codeset).into())
}

const ITEMS: &[(&str, libc::nl_item)] = &[
    ("CODESET", libc::CODESET),
    ("RADIXCHAR", libc::RADIXCHAR),
    ("THOUSEP", libc::THOUSEP),
    ("CRNCYSTR", libc::CRNCYSTR),
    ("D_FMT", libc::D_FMT),
    ("D_T_FMT", libc::D_T_FMT),
    ("T_FMT", libc::T_FMT),
    ("T_FMT_AMPM", libc::T_FMT_AMPM),
    ("AM_STR", libc::AM_STR),
    ("PM_STR", libc::PM_STR),
    ("YESEXPR", libc::YESEXPR),
    ("NOEXPR", libc::NOEXPR),
    ("ERA", libc::ERA),
    ("ERA_D_FMT", libc::ERA_D_FMT),
    ("ERA_D_T_FMT", libc::ERA_D_T_FMT),
    ("ERA_T_FMT", libc::ERA_T_FMT),
    ("ALT_DIGITS", libc::ALT_DIGITS),
    ("DAY_1", libc::DAY_1),
    ("DAY_2", libc::DAY_2),
    ("DAY_3", libc::DAY_3),
    ("DAY_4", libc::DAY_4),
    ("DAY_5", libc::DAY_5),
    ("DAY_6", libc::DAY_6),
    ("DAY_7", libc::DAY_7),
    ("ABDAY_1", libc::ABDAY_1),
    ("ABDAY_2", libc::ABDAY_2),
    ("ABDAY_3", libc::ABDAY_3),
    ("ABDAY_4", libc::ABDAY_4),
    ("ABDAY_5", libc::ABDAY_5),
    ("ABDAY_6", libc::ABDAY_6),
    ("ABDAY_7", libc::ABDAY_7),
    ("MON_1", libc::MON_1),
    ("MON_2", libc::MON_2),
    ("MON_3", libc::MON_3),
    ("MON_4", libc::MON_4),
    ("MON_5", libc::MON_5),
    ("MON_6", libc::MON_6),
    ("MON_7", libc::MON_7),
    ("MON_8", libc::MON_8),
    ("MON_9", libc::MON_9),
    ("MON_10", libc::MON_10),
    ("MON_11", libc::MON_11),
    ("MON_12", libc::MON_12),
    ("ABMON_1", libc::ABMON_1),
    ("ABMON_2", libc::ABMON_2),
    ("ABMON_3", libc::ABMON_3),
    ("ABMON_4", libc::ABMON_4),
    ("ABMON_5", libc::ABMON_5),
    ("ABMON_6", libc::ABMON_6),
    ("ABMON_7", libc::ABMON_7),
    ("ABMON_8", libc::ABMON_8),
    ("ABMON_9", libc::ABMON_9),
    ("ABMON_10", libc::ABMON_10),
    ("ABMON_11", libc::ABMON_11),
    ("ABMON_12", libc::ABMON_12),
];

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("setlocale", "(category, locale=None, /)", setlocale)
        .doc("Activates/queries locale processing."),
    NativeDef::new("localeconv", "()", localeconv)
        .doc("Returns numeric and monetary locale-specific parameters."),
    NativeDef::new("strcoll", "(os1, os2, /)", strcoll)
        .doc("Compares two strings according to the locale."),
    NativeDef::new("strxfrm", "(string, /)", strxfrm)
        .doc("Return a string that can be used as a key for locale-aware comparisons."),
    NativeDef::new("nl_langinfo", "(key, /)", nl_langinfo)
        .doc("Return the value for the locale information associated with key."),
    NativeDef::new("getencoding", "()", getencoding).doc("Get the current locale encoding."),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(t, "_locale", "Support for POSIX locales.", FUNCTIONS);
    let cls = crate::_signal::new_exception_class(t, "Error", "locale", &[&errors::EXCEPTION])?;
    ERROR.set(t, cls.clone());
    add(t, &m, "Error", cls);
    add_ints(
        t,
        &m,
        &[
            ("LC_CTYPE", libc::LC_CTYPE as i64),
            ("LC_NUMERIC", libc::LC_NUMERIC as i64),
            ("LC_TIME", libc::LC_TIME as i64),
            ("LC_COLLATE", libc::LC_COLLATE as i64),
            ("LC_MONETARY", libc::LC_MONETARY as i64),
            ("LC_MESSAGES", libc::LC_MESSAGES as i64),
            ("LC_ALL", libc::LC_ALL as i64),
            ("CHAR_MAX", c_char::MAX as i64),
        ],
    );
    for (name, n) in ITEMS {
        add(t, &m, name, int_obj(t, i64::from(*n)));
    }
    Ok(m)
}
