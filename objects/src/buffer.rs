//! The buffer protocol: a view of the memory of bytes, bytearrays, arrays and other exporters.

use crate::prelude::*;
use std::sync::Arc;

pub mod item;

/// Shape of a view that is not just a row of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Of one item, in the syntax of `struct`.
    pub format: String,
    pub itemsize: usize,
    pub shape: Vec<usize>,
    /// In bytes, one for each dimension.
    pub strides: Vec<isize>,
}

impl Layout {
    /// A row of items, one after the other.
    pub fn row(format: &str, itemsize: usize, n: usize) -> Layout {
        Layout {
            format: format.into(),
            itemsize,
            shape: vec![n],
            strides: vec![itemsize as isize],
        }
    }

    /// Items of this shape in C order.
    pub fn packed(format: &str, itemsize: usize, shape: Vec<usize>) -> Layout {
        let mut strides = vec![0; shape.len()];
        let mut step = itemsize as isize;
        for (stride, n) in strides.iter_mut().zip(&shape).rev() {
            *stride = step;
            step *= *n as isize;
        }
        Layout {
            format: format.into(),
            itemsize,
            shape,
            strides,
        }
    }

    pub fn ndim(&self) -> usize {
        self.shape.len()
    }

    /// Number of items.
    pub fn items(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the items lie one after the other, the last index running fastest.
    pub fn is_c_contiguous(&self) -> bool {
        self.is_contiguous(self.shape.iter().zip(&self.strides).rev())
    }

    /// The same with the first index running fastest.
    pub fn is_f_contiguous(&self) -> bool {
        self.is_contiguous(self.shape.iter().zip(&self.strides))
    }

    fn is_contiguous<'a>(&self, dims: impl Iterator<Item = (&'a usize, &'a isize)>) -> bool {
        if self.items() == 0 {
            return true;
        }
        let mut step = self.itemsize as isize;
        for (&n, &stride) in dims {
            if n > 1 && stride != step {
                return false;
            }
            step *= n as isize;
        }
        true
    }

    /// Calls `f` with the byte offset of each item, in C order.
    pub fn for_each(&self, f: &mut dyn FnMut(isize)) {
        fn walk(shape: &[usize], strides: &[isize], at: isize, f: &mut dyn FnMut(isize)) {
            match (shape.split_first(), strides.split_first()) {
                (Some((&n, shape)), Some((&stride, strides))) => {
                    for i in 0..n as isize {
                        walk(shape, strides, at + i * stride, f);
                    }
                }
                _ => f(at),
            }
        }
        walk(&self.shape, &self.strides, 0, f);
    }
}

/// How an exporter is told that a view is gone.
pub type ReleaseFn = fn(&Header);

/// A view of an object's memory, held until it is dropped. The exporter does not move or free the memory meanwhile.
pub struct Buffer {
    pub obj: Obj,
    /// The first item.
    pub ptr: *mut u8,
    /// Bytes of all items together.
    pub len: usize,
    pub readonly: bool,
    /// `None`: a row of bytes (format `B`).
    pub layout: Option<Arc<Layout>>,
    release: Option<ReleaseFn>,
}

impl Buffer {
    /// A view of `len` bytes at `ptr`, which `obj` keeps in place until `release` is called with it.
    pub fn new(
        obj: Obj,
        ptr: *mut u8,
        len: usize,
        readonly: bool,
        release: Option<ReleaseFn>,
    ) -> Buffer {
        Buffer {
            obj,
            ptr,
            len,
            readonly,
            layout: None,
            release,
        }
    }

    /// The same for items that are not bytes.
    pub fn with_layout(mut self, layout: Arc<Layout>) -> Buffer {
        self.layout = Some(layout);
        self
    }

    /// The parts, for who releases the view itself.
    pub fn into_parts(self) -> (Obj, Option<ReleaseFn>) {
        let b = std::mem::ManuallyDrop::new(self);
        // SAFETY: each field is moved out or dropped once, as `drop` does not run.
        unsafe {
            drop(std::ptr::read(&b.layout));
            (std::ptr::read(&b.obj), b.release)
        }
    }

