//! `memoryview`: a Python object for a buffer, and its slices.
//!
//! All views made from one another share a [`Managed`] object, which holds the exporter's buffer until the last of them is
//! released. Shape and format of a view never change.

use crate::buffer::item::{Bad, Item};
use crate::buffer::lender::Lender;
use crate::buffer::{self, Buffer, Layout, ReleaseFn};
use crate::bytes::Bytes;
use crate::prelude::*;
use crate::str::index;
use crate::types::type_flags;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::*};

pub mod methods;

pub use methods::MEMORY_ITERATOR;

/// The exporter's buffer, shared by views.
#[repr(C)]
pub struct Managed {
    pub header: Header,
    /// NULL once it has been released.
    exporter: Slot,
    release: Option<ReleaseFn>,
    /// Views that are not released.
    views: AtomicUsize,
}

/// A memoryview.
#[repr(C)]
pub struct MemoryView {
    pub header: Header,
    /// A [`Managed`].
    managed: Slot,
    ptr: *mut u8,
    /// Bytes of all items.
    len: usize,
    /// An `Arc` of this view's.
    layout: *const Layout,
    readonly: bool,
    released: AtomicBool,
    /// No further views may be made of it.
    restricted: AtomicBool,
    /// Buffers that others hold of this view.
    exports: AtomicUsize,
    /// 0: not computed yet.
    hash: AtomicI64,
}

/// Whether `v` is a memoryview.
pub fn is_memoryview(v: Value) -> bool {
    MemoryView::of(v).is_some()
}

/// `memoryview(v)`
pub fn from_object(t: &mut Thread, v: Value) -> Res<Obj> {
    if let Some(m) = MemoryView::of(v) {
        return m.view(t, m.ptr, m.layout_arc(), m.readonly);
    }
    if !buffer::is_exporter(v) {
        let got = type_of(v).name();
        return Err(t.type_error(format!(
            "memoryview: a bytes-like object is required, not '{got}'"
        )));
    }
    let b = buffer::get_any(t, v, false)?;
    Ok(from_buffer(t, b))
}

/// A memoryview that holds the buffer.
pub fn from_buffer(t: &Thread, b: Buffer) -> Obj {
    let (ptr, layout, readonly) = (b.ptr, b.layout(), b.readonly);
    let (exporter, release) = b.into_parts();
    // SAFETY: the layout is this type's; all fields are written.
    let managed = unsafe {
        let p = t.alloc(&MANAGED.head, size_of::<Managed>()) as *mut Managed;
        (*p).exporter.init(t, &(*p).header, exporter.into_value());
        (&raw mut (*p).release).write(release);
        (*p).views.store(1, Relaxed);
        Obj::from_raw(Value::from_ptr(p as *const Header))
    };
    new_view(t, managed, ptr, layout, readonly)
}

/// `managed` counts the new view already.
fn new_view(t: &Thread, managed: Obj, ptr: *mut u8, layout: Arc<Layout>, readonly: bool) -> Obj {
    // SAFETY: `managed` is one; the layout of the object is this type's, and all fields are written.
    unsafe {
        let p = t.alloc(&MEMORYVIEW.head, size_of::<MemoryView>()) as *mut MemoryView;
        (*p).managed.init(t, &(*p).header, managed.into_value());
        (&raw mut (*p).ptr).write(ptr);
        (&raw mut (*p).len).write(layout.items() * layout.itemsize);
        (&raw mut (*p).layout).write(Arc::into_raw(layout));
        (&raw mut (*p).readonly).write(readonly);
        Obj::from_raw(Value::from_ptr(p as *const Header))
    }
}

impl Managed {
    /// One view less; the last one gives the buffer back.
    fn drop_view(&self, t: &Thread) {
        if self.views.fetch_sub(1, AcqRel) == 1 {
            self.release(t);
        }
    }

    fn release(&self, t: &Thread) {
        let exporter = self.exporter.take();
        if exporter.is_null() {
            return;
        }
        if let Some(release) = self.release {
            // SAFETY: the slot's reference, which is given up only below.
            release(unsafe { exporter.header() });
        }
        t.drop_value(exporter);
    }
}

impl MemoryView {
    pub fn of<'a>(v: Value) -> Option<&'a MemoryView> {
        crate::cast_exact(v, &MEMORYVIEW)
    }

