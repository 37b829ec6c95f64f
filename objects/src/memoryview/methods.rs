//! Methods and attributes of memoryview, and its iterator.

use super::*;

pub(super) const METHODS: &[NativeDef] = &[
    NativeDef::new("release", "($self, /)", release)
        .doc("Release the underlying buffer exposed by the memoryview object."),
    NativeDef::new("tobytes", "($self, /, order='C')", to_bytes)
        .doc("Return the data in the buffer as a byte string."),
    NativeDef::new(
        "hex",
        "($self, /, sep=<unrepresentable>, bytes_per_sep=1)",
        hex,
    )
    .doc("Return the data in the buffer as a str of hexadecimal numbers.\n\n  sep\n    A character or byte to put between groups of digits.\n  bytes_per_sep\n    How many bytes a group has: counted from the right, or, if\n    negative, from the left.\n\nExample:\n>>> value = memoryview(b'\\x0a\\x1b\\x2c')\n>>> value.hex()\n'0a1b2c'\n>>> value.hex(':')\n'0a:1b:2c'\n>>> value.hex(':', 2)\n'0a:1b2c'\n>>> value.hex(':', -2)\n'0a1b:2c'"),
    NativeDef::new("tolist", "($self, /)", to_list)
        .doc("Return the data in the buffer as a list of elements."),
    NativeDef::new("cast", "($self, /, format, shape=<unrepresentable>)", cast)
        .doc("Cast a memoryview to a new format or shape."),
    NativeDef::new("toreadonly", "($self, /)", to_readonly)
        .doc("Return a readonly version of the memoryview."),
    NativeDef::class("_from_flags", "($type, /, object, flags)", from_flags),
    NativeDef::new("count", "($self, value, /)", count)
        .doc("Count the number of occurrences of a value."),
    NativeDef::new(
        "index",
        "($self, value, start=0, stop=sys.maxsize, /)",
        find,
    )
    .doc("Return the index of the first occurrence of a value."),
    NativeDef::new("__enter__", "($self, /)", |t, a| {
        MemoryView::this(a[0]).check(t)?;
        Ok(Obj::new(t, a[0]).into())
    }),
    NativeDef::new("__exit__", "($self, /, *exc_info)", release),
    NativeDef::class(
        "__class_getitem__",
        "($type, item, /)",
        crate::generic_alias::class_getitem,
    ),
];

fn number(t: &mut Thread, v: Value, f: fn(&MemoryView) -> usize) -> Res {
    let m = MemoryView::this(v);
    m.check(t)?;
    Ok(crate::int::from_usize(t, f(m)))
}

fn flag(t: &mut Thread, v: Value, f: fn(&MemoryView) -> bool) -> Res {
    let m = MemoryView::this(v);
    m.check(t)?;
    Ok(Value::bool(f(m)))
}

fn numbers(t: &mut Thread, v: Value, f: fn(&Layout) -> Vec<i64>) -> Res {
    let m = MemoryView::this(v);
    m.check(t)?;
    let items = f(m.layout())
        .into_iter()
        .map(|n| Obj::own(crate::int::from_i64(t, n)))
        .collect();
    Ok(Tuple::from_vec(t, items).into())
}

pub(super) const GETSET: &[GetSetDef] = &[
    GetSetDef::ro("obj", |t, v| {
        let m = MemoryView::this(v);
        m.check(t)?;
        let exporter = m.managed().exporter.get();
        Ok(if exporter.is_null() {
            Value::NONE
        } else {
            to_reg(t, exporter)
        })
    }),
    GetSetDef::ro("nbytes", |t, v| number(t, v, |m| m.len)),
    GetSetDef::ro("readonly", |t, v| flag(t, v, |m| m.readonly)),
    GetSetDef::ro("itemsize", |t, v| number(t, v, |m| m.layout().itemsize)),
    GetSetDef::ro("format", |t, v| {
        let m = MemoryView::this(v);
        m.check(t)?;
        Ok(Str::new(t, &m.layout().format).into())
    }),
    GetSetDef::ro("ndim", |t, v| number(t, v, |m| m.layout().ndim())),
    GetSetDef::ro("shape", |t, v| {
        numbers(t, v, |l| l.shape.iter().map(|n| *n as i64).collect())
    }),
    GetSetDef::ro("strides", |t, v| {
        numbers(t, v, |l| l.strides.iter().map(|n| *n as i64).collect())
    }),
    GetSetDef::ro("suboffsets", |t, v| numbers(t, v, |_| Vec::new())),
    GetSetDef::ro("c_contiguous", |t, v| {
        flag(t, v, |m| m.layout().is_c_contiguous())
    }),
    GetSetDef::ro("f_contiguous", |t, v| {
        flag(t, v, |m| m.layout().is_f_contiguous())
    }),
    GetSetDef::ro("contiguous", |t, v| {
        flag(t, v, |m| {
            m.layout().is_c_contiguous() || m.layout().is_f_contiguous()
        })
    }),
];

fn release(t: &mut Thread, a: &[Value]) -> Res {
    MemoryView::this(a[0]).release(t)?;
    Ok(Value::NONE)
}

