//! `FileIO`: a file of the system.

use super::base::{IoBase, RAW_IO_BASE, closed_error, finalize};
use super::{offset_arg, size_arg, unsupported};
use crate::support::{self, PathOrFd, retry, retry_os};
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, Ordering::*};
use weft_objects::audit;
use weft_objects::bytes::Bytes;
use weft_objects::memory;
use weft_objects::prelude::*;
use weft_objects::types::alloc_instance;
use weft_objects::{int, runtime};

const READABLE: u32 = 1;
const WRITABLE: u32 = 2;
const APPENDING: u32 = 4;
const CREATED: u32 = 8;
const CLOSEFD: u32 = 16;
const SEEKABLE: u32 = 32;
const SEEKABLE_KNOWN: u32 = 64;
/// May be a terminal.
const CHARACTERS: u32 = 128;

/// A file descriptor as a stream.
#[repr(C)]
pub struct FileIo {
    base: IoBase,
    /// One more than the descriptor: 0 if there is none.
    fd: AtomicI32,
    flags: AtomicU32,
    block_size: AtomicU32,
    /// One more than the size when it was opened; 0: not known (any more).
    size: AtomicI64,
}

/// The file, if `v` is one whose methods are not overridden.
#[inline]
pub fn exact<'a>(v: Value) -> Option<&'a FileIo> {
    weft_objects::cast_exact(v, &FILE_IO)
}

fn this<'a>(v: Value) -> &'a FileIo {
    // SAFETY: slots and methods of FILE_IO get its instances alone.
    unsafe { &*(v.ptr() as *const FileIo) }
}

impl FileIo {
    /// The descriptor, or -1.
    #[inline]
    pub fn fd(&self) -> i32 {
        self.fd.load(Acquire) - 1
    }
    fn has(&self, flag: u32) -> bool {
        self.flags.load(Relaxed) & flag != 0
    }

    /// The descriptor for an operation; ValueError if the file is closed, UnsupportedOperation without the flag.
    #[inline]
    fn open_for(&self, t: &mut Thread, flag: u32) -> Res<i32> {
        let fd = self.fd();
        if fd < 0 {
            return Err(closed_error(t));
        }
        if flag != 0 && !self.has(flag) {
            let how = if flag == READABLE {
                "reading"
            } else {
                "writing"
            };
            return Err(unsupported(t, &format!("File not open for {how}")));
        }
        Ok(fd)
    }

    /// Reads up to `n` bytes at the end of `out`. `None`: would block.
    pub fn read_some(&self, t: &mut Thread, out: &mut Vec<u8>, n: usize) -> Res<Option<usize>> {
        let fd = self.open_for(t, READABLE)?;
        memory::spare(t, out, n)?;
        let start = out.len();
        let p = out.spare_capacity_mut().as_mut_ptr();
        // SAFETY: room for `n` bytes has been reserved.
        match retry(t, || unsafe { libc::read(fd, p.cast(), n) })? {
            Ok(got) => {
                // SAFETY: the system has written that many.
                unsafe { out.set_len(start + got as usize) };
                Ok(Some(got as usize))
            }
            Err(e) if e == libc::EAGAIN || e == libc::EWOULDBLOCK => Ok(None),
            Err(e) => Err(t.os_error(e, None)),
        }
    }

    /// Writes some of the bytes. `None`: would block.
    pub fn write_some(&self, t: &mut Thread, bytes: &[u8]) -> Res<Option<usize>> {
        let fd = self.open_for(t, WRITABLE)?;
        let n = bytes.len().min(0x7fff_f000);
        // SAFETY: the bytes are there for the length of the call.
        match retry(t, || unsafe { libc::write(fd, bytes.as_ptr().cast(), n) })? {
            Ok(done) => Ok(Some(done as usize)),
            Err(e) if e == libc::EAGAIN || e == libc::EWOULDBLOCK => Ok(None),
            Err(e) => Err(t.os_error(e, None)),
        }
    }

