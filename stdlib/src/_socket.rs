//! `_socket`: the system's sockets. Calls that wait are detached, and made again after signals' handlers have run.

use crate::support::{self, add, c_int, c_int_or, int_obj};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering::*};
use weft_objects::audit;
use weft_objects::prelude::*;
use weft_objects::runtime::SharedObj;
use weft_objects::{float, int};

mod address;
mod constants;
mod lookup;
mod message;
mod socket;

/// The two exceptions of looking names up.
#[derive(Clone, Copy)]
enum Failed {
    /// `socket.herror`
    Host,
    /// `socket.gaierror`
    Lookup,
}

fn class(t: &mut Thread, which: Failed) -> Res<Obj> {
    static CLASSES: [OnceLock<SharedObj>; 2] = [OnceLock::new(), OnceLock::new()];
    let cell = &CLASSES[which as usize];
    if let Some(class) = cell.get() {
        return Ok(class.get(t));
    }
    let name = match which {
        Failed::Host => "herror",
        Failed::Lookup => "gaierror",
    };
    let class = crate::_signal::new_exception_class(t, name, "socket", &[&errors::OS_ERROR])?;
    Ok(cell.get_or_init(|| SharedObj::new(t, class)).get(t))
}

/// What new sockets begin with: nanoseconds, negative for none.
static DEFAULT_TIMEOUT: AtomicI64 = AtomicI64::new(-1);

/// A timeout in nanoseconds, -1 for None.
fn timeout_arg(t: &mut Thread, v: Value) -> Res<i64> {
    if v.is_none() {
        return Ok(-1);
    }
    let nanos = support::nanos(t, v)?;
    if nanos < 0 {
        return Err(t.value_error("Timeout value out of range"));
    }
    if nanos / 1_000_000 > i64::from(i32::MAX) {
        return Err(t.overflow_error("timeout doesn't fit into C timeval"));
    }
    Ok(nanos)
}

fn timeout_value(t: &Thread, nanos: i64) -> Value {
    if nanos < 0 {
        Value::NONE
    } else {
        float::from_f64(t, nanos as f64 / 1e9)
    }
}

fn setdefaulttimeout(t: &mut Thread, a: &[Value]) -> Res {
    DEFAULT_TIMEOUT.store(timeout_arg(t, a[0])?, Release);
    Ok(Value::NONE)
}

/// An unsigned number of so many bits.
fn unsigned(t: &mut Thread, v: Value, bits: u32) -> Res<u32> {
    let i = proto::index(t, v)?;
    match int::as_i64(i.value()) {
        Some(n) if n < 0 => Err(t.value_error("Cannot convert negative int")),
        Some(n) if n >> bits == 0 => Ok(n as u32),
        None if int::to_bigint(i.value()).is_some_and(|b| b.sign() == num_bigint::Sign::Minus) => {
            Err(t.value_error("Cannot convert negative int"))
        }
        _ => Err(t.overflow_error(format!("Python int too large for C uint{bits}_t"))),
    }
}

fn swap16(t: &mut Thread, a: &[Value]) -> Res {
    Ok(Value::int((unsigned(t, a[0], 16)? as u16).to_be().into()))
}

fn swap32(t: &mut Thread, a: &[Value]) -> Res {
    Ok(Value::int(unsigned(t, a[0], 32)?.to_be().into()))
}

fn gethostname(t: &mut Thread, _a: &[Value]) -> Res {
    audit::tell(t, "socket.gethostname", &[])?;
    let mut name = [0u8; 1025];
    // SAFETY: room for a name and a zero.
    if unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) } < 0 {
        return Err(t.os_error(support::errno(), None));
    }
    let end = memchr::memchr(0, &name).unwrap_or(name.len());
    Ok(support::fs_decode(t, &name[..end]).into())
}

fn sethostname(t: &mut Thread, a: &[Value]) -> Res {
    let name = match Str::of(a[0]) {
        Some(s) => s.as_bytes().to_vec(),
        None => weft_objects::buffer::with_bytes(t, a[0], <[u8]>::to_vec)?,
    };
    audit::tell(t, "socket.sethostname", &[a[0]])?;
    // SAFETY: so many bytes.
    if unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) } < 0 {
        return Err(t.os_error(support::errno(), None));
    }
    Ok(Value::NONE)
}

