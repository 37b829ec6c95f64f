//! `mmap`: files and fresh memory, mapped into the address space.

use crate::support::{self, Guarded, add, add_ints, c_int, c_int_or};
use std::sync::atomic::{AtomicUsize, Ordering::*};
use weft_objects::audit;
use weft_objects::buffer::{self, Buffer};
use weft_objects::bytes::Bytes;
use weft_objects::cell;
use weft_objects::int;
use weft_objects::prelude::*;
use weft_objects::str::index::{self, Key};

const ACCESS_DEFAULT: i32 = 0;
const ACCESS_READ: i32 = 1;
const ACCESS_WRITE: i32 = 2;
const ACCESS_COPY: i32 = 3;

/// What is mapped. Touched under the object's lock.
struct Map {
    at: *mut u8,
    len: usize,
    pos: usize,
    offset: i64,
    /// A descriptor of its own, -1 for none.
    fd: i32,
    access: i32,
    flags: i32,
    /// No descriptor was to be kept.
    untracked: bool,
}

impl Map {
    fn bytes(&self) -> &[u8] {
        // SAFETY: the memory is mapped as long as this is.
        unsafe { std::slice::from_raw_parts(self.at, self.len) }
    }
    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above; callers have checked that it may be written to.
        unsafe { std::slice::from_raw_parts_mut(self.at, self.len) }
    }
    fn writable(&self) -> bool {
        self.access != ACCESS_READ
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and nobody has views of it: see `close` and `resize`.
        unsafe {
            libc::munmap(self.at.cast(), self.len);
            if self.fd >= 0 {
                libc::close(self.fd);
            }
        }
    }
}

#[repr(C)]
struct Mmap {
    header: Header,
    /// `None` once closed.
    map: Guarded<Option<Map>>,
    exports: AtomicUsize,
}

unsafe fn clear(h: *mut Header, _t: &Thread) {
    // SAFETY: a dying object of this type; views hold a reference, so there are none.
    drop(unsafe { (*(h as *mut Mmap)).map.take() });
}

