//! `_multiprocessing`: semaphores that processes share.

use crate::support::{self, add, c_int};
use std::ffi::CString;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, Ordering::*};
use weft_objects::cell;
use weft_objects::prelude::*;
use weft_objects::runtime;

const RECURSIVE_MUTEX: i32 = 0;
const SEMAPHORE: i32 = 1;
const MOST: i32 = i32::MAX;

/// A semaphore, or a lock that its thread may take again.
#[repr(C)]
struct SemLock {
    header: Header,
    name: Slot,
    semaphore: AtomicPtr<libc::sem_t>,
    /// The thread that took it last.
    owner: AtomicU64,
    /// How often this process holds it.
    count: AtomicI32,
    kind: AtomicI32,
    max: AtomicI32,
}

weft_objects::gc_slots!(SemLock, traverse, clear_slots, name);

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of this type, whose semaphore is closed once.
    unsafe {
        let p = (*(h as *const SemLock))
            .semaphore
            .swap(std::ptr::null_mut(), AcqRel);
        if !p.is_null() {
            libc::sem_close(p);
        }
        clear_slots(h, t);
    }
}

impl SemLock {
    fn this<'a>(v: Value) -> &'a SemLock {
        // SAFETY: called with instances of SEM_LOCK alone.
        unsafe { &*(v.ptr() as *const SemLock) }
    }
    fn ptr(&self) -> *mut libc::sem_t {
        self.semaphore.load(Acquire)
    }
    fn is_mine(&self) -> bool {
        self.count.load(Relaxed) > 0 && self.owner.load(Relaxed) == crate::_thread::ident()
    }
    fn is_recursive(&self) -> bool {
        self.kind.load(Relaxed) == RECURSIVE_MUTEX
    }
    /// How often it can be taken right now.
    fn value(&self, t: &mut Thread) -> Res<i32> {
        let mut n = 0;
        // SAFETY: an open semaphore, and room for its value.
        if unsafe { libc::sem_getvalue(self.ptr(), &mut n) } < 0 {
            return Err(t.os_error(support::errno(), None));
        }
        Ok(n.max(0))
    }
}

/// An open semaphore: a pointer, or null.
struct Opened(*mut libc::sem_t);

fn make(
    t: &mut Thread,
    cls: Value,
    Opened(p): Opened,
    kind: i32,
    max: i32,
    name: Option<Obj>,
) -> Res {
    if p.is_null() {
        return Err(t.os_error(support::errno(), None));
    }
    // SAFETY: the layout of the type.
    let (o, s) = unsafe { cell::fresh::<SemLock>(t, Type::of_unchecked(cls)) };
    s.semaphore.store(p, Release);
    s.kind.store(kind, Relaxed);
    s.max.store(max, Relaxed);
    let name = name.unwrap_or_else(support::none);
    s.name.init(t, &s.header, name.into_value());
    Ok(o.into())
}

fn name_arg(t: &mut Thread, v: Value, func: &str, at: usize) -> Res<CString> {
    let text = support::text(t, v, func, &at.to_string())?;
    CString::new(text).map_err(|_| t.value_error("embedded null character"))
}

fn new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("SemLock", "(kind, value, maxvalue, name, unlink)");
    let a = SIG.bind(t, args)?;
    let [kind, value, max] = [c_int(t, a[0])?, c_int(t, a[1])?, c_int(t, a[2])?];
    let name = name_arg(t, a[3], "SemLock", 4)?;
    let unlink = proto::truth(t, a[4])?;
    if kind != RECURSIVE_MUTEX && kind != SEMAPHORE {
        return Err(t.value_error("unrecognized kind"));
    }
    // SAFETY: a C string, and the arguments that these flags ask for.
    let p = unsafe {
        let flags = libc::O_CREAT | libc::O_EXCL;
        libc::sem_open(name.as_ptr(), flags, 0o600 as libc::c_uint, value as u32)
    };
    // SAFETY: a C string.
    if unlink && !p.is_null() && unsafe { libc::sem_unlink(name.as_ptr()) } < 0 {
        let e = support::errno();
        // SAFETY: opened above, and known to nobody else.
        unsafe { libc::sem_close(p) };
        return Err(t.os_error(e, None));
    }
    let kept = (!unlink).then(|| Obj::new(t, a[3]));
    make(t, cls, Opened(p), kind, max, kept)
}

