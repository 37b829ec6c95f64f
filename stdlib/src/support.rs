//! What the modules here share: making modules, paths and file descriptors out of arguments, times, and calls that block.

use std::ffi::CString;
use std::sync::atomic::AtomicU64;
use weft_objects::bytes::Bytes;
use weft_objects::module::Module;
use weft_objects::prelude::*;
use weft_objects::text::wtf8::has_surrogates;
use weft_objects::{float, int, runtime};

/// A new module with these functions.
pub fn module(t: &Thread, name: &str, doc: &str, defs: &'static [NativeDef]) -> Obj {
    let m = Module::new(t, name);
    if let Some(module) = Module::of(m.value()) {
        module.add_functions(t, defs);
        if !doc.is_empty() {
            module.add(t, "__doc__", Str::new(t, doc));
        }
    }
    m
}

/// Sets a name of a module.
pub fn add(t: &Thread, m: &Obj, name: &str, v: Obj) {
    if let Some(module) = Module::of(m.value()) {
        module.add(t, name, v);
    }
}

/// Adds a built-in type to a module under its name.
pub fn add_type(t: &Thread, m: &Obj, ty: &'static Type) {
    if let Some(module) = Module::of(m.value()) {
        module.add_type(t, ty);
    }
}

/// Adds int constants.
pub fn add_ints(t: &Thread, m: &Obj, ints: &[(&str, i64)]) {
    for (name, i) in ints {
        add(t, m, name, Obj::own(int::from_i64(t, *i)));
    }
}

/// The arguments of a constructor that takes no keywords; a subclass with an `__init__` of its own may be given some, which are that
/// method's business.
pub fn positional<'a>(
    t: &Thread,
    cls: Value,
    base: &'static Type,
    name: &str,
    args: Args<'a>,
) -> Res<Args<'a>> {
    let init = |ty: &Type| ty.slots.init.get().map(|f| f as usize);
    if args.has_keywords() {
        let ty = Type::of_unchecked(cls);
        if ty.is(base) || init(ty) == init(base) {
            return Err(t.type_error(format!("{name}() takes no keyword arguments")));
        }
    }
    Ok(Args::positional(args.pos()))
}

/// A handle to what a native was given, or `None` for an absent argument.
pub fn given(t: &Thread, v: Value) -> Option<Obj> {
    (!v.is_null()).then(|| Obj::new(t, v))
}

/// A handle to what a native was given, or `None` for an absent argument or None.
pub fn given_some(t: &Thread, v: Value) -> Option<Obj> {
    (!v.is_null() && !v.is_none()).then(|| Obj::new(t, v))
}

/// An int object.
pub fn int_obj(t: &Thread, i: i64) -> Obj {
    Obj::own(int::from_i64(t, i))
}

/// A float object.
pub fn float_obj(t: &Thread, f: f64) -> Obj {
    Obj::own(float::from_f64(t, f))
}

/// `None` as a handle.
pub fn none() -> Obj {
    Obj::from_raw(Value::NONE)
}

/// The bytes of a file name as the system takes them: lone surrogates of escaped bytes go back to what they were.
pub fn fs_encode(text: &[u8]) -> Option<Vec<u8>> {
    if !weft_objects::text::wtf8::has_surrogates(text) {
        return Some(text.to_vec());
    }
    let mut out = Vec::with_capacity(text.len());
    for c in weft_objects::text::wtf8::code_points(text) {
        match c {
            0xdc80..=0xdcff => out.push((c - 0xdc00) as u8),
            0xd800..=0xdfff => return None,
            _ => weft_objects::text::wtf8::push(&mut out, c),
        }
    }
    Some(out)
}

/// Text for bytes from the system: what is no UTF-8 becomes lone surrogates.
pub fn fs_decode(t: &Thread, bytes: &[u8]) -> Obj {
    if let Ok(s) = std::str::from_utf8(bytes) {
        return Str::new(t, s);
    }
    use weft_objects::text::codec;
    let text = codec::decode(
        codec::Encoding::Utf8,
        bytes,
        codec::Errors::SurrogateEscape,
        true,
    )
    .text;
    Str::from_vec(t, text)
}

