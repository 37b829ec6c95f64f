//! Names of hosts, services, protocols and interfaces.

use super::address::{Address, host_name, resolve};
use super::{Failed, class};
use crate::support::{self, c_int, c_int_or, int_obj};
use std::ffi::{CStr, CString};
use weft_objects::audit;
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;
use weft_objects::{buffer, int};

/// One answer of `getaddrinfo`.
pub struct Found {
    pub family: i32,
    pub kind: i32,
    pub protocol: i32,
    pub name: Option<CString>,
    pub address: Address,
}

/// `socket.gaierror` for a code of `getaddrinfo`.
fn failed(t: &mut Thread, code: i32) -> Raised {
    if code == libc::EAI_SYSTEM {
        return t.os_error(support::errno(), None);
    }
    // SAFETY: a static text.
    let text = unsafe { CStr::from_ptr(libc::gai_strerror(code)) }.to_string_lossy();
    raise(t, Failed::Lookup, code, &text)
}

fn raise(t: &mut Thread, which: Failed, code: i32, text: &str) -> Raised {
    match class(t, which) {
        Ok(cls) => {
            let args = vec![int_obj(t, code.into()), Str::new(t, text)];
            t.raise_args(Type::of_unchecked(cls.value()), args)
        }
        Err(e) => e,
    }
}

/// Asks the system for addresses, detached.
pub fn addresses(
    t: &mut Thread,
    host: Option<&CStr>,
    service: Option<&CStr>,
    family: i32,
    kind: i32,
    protocol: i32,
    flags: i32,
) -> Res<Vec<Found>> {
    // SAFETY: numbers and pointers, for which zero is a value.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_family = family;
    hints.ai_socktype = kind;
    hints.ai_protocol = protocol;
    hints.ai_flags = flags;
    let null = std::ptr::null();
    let (host, service) = (
        host.map_or(null, CStr::as_ptr),
        service.map_or(null, CStr::as_ptr),
    );
    let (code, found) = t.blocking(|| {
        let mut list = std::ptr::null_mut();
        // SAFETY: C strings or null, hints, and a place for the answer.
        let code = unsafe { libc::getaddrinfo(host, service, &hints, &mut list) };
        let mut found = Vec::new();
        if code == 0 {
            let mut p = list;
            // SAFETY: the system's list is intact until it is freed here.
            while let Some(one) = unsafe { p.as_ref() } {
                // SAFETY: as above.
                found.push(unsafe { copy(one) });
                p = one.ai_next;
            }
            // SAFETY: made by `getaddrinfo`, freed once.
            unsafe { libc::freeaddrinfo(list) };
        }
        (code, found)
    });
    match code {
        0 => Ok(found),
        _ => Err(failed(t, code)),
    }
}

/// # Safety
/// An entry that `getaddrinfo` made.
unsafe fn copy(one: &libc::addrinfo) -> Found {
    let name = one.ai_canonname;
    Found {
        family: one.ai_family,
        kind: one.ai_socktype,
        protocol: one.ai_protocol,
        // SAFETY: a C string of the entry's.
        name: (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) }.to_owned()),
        // SAFETY: the entry's address has this length.
        address: unsafe { Address::copy(one.ai_addr, one.ai_addrlen) },
    }
}

pub fn getaddrinfo(t: &mut Thread, a: &[Value]) -> Res {
    let host = if a[0].is_none() {
        None
    } else {
        let bytes = Bytes::of(a[0]).map(|b| b.as_slice().to_vec());
        Some(match bytes {
            Some(bytes) => c_string(t, bytes)?,
            None if Str::of(a[0]).is_some() => host_name(t, a[0])?,
            None => {
                return Err(t.type_error("getaddrinfo() argument 1 must be string or None".into()));
            }
        })
    };
    let service = if int::is_int(a[1]) {
        let text = proto::str(t, a[1])?;
        let bytes = Str::this(text.value()).as_bytes().to_vec();
        Some(c_string(t, bytes)?)
    } else if let Some(s) = Str::of(a[1]) {
        Some(c_string(t, s.as_bytes().to_vec())?)
    } else if let Some(b) = Bytes::of(a[1]) {
        Some(c_string(t, b.as_slice().to_vec())?)
    } else if a[1].is_none() {
        None
    } else {
        return Err(t.raise(&errors::OS_ERROR, "Int or String expected"));
    };
    let mut numbers = [0; 4];
    for (n, v) in numbers.iter_mut().zip(&a[2..6]) {
        *n = c_int_or(t, *v, 0)?;
    }
    let [family, kind, protocol, flags] = numbers;
    let found = addresses(
        t,
        host.as_deref(),
        service.as_deref(),
        family,
        kind,
        protocol,
        flags,
    )?;
    let one = |f: &Found| {
        let name = f
            .name
            .as_deref()
            .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let parts = vec![
            int_obj(t, f.family.into()),
            int_obj(t, f.kind.into()),
            int_obj(t, f.protocol.into()),
            Str::from_string(t, name),
            f.address.to_python(t),
        ];
        Tuple::from_vec(t, parts)
    };
    let all = found.iter().map(one).collect();
    Ok(List::from_vec(t, all).into())
}

