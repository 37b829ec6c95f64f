//! Socket objects.

use super::address::{Address, parse};
use super::{DEFAULT_TIMEOUT, message, timeout_arg, timeout_value};
use crate::support::{self, c_int, c_int_or};
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering::*};
use std::time::{Duration, Instant};
use weft_objects::audit;
use weft_objects::buffer;
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;
use weft_objects::{cell, float, int, runtime};

/// A socket. Zeroed: not initialised, and so not open: hence the descriptor is kept plus one.
#[repr(C)]
pub struct Socket {
    header: Header,
    /// Descriptor plus one.
    fd: AtomicI32,
    family: AtomicI32,
    kind: AtomicI32,
    protocol: AtomicI32,
    /// Nanoseconds plus one; 0 for none.
    timeout: AtomicI64,
}

/// What a call waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    Readable,
    Writable,
    Connected,
}

/// Until when a call may take: for ever, not at all, or until a moment.
#[derive(Clone, Copy)]
pub enum Limit {
    Never,
    Now,
    At(Instant),
}

impl Socket {
    pub fn this<'a>(v: Value) -> &'a Socket {
        // SAFETY: called with instances of SOCKET alone.
        unsafe { &*(v.ptr() as *const Socket) }
    }
    pub fn fd(&self) -> i32 {
        self.fd.load(Acquire) - 1
    }
    pub fn family(&self) -> i32 {
        self.family.load(Relaxed)
    }
    fn timeout(&self) -> i64 {
        self.timeout.load(Acquire) - 1
    }
    /// When a call that begins now has to give up.
    pub fn limit(&self) -> Limit {
        match self.timeout() {
            ..0 => Limit::Never,
            0 => Limit::Now,
            n => Instant::now()
                .checked_add(Duration::from_nanos(n as u64))
                .map_or(Limit::Never, Limit::At),
        }
    }

    /// Makes the descriptor wait or not.
    fn set_blocking(&self, t: &mut Thread, blocking: bool) -> Res<()> {
        let mut flag = i32::from(!blocking);
        // SAFETY: a flag to read.
        if unsafe { libc::ioctl(self.fd(), libc::FIONBIO, &raw mut flag) } < 0 {
            return Err(t.os_error(support::errno(), None));
        }
        Ok(())
    }

    fn set_timeout(&self, t: &mut Thread, nanos: i64) -> Res<()> {
        self.timeout.store(nanos + 1, Release);
        self.set_blocking(t, nanos < 0)
    }

    fn init(&self, t: &mut Thread, fd: i32, family: i32, kind: i32, protocol: i32) -> Res<()> {
        let (mut nonblock, mut kind) = (false, kind);
        if cfg!(target_os = "linux") {
            nonblock = kind & libc::SOCK_NONBLOCK != 0;
            kind &= !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC);
        }
        self.family.store(family, Relaxed);
        self.kind.store(kind, Relaxed);
        self.protocol.store(protocol, Relaxed);
        self.fd.store(fd + 1, Release);
        if nonblock {
            self.timeout.store(1, Release);
            return Ok(());
        }
        let timeout = DEFAULT_TIMEOUT.load(Acquire);
        self.timeout.store(timeout + 1, Release);
        if timeout >= 0 {
            return self.set_blocking(t, false);
        }
        Ok(())
    }
}

/// Waits, detached, until the socket is ready. False: the time is over.
fn ready(t: &mut Thread, s: &Socket, what: Wait, limit: Limit) -> Res<bool> {
    let events = match what {
        Wait::Readable => libc::POLLIN,
        Wait::Writable => libc::POLLOUT,
        Wait::Connected => libc::POLLOUT | libc::POLLERR,
    };
    loop {
        let millis = match limit {
            Limit::Never => -1,
            Limit::Now => return Ok(true),
            Limit::At(at) => {
                let left = at.saturating_duration_since(Instant::now());
                left.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128) as i32
            }
        };
        let fd = s.fd();
        if fd < 0 {
            // The call itself says what is wrong.
            return Ok(true);
        }
        let (n, e) = t.blocking(|| {
            let mut p = libc::pollfd {
                fd,
                events,
                revents: 0,
            };
            // SAFETY: one descriptor to look at.
            let n = unsafe { libc::poll(&mut p, 1, millis) };
            (n, if n < 0 { support::errno() } else { 0 })
        });
        match (n, e) {
            (0, _) => return Ok(false),
            (1.., _) => return Ok(true),
            (_, libc::EINTR) => runtime::check_signals(t)?,
            _ => return Err(t.os_error(e, None)),
        }
    }
}