fn rebuild(t: &mut Thread, a: &[Value]) -> Res {
    let (kind, max) = (c_int(t, a[2])?, c_int(t, a[3])?);
    if a[4].is_none() {
        return Err(t.type_error("_rebuild() needs the name of the semaphore".into()));
    }
    let name = name_arg(t, a[4], "_rebuild", 4)?;
    // SAFETY: a C string.
    let p = unsafe { libc::sem_open(name.as_ptr(), 0) };
    let kept = Some(Obj::new(t, a[4]));
    make(t, a[0], Opened(p), kind, max, kept)
}

/// Until when to wait, in the system's terms.
fn deadline(nanos: i64) -> libc::timespec {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: room for the time.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &mut now) };
    let at = i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec) + i128::from(nanos);
    libc::timespec {
        tv_sec: (at / 1_000_000_000).min(i128::from(i64::MAX)) as libc::time_t,
        tv_nsec: (at % 1_000_000_000) as _,
    }
}

fn acquire(t: &mut Thread, a: &[Value]) -> Res {
    let s = SemLock::this(a[0]);
    let block = support::truth_or(t, a[1], true)?;
    if s.is_recursive() && s.is_mine() {
        s.count.fetch_add(1, Relaxed);
        return Ok(Value::TRUE);
    }
    let until = if a[2].is_null() || a[2].is_none() {
        None
    } else {
        let seconds = proto::as_f64(t, a[2])?.clamp(0.0, 9.0e9);
        Some(deadline((seconds * 1e9 + 0.5) as i64))
    };
    let p = s.ptr() as usize;
    // SAFETY: an open semaphore.
    let mut e = match unsafe { libc::sem_trywait(s.ptr()) } {
        0 => 0,
        _ => support::errno(),
    };
    while block && (e == libc::EAGAIN || e == libc::EINTR) {
        e = t.blocking(|| {
            let p = p as *mut libc::sem_t;
            // SAFETY: an open semaphore, which the caller's object keeps; a time.
            let r = unsafe {
                match &until {
                    Some(until) => libc::sem_timedwait(p, until),
                    None => libc::sem_wait(p),
                }
            };
            if r == 0 { 0 } else { support::errno() }
        });
        runtime::check_signals(t)?;
    }
    match e {
        0 => {
            s.count.fetch_add(1, Relaxed);
            s.owner.store(crate::_thread::ident(), Relaxed);
            Ok(Value::TRUE)
        }
        libc::EAGAIN | libc::ETIMEDOUT => Ok(Value::FALSE),
        e => Err(t.os_error(e, None)),
    }
}

fn release(t: &mut Thread, a: &[Value]) -> Res {
    let s = SemLock::this(a[0]);
    if s.is_recursive() {
        if !s.is_mine() {
            return Err(t.raise(
                &errors::ASSERTION_ERROR,
                "attempt to release recursive lock not owned by thread",
            ));
        }
        if s.count.load(Relaxed) > 1 {
            s.count.fetch_sub(1, Relaxed);
            return Ok(Value::NONE);
        }
    } else if s.value(t)? >= s.max.load(Relaxed) {
        return Err(t.value_error("semaphore or lock released too many times"));
    }
    // Before it is free for others, who count as well.
    s.count.fetch_sub(1, Relaxed);
    // SAFETY: an open semaphore.
    if unsafe { libc::sem_post(s.ptr()) } < 0 {
        return Err(t.os_error(support::errno(), None));
    }
    Ok(Value::NONE)
}