/// Why something cannot be done.
enum Refused {
    Closed,
    ReadOnly,
    Value(&'static str),
    Index(&'static str),
    Type(&'static str),
    Buffer(&'static str),
    System(i32),
}

fn raise(t: &mut Thread, r: Refused) -> Raised {
    match r {
        Refused::Closed => t.value_error("mmap closed or invalid"),
        Refused::ReadOnly => t.type_error("mmap can't modify a readonly memory map.".into()),
        Refused::Value(msg) => t.value_error(msg),
        Refused::Index(msg) => t.index_error(msg),
        Refused::Type(msg) => t.type_error(msg.into()),
        Refused::Buffer(msg) => t.raise(&errors::BUFFER_ERROR, msg),
        Refused::System(e) => t.os_error(e, None),
    }
}

impl Mmap {
    fn this<'a>(v: Value) -> &'a Mmap {
        // SAFETY: called with instances of MMAP alone.
        unsafe { &*(v.ptr() as *const Mmap) }
    }

    /// Runs `f` with the map, under the object's lock.
    fn with<R>(&self, t: &mut Thread, f: impl FnOnce(&mut Map) -> Result<R, Refused>) -> Res<R> {
        let r = {
            let guard = lock(t, &self.header);
            match self.map.get(&guard) {
                Some(map) => f(map),
                None => Err(Refused::Closed),
            }
        };
        r.map_err(|e| raise(t, e))
    }

    /// The same for what writes.
    fn change<R>(&self, t: &mut Thread, f: impl FnOnce(&mut Map) -> Result<R, Refused>) -> Res<R> {
        self.with(t, |m| {
            if m.writable() {
                f(m)
            } else {
                Err(Refused::ReadOnly)
            }
        })
    }

    fn len(&self, t: &mut Thread) -> Res<usize> {
        self.with(t, |m| Ok(m.len))
    }
}

// --- making ---

/// What `access`, `flags` and `prot` come to.
fn modes(t: &mut Thread, flags: i32, prot: i32, access: i32) -> Res<(i32, i32, i32)> {
    let (read, write) = (libc::PROT_READ, libc::PROT_WRITE);
    if access != ACCESS_DEFAULT && (flags != libc::MAP_SHARED || prot != read | write) {
        return Err(t.value_error("mmap can't specify both access and flags, prot."));
    }
    Ok(match access {
        ACCESS_READ => (libc::MAP_SHARED, read, ACCESS_READ),
        ACCESS_WRITE => (libc::MAP_SHARED, read | write, ACCESS_WRITE),
        ACCESS_COPY => (libc::MAP_PRIVATE, read | write, ACCESS_COPY),
        ACCESS_DEFAULT if prot & read != 0 && prot & write != 0 => (flags, prot, ACCESS_DEFAULT),
        ACCESS_DEFAULT if prot & write != 0 => (flags, prot, ACCESS_WRITE),
        ACCESS_DEFAULT => (flags, prot, ACCESS_READ),
        _ => return Err(t.value_error("mmap invalid access parameter.")),
    })
}

/// How much of a file is to be mapped.
fn extent(t: &mut Thread, fd: i32, len: usize, offset: i64) -> Res<usize> {
    // SAFETY: numbers, for which zero is a value; room for the answer.
    let (known, stat) = unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        (libc::fstat(fd, &mut stat) == 0, stat)
    };
    if !known || stat.st_mode & libc::S_IFMT != libc::S_IFREG {
        return Ok(len);
    }
    let size = stat.st_size;
    if len == 0 {
        if size == 0 {
            return Err(t.value_error("cannot mmap an empty file"));
        }
        if offset >= size {
            return Err(t.value_error("mmap offset is greater than file size"));
        }
        return Ok((size - offset) as usize);
    }
    if offset > size || ((size - offset) as usize) < len {
        return Err(t.value_error("mmap length is greater than file size"));
    }
    Ok(len)
}

fn new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    static SIG: SigCell = SigCell::new(
        "mmap",
        "(fileno, length, flags=1, prot=3, access=0, offset=0, *, trackfd=True)",
    );
    let a = SIG.bind(t, args)?;
    let fd = c_int(t, a[0])?;
    let len = index::size(t, a[1])?;
    let flags = c_int_or(t, a[2], libc::MAP_SHARED)?;
    let prot = c_int_or(t, a[3], libc::PROT_READ | libc::PROT_WRITE)?;
    let access = c_int_or(t, a[4], ACCESS_DEFAULT)?;
    let offset = index::size_or(t, a[5], 0)? as i64;
    let track = support::truth_or(t, a[6], true)?;
    if len < 0 {
        return Err(t.overflow_error("memory mapped length must be positive"));
    }
    if offset < 0 {
        return Err(t.overflow_error("memory mapped offset must be positive"));
    }
    let length = int::from_i64(t, len as i64);
    audit::tell(
        t,
        "mmap.__new__",
        &[a[0], length, Value::int(access.into()), a[5]],
    )?;
    let (mut flags, prot, access) = modes(t, flags, prot, access)?;
    let mut len = len as usize;
    let mut own = -1;
    if fd == -1 {
        flags |= libc::MAP_ANONYMOUS;
    } else {
        len = extent(t, fd, len, offset)?;
        if track {
            // SAFETY: a plain system call.
            own = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) };
            if own < 0 {
                return Err(t.os_error(support::errno(), None));
            }
        }
    }
    // SAFETY: the system chooses a place that is free.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), len, prot, flags, fd, offset) };
    if at == libc::MAP_FAILED {
        let e = support::errno();
        if own >= 0 {
            // SAFETY: duplicated above.
            unsafe { libc::close(own) };
        }
        return Err(t.os_error(e, None));
    }
    let map = Map {
        at: at.cast(),
        len,
        pos: 0,
        offset,
        fd: own,
        access,
        flags,
        untracked: !track,
    };
    // SAFETY: the layout of the type and its subclasses.
    let (o, m) = unsafe { cell::fresh::<Mmap>(t, Type::of_unchecked(cls)) };
    m.map.init(Some(map));
    Ok(o.into())
}

