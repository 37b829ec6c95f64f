//! Messages with more than one buffer, and with control messages beside the data.

use super::address::{Address, parse};
use super::socket::{Socket, Wait, call, room};
use crate::support::{c_int, c_int_or, int_obj};
use weft_objects::audit;
use weft_objects::buffer::{self, Buffer};
use weft_objects::bytes::Bytes;
use weft_objects::prelude::*;

fn parts_of(held: &[Buffer]) -> Vec<libc::iovec> {
    let one = |b: &Buffer| libc::iovec {
        iov_base: b.ptr.cast(),
        iov_len: b.len,
    };
    held.iter().map(one).collect()
}

/// Room for control messages, aligned for their headers.
struct Control(Vec<u64>, usize);

impl Control {
    fn new(t: &mut Thread, bytes: usize) -> Res<Control> {
        let mut words = Vec::new();
        if words.try_reserve_exact(bytes.div_ceil(8)).is_err() {
            return Err(t.memory_error());
        }
        words.resize(bytes.div_ceil(8), 0);
        Ok(Control(words, bytes))
    }
    fn ptr(&mut self) -> *mut libc::c_void {
        match self.1 {
            0 => std::ptr::null_mut(),
            _ => self.0.as_mut_ptr().cast(),
        }
    }
}

struct Received {
    n: usize,
    control: Obj,
    flags: i32,
    address: Obj,
}

fn receive(
    t: &mut Thread,
    v: Value,
    parts: &mut [libc::iovec],
    control_size: Value,
    flags: Value,
    func: &str,
) -> Res<Received> {
    let s = Socket::this(v);
    let size = if control_size.is_null() {
        0
    } else {
        proto::index_for(t, control_size)?
    };
    let flags = c_int_or(t, flags, 0)?;
    if !(0..=i64::from(i32::MAX)).contains(&size) {
        return Err(t.value_error(format!("invalid ancillary data buffer length in {func}()")));
    }
    let mut control = Control::new(t, size as usize)?;
    let mut address = Address::room();
    // SAFETY: numbers and pointers, for which zero is a value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    let whole = address.len;
    let limit = s.limit();
    let n = call(t, s, Wait::Readable, limit, |fd| {
        header.msg_name = address.ptr_mut().cast();
        header.msg_namelen = whole;
        header.msg_iov = parts.as_mut_ptr();
        header.msg_iovlen = parts.len() as _;
        header.msg_control = control.ptr();
        header.msg_controllen = control.1 as _;
        // SAFETY: all that the header points to is valid for the call.
        unsafe { libc::recvmsg(fd, &mut header, flags) }
    })?;
    address.len = header.msg_namelen;
    Ok(Received {
        n: n as usize,
        control: controls(t, &header),
        flags: header.msg_flags,
        address: address.to_python(t),
    })
}

/// The control messages as a list of `(level, type, data)`; one that was cut off has what is there of it.
fn controls(t: &Thread, header: &libc::msghdr) -> Obj {
    let mut all = Vec::new();
    let end = header.msg_control as usize + header.msg_controllen;
    // SAFETY: the system has filled in `msg_controllen` bytes of messages; nothing beyond them is read.
    unsafe {
        let mut p = libc::CMSG_FIRSTHDR(header);
        while !p.is_null() {
            let data = libc::CMSG_DATA(p) as usize;
            let named = (p as usize).saturating_add((*p).cmsg_len as usize).min(end);
            let n = named.saturating_sub(data);
            let data = std::slice::from_raw_parts(data as *const u8, n);
            let one = vec![
                int_obj(t, (*p).cmsg_level.into()),
                int_obj(t, (*p).cmsg_type.into()),
                Bytes::new(t, data),
            ];
            all.push(Tuple::from_vec(t, one));
            p = libc::CMSG_NXTHDR(header, p);
        }
    }
    List::from_vec(t, all)
}

fn result(t: &Thread, first: Obj, r: Received) -> Value {
    let parts = vec![first, r.control, int_obj(t, r.flags.into()), r.address];
    Tuple::from_vec(t, parts).into()
}

pub fn recvmsg(t: &mut Thread, a: &[Value]) -> Res {
    let (mut data, wanted) = room(t, a[1], "recvmsg")?;
    let mut parts = [libc::iovec {
        iov_base: data.as_mut_ptr().cast(),
        iov_len: wanted,
    }];
    let r = receive(t, a[0], &mut parts, a[2], a[3], "recvmsg")?;
    // SAFETY: the system has written that many (a datagram may have been longer).
    unsafe { data.set_len(r.n.min(wanted)) };
    let data = Bytes::from_vec(t, data);
    Ok(result(t, data, r))
}