fn c_string(t: &mut Thread, bytes: Vec<u8>) -> Res<CString> {
    CString::new(bytes).map_err(|_| t.value_error("embedded null character"))
}

pub fn getnameinfo(t: &mut Thread, a: &[Value]) -> Res {
    let flags = c_int(t, a[1])?;
    let Some(parts) = Tuple::of(a[0]) else {
        return Err(t.type_error("getnameinfo() argument 1 must be a tuple".into()));
    };
    let n = parts.len();
    if !(2..=4).contains(&n) || Str::of(parts.get(0)).is_none() {
        return Err(t.type_error("getnameinfo(): illegal sockaddr argument".into()));
    }
    let host = host_name(t, parts.get(0))?;
    let mut numbers = [0i64; 3];
    for (i, number) in numbers.iter_mut().enumerate().take(n - 1) {
        *number = proto::index_i64(t, parts.get(i + 1))?;
    }
    let [port, flow, scope] = numbers;
    if !(0..=0xfffff).contains(&flow) {
        return Err(t.overflow_error("getnameinfo(): flowinfo must be 0-1048575."));
    }
    audit::tell(t, "socket.getnameinfo", &[a[0]])?;
    let service = c_string(t, port.to_string().into_bytes())?;
    let found = addresses(
        t,
        Some(&host),
        Some(&service),
        libc::AF_UNSPEC,
        libc::SOCK_DGRAM,
        0,
        libc::AI_NUMERICHOST,
    )?;
    let [one] = found.as_slice() else {
        return Err(t.raise(&errors::OS_ERROR, "sockaddr resolved to multiple addresses"));
    };
    let mut address = one.address;
    match address.family() {
        libc::AF_INET if n != 2 => {
            return Err(t.raise(&errors::OS_ERROR, "IPv4 sockaddr must be 2 tuple"));
        }
        libc::AF_INET6 => {
            let p = address.ptr_mut().cast::<libc::sockaddr_in6>();
            // SAFETY: an address of this family.
            unsafe {
                (*p).sin6_flowinfo = (flow as u32).to_be();
                (*p).sin6_scope_id = scope as u32;
            }
        }
        _ => {}
    }
    let (mut host, mut service) = ([0 as libc::c_char; 1025], [0 as libc::c_char; 32]);
    let code = t.blocking(|| {
        // SAFETY: an address with its length, and room for both names.
        unsafe {
            libc::getnameinfo(
                address.ptr(),
                address.len,
                host.as_mut_ptr(),
                host.len() as _,
                service.as_mut_ptr(),
                service.len() as _,
                flags,
            )
        }
    });
    if code != 0 {
        return Err(failed(t, code));
    }
    let [host, service] = [&host[..], &service[..]].map(|s| c_text(t, s.as_ptr()));
    Ok(Tuple::pair(t, host, service).into())
}

/// A text of the system's; it ends with a zero.
fn c_text(t: &Thread, p: *const libc::c_char) -> Obj {
    // SAFETY: called with C strings alone.
    support::fs_decode(t, unsafe { CStr::from_ptr(p) }.to_bytes())
}

pub fn gethostbyname(t: &mut Thread, a: &[Value]) -> Res {
    let name = host_name(t, a[0])?;
    audit::tell(t, "socket.gethostbyname", &[a[0]])?;
    let address = resolve(t, &name, libc::AF_INET)?;
    Ok(address.host(t).into())
}

// --- the older calls, which `libc` has no declarations of ---

