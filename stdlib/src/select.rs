//! `select`: waiting for file descriptors.

use crate::support::{self, Guarded, add_ints, fileno};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::*};
use std::time::{Duration, Instant};
use weft_objects::prelude::*;
use weft_objects::{cell, float, int, runtime};

/// A time to wait until; `None`: for ever.
#[derive(Clone, Copy)]
struct Deadline(Option<Instant>);

impl Deadline {
    fn after(time: Option<Duration>) -> Deadline {
        Deadline(time.and_then(|d| Instant::now().checked_add(d)))
    }
    fn left(self) -> Option<Duration> {
        self.0
            .map(|at| at.saturating_duration_since(Instant::now()))
    }
    /// In whole milliseconds, rounded up; -1 for ever.
    fn millis(self) -> i32 {
        match self.left() {
            None => -1,
            Some(d) => d.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128) as i32,
        }
    }
}

/// Makes a system call that waits until `deadline`, detached, again after each interruption once the signals' handlers have run.
/// `f` gives -1 on error.
fn wait(t: &mut Thread, deadline: Deadline, mut f: impl FnMut(Deadline) -> i32) -> Res<i32> {
    // What is dead may hold what another side waits to see closed.
    t.settle_alone();
    if t.has_pending() {
        runtime::run_pending(t);
    }
    loop {
        let (n, e) = t.blocking(|| {
            let n = f(deadline);
            (n, if n < 0 { support::errno() } else { 0 })
        });
        match (n, e) {
            (0.., _) => return Ok(n),
            (_, libc::EINTR) => runtime::check_signals(t)?,
            _ => return Err(t.os_error(e, None)),
        }
        if deadline.left() == Some(Duration::ZERO) {
            return Ok(0);
        }
    }
}

/// A timeout in seconds (or, for `poll`, milliseconds): `None` for ever, which negative ones mean as well unless they are refused.
fn timeout(t: &mut Thread, v: Value, unit: i64, wanted: &str) -> Res<Option<i64>> {
    if v.is_null() || v.is_none() {
        return Ok(None);
    }
    if float::as_f64(v).is_none() && !int::is_int(v) && !type_of(v).slots.index.is_set() {
        return Err(t.type_error(wanted.into()));
    }
    let nanos = match float::as_f64(v) {
        Some(f) if f.is_nan() => return Err(t.value_error("Invalid value NaN (not a number)")),
        Some(f) => {
            let n = f * unit as f64;
            let n = if n < 0.0 { n.floor() } else { n.ceil() };
            (n.abs() < 9.2e18).then_some(n as i64)
        }
        None => {
            let i = proto::index(t, v)?;
            match int::as_i64(i.value()) {
                Some(i) => i.checked_mul(unit),
                None => return Err(t.overflow_error("timestamp out of range for C PyTime_t")),
            }
        }
    };
    match nanos {
        Some(n) => Ok(Some(n)),
        None => Err(t.overflow_error("timestamp out of range for C PyTime_t")),
    }
}

const SECOND: i64 = 1_000_000_000;

// --- select ---

struct Set {
    /// What was given, with its descriptor.
    objects: Vec<(Obj, i32)>,
    bits: libc::fd_set,
}

impl Set {
    fn new(t: &mut Thread, v: Value) -> Res<Set> {
        // A list may change while its items are asked for their descriptors.
        let fixed = match List::of(v) {
            Some(_) => None,
            None => match proto::to_vec(t, v) {
                Ok(items) => Some(items),
                Err(_) if t.exc_matches(&errors::TYPE_ERROR) => {
                    return Err(t.type_error("arguments 1-3 must be sequences".into()));
                }
                Err(e) => return Err(e),
            },
        };
        let item = |t: &Thread, i: usize| match &fixed {
            Some(items) => items.get(i).cloned(),
            None => List::of(v)?.get(t, i).map(|o| o.to_obj(t)),
        };
        let mut set = Set {
            objects: Vec::new(),
            bits: empty(),
        };
        while let Some(o) = item(t, set.objects.len()) {
            let fd = fileno(t, o.value())?;
            if fd as usize >= libc::FD_SETSIZE {
                return Err(t.value_error("filedescriptor out of range in select()"));
            }
            set.objects.push((o, fd));
            if set.objects.len() > libc::FD_SETSIZE {
                return Err(t.value_error("too many file descriptors in select()"));
            }
            // SAFETY: the number is in range.
            unsafe { libc::FD_SET(fd, &mut set.bits) };
        }
        Ok(set)
    }

