//! Listing directories: `listdir`, `scandir` and `DirEntry`.

use super::*;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::ffi::CStr;
use weft_objects::cell::{fresh, own};
use weft_objects::gc_slots;
use weft_objects::iter::iter_self;

/// What the system says about a name in a directory.
struct Entry {
    name: Vec<u8>,
    inode: u64,
    kind: u8,
}

/// An open directory.
struct Dir {
    dir: *mut libc::DIR,
    /// The program's descriptor shares its position: it goes back to the start.
    rewind: bool,
}

impl Dir {
    fn open(p: &Target) -> Result<Dir, i32> {
        // SAFETY: a path of ours, or a descriptor that is our own duplicate.
        let (dir, rewind) = unsafe {
            match p {
                Target::Path(p) => (libc::opendir(p.c.as_ptr()), false),
                Target::Here => (libc::opendir(c".".as_ptr()), false),
                Target::Fd(fd) => {
                    let own = libc::fcntl(*fd, libc::F_DUPFD_CLOEXEC, 0);
                    if own < 0 {
                        return Err(errno());
                    }
                    let dir = libc::fdopendir(own);
                    if dir.is_null() {
                        let e = errno();
                        libc::close(own);
                        return Err(e);
                    }
                    (dir, true)
                }
            }
        };
        if dir.is_null() {
            Err(errno())
        } else {
            Ok(Dir { dir, rewind })
        }
    }

    /// The next name that is not `.` or `..`.
    fn next(&mut self) -> Result<Option<Entry>, i32> {
        loop {
            names::set_errno(0);
            // SAFETY: the directory is open, and only we read it; the record stays until the next call.
            let (name, record) = unsafe {
                let record = libc::readdir(self.dir);
                if record.is_null() {
                    return match errno() {
                        0 => Ok(None),
                        e => Err(e),
                    };
                }
                (
                    CStr::from_ptr((*record).d_name.as_ptr()).to_bytes(),
                    &*record,
                )
            };
            if name != b"." && name != b".." {
                return Ok(Some(Entry {
                    name: name.to_vec(),
                    inode: record.d_ino,
                    kind: record.d_type,
                }));
            }
        }
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // SAFETY: open until here.
        unsafe {
            if self.rewind {
                libc::rewinddir(self.dir);
            }
            libc::closedir(self.dir);
        }
    }
}

/// What is to be listed.
enum Target {
    Path(Path),
    Here,
    Fd(i32),
}

impl Target {
    fn parse(t: &mut Thread, v: Value, func: &str) -> Res<Target> {
        if v.is_null() || v.is_none() {
            return Ok(Target::Here);
        }
        let known = Str::of(v).is_some()
            || Bytes::of(v).is_some()
            || type_of(v).slots.index.is_set()
            || type_of(v)
                .lookup(t, weft_objects::id!(t, "__fspath__"))
                .is_some();
        if !known {
            let got = type_of(v).name();
            let kinds = "string, bytes, os.PathLike, integer or None";
            return Err(t.type_error(format!("{func}: path should be {kinds}, not {got}")));
        }
        Ok(match support::path_or_fd(t, v, func, "path", true)? {
            PathOrFd::Path(p) => Target::Path(p),
            PathOrFd::Fd(fd) => Target::Fd(fd),
        })
    }

    fn is_bytes(&self) -> bool {
        matches!(self, Target::Path(p) if p.is_bytes)
    }

    fn name(&self) -> Option<Obj> {
        match self {
            Target::Path(p) => p.name(),
            _ => None,
        }
    }
}

fn text(t: &Thread, name: &[u8], is_bytes: bool) -> Obj {
    if is_bytes {
        Bytes::new(t, name)
    } else {
        support::fs_decode(t, name)
    }
}

fn listdir(t: &mut Thread, a: &[Value]) -> Res {
    let p = Target::parse(t, a[0], "listdir")?;
    audit::tell(t, "os.listdir", &[a[0]])?;
    let r = t.blocking(|| {
        let mut dir = Dir::open(&p)?;
        let mut found = Vec::new();
        while let Some(e) = dir.next()? {
            found.push(e.name);
        }
        Ok(found)
    });
    match r {
        Ok(found) => {
            let found = found.iter().map(|n| text(t, n, p.is_bytes())).collect();
            Ok(List::from_vec(t, found).into())
        }
        Err(e) => Err(t.os_error(e, p.name())),
    }
}

// --- scandir ---

/// A directory that is being read, some entries ahead. It stays open until the program has seen its end.
struct Listing {
    dir: Option<Dir>,
    ahead: VecDeque<Entry>,
    ended: bool,
}