unsafe extern "C" {
    #[link_name = "inet_pton"]
    fn inet_pton_c(family: i32, text: *const libc::c_char, out: *mut libc::c_void) -> i32;
    fn gethostbyname_r(
        name: *const libc::c_char,
        result: *mut libc::hostent,
        buf: *mut libc::c_char,
        len: libc::size_t,
        found: *mut *mut libc::hostent,
        error: *mut i32,
    ) -> i32;
    fn gethostbyaddr_r(
        address: *const libc::c_void,
        len: libc::socklen_t,
        family: i32,
        result: *mut libc::hostent,
        buf: *mut libc::c_char,
        len: libc::size_t,
        found: *mut *mut libc::hostent,
        error: *mut i32,
    ) -> i32;
    fn hstrerror(code: i32) -> *const libc::c_char;
    fn getservbyname_r(
        name: *const libc::c_char,
        protocol: *const libc::c_char,
        result: *mut libc::servent,
        buf: *mut libc::c_char,
        len: libc::size_t,
        found: *mut *mut libc::servent,
    ) -> i32;
    fn getservbyport_r(
        port: i32,
        protocol: *const libc::c_char,
        result: *mut libc::servent,
        buf: *mut libc::c_char,
        len: libc::size_t,
        found: *mut *mut libc::servent,
    ) -> i32;
    fn getprotobyname_r(
        name: *const libc::c_char,
        result: *mut libc::protoent,
        buf: *mut libc::c_char,
        len: libc::size_t,
        found: *mut *mut libc::protoent,
    ) -> i32;
}

/// Calls `f`, with more room each time it says that there is too little.
fn with_room<R>(mut f: impl FnMut(*mut libc::c_char, usize) -> (i32, R)) -> (i32, R, Vec<u8>) {
    let mut room = vec![0u8; 1024];
    loop {
        let (code, r) = f(room.as_mut_ptr().cast(), room.len());
        if code != libc::ERANGE || room.len() > 1 << 20 {
            return (code, r, room);
        }
        room.resize(room.len() * 4, 0);
    }
}

/// `(name, aliases, addresses)` of what `f` finds.
fn host_entry(
    t: &mut Thread,
    mut f: impl FnMut(
        *mut libc::hostent,
        *mut libc::c_char,
        usize,
        *mut *mut libc::hostent,
        *mut i32,
    ) -> i32,
) -> Res {
    // SAFETY: numbers and pointers, for which zero is a value.
    let mut entry: libc::hostent = unsafe { std::mem::zeroed() };
    let (mut found, mut error) = (std::ptr::null_mut(), 0);
    let (_, (), _room) =
        t.blocking(|| with_room(|p, n| (f(&mut entry, p, n, &mut found, &mut error), ())));
    if found.is_null() {
        // SAFETY: a static text.
        let text = unsafe { CStr::from_ptr(hstrerror(error)) }.to_string_lossy();
        return Err(raise(t, Failed::Host, error, &text));
    }
    let (mut aliases, mut hosts) = (Vec::new(), Vec::new());
    // SAFETY: the entry was filled in; it points into the room; both lists end with null.
    unsafe {
        let mut p = entry.h_aliases;
        while !p.is_null() && !(*p).is_null() {
            aliases.push(c_text(t, *p));
            p = p.add(1);
        }
        let mut p = entry.h_addr_list;
        while !p.is_null() && !(*p).is_null() {
            let bytes = std::slice::from_raw_parts((*p).cast::<u8>(), entry.h_length as usize);
            hosts.extend(packed_text(bytes).map(|s| Str::new(t, &s)));
            p = p.add(1);
        }
    }
    let name = c_text(t, entry.h_name);
    let parts = vec![name, List::from_vec(t, aliases), List::from_vec(t, hosts)];
    Ok(Tuple::from_vec(t, parts).into())
}

fn packed_text(bytes: &[u8]) -> Option<String> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes)
            .ok()
            .map(|b| std::net::Ipv4Addr::from(b).to_string()),
        16 => <[u8; 16]>::try_from(bytes)
            .ok()
            .map(super::address::ip6_text),
        _ => None,
    }
}

pub fn gethostbyname_ex(t: &mut Thread, a: &[Value]) -> Res {
    let name = host_name(t, a[0])?;
    audit::tell(t, "socket.gethostbyname", &[a[0]])?;
    // Refuses what cannot be a name of this family.
    resolve(t, &name, libc::AF_INET)?;
    host_entry(t, |entry, p, n, found, error| {
        // SAFETY: a C string, and room for the answer.
        unsafe { gethostbyname_r(name.as_ptr(), entry, p, n, found, error) }
    })
}