/// `os.fspath(v)`: a str or bytes.
pub fn fspath(t: &mut Thread, v: Value) -> Res<Obj> {
    if Str::of(v).is_some() || Bytes::of(v).is_some() {
        return Ok(Obj::new(t, v));
    }
    let name = weft_objects::id!(t, "__fspath__");
    let found = proto::lookup_special(t, v, name)?;
    let Some(f) = found.filter(|f| !f.value().is_none()) else {
        let got = type_of(v).name();
        return Err(t.type_error(format!(
            "expected str, bytes or os.PathLike object, not {got}"
        )));
    };
    let r = proto::call(t, f.value(), &[])?;
    if Str::of(r.value()).is_some() || Bytes::of(r.value()).is_some() {
        return Ok(r);
    }
    let (ty, got) = (type_of(v).name(), type_of(r.value()).name());
    Err(t.type_error(format!(
        "expected {ty}.__fspath__() to return str or bytes, not {got}"
    )))
}

/// A path argument: what the program gave (for errors), and its bytes for the system.
pub struct Path {
    pub given: Obj,
    pub c: CString,
    /// It was given as bytes: so are results made from it.
    pub is_bytes: bool,
}

impl Path {
    pub fn name(&self) -> Option<Obj> {
        Some(self.given.clone())
    }
    /// Text or bytes of the kind that the argument was.
    pub fn wrap(&self, t: &Thread, bytes: &[u8]) -> Obj {
        if self.is_bytes {
            Bytes::new(t, bytes)
        } else {
            fs_decode(t, bytes)
        }
    }
}

/// A path, or (if `fd_too`) an open file's descriptor.
pub enum PathOrFd {
    Path(Path),
    Fd(i32),
}

/// The path in an argument of `func`: str, bytes or PathLike.
pub fn path(t: &mut Thread, v: Value, func: &str, param: &str) -> Res<Path> {
    match path_or_fd(t, v, func, param, false)? {
        PathOrFd::Path(p) => Ok(p),
        PathOrFd::Fd(_) => Err(t.type_error(format!("{func}: {param} should be a path"))),
    }
}

/// The path or descriptor in an argument of `func`.
pub fn path_or_fd(
    t: &mut Thread,
    v: Value,
    func: &str,
    param: &str,
    fd_too: bool,
) -> Res<PathOrFd> {
    if fd_too && Str::of(v).is_none() && Bytes::of(v).is_none() && type_of(v).slots.index.is_set() {
        warn_bool(t, v)?;
        return Ok(PathOrFd::Fd(fd_number(t, v)?));
    }
    let name = weft_objects::id!(t, "__fspath__");
    let known = Str::of(v).is_some()
        || Bytes::of(v).is_some()
        || type_of(v)
            .lookup(t, name)
            .is_some_and(|f| !f.value().is_none());
    if !known {
        let kinds = if fd_too {
            "string, bytes, os.PathLike or integer"
        } else {
            "string, bytes or os.PathLike"
        };
        let got = type_of(v).name();
        return Err(t.type_error(format!("{func}: {param} should be {kinds}, not {got}")));
    }
    let p = fspath(t, v)?;
    let (bytes, is_bytes) = match Str::of(p.value()) {
        Some(s) => (fs_encode(s.as_bytes()), false),
        None => (Bytes::of(p.value()).map(|b| b.as_slice().to_vec()), true),
    };
    let Some(bytes) = bytes else {
        return Err(surrogates_error(t, p.value(), true));
    };
    match CString::new(bytes) {
        Ok(c) => Ok(PathOrFd::Path(Path {
            given: p,
            c,
            is_bytes,
        })),
        Err(_) => {
            let what = if is_bytes { "byte" } else { "character" };
            Err(t.value_error(format!("{func}: embedded null {what} in {param}")))
        }
    }
}

/// An int as a descriptor.
pub fn fd_number(t: &mut Thread, v: Value) -> Res<i32> {
    c_int(t, v)
}

/// RuntimeWarning for True or False where a descriptor is wanted.
pub fn warn_bool(t: &mut Thread, v: Value) -> Res<()> {
    if !v.is_bool() {
        return Ok(());
    }
    let text = "bool is used as a file descriptor";
    crate::_warnings::warn_text(t, &errors::RUNTIME_WARNING, text, 1)
}