pub fn timed_out(t: &mut Thread) -> Raised {
    t.raise(&errors::TIMEOUT_ERROR, "timed out")
}

/// Makes a call that may wait, within the limit. `f` gets the descriptor and gives -1 on error.
pub fn call(
    t: &mut Thread,
    s: &Socket,
    what: Wait,
    limit: Limit,
    mut f: impl FnMut(i32) -> isize,
) -> Res<isize> {
    loop {
        if matches!(limit, Limit::At(_)) && !ready(t, s, what, limit)? {
            return Err(timed_out(t));
        }
        let fd = s.fd();
        let e = match support::retry(t, || f(fd))? {
            Ok(n) => return Ok(n),
            Err(e) => e,
        };
        let again = e == libc::EAGAIN || e == libc::EWOULDBLOCK;
        if !(again && matches!(limit, Limit::At(_))) {
            return Err(t.os_error(e, None));
        }
    }
}

// --- making ---

/// A plain socket object for a descriptor.
pub fn made(t: &mut Thread, fd: i32, family: i32, kind: i32, protocol: i32) -> Res<Obj> {
    // SAFETY: the layout of the type.
    let (o, s) = unsafe { cell::fresh::<Socket>(t, &SOCKET) };
    s.init(t, fd, family, kind, protocol)?;
    Ok(o)
}

fn new(t: &mut Thread, cls: Value, _args: Args<'_>) -> Res {
    // SAFETY: the layout of the type and its subclasses; zero is a closed socket without a timeout.
    let (o, _) = unsafe { cell::fresh::<Socket>(t, Type::of_unchecked(cls)) };
    Ok(o.into())
}

fn init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    static SIG: SigCell = SigCell::new("socket", "(family=-1, type=-1, proto=-1, fileno=None)");
    let a = SIG.bind(t, args)?;
    let family = c_int_or(t, a[0], -1)?;
    let kind = c_int_or(t, a[1], -1)?;
    let protocol = c_int_or(t, a[2], -1)?;
    let s = Socket::this(v);
    let told = [family, kind, protocol].map(|n| Value::int(n.into()));
    audit::tell(t, "socket.__new__", &[v, told[0], told[1], told[2]])?;
    if !a[3].is_null() && !a[3].is_none() {
        return adopt(t, s, a[3], [family, kind, protocol]);
    }
    let or = |n: i32, default| if n == -1 { default } else { n };
    let (family, kind) = (or(family, libc::AF_INET), or(kind, libc::SOCK_STREAM));
    let protocol = or(protocol, 0);
    let (fd, e) = t.blocking(|| {
        // SAFETY: a plain system call.
        let fd = unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) };
        (fd, support::errno())
    });
    if fd < 0 {
        return Err(t.os_error(e, None));
    }
    s.init(t, fd, family, kind, protocol)
}

/// Takes over a descriptor, asking the system what it is where the program does not say.
fn adopt(t: &mut Thread, s: &Socket, fileno: Value, given: [i32; 3]) -> Res<()> {
    if float::as_f64(fileno).is_some() && !int::is_int(fileno) {
        return Err(t.type_error("integer argument expected, got float".into()));
    }
    let fd = c_int(t, fileno)?;
    if fd < 0 {
        return Err(t.value_error("negative file descriptor"));
    }
    let [mut family, mut kind, mut protocol] = given;
    let mut a = Address::room();
    // SAFETY: room for an address and its length.
    if unsafe { libc::getsockname(fd, a.ptr_mut(), &mut a.len) } < 0 {
        if family == -1 {
            return Err(t.os_error(support::errno(), None));
        }
    } else if family == -1 {
        family = a.family();
    }
    if kind == -1 {
        kind = int_option(t, fd, libc::SO_TYPE)?;
    }
    if protocol == -1 {
        #[cfg(target_os = "linux")]
        {
            protocol = int_option(t, fd, libc::SO_PROTOCOL)?;
        }
        #[cfg(not(target_os = "linux"))]
        {
            protocol = 0;
        }
    }
    s.init(t, fd, family, kind, protocol)
}