pub fn gethostbyaddr(t: &mut Thread, a: &[Value]) -> Res {
    let name = host_name(t, a[0])?;
    audit::tell(t, "socket.gethostbyaddr", &[a[0]])?;
    let address = resolve(t, &name, libc::AF_UNSPEC)?;
    let family = address.family();
    let (at, len) = match family {
        libc::AF_INET => (std::mem::offset_of!(libc::sockaddr_in, sin_addr), 4),
        libc::AF_INET6 => (std::mem::offset_of!(libc::sockaddr_in6, sin6_addr), 16),
        _ => return Err(t.raise(&errors::OS_ERROR, "unsupported address family")),
    };
    host_entry(t, |entry, p, n, found, error| {
        // SAFETY: the host's part of the address, and room for the answer.
        unsafe {
            let host = address.ptr().cast::<u8>().add(at).cast();
            gethostbyaddr_r(host, len, family, entry, p, n, found, error)
        }
    })
}

fn text_arg(t: &mut Thread, v: Value, func: &str, at: usize) -> Res<CString> {
    let text = support::text(t, v, func, &at.to_string())?;
    c_string(t, text.into_bytes())
}

fn optional_text(t: &mut Thread, v: Value, func: &str) -> Res<Option<CString>> {
    if v.is_null() {
        return Ok(None);
    }
    text_arg(t, v, func, 2).map(Some)
}

pub fn getservbyname(t: &mut Thread, a: &[Value]) -> Res {
    let name = text_arg(t, a[0], "getservbyname", 1)?;
    let protocol = optional_text(t, a[1], "getservbyname")?;
    audit::tell(t, "socket.getservbyname", &[a[0], a[1]])?;
    let protocol = protocol.as_deref().map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: numbers and pointers, for which zero is a value.
    let mut entry: libc::servent = unsafe { std::mem::zeroed() };
    let mut found = std::ptr::null_mut();
    t.blocking(|| {
        // SAFETY: C strings or null, and room for the answer.
        with_room(|p, n| unsafe {
            (
                getservbyname_r(name.as_ptr(), protocol, &mut entry, p, n, &mut found),
                (),
            )
        })
    });
    if found.is_null() {
        return Err(t.raise(&errors::OS_ERROR, "service/proto not found"));
    }
    Ok(Value::int(u16::from_be(entry.s_port as u16).into()))
}

pub fn getservbyport(t: &mut Thread, a: &[Value]) -> Res {
    let port = c_int(t, a[0])?;
    let protocol = optional_text(t, a[1], "getservbyport")?;
    let Ok(port) = u16::try_from(port) else {
        return Err(t.overflow_error("getservbyport: port must be 0-65535."));
    };
    audit::tell(t, "socket.getservbyport", &[a[0], a[1]])?;
    let protocol = protocol.as_deref().map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: numbers and pointers, for which zero is a value.
    let mut entry: libc::servent = unsafe { std::mem::zeroed() };
    let mut found = std::ptr::null_mut();
    let (_, (), _room) = t.blocking(|| {
        // SAFETY: a C string or null, and room for the answer.
        with_room(|p, n| unsafe {
            let port = i32::from(port.to_be());
            (
                getservbyport_r(port, protocol, &mut entry, p, n, &mut found),
                (),
            )
        })
    });
    if found.is_null() {
        return Err(t.raise(&errors::OS_ERROR, "port/proto not found"));
    }
    Ok(c_text(t, entry.s_name).into())
}

pub fn getprotobyname(t: &mut Thread, a: &[Value]) -> Res {
    let name = text_arg(t, a[0], "getprotobyname", 1)?;
    // SAFETY: numbers and pointers, for which zero is a value.
    let mut entry: libc::protoent = unsafe { std::mem::zeroed() };
    let mut found = std::ptr::null_mut();
    t.blocking(|| {
        // SAFETY: a C string, and room for the answer.
        with_room(|p, n| unsafe {
            (
                getprotobyname_r(name.as_ptr(), &mut entry, p, n, &mut found),
                (),
            )
        })
    });
    if found.is_null() {
        return Err(t.raise(&errors::OS_ERROR, "protocol not found"));
    }
    Ok(Value::int(entry.p_proto.into()))
}

// --- interfaces ---

/// An interface's name: a str or a path.
pub fn interface(t: &mut Thread, v: Value) -> Res<CString> {
    let p = support::fspath(t, v)?;
    let bytes = match Str::of(p.value()) {
        Some(s) => support::fs_encode(s.as_bytes()),
        None => Bytes::of(p.value()).map(|b| b.as_slice().to_vec()),
    };
    match bytes {
        Some(bytes) => CString::new(bytes).map_err(|_| t.value_error("embedded null byte")),
        None => Err(t.value_error("embedded surrogate")),
    }
}