fn close(t: &mut Thread, a: &[Value]) -> Res {
    let m = Mmap::this(a[0]);
    let taken = {
        let guard = lock(t, &m.header);
        let map = m.map.get(&guard);
        if map.is_some() && m.exports.load(Acquire) > 0 {
            Err(Refused::Buffer("cannot close exported pointers exist"))
        } else {
            Ok(map.take())
        }
    };
    match taken {
        Ok(map) => {
            drop(map);
            Ok(Value::NONE)
        }
        Err(e) => Err(raise(t, e)),
    }
}

fn is_closed(t: &Thread, v: Value) -> bool {
    let m = Mmap::this(v);
    let guard = lock(t, &m.header);
    m.map.get(&guard).is_none()
}

fn repr(t: &mut Thread, v: Value) -> Res {
    let name = type_of(v).full_name(t);
    let m = Mmap::this(v);
    let text = {
        let guard = lock(t, &m.header);
        match m.map.get(&guard) {
            None => format!("<{name} closed=True>"),
            Some(m) => {
                let access = match m.access {
                    ACCESS_READ => "ACCESS_READ",
                    ACCESS_WRITE => "ACCESS_WRITE",
                    ACCESS_COPY => "ACCESS_COPY",
                    _ => "ACCESS_DEFAULT",
                };
                let (len, pos, offset) = (m.len, m.pos, m.offset);
                format!(
                    "<{name} closed=False, access={access}, length={len}, pos={pos}, offset={offset}>"
                )
            }
        }
    };
    Ok(Str::from_string(t, text).into())
}

fn get_buffer(t: &mut Thread, v: Value, writable: bool) -> Res<Buffer> {
    let m = Mmap::this(v);
    let (at, len, readonly) = m.with(t, |map| {
        if writable && !map.writable() {
            return Err(Refused::Buffer("Object is not writable."));
        }
        m.exports.fetch_add(1, AcqRel);
        Ok((map.at, map.len, !map.writable()))
    })?;
    Ok(Buffer::new(
        Obj::new(t, v),
        at,
        len,
        readonly,
        Some(release),
    ))
}

fn release(h: &Header) {
    // SAFETY: only buffers of maps have this function.
    unsafe {
        (*(h as *const Header as *const Mmap))
            .exports
            .fetch_sub(1, AcqRel)
    };
}

// --- as a sequence ---

fn key(t: &mut Thread, m: &Mmap, k: Value) -> Res<Key> {
    let len = m.len(t)?;
    if !index::has_index(k) && weft_objects::slice::Slice::of(k).is_none() {
        return Err(t.type_error("mmap indices must be integers".into()));
    }
    index::key(t, k, len, "mmap")
}

const RANGE: Refused = Refused::Index("mmap index out of range");

/// Iterating gives bytes of length one.
fn item(t: &mut Thread, v: Value, k: Value) -> Res {
    let i = proto::index_i64(t, k)? as usize;
    let b = Mmap::this(v).with(t, |m| m.bytes().get(i).copied().ok_or(RANGE))?;
    Ok(Bytes::new(t, &[b]).into())
}

fn get_item(t: &mut Thread, v: Value, k: Value) -> Res {
    let m = Mmap::this(v);
    match key(t, m, k)? {
        Key::At(i) => {
            let b = m.with(t, |m| m.bytes().get(i).copied().ok_or(RANGE))?;
            Ok(Value::int(b.into()))
        }
        Key::Span(start, step, n) => {
            weft_objects::memory::room(t, n)?;
            let part = m.with(t, |m| {
                let bytes = m.bytes();
                let all = Key::indexes(start, step, n);
                // Another thread may have made it shorter meanwhile.
                Ok(match step {
                    1 => bytes
                        .get(start as usize..start as usize + n)
                        .unwrap_or_default()
                        .to_vec(),
                    _ => all.filter_map(|i| bytes.get(i).copied()).collect(),
                })
            })?;
            Ok(Bytes::from_vec(t, part).into())
        }
    }
}