impl Listing {
    fn next(&mut self) -> Result<Option<Entry>, i32> {
        const AHEAD: usize = 64;
        if self.ahead.is_empty() && !self.ended {
            while let Some(dir) = &mut self.dir
                && self.ahead.len() < AHEAD
            {
                match dir.next() {
                    Ok(Some(e)) => self.ahead.push_back(e),
                    Ok(None) => {
                        self.ended = true;
                        break;
                    }
                    Err(e) => {
                        self.close();
                        return Err(e);
                    }
                }
            }
        }
        let next = self.ahead.pop_front();
        if next.is_none() {
            self.close();
        }
        Ok(next)
    }

    fn close(&mut self) {
        self.dir = None;
        self.ahead.clear();
    }
}

/// What a scan keeps outside of objects.
struct Scan {
    listing: Mutex<Listing>,
    /// The descriptor that is scanned, or -1.
    fd: i32,
    is_bytes: bool,
    /// What goes before the names.
    prefix: Vec<u8>,
}

/// `posix.ScandirIterator`
#[repr(C)]
struct ScandirIterator {
    header: Header,
    /// The path as it was given, for errors, or NULL.
    path: Slot,
    scan: *mut Scan,
}

fn scan_of<'a>(v: Value) -> &'a Scan {
    // SAFETY: slots and methods of SCANDIR_ITERATOR get its instances alone; the scan is set when they are made and freed with them.
    unsafe { &*(*(v.ptr() as *const ScandirIterator)).scan }
}

unsafe fn traverse_scan(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object with this layout.
    f(unsafe { (*(h as *const ScandirIterator)).path.get() });
}

unsafe fn clear_scan(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object with this layout; the pointer came from a box and is given up.
    unsafe {
        let s = h as *mut ScandirIterator;
        t.drop_value((*s).path.take());
        let scan = std::mem::replace(&mut (*s).scan, std::ptr::null_mut());
        if !scan.is_null() {
            drop(Box::from_raw(scan));
        }
    }
}

unsafe fn is_open(h: *const Header) -> bool {
    // SAFETY: a live object with this layout.
    unsafe {
        let scan = (*(h as *const ScandirIterator)).scan;
        !scan.is_null() && (*scan).listing.try_lock().is_none_or(|l| l.dir.is_some())
    }
}

fn finalize_scan(t: &mut Thread, v: Value) -> Res<()> {
    let was_open = {
        let mut l = scan_of(v).listing.lock();
        let was_open = l.dir.is_some();
        l.close();
        was_open
    };
    if !was_open {
        return Ok(());
    }
    let r = proto::repr(t, v)?;
    let r = Str::of(r.value()).map_or_else(String::new, |s| s.to_string_lossy());
    crate::_warnings::warn_text(
        t,
        &errors::RESOURCE_WARNING,
        &format!("unclosed scandir iterator {r}"),
        1,
    )
}

fn scandir(t: &mut Thread, a: &[Value]) -> Res {
    let p = Target::parse(t, a[0], "scandir")?;
    audit::tell(t, "os.scandir", &[a[0]])?;
    let dir = match t.blocking(|| Dir::open(&p)) {
        Ok(dir) => dir,
        Err(e) => return Err(t.os_error(e, p.name())),
    };
    let mut prefix = match &p {
        Target::Path(p) => p.c.as_bytes().to_vec(),
        Target::Here => b".".to_vec(),
        Target::Fd(_) => Vec::new(),
    };
    if prefix.last().is_some_and(|b| *b != b'/') {
        prefix.push(b'/');
    }
    let fd = if let Target::Fd(fd) = &p { *fd } else { -1 };
    let listing = Mutex::new(Listing {
        dir: Some(dir),
        ahead: VecDeque::new(),
        ended: false,
    });
    let scan = Scan {
        listing,
        fd,
        is_bytes: p.is_bytes(),
        prefix,
    };
    // SAFETY: the type's layout; the pointer is written before anybody else knows the object.
    unsafe {
        let (o, s) = fresh::<ScandirIterator>(t, &SCANDIR_ITERATOR);
        (*(o.value().ptr() as *mut ScandirIterator)).scan = Box::into_raw(Box::new(scan));
        if let Some(name) = p.name() {
            s.path.init(t, &s.header, name.into());
        }
        Ok(o.into())
    }
}