    /// The objects whose descriptors are in `ready`.
    fn ready(&self, t: &Thread, ready: &libc::fd_set) -> Obj {
        // SAFETY: the numbers are in range.
        let found = self
            .objects
            .iter()
            .filter(|(_, fd)| unsafe { libc::FD_ISSET(*fd, ready) });
        List::from_vec(t, found.map(|(o, _)| o.clone()).collect())
    }
}

fn empty() -> libc::fd_set {
    // SAFETY: an array of ints, for which zeros are the empty set.
    unsafe { std::mem::zeroed() }
}

fn select(t: &mut Thread, a: &[Value]) -> Res {
    let time = timeout(t, a[3], SECOND, "timeout must be a float or None")?;
    if time.is_some_and(|n| n < 0) {
        return Err(t.value_error("timeout must be non-negative"));
    }
    let sets = [Set::new(t, a[0])?, Set::new(t, a[1])?, Set::new(t, a[2])?];
    let max = sets
        .iter()
        .flat_map(|s| &s.objects)
        .map(|(_, fd)| *fd + 1)
        .max()
        .unwrap_or(0);
    let deadline = Deadline::after(time.map(|n| Duration::from_nanos(n as u64)));
    let mut ready = [empty(); 3];
    let n = wait(t, deadline, |deadline| {
        for (to, from) in ready.iter_mut().zip(&sets) {
            *to = from.bits;
        }
        let mut tv = deadline.left().map(|d| libc::timeval {
            tv_sec: d.as_secs() as libc::time_t,
            tv_usec: libc::suseconds_t::from(d.subsec_nanos().div_ceil(1000).min(999_999)),
        });
        let [r, w, x] = &mut ready;
        let tv = tv.as_mut().map_or(std::ptr::null_mut(), |tv| &raw mut *tv);
        // SAFETY: the sets and the time are valid for the call.
        unsafe { libc::select(max, r, w, x, tv) }
    })?;
    if n == 0 {
        ready = [empty(); 3];
    }
    let lists = sets
        .iter()
        .zip(&ready)
        .map(|(set, bits)| set.ready(t, bits))
        .collect();
    Ok(Tuple::from_vec(t, lists).into())
}

// --- poll ---

/// Registered descriptors with the events that are asked for, in the order they came.
type Registered = Vec<(i32, u16)>;

#[repr(C)]
struct Poll {
    header: Header,
    fds: Guarded<Registered>,
    busy: AtomicBool,
}

impl Poll {
    fn this<'a>(v: Value) -> &'a Poll {
        // SAFETY: called with objects of POLL alone.
        unsafe { &*(v.ptr() as *const Poll) }
    }
    fn with<R>(&self, t: &Thread, f: impl FnOnce(&mut Registered) -> R) -> R {
        let guard = lock(t, &self.header);
        f(self.fds.get(&guard))
    }
}

unsafe fn clear_poll(h: *mut Header, _t: &Thread) {
    // SAFETY: a dying object of this type.
    drop(unsafe { (*(h as *mut Poll)).fds.take() });
}

fn event_mask(t: &mut Thread, v: Value, default: u16) -> Res<u16> {
    if v.is_null() {
        return Ok(default);
    }
    let i = proto::index(t, v)?;
    match int::as_i64(i.value()) {
        Some(n) if n < 0 => Err(t.value_error("Cannot convert negative int")),
        Some(n) if n <= i64::from(u16::MAX) => Ok(n as u16),
        _ => Err(t.overflow_error("Python int too large for C unsigned short")),
    }
}

const ALL_EVENTS: u16 = (libc::POLLIN | libc::POLLPRI | libc::POLLOUT) as u16;

fn poll_register(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fileno(t, a[1])?;
    let events = event_mask(t, a[2], ALL_EVENTS)?;
    Poll::this(a[0]).with(t, |fds| match fds.iter_mut().find(|r| r.0 == fd) {
        Some(r) => r.1 = events,
        None => fds.push((fd, events)),
    });
    Ok(Value::NONE)
}

fn poll_modify(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fileno(t, a[1])?;
    let events = event_mask(t, a[2], 0)?;
    let known = Poll::this(a[0]).with(t, |fds| match fds.iter_mut().find(|r| r.0 == fd) {
        Some(r) => {
            r.1 = events;
            true
        }
        None => false,
    });
    if known {
        Ok(Value::NONE)
    } else {
        Err(t.os_error(libc::ENOENT, None))
    }
}