fn set_item(t: &mut Thread, v: Value, k: Value, new: Value) -> Res<()> {
    let m = Mmap::this(v);
    m.change(t, |_| Ok(()))?;
    match key(t, m, k)? {
        Key::At(_) if new.is_null() => {
            Err(t.type_error("mmap doesn't support item deletion".into()))
        }
        Key::Span(..) if new.is_null() => {
            Err(t.type_error("mmap object doesn't support slice deletion".into()))
        }
        Key::At(i) => {
            if !index::has_index(new) {
                return Err(t.type_error("mmap item value must be an int".into()));
            }
            let n = proto::index_i64(t, new);
            let Ok(Ok(b)) = n.map(u8::try_from) else {
                t.clear_exc();
                return Err(t.value_error("mmap item value must be in range(0, 256)"));
            };
            m.change(t, |m| match m.bytes_mut().get_mut(i) {
                Some(to) => {
                    *to = b;
                    Ok(())
                }
                None => Err(RANGE),
            })
        }
        Key::Span(start, step, n) => {
            let new = buffer::with_bytes(t, new, <[u8]>::to_vec)?;
            if new.len() != n {
                return Err(t.index_error("mmap slice assignment is wrong size"));
            }
            m.change(t, |m| {
                let bytes = m.bytes_mut();
                for (i, b) in Key::indexes(start, step, n).zip(new) {
                    *bytes.get_mut(i).ok_or(RANGE)? = b;
                }
                Ok(())
            })
        }
    }
}

// --- as a file ---

fn read(t: &mut Thread, a: &[Value]) -> Res {
    let n = if a[1].is_null() || a[1].is_none() {
        -1
    } else {
        index::size(t, a[1])?
    };
    let part = Mmap::this(a[0]).with(t, |m| {
        let left = m.len.saturating_sub(m.pos);
        let n = if n < 0 { left } else { left.min(n as usize) };
        let from = m.pos.min(m.len);
        m.pos += n;
        Ok(m.bytes()[from..from + n].to_vec())
    })?;
    Ok(Bytes::from_vec(t, part).into())
}

fn readline(t: &mut Thread, a: &[Value]) -> Res {
    let line = Mmap::this(a[0]).with(t, |m| {
        let rest = m.bytes().get(m.pos..).unwrap_or_default();
        let n = memchr::memchr(b'\n', rest).map_or(rest.len(), |i| i + 1);
        let line = rest[..n].to_vec();
        m.pos += n;
        Ok(line)
    })?;
    Ok(Bytes::from_vec(t, line).into())
}

fn read_byte(t: &mut Thread, a: &[Value]) -> Res {
    let b = Mmap::this(a[0]).with(t, |m| match m.bytes().get(m.pos).copied() {
        Some(b) => {
            m.pos += 1;
            Ok(b)
        }
        None => Err(Refused::Value("read byte out of range")),
    })?;
    Ok(Value::int(b.into()))
}

fn write(t: &mut Thread, a: &[Value]) -> Res {
    let data = buffer::with_bytes(t, a[1], <[u8]>::to_vec)?;
    let n = data.len();
    Mmap::this(a[0]).change(t, |m| {
        let pos = m.pos;
        match m.bytes_mut().get_mut(pos..pos.saturating_add(n)) {
            Some(to) => to.copy_from_slice(&data),
            None => return Err(Refused::Value("data out of range")),
        }
        m.pos += n;
        Ok(())
    })?;
    Ok(int::from_usize(t, n))
}

fn write_byte(t: &mut Thread, a: &[Value]) -> Res {
    let n = proto::index_i64(t, a[1])?;
    let b = match n {
        n if n < 0 => return Err(t.overflow_error("unsigned byte integer is less than minimum")),
        n if n > 255 => {
            return Err(t.overflow_error("unsigned byte integer is greater than maximum"));
        }
        n => n as u8,
    };
    Mmap::this(a[0]).change(t, |m| {
        let pos = m.pos;
        match m.bytes_mut().get_mut(pos) {
            Some(to) => *to = b,
            None => return Err(Refused::Value("write byte out of range")),
        }
        m.pos += 1;
        Ok(())
    })?;
    Ok(Value::NONE)
}