    /// Whether it has been released.
    pub fn is_released(&self) -> bool {
        self.released.load(Acquire)
    }

    /// Whether it is a view of what this object itself exports.
    pub fn is_of(&self, owner: Value) -> bool {
        let exporter = self.managed().exporter.get();
        !exporter.is_null() && exporter.same(owner)
    }

    /// Has no further views made of it.
    pub fn restrict(&self) {
        self.restricted.store(true, Release);
    }

    /// ValueError if no view may be made of it.
    fn check_free(&self, t: &mut Thread) -> Res<()> {
        match self.restricted.load(Acquire) {
            true => Err(t.value_error("cannot create new view on restricted memoryview")),
            false => Ok(()),
        }
    }

    fn this<'a>(v: Value) -> &'a MemoryView {
        debug_assert!(Self::of(v).is_some());
        // SAFETY: methods and slots of memoryview are called with instances only.
        unsafe { &*(v.ptr() as *const MemoryView) }
    }

    /// ValueError if the view has been released.
    fn check(&self, t: &mut Thread) -> Res<()> {
        match self.released.load(Acquire) {
            true => Err(Self::gone(t)),
            false => Ok(()),
        }
    }

    #[cold]
    fn gone(t: &mut Thread) -> Raised {
        t.value_error("operation forbidden on released memoryview object")
    }

    fn layout(&self) -> &Layout {
        // SAFETY: the view owns the reference until it dies.
        unsafe { &*self.layout }
    }

    fn layout_arc(&self) -> Arc<Layout> {
        // SAFETY: as in `layout`; the count is raised for the new handle.
        unsafe {
            Arc::increment_strong_count(self.layout);
            Arc::from_raw(self.layout)
        }
    }

    fn managed(&self) -> &Managed {
        // SAFETY: the slot holds a Managed from the beginning to the end.
        unsafe { &*(self.managed.get().ptr() as *const Managed) }
    }

    /// Runs `f`, and nobody releases the view meanwhile. ValueError if somebody has.
    // Under the view's lock, inside of which the exporter's may be taken, but not the other way round.
    fn open<R>(&self, t: &mut Thread, f: impl FnOnce(&Thread) -> R) -> Res<R> {
        {
            let t = &*t;
            let _mine = lock(t, &self.header);
            if !self.released.load(Relaxed) {
                return Ok(f(t));
            }
        }
        Err(Self::gone(t))
    }

    /// As [`MemoryView::open`], under the exporter's lock.
    fn touch<R>(&self, t: &mut Thread, f: impl FnOnce() -> R) -> Res<R> {
        self.open(t, |t| {
            let exporter = root(self.header.value());
            // SAFETY: the view is not released, so it keeps the exporter.
            let _guard = lock(t, unsafe { exporter.header() });
            f()
        })
    }

    /// Another view of the same memory.
    fn view(&self, t: &mut Thread, ptr: *mut u8, layout: Arc<Layout>, readonly: bool) -> Res<Obj> {
        self.check_free(t)?;
        let managed = self.open(t, |t| {
            self.managed().views.fetch_add(1, AcqRel);
            Obj::new(t, self.managed.get())
        })?;
        Ok(new_view(t, managed, ptr, layout, readonly))
    }

    /// A copy of the items in C order.
    fn bytes(&self, t: &mut Thread) -> Res<Vec<u8>> {
        self.gathered(t, self.layout())
    }

    fn gathered(&self, t: &mut Thread, layout: &Layout) -> Res<Vec<u8>> {
        // SAFETY: the view is not released, so the exporter keeps the memory.
        self.touch(t, || unsafe { buffer::gather(self.ptr, layout, self.len) })
    }

    /// The items' type, if it is one that can be looked at.
    fn item(&self, t: &mut Thread) -> Res<Item> {
        let format = &self.layout().format;
        match Item::parse_native(format) {
            Some(item) => Ok(item),
            None => {
                let msg = format!("memoryview: format {format} not supported");
                Err(t.raise(&errors::NOT_IMPLEMENTED_ERROR, msg))
            }
        }
    }