fn int_option(t: &mut Thread, fd: i32, option: i32) -> Res<i32> {
    let (mut n, mut len) = (0i32, size_of::<i32>() as libc::socklen_t);
    // SAFETY: room for an int.
    let r =
        unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, option, (&raw mut n).cast(), &mut len) };
    if r < 0 {
        return Err(t.os_error(support::errno(), None));
    }
    Ok(n)
}

fn repr(t: &mut Thread, v: Value) -> Res {
    let s = Socket::this(v);
    let (fd, family) = (s.fd(), s.family());
    let (kind, protocol) = (s.kind.load(Relaxed), s.protocol.load(Relaxed));
    let text = format!("<socket object, fd={fd}, family={family}, type={kind}, proto={protocol}>");
    Ok(Str::from_string(t, text).into())
}

unsafe fn has_finalizer(h: *const Header) -> bool {
    // SAFETY: a Socket.
    unsafe { (*(h as *const Socket)).fd() >= 0 }
}

fn finalize(t: &mut Thread, v: Value) -> Res<()> {
    let s = Socket::this(v);
    if s.fd() < 0 {
        return Ok(());
    }
    if let Err(_e) = warn_unclosed(t, v) {
        if t.exc_matches(&errors::WARNING) {
            runtime::unraisable(t, "Exception ignored while finalizing socket", Some(v));
        } else {
            t.clear_exc();
        }
    }
    shut(s);
    Ok(())
}

fn warn_unclosed(t: &mut Thread, v: Value) -> Res<()> {
    if runtime::is_finalizing() {
        return Ok(());
    }
    let warnings = runtime::import(t, "warnings")?;
    let r = proto::repr(t, v)?;
    let r = Str::of(r.value()).map_or_else(String::new, |s| s.to_string_lossy());
    let msg = Str::from_string(t, format!("unclosed {r}"));
    let category = errors::RESOURCE_WARNING.value();
    let args = [msg.value(), category, Value::int(1), v];
    proto::call_method(t, warnings.value(), "warn", &args).map(|_| ())
}

/// Closes the descriptor, if there is one; an error number, or 0.
fn shut(s: &Socket) -> i32 {
    match s.fd.swap(0, AcqRel) - 1 {
        ..0 => 0,
        // SAFETY: the descriptor was this object's.
        fd if unsafe { libc::close(fd) } < 0 => support::errno(),
        _ => 0,
    }
}

fn close(t: &mut Thread, a: &[Value]) -> Res {
    let s = Socket::this(a[0]);
    match t.blocking(|| shut(s)) {
        0 | libc::ECONNRESET => Ok(Value::NONE),
        e => Err(t.os_error(e, None)),
    }
}

fn detach(_t: &mut Thread, a: &[Value]) -> Res {
    let fd = Socket::this(a[0]).fd.swap(0, AcqRel) - 1;
    Ok(Value::int(fd.into()))
}

// --- connections ---

fn accept(t: &mut Thread, a: &[Value]) -> Res {
    let s = Socket::this(a[0]);
    let mut address = Address::room();
    let whole = address.len;
    let limit = s.limit();
    let fd = call(t, s, Wait::Readable, limit, |fd| {
        address.len = whole;
        // SAFETY: room for an address and its length.
        unsafe {
            libc::accept4(fd, address.ptr_mut(), &mut address.len, libc::SOCK_CLOEXEC) as isize
        }
    })?;
    let fd = support::int_obj(t, fd as i64);
    Ok(Tuple::pair(t, fd, address.to_python(t)).into())
}

