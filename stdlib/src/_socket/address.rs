//! Addresses: between what Python programs write and what the system takes.

use super::{errors, lookup};
use crate::support::{self, fs_decode, fs_encode, int_obj};
use std::ffi::{CStr, CString};
use std::net::{Ipv4Addr, Ipv6Addr};
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;
use weft_objects::{buffer, int};

/// An address as the system has it.
#[derive(Clone, Copy)]
pub struct Address {
    storage: libc::sockaddr_storage,
    pub len: libc::socklen_t,
}

impl Address {
    /// Room for any address.
    pub fn room() -> Address {
        Address {
            // SAFETY: numbers, for which zero is a value.
            storage: unsafe { std::mem::zeroed() },
            len: size_of::<libc::sockaddr_storage>() as libc::socklen_t,
        }
    }

    /// The parts: `T` is one of the system's address structures.
    fn of<T: Copy>(parts: T) -> Address {
        let mut a = Address::room();
        a.len = size_of::<T>() as libc::socklen_t;
        // SAFETY: each such structure fits into the storage, and is numbers only.
        unsafe { (&raw mut a.storage).cast::<T>().write(parts) };
        a
    }

    /// A copy of what the system points to.
    ///
    /// # Safety
    /// There are `len` bytes at `p`.
    pub unsafe fn copy(p: *const libc::sockaddr, len: libc::socklen_t) -> Address {
        let mut a = Address::room();
        a.len = len.min(a.len);
        // SAFETY: the caller's promise; it is no more than there is room for.
        unsafe {
            p.cast::<u8>()
                .copy_to_nonoverlapping((&raw mut a.storage).cast(), a.len as usize);
        }
        a
    }

    pub fn ptr(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }
    pub fn ptr_mut(&mut self) -> *mut libc::sockaddr {
        (&raw mut self.storage).cast()
    }
    pub fn family(&self) -> i32 {
        i32::from(self.storage.ss_family)
    }

    fn parts<T: Copy>(&self) -> T {
        // SAFETY: the storage is larger than any address structure, and is numbers only.
        unsafe { self.ptr().cast::<T>().read() }
    }

    fn bytes(&self) -> &[u8] {
        let room = size_of::<libc::sockaddr_storage>();
        // SAFETY: the storage's own bytes.
        unsafe {
            std::slice::from_raw_parts(
                (&raw const self.storage).cast(),
                (self.len as usize).min(room),
            )
        }
    }

    /// The host of an address of the Internet, in digits.
    pub fn host(&self, t: &Thread) -> Obj {
        let text = match self.family() {
            libc::AF_INET => {
                let a: libc::sockaddr_in = self.parts();
                Ipv4Addr::from(u32::from_be(a.sin_addr.s_addr)).to_string()
            }
            _ => {
                let a: libc::sockaddr_in6 = self.parts();
                ip6_text(a.sin6_addr.s6_addr)
            }
        };
        Str::new(t, &text)
    }

    /// As programs see it.
    pub fn to_python(self, t: &Thread) -> Obj {
        if self.len == 0 {
            return support::none();
        }
        match self.family() {
            libc::AF_INET => {
                let a: libc::sockaddr_in = self.parts();
                let port = int_obj(t, u16::from_be(a.sin_port).into());
                Tuple::pair(t, self.host(t), port)
            }
            libc::AF_INET6 => {
                let a: libc::sockaddr_in6 = self.parts();
                let parts = vec![
                    self.host(t),
                    int_obj(t, u16::from_be(a.sin6_port).into()),
                    int_obj(t, u32::from_be(a.sin6_flowinfo).into()),
                    int_obj(t, a.sin6_scope_id.into()),
                ];
                Tuple::from_vec(t, parts)
            }
            libc::AF_UNIX => self.unix_path(t),
            #[cfg(target_os = "linux")]
            libc::AF_NETLINK => {
                let a: libc::sockaddr_nl = self.parts();
                Tuple::pair(
                    t,
                    int_obj(t, a.nl_pid.into()),
                    int_obj(t, a.nl_groups.into()),
                )
            }
            #[cfg(target_os = "linux")]
            libc::AF_VSOCK => {
                let a: libc::sockaddr_vm = self.parts();
                Tuple::pair(
                    t,
                    int_obj(t, a.svm_cid.into()),
                    int_obj(t, a.svm_port.into()),
                )
            }
            #[cfg(target_os = "linux")]
            libc::AF_PACKET => self.packet(t),
            family => {
                let data = Bytes::new(t, self.bytes().get(2..).unwrap_or(&[]));
                Tuple::pair(t, int_obj(t, family.into()), data)
            }
        }
    }