    fn read_all(&self, t: &mut Thread) -> Res<Option<Vec<u8>>> {
        let fd = self.open_for(t, READABLE)?;
        // What was known when the file was opened is a good guess the first time.
        let size = match self.size.swap(0, Relaxed) {
            0 => {
                // SAFETY: only asks.
                unsafe {
                    let mut st: libc::stat = std::mem::zeroed();
                    if libc::fstat(fd, &mut st) == 0 {
                        st.st_size as i64
                    } else {
                        0
                    }
                }
            }
            n => n - 1,
        };
        let at = if size > 65536 {
            // SAFETY: only asks.
            unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) as i64 }
        } else {
            0
        };
        let mut step = if size > at && at >= 0 {
            ((size - at) as usize + 1).min(1 << 30)
        } else {
            8192
        };
        let mut out = Vec::new();
        loop {
            match self.read_some(t, &mut out, step)? {
                Some(0) => return Ok(Some(out)),
                Some(_) => {}
                None if out.is_empty() => return Ok(None),
                None => return Ok(Some(out)),
            }
            if out.len() > step / 2 {
                step = (out.len() / 2).clamp(8192, 8 << 20);
            }
        }
    }

    /// Moves the position.
    pub fn seek_to(&self, t: &mut Thread, offset: i64, whence: i32) -> Res<i64> {
        let fd = self.open_for(t, 0)?;
        // SAFETY: only numbers.
        let r = retry_os(t, || unsafe {
            libc::lseek(fd, offset as libc::off_t, whence) as isize
        })?;
        Ok(r as i64)
    }
}

/// Whether a raw stream is a terminal, without asking Python.
pub fn is_terminal(v: Value) -> bool {
    // SAFETY: only asks.
    exact(v)
        .is_some_and(|f| f.fd() >= 0 && f.has(CHARACTERS) && unsafe { libc::isatty(f.fd()) } == 1)
}

/// The size that the system likes to read a file by.
pub fn block_size(v: Value) -> usize {
    let n = exact(v).map_or(0, |f| f.block_size.load(Relaxed) as usize);
    if n > 1 {
        n.max(super::DEFAULT_BUFFER_SIZE)
    } else {
        super::DEFAULT_BUFFER_SIZE
    }
}

fn new(t: &mut Thread, cls: Value, _args: Args<'_>) -> Res {
    Ok(Value::from_ptr(alloc_instance(t, Type::of_unchecked(cls))))
}

fn parse_mode(t: &mut Thread, mode: &str) -> Res<(i32, u32)> {
    let (mut kind, mut plus, mut open, mut flags) = (false, false, 0, 0);
    let bad = |t: &mut Thread| {
        t.value_error("Must have exactly one of create/read/write/append mode and at most one plus")
    };
    for c in mode.chars() {
        match c {
            'r' | 'w' | 'a' | 'x' if kind => return Err(bad(t)),
            'r' => flags |= READABLE,
            'w' => {
                flags |= WRITABLE;
                open |= libc::O_CREAT | libc::O_TRUNC;
            }
            'x' => {
                flags |= WRITABLE | CREATED;
                open |= libc::O_CREAT | libc::O_EXCL;
            }
            'a' => {
                flags |= WRITABLE | APPENDING;
                open |= libc::O_CREAT | libc::O_APPEND;
            }
            '+' if plus => return Err(bad(t)),
            '+' => plus = true,
            'b' => {}
            _ => return Err(t.value_error(format!("invalid mode: {mode}"))),
        }
        kind |= matches!(c, 'r' | 'w' | 'a' | 'x');
    }
    if !kind {
        return Err(bad(t));
    }
    if plus {
        flags |= READABLE | WRITABLE;
    }
    open |= match (flags & READABLE != 0, flags & WRITABLE != 0) {
        (true, true) => libc::O_RDWR,
        (true, false) => libc::O_RDONLY,
        _ => libc::O_WRONLY,
    };
    Ok((open | libc::O_CLOEXEC, flags))
}