fn bind(t: &mut Thread, a: &[Value]) -> Res {
    let s = Socket::this(a[0]);
    let address = parse(t, s.family(), a[1], "bind")?;
    audit::tell(t, "socket.bind", &[a[0], a[1]])?;
    let fd = s.fd();
    // SAFETY: an address with its length.
    support::retry_os(t, || unsafe {
        libc::bind(fd, address.ptr(), address.len) as isize
    })?;
    Ok(Value::NONE)
}

/// Connects: an error number, or 0.
fn connect_to(t: &mut Thread, s: &Socket, address: &Address) -> Res<Result<(), i32>> {
    let limit = s.limit();
    let fd = s.fd();
    let e = t.blocking(|| {
        // SAFETY: an address with its length.
        match unsafe { libc::connect(fd, address.ptr(), address.len) } {
            0 => 0,
            _ => support::errno(),
        }
    });
    let waits = match e {
        0 => return Ok(Ok(())),
        // The system goes on connecting after a signal.
        libc::EINTR => {
            runtime::check_signals(t)?;
            !matches!(limit, Limit::Now)
        }
        libc::EINPROGRESS => matches!(limit, Limit::At(_)),
        _ => false,
    };
    if !waits {
        return Ok(Err(e));
    }
    if !ready(t, s, Wait::Connected, limit)? {
        return Ok(Err(libc::EWOULDBLOCK));
    }
    match int_option(t, s.fd(), libc::SO_ERROR)? {
        0 | libc::EISCONN => Ok(Ok(())),
        e => Ok(Err(e)),
    }
}

fn connect(t: &mut Thread, a: &[Value]) -> Res {
    let s = Socket::this(a[0]);
    let address = parse(t, s.family(), a[1], "connect")?;
    audit::tell(t, "socket.connect", &[a[0], a[1]])?;
    match connect_to(t, s, &address)? {
        Ok(()) => Ok(Value::NONE),
        Err(libc::EWOULDBLOCK) if s.timeout() > 0 => Err(timed_out(t)),
        Err(e) => Err(t.os_error(e, None)),
    }
}

fn connect_ex(t: &mut Thread, a: &[Value]) -> Res {
    let s = Socket::this(a[0]);
    let address = parse(t, s.family(), a[1], "connect_ex")?;
    audit::tell(t, "socket.connect", &[a[0], a[1]])?;
    let e = connect_to(t, s, &address)?.err().unwrap_or(0);
    Ok(Value::int(e.into()))
}

fn listen(t: &mut Thread, a: &[Value]) -> Res {
    let backlog = c_int_or(t, a[1], libc::SOMAXCONN.min(128))?.max(0);
    let fd = Socket::this(a[0]).fd();
    // SAFETY: a plain system call.
    support::retry_os(t, || unsafe { libc::listen(fd, backlog) as isize })?;
    Ok(Value::NONE)
}

fn shutdown(t: &mut Thread, a: &[Value]) -> Res {
    let how = c_int(t, a[1])?;
    let fd = Socket::this(a[0]).fd();
    // SAFETY: a plain system call.
    support::retry_os(t, || unsafe { libc::shutdown(fd, how) as isize })?;
    Ok(Value::NONE)
}

type NameFn = unsafe extern "C" fn(i32, *mut libc::sockaddr, *mut libc::socklen_t) -> i32;

fn name(t: &mut Thread, v: Value, f: NameFn) -> Res {
    let mut a = Address::room();
    // SAFETY: room for an address and its length.
    if unsafe { f(Socket::this(v).fd(), a.ptr_mut(), &mut a.len) } < 0 {
        return Err(t.os_error(support::errno(), None));
    }
    Ok(a.to_python(t).into())
}

// --- receiving ---

