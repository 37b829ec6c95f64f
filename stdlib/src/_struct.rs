//! `_struct`: C structs as bytes.

use parking_lot::Mutex;
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::*};
use std::sync::{Arc, OnceLock};
use weft_objects::buffer;
use weft_objects::bytes::Bytes;
use weft_objects::memory;
use weft_objects::module::Module;
use weft_objects::prelude::*;
use weft_objects::runtime::SharedObj;
use weft_objects::str::index;
use weft_objects::types::alloc_instance;

mod layout;
use layout::Layout;

/// `struct.error`
static ERROR: OnceLock<SharedObj> = OnceLock::new();

/// Formats that the functions of the module have parsed.
static CACHE: Mutex<Option<HashMap<Vec<u8>, Arc<Layout>>>> = Mutex::new(None);
const CACHE_SIZE: usize = 100;

static FUNCTIONS: &[NativeDef] = &[
    NativeDef::new("_clearcache", "()", |_, _| {
        *CACHE.lock() = None;
        Ok(Value::NONE)
    })
    .doc("Clear the internal cache."),
    NativeDef::new("calcsize", "(format, /)", |t, a| {
        let layout = cached(t, a[0])?;
        Ok(weft_objects::int::from_usize(t, layout.size))
    })
    .doc("Return size in bytes of the struct described by the format string."),
    NativeDef::new("iter_unpack", "(format, buffer, /)", |t, a| {
        let layout = cached(t, a[0])?;
        iter_unpack(t, layout, a[1])
    })
    .doc("Return an iterator yielding tuples unpacked from the given bytes."),
    NativeDef::new("pack", "(format, /, *values)", |t, a| {
        let values = Tuple::this(a[1]).values();
        with_layout(t, a[0], |t, layout| pack(t, layout, values))
    })
    .doc("Return a bytes object containing values packed according to the format string."),
    NativeDef::new(
        "pack_into",
        "(format, buffer, offset, /, *values)",
        |t, a| {
            let layout = cached(t, a[0])?;
            pack_into(t, &layout, a[1], a[2], &values_of(a[3]))
        },
    )
    .doc("Pack values and write the packed bytes into the buffer."),
    NativeDef::new("unpack", "(format, buffer, /)", |t, a| {
        with_layout(t, a[0], |t, layout| unpack(t, layout, a[1]))
    })
    .doc("Return a tuple containing values unpacked according to the format string."),
    NativeDef::new("unpack_from", "(format, /, buffer, offset=0)", |t, a| {
        with_layout(t, a[0], |t, layout| unpack_from(t, layout, a[1], a[2]))
    })
    .doc("Return a tuple containing values unpacked according to the format string."),
];

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    let m = Module::new(t, "_struct");
    let class = match ERROR.get() {
        Some(class) => class.get(t),
        None => {
            let class =
                crate::_signal::new_exception_class(t, "error", "struct", &[&errors::EXCEPTION])?;
            ERROR.get_or_init(|| SharedObj::new(t, class)).get(t)
        }
    };
    if let Some(module) = Module::of(m.value()) {
        UNPACK_ITERATOR.ready(t);
        module.add_functions(t, FUNCTIONS);
        module.add_type(t, &STRUCT);
        module.add(t, "error", class);
    }
    Ok(m)
}

#[cold]
fn error(t: &mut Thread, msg: impl Into<String>) -> Raised {
    match ERROR.get() {
        Some(class) => {
            let class = class.get(t);
            t.raise(Type::of_unchecked(class.value()), msg)
        }
        None => t.value_error(msg),
    }
}

fn values_of(v: Value) -> Vec<Value> {
    Tuple::of(v).map_or(Vec::new(), |t| t.values().to_vec())
}

/// The bytes of a format argument, a str or bytes.
fn format_bytes(t: &mut Thread, v: Value, what: &str) -> Res<Vec<u8>> {
    if let Some(b) = Bytes::of(v) {
        return Ok(b.as_slice().to_vec());
    }
    if Str::of(v).is_some() {
        let ascii = weft_objects::text::codec::Encoding::Ascii;
        return weft_objects::str::codecs::encode(t, ascii, v, None);
    }
    let got = type_of(v).name();
    Err(t.type_error(format!(
        "{what} argument 1 must be a str or bytes object, not {got}"
    )))
}

fn parse(t: &mut Thread, format: &[u8]) -> Res<Arc<Layout>> {
    if format.contains(&0) {
        return Err(error(t, "embedded null character"));
    }
    match Layout::parse(format) {
        Ok(layout) => Ok(Arc::new(layout)),
        Err(msg) => Err(error(t, msg)),
    }
}