/// A descriptor: an int, or what `fileno()` gives.
pub fn fileno(t: &mut Thread, v: Value) -> Res<i32> {
    warn_bool(t, v)?;
    let fd = if int::is_int(v) {
        c_int(t, v)?
    } else {
        let name = weft_objects::id!(t, "fileno");
        match proto::get_attr_opt(t, v, name)? {
            Some(f) => {
                let r = proto::call(t, f.value(), &[])?;
                if !int::is_int(r.value()) {
                    return Err(t.type_error("fileno() returned a non-integer".into()));
                }
                c_int(t, r.value())?
            }
            None => {
                return Err(
                    t.type_error("argument must be an int, or have a fileno() method.".into())
                );
            }
        }
    };
    if fd < 0 {
        return Err(t.value_error(format!(
            "file descriptor cannot be a negative integer ({fd})"
        )));
    }
    Ok(fd)
}

/// An index as a C int.
pub fn c_int(t: &mut Thread, v: Value) -> Res<i32> {
    let i = proto::index(t, v)?;
    match int::as_i64(i.value()).map(i32::try_from) {
        Some(Ok(i)) => Ok(i),
        Some(Err(_)) | None => {
            let low =
                int::to_bigint(i.value()).is_some_and(|b| b.sign() == num_bigint::Sign::Minus);
            let msg = if low {
                "signed integer is less than minimum"
            } else {
                "signed integer is greater than maximum"
            };
            Err(t.overflow_error(msg))
        }
    }
}

/// An optional C int.
pub fn c_int_or(t: &mut Thread, v: Value, default: i32) -> Res<i32> {
    if v.is_null() {
        Ok(default)
    } else {
        c_int(t, v)
    }
}

/// The truth of an optional argument.
pub fn truth_or(t: &mut Thread, v: Value, default: bool) -> Res<bool> {
    if v.is_null() {
        Ok(default)
    } else {
        proto::truth(t, v)
    }
}

/// UnicodeEncodeError for a str with lone surrogates, about the first of them; `escaped`: that does not stand for a byte.
#[cold]
pub fn surrogates_error(t: &Thread, v: Value, escaped: bool) -> Raised {
    let bytes = Str::of(v).map_or(&[][..], Str::as_bytes);
    // A byte of a file name is U+DC80 to U+DCFF: ED B2 80 to ED B3 BF.
    let stands = |b: &[u8]| escaped && matches!(b[1], 0xB2 | 0xB3);
    let at = bytes
        .windows(3)
        .position(|b| b[0] == 0xED && b[1] >= 0xA0 && !stands(b));
    let before = &bytes[..at.unwrap_or(0)];
    let start = before.iter().filter(|b| **b & 0xC0 != 0x80).count();
    let msg = "surrogates not allowed";
    let exc = errors::unicode_encode_error(t, "utf-8", Obj::new(t, v), start, start + 1, msg);
    t.raise_value(exc)
}

/// The text of a str argument that the system, or a table of ours, is to be asked for.
///
/// # Errors
/// TypeError; UnicodeEncodeError for lone surrogates; ValueError for a null character.
pub fn text(t: &mut Thread, v: Value, func: &str, param: &str) -> Res<String> {
    match Str::of(v) {
        Some(s) if has_surrogates(s.as_bytes()) => Err(surrogates_error(t, v, false)),
        Some(s) if s.as_bytes().contains(&0) => Err(t.value_error("embedded null character")),
        Some(s) => Ok(s.to_string_lossy()),
        None => {
            let got = type_of(v).name();
            Err(t.type_error(format!("{func}() argument {param} must be str, not {got}")))
        }
    }
}

/// The last error of the system.
pub fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// Makes a system call that may block, detached, again after each interruption once the signals' handlers have run. `f` gives -1 on
/// error. The result is the call's, or its error number.
pub fn retry(t: &mut Thread, mut f: impl FnMut() -> isize) -> Res<Result<isize, i32>> {
    loop {
        let (r, e) = t.blocking(|| {
            let r = f();
            (r, if r < 0 { errno() } else { 0 })
        });
        if r >= 0 {
            return Ok(Ok(r));
        }
        if e != libc::EINTR {
            return Ok(Err(e));
        }
        runtime::check_signals(t)?;
    }
}