/// Room for what is to be received, and how much that is.
pub fn room(t: &mut Thread, v: Value, func: &str) -> Res<(Vec<u8>, usize)> {
    let n = proto::index_for(t, v)?;
    let Ok(n) = usize::try_from(n) else {
        return Err(t.value_error(format!("negative buffersize in {func}")));
    };
    let mut room = Vec::new();
    if room.try_reserve_exact(n).is_err() {
        return Err(t.memory_error());
    }
    Ok((room, n))
}

fn recv(t: &mut Thread, a: &[Value]) -> Res {
    let s = Socket::this(a[0]);
    let (mut data, wanted) = room(t, a[1], "recv")?;
    let flags = c_int_or(t, a[2], 0)?;
    if wanted == 0 {
        return Ok(Bytes::new(t, b"").into());
    }
    let (p, limit) = (data.as_mut_ptr(), s.limit());
    let n = call(t, s, Wait::Readable, limit, |fd| {
        // SAFETY: there is so much room.
        unsafe { libc::recv(fd, p.cast(), wanted, flags) }
    })?;
    // SAFETY: the system has written that many.
    unsafe { data.set_len((n as usize).min(wanted)) };
    Ok(Bytes::from_vec(t, data).into())
}

/// The part of a buffer that is to be filled: all of it if no number was given.
fn part(t: &mut Thread, b: &buffer::Buffer, v: Value, func: &str, too_large: &str) -> Res<usize> {
    let wanted = if v.is_null() {
        0
    } else {
        proto::index_for(t, v)?
    };
    let Ok(wanted) = usize::try_from(wanted) else {
        return Err(t.value_error(format!("negative buffersize in {func}")));
    };
    if wanted > b.len {
        return Err(t.value_error(too_large));
    }
    Ok(if wanted == 0 { b.len } else { wanted })
}

fn recv_into(t: &mut Thread, a: &[Value]) -> Res {
    let s = Socket::this(a[0]);
    let mut b = buffer::get_writable(t, a[1], "recv_into", 1)?;
    let flags = c_int_or(t, a[3], 0)?;
    let too_large = "buffer too small for requested bytes";
    let wanted = part(t, &b, a[2], "recv_into", too_large)?;
    if wanted == 0 {
        return Ok(Value::int(0));
    }
    let limit = s.limit();
    let n = b.fill(t, wanted, |t, p| {
        call(t, s, Wait::Readable, limit, |fd| {
            // SAFETY: the view keeps so much memory in place.
            unsafe { libc::recv(fd, p.cast(), wanted, flags) }
        })
        .map(|n| n as usize)
    })?;
    Ok(Value::int(n as i64))
}

fn receive_from(
    t: &mut Thread,
    s: &Socket,
    p: *mut u8,
    n: usize,
    flags: i32,
) -> Res<(usize, Address)> {
    let mut address = Address::room();
    let whole = address.len;
    let limit = s.limit();
    let got = call(t, s, Wait::Readable, limit, |fd| {
        address.len = whole;
        // SAFETY: the callers have so much room there; room for an address and its length.
        unsafe { libc::recvfrom(fd, p.cast(), n, flags, address.ptr_mut(), &mut address.len) }
    })?;
    Ok((got as usize, address))
}

fn recvfrom(t: &mut Thread, a: &[Value]) -> Res {
    let s = Socket::this(a[0]);
    let (mut data, wanted) = room(t, a[1], "recvfrom")?;
    let flags = c_int_or(t, a[2], 0)?;
    let (n, address) = receive_from(t, s, data.as_mut_ptr(), wanted, flags)?;
    // SAFETY: the system has written that many (a datagram may have been longer).
    unsafe { data.set_len(n.min(wanted)) };
    let data = Bytes::from_vec(t, data);
    Ok(Tuple::pair(t, data, address.to_python(t)).into())
}

