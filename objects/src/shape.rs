//! Shapes (hidden classes): which attribute of an instance lies in which inline slot.
//!
//! A shape belongs to one class. Instances start with the class's empty shape and move to the next one with each new attribute, so
//! instances that were filled in the same order share a shape. A slot's place is never given to another attribute while the shape
//! lives, and shapes live for ever: an inline cache that has seen the shape's number may read the slot.
//! Shapes are found by number in a table that only grows.

use crate::prelude::*;
use crate::types::type_flags;
use parking_lot::{Mutex, RwLock};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering::*};

/// One shape: its parent and the attribute that it adds.
pub struct Shape {
    pub id: u32,
    parent: Option<&'static Shape>,
    /// Address of the interned name, which lives for ever; 0 for an empty shape.
    name: u64,
    /// Number of attributes, so the slot of `name` is `len - 1`.
    pub len: u32,
    next: RwLock<Vec<(u64, &'static Shape)>>,
    /// The child that was made first, if any: most shapes have no other.
    first: OnceLock<(u64, &'static Shape)>,
    /// All names, by slot. For long shapes a hash table: pairs of a name (0: free) and its slot.
    names: Box<[u64]>,
}

/// Most attributes that are looked through one by one.
const SHORT: usize = 8;

/// Where the search for a name begins in a table of `n` places, a power of two.
#[inline(always)]
fn start(key: u64, n: usize) -> usize {
    ((key >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize & (n - 1)
}

const CHUNK: usize = 1024;
static TABLE: [AtomicPtr<[AtomicPtr<Shape>; CHUNK]>; 16384] =
    [const { AtomicPtr::new(std::ptr::null_mut()) }; 16384];
static NEXT: AtomicU32 = AtomicU32::new(1);
static GROW: Mutex<()> = Mutex::new(());

/// Largest shape number: inline caches keep two of them in 48 bits.
pub const MAX_ID: u32 = (CHUNK * 16384 - 1) as u32;

impl Shape {
    /// The shape with this number.
    #[inline]
    pub fn by_id(id: u32) -> &'static Shape {
        // SAFETY: numbers are handed out after their shape is in the table, and shapes are never freed.
        unsafe {
            let chunk = TABLE[id as usize / CHUNK].load(Acquire);
            &*(*chunk)[id as usize % CHUNK].load(Acquire)
        }
    }

    fn make(parent: Option<&'static Shape>, name: u64) -> Option<&'static Shape> {
        let id = NEXT.fetch_add(1, Relaxed);
        if id > MAX_ID {
            NEXT.store(MAX_ID + 1, Relaxed);
            return None;
        }
        let len = parent.map_or(0, |p| p.len + 1);
        let mut shape = Shape {
            id,
            parent,
            name,
            len,
            next: RwLock::new(Vec::new()),
            first: OnceLock::new(),
            names: Box::new([]),
        };
        let names = shape.names();
        shape.names = if names.len() <= SHORT {
            names.iter().map(|v| v.0).collect()
        } else {
            let n = (names.len() * 2).next_power_of_two();
            let mut table = vec![0; n * 2].into_boxed_slice();
            for (slot, name) in names.iter().enumerate() {
                let mut at = start(name.0, n);
                while table[at * 2] != 0 {
                    at = (at + 1) & (n - 1);
                }
                (table[at * 2], table[at * 2 + 1]) = (name.0, slot as u64);
            }
            table
        };
        let shape: &'static Shape = Box::leak(Box::new(shape));
        let slot = &TABLE[id as usize / CHUNK];
        if slot.load(Acquire).is_null() {
            let _guard = GROW.lock();
            if slot.load(Acquire).is_null() {
                let chunk = Box::new([const { AtomicPtr::new(std::ptr::null_mut()) }; CHUNK]);
                slot.store(Box::into_raw(chunk), Release);
            }
        }
        // SAFETY: the chunk is there and stays.
        unsafe {
            (&(*slot.load(Acquire)))[id as usize % CHUNK]
                .store(shape as *const Shape as *mut Shape, Release)
        };
        Some(shape)
    }

    /// The class's shape without attributes. `None`: numbers have run out.
    pub fn root(class: &Type) -> Option<&'static Shape> {
        let id = class.root_shape.load(Acquire);
        if id != 0 {
            return Some(Shape::by_id(id));
        }
        let shape = Shape::make(None, 0)?;
        match class
            .root_shape
            .compare_exchange(0, shape.id, AcqRel, Acquire)
        {
            Ok(_) => Some(shape),
            Err(id) => Some(Shape::by_id(id)),
        }
    }

    /// The slot of an interned name.
    #[inline]
    pub fn find(&self, name: &Str) -> Option<usize> {
        let key = name as *const Str as u64;
        if self.len as usize <= SHORT {
            return self.names.iter().position(|&k| k == key);
        }
        self.find_long(key)
    }

    #[inline(never)]
    fn find_long(&self, key: u64) -> Option<usize> {
        let n = self.names.len() / 2;
        let mut at = start(key, n);
        loop {
            match self.names[at * 2] {
                0 => return None,
                k if k == key => return Some(self.names[at * 2 + 1] as usize),
                _ => at = (at + 1) & (n - 1),
            }
        }
    }

    /// The shape with `name` added, for instances of `class`.
    pub fn with(&'static self, t: &Thread, class: &Type, name: &Str) -> Option<&'static Shape> {
        let key = name as *const Str as u64;
        if let Some((k, s)) = self.first.get()
            && *k == key
        {
            return Some(s);
        }
        if let Some((_, s)) = self.next.read().iter().find(|(k, _)| *k == key) {
            return Some(s);
        }
        let mut next = self.next.write();
        if let Some((_, s)) = next.iter().find(|(k, _)| *k == key) {
            return Some(s);
        }
        let shape = Shape::make(Some(self), key)?;
        next.push((key, shape));
        let _ = self.first.set((key, shape));
        drop(next);
        // Inline caches assume that no instance attribute hides a class attribute that they hold.
        debug_assert!(class.has(type_flags::INLINE));
        class.note_shadow(t, name);
        Some(shape)
    }

    /// The names in order.
    pub fn names(&self) -> Vec<Value> {
        let mut names = Vec::with_capacity(self.len as usize);
        let mut s = Some(self);
        while let Some(x) = s {
            if x.len > 0 {
                names.push(Value(x.name));
            }
            s = x.parent;
        }
        names.reverse();
        names
    }
}

/// A bit that stands for the name in [`Type::shadow_bits`].
fn shadow_bit(name: &Str) -> u64 {
    1 << start(name as *const Str as u64, 64)
}

impl Type {
    /// An instance attribute called `name` has come up: class attributes of that name may not be taken from caches any more
    /// without looking at the instance.
    fn note_shadow(&self, t: &Thread, name: &Str) {
        self.shadow_bits.fetch_or(shadow_bit(name), Release);
        if self.is_noted(name) {
            return;
        }
        let mut note = Box::new(Noted {
            name: name as *const Str as u64,
            next: self.shadows.load(Acquire),
        });
        // Release: who finds the note finds what is in it.
        while let Err(now) =
            self.shadows
                .compare_exchange_weak(note.next, &raw mut *note, Release, Acquire)
        {
            note.next = now;
        }
        Box::leak(note);
        if self.lookup(t, name).is_some() {
            self.modified(t);
        }
    }

    /// Whether some instance of the class has had an attribute `name` in a slot.
    #[inline]
    pub fn is_shadowed(&self, name: &Str) -> bool {
        self.shadow_bits.load(Acquire) & shadow_bit(name) != 0 && self.is_noted(name)
    }

    #[inline(never)]
    fn is_noted(&self, name: &Str) -> bool {
        let name = name as *const Str as u64;
        let mut p = self.shadows.load(Acquire);
        // SAFETY: notes stay as they are until the class dies.
        while let Some(note) = unsafe { p.as_ref() } {
            if note.name == name {
                return true;
            }
            p = note.next;
        }
        false
    }

    /// Whether there have been instances of the class, or of one below it, with attributes in slots.
    pub fn has_shapes(&self) -> bool {
        self.root_shape.load(Acquire) != 0 || self.any_below(Type::has_shapes)
    }

    /// Whether some instance of the class, or of one below it, has had an attribute `name` in a slot.
    pub fn has_slots_of(&self, name: &Str) -> bool {
        self.is_shadowed(name) || self.any_below(|sub| sub.has_slots_of(name))
    }

    fn any_below(&self, f: impl Fn(&Type) -> bool) -> bool {
        let below = self.subclasses_snapshot();
        below.iter().any(|sub| f(Type::of_unchecked(*sub)))
    }

    /// The class is dying.
    pub fn forget_shadows(&self) {
        let mut p = self.shadows.swap(std::ptr::null_mut(), AcqRel);
        while !p.is_null() {
            // SAFETY: nobody can reach the class any more, and each note was leaked once.
            p = unsafe { Box::from_raw(p) }.next;
        }
    }
}

/// A name that instances of a class have had in a slot; one of a list that only grows.
pub(crate) struct Noted {
    /// The address of the interned name.
    name: u64,
    next: *mut Noted,
}