    fn unix_path(&self, t: &Thread) -> Obj {
        let path = self
            .bytes()
            .get(std::mem::offset_of!(libc::sockaddr_un, sun_path)..)
            .unwrap_or(&[]);
        // A name that begins with zero is one of Linux's abstract ones.
        if cfg!(target_os = "linux") && path.first() == Some(&0) {
            return Bytes::new(t, path);
        }
        let end = memchr::memchr(0, path).unwrap_or(path.len());
        fs_decode(t, &path[..end])
    }

    #[cfg(target_os = "linux")]
    fn packet(&self, t: &Thread) -> Obj {
        let a: libc::sockaddr_ll = self.parts();
        let mut name = [0 as libc::c_char; libc::IF_NAMESIZE];
        // SAFETY: room for a name.
        let name = unsafe {
            match libc::if_indextoname(a.sll_ifindex as u32, name.as_mut_ptr()) {
                p if p.is_null() => String::new(),
                p => CStr::from_ptr(p).to_string_lossy().into_owned(),
            }
        };
        let parts = vec![
            Str::new(t, &name),
            int_obj(t, u16::from_be(a.sll_protocol).into()),
            int_obj(t, a.sll_pkttype.into()),
            int_obj(t, a.sll_hatype.into()),
            Bytes::new(t, &a.sll_addr[..usize::from(a.sll_halen).min(8)]),
        ];
        Tuple::from_vec(t, parts)
    }
}

/// An address of IPv6 in the system's words (which differ from Rust's for some addresses that hold one of IPv4).
pub fn ip6_text(a: [u8; 16]) -> String {
    let mut room = [0 as libc::c_char; 64];
    unsafe extern "C" {
        fn inet_ntop(
            family: i32,
            address: *const libc::c_void,
            room: *mut libc::c_char,
            len: libc::socklen_t,
        ) -> *const libc::c_char;
    }
    // SAFETY: an address, and room for its text.
    unsafe {
        match inet_ntop(libc::AF_INET6, a.as_ptr().cast(), room.as_mut_ptr(), 64) {
            p if p.is_null() => Ipv6Addr::from(a).to_string(),
            p => CStr::from_ptr(p).to_string_lossy().into_owned(),
        }
    }
}

/// A host's name as the system takes it: ASCII, for which others are put into IDNA.
pub fn host_name(t: &mut Thread, v: Value) -> Res<CString> {
    let bytes = match Str::of(v) {
        Some(s) if s.is_ascii() => s.as_bytes().to_vec(),
        Some(_) => {
            let name = Str::new(t, "idna");
            let encoded = proto::call_method(t, v, "encode", &[name.value()])?;
            buffer::with_bytes(t, encoded.value(), <[u8]>::to_vec)?
        }
        None if Bytes::of(v).is_some()
            || type_of(v).is_subtype(&weft_objects::bytearray::BYTEARRAY) =>
        {
            buffer::with_bytes(t, v, <[u8]>::to_vec)?
        }
        None => {
            let got = type_of(v).name();
            return Err(t.type_error(format!("str, bytes or bytearray expected, not {got}")));
        }
    };
    CString::new(bytes)
        .map_err(|_| t.type_error("host name must not contain null character".into()))
}

/// Finds the address that a host's name stands for; `family` may be unspecified.
pub fn resolve(t: &mut Thread, name: &CStr, family: i32) -> Res<Address> {
    let text = name.to_bytes();
    if text.is_empty() {
        let found = lookup::addresses(
            t,
            None,
            Some(c"0"),
            family,
            libc::SOCK_DGRAM,
            0,
            libc::AI_PASSIVE,
        )?;
        return match found.as_slice() {
            [one] => Ok(one.address),
            _ => Err(t.raise(&errors::OS_ERROR, "wildcard resolved to multiple address")),
        };
    }
    if text == b"<broadcast>" || text == b"255.255.255.255" {
        if family != libc::AF_INET && family != libc::AF_UNSPEC {
            return Err(t.raise(&errors::OS_ERROR, "address family mismatched"));
        }
        return Ok(ip4(u32::MAX, 0));
    }
    if let Ok(text) = std::str::from_utf8(text) {
        if family != libc::AF_INET6
            && let Ok(a) = text.parse::<Ipv4Addr>()
        {
            return Ok(ip4(u32::from(a), 0));
        }
        if family != libc::AF_INET
            && let Ok(a) = text.parse::<Ipv6Addr>()
        {
            return Ok(ip6(a.octets(), 0, 0, 0));
        }
    }
    let found = lookup::addresses(t, Some(name), None, family, 0, 0, 0)?;
    match found.first() {
        Some(first) => Ok(first.address),
        None => Err(t.raise(&errors::OS_ERROR, "address family mismatched")),
    }
}