fn recvfrom_into(t: &mut Thread, a: &[Value]) -> Res {
    let s = Socket::this(a[0]);
    let mut b = buffer::get_writable(t, a[1], "recvfrom_into", 1)?;
    let flags = c_int_or(t, a[3], 0)?;
    let too_large = "nbytes is greater than the length of the buffer";
    let wanted = part(t, &b, a[2], "recvfrom_into", too_large)?;
    let mut from = Address::room();
    let n = b.fill(t, wanted, |t, p| {
        let (n, address) = receive_from(t, s, p, wanted, flags)?;
        from = address;
        Ok(n)
    })?;
    let n = support::int_obj(t, n as i64);
    Ok(Tuple::pair(t, n, from.to_python(t)).into())
}

// --- sending ---

fn send(t: &mut Thread, a: &[Value]) -> Res {
    let s = Socket::this(a[0]);
    let b = buffer::get_bulk(t, a[1])?;
    let flags = c_int_or(t, a[2], 0)?;
    let (p, n, limit) = (b.ptr, b.len, s.limit());
    let n = call(t, s, Wait::Writable, limit, |fd| {
        // SAFETY: the view keeps so much memory in place.
        unsafe { libc::send(fd, p.cast(), n, flags) }
    })?;
    Ok(Value::int(n as i64))
}

fn sendall(t: &mut Thread, a: &[Value]) -> Res {
    let s = Socket::this(a[0]);
    let b = buffer::get_bulk(t, a[1])?;
    let flags = c_int_or(t, a[2], 0)?;
    let limit = s.limit();
    let mut done = 0;
    while done < b.len {
        let n = call(t, s, Wait::Writable, limit, |fd| {
            // SAFETY: the view keeps so much memory in place.
            unsafe { libc::send(fd, b.ptr.add(done).cast(), b.len - done, flags) }
        })?;
        done += n as usize;
        runtime::check_signals(t)?;
    }
    Ok(Value::NONE)
}

fn sendto(t: &mut Thread, a: &[Value]) -> Res {
    let s = Socket::this(a[0]);
    let (flags, to) = if a[3].is_null() {
        (0, a[2])
    } else {
        (c_int(t, a[2])?, a[3])
    };
    let b = buffer::get_bulk(t, a[1])?;
    let given = to;
    let to = parse(t, s.family(), to, "sendto")?;
    audit::tell(t, "socket.sendto", &[a[0], given])?;
    let (p, n, limit) = (b.ptr, b.len, s.limit());
    let n = call(t, s, Wait::Writable, limit, |fd| {
        // SAFETY: the view keeps so much memory in place; an address with its length.
        unsafe { libc::sendto(fd, p.cast(), n, flags, to.ptr(), to.len) }
    })?;
    Ok(Value::int(n as i64))
}

// --- options ---

fn getsockopt(t: &mut Thread, a: &[Value]) -> Res {
    let fd = Socket::this(a[0]).fd();
    let (level, option) = (c_int(t, a[1])?, c_int(t, a[2])?);
    let size = c_int_or(t, a[3], 0)?;
    if size == 0 {
        let (mut n, mut len) = (0i32, size_of::<i32>() as libc::socklen_t);
        // SAFETY: room for an int.
        if unsafe { libc::getsockopt(fd, level, option, (&raw mut n).cast(), &mut len) } < 0 {
            return Err(t.os_error(support::errno(), None));
        }
        return Ok(Value::int(n.into()));
    }
    if !(0..=1024).contains(&size) {
        return Err(t.raise(&errors::OS_ERROR, "getsockopt buflen out of range"));
    }
    let mut data = vec![0u8; size as usize];
    let mut len = size as libc::socklen_t;
    // SAFETY: so much room.
    if unsafe { libc::getsockopt(fd, level, option, data.as_mut_ptr().cast(), &mut len) } < 0 {
        return Err(t.os_error(support::errno(), None));
    }
    data.truncate(len as usize);
    Ok(Bytes::from_vec(t, data).into())
}

