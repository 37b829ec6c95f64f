//! `resource`: limits and use of the system's resources.

use crate::posix::{STRUCT_RUSAGE, rusage};
use crate::support::{self, add, add_ints, c_int, int_obj};
use weft_objects::int;
use weft_objects::prelude::*;

/// A limit as the system takes it: negative for none.
fn limit(t: &mut Thread, v: Value) -> Res<libc::rlim_t> {
    let i = proto::index(t, v)?;
    if let Some(n) = int::as_i64(i.value()) {
        if n < -1 {
            return Err(t.value_error("Cannot convert negative int"));
        }
        return Ok(n as libc::rlim_t);
    }
    let big = int::to_bigint(i.value()).unwrap_or_default();
    match num_traits::ToPrimitive::to_u64(&big) {
        Some(n) => Ok(n),
        None if big.sign() == num_bigint::Sign::Minus => {
            Err(t.value_error("Cannot convert negative int"))
        }
        None => Err(t.overflow_error("int too big to convert")),
    }
}

fn limits(t: &mut Thread, v: Value) -> Res<libc::rlimit> {
    let parts = proto::to_vec(t, v)?;
    let [soft, hard] = parts.as_slice() else {
        return Err(t.value_error("expected a tuple of 2 integers"));
    };
    Ok(libc::rlimit {
        rlim_cur: limit(t, soft.value())?,
        rlim_max: limit(t, hard.value())?,
    })
}

fn to_python(t: &Thread, l: &libc::rlimit) -> Value {
    let one = |n: libc::rlim_t| match n {
        libc::RLIM_INFINITY => int_obj(t, -1),
        n => Obj::own(int::from_u64(t, n)),
    };
    Tuple::pair(t, one(l.rlim_cur), one(l.rlim_max)).into()
}

/// The number of a resource. (Its type is another one in each C library.)
fn resource(t: &mut Thread, v: Value) -> Res<i32> {
    let n = c_int(t, v)?;
    if !(0..RESOURCES).contains(&n) {
        return Err(t.value_error("invalid resource specified"));
    }
    Ok(n)
}

/// How many kinds of resources there are.
const RESOURCES: i32 = 16;

fn getrlimit(t: &mut Thread, a: &[Value]) -> Res {
    let which = resource(t, a[0])?;
    let mut l = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: room for the limits.
    if unsafe { libc::getrlimit(which as _, &mut l) } < 0 {
        return Err(t.os_error(support::errno(), None));
    }
    Ok(to_python(t, &l))
}

fn set_error(t: &mut Thread) -> Raised {
    match support::errno() {
        libc::EINVAL => t.value_error("current limit exceeds maximum limit"),
        libc::EPERM => t.value_error("not allowed to raise maximum limit"),
        e => t.os_error(e, None),
    }
}

fn setrlimit(t: &mut Thread, a: &[Value]) -> Res {
    let which = resource(t, a[0])?;
    let l = limits(t, a[1])?;
    // SAFETY: limits to read.
    if unsafe { libc::setrlimit(which as _, &l) } < 0 {
        return Err(set_error(t));
    }
    Ok(Value::NONE)
}

#[cfg(target_os = "linux")]
fn prlimit(t: &mut Thread, a: &[Value]) -> Res {
    let pid = c_int(t, a[0])?;
    let which = resource(t, a[1])?;
    let new = if a[2].is_null() || a[2].is_none() {
        None
    } else {
        Some(limits(t, a[2])?)
    };
    let p = new.as_ref().map_or(std::ptr::null(), |l| &raw const *l);
    let mut old = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: limits to read or null, and room for the old ones.
    if unsafe { libc::prlimit(pid, which as _, p, &mut old) } < 0 {
        return Err(match support::errno() {
            libc::EINVAL => t.value_error("current limit exceeds maximum limit"),
            e => t.os_error(e, None),
        });
    }
    Ok(to_python(t, &old))
}

fn getrusage(t: &mut Thread, a: &[Value]) -> Res {
    let who = c_int(t, a[0])?;
    // SAFETY: numbers, for which zero is a value.
    let mut u: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: room for the answer.
    if unsafe { libc::getrusage(who, &mut u) } < 0 {
        return Err(match support::errno() {
            libc::EINVAL => t.value_error("invalid who parameter"),
            e => t.os_error(e, None),
        });
    }
    Ok(rusage(t, &u).into())
}

fn getpagesize(_t: &mut Thread, _a: &[Value]) -> Res {
    // SAFETY: always callable.
    Ok(Value::int(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }))
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("getrusage", "(who, /)", getrusage),
    NativeDef::new("getrlimit", "(resource, /)", getrlimit),
    NativeDef::new("setrlimit", "(resource, limits, /)", setrlimit),
    #[cfg(target_os = "linux")]
    NativeDef::new("prlimit", "(pid, resource, limits=None, /)", prlimit),
    NativeDef::new("getpagesize", "()", getpagesize),
];

static INTS: &[(&str, i64)] = &[
    ("RLIMIT_AS", libc::RLIMIT_AS as i64),
    ("RLIMIT_CORE", libc::RLIMIT_CORE as i64),
    ("RLIMIT_CPU", libc::RLIMIT_CPU as i64),
    ("RLIMIT_DATA", libc::RLIMIT_DATA as i64),
    ("RLIMIT_FSIZE", libc::RLIMIT_FSIZE as i64),
    ("RLIMIT_MEMLOCK", libc::RLIMIT_MEMLOCK as i64),
    ("RLIMIT_MSGQUEUE", libc::RLIMIT_MSGQUEUE as i64),
    ("RLIMIT_NICE", libc::RLIMIT_NICE as i64),
    ("RLIMIT_NOFILE", libc::RLIMIT_NOFILE as i64),
    ("RLIMIT_NPROC", libc::RLIMIT_NPROC as i64),
    ("RLIMIT_OFILE", libc::RLIMIT_NOFILE as i64),
    ("RLIMIT_RSS", libc::RLIMIT_RSS as i64),
    ("RLIMIT_RTPRIO", libc::RLIMIT_RTPRIO as i64),
    ("RLIMIT_RTTIME", libc::RLIMIT_RTTIME as i64),
    ("RLIMIT_SIGPENDING", libc::RLIMIT_SIGPENDING as i64),
    ("RLIMIT_STACK", libc::RLIMIT_STACK as i64),
    ("RUSAGE_CHILDREN", libc::RUSAGE_CHILDREN as i64),
    ("RUSAGE_SELF", libc::RUSAGE_SELF as i64),
    ("RUSAGE_THREAD", libc::RUSAGE_THREAD as i64),
    ("RLIM_INFINITY", -1),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(t, "resource", "", FUNCTIONS);
    add(t, &m, "error", Obj::new(t, errors::OS_ERROR.value()));
    support::add_type(t, &m, &STRUCT_RUSAGE);
    add_ints(t, &m, INTS);
    Ok(m)
}