fn cached(t: &mut Thread, v: Value) -> Res<Arc<Layout>> {
    if let Some(s) = this_struct(v) {
        return s.layout(t);
    }
    let format = format_bytes(t, v, "Struct()")?;
    if let Some(known) = CACHE.lock().as_ref().and_then(|c| c.get(&format)) {
        return Ok(known.clone());
    }
    let layout = parse(t, &format)?;
    let mut cache = CACHE.lock();
    let cache = cache.get_or_insert_default();
    if cache.len() >= CACHE_SIZE {
        cache.clear();
    }
    cache.insert(format, layout.clone());
    Ok(layout)
}

/// A format and its layout.
type Known = (Box<[u8]>, Arc<Layout>);

thread_local! {
    /// The format that the thread has used last.
    static LAST: Cell<Option<Known>> = const { Cell::new(None) };
}

/// Calls `f` with the layout of a format.
fn with_layout(t: &mut Thread, format: Value, f: impl FnOnce(&mut Thread, &Layout) -> Res) -> Res {
    let Some(text) = Str::exact(format).filter(|s| s.is_ascii()) else {
        let layout = cached(t, format)?;
        return f(t, &layout);
    };
    let known = match LAST.take() {
        Some(known) if *known.0 == *text.as_bytes() => known,
        _ => (text.as_bytes().into(), cached(t, format)?),
    };
    let result = f(t, &known.1);
    LAST.set(Some(known));
    result
}

fn pack(t: &mut Thread, layout: &Layout, values: &[Value]) -> Res {
    if values.len() != layout.values {
        let (want, got) = (layout.values, values.len());
        return Err(error(
            t,
            format!("pack expected {want} items for packing (got {got})"),
        ));
    }
    if layout.size <= SMALL {
        let mut out = [0; SMALL];
        return match layout.pack(t, values, &mut out[..layout.size])? {
            Ok(()) => Ok(Bytes::new(t, &out[..layout.size]).into()),
            Err(msg) => Err(error(t, msg)),
        };
    }
    let mut out = Vec::new();
    if out.try_reserve_exact(layout.size).is_err() {
        return Err(t.memory_error());
    }
    out.resize(layout.size, 0);
    match layout.pack(t, values, &mut out)? {
        Ok(()) => Ok(Bytes::from_vec(t, out).into()),
        Err(msg) => Err(error(t, msg)),
    }
}

/// What is packed on the stack.
const SMALL: usize = 128;

/// Where `size` bytes at `offset` of a buffer of `len` bytes begin.
fn place(t: &mut Thread, offset: isize, len: usize, size: usize, packing: bool) -> Res<usize> {
    let at = if offset < 0 {
        if offset + size as isize > 0 {
            let how = if packing {
                "no space to pack"
            } else {
                "not enough data to unpack"
            };
            return Err(error(t, format!("{how} {size} bytes at offset {offset}")));
        }
        if offset + (len as isize) < 0 {
            return Err(error(
                t,
                format!("offset {offset} out of range for {len}-byte buffer"),
            ));
        }
        offset + len as isize
    } else {
        offset
    } as usize;
    if len < at || len - at < size {
        let (f, how) = if packing {
            ("pack_into", "packing")
        } else {
            ("unpack_from", "unpacking")
        };
        let need = at.saturating_add(size);
        return Err(error(
            t,
            format!(
                "{f} requires a buffer of at least {need} bytes for {how} {size} bytes at offset {at} (actual buffer size is {len})"
            ),
        ));
    }
    Ok(at)
}

fn pack_into(
    t: &mut Thread,
    layout: &Layout,
    target: Value,
    offset: Value,
    values: &[Value],
) -> Res {
    if values.len() != layout.values {
        let (want, got) = (layout.values, values.len());
        return Err(error(
            t,
            format!("pack_into expected {want} items for packing (got {got})"),
        ));
    }
    let mut b = buffer::get_writable(t, target, "", 0)?;
    let offset = index::size(t, offset)?;
    let at = place(t, offset, b.len, layout.size, true)?;
    let mut out = memory::zeroed(t, layout.size)?;
    let packed = layout.pack(t, values, &mut out)?;
    b.write(t, at, &out);
    match packed {
        Ok(()) => Ok(Value::NONE),
        Err(msg) => Err(error(t, msg)),
    }
}

fn unpack(t: &mut Thread, layout: &Layout, source: Value) -> Res {
    if let Some(b) = Bytes::exact(source)
        && b.len() == layout.size
    {
        return Ok(layout.unpack(t, b.as_slice())?.into());
    }
    let b = buffer::get(t, source)?;
    if b.len != layout.size {
        return Err(error(
            t,
            format!("unpack requires a buffer of {} bytes", layout.size),
        ));
    }
    Ok(layout.unpack(t, b.as_bytes())?.into())
}