fn setsockopt(t: &mut Thread, a: &[Value]) -> Res {
    let fd = Socket::this(a[0]).fd();
    let (level, option) = (c_int(t, a[1])?, c_int(t, a[2])?);
    let set = |t: &mut Thread, p: *const libc::c_void, len: usize| {
        // SAFETY: so many bytes, or null.
        if unsafe { libc::setsockopt(fd, level, option, p, len as libc::socklen_t) } < 0 {
            return Err(t.os_error(support::errno(), None));
        }
        Ok(Value::NONE)
    };
    if a[3].is_none() {
        if a[4].is_null() {
            return Err(t.type_error(
                "socket.setsockopt() requires 4 arguments when the third argument is None".into(),
            ));
        }
        let len = proto::index_i64(t, a[4])?;
        return set(t, std::ptr::null(), len as usize);
    }
    if !a[4].is_null() {
        return Err(t.type_error(
            "socket.setsockopt() only takes 4 arguments when the third argument is None".into(),
        ));
    }
    if int::is_int(a[3]) || type_of(a[3]).slots.index.is_set() {
        let i = proto::index(t, a[3])?;
        // Numbers that are unsigned in C are taken too.
        let n = match int::as_i64(i.value()) {
            Some(n) if i64::from(n as i32) == n || i64::from(n as u32) == n => n as i32,
            _ => c_int(t, a[3])?,
        };
        return set(t, (&raw const n).cast(), size_of::<i32>());
    }
    let b = buffer::get(t, a[3])?;
    set(t, b.ptr.cast(), b.len)
}

fn setblocking(t: &mut Thread, a: &[Value]) -> Res {
    let blocking = proto::truth(t, a[1])?;
    Socket::this(a[0]).set_timeout(t, if blocking { -1 } else { 0 })?;
    Ok(Value::NONE)
}

fn settimeout(t: &mut Thread, a: &[Value]) -> Res {
    let nanos = timeout_arg(t, a[1])?;
    Socket::this(a[0]).set_timeout(t, nanos)?;
    Ok(Value::NONE)
}

fn gettimeout(t: &mut Thread, a: &[Value]) -> Res {
    Ok(timeout_value(t, Socket::this(a[0]).timeout()))
}

fn number(of: &AtomicI32) -> Res {
    Ok(Value::int(of.load(Relaxed).into()))
}