fn seek(t: &mut Thread, a: &[Value]) -> Res {
    let by = index::size(t, a[1])? as i128;
    let how = c_int_or(t, a[2], 0)?;
    let pos = Mmap::this(a[0]).with(t, |m| {
        let to = match how {
            0 => by,
            1 => m.pos as i128 + by,
            2 => m.len as i128 + by,
            _ => return Err(Refused::Value("unknown seek type")),
        };
        if to < 0 || to > m.len as i128 {
            return Err(Refused::Value("seek out of range"));
        }
        m.pos = to as usize;
        Ok(m.pos)
    })?;
    Ok(int::from_usize(t, pos))
}

fn tell(t: &mut Thread, a: &[Value]) -> Res {
    let pos = Mmap::this(a[0]).with(t, |m| Ok(m.pos))?;
    Ok(int::from_usize(t, pos))
}

fn size(t: &mut Thread, a: &[Value]) -> Res {
    let n = Mmap::this(a[0]).with(t, |m| {
        // SAFETY: numbers, for which zero is a value; room for the answer.
        unsafe {
            let mut stat: libc::stat = std::mem::zeroed();
            match libc::fstat(m.fd, &mut stat) {
                0 => Ok(stat.st_size),
                _ => Err(Refused::System(support::errno())),
            }
        }
    })?;
    Ok(int::from_i64(t, n))
}

fn search(t: &mut Thread, a: &[Value], last: bool) -> Res {
    let m = Mmap::this(a[0]);
    let what = buffer::with_bytes(t, a[1], <[u8]>::to_vec)?;
    let (pos, len) = m.with(t, |m| Ok((m.pos, m.len)))?;
    let bound = |t: &mut Thread, v: Value, default: usize| -> Res<usize> {
        if v.is_null() || v.is_none() {
            return Ok(default);
        }
        let i = index::size(t, v)?;
        let i = if i < 0 { i + len as isize } else { i };
        Ok((i.max(0) as usize).min(len))
    };
    let from = bound(t, a[2], pos)?;
    let to = bound(t, a[3], len)?;
    let found = m.with(t, |m| {
        let Some(part) = m.bytes().get(from..to.min(m.len)) else {
            return Ok(None);
        };
        let found = match last {
            true => memchr::memmem::rfind(part, &what),
            false => memchr::memmem::find(part, &what),
        };
        Ok(found.map(|i| i + from))
    })?;
    Ok(found.map_or(Value::int(-1), |i| int::from_usize(t, i)))
}

fn move_(t: &mut Thread, a: &[Value]) -> Res {
    let mut numbers = [0usize; 3];
    let wrong = "source, destination, or count out of range";
    for (n, v) in numbers.iter_mut().zip(&a[1..4]) {
        let Ok(i) = usize::try_from(index::size(t, *v)?) else {
            return Err(t.value_error(wrong));
        };
        *n = i;
    }
    let [to, from, n] = numbers;
    Mmap::this(a[0]).change(t, |m| {
        let fits = |at: usize| at.checked_add(n).is_some_and(|end| end <= m.len);
        if !fits(to) || !fits(from) {
            return Err(Refused::Value(wrong));
        }
        m.bytes_mut().copy_within(from..from + n, to);
        Ok(())
    })?;
    Ok(Value::NONE)
}

fn flush(t: &mut Thread, a: &[Value]) -> Res {
    let m = Mmap::this(a[0]);
    let len = m.len(t)?;
    let offset = index::size_or(t, a[1], 0)?;
    let n = if a[2].is_null() || a[2].is_none() {
        len as isize - offset
    } else {
        index::size(t, a[2])?
    };
    let wrong = Refused::Value("flush values out of range");
    m.with(t, |m| {
        let end = (offset as usize).checked_add(n as usize);
        if offset < 0 || n < 0 || end.is_none_or(|end| end > m.len) {
            return Err(wrong);
        }
        if m.access == ACCESS_READ || m.access == ACCESS_COPY {
            return Ok(());
        }
        // SAFETY: part of the map.
        match unsafe { libc::msync(m.at.add(offset as usize).cast(), n as usize, libc::MS_SYNC) } {
            0 => Ok(()),
            _ => Err(Refused::System(support::errno())),
        }
    })?;
    Ok(Value::NONE)
}

