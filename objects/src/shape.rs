//! Shapes (hidden classes): which attribute of an instance lies in which inline slot.
//!
//! A shape belongs to one class. Instances start with the class's empty shape and move to the next one with each new attribute, so
//! instances that were filled in the same order share a shape. A slot's place is never given to another attribute while the shape
//! lives, and shapes live for ever: an inline cache that has seen the shape's number may read the slot.
//! Shapes are found by number in a table that only grows.

use crate::prelude::*;
use crate::types::type_flags;
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
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
    /// For long shapes: all names and their slots.
    index: Option<HashMap<u64, u32>>,
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
            index: None,
        };
        if len > 8 {
            let mut index = HashMap::new();
            let mut s = Some(&shape);
            while let Some(x) = s {
                if x.len > 0 {
                    index.insert(x.name, x.len - 1);
                }
                s = x.parent;
            }
            shape.index = Some(index);
        }
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
        if let Some(index) = &self.index {
            return index.get(&key).map(|&i| i as usize);
        }
        let mut s = self;
        while s.len > 0 {
            if s.name == key {
                return Some(s.len as usize - 1);
            }
            s = s.parent?;
        }
        None
    }

    /// The shape with `name` added, for instances of `class`.
    pub fn with(&'static self, t: &Thread, class: &Type, name: &Str) -> Option<&'static Shape> {
        let key = name as *const Str as u64;
        if let Some((_, s)) = self.next.read().iter().find(|(k, _)| *k == key) {
            return Some(s);
        }
        let mut next = self.next.write();
        if let Some((_, s)) = next.iter().find(|(k, _)| *k == key) {
            return Some(s);
        }
        let shape = Shape::make(Some(self), key)?;
        next.push((key, shape));
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

impl Type {
    /// An instance attribute called `name` has come up: class attributes of that name may not be taken from caches any more
    /// without looking at the instance.
    fn note_shadow(&self, t: &Thread, name: &Str) {
        let mut set = SHADOWED.lock();
        let names = set.entry(self as *const Type as usize).or_default();
        if !names.contains(&(name as *const Str as u64)) {
            names.push(name as *const Str as u64);
            drop(set);
            if self.lookup(t, name).is_some() {
                self.modified(t);
            }
        }
    }

    /// Whether some instance of the class has had an attribute `name` in a slot.
    pub fn is_shadowed(&self, name: &Str) -> bool {
        SHADOWED
            .lock()
            .get(&(self as *const Type as usize))
            .is_some_and(|n| n.contains(&(name as *const Str as u64)))
    }

    /// The class is dying.
    pub fn forget_shadows(&self) {
        SHADOWED.lock().remove(&(self as *const Type as usize));
    }
}

static SHADOWED: Mutex<std::collections::BTreeMap<usize, Vec<u64>>> =
    Mutex::new(std::collections::BTreeMap::new());