fn to_bytes(t: &mut Thread, a: &[Value]) -> Res {
    let m = MemoryView::this(a[0]);
    m.check(t)?;
    let order = if a[1].is_null() || a[1].is_none() {
        "C".to_owned()
    } else {
        match Str::of(a[1]) {
            Some(s) => s.to_string_lossy(),
            None => {
                let got = type_of(a[1]).name();
                return Err(t.type_error(format!(
                    "tobytes() argument 'order' must be str or None, not {got}"
                )));
            }
        }
    };
    let fortran = match order.as_str() {
        "C" => false,
        "F" => true,
        "A" => m.layout().is_f_contiguous() && !m.layout().is_c_contiguous(),
        _ => return Err(t.value_error("order must be 'C', 'F' or 'A'")),
    };
    if !fortran {
        let v = m.bytes(t)?;
        return Ok(Bytes::from_vec(t, v).into());
    }
    // The first index fastest: the same walk over the dimensions turned round.
    let mut layout = m.layout().clone();
    layout.shape.reverse();
    layout.strides.reverse();
    // The same offsets as of the layout itself.
    let v = m.gathered(t, &layout)?;
    Ok(Bytes::from_vec(t, v).into())
}

fn hex(t: &mut Thread, a: &[Value]) -> Res {
    let m = MemoryView::this(a[0]);
    let _held = super::export(t, a[0], false)?;
    let (sep, group) = crate::bytes_methods::hex_arguments(t, a[1], a[2])?;
    crate::memory::room_for(t, m.len, 4)?;
    let data = m.bytes(t)?;
    Ok(Str::from_vec(t, crate::bytes_methods::to_hex(&data, sep, group)).into())
}

fn to_list(t: &mut Thread, a: &[Value]) -> Res {
    let m = MemoryView::this(a[0]);
    m.check(t)?;
    let item = m.item(t)?;
    crate::memory::room(t, m.len)?;
    let items = m.len / item.size.max(1);
    // The objects are what they are; twice the places, for the list and for what it is made from.
    crate::memory::room_for(t, items, 2 * size_of::<Value>())?;
    let data = m.bytes(t)?;
    Ok(nested(t, item, &m.layout().shape, &data).into())
}

fn nested(t: &Thread, item: Item, shape: &[usize], data: &[u8]) -> Obj {
    let Some((&n, inner)) = shape.split_first() else {
        return item.unpack(t, data);
    };
    let size = inner.iter().product::<usize>() * item.size;
    let items = (0..n)
        .map(|i| nested(t, item, inner, &data[i * size..]))
        .collect();
    List::from_vec(t, items)
}

fn to_readonly(t: &mut Thread, a: &[Value]) -> Res {
    let m = MemoryView::this(a[0]);
    Ok(m.view(t, m.ptr, m.layout_arc(), true)?.into())
}

fn from_flags(t: &mut Thread, a: &[Value]) -> Res {
    const WRITABLE: i32 = 1;
    let flags = index::c_int(t, a[2], 0)?;
    let b = buffer::get_any(t, a[1], flags & WRITABLE != 0)?;
    Ok(from_buffer(t, b).into())
}

fn cast(t: &mut Thread, a: &[Value]) -> Res {
    let m = MemoryView::this(a[0]);
    m.check(t)?;
    let Some(format) = Str::of(a[1]) else {
        let got = type_of(a[1]).name();
        return Err(t.type_error(format!("cast() argument 'format' must be str, not {got}")));
    };
    let shape = if a[2].is_null() {
        None
    } else {
        Some(read_shape(t, a[2])?)
    };
    m.check(t)?;
    let from = m.layout();
    if !from.is_c_contiguous() {
        return Err(t.type_error("memoryview: casts are restricted to C-contiguous views".into()));
    }
    if (shape.is_some() || from.ndim() != 1) && from.shape.contains(&0) {
        return Err(
            t.type_error("memoryview: cannot cast view with zeros in shape or strides".into())
        );
    }
    if let Some(shape) = &shape
        && shape.len() != 1
        && from.ndim() != 1
    {
        return Err(t.type_error("memoryview: cast must be 1D -> ND or ND -> 1D".into()));
    }
    let name = format.to_string_lossy();
    let to = item_of(t, &name, "destination")?;
    let source = item_of(t, &from.format, "source")?;
    let is_byte = |i: Item| matches!(i.code, b'b' | b'B' | b'c');
    if !is_byte(to) && !is_byte(source) {
        return Err(t.type_error("memoryview: cannot cast between two non-byte formats".into()));
    }
    if !m.len.is_multiple_of(to.size) {
        return Err(t.type_error("memoryview: length is not a multiple of itemsize".into()));
    }
    let layout = match shape {
        None => Layout::row(&name, to.size, m.len / to.size),
        Some(shape) => {
            let n = shape.iter().try_fold(to.size, |n, m| n.checked_mul(*m));
            if n != Some(m.len) {
                return Err(
                    t.type_error("memoryview: product(shape) * itemsize != buffer size".into())
                );
            }
            Layout::packed(&name, to.size, shape)
        }
    };
    Ok(m.view(t, m.ptr, Arc::new(layout), m.readonly)?.into())
}