fn poll_unregister(t: &mut Thread, a: &[Value]) -> Res {
    let fd = fileno(t, a[1])?;
    let known = Poll::this(a[0]).with(t, |fds| {
        let at = fds.iter().position(|r| r.0 == fd);
        at.map(|i| fds.remove(i)).is_some()
    });
    if known {
        Ok(Value::NONE)
    } else {
        Err(t.key_error(Value::int(i64::from(fd))))
    }
}

fn poll_poll(t: &mut Thread, a: &[Value]) -> Res {
    let time = timeout(t, a[1], 1_000_000, "timeout must be an integer or None")?;
    if time.is_some_and(|n| n / 1_000_000 > i64::from(i32::MAX)) {
        return Err(t.overflow_error("timeout is too large"));
    }
    let time = time
        .filter(|n| *n >= 0)
        .map(|n| Duration::from_nanos(n as u64));
    let this = Poll::this(a[0]);
    if this.busy.swap(true, Acquire) {
        return Err(t.runtime_error("concurrent poll() invocation"));
    }
    let mut fds: Vec<libc::pollfd> = this.with(t, |fds| {
        let one = |r: &(i32, u16)| libc::pollfd {
            fd: r.0,
            events: r.1 as i16,
            revents: 0,
        };
        fds.iter().map(one).collect()
    });
    let n = wait(t, Deadline::after(time), |deadline| {
        // SAFETY: the array is valid for the call.
        unsafe {
            libc::poll(
                fds.as_mut_ptr(),
                fds.len() as libc::nfds_t,
                deadline.millis(),
            )
        }
    });
    this.busy.store(false, Release);
    n?;
    let found = fds.iter().filter(|p| p.revents != 0).map(|p| {
        let (fd, events) = (i64::from(p.fd), i64::from(p.revents as u16));
        Tuple::pair(t, support::int_obj(t, fd), support::int_obj(t, events))
    });
    Ok(List::from_vec(t, found.collect()).into())
}

static POLL: Type = Type::builtin(
    "poll",
    size_of::<Poll>(),
    &Spec {
        methods: &[
            NativeDef::new("register", "($self, fd, eventmask=7, /)", poll_register)
                .doc("Register a file descriptor with the polling object."),
            NativeDef::new("modify", "($self, fd, eventmask, /)", poll_modify)
                .doc("Modify an already registered file descriptor."),
            NativeDef::new("unregister", "($self, fd, /)", poll_unregister)
                .doc("Remove a file descriptor being tracked by the polling object."),
            NativeDef::new("poll", "($self, timeout=None, /)", poll_poll)
                .doc("Polls the set of registered file descriptors."),
        ],
        ..Spec::EMPTY
    },
)
.clear_only(clear_poll)
.module("select")
.final_()
.no_new();

// --- epoll ---

#[repr(C)]
struct Epoll {
    header: Header,
    /// -1 once closed.
    fd: AtomicI32,
}

impl Epoll {
    fn new(t: &Thread, cls: &Type, fd: i32) -> Obj {
        // SAFETY: the layout of the type and its subclasses.
        let (o, e) = unsafe { cell::fresh::<Epoll>(t, cls) };
        e.fd.store(fd, Release);
        o
    }
    fn this<'a>(v: Value) -> &'a Epoll {
        // SAFETY: called with instances of EPOLL alone.
        unsafe { &*(v.ptr() as *const Epoll) }
    }
    fn fd(&self, t: &mut Thread) -> Res<i32> {
        match self.fd.load(Acquire) {
            -1 => Err(t.value_error("I/O operation on closed epoll object")),
            fd => Ok(fd),
        }
    }
    fn close(&self) -> i32 {
        match self.fd.swap(-1, AcqRel) {
            -1 => 0,
            // SAFETY: the descriptor is this object's.
            fd if unsafe { libc::close(fd) } < 0 => support::errno(),
            _ => 0,
        }
    }
}

unsafe fn clear_epoll(h: *mut Header, _t: &Thread) {
    // SAFETY: a dying object of this type.
    unsafe { (*(h as *const Epoll)).close() };
}