fn init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    static SIG: SigCell = SigCell::new("FileIO", "(file, mode='r', closefd=True, opener=None)");
    let a = SIG.bind(t, args)?;
    let f = this(v);
    if f.fd() >= 0 {
        if f.has(CLOSEFD) {
            close_fd(t, f)?;
        } else {
            f.fd.store(0, Release);
        }
    }
    if a[0].is_bool() {
        let warnings = runtime::import(t, "warnings")?;
        let msg = Str::new(t, "bool is used as a file descriptor");
        proto::call_method(
            t,
            warnings.value(),
            "warn",
            &[msg.value(), errors::RUNTIME_WARNING.value()],
        )?;
    }
    let mode = if a[1].is_null() {
        "r".to_string()
    } else {
        support::text(t, a[1], "FileIO", "'mode'")?
    };
    let closefd = support::truth_or(t, a[2], true)?;
    let (open, flags) = parse_mode(t, &mode)?;
    if audit::wanted() {
        let (mode, open) = (Str::new(t, &mode), Value::int(open.into()));
        audit::tell(t, "open", &[a[0], mode.value(), open])?;
    }
    f.flags
        .store(flags | if closefd { CLOSEFD } else { 0 }, Relaxed);
    let fd = if int::is_int(a[0]) {
        let fd = support::c_int(t, a[0])?;
        if fd < 0 {
            return Err(t.value_error("negative file descriptor"));
        }
        fd
    } else {
        if !closefd {
            return Err(t.value_error("Cannot use closefd=False with file name"));
        }
        match open_file(t, a[0], open, a[3])? {
            Some(fd) => fd,
            None => return Ok(()),
        }
    };
    let own_fd = !int::is_int(a[0]);
    match look_at(t, f, fd, a[0]) {
        Ok(()) => {}
        Err(e) => {
            if own_fd {
                // SAFETY: the descriptor that has just been opened.
                unsafe { libc::close(fd) };
            }
            return Err(e);
        }
    }
    f.fd.store(fd + 1, Release);
    let name = weft_objects::id!(t, "name");
    if let Err(e) = proto::set_attr(t, v, name, a[0]) {
        if !own_fd {
            // It stays its owner's.
            f.fd.store(0, Release);
        }
        return Err(e);
    }
    if f.has(APPENDING) {
        let end = f.seek_to(t, 0, libc::SEEK_END);
        if end.is_err() {
            t.clear_exc();
        }
    }
    Ok(())
}

fn open_file(t: &mut Thread, name: Value, flags: i32, opener: Value) -> Res<Option<i32>> {
    if !opener.is_null() && !opener.is_none() {
        let r = proto::call(t, opener, &[name, Value::int(flags as i64)])?;
        if !int::is_int(r.value()) {
            return Err(t.type_error("expected integer from opener".into()));
        }
        let fd = support::c_int(t, r.value())?;
        if fd < 0 {
            return Err(t.value_error(format!("opener returned {fd}")));
        }
        // SAFETY: only a flag of the descriptor.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        return Ok(Some(fd));
    }
    let path = match support::path_or_fd(t, name, "open", "file", false) {
        Ok(PathOrFd::Path(p)) => p,
        Ok(PathOrFd::Fd(fd)) => return Ok(Some(fd)),
        Err(e) if t.exc_matches(&errors::TYPE_ERROR) => {
            let known = type_of(name)
                .lookup(t, weft_objects::id!(t, "__fspath__"))
                .is_some();
            if known {
                return Err(e);
            }
            t.clear_exc();
            let got = type_of(name).name();
            return Err(t.type_error(format!(
                "expected str, bytes or os.PathLike object, not {got}"
            )));
        }
        Err(e) if t.exc_matches(&errors::VALUE_ERROR) && !t.exc_matches(&errors::UNICODE_ERROR) => {
            t.clear_exc();
            let _ = e;
            let what = if Bytes::of(name).is_some() {
                "byte"
            } else {
                "character"
            };
            return Err(t.value_error(format!("embedded null {what}")));
        }
        Err(e) => return Err(e),
    };
    // SAFETY: a zero-terminated path.
    match retry(t, || unsafe {
        libc::open(path.c.as_ptr(), flags, 0o666) as isize
    })? {
        Ok(fd) => Ok(Some(fd as i32)),
        Err(e) => Err(t.os_error(e, Some(Obj::new(t, name)))),
    }
}

