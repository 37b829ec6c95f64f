//! The 16 bytes that every heap object starts with, and what the collectors know of its type.

use crate::thread::Thread;
use crate::value::Value;
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU16, AtomicU32, Ordering::*};
use weft_threads::parker::RawLock;

pub use crate::barrier::SHARED;
/// Owner of an immortal object: never counted, never freed.
pub const IMMORTAL: u16 = u16::MAX;

/// Flag bits of one object.
#[allow(non_snake_case)]
pub mod Flags {
    /// Weak references to it are in the table of [`crate::weak`].
    pub const WEAKREFS: u8 = 1;
    /// Its finalizer has run (PEP 442: it runs once).
    pub const FINALIZED: u8 = 2;
    /// Its attributes are in a dict rather than in inline slots.
    pub const DICT: u8 = 4;
    /// It is being destroyed or collected.
    pub const DYING: u8 = 8;
    /// For the type that owns the object to use as it likes.
    pub const USER1: u8 = 16;
    pub const USER2: u8 = 32;
    /// As [`super::TypeFlags::COLLECTED`] once it is shared, for this object alone: a dict that is some function's globals
    /// ([`crate::keep_globals`]), a function of a module or a class ([`crate::share_for_good`]).
    pub const COLLECTED: u8 = 64;
    /// Frozen by `gc.freeze`: the collectors leave it alone.
    pub const FROZEN: u8 = 128;
}

/// Start of every heap object, 16 bytes, 16-byte aligned.
///
/// `count` is a plain number while the object is local to the thread whose tag is `owner`; of a shared object it is the
/// count word of [`weft_threads::count`].
#[repr(C, align(16))]
pub struct Header {
    pub count: AtomicU32,
    pub owner: AtomicU16,
    pub lock: RawLock,
    pub flags: AtomicU8,
    pub ty: AtomicPtr<TypeHead>,
}

/// Properties of a type that memory management asks for.
#[allow(non_snake_case)]
pub mod TypeFlags {
    /// Objects hold references: they lie on pages that the collectors walk.
    pub const CONTAINER: u32 = 1;
    /// Objects are freed by the collectors alone, never when their count falls to zero (types, code,
    /// modules): their counts may leave out references.
    pub const COLLECTED: u32 = 2;
    /// Objects may have a finalizer: `finalize` is asked before destruction.
    pub const FINALIZE: u32 = 4;
    /// Objects may hold uncounted references (see [`crate::keep`]).
    pub const UNCOUNTED: u32 = 16;
    /// Objects lead to another one without referring to it (see [`crate::published_with`]).
    pub const LEADS_ON: u32 = 32;
}

/// Visits each counted reference of an object.
pub type Traverse = unsafe fn(*const Header, &mut dyn FnMut(Value));

/// What memory management knows of a type. It is the first field of every type object.
#[repr(C)]
pub struct TypeHead {
    pub header: Header,
    /// `TypeFlags`.
    pub gc_flags: AtomicU32,
    /// Bytes of one object, or 0 if they differ.
    pub basic_size: AtomicU32,
    /// Visits each counted reference that the object holds, its type not among them. `None`: holds none.
    pub traverse: Option<Traverse>,
    /// Takes out every reference, giving each to [`Thread::drop_value`], and frees memory outside the object. Called once, at
    /// destruction. `None`: nothing to do.
    pub clear: Option<unsafe fn(*mut Header, &Thread)>,
    /// Whether this object has something to run before it dies (`__del__`, an open file).
    pub has_finalizer: Option<unsafe fn(*const Header) -> bool>,
}

// SAFETY: a type object is shared or immortal before a second thread can reach it, its function pointers never change, and its
// other fields are atomics.
unsafe impl Sync for TypeHead {}
// SAFETY: as above.
unsafe impl Send for TypeHead {}

impl Header {
    /// The header of a static, immortal object.
    pub const fn immortal(ty: *const TypeHead) -> Header {
        Header {
            count: AtomicU32::new(1),
            owner: AtomicU16::new(IMMORTAL),
            lock: RawLock::new(),
            flags: AtomicU8::new(0),
            ty: AtomicPtr::new(ty as *mut TypeHead),
        }
    }

    /// The type. Relaxed: the pointer was written before the object could be reached, or under a stopped world.
    #[inline(always)]
    pub fn ty(&self) -> &TypeHead {
        // SAFETY: a live object's type is alive: types are freed by the collectors alone, which see this edge.
        unsafe { &*self.ty.load(Relaxed) }
    }

    /// Owned by this thread: nobody else can reach it (I2). Relaxed: the only change another thread could see is one that
    /// this thread made itself (I1).
    #[inline(always)]
    pub fn is_local(&self, t: &Thread) -> bool {
        if cfg!(feature = "gil") {
            true
        } else {
            self.owner.load(Relaxed) == t.tag()
        }
    }

    #[inline(always)]
    pub fn is_immortal(&self) -> bool {
        self.owner.load(Relaxed) == IMMORTAL
    }

    /// Whether the object, which is shared, is freed by the collectors alone.
    #[inline]
    pub fn is_collected(&self) -> bool {
        self.ty().gc_flags.load(Relaxed) & TypeFlags::COLLECTED != 0
            || self.has_flag(Flags::COLLECTED)
    }

    #[inline(always)]
    pub fn has_flag(&self, flag: u8) -> bool {
        self.flags.load(Relaxed) & flag != 0
    }

    #[inline]
    pub fn set_flag(&self, flag: u8) {
        self.flags.fetch_or(flag, AcqRel);
    }

    #[inline]
    pub fn clear_flag(&self, flag: u8) {
        self.flags.fetch_and(!flag, AcqRel);
    }

    /// Takes the object out of counting for good (anything may become immortal, I1). What it refers to must not be local (I3):
    /// publish it first if it refers to anything.
    pub fn make_immortal(&self) {
        self.owner.store(IMMORTAL, Release);
    }

    #[inline(always)]
    pub fn is_container(&self) -> bool {
        self.ty().gc_flags.load(Relaxed) & TypeFlags::CONTAINER != 0
    }

    #[inline(always)]
    pub fn value(&self) -> Value {
        Value::from_ptr(self)
    }
}