fn scan_next(t: &mut Thread, v: Value) -> Res {
    let scan = scan_of(v);
    let ahead = scan
        .listing
        .try_lock()
        .and_then(|mut l| l.ahead.pop_front());
    let found = match ahead {
        Some(e) => Ok(Some(e)),
        None => t.blocking(|| scan.listing.lock().next()),
    };
    match found {
        Ok(Some(e)) => Ok(entry(t, scan, &e).into()),
        Ok(None) => Ok(Value::NULL),
        Err(e) => {
            // SAFETY: as in `scan_of`.
            let name = own(t, unsafe { &(*(v.ptr() as *const ScandirIterator)).path });
            Err(t.os_error(e, name))
        }
    }
}

fn scan_close(_t: &mut Thread, a: &[Value]) -> Res {
    scan_of(a[0]).listing.lock().close();
    Ok(Value::NONE)
}

fn scan_enter(t: &mut Thread, a: &[Value]) -> Res {
    Ok(Obj::new(t, a[0]).into())
}

/// `posix.ScandirIterator`
static SCANDIR_ITERATOR: Type = Type::builtin(
    "ScandirIterator",
    size_of::<ScandirIterator>(),
    &Spec {
        iter: Some(iter_self),
        iter_next: Some(scan_next),
        finalize: Some(finalize_scan),
        methods: &[
            NativeDef::new("__enter__", "($self, /)", scan_enter),
            NativeDef::new("__exit__", "($self, /, *args)", scan_close),
            NativeDef::new("close", "($self, /)", scan_close),
        ],
        ..Spec::EMPTY
    },
)
.module("posix")
.gc(traverse_scan, clear_scan)
.finalizer(is_open)
.no_new()
.final_();

// --- DirEntry ---

/// `os.DirEntry`
#[repr(C)]
struct DirEntry {
    header: Header,
    name: Slot,
    path: Slot,
    /// What `stat` has given, with links followed and not.
    stat: Slot,
    lstat: Slot,
    inode: u64,
    /// The descriptor of the directory, or -1.
    fd: i32,
    kind: u8,
}

gc_slots!(DirEntry, traverse, clear, name, path, stat, lstat);

fn this<'a>(v: Value) -> &'a DirEntry {
    // SAFETY: slots and methods of DIR_ENTRY get its instances alone.
    unsafe { &*(v.ptr() as *const DirEntry) }
}

fn entry(t: &Thread, scan: &Scan, e: &Entry) -> Obj {
    let name = text(t, &e.name, scan.is_bytes);
    let path = if scan.prefix.is_empty() {
        name.clone()
    } else {
        text(t, &[&scan.prefix[..], &e.name].concat(), scan.is_bytes)
    };
    // SAFETY: the type's layout; the numbers are written before anybody else knows the object.
    unsafe {
        let (o, d) = fresh::<DirEntry>(t, &DIR_ENTRY);
        let p = o.value().ptr() as *mut DirEntry;
        (*p).inode = e.inode;
        (*p).fd = scan.fd;
        (*p).kind = e.kind;
        d.name.init(t, &d.header, name.into());
        d.path.init(t, &d.header, path.into());
        o
    }
}

/// Asks the system, once for links followed and once for links not followed.
fn fetch(t: &mut Thread, v: Value, follow: bool) -> Res<Result<Obj, i32>> {
    let d = this(v);
    let slot = if follow { &d.stat } else { &d.lstat };
    if let Some(known) = own(t, slot) {
        return Ok(Ok(known));
    }
    let place = if d.fd < 0 { &d.path } else { &d.name };
    let place = own(t, place).unwrap_or_else(support::none);
    let c = fs_string(t, place.value())?;
    let dir = if d.fd < 0 { libc::AT_FDCWD } else { d.fd };
    match stat::of_path(t, &c, dir, follow) {
        Ok(st) => {
            let r = stat::result(t, &st);
            slot.set(t, &d.header, r.clone().into());
            Ok(Ok(r))
        }
        Err(e) => Ok(Err(e)),
    }
}

/// The same; what is no link is asked about once only.
fn fetch_either(t: &mut Thread, v: Value, follow: bool) -> Res<Result<Obj, i32>> {
    if follow && (this(v).kind == libc::DT_LNK || is_link(t, v)?) {
        return fetch(t, v, true);
    }
    fetch(t, v, false)
}

fn is_link(t: &mut Thread, v: Value) -> Res<bool> {
    match this(v).kind {
        libc::DT_UNKNOWN => is_mode(t, v, false, libc::S_IFLNK),
        kind => Ok(kind == libc::DT_LNK),
    }
}

fn raise(t: &mut Thread, v: Value, e: i32) -> Raised {
    let name = own(t, &this(v).path);
    t.os_error(e, name)
}