/// Refuses directories, and notes the block size.
fn look_at(t: &mut Thread, f: &FileIo, fd: i32, name: Value) -> Res<()> {
    // SAFETY: the structure is ours.
    let (r, st) = unsafe {
        let mut st: libc::stat = std::mem::zeroed();
        (libc::fstat(fd, &mut st), st)
    };
    if r != 0 {
        let e = support::errno();
        return Err(t.os_error(e, Some(Obj::new(t, name))));
    }
    if st.st_mode & libc::S_IFMT == libc::S_IFDIR {
        return Err(t.os_error(libc::EISDIR, Some(Obj::new(t, name))));
    }
    f.block_size
        .store(st.st_blksize.clamp(0, 8 << 20) as u32, Relaxed);
    f.size.store(st.st_size.max(0) + 1, Relaxed);
    if st.st_mode & libc::S_IFMT == libc::S_IFCHR {
        f.flags.fetch_or(CHARACTERS, Relaxed);
    }
    Ok(())
}

fn close_fd(t: &mut Thread, f: &FileIo) -> Res<()> {
    let fd = f.fd.swap(0, AcqRel) - 1;
    if fd < 0 {
        return Ok(());
    }
    let (r, e) = t.blocking(|| {
        // SAFETY: the descriptor was this object's alone.
        let r = unsafe { libc::close(fd) };
        (r, support::errno())
    });
    // After an interruption the descriptor is gone all the same.
    if r != 0 && e != libc::EINTR {
        return Err(t.os_error(e, None));
    }
    Ok(())
}

fn close(t: &mut Thread, a: &[Value]) -> Res {
    let f = this(a[0]);
    if f.base.finalizing.load(Relaxed) {
        warn_unclosed(t, a[0])?;
    }
    let base_close = super::base::IO_BASE.value();
    let first = proto::call_method(t, base_close, "close", &[a[0]]).map(drop);
    if !f.has(CLOSEFD) {
        f.fd.store(0, Release);
        return first.map(|()| Value::NONE);
    }
    super::both(t, first, |t| close_fd(t, f))?;
    Ok(Value::NONE)
}

/// ResourceWarning for a file that its program has not closed.
fn warn_unclosed(t: &mut Thread, source: Value) -> Res<()> {
    let f = this(source);
    if f.fd() < 0 || !f.has(CLOSEFD) || runtime::is_finalizing() {
        return Ok(());
    }
    warn_about(t, source)
}

fn warn_about(t: &mut Thread, source: Value) -> Res<()> {
    let Ok(warnings) = runtime::import(t, "warnings") else {
        t.clear_exc();
        return Ok(());
    };
    let r = proto::repr(t, source)?;
    let r = Str::of(r.value()).map_or_else(String::new, |s| s.to_string_lossy());
    let msg = Str::from_string(t, format!("unclosed file {r}"));
    let args = [
        msg.value(),
        errors::RESOURCE_WARNING.value(),
        Value::int(1),
        source,
    ];
    if proto::call_method(t, warnings.value(), "warn", &args).is_err() {
        if t.exc_matches(&errors::WARNING) {
            runtime::unraisable(t, "Exception ignored while finalizing file", Some(source));
        } else {
            t.clear_exc();
        }
    }
    Ok(())
}

fn dealloc_warn(t: &mut Thread, a: &[Value]) -> Res {
    let f = this(a[0]);
    if f.fd() >= 0 && f.has(CLOSEFD) && !runtime::is_finalizing() {
        warn_about(t, a[1])?;
        f.base.finalizing.store(false, Relaxed);
    }
    Ok(Value::NONE)
}

fn read(t: &mut Thread, a: &[Value]) -> Res {
    let f = this(a[0]);
    f.open_for(t, READABLE)?;
    let n = size_arg(t, a[1])?;
    if n < 0 {
        return readall(t, a);
    }
    let mut out = Vec::new();
    Ok(
        match f.read_some(t, &mut out, (n as usize).min(0x7fff_f000))? {
            Some(_) => Bytes::from_vec(t, out).into(),
            None => Value::NONE,
        },
    )
}