fn close(t: &mut Thread, a: &[Value]) -> Res {
    let fd = c_int(t, a[0])?;
    let e = t.blocking(|| {
        // SAFETY: the program says that the descriptor is its to close.
        match unsafe { libc::close(fd) } {
            0 => 0,
            _ => support::errno(),
        }
    });
    match e {
        0 | libc::ECONNRESET => Ok(Value::NONE),
        _ => Err(t.os_error(e, None)),
    }
}

fn dup(t: &mut Thread, a: &[Value]) -> Res {
    let fd = c_int(t, a[0])?;
    // SAFETY: a plain system call.
    match unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) } {
        -1 => Err(t.os_error(support::errno(), None)),
        fd => Ok(Value::int(fd.into())),
    }
}

fn socketpair(t: &mut Thread, a: &[Value]) -> Res {
    let family = c_int_or(t, a[0], libc::AF_UNIX)?;
    let kind = c_int_or(t, a[1], libc::SOCK_STREAM)?;
    let protocol = c_int_or(t, a[2], 0)?;
    let mut fds = [-1; 2];
    // SAFETY: room for two.
    if unsafe {
        libc::socketpair(
            family,
            kind | libc::SOCK_CLOEXEC,
            protocol,
            fds.as_mut_ptr(),
        )
    } < 0
    {
        return Err(t.os_error(support::errno(), None));
    }
    let [one, other] = fds.map(|fd| socket::made(t, fd, family, kind, protocol));
    Ok(Tuple::pair(t, one?, other?).into())
}

/// The room that a control message with so many bytes of data takes, `CMSG_LEN` or `CMSG_SPACE`.
fn message_room(t: &mut Thread, v: Value, func: &str, f: unsafe extern "C" fn(u32) -> u32) -> Res {
    let n = proto::index_i64(t, v);
    let most = i64::from(i32::MAX) - 64;
    match n {
        Ok(n) if (0..=most).contains(&n) => {
            // SAFETY: a computation.
            Ok(Value::int(unsafe { f(n as u32) }.into()))
        }
        Err(e) if !t.exc_matches(&errors::OVERFLOW_ERROR) => Err(e),
        _ => {
            t.clear_exc();
            Err(t.overflow_error(format!("{func}() argument out of range")))
        }
    }
}

unsafe extern "C" fn cmsg_len(n: u32) -> u32 {
    // SAFETY: a computation.
    unsafe { libc::CMSG_LEN(n) }
}