    /// Runs `f` on the item at byte offset `at`, under the exporter's lock.
    fn with_item<R>(&self, t: &mut Thread, at: isize, f: impl FnOnce(&mut [u8]) -> R) -> Res<R> {
        let n = self.layout().itemsize;
        self.touch(t, || {
            // SAFETY: an offset within the buffer, which the exporter keeps.
            f(unsafe { std::slice::from_raw_parts_mut(self.ptr.offset(at), n) })
        })
    }

    fn get(&self, t: &mut Thread, at: isize) -> Res {
        let item = self.item(t)?;
        let mut copy = [0u8; 16];
        let copy = &mut copy[..item.size];
        self.with_item(t, at, |s| copy.copy_from_slice(&s[..item.size]))?;
        Ok(item.unpack(t, copy).into())
    }

    fn put(&self, t: &mut Thread, at: isize, v: Value) -> Res<()> {
        let item = self.item(t)?;
        let mut new = [0u8; 16];
        let packed = item.pack(t, v, &mut new)?;
        // Conversion may have run Python code, which may have released the view.
        self.check(t)?;
        match packed {
            Ok(()) => self.with_item(t, at, |s| s[..item.size].copy_from_slice(&new[..item.size])),
            Err(bad) => {
                let format = &self.layout().format;
                Err(match bad {
                    Bad::Type => {
                        t.type_error(format!("memoryview: invalid type for format '{format}'"))
                    }
                    Bad::Range => {
                        t.value_error(format!("memoryview: invalid value for format '{format}'"))
                    }
                    Bad::Overflow => t.overflow_error(format!(
                        "float too large to pack with {} format",
                        item.code as char
                    )),
                })
            }
        }
    }

    /// Byte offset of index `i` of a dimension.
    fn offset(&self, t: &mut Thread, dim: usize, i: isize) -> Res<isize> {
        let n = self.layout().shape[dim] as isize;
        let at = if i < 0 { i + n } else { i };
        if at < 0 || at >= n {
            return Err(t.index_error(format!("index out of bounds on dimension {}", dim + 1)));
        }
        Ok(at * self.layout().strides[dim])
    }

    /// Byte offset of a tuple of indexes.
    fn offset_of(&self, t: &mut Thread, key: &Tuple) -> Res<isize> {
        let ndim = self.layout().ndim();
        if key.len() < ndim {
            return Err(t.raise(
                &errors::NOT_IMPLEMENTED_ERROR,
                "sub-views are not implemented",
            ));
        }
        if key.len() > ndim {
            let n = key.len();
            return Err(t.type_error(format!(
                "cannot index {ndim}-dimension view with {n}-element tuple"
            )));
        }
        let mut at = 0;
        for dim in 0..ndim {
            let i = index::index_size(t, key.get(dim))?;
            at += self.offset(t, dim, i)?;
        }
        Ok(at)
    }

    /// The view that a slice of the first dimension gives.
    fn sliced(&self, t: &mut Thread, s: &crate::slice::Slice) -> Res<(*mut u8, Arc<Layout>)> {
        let mut layout = self.layout().clone();
        let (start, step, n) = s.indices(t, layout.shape[0])?;
        let at = if n == 0 { 0 } else { start * layout.strides[0] };
        layout.strides[0] *= step;
        layout.shape[0] = n;
        // SAFETY: the first item selected lies within the buffer.
        Ok((unsafe { self.ptr.offset(at) }, Arc::new(layout)))
    }

    /// Gives the buffer back, unless others hold buffers of this view.
    ///
    /// # Errors
    /// BufferError.
    pub fn release(&self, t: &mut Thread) -> Res<()> {
        let n = {
            let t = &*t;
            let _mine = lock(t, &self.header);
            match self.exports.load(Acquire) {
                0 if self.released.swap(true, AcqRel) => return Ok(()),
                n => n,
            }
        };
        if n > 0 {
            let s = if n == 1 { "" } else { "s" };
            return Err(t.raise(
                &errors::BUFFER_ERROR,
                format!("memoryview has {n} exported buffer{s}"),
            ));
        }
        self.managed().drop_view(t);
        Ok(())
    }

    fn release_now(&self, t: &Thread) {
        if !self.released.swap(true, AcqRel) {
            self.managed().drop_view(t);
        }
    }
}