fn unpack_from(t: &mut Thread, layout: &Layout, source: Value, offset: Value) -> Res {
    let b = buffer::get_live(t, source)?;
    let offset = index::size_or(t, offset, 0)?;
    let at = place(t, offset, b.len, layout.size, false)?;
    let bytes = b.part(t, at, layout.size);
    Ok(layout.unpack(t, &bytes)?.into())
}

fn iter_unpack(t: &mut Thread, layout: Arc<Layout>, source: Value) -> Res {
    if layout.size == 0 {
        return Err(error(
            t,
            "cannot iteratively unpack with a struct of length 0",
        ));
    }
    let b = buffer::get_live(t, source)?;
    if b.len % layout.size != 0 {
        let msg = format!(
            "iterative unpacking requires a buffer of a multiple of {} bytes",
            layout.size
        );
        return Err(error(t, msg));
    }
    let view = weft_objects::memoryview::from_buffer(t, b);
    // SAFETY: the layout is the type's; all fields are written.
    unsafe {
        let p = t.alloc(&UNPACK_ITERATOR.head, size_of::<UnpackIter>()) as *mut UnpackIter;
        (*p).view.init(t, &(*p).header, view.into_value());
        (&raw mut (*p).layout).write(Arc::into_raw(layout));
        Ok(Value::from_ptr(p as *const Header))
    }
}

/// Iterator over the structs in a buffer.
#[repr(C)]
struct UnpackIter {
    header: Header,
    /// A memoryview of the buffer; NULL when exhausted.
    view: Slot,
    /// An `Arc` of this object's.
    layout: *const Layout,
    at: AtomicUsize,
}

impl UnpackIter {
    fn this<'a>(v: Value) -> &'a UnpackIter {
        // SAFETY: called with objects of this type only.
        unsafe { &*(v.ptr() as *const UnpackIter) }
    }

    fn layout(&self) -> &Layout {
        // SAFETY: kept until the iterator dies.
        unsafe { &*self.layout }
    }
}

fn next(t: &mut Thread, v: Value) -> Res {
    let it = UnpackIter::this(v);
    let view = it.view.get();
    if view.is_null() {
        return Ok(Value::NULL);
    }
    let view = Obj::new(t, view);
    let b = buffer::get_live(t, view.value())?;
    let at = it.at.load(Relaxed);
    let size = it.layout().size;
    if at + size > b.len {
        drop(b);
        it.view.set(t, &it.header, Value::NULL);
        return Ok(Value::NULL);
    }
    it.at.store(at + size, Relaxed);
    let bytes = b.part(t, at, size);
    Ok(it.layout().unpack(t, &bytes)?.into())
}

fn length_hint(t: &mut Thread, a: &[Value]) -> Res {
    let it = UnpackIter::this(a[0]);
    let view = it.view.get();
    if view.is_null() {
        return Ok(Value::int(0));
    }
    let view = Obj::new(t, view);
    let n = buffer::get_live(t, view.value())?.len;
    let left = n.saturating_sub(it.at.load(Relaxed)) / it.layout().size;
    Ok(Value::int(left as i64))
}

unsafe fn traverse_iter(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object of this type.
    f(unsafe { (*(h as *const UnpackIter)).view.get() });
}

unsafe fn clear_iter(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of this type, whose Arc is given up once.
    unsafe {
        let it = &mut *(h as *mut UnpackIter);
        t.drop_value(it.view.take_local());
        let layout = std::mem::replace(&mut it.layout, std::ptr::null());
        if !layout.is_null() {
            drop(Arc::from_raw(layout));
        }
    }
}

static UNPACK_ITERATOR: Type = Type::builtin(
    "unpack_iterator",
    size_of::<UnpackIter>(),
    &Spec {
        iter: Some(|t, v| Ok(Obj::new(t, v).into())),
        iter_next: Some(next),
        methods: &[NativeDef::new("__length_hint__", "($self, /)", length_hint)],
        ..Spec::EMPTY
    },
)
.gc(traverse_iter, clear_iter)
.module("_struct")
.final_()
.no_new();

/// A compiled format.
#[repr(C)]
struct Struct {
    header: Header,
    /// The format as a str.
    format: Slot,
    /// An `Arc` of this object's; null until it has been initialised.
    layout: AtomicPtr<Layout>,
}

fn this_struct<'a>(v: Value) -> Option<&'a Struct> {
    cast(v, &STRUCT)
}