pub fn if_nametoindex(t: &mut Thread, a: &[Value]) -> Res {
    let name = interface(t, a[0])?;
    // SAFETY: a C string.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(t.raise(&errors::OS_ERROR, "no interface with this name")),
        n => Ok(Value::int(n.into())),
    }
}

pub fn if_indextoname(t: &mut Thread, a: &[Value]) -> Res {
    let i = proto::index(t, a[0])?;
    let index = match int::as_i64(i.value()) {
        Some(n) if n < 0 => return Err(t.value_error("Cannot convert negative int")),
        Some(n) if n <= u32::MAX.into() => n as u32,
        _ => return Err(t.overflow_error("Python int too large for C unsigned int")),
    };
    let mut name = [0 as libc::c_char; libc::IF_NAMESIZE];
    // SAFETY: room for a name.
    if unsafe { libc::if_indextoname(index, name.as_mut_ptr()) }.is_null() {
        return Err(t.os_error(support::errno(), None));
    }
    Ok(c_text(t, name.as_ptr()).into())
}

pub fn if_nameindex(t: &mut Thread, _a: &[Value]) -> Res {
    // SAFETY: always callable.
    let list = t.blocking(|| unsafe { libc::if_nameindex() } as usize) as *mut libc::if_nameindex;
    if list.is_null() {
        return Err(t.os_error(support::errno(), None));
    }
    let mut all = Vec::new();
    // SAFETY: the list ends with an entry of zeros; it is freed once.
    unsafe {
        let mut p = list;
        while (*p).if_index != 0 && !(*p).if_name.is_null() {
            let index = int_obj(t, (*p).if_index.into());
            all.push(Tuple::pair(t, index, c_text(t, (*p).if_name)));
            p = p.add(1);
        }
        libc::if_freenameindex(list);
    }
    Ok(List::from_vec(t, all).into())
}

// --- addresses as bytes ---

fn plain_text(t: &mut Thread, v: Value, func: &str) -> Res<CString> {
    text_arg(t, v, func, 1)
}

pub fn inet_aton(t: &mut Thread, a: &[Value]) -> Res {
    let text = plain_text(t, a[0], "inet_aton")?;
    let mut out = libc::in_addr { s_addr: 0 };
    unsafe extern "C" {
        fn inet_aton(text: *const libc::c_char, out: *mut libc::in_addr) -> i32;
    }
    // SAFETY: a C string, and room for an address.
    if unsafe { inet_aton(text.as_ptr(), &mut out) } == 0 {
        return Err(t.raise(
            &errors::OS_ERROR,
            "illegal IP address string passed to inet_aton",
        ));
    }
    Ok(Bytes::new(t, &out.s_addr.to_ne_bytes()).into())
}

pub fn inet_ntoa(t: &mut Thread, a: &[Value]) -> Res {
    let b = buffer::get(t, a[0])?;
    match (b.len, packed_text(b.as_bytes())) {
        (4, Some(text)) => Ok(Str::from_string(t, text).into()),
        _ => Err(t.raise(&errors::OS_ERROR, "packed IP wrong length for inet_ntoa")),
    }
}

pub fn inet_pton(t: &mut Thread, a: &[Value]) -> Res {
    let family = c_int(t, a[0])?;
    let text = text_arg(t, a[1], "inet_pton", 2)?;
    let mut out = [0u8; 16];
    // SAFETY: a C string, and room for the longest address.
    match unsafe { inet_pton_c(family, text.as_ptr(), out.as_mut_ptr().cast()) } {
        ..0 => Err(t.os_error(support::errno(), None)),
        0 => Err(t.raise(
            &errors::OS_ERROR,
            "illegal IP address string passed to inet_pton",
        )),
        _ => {
            let n = if family == libc::AF_INET { 4 } else { 16 };
            Ok(Bytes::new(t, &out[..n]).into())
        }
    }
}

pub fn inet_ntop(t: &mut Thread, a: &[Value]) -> Res {
    let family = c_int(t, a[0])?;
    let b = buffer::get(t, a[1])?;
    let n = match family {
        libc::AF_INET => 4,
        libc::AF_INET6 => 16,
        _ => return Err(t.value_error(format!("unknown address family {family}"))),
    };
    match packed_text(b.as_bytes()) {
        Some(text) if b.len == n => Ok(Str::from_string(t, text).into()),
        _ => Err(t.value_error("invalid length of packed IP address string")),
    }
}