/// What holds the memory that the object exports: under its lock is written there. Of a view that is not released, and cannot be
/// meanwhile.
pub(crate) fn root(v: Value) -> Value {
    let mut v = v;
    loop {
        let next = match MemoryView::of(v) {
            Some(m) => m.managed().exporter.get(),
            None => Lender::of(v).map_or(Value::NULL, Lender::view),
        };
        if next.is_null() {
            return v;
        }
        v = next;
    }
}

unsafe fn traverse_managed(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object of this type.
    f(unsafe { (*(h as *const Managed)).exporter.get() });
}

unsafe fn clear_managed(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of this type.
    unsafe { (*(h as *const Managed)).release(t) };
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object of this type.
    f(unsafe { (*(h as *const MemoryView)).managed.get() });
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying view: what it refers to is still there, even if it dies in the same collection.
    unsafe {
        let m = &*(h as *const MemoryView);
        m.release_now(t);
        t.drop_value(m.managed.take_local());
        let layout = std::mem::replace(&mut (*(h as *mut MemoryView)).layout, std::ptr::null());
        if !layout.is_null() {
            drop(Arc::from_raw(layout));
        }
    }
}

/// `managedbuffer`
pub static MANAGED: Type = Type::builtin("managedbuffer", size_of::<Managed>(), &Spec::EMPTY)
    .gc(traverse_managed, clear_managed)
    .final_()
    .no_new();