    pub fn itemsize(&self) -> usize {
        self.layout.as_ref().map_or(1, |l| l.itemsize)
    }
    pub fn format(&self) -> &str {
        self.layout.as_ref().map_or("B", |l| &l.format)
    }
    pub fn ndim(&self) -> usize {
        self.layout.as_ref().map_or(1, |l| l.ndim())
    }
    pub fn is_c_contiguous(&self) -> bool {
        self.layout.as_ref().is_none_or(|l| l.is_c_contiguous())
    }
    /// The layout, also of plain bytes.
    pub fn layout(&self) -> Arc<Layout> {
        self.layout
            .clone()
            .unwrap_or_else(|| Arc::new(Layout::row("B", 1, self.len)))
    }

    /// The memory of a view that is contiguous. Others may write to it meanwhile if the exporter is mutable.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        debug_assert!(self.is_c_contiguous());
        if self.len == 0 {
            return &[];
        }
        // SAFETY: the exporter keeps the memory while the view is held.
        unsafe { std::slice::from_raw_parts(self.ptr, self.len) }
    }

    /// The same, to write to; not of a read-only view.
    #[inline]
    pub fn as_mut_bytes(&mut self) -> &mut [u8] {
        debug_assert!(self.is_c_contiguous() && !self.readonly);
        if self.len == 0 {
            return &mut [];
        }
        // SAFETY: as in `as_bytes`.
        unsafe { std::slice::from_raw_parts_mut(self.ptr, self.len) }
    }

    /// A copy of the items in C order.
    pub fn to_vec(&self) -> Vec<u8> {
        match &self.layout {
            Some(layout) if !layout.is_c_contiguous() => {
                // SAFETY: the exporter keeps the memory while the view is held.
                unsafe { gather(self.ptr, layout, self.len) }
            }
            _ => self.as_bytes().to_vec(),
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            release(self.obj.header());
        }
    }
}

/// The items at `ptr` in C order.
///
/// # Safety
/// The memory that the layout describes is there.
pub unsafe fn gather(ptr: *const u8, layout: &Layout, len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len);
    layout.for_each(&mut |at| {
        // SAFETY: the caller's promise.
        out.extend_from_slice(unsafe {
            std::slice::from_raw_parts(ptr.offset(at), layout.itemsize)
        });
    });
    out
}

/// Whether the object exports a buffer.
pub fn is_exporter(v: Value) -> bool {
    type_of(v).slots.buffer.is_set()
}

/// Any view of the object: TypeError if it has none, BufferError if it does not give one.
pub fn get_any(t: &mut Thread, v: Value, writable: bool) -> Res<Buffer> {
    match type_of(v).slots.buffer.get() {
        Some(f) => f(t, v, writable),
        None => {
            let got = type_of(v).name();
            Err(t.type_error(format!("a bytes-like object is required, not '{got}'")))
        }
    }
}

/// A contiguous view to read from.
pub fn get(t: &mut Thread, v: Value) -> Res<Buffer> {
    let b = get_any(t, v, false)?;
    contiguous(t, b)
}

/// A contiguous view to write to: `f() argument 2 must be read-write bytes-like object, not bytes`. Without a name, or a
/// position (0), messages leave that out.
pub fn get_writable(t: &mut Thread, v: Value, f: &str, position: usize) -> Res<Buffer> {
    let refused = match is_exporter(v) {
        true => match get_any(t, v, true) {
            Ok(b) if !b.readonly && b.is_c_contiguous() => return Ok(b),
            Ok(_) => true,
            Err(e) if !t.exc_matches(&errors::BUFFER_ERROR) => return Err(e),
            Err(_) => true,
        },
        false => true,
    };
    debug_assert!(refused);
    t.clear_exc();
    let got = type_of(v).name();
    let argument = match (f, position) {
        ("", _) => "argument".to_owned(),
        (_, 0) => format!("{f}() argument"),
        _ => format!("{f}() argument {position}"),
    };
    Err(t.type_error(format!(
        "{argument} must be read-write bytes-like object, not {got}"
    )))
}

fn contiguous(t: &mut Thread, b: Buffer) -> Res<Buffer> {
    if b.is_c_contiguous() {
        return Ok(b);
    }
    let name = type_of(b.obj.value()).name();
    Err(t.raise(
        &errors::BUFFER_ERROR,
        format!("{name}: underlying buffer is not C-contiguous"),
    ))
}

/// Calls `f` with the bytes of a bytes-like object.
#[inline]
pub fn with_bytes<R>(t: &mut Thread, v: Value, f: impl FnOnce(&[u8]) -> R) -> Res<R> {
    if let Some(b) = crate::bytes::Bytes::of(v) {
        return Ok(f(b.as_slice()));
    }
    let b = get(t, v)?;
    Ok(f(b.as_bytes()))
}