/// Whether the entry is a file of this kind, by what `stat` says. A name that is gone is nothing.
fn is_mode(t: &mut Thread, v: Value, follow: bool, kind: libc::mode_t) -> Res<bool> {
    let r = if follow {
        fetch_either(t, v, true)?
    } else {
        fetch(t, v, false)?
    };
    match r {
        Ok(st) => Ok(stat::mode_of(t, st.value())? & libc::S_IFMT == kind),
        Err(libc::ENOENT) => Ok(false),
        Err(e) => Err(raise(t, v, e)),
    }
}

fn is_kind(t: &mut Thread, a: &[Value], kind: u8, mode: libc::mode_t) -> Res {
    let follow = support::truth_or(t, a[1], true)?;
    let known = this(a[0]).kind;
    let ask = known == libc::DT_UNKNOWN || (follow && known == libc::DT_LNK);
    Ok(Value::bool(if ask {
        is_mode(t, a[0], follow, mode)?
    } else {
        known == kind
    }))
}

fn entry_stat(t: &mut Thread, a: &[Value]) -> Res {
    let follow = support::truth_or(t, a[1], true)?;
    match fetch_either(t, a[0], follow)? {
        Ok(st) => Ok(st.into()),
        Err(e) => Err(raise(t, a[0], e)),
    }
}

fn entry_path(t: &mut Thread, a: &[Value]) -> Res {
    Ok(to_reg(t, this(a[0]).path.get()))
}

fn entry_repr(t: &mut Thread, v: Value) -> Res {
    let name = own(t, &this(v).name).unwrap_or_else(support::none);
    let r = proto::repr(t, name.value())?;
    let mut out = b"<DirEntry ".to_vec();
    out.extend_from_slice(Str::of(r.value()).map_or(&[], |s| s.as_bytes()));
    out.push(b'>');
    Ok(Str::from_vec(t, out).into())
}

const FOLLOW: &str = "($self, /, *, follow_symlinks=True)";

/// `os.DirEntry`
static DIR_ENTRY: Type = Type::builtin(
    "DirEntry",
    size_of::<DirEntry>(),
    &Spec {
        repr: Some(entry_repr),
        members: &[
            MemberDef {
                name: "name",
                offset: std::mem::offset_of!(DirEntry, name),
                readonly: true,
                none_if_empty: true,
            },
            MemberDef {
                name: "path",
                offset: std::mem::offset_of!(DirEntry, path),
                readonly: true,
                none_if_empty: true,
            },
        ],
        methods: &[
            NativeDef::new("is_dir", FOLLOW, |t, a| {
                is_kind(t, a, libc::DT_DIR, libc::S_IFDIR)
            })
            .doc("Return True if the entry is a directory; cached per entry."),
            NativeDef::new("is_file", FOLLOW, |t, a| {
                is_kind(t, a, libc::DT_REG, libc::S_IFREG)
            })
            .doc("Return True if the entry is a file; cached per entry."),
            NativeDef::new("is_symlink", "($self, /)", |t, a| {
                Ok(Value::bool(is_link(t, a[0])?))
            })
            .doc("Return True if the entry is a symbolic link; cached per entry."),
            NativeDef::new("is_junction", "($self, /)", |_, _| Ok(Value::FALSE))
                .doc("Return True if the entry is a junction; cached per entry."),
            NativeDef::new("stat", FOLLOW, entry_stat)
                .doc("Return stat_result object for the entry; cached per entry."),
            NativeDef::new("inode", "($self, /)", |t, a| {
                Ok(weft_objects::int::from_u64(t, this(a[0]).inode))
            })
            .doc("Return inode of the entry; cached per entry."),
            NativeDef::new("__fspath__", "($self, /)", entry_path)
                .doc("Returns the path for the entry."),
            NativeDef::class(
                "__class_getitem__",
                "($type, object, /)",
                weft_objects::generic_alias::class_getitem,
            )
            .doc("See PEP 585"),
        ],
        ..Spec::EMPTY
    },
)
.module("posix")
.gc(traverse, clear)
.no_new()
.final_();

pub(super) fn add_types(t: &Thread, m: &Obj) {
    SCANDIR_ITERATOR.ready(t);
    support::add_type(t, m, &DIR_ENTRY);
}

pub(super) static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("listdir", "(path=None)", listdir)
        .doc("Return a list containing the names of the files in the directory."),
    NativeDef::new("scandir", "(path=None)", scandir)
        .doc("Return an iterator of DirEntry objects for given path."),
];