/// `memoryview`
pub static MEMORYVIEW: Type = Type::builtin(
    "memoryview",
    size_of::<MemoryView>(),
    &Spec {
        new: Some(|t, _, args| {
            static NEW: SigCell = SigCell::new("memoryview", "(object)");
            let a = NEW.bind(t, args)?;
            from_object(t, a[0]).map(Obj::into_value)
        }),
        repr: Some(|t, v| {
            let how = if MemoryView::this(v).released.load(Acquire) {
                "released memory"
            } else {
                "memory"
            };
            Ok(Str::from_string(t, format!("<{how} at {:#x}>", v.ptr() as usize)).into())
        }),
        hash: Some(hash),
        compare: Some(compare),
        len: Some(len),
        get_item: Some(get_item),
        set_item: Some(set_item),
        iter: Some(methods::iter),
        buffer: Some(export),
        methods: methods::METHODS,
        getset: methods::GETSET,
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.final_()
.flags(type_flags::SEQUENCE)
.doc("Create a new memoryview object which references the given object.")
.signature("(object)");

fn export(t: &mut Thread, v: Value, writable: bool) -> Res<Buffer> {
    let m = MemoryView::this(v);
    m.check(t)?;
    m.check_free(t)?;
    if writable && m.readonly {
        return Err(t.raise(
            &errors::BUFFER_ERROR,
            "memoryview: underlying buffer is not writable",
        ));
    }
    m.open(t, |_| m.exports.fetch_add(1, AcqRel))?;
    let release: ReleaseFn = |h| {
        // SAFETY: only buffers of memoryviews have this function.
        unsafe {
            (*(h as *const Header as *const MemoryView))
                .exports
                .fetch_sub(1, AcqRel)
        };
    };
    let b = Buffer::new(Obj::new(t, v), m.ptr, m.len, m.readonly, Some(release));
    Ok(b.with_layout(m.layout_arc()))
}

fn len(t: &mut Thread, v: Value) -> Res<usize> {
    let m = MemoryView::this(v);
    m.check(t)?;
    match m.layout().shape.first() {
        Some(n) => Ok(*n),
        None => Err(t.type_error("0-dim memory has no length".into())),
    }
}

fn hash(t: &mut Thread, v: Value) -> Res<i64> {
    let m = MemoryView::this(v);
    let known = m.hash.load(Relaxed);
    if known != 0 {
        return Ok(known);
    }
    m.check(t)?;
    if !m.readonly {
        return Err(t.value_error("cannot hash writable memoryview object"));
    }
    if !matches!(m.layout().format.trim_start_matches('@'), "B" | "b" | "c") {
        return Err(t.value_error("memoryview: hashing is restricted to formats 'B', 'b' or 'c'"));
    }
    // Hashing may run code that would release the view.
    let _held = export(t, v, false)?;
    let exporter = Obj::new(t, m.managed().exporter.get());
    // The exporter must be hashable itself.
    proto::hash(t, exporter.value())?;
    let data = m.bytes(t)?;
    let h = crate::text::hash::hash_bytes(*crate::runtime::hash_key(), &data);
    m.hash.store(h, Relaxed);
    Ok(h)
}

fn compare(t: &mut Thread, a: Value, b: Value, op: CmpOp) -> Res {
    let equal = match op {
        CmpOp::Eq | CmpOp::Ne => equal(t, a, b)?,
        _ => None,
    };
    Ok(match equal {
        Some(equal) => Value::bool(equal == (op == CmpOp::Eq)),
        None => Value::NOT_IMPLEMENTED,
    })
}

/// Equal shapes and equal items, whatever the formats are called; `None`: not to be compared.
fn equal(t: &mut Thread, a: Value, b: Value) -> Res<Option<bool>> {
    let x = MemoryView::this(a);
    if x.released.load(Acquire) {
        return Ok(Some(a.same(b)));
    }
    if let Some(y) = MemoryView::of(b)
        && y.released.load(Acquire)
    {
        return Ok(Some(a.same(b)));
    }
    if !buffer::is_exporter(b) {
        return Ok(None);
    }
    let Ok(y) = buffer::get_still(t, b) else {
        t.clear_exc();
        return Ok(None);
    };
    let layout = y.layout();
    if x.layout().shape != layout.shape {
        return Ok(Some(false));
    }
    let (p, q) = (x.bytes(t)?, y.to_vec());
    items_equal(t, x.layout(), &p, &layout, &q).map(Some)
}

fn items_equal(t: &mut Thread, x: &Layout, p: &[u8], y: &Layout, q: &[u8]) -> Res<bool> {
    let code = |l: &Layout| l.format.trim_start_matches('@').to_owned();
    let (f, g) = (code(x), code(y));
    if f == g && f.len() == 1 && !matches!(f.as_str(), "e" | "f" | "d" | "?" | "F" | "D") {
        return Ok(p == q);
    }
    let (Some(i), Some(j)) = (Item::parse(&x.format), Item::parse(&y.format)) else {
        return structs_equal(t, x, p, y, q);
    };
    for (s, r) in p
        .chunks_exact(i.size.max(1))
        .zip(q.chunks_exact(j.size.max(1)))
    {
        let (a, b) = (i.unpack(t, s), j.unpack(t, r));
        if !proto::eq(t, a.value(), b.value())? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Compares items of compound formats, by unpacking both with the module `struct`.
fn structs_equal(t: &mut Thread, x: &Layout, p: &[u8], y: &Layout, q: &[u8]) -> Res<bool> {
    if x.itemsize == 0 || y.itemsize == 0 {
        return Ok(false);
    }
    let module = crate::runtime::import(t, "_struct")?;
    let unpack = proto::get_attr(t, module.value(), crate::id!(t, "unpack"))?;
    let unpacked = |t: &mut Thread, format: &str, s: &[u8]| -> Res<Option<Obj>> {
        let (format, s) = (Str::new(t, format), Bytes::new(t, s));
        match proto::call(t, unpack.value(), &[format.value(), s.value()]) {
            Ok(o) => Ok(Some(o)),
            // Formats that `struct` does not know compare as different.
            Err(_) if t.exc_matches(&errors::EXCEPTION) => {
                t.clear_exc();
                Ok(None)
            }
            Err(e) => Err(e),
        }
    };
    for (s, r) in p.chunks_exact(x.itemsize).zip(q.chunks_exact(y.itemsize)) {
        let (Some(a), Some(b)) = (unpacked(t, &x.format, s)?, unpacked(t, &y.format, r)?) else {
            return Ok(false);
        };
        if !proto::eq(t, a.value(), b.value())? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a key is a tuple of indexes only, or of slices only.
fn tuple_of(key: &Tuple, is: fn(Value) -> bool) -> bool {
    key.values().iter().all(|v| is(*v))
}

fn get_item(t: &mut Thread, v: Value, key: Value) -> Res {
    let m = MemoryView::this(v);
    m.check(t)?;
    let ndim = m.layout().ndim();
    if ndim == 0 {
        return match Tuple::of(key) {
            Some(k) if k.is_empty() => m.get(t, 0),
            _ if key == Value::ELLIPSIS => Ok(Obj::new(t, v).into()),
            _ => Err(t.type_error("invalid indexing of 0-dim memory".into())),
        };
    }
    if index::has_index(key) {
        let i = index::index_size(t, key)?;
        if ndim > 1 {
            return Err(t.raise(
                &errors::NOT_IMPLEMENTED_ERROR,
                "multi-dimensional sub-views are not implemented",
            ));
        }
        m.check(t)?;
        let at = m.offset(t, 0, i)?;
        return m.get(t, at);
    }
    if let Some(s) = crate::slice::Slice::of(key) {
        // The slice's parts may run code that releases this view: another one keeps the buffer.
        let kept = m.view(t, m.ptr, m.layout_arc(), m.readonly)?;
        let m = MemoryView::this(kept.value());
        let (ptr, layout) = m.sliced(t, s)?;
        return Ok(m.view(t, ptr, layout, m.readonly)?.into());
    }
    if let Some(k) = Tuple::of(key) {
        if tuple_of(k, index::has_index) {
            let at = m.offset_of(t, k)?;
            m.check(t)?;
            return m.get(t, at);
        }
        if tuple_of(k, |v| crate::slice::Slice::of(v).is_some()) {
            let msg = "multi-dimensional slicing is not implemented";
            return Err(t.raise(&errors::NOT_IMPLEMENTED_ERROR, msg));
        }
    }
    Err(t.type_error("memoryview: invalid slice key".into()))
}

fn set_item(t: &mut Thread, v: Value, key: Value, item: Value) -> Res<()> {
    let m = MemoryView::this(v);
    m.check(t)?;
    if m.readonly {
        return Err(t.type_error("cannot modify read-only memory".into()));
    }
    if item.is_null() {
        return Err(t.type_error("cannot delete memory".into()));
    }
    let ndim = m.layout().ndim();
    if ndim == 0 {
        return match Tuple::of(key) {
            Some(k) if k.is_empty() => m.put(t, 0, item),
            _ if key == Value::ELLIPSIS => m.put(t, 0, item),
            _ => Err(t.type_error("invalid indexing of 0-dim memory".into())),
        };
    }
    if index::has_index(key) {
        let i = index::index_size(t, key)?;
        if ndim > 1 {
            return Err(t.raise(
                &errors::NOT_IMPLEMENTED_ERROR,
                "sub-views are not implemented",
            ));
        }
        m.check(t)?;
        let at = m.offset(t, 0, i)?;
        return m.put(t, at, item);
    }
    if let Some(s) = crate::slice::Slice::of(key) {
        if ndim > 1 {
            let msg = "memoryview slice assignments are currently restricted to ndim = 1";
            return Err(t.raise(&errors::NOT_IMPLEMENTED_ERROR, msg));
        }
        let source = buffer::get_still(t, item)?;
        let (ptr, layout) = m.sliced(t, s)?;
        m.check(t)?;
        return assign(t, m, ptr, &layout, &source);
    }
    if let Some(k) = Tuple::of(key) {
        if tuple_of(k, index::has_index) {
            let at = m.offset_of(t, k)?;
            m.check(t)?;
            return m.put(t, at, item);
        }
        if tuple_of(k, |v| crate::slice::Slice::of(v).is_some()) {
            let msg = "memoryview slice assignments are currently restricted to ndim = 1";
            return Err(t.raise(&errors::NOT_IMPLEMENTED_ERROR, msg));
        }
    }
    Err(t.type_error("memoryview: invalid slice key".into()))
}

/// Copies the items of `source` to `ptr`: format and shape must be the same.
fn assign(
    t: &mut Thread,
    m: &MemoryView,
    ptr: *mut u8,
    layout: &Layout,
    source: &Buffer,
) -> Res<()> {
    let from = source.layout();
    if from.format.trim_start_matches('@') != layout.format.trim_start_matches('@')
        || from.itemsize != layout.itemsize
        || from.shape != layout.shape
    {
        return Err(
            t.value_error("memoryview assignment: lvalue and rvalue have different structures")
        );
    }
    // A copy first, as source and target may overlap.
    let data = source.to_vec();
    let mut items = data.chunks_exact(layout.itemsize.max(1));
    m.touch(t, || {
        layout.for_each(&mut |at| {
            if let Some(item) = items.next() {
                // SAFETY: offsets of the layout lie within the buffer, which the exporter keeps.
                unsafe { std::ptr::copy_nonoverlapping(item.as_ptr(), ptr.offset(at), item.len()) };
            }
        });
    })
}