impl Struct {
    fn layout(&self, t: &mut Thread) -> Res<Arc<Layout>> {
        let p = self.layout.load(Acquire);
        if p.is_null() {
            return Err(t.runtime_error("Struct object is not initialized"));
        }
        // SAFETY: the object's own Arc, which a re-initialisation retires only after a handshake.
        unsafe {
            Arc::increment_strong_count(p);
            Ok(Arc::from_raw(p))
        }
    }
}

unsafe fn free_layout(p: *mut u8, _n: usize) {
    // SAFETY: an Arc that a Struct has given up.
    drop(unsafe { Arc::from_raw(p as *const Layout) });
}

static INIT: SigCell = SigCell::new("Struct", "(format)");

fn init_struct(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    let a = INIT.bind(t, args)?;
    let format = format_bytes(t, a[0], "Struct()")?;
    let layout = parse(t, &format)?;
    // Latin-1 text of what was bytes.
    let text = weft_objects::text::wtf8::collect(format.iter().map(|b| u32::from(*b)));
    let text = Str::from_vec(t, text);
    let Some(this) = this_struct(v) else {
        return Ok(());
    };
    this.format.set(t, &this.header, text.into_value());
    let old = this
        .layout
        .swap(Arc::into_raw(layout) as *mut Layout, AcqRel);
    if !old.is_null() {
        // SAFETY: nobody finds it any more, and who has found it holds it until the next safepoint at most.
        unsafe {
            t.retire(
                &this.header,
                old as *mut u8,
                size_of::<Layout>(),
                free_layout,
            )
        };
    }
    Ok(())
}

fn method(t: &mut Thread, a: &[Value]) -> Res<Arc<Layout>> {
    match this_struct(a[0]) {
        Some(s) => s.layout(t),
        None => Err(t.type_error("not a Struct".into())),
    }
}

unsafe fn traverse_struct(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object of this type.
    f(unsafe { (*(h as *const Struct)).format.get() });
}

unsafe fn clear_struct(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of this type, whose Arc is given up once.
    unsafe {
        let s = &*(h as *const Struct);
        t.drop_value(s.format.take_local());
        let layout = s.layout.swap(std::ptr::null_mut(), AcqRel);
        if !layout.is_null() {
            drop(Arc::from_raw(layout));
        }
    }
}

/// `struct.Struct`
static STRUCT: Type = Type::builtin(
    "Struct",
    size_of::<Struct>(),
    &Spec {
        new: Some(|t, cls, _| Ok(Value::from_ptr(alloc_instance(t, Type::of_unchecked(cls))))),
        init: Some(init_struct),
        repr: Some(|t, v| {
            let format = this_struct(v).map_or(Value::NULL, |s| s.format.get());
            if format.is_null() {
                return Err(t.runtime_error("Struct object is not initialized"));
            }
            let (name, format) = (type_of(v).name(), proto::repr(t, format)?);
            Ok(Str::from_string(t, format!("{name}({})", Str::this(format.value()))).into())
        }),
        methods: &[
            NativeDef::new("iter_unpack", "($self, buffer, /)", |t, a| {
                let layout = method(t, a)?;
                iter_unpack(t, layout, a[1])
            }),
            NativeDef::new("pack", "($self, /, *values)", |t, a| {
                let layout = method(t, a)?;
                pack(t, &layout, &values_of(a[1]))
            }),
            NativeDef::new(
                "pack_into",
                "($self, buffer, offset, /, *values)",
                |t, a| {
                    let layout = method(t, a)?;
                    pack_into(t, &layout, a[1], a[2], &values_of(a[3]))
                },
            ),
            NativeDef::new("unpack", "($self, buffer, /)", |t, a| {
                let layout = method(t, a)?;
                unpack(t, &layout, a[1])
            }),
            NativeDef::new("unpack_from", "($self, /, buffer, offset=0)", |t, a| {
                let layout = method(t, a)?;
                unpack_from(t, &layout, a[1], a[2])
            }),
            NativeDef::new("__sizeof__", "($self, /)", |t, a| {
                let layout = method(t, a)?;
                Ok(Value::int(56 + 32 * (layout.codes.len() as i64 + 1)))
            }),
        ],
        getset: &[
            GetSetDef::ro("format", |t, v| {
                let format = this_struct(v).map_or(Value::NULL, |s| s.format.get());
                if format.is_null() {
                    return Err(t.runtime_error("Struct object is not initialized"));
                }
                Ok(to_reg(t, format))
            }),
            GetSetDef::ro("size", |t, v| {
                if this_struct(v).is_none_or(|s| s.layout.load(Acquire).is_null()) {
                    return Ok(Value::int(-1));
                }
                let layout = method(t, &[v])?;
                Ok(weft_objects::int::from_usize(t, layout.size))
            }),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse_struct, clear_struct)
.module("_struct");