fn sem_unlink(t: &mut Thread, a: &[Value]) -> Res {
    let name = name_arg(t, a[0], "sem_unlink", 1)?;
    // SAFETY: a C string.
    if unsafe { libc::sem_unlink(name.as_ptr()) } < 0 {
        return Err(t.os_error(support::errno(), None));
    }
    Ok(Value::NONE)
}

/// `_multiprocessing.SemLock`
static SEM_LOCK: Type = Type::builtin(
    "SemLock",
    size_of::<SemLock>(),
    &Spec {
        new: Some(new),
        methods: &[
            NativeDef::new("acquire", "($self, /, block=True, timeout=None)", acquire)
                .doc("Acquire the semaphore/lock."),
            NativeDef::new("release", "($self, /)", release).doc("Release the semaphore/lock."),
            NativeDef::new("_count", "($self, /)", |_, a| {
                let n = SemLock::this(a[0]).count.load(Relaxed);
                Ok(Value::int(n.into()))
            })
            .doc("Num of `acquire()`s minus num of `release()`s for this process."),
            NativeDef::new("_is_mine", "($self, /)", |_, a| {
                Ok(Value::bool(SemLock::this(a[0]).is_mine()))
            })
            .doc("Whether the lock is owned by this thread."),
            NativeDef::new("_get_value", "($self, /)", |t, a| {
                let n = SemLock::this(a[0]).value(t)?;
                Ok(Value::int(n.into()))
            })
            .doc("Get the value of the semaphore."),
            NativeDef::new("_is_zero", "($self, /)", |t, a| {
                let n = SemLock::this(a[0]).value(t)?;
                Ok(Value::bool(n == 0))
            })
            .doc("Return whether semaphore has value zero."),
            NativeDef::class(
                "_rebuild",
                "($type, handle, kind, maxvalue, name, /)",
                rebuild,
            ),
            NativeDef::new("_after_fork", "($self, /)", |_, a| {
                SemLock::this(a[0]).count.store(0, Relaxed);
                Ok(Value::NONE)
            })
            .doc("Rezero the net acquisition count after fork()."),
            NativeDef::new("__enter__", "($self, /)", |t, a| {
                acquire(t, &[a[0], Value::TRUE, Value::NONE])
            })
            .doc("Enter the semaphore/lock."),
            NativeDef::new(
                "__exit__",
                "($self, exc_type=None, exc_value=None, exc_tb=None, /)",
                release,
            )
            .doc("Exit the semaphore/lock."),
        ],
        getset: &[
            GetSetDef::ro("handle", |t, v| {
                let p = SemLock::this(v).ptr() as usize;
                Ok(weft_objects::int::from_usize(t, p))
            }),
            GetSetDef::ro("kind", |_, v| {
                Ok(Value::int(SemLock::this(v).kind.load(Relaxed).into()))
            }),
            GetSetDef::ro("maxvalue", |_, v| {
                Ok(Value::int(SemLock::this(v).max.load(Relaxed).into()))
            }),
            GetSetDef::ro("name", |t, v| Ok(to_reg(t, SemLock::this(v).name.get()))),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.module("_multiprocessing")
.doc("Semaphore/Mutex type");

static FUNCTIONS: &[NativeDef] = &[NativeDef::new("sem_unlink", "(name, /)", sem_unlink)];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(t, "_multiprocessing", "", FUNCTIONS);
    support::add_type(t, &m, &SEM_LOCK);
    let most = weft_objects::names::get(t, "SEM_VALUE_MAX");
    SEM_LOCK.set_name(t, most, Value::int(MOST.into()));
    let flags = Dict::new(t);
    if let Some(d) = Dict::exact(flags.value()) {
        for name in ["HAVE_SEM_OPEN", "HAVE_SEM_TIMEDWAIT"] {
            d.set_str(t, weft_objects::names::get(t, name), Value::int(1));
        }
    }
    add(t, &m, "flags", flags);
    Ok(m)
}