/// `_socket.socket`
pub static SOCKET: Type = Type::builtin(
    "socket",
    size_of::<Socket>(),
    &Spec {
        new: Some(new),
        init: Some(init),
        repr: Some(repr),
        finalize: Some(finalize),
        methods: &[
            NativeDef::new("_accept", "($self, /)", accept)
                .doc("_accept() -> (integer, address info)\n\nWait for an incoming connection.  Return a new socket file descriptor\nrepresenting the connection, and the address of the client."),
            NativeDef::new("bind", "($self, address, /)", bind)
                .doc("bind(address)\n\nBind the socket to a local address."),
            NativeDef::new("close", "($self, /)", close)
                .doc("close()\n\nClose the socket.  It cannot be used after this call."),
            NativeDef::new("connect", "($self, address, /)", connect)
                .doc("connect(address)\n\nConnect the socket to a remote address."),
            NativeDef::new("connect_ex", "($self, address, /)", connect_ex)
                .doc("connect_ex(address) -> errno\n\nThis is like connect(address), but returns an error code (the errno value)\ninstead of raising an exception when an error occurs."),
            NativeDef::new("detach", "($self, /)", detach)
                .doc("detach()\n\nClose the socket object without closing the underlying file descriptor."),
            NativeDef::new("fileno", "($self, /)", |_, a| Ok(Value::int(Socket::this(a[0]).fd().into())))
                .doc("fileno() -> integer\n\nReturn the integer file descriptor of the socket."),
            NativeDef::new("getpeername", "($self, /)", |t, a| name(t, a[0], libc::getpeername))
                .doc("getpeername() -> address info"),
            NativeDef::new("getsockname", "($self, /)", |t, a| name(t, a[0], libc::getsockname))
                .doc("getsockname() -> address info"),
            NativeDef::new("getsockopt", "($self, level, option, buffersize=0, /)", getsockopt)
                .doc("getsockopt(level, option[, buffersize]) -> value"),
            NativeDef::new("setsockopt", "($self, level, option, value, optlen=0, /)", setsockopt)
                .doc("setsockopt(level, option, value: int)\nsetsockopt(level, option, value: buffer)\nsetsockopt(level, option, None, optlen: int)"),
            NativeDef::new("listen", "($self, backlog=128, /)", listen)
                .doc("listen([backlog])\n\nEnable a server to accept connections."),
            NativeDef::new("recv", "($self, buffersize, flags=0, /)", recv)
                .doc("recv(buffersize[, flags]) -> data"),
            NativeDef::new("recv_into", "($self, buffer, nbytes=0, flags=0)", recv_into)
                .doc("recv_into(buffer, [nbytes[, flags]]) -> nbytes_read"),
            NativeDef::new("recvfrom", "($self, buffersize, flags=0, /)", recvfrom)
                .doc("recvfrom(buffersize[, flags]) -> (data, address info)"),
            NativeDef::new("recvfrom_into", "($self, buffer, nbytes=0, flags=0)", recvfrom_into)
                .doc("recvfrom_into(buffer[, nbytes[, flags]]) -> (nbytes, address info)"),
            NativeDef::new("recvmsg", "($self, bufsize, ancbufsize=0, flags=0, /)", message::recvmsg)
                .doc("recvmsg(bufsize[, ancbufsize[, flags]]) -> (data, ancdata, msg_flags, address)"),
            NativeDef::new("recvmsg_into", "($self, buffers, ancbufsize=0, flags=0, /)", message::recvmsg_into)
                .doc("recvmsg_into(buffers[, ancbufsize[, flags]]) -> (nbytes, ancdata, msg_flags, address)"),
            NativeDef::new("send", "($self, data, flags=0, /)", send)
                .doc("send(data[, flags]) -> count"),
            NativeDef::new("sendall", "($self, data, flags=0, /)", sendall)
                .doc("sendall(data[, flags])"),
            NativeDef::new("sendto", "($self, data, flags_or_address, address=None, /)", sendto)
                .doc("sendto(data[, flags], address) -> count"),
            NativeDef::new("sendmsg", "($self, buffers, ancdata=(), flags=0, address=None, /)", message::sendmsg)
                .doc("sendmsg(buffers[, ancdata[, flags[, address]]]) -> count"),
            NativeDef::new("setblocking", "($self, flag, /)", setblocking)
                .doc("setblocking(flag)\n\nSet the socket to blocking (flag is true) or non-blocking (false)."),
            NativeDef::new("getblocking", "($self, /)", |_, a| Ok(Value::bool(Socket::this(a[0]).timeout() != 0)))
                .doc("getblocking()\n\nReturns True if socket is in blocking mode, or False if it\nis in non-blocking mode."),
            NativeDef::new("settimeout", "($self, timeout, /)", settimeout)
                .doc("settimeout(timeout)\n\nSet a timeout on socket operations."),
            NativeDef::new("gettimeout", "($self, /)", gettimeout)
                .doc("gettimeout() -> timeout\n\nReturns the timeout in seconds (float) associated with socket operations."),
            NativeDef::new("shutdown", "($self, flag, /)", shutdown)
                .doc("shutdown(flag)\n\nShut down the reading side of the socket (flag == SHUT_RD), the writing side\nof the socket (flag == SHUT_WR), or both ends (flag == SHUT_RDWR)."),
        ],
        getset: &[
            GetSetDef::ro("family", |_, v| number(&Socket::this(v).family)),
            GetSetDef::ro("type", |_, v| number(&Socket::this(v).kind)),
            GetSetDef::ro("proto", |_, v| number(&Socket::this(v).protocol)),
            GetSetDef::ro("timeout", |t, v| Ok(timeout_value(t, Socket::this(v).timeout()))),
        ],
        ..Spec::EMPTY
    },
)
.finalizer(has_finalizer)
.module("_socket")
.doc("socket(family=AF_INET, type=SOCK_STREAM, proto=0) -> socket object\nsocket(family=-1, type=-1, proto=-1, fileno=None) -> socket object\n\nOpen a socket of the given type.");