fn ip4(host: u32, port: u16) -> Address {
    // SAFETY: numbers, for which zero is a value.
    let mut a: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    a.sin_family = libc::AF_INET as libc::sa_family_t;
    a.sin_addr.s_addr = host.to_be();
    a.sin_port = port.to_be();
    Address::of(a)
}

fn ip6(host: [u8; 16], port: u16, flow: u32, scope: u32) -> Address {
    // SAFETY: numbers, for which zero is a value.
    let mut a: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
    a.sin6_family = libc::AF_INET6 as libc::sa_family_t;
    a.sin6_addr.s6_addr = host;
    a.sin6_port = port.to_be();
    a.sin6_flowinfo = flow.to_be();
    a.sin6_scope_id = scope;
    Address::of(a)
}

/// The address in an argument of `func`, for a socket of this family.
pub fn parse(t: &mut Thread, family: i32, v: Value, func: &str) -> Res<Address> {
    match family {
        libc::AF_INET => parse_ip4(t, v, func),
        libc::AF_INET6 => parse_ip6(t, v, func),
        libc::AF_UNIX => parse_unix(t, v),
        #[cfg(target_os = "linux")]
        libc::AF_NETLINK => {
            let a = numbers(
                t,
                v,
                "AF_NETLINK address must be a pair (pid, groups)",
                func,
            )?;
            // SAFETY: numbers, for which zero is a value.
            let mut to: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
            to.nl_family = libc::AF_NETLINK as libc::sa_family_t;
            [to.nl_pid, to.nl_groups] = a;
            Ok(Address::of(to))
        }
        #[cfg(target_os = "linux")]
        libc::AF_VSOCK => {
            let a = numbers(
                t,
                v,
                "getsockaddrarg: AF_VSOCK address must be a pair (CID, port)",
                func,
            )?;
            // SAFETY: numbers, for which zero is a value.
            let mut to: libc::sockaddr_vm = unsafe { std::mem::zeroed() };
            to.svm_family = libc::AF_VSOCK as libc::sa_family_t;
            [to.svm_cid, to.svm_port] = a;
            Ok(Address::of(to))
        }
        #[cfg(target_os = "linux")]
        libc::AF_PACKET => parse_packet(t, v, func),
        _ => Err(t.raise(&errors::OS_ERROR, format!("{func}(): bad family"))),
    }
}

/// The items of a tuple, of which there must be between `min` and `max`.
fn items(
    t: &mut Thread,
    v: Value,
    (min, max): (usize, usize),
    kind: &str,
    shape: &str,
    func: &str,
) -> Res<Vec<Obj>> {
    let Some(tuple) = Tuple::of(v) else {
        let got = type_of(v).name();
        return Err(t.type_error(format!("{func}(): {kind} address must be tuple, not {got}")));
    };
    if !(min..=max).contains(&tuple.len()) {
        return Err(t.type_error(format!("{func}(): {shape}")));
    }
    Ok((0..tuple.len())
        .map(|i| Obj::new(t, tuple.get(i)))
        .collect())
}

fn numbers(t: &mut Thread, v: Value, shape: &str, func: &str) -> Res<[u32; 2]> {
    let kind = shape
        .split(' ')
        .find(|w| w.starts_with("AF_"))
        .unwrap_or("");
    let parts = items(t, v, (2, 2), kind, shape, func)?;
    Ok([low_u32(t, parts[0].value())?, low_u32(t, parts[1].value())?])
}

fn low_u32(t: &mut Thread, v: Value) -> Res<u32> {
    let i = proto::index(t, v)?;
    match int::as_i64(i.value()) {
        Some(n) => Ok(n as u32),
        None => Err(t.overflow_error("int too large to convert to C unsigned int")),
    }
}

fn port(t: &mut Thread, v: Value, func: &str) -> Res<u16> {
    let i = proto::index(t, v)?;
    match int::as_i64(i.value()).map(u16::try_from) {
        Some(Ok(port)) => Ok(port),
        _ => Err(t.overflow_error(format!("{func}(): port must be 0-65535."))),
    }
}