fn epoll_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new("epoll", "(sizehint=-1, flags=0)");
    let a = SIG.bind(t, args)?;
    let size = support::c_int_or(t, a[0], -1)?;
    let flags = support::c_int_or(t, a[1], 0)?;
    if size < -1 || size == 0 {
        return Err(t.value_error("negative sizehint"));
    }
    if flags & !libc::EPOLL_CLOEXEC != 0 {
        return Err(t.raise(&errors::OS_ERROR, "invalid flags"));
    }
    // SAFETY: a plain system call.
    let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    if fd < 0 {
        return Err(t.os_error(support::errno(), None));
    }
    Ok(Epoll::new(t, Type::of_unchecked(cls), fd).into())
}

fn epoll_control(t: &mut Thread, v: Value, op: i32, fd: Value, events: u32) -> Res {
    let epfd = Epoll::this(v).fd(t)?;
    let fd = fileno(t, fd)?;
    let mut event = libc::epoll_event {
        events,
        u64: fd as u64,
    };
    // SAFETY: the event is valid for the call.
    if unsafe { libc::epoll_ctl(epfd, op, fd, &mut event) } < 0 {
        return Err(t.os_error(support::errno(), None));
    }
    Ok(Value::NONE)
}

/// The low 32 bits of an int.
fn epoll_mask(t: &mut Thread, v: Value) -> Res<u32> {
    if v.is_null() {
        return Ok((libc::EPOLLIN | libc::EPOLLPRI | libc::EPOLLOUT) as u32);
    }
    let i = proto::index(t, v)?;
    if let Some(n) = int::as_i64(i.value()) {
        return Ok(n as u32);
    }
    let low = int::to_bigint(i.value()).unwrap_or_default() & num_bigint::BigInt::from(u32::MAX);
    Ok(num_traits::ToPrimitive::to_u32(&low).unwrap_or(0))
}

fn epoll_poll(t: &mut Thread, a: &[Value]) -> Res {
    let epfd = Epoll::this(a[0]).fd(t)?;
    let time = timeout(t, a[1], SECOND, "timeout must be an integer or None")?;
    if time.is_some_and(|n| n / 1_000_000 > i64::from(i32::MAX)) {
        return Err(t.overflow_error("timeout is too large"));
    }
    let max = match support::c_int_or(t, a[2], -1)? {
        -1 => libc::FD_SETSIZE as i32 - 1,
        n if n < 1 => {
            return Err(t.value_error(format!("maxevents must be greater than 0, got {n}")));
        }
        n => n,
    };
    let time = time
        .filter(|n| *n >= 0)
        .map(|n| Duration::from_nanos(n as u64));
    let mut events = Vec::new();
    if events.try_reserve_exact(max as usize).is_err() {
        return Err(t.memory_error());
    }
    events.resize(max as usize, libc::epoll_event { events: 0, u64: 0 });
    let n = wait(t, Deadline::after(time), |deadline| {
        // SAFETY: the array is valid for the call.
        unsafe { libc::epoll_wait(epfd, events.as_mut_ptr(), max, deadline.millis()) }
    })?;
    let found = events[..n as usize].iter().map(|e| {
        let (fd, events) = (e.u64 as i64, i64::from(e.events));
        Tuple::pair(t, support::int_obj(t, fd), support::int_obj(t, events))
    });
    Ok(List::from_vec(t, found.collect()).into())
}

fn epoll_close(t: &mut Thread, a: &[Value]) -> Res {
    match Epoll::this(a[0]).close() {
        0 => Ok(Value::NONE),
        e => Err(t.os_error(e, None)),
    }
}