fn readall(t: &mut Thread, a: &[Value]) -> Res {
    let f = this(a[0]);
    Ok(match f.read_all(t)? {
        Some(out) => Bytes::from_vec(t, out).into(),
        None => Value::NONE,
    })
}

fn readinto(t: &mut Thread, a: &[Value]) -> Res {
    let f = this(a[0]);
    let fd = f.open_for(t, READABLE)?;
    let mut b = weft_objects::buffer::get_writable(t, a[1], "readinto", 0)?;
    let n = b.len.min(0x7fff_f000);
    let got = b.fill(t, n, |t, p| {
        // SAFETY: the view keeps the memory in place.
        let got = retry(t, || unsafe { libc::read(fd, p.cast(), n) });
        got.map_err(Err)?.map(|n| n as usize).map_err(Ok)
    });
    match got {
        Ok(got) => Ok(Value::int(got as i64)),
        Err(Err(raised)) => Err(raised),
        Err(Ok(e)) if e == libc::EAGAIN || e == libc::EWOULDBLOCK => Ok(Value::NONE),
        Err(Ok(e)) => Err(t.os_error(e, None)),
    }
}

fn write(t: &mut Thread, a: &[Value]) -> Res {
    let f = this(a[0]);
    f.open_for(t, WRITABLE)?;
    let b = super::bytes_arg(t, a[1])?;
    Ok(match f.write_some(t, b.as_bytes())? {
        Some(n) => Value::int(n as i64),
        None => Value::NONE,
    })
}

fn seek(t: &mut Thread, a: &[Value]) -> Res {
    let f = this(a[0]);
    f.open_for(t, 0)?;
    let offset = offset_arg(t, a[1])?;
    let whence = support::c_int_or(t, a[2], 0)?;
    let at = f.seek_to(t, offset, whence)?;
    Ok(int::from_i64(t, at))
}

fn tell(t: &mut Thread, a: &[Value]) -> Res {
    let at = this(a[0]).seek_to(t, 0, libc::SEEK_CUR)?;
    Ok(int::from_i64(t, at))
}

fn truncate(t: &mut Thread, a: &[Value]) -> Res {
    let f = this(a[0]);
    let fd = f.open_for(t, WRITABLE)?;
    let size = if a[1].is_null() || a[1].is_none() {
        f.seek_to(t, 0, libc::SEEK_CUR)?
    } else {
        offset_arg(t, a[1])?
    };
    // SAFETY: only numbers.
    retry_os(t, || unsafe {
        libc::ftruncate(fd, size as libc::off_t) as isize
    })?;
    Ok(int::from_i64(t, size))
}

fn seekable(t: &mut Thread, a: &[Value]) -> Res {
    let f = this(a[0]);
    let fd = f.open_for(t, 0)?;
    if !f.has(SEEKABLE_KNOWN) {
        // SAFETY: only numbers.
        let can = unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) } >= 0;
        f.flags
            .fetch_or(SEEKABLE_KNOWN | if can { SEEKABLE } else { 0 }, Relaxed);
    }
    Ok(Value::bool(f.has(SEEKABLE)))
}

fn able<const FLAG: u32>(t: &mut Thread, a: &[Value]) -> Res {
    let f = this(a[0]);
    f.open_for(t, 0)?;
    Ok(Value::bool(f.has(FLAG)))
}

fn fileno(t: &mut Thread, a: &[Value]) -> Res {
    Ok(Value::int(this(a[0]).open_for(t, 0)? as i64))
}

fn isatty(t: &mut Thread, a: &[Value]) -> Res {
    let fd = this(a[0]).open_for(t, 0)?;
    // SAFETY: only asks.
    Ok(Value::bool(unsafe { libc::isatty(fd) } == 1))
}