fn madvise(t: &mut Thread, a: &[Value]) -> Res {
    let m = Mmap::this(a[0]);
    let len = m.len(t)?;
    let advice = c_int(t, a[1])?;
    let start = index::size_or(t, a[2], 0)?;
    let n = if a[3].is_null() || a[3].is_none() {
        len as isize
    } else {
        index::size(t, a[3])?
    };
    if start < 0 || start as usize >= len {
        return Err(t.value_error("madvise start out of bounds"));
    }
    if n < 0 {
        return Err(t.value_error("madvise length invalid"));
    }
    if isize::MAX - start < n {
        return Err(t.overflow_error("madvise length too large"));
    }
    m.with(t, |m| {
        let start = (start as usize).min(m.len);
        let n = (n as usize).min(m.len - start);
        // SAFETY: part of the map. (Advice that drops contents is what the program asks for.)
        match unsafe { libc::madvise(m.at.add(start).cast(), n, advice) } {
            0 => Ok(()),
            _ => Err(Refused::System(support::errno())),
        }
    })?;
    Ok(Value::NONE)
}

#[cfg(target_os = "linux")]
fn resize(t: &mut Thread, a: &[Value]) -> Res {
    let this = Mmap::this(a[0]);
    let new = index::size(t, a[1])?;
    let exports = &this.exports;
    let open = this.with(t, |m| {
        if exports.load(Acquire) > 0 {
            return Err(Refused::Buffer(
                "mmap can't resize with extant buffers exported.",
            ));
        }
        if m.untracked {
            return Err(Refused::Value("mmap can't resize with trackfd=False."));
        }
        if m.access == ACCESS_READ || m.access == ACCESS_COPY {
            return Err(Refused::Type(
                "mmap can't resize a readonly or copy-on-write memory map.",
            ));
        }
        if new < 0 || m.offset.checked_add(new as i64).is_none() {
            return Err(Refused::Value("new size out of range"));
        }
        if m.fd < 0 && m.flags & libc::MAP_PRIVATE == 0 && new as usize > m.len {
            return Err(Refused::Value(
                "mmap: can't expand a shared anonymous mapping",
            ));
        }
        // SAFETY: the file and the map are this object's, and nobody has views of the memory.
        unsafe {
            if m.fd >= 0 && libc::ftruncate(m.fd, m.offset + new as i64) < 0 {
                return Err(Refused::System(support::errno()));
            }
            let at = libc::mremap(m.at.cast(), m.len, new as usize, libc::MREMAP_MAYMOVE);
            if at == libc::MAP_FAILED {
                return Err(Refused::System(support::errno()));
            }
            m.at = at.cast();
            m.len = new as usize;
        }
        Ok(())
    });
    open.map(|()| Value::NONE)
}

fn enter(t: &mut Thread, a: &[Value]) -> Res {
    Mmap::this(a[0]).len(t)?;
    Ok(Obj::new(t, a[0]).into())
}