unsafe extern "C" fn cmsg_space(n: u32) -> u32 {
    // SAFETY: a computation.
    unsafe { libc::CMSG_SPACE(n) }
}

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("getaddrinfo", "(host, port, family=0, type=0, proto=0, flags=0)", lookup::getaddrinfo)
        .doc("getaddrinfo(host, port [, family, type, proto, flags])\n    -> list of (family, type, proto, canonname, sockaddr)\n\nResolve host and port into addrinfo struct."),
    NativeDef::new("getnameinfo", "(sockaddr, flags, /)", lookup::getnameinfo)
        .doc("getnameinfo(sockaddr, flags) --> (host, port)\n\nGet host and port for a sockaddr."),
    NativeDef::new("gethostbyname", "(host, /)", lookup::gethostbyname)
        .doc("gethostbyname(host) -> address\n\nReturn the IP address (a string of the form '255.255.255.255') for a host."),
    NativeDef::new("gethostbyname_ex", "(host, /)", lookup::gethostbyname_ex)
        .doc("gethostbyname_ex(host) -> (name, aliaslist, addresslist)"),
    NativeDef::new("gethostbyaddr", "(host, /)", lookup::gethostbyaddr)
        .doc("gethostbyaddr(host) -> (name, aliaslist, addresslist)"),
    NativeDef::new("gethostname", "()", gethostname)
        .doc("gethostname() -> string\n\nReturn the current host name."),
    NativeDef::new("sethostname", "(name, /)", sethostname)
        .doc("sethostname(name)\n\nSets the hostname to name."),
    NativeDef::new("getservbyname", "(servicename, protocolname='', /)", lookup::getservbyname)
        .doc("getservbyname(servicename[, protocolname]) -> integer"),
    NativeDef::new("getservbyport", "(port, protocolname='', /)", lookup::getservbyport)
        .doc("getservbyport(port[, protocolname]) -> string"),
    NativeDef::new("getprotobyname", "(name, /)", lookup::getprotobyname)
        .doc("getprotobyname(name) -> integer"),
    NativeDef::new("close", "(fd, /)", close)
        .doc("close(integer) -> None\n\nClose an integer socket file descriptor."),
    NativeDef::new("dup", "(fd, /)", dup).doc("dup(integer) -> integer\n\nDuplicate an integer socket file descriptor."),
    NativeDef::new("socketpair", "(family=1, type=1, proto=0, /)", socketpair)
        .doc("socketpair([family[, type [, proto]]]) -> (socket object, socket object)"),
    NativeDef::new("ntohs", "(x, /)", swap16)
        .doc("Convert a 16-bit unsigned integer from network to host byte order."),
    NativeDef::new("ntohl", "(x, /)", swap32)
        .doc("Convert a 32-bit unsigned integer from network to host byte order."),
    NativeDef::new("htons", "(x, /)", swap16)
        .doc("Convert a 16-bit unsigned integer from host to network byte order."),
    NativeDef::new("htonl", "(x, /)", swap32)
        .doc("Convert a 32-bit unsigned integer from host to network byte order."),
    NativeDef::new("inet_aton", "(ip_addr, /)", lookup::inet_aton)
        .doc("Convert an IP address in string format (123.45.67.89) to the 32-bit packed binary format used in low-level network functions."),
    NativeDef::new("inet_ntoa", "(packed_ip, /)", lookup::inet_ntoa)
        .doc("Convert an IP address from 32-bit packed binary format to string format."),
    NativeDef::new("inet_pton", "(af, ip, /)", lookup::inet_pton)
        .doc("inet_pton(af, ip) -> packed IP address string"),
    NativeDef::new("inet_ntop", "(af, packed_ip, /)", lookup::inet_ntop)
        .doc("inet_ntop(af, packed_ip) -> string formatted IP address"),
    NativeDef::new("getdefaulttimeout", "()", |t, _| {
        Ok(timeout_value(t, DEFAULT_TIMEOUT.load(Acquire)))
    })
    .doc("getdefaulttimeout() -> timeout"),
    NativeDef::new("setdefaulttimeout", "(timeout, /)", setdefaulttimeout)
        .doc("setdefaulttimeout(timeout)"),
    NativeDef::new("if_nameindex", "()", lookup::if_nameindex)
        .doc("if_nameindex()\n\nReturns a list of network interface information (index, name) tuples."),
    NativeDef::new("if_nametoindex", "(oname, /)", lookup::if_nametoindex)
        .doc("Returns the interface index corresponding to the interface name if_name."),
    NativeDef::new("if_indextoname", "(if_index, /)", lookup::if_indextoname)
        .doc("Returns the interface name corresponding to the interface index if_index."),
    NativeDef::new("CMSG_LEN", "(length, /)", |t, a| message_room(t, a[0], "CMSG_LEN", cmsg_len))
        .doc("CMSG_LEN(length) -> control message length"),
    NativeDef::new("CMSG_SPACE", "(length, /)", |t, a| message_room(t, a[0], "CMSG_SPACE", cmsg_space))
        .doc("CMSG_SPACE(length) -> buffer size"),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let doc =
        "Implementation module for socket operations.\n\nSee the socket module for documentation.";
    let m = support::module(t, "_socket", doc, FUNCTIONS);
    support::add_type(t, &m, &socket::SOCKET);
    add(t, &m, "SocketType", Obj::new(t, socket::SOCKET.value()));
    add(t, &m, "error", Obj::new(t, errors::OS_ERROR.value()));
    add(t, &m, "timeout", Obj::new(t, errors::TIMEOUT_ERROR.value()));
    let host = class(t, Failed::Host)?;
    add(t, &m, "herror", host);
    let lookup = class(t, Failed::Lookup)?;
    add(t, &m, "gaierror", lookup);
    add(t, &m, "has_ipv6", Obj::from_raw(Value::TRUE));
    for (name, n) in constants::INTS {
        add(t, &m, name, int_obj(t, *n));
    }
    Ok(m)
}
