//! The buffer protocol: a view of the memory of bytes, bytearrays, arrays and other exporters.

use crate::prelude::*;
use std::sync::Arc;

pub mod item;
pub mod lender;

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
    /// The items as they were at one moment, to which `ptr` then points.
    copy: Option<Box<[u8]>>,
}

/// A view of more bytes than this is rather looked at as it changes than copied, by who does not mind.
const LARGE: usize = 1 << 20;

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
            copy: None,
        }
    }

    /// The same for items that are not bytes.
    pub fn with_layout(mut self, layout: Arc<Layout>) -> Buffer {
        self.layout = Some(layout);
        self
    }

    /// The parts, for who releases the view itself, which is none of a copy.
    pub fn into_parts(self) -> (Obj, Option<ReleaseFn>) {
        assert!(self.copy.is_none());
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

    /// The memory of a view that is contiguous. Others may write to it meanwhile unless it is [`still`](get_still).
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        debug_assert!(self.is_c_contiguous());
        if self.len == 0 {
            return &[];
        }
        // SAFETY: the exporter keeps the memory while the view is held.
        unsafe { std::slice::from_raw_parts(self.ptr, self.len) }
    }

    /// Where the memory is written, if other threads may be doing so as well: under this object's lock.
    fn shared_root(&self, t: &Thread) -> Option<&Header> {
        let root = crate::memoryview::root(self.obj.value());
        // SAFETY: kept by `obj`, which cannot be released while this view is there.
        let h = unsafe { &*root.ptr() };
        (!h.is_local(t) && crate::bytes::Bytes::of(root).is_none() && self.copy.is_none())
            .then_some(h)
    }

    /// So many bytes from there on, at one moment. They lie within the view, which is contiguous.
    pub fn part(&self, t: &Thread, at: usize, n: usize) -> Vec<u8> {
        let _guard = self.shared_root(t).map(|h| lock(t, h));
        self.as_bytes()[at..at + n].to_vec()
    }

    /// Writes bytes there, which lies within the view, which is contiguous and not read-only.
    pub fn write(&mut self, t: &Thread, at: usize, bytes: &[u8]) {
        debug_assert!(self.is_c_contiguous() && !self.readonly);
        assert!(at + bytes.len() <= self.len);
        let _guard = self.shared_root(t).map(|h| lock(t, h));
        // SAFETY: within the view, whose memory the exporter keeps; the lock (or that nobody else has the object) keeps others away.
        // `bytes` may lie in the same memory.
        unsafe { std::ptr::copy(bytes.as_ptr(), self.ptr.add(at), bytes.len()) };
    }

    /// Has `f` fill the first `n` bytes, or less, of a view that is contiguous and not read-only: `f` may detach the thread, and
    /// says how many it has written. Others who look at a shared object see them all at once, unless it is large.
    pub fn fill<E>(
        &mut self,
        t: &mut Thread,
        n: usize,
        f: impl FnOnce(&mut Thread, *mut u8) -> Result<usize, E>,
    ) -> Result<usize, E> {
        assert!(n <= self.len && !self.readonly);
        if n > LARGE || self.shared_root(t).is_none() {
            return f(t, self.ptr);
        }
        let mut room = vec![0; n];
        let got = f(t, room.as_mut_ptr())?;
        self.write(t, 0, &room[..got.min(n)]);
        Ok(got)
    }

    /// The view, of a copy if others may be writing to the memory: what is decided by looking at it once holds the next time.
    fn still(mut self, t: &Thread) -> Buffer {
        let copy = match self.shared_root(t) {
            Some(h) if self.len > 0 => {
                let _guard = lock(t, h);
                self.to_vec().into_boxed_slice()
            }
            _ => return self,
        };
        self.ptr = copy.as_ptr().cast_mut();
        self.copy = Some(copy);
        if let Some(l) = &self.layout {
            self.layout = Some(Arc::new(Layout::packed(
                &l.format,
                l.itemsize,
                l.shape.clone(),
            )));
        }
        self
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

/// A view to read from, which does not change: a copy if other threads could write to it.
pub fn get_still(t: &mut Thread, v: Value) -> Res<Buffer> {
    let b = get_any(t, v, false)?;
    Ok(b.still(t))
}

/// The same, and contiguous.
pub fn get(t: &mut Thread, v: Value) -> Res<Buffer> {
    let b = get_live(t, v)?;
    Ok(b.still(t))
}

/// A contiguous view of what may change while it is looked at: for who takes each byte as it comes.
pub fn get_live(t: &mut Thread, v: Value) -> Res<Buffer> {
    let b = get_any(t, v, false)?;
    contiguous(t, b)
}

/// As [`get_live`] if it is large, and else as [`get`].
pub fn get_bulk(t: &mut Thread, v: Value) -> Res<Buffer> {
    get_up_to(t, v, LARGE)
}

/// As [`get`] if there are not more bytes than this, and else as [`get_live`].
pub fn get_up_to(t: &mut Thread, v: Value, most: usize) -> Res<Buffer> {
    let b = get_live(t, v)?;
    Ok(if b.len > most { b } else { b.still(t) })
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