/// As [`retry`], raising OSError.
pub fn retry_os(t: &mut Thread, f: impl FnMut() -> isize) -> Res<isize> {
    match retry(t, f)? {
        Ok(r) => Ok(r),
        Err(e) => Err(t.os_error(e, None)),
    }
}

/// Seconds as nanoseconds: an int or a float, rounded away from zero as timeouts are.
pub fn nanos(t: &mut Thread, v: Value) -> Res<i64> {
    let too_large = "timestamp out of range for C PyTime_t";
    if let Some(f) = float::as_f64(v) {
        if f.is_nan() {
            return Err(t.value_error("Invalid value NaN (not a number)"));
        }
        let n = f * 1e9;
        let n = if n >= 0.0 { n.ceil() } else { n.floor() };
        if !(-9.223_372_036_854_775e18..=9.223_372_036_854_775e18).contains(&n) {
            return Err(t.overflow_error(too_large));
        }
        return Ok(n as i64);
    }
    if !int::is_int(v) && !type_of(v).slots.index.is_set() {
        let got = type_of(v).name();
        return Err(t.type_error(format!(
            "'{got}' object cannot be interpreted as an integer or float"
        )));
    }
    let i = proto::index(t, v)?;
    match int::as_i64(i.value()).and_then(|s| s.checked_mul(1_000_000_000)) {
        Some(n) => Ok(n),
        None => Err(t.overflow_error(too_large)),
    }
}

/// A counter that only its object's users change; relaxed, as the object's lock or its thread orders the accesses.
#[derive(Default)]
#[repr(transparent)]
pub struct Count(AtomicU64);

impl Count {
    #[inline(always)]
    pub fn get(&self) -> u64 {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
    #[inline(always)]
    pub fn set(&self, n: u64) {
        self.0.store(n, std::sync::atomic::Ordering::Relaxed);
    }
    /// Gives the number and goes on to the next. `alone`: nobody else can reach it.
    #[inline(always)]
    pub fn take_next(&self, alone: bool) -> u64 {
        if alone {
            let n = self.get();
            self.set(n.wrapping_add(1));
            n
        } else {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
        }
    }
    /// Counts down by one. False: it is zero.
    #[inline(always)]
    pub fn take_one(&self, alone: bool) -> bool {
        use std::sync::atomic::Ordering::Relaxed;
        if alone {
            let n = self.get();
            self.set(n.saturating_sub(1));
            n > 0
        } else {
            self.0
                .fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1))
                .is_ok()
        }
    }
}

/// Memory of an object that is touched under the object's lock only (or by its destruction). Zero words are `None`.
#[repr(transparent)]
pub struct Guarded<T>(std::cell::UnsafeCell<Option<Box<T>>>);

// SAFETY: access goes through the object's lock, or is the destroyer's.
unsafe impl<T> Sync for Guarded<T> {}

impl<T: Default> Guarded<T> {
    /// The contents, made on first use. `_lock` is the guard of the object that this is a field of.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub fn get<'a>(&'a self, _lock: &'a weft_gc::Locked<'_>) -> &'a mut T {
        // SAFETY: the caller holds the object's lock, or the object is local; the borrow ends with the guard.
        unsafe { (*self.0.get()).get_or_insert_with(Box::default) }
    }
}

impl<T> Guarded<T> {
    /// The contents, if there are any yet.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub fn get_if_made<'a>(&'a self, _lock: &'a weft_gc::Locked<'_>) -> Option<&'a mut T> {
        // SAFETY: as in `get`.
        unsafe { (*self.0.get()).as_deref_mut() }
    }
    /// Sets the contents of an object that is being made.
    pub fn init(&self, v: T) {
        // SAFETY: nobody else knows the object yet.
        unsafe { *self.0.get() = Some(Box::new(v)) };
    }
    /// For `traverse` and `clear`.
    ///
    /// # Safety
    /// Nobody else uses the object: it is dying, or its thread or the world stands still.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn peek(&self) -> Option<&mut T> {
        // SAFETY: the caller's promise.
        unsafe { (*self.0.get()).as_deref_mut() }
    }
    /// Takes the contents out of a dying object.
    ///
    /// # Safety
    /// As for [`Guarded::peek`].
    pub unsafe fn take(&self) -> Option<Box<T>> {
        // SAFETY: the caller's promise.
        unsafe { (*self.0.get()).take() }
    }
}