fn mode_of(f: &FileIo) -> &'static str {
    let plus = f.has(READABLE) && f.has(WRITABLE);
    match (f.has(CREATED), f.has(APPENDING), plus) {
        (true, _, true) => "xb+",
        (true, _, false) => "xb",
        (_, true, true) => "ab+",
        (_, true, false) => "ab",
        (_, _, true) => "rb+",
        _ if f.has(READABLE) => "rb",
        _ => "wb",
    }
}

fn repr(t: &mut Thread, v: Value) -> Res {
    let f = this(v);
    let ty = type_of(v).full_name(t);
    if f.fd() < 0 {
        return Ok(Str::from_string(t, format!("<{ty} [closed]>")).into());
    }
    let close = if f.has(CLOSEFD) { "True" } else { "False" };
    let mode = mode_of(f);
    let name = match proto::get_attr_opt(t, v, weft_objects::id!(t, "name"))? {
        Some(name) => {
            let Some(_guard) = t.repr_enter(v) else {
                return Err(t.runtime_error(format!("reentrant call inside {ty}.__repr__")));
            };
            let r = proto::repr(t, name.value())?;
            format!(
                "name={}",
                Str::of(r.value()).map_or_else(String::new, |s| s.to_string_lossy())
            )
        }
        None => format!("fd={}", f.fd()),
    };
    Ok(Str::from_string(t, format!("<{ty} {name} mode='{mode}' closefd={close}>")).into())
}

#[cold]
pub fn no_pickle(t: &mut Thread, a: &[Value]) -> Res {
    let name = type_of(a[0]).full_name(t);
    Err(t.type_error(format!("cannot pickle '{name}' instances")))
}

unsafe fn has_finalizer(h: *const Header) -> bool {
    // SAFETY: a FileIO.
    let f = unsafe { &*(h as *const FileIo) };
    f.fd() >= 0 || !std::ptr::eq(f.base.header.ty(), &FILE_IO.head)
}

/// `_io.FileIO`
pub static FILE_IO: Type = Type::builtin(
    "FileIO",
    size_of::<FileIo>(),
    &Spec {
        new: Some(new),
        init: Some(init),
        repr: Some(repr),
        finalize: Some(finalize),
        methods: &[
            NativeDef::new("read", "($self, size=-1, /)", read),
            NativeDef::new("readall", "($self, /)", readall),
            NativeDef::new("readinto", "($self, buffer, /)", readinto),
            NativeDef::new("write", "($self, b, /)", write),
            NativeDef::new("seek", "($self, pos, whence=0, /)", seek),
            NativeDef::new("tell", "($self, /)", tell),
            NativeDef::new("truncate", "($self, size=None, /)", truncate),
            NativeDef::new("close", "($self, /)", close),
            NativeDef::new("seekable", "($self, /)", seekable),
            NativeDef::new("readable", "($self, /)", able::<READABLE>),
            NativeDef::new("writable", "($self, /)", able::<WRITABLE>),
            NativeDef::new("fileno", "($self, /)", fileno),
            NativeDef::new("isatty", "($self, /)", isatty),
            NativeDef::new("_isatty_open_only", "($self, /)", isatty),
            NativeDef::new("_dealloc_warn", "($self, source, /)", dealloc_warn),
            NativeDef::new("__getstate__", "($self, /)", no_pickle),
        ],
        getset: &[
            GetSetDef::ro("closed", |_, v| Ok(Value::bool(this(v).fd() < 0))),
            GetSetDef::ro("closefd", |_, v| Ok(Value::bool(this(v).has(CLOSEFD)))),
            GetSetDef::ro("mode", |t, v| Ok(Str::intern(t, mode_of(this(v))).into())),
            GetSetDef::ro("_blksize", |_, v| {
                Ok(Value::int(i64::from(this(v).block_size.load(Relaxed))))
            }),
            super::base::FINALIZING,
        ],
        ..Spec::EMPTY
    },
)
.base(&RAW_IO_BASE)
.module("_io")
.gc(super::base::traverse_base, super::base::clear_base)
.finalizer(has_finalizer)
.doc("Open a file.");