/// `mmap.mmap`
static MMAP: Type = Type::builtin(
    "mmap",
    size_of::<Mmap>(),
    &Spec {
        new: Some(new),
        repr: Some(repr),
        len: Some(|t, v| Mmap::this(v).len(t)),
        get_item: Some(get_item),
        item: Some(item),
        set_item: Some(set_item),
        buffer: Some(get_buffer),
        methods: &[
            NativeDef::new("close", "($self, /)", close),
            NativeDef::new("find", "($self, view, start=None, end=None, /)", |t, a| {
                search(t, a, false)
            }),
            NativeDef::new("rfind", "($self, view, start=None, end=None, /)", |t, a| {
                search(t, a, true)
            }),
            NativeDef::new("flush", "($self, offset=0, size=None, /)", flush),
            NativeDef::new("madvise", "($self, option, start=0, length=None, /)", madvise),
            NativeDef::new("move", "($self, dest, src, count, /)", move_),
            NativeDef::new("read", "($self, n=None, /)", read),
            NativeDef::new("read_byte", "($self, /)", read_byte),
            NativeDef::new("readline", "($self, /)", readline),
            #[cfg(target_os = "linux")]
            NativeDef::new("resize", "($self, newsize, /)", resize),
            NativeDef::new("seek", "($self, pos, whence=0, /)", seek),
            NativeDef::new("seekable", "($self, /)", |_, _| Ok(Value::TRUE)),
            NativeDef::new("size", "($self, /)", size),
            NativeDef::new("tell", "($self, /)", tell),
            NativeDef::new("write", "($self, bytes, /)", write),
            NativeDef::new("write_byte", "($self, byte, /)", write_byte),
            NativeDef::new("__enter__", "($self, /)", enter),
            NativeDef::new("__exit__", "($self, exc_type, exc_value, traceback, /)", close),
        ],
        getset: &[GetSetDef::ro("closed", |t, v| Ok(Value::bool(is_closed(t, v))))],
        ..Spec::EMPTY
    },
)
.clear_only(clear)
.module("mmap")
.doc("mmap(fileno, length[, flags[, prot[, access[, offset[, trackfd]]]]])\n\nMaps length bytes from the file specified by the file descriptor fileno,\nand returns a mmap object.  If length is 0, the maximum length of the map\nwill be the current size of the file when mmap is called.\nTo map anonymous memory, pass -1 as the fileno.");

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = support::module(t, "mmap", "", &[]);
    support::add_type(t, &m, &MMAP);
    add(t, &m, "error", Obj::new(t, errors::OS_ERROR.value()));
    // SAFETY: always callable.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    add_ints(
        t,
        &m,
        &[("PAGESIZE", page), ("ALLOCATIONGRANULARITY", page)],
    );
    add_ints(t, &m, INTS);
    Ok(m)
}

static INTS: &[(&str, i64)] = &[
    ("ACCESS_COPY", 0x3),
    ("ACCESS_DEFAULT", 0x0),
    ("ACCESS_READ", 0x1),
    ("ACCESS_WRITE", 0x2),
    ("MADV_DODUMP", libc::MADV_DODUMP as i64),
    ("MADV_DOFORK", libc::MADV_DOFORK as i64),
    ("MADV_DONTDUMP", libc::MADV_DONTDUMP as i64),
    ("MADV_DONTFORK", libc::MADV_DONTFORK as i64),
    ("MADV_DONTNEED", libc::MADV_DONTNEED as i64),
    ("MADV_FREE", libc::MADV_FREE as i64),
    ("MADV_HUGEPAGE", libc::MADV_HUGEPAGE as i64),
    ("MADV_HWPOISON", libc::MADV_HWPOISON as i64),
    ("MADV_MERGEABLE", libc::MADV_MERGEABLE as i64),
    ("MADV_NOHUGEPAGE", libc::MADV_NOHUGEPAGE as i64),
    ("MADV_NORMAL", libc::MADV_NORMAL as i64),
    ("MADV_RANDOM", libc::MADV_RANDOM as i64),
    ("MADV_REMOVE", libc::MADV_REMOVE as i64),
    ("MADV_SEQUENTIAL", libc::MADV_SEQUENTIAL as i64),
    ("MADV_UNMERGEABLE", libc::MADV_UNMERGEABLE as i64),
    ("MADV_WILLNEED", libc::MADV_WILLNEED as i64),
    ("MAP_32BIT", libc::MAP_32BIT as i64),
    ("MAP_ANON", libc::MAP_ANON as i64),
    ("MAP_ANONYMOUS", libc::MAP_ANONYMOUS as i64),
    ("MAP_DENYWRITE", libc::MAP_DENYWRITE as i64),
    ("MAP_EXECUTABLE", libc::MAP_EXECUTABLE as i64),
    ("MAP_NORESERVE", libc::MAP_NORESERVE as i64),
    ("MAP_POPULATE", libc::MAP_POPULATE as i64),
    ("MAP_PRIVATE", libc::MAP_PRIVATE as i64),
    ("MAP_SHARED", libc::MAP_SHARED as i64),
    ("MAP_STACK", libc::MAP_STACK as i64),
    ("PROT_EXEC", libc::PROT_EXEC as i64),
    ("PROT_READ", libc::PROT_READ as i64),
    ("PROT_WRITE", libc::PROT_WRITE as i64),
];