pub fn recvmsg_into(t: &mut Thread, a: &[Value]) -> Res {
    let Ok(items) = proto::to_vec(t, a[1]) else {
        if t.exc_matches(&errors::TYPE_ERROR) {
            t.clear_exc();
            return Err(t.type_error("recvmsg_into() argument 1 must be an iterable".into()));
        }
        return Err(Raised::new_unchecked());
    };
    let mut held = Vec::new();
    for item in &items {
        held.push(buffer::get_writable(t, item.value(), "", 0)?);
    }
    let mut parts = parts_of(&held);
    let r = receive(t, a[0], &mut parts, a[2], a[3], "recvmsg_into")?;
    let n = int_obj(t, r.n as i64);
    Ok(result(t, n, r))
}

/// A control message to send.
struct Message {
    level: i32,
    kind: i32,
    data: Buffer,
}

fn messages(t: &mut Thread, v: Value) -> Res<Vec<Message>> {
    if v.is_null() {
        return Ok(Vec::new());
    }
    let items = match proto::to_vec(t, v) {
        Ok(items) => items,
        Err(_) if t.exc_matches(&errors::TYPE_ERROR) => {
            t.clear_exc();
            return Err(t.type_error("sendmsg() argument 2 must be an iterable".into()));
        }
        Err(e) => return Err(e),
    };
    let mut all = Vec::new();
    for item in items {
        let shape = "[sendmsg() ancillary data items]";
        let Some(parts) = Tuple::of(item.value()).filter(|p| p.len() == 3) else {
            return Err(t.type_error(format!("{shape} must be tuples of three")));
        };
        all.push(Message {
            level: c_int(t, parts.get(0))?,
            kind: c_int(t, parts.get(1))?,
            data: buffer::get(t, parts.get(2))?,
        });
    }
    Ok(all)
}

/// Puts the messages after each other, as the system wants them.
fn pack(t: &mut Thread, all: &[Message]) -> Res<Control> {
    let mut size = 0usize;
    for m in all {
        let Ok(n) = u32::try_from(m.data.len) else {
            return Err(t.raise(&errors::OS_ERROR, "ancillary data item too large"));
        };
        if n > i32::MAX as u32 - 64 {
            return Err(t.raise(&errors::OS_ERROR, "ancillary data item too large"));
        }
        // SAFETY: a computation.
        size += unsafe { libc::CMSG_SPACE(n) } as usize;
        if size > i32::MAX as usize {
            return Err(t.raise(&errors::OS_ERROR, "too much ancillary data"));
        }
    }
    let mut control = Control::new(t, size)?;
    let mut at = control.ptr().cast::<u8>();
    for m in all {
        let n = m.data.len as u32;
        // SAFETY: the room was measured for these messages above; it is aligned for their headers, and so is each that follows.
        unsafe {
            let header = at.cast::<libc::cmsghdr>();
            (*header).cmsg_len = libc::CMSG_LEN(n) as _;
            (*header).cmsg_level = m.level;
            (*header).cmsg_type = m.kind;
            if n > 0 {
                m.data
                    .ptr
                    .copy_to_nonoverlapping(libc::CMSG_DATA(header), m.data.len);
            }
            at = at.add(libc::CMSG_SPACE(n) as usize);
        }
    }
    Ok(control)
}

pub fn sendmsg(t: &mut Thread, a: &[Value]) -> Res {
    let s = Socket::this(a[0]);
    let items = match proto::to_vec(t, a[1]) {
        Ok(items) => items,
        Err(_) if t.exc_matches(&errors::TYPE_ERROR) => {
            t.clear_exc();
            return Err(t.type_error("sendmsg() argument 1 must be an iterable".into()));
        }
        Err(e) => return Err(e),
    };
    let mut held = Vec::new();
    for item in &items {
        held.push(buffer::get(t, item.value())?);
    }
    let all = messages(t, a[2])?;
    let flags = c_int_or(t, a[3], 0)?;
    let to = if a[4].is_null() || a[4].is_none() {
        None
    } else {
        Some(parse(t, s.family(), a[4], "sendmsg")?)
    };
    audit::tell(t, "socket.sendmsg", &[a[0], a[4]])?;
    let mut control = pack(t, &all)?;
    let mut parts = parts_of(&held);
    // SAFETY: numbers and pointers, for which zero is a value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    if let Some(to) = &to {
        header.msg_name = to.ptr().cast_mut().cast();
        header.msg_namelen = to.len;
    }
    header.msg_iov = parts.as_mut_ptr();
    header.msg_iovlen = parts.len() as _;
    header.msg_control = control.ptr();
    header.msg_controllen = control.1 as _;
    let limit = s.limit();
    let n = call(t, s, Wait::Writable, limit, |fd| {
        // SAFETY: all that the header points to is valid for the call.
        unsafe { libc::sendmsg(fd, &header, flags) }
    })?;
    Ok(Value::int(n as i64))
}