fn parse_ip4(t: &mut Thread, v: Value, func: &str) -> Res<Address> {
    let shape = "AF_INET address must be a pair (host, port)";
    let parts = items(t, v, (2, 2), "AF_INET", shape, func)?;
    let name = host_name(t, parts[0].value())?;
    let port = port(t, parts[1].value(), func)?;
    let host = resolve(t, &name, libc::AF_INET)?;
    let mut a: libc::sockaddr_in = host.parts();
    a.sin_family = libc::AF_INET as libc::sa_family_t;
    a.sin_port = port.to_be();
    Ok(Address::of(a))
}

fn parse_ip6(t: &mut Thread, v: Value, func: &str) -> Res<Address> {
    let shape = "AF_INET6 address must be a tuple (host, port[, flowinfo[, scopeid]])";
    let parts = items(t, v, (2, 4), "AF_INET6", shape, func)?;
    let name = host_name(t, parts[0].value())?;
    let port = port(t, parts[1].value(), func)?;
    let flow = match parts.get(2) {
        Some(v) => low_u32(t, v.value())?,
        None => 0,
    };
    let scope = match parts.get(3) {
        Some(v) => low_u32(t, v.value())?,
        None => 0,
    };
    if flow > 0xfffff {
        return Err(t.overflow_error(format!("{func}(): flowinfo must be 0-1048575.")));
    }
    let host = resolve(t, &name, libc::AF_INET6)?;
    let mut a: libc::sockaddr_in6 = host.parts();
    a.sin6_family = libc::AF_INET6 as libc::sa_family_t;
    a.sin6_port = port.to_be();
    a.sin6_flowinfo = flow.to_be();
    if scope != 0 {
        a.sin6_scope_id = scope;
    }
    Ok(Address::of(a))
}

fn parse_unix(t: &mut Thread, v: Value) -> Res<Address> {
    let path = match Str::of(v) {
        Some(s) => match fs_encode(s.as_bytes()) {
            Some(bytes) => bytes,
            None => {
                let e = errors::unicode_encode_error(
                    t,
                    "utf-8",
                    Obj::new(t, v),
                    0,
                    1,
                    "surrogates not allowed",
                );
                return Err(t.raise_value(e));
            }
        },
        None => buffer::with_bytes(t, v, <[u8]>::to_vec)?,
    };
    // SAFETY: numbers, for which zero is a value.
    let mut a: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    a.sun_family = libc::AF_UNIX as libc::sa_family_t;
    let hidden = cfg!(target_os = "linux") && path.first().is_none_or(|b| *b == 0);
    // Names in the file system end with a zero.
    let room = a.sun_path.len() - usize::from(!hidden);
    if path.len() > room {
        return Err(t.raise(&errors::OS_ERROR, "AF_UNIX path too long"));
    }
    for (to, from) in a.sun_path.iter_mut().zip(&path) {
        *to = *from as libc::c_char;
    }
    let len = std::mem::offset_of!(libc::sockaddr_un, sun_path) + path.len() + usize::from(!hidden);
    let mut a = Address::of(a);
    a.len = len as libc::socklen_t;
    Ok(a)
}

#[cfg(target_os = "linux")]
fn parse_packet(t: &mut Thread, v: Value, func: &str) -> Res<Address> {
    let shape = "AF_PACKET address must be a tuple of two to five elements (ifname, proto[, pkttype[, hatype[, addr]]])";
    let parts = items(t, v, (2, 5), "AF_PACKET", shape, func)?;
    let name = lookup::interface(t, parts[0].value())?;
    let protocol = low_u32(t, parts[1].value())?;
    if protocol > 0xffff {
        return Err(t.overflow_error(format!("{func}(): proto must be 0-65535.")));
    }
    // SAFETY: numbers, for which zero is a value.
    let mut a: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    a.sll_family = libc::AF_PACKET as libc::sa_family_t;
    a.sll_protocol = (protocol as u16).to_be();
    // SAFETY: a C string.
    a.sll_ifindex = unsafe { libc::if_nametoindex(name.as_ptr()) } as i32;
    if a.sll_ifindex == 0 {
        return Err(t.os_error(support::errno(), None));
    }
    if let Some(v) = parts.get(2) {
        a.sll_pkttype = support::c_int(t, v.value())? as u8;
    }
    if let Some(v) = parts.get(3) {
        a.sll_hatype = support::c_int(t, v.value())? as u16;
    }
    if let Some(v) = parts.get(4) {
        let hard = buffer::with_bytes(t, v.value(), <[u8]>::to_vec)?;
        if hard.len() > 8 {
            return Err(t.value_error("hardware address must be 8 bytes or less"));
        }
        a.sll_halen = hard.len() as u8;
        a.sll_addr[..hard.len()].copy_from_slice(&hard);
    }
    Ok(Address::of(a))
}