fn item_of(t: &mut Thread, format: &str, which: &str) -> Res<Item> {
    match Item::parse_native(format) {
        Some(item) => Ok(item),
        None => Err(t.value_error(format!(
            "memoryview: {which} format must be a native single character format prefixed with an optional '@'"
        ))),
    }
}

fn read_shape(t: &mut Thread, v: Value) -> Res<Vec<usize>> {
    const MAX_DIMS: usize = 64;
    if List::of(v).is_none() && Tuple::of(v).is_none() {
        return Err(t.type_error("shape must be a list or a tuple".into()));
    }
    let items = proto::to_vec(t, v)?;
    if items.len() > MAX_DIMS {
        return Err(t.value_error("memoryview: number of dimensions must not exceed 64"));
    }
    let mut shape = Vec::with_capacity(items.len());
    for item in items {
        if Int::of(item.value()).is_none() {
            return Err(
                t.type_error("memoryview.cast(): elements of shape must be integers".into())
            );
        }
        match crate::int::as_i64(item.value()) {
            Some(n) if n > 0 => shape.push(n as usize),
            _ => {
                return Err(
                    t.value_error("memoryview.cast(): elements of shape must be integers > 0")
                );
            }
        }
    }
    Ok(shape)
}

fn count(t: &mut Thread, a: &[Value]) -> Res {
    let iter = proto::iter(t, a[0])?;
    let mut n = 0;
    while let Some(item) = proto::next(t, iter.value())? {
        n += i64::from(proto::eq(t, item.value(), a[1])?);
    }
    Ok(Value::int(n))
}

fn find(t: &mut Thread, a: &[Value]) -> Res {
    let m = MemoryView::this(a[0]);
    m.check(t)?;
    match m.layout().ndim() {
        1 => {}
        0 => return Err(t.type_error("invalid lookup on 0-dim memory".into())),
        _ => {
            let msg = "multi-dimensional lookup is not implemented";
            return Err(t.raise(&errors::NOT_IMPLEMENTED_ERROR, msg));
        }
    }
    let n = m.layout().shape[0];
    let (start, stop) = index::bounds(t, a[2], a[3], n)?;
    for i in start..stop {
        let item = Obj::own(get_item(t, a[0], Value::int(i as i64))?);
        if proto::eq(t, item.value(), a[1])? {
            return Ok(Value::int(i as i64));
        }
    }
    Err(t.value_error("memoryview.index(x): x not found"))
}

/// Iterator over the first dimension.
#[repr(C)]
struct MemoryIter {
    header: Header,
    /// NULL when exhausted.
    view: Slot,
    at: AtomicUsize,
}

pub(super) fn iter(t: &mut Thread, v: Value) -> Res {
    let m = MemoryView::this(v);
    m.check(t)?;
    match m.layout().ndim() {
        1 => {}
        0 => return Err(t.type_error("invalid indexing of 0-dim memory".into())),
        _ => {
            let msg = "multi-dimensional sub-views are not implemented";
            return Err(t.raise(&errors::NOT_IMPLEMENTED_ERROR, msg));
        }
    }
    m.item(t)?;
    // SAFETY: the layout is the type's; the zeroed rest is valid.
    unsafe {
        let p = t.alloc(&MEMORY_ITERATOR.head, size_of::<MemoryIter>()) as *mut MemoryIter;
        (*p).view.init(t, &(*p).header, Obj::new(t, v).into_value());
        Ok(Value::from_ptr(p as *const Header))
    }
}

fn next(t: &mut Thread, v: Value) -> Res {
    // SAFETY: called with objects of this type only.
    let it = unsafe { &*(v.ptr() as *const MemoryIter) };
    let view = it.view.get();
    if view.is_null() {
        return Ok(Value::NULL);
    }
    let m = MemoryView::this(view);
    m.check(t)?;
    let at = it.at.load(Relaxed);
    if at >= m.layout().shape[0] {
        it.view.set(t, &it.header, Value::NULL);
        return Ok(Value::NULL);
    }
    it.at.store(at + 1, Relaxed);
    let at = m.offset(t, 0, at as isize)?;
    m.get(t, at)
}

unsafe fn traverse_iter(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object of this type.
    f(unsafe { (*(h as *const MemoryIter)).view.get() });
}

unsafe fn clear_iter(h: *mut Header, t: &Thread) {
    // SAFETY: a dying object of this type.
    t.drop_value(unsafe { (*(h as *const MemoryIter)).view.take() });
}

/// `memory_iterator`
pub static MEMORY_ITERATOR: Type = Type::builtin(
    "memory_iterator",
    size_of::<MemoryIter>(),
    &Spec {
        iter: Some(|t, v| Ok(Obj::new(t, v).into())),
        iter_next: Some(next),
        ..Spec::EMPTY
    },
)
.gc(traverse_iter, clear_iter)
.final_()
.no_new();