/// `select.epoll`
static EPOLL: Type = Type::builtin(
    "epoll",
    size_of::<Epoll>(),
    &Spec {
        new: Some(epoll_new),
        methods: &[
            NativeDef::class("fromfd", "($type, fd, /)", |t, a| {
                let fd = support::c_int(t, a[1])?;
                Ok(Epoll::new(t, Type::of_unchecked(a[0]), fd).into())
            })
            .doc("Create an epoll object from a given control file descriptor."),
            NativeDef::new("close", "($self, /)", epoll_close)
                .doc("Close the epoll control file descriptor.\n\nFurther operations on the epoll object will raise an exception."),
            NativeDef::new("fileno", "($self, /)", |t, a| Ok(Value::int(i64::from(Epoll::this(a[0]).fd(t)?))))
                .doc("Return the epoll control file descriptor."),
            NativeDef::new("register", "($self, fd, eventmask=7)", |t, a| {
                let mask = epoll_mask(t, a[2])?;
                epoll_control(t, a[0], libc::EPOLL_CTL_ADD, a[1], mask)
            })
            .doc("Registers a new fd or raises an OSError if the fd is already registered."),
            NativeDef::new("modify", "($self, fd, eventmask)", |t, a| {
                let mask = epoll_mask(t, a[2])?;
                epoll_control(t, a[0], libc::EPOLL_CTL_MOD, a[1], mask)
            })
            .doc("Modify event mask for a registered file descriptor."),
            NativeDef::new("unregister", "($self, fd)", |t, a| {
                epoll_control(t, a[0], libc::EPOLL_CTL_DEL, a[1], 0)
            })
            .doc("Remove a registered file descriptor from the epoll object."),
            NativeDef::new("poll", "($self, timeout=None, maxevents=-1)", epoll_poll)
                .doc("Wait for events on the epoll file descriptor."),
            NativeDef::new("__enter__", "($self, /)", |t, a| {
                Epoll::this(a[0]).fd(t)?;
                Ok(Obj::new(t, a[0]).into())
            }),
            NativeDef::new("__exit__", "($self, exc_type=None, exc_value=None, exc_tb=None, /)", epoll_close),
        ],
        getset: &[GetSetDef::ro("closed", |_, v| Ok(Value::bool(Epoll::this(v).fd.load(Acquire) < 0)))],
        ..Spec::EMPTY
    },
)
.clear_only(clear_epoll)
.module("select")
.doc("Returns an epolling object.");

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("select", "(rlist, wlist, xlist, timeout=None, /)", select)
        .doc("Wait until one or more file descriptors are ready for some kind of I/O."),
    NativeDef::new("poll", "()", |t, _| {
        // SAFETY: the layout of the type.
        let (o, _) = unsafe { cell::fresh::<Poll>(t, &POLL) };
        Ok(o.into())
    })
    .doc("Returns a polling object."),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let doc = "This module supports asynchronous I/O on multiple file descriptors.";
    let m = support::module(t, "select", doc, FUNCTIONS);
    POLL.ready(t);
    support::add_type(t, &m, &EPOLL);
    support::add(t, &m, "error", Obj::new(t, errors::OS_ERROR.value()));
    add_ints(
        t,
        &m,
        &[
            ("PIPE_BUF", libc::PIPE_BUF as i64),
            ("POLLIN", libc::POLLIN.into()),
            ("POLLPRI", libc::POLLPRI.into()),
            ("POLLOUT", libc::POLLOUT.into()),
            ("POLLERR", libc::POLLERR.into()),
            ("POLLHUP", libc::POLLHUP.into()),
            ("POLLNVAL", libc::POLLNVAL.into()),
            ("POLLRDNORM", libc::POLLRDNORM.into()),
            ("POLLRDBAND", libc::POLLRDBAND.into()),
            ("POLLWRNORM", libc::POLLWRNORM.into()),
            ("POLLWRBAND", libc::POLLWRBAND.into()),
            ("POLLMSG", 0x400),
            ("POLLRDHUP", libc::POLLRDHUP.into()),
            ("EPOLLIN", libc::EPOLLIN.into()),
            ("EPOLLOUT", libc::EPOLLOUT.into()),
            ("EPOLLPRI", libc::EPOLLPRI.into()),
            ("EPOLLERR", libc::EPOLLERR.into()),
            ("EPOLLHUP", libc::EPOLLHUP.into()),
            ("EPOLLRDHUP", libc::EPOLLRDHUP.into()),
            ("EPOLLET", libc::EPOLLET as u32 as i64),
            ("EPOLLONESHOT", libc::EPOLLONESHOT.into()),
            ("EPOLLEXCLUSIVE", libc::EPOLLEXCLUSIVE.into()),
            ("EPOLLWAKEUP", libc::EPOLLWAKEUP.into()),
            ("EPOLLRDNORM", libc::EPOLLRDNORM.into()),
            ("EPOLLRDBAND", libc::EPOLLRDBAND.into()),
            ("EPOLLWRNORM", libc::EPOLLWRNORM.into()),
            ("EPOLLWRBAND", libc::EPOLLWRBAND.into()),
            ("EPOLLMSG", libc::EPOLLMSG.into()),
            ("EPOLL_CLOEXEC", libc::EPOLL_CLOEXEC.into()),
        ],
    );
    Ok(m)
}
