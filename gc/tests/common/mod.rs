//! A small world of objects for the tests: nodes with two slots, leaves, weak references, classes, functions.
#![allow(dead_code)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, AtomicU32, AtomicUsize, Ordering::*};
use std::thread::JoinHandle;
use weft_gc::weak::{self, WEAK_TYPE, WeakHead};
use weft_gc::{Flags, Header, Obj, Pending, SHARED, Slot, Thread, TypeFlags, TypeHead, Value};

/// Objects that have been made and not destroyed.
pub static LIVE: AtomicI64 = AtomicI64::new(0);

/// An object that refers to others.
#[repr(C)]
pub struct Node {
    pub header: Header,
    pub slots: [Slot; 2],
    /// It has something to run before it dies.
    pub finalizer: AtomicBool,
    /// What its maker wrote.
    pub field: AtomicUsize,
}

#[repr(C)]
pub struct WeakRef {
    pub head: WeakHead,
    pub callback: Slot,
}

/// A class made at run time.
#[repr(C)]
pub struct Class {
    pub head: TypeHead,
    pub slot: Slot,
}

const fn head(gc_flags: u32) -> TypeHead {
    TypeHead {
        header: Header::immortal(&META),
        gc_flags: AtomicU32::new(gc_flags),
        basic_size: AtomicU32::new(0),
        traverse: None,
        clear: Some(clear_leaf),
        has_finalizer: None,
    }
}

const fn container(gc_flags: u32) -> TypeHead {
    TypeHead {
        traverse: Some(traverse_node),
        clear: Some(clear_node),
        ..head(TypeFlags::CONTAINER | gc_flags)
    }
}

pub static META: TypeHead = TypeHead {
    traverse: Some(traverse_class),
    clear: Some(clear_class),
    ..head(TypeFlags::CONTAINER | TypeFlags::COLLECTED)
};
pub static LEAF: TypeHead = head(0);
pub static NODE: TypeHead = TypeHead {
    has_finalizer: Some(has_finalizer),
    ..container(0)
};
pub static WEAK: TypeHead = TypeHead {
    traverse: Some(traverse_weak),
    clear: Some(clear_weak),
    ..head(TypeFlags::CONTAINER | WEAK_TYPE)
};

unsafe fn visit(slot: &Slot, f: &mut dyn FnMut(Value)) {
    let v = slot.get();
    if !v.is_null() {
        f(v);
    }
}

unsafe fn traverse_node(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an object of that type; so in the others.
    unsafe {
        for slot in &(*(h as *const Node)).slots {
            visit(slot, f);
        }
    }
}

unsafe fn clear_node(h: *mut Header, t: &Thread) {
    LIVE.fetch_sub(1, Relaxed);
    // SAFETY: as above.
    unsafe {
        let node = &*(h as *const Node);
        assert_eq!(node.field.swap(0xdead, Relaxed), 42, "destroyed twice");
        for slot in &node.slots {
            t.drop_value(slot.take());
        }
    }
}

unsafe fn clear_leaf(_: *mut Header, _: &Thread) {
    LIVE.fetch_sub(1, Relaxed);
}

unsafe fn has_finalizer(h: *const Header) -> bool {
    // SAFETY: as above.
    unsafe { (*(h as *const Node)).finalizer.load(Relaxed) }
}

unsafe fn traverse_weak(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: as above.
    unsafe { visit(&(*(h as *const WeakRef)).callback, f) };
}

unsafe fn clear_weak(h: *mut Header, t: &Thread) {
    LIVE.fetch_sub(1, Relaxed);
    // SAFETY: as above.
    let w = unsafe { &*(h as *const WeakRef) };
    weak::unregister(&w.head);
    t.drop_value(w.callback.take());
}

unsafe fn traverse_class(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: as above.
    unsafe { visit(&(*(h as *const Class)).slot, f) };
}

unsafe fn clear_class(h: *mut Header, t: &Thread) {
    LIVE.fetch_sub(1, Relaxed);
    // SAFETY: as above.
    unsafe { t.drop_value((*(h as *const Class)).slot.take()) };
}

// --- making objects ---

/// A node of `size` bytes and some type whose objects are nodes.
pub fn node_of(t: &Thread, ty: &TypeHead, size: usize) -> Obj {
    LIVE.fetch_add(1, Relaxed);
    // SAFETY: zero is a valid node.
    let o = Obj::from_raw(Value::from_ptr(unsafe {
        t.alloc(ty, size.max(size_of::<Node>()))
    }));
    as_node(o.value()).field.store(42, Relaxed);
    o
}

pub fn node(t: &Thread) -> Obj {
    node_of(t, &NODE, 0)
}

/// A node that refers to others.
pub fn pair(t: &Thread, a: Option<&Obj>, b: Option<&Obj>) -> Obj {
    let o = node(t);
    for (i, child) in [a, b].into_iter().enumerate() {
        if let Some(child) = child {
            set(t, &o, i, child.clone());
        }
    }
    o
}

pub fn leaf_of(t: &Thread, ty: &TypeHead, size: usize) -> Obj {
    LIVE.fetch_add(1, Relaxed);
    // SAFETY: nothing but a header.
    Obj::from_raw(Value::from_ptr(unsafe { t.alloc(ty, size.max(16)) }))
}

/// A class whose objects are nodes or leaves.
pub fn class(t: &Thread, like: &TypeHead) -> Obj {
    LIVE.fetch_add(1, Relaxed);
    // SAFETY: the header is written by `alloc`, everything else here.
    unsafe {
        let p = t.alloc(&META, size_of::<Class>()) as *mut Class;
        (&raw mut (*p).head.gc_flags).write(AtomicU32::new(like.gc_flags.load(Relaxed)));
        (&raw mut (*p).head.traverse).write(like.traverse);
        (&raw mut (*p).head.clear).write(like.clear);
        Obj::from_raw(Value::from_ptr(p as *const Header))
    }
}

pub fn as_class(o: &Obj) -> &Class {
    assert!(std::ptr::eq(o.header().ty(), &META));
    // SAFETY: checked above.
    unsafe { &*(o.value().ptr() as *const Class) }
}

pub fn weakref(t: &Thread, target: &Obj, callback: Option<Obj>) -> Obj {
    LIVE.fetch_add(1, Relaxed);
    // SAFETY: zero is a valid weak reference.
    let o = Obj::from_raw(Value::from_ptr(unsafe {
        t.alloc(&WEAK, size_of::<WeakRef>())
    }));
    let w = as_weak(&o);
    if let Some(callback) = callback {
        w.callback.init(t, &w.head.header, callback.into_value());
        w.head.has_callback.store(1, Relaxed);
    }
    weak::register(t, target.header(), &w.head);
    o
}

pub fn as_weak(o: &Obj) -> &WeakRef {
    // SAFETY: the tests know their objects.
    unsafe { &*(o.value().ptr() as *const WeakRef) }
}

pub fn upgrade(t: &Thread, w: &Obj) -> Option<Obj> {
    weak::upgrade(t, &as_weak(w).head)
}

pub fn as_node<'a>(v: Value) -> &'a Node {
    // SAFETY: the tests know their objects.
    unsafe { &*(v.ptr() as *const Node) }
}

pub fn set(t: &Thread, o: &Obj, slot: usize, v: Obj) {
    as_node(o.value()).slots[slot].set(t, o.header(), v.into_value());
}

pub fn empty(t: &Thread, o: &Obj, slot: usize) {
    as_node(o.value()).slots[slot].set(t, o.header(), Value::NULL);
}

/// A counted reference to what a slot refers to.
pub fn get(t: &Thread, o: &Obj, slot: usize) -> Obj {
    Obj::new(t, as_node(o.value()).slots[slot].get())
}

/// Two nodes that refer to each other.
pub fn cycle(t: &Thread) -> Obj {
    let a = node(t);
    let b = pair(t, Some(&a), None);
    set(t, &a, 0, b);
    a
}

/// A chain of so many nodes.
pub fn chain(t: &Thread, length: usize) -> Obj {
    let mut last = node(t);
    for _ in 1..length {
        let next = node(t);
        set(t, &next, 0, last);
        last = next;
    }
    last
}

pub fn is_shared(o: &Obj) -> bool {
    o.header().owner.load(Relaxed) == SHARED
}

// --- running ---

static SERIAL: Mutex<()> = Mutex::new(());

/// Runs a test in a thread of the runtime, one test at a time, and checks that nothing is left.
pub fn run(f: impl FnOnce(&mut Thread)) {
    let serial = SERIAL.lock().unwrap_or_else(|e| e.into_inner());
    LIVE.store(0, Relaxed);
    let mut t = weft_gc::spawn_state(None, 1 << 16).unwrap();
    t.enter();
    // A failing test must not hold up the others: handshakes wait for its thread.
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| f(&mut t)));
    if let Err(e) = result {
        t.leave();
        drop(serial);
        std::panic::resume_unwind(e);
    }
    drain(&mut t);
    let left = LIVE.load(Relaxed);
    t.leave();
    drop(serial);
    assert_eq!(left, 0, "objects that nobody refers to are left");
}

/// Collects and settles until nothing happens any more.
pub fn drain(t: &mut Thread) {
    loop {
        let before = LIVE.load(Relaxed);
        t.safepoint();
        weft_gc::collect(t);
        t.settle(true);
        let ran = run_pending(t);
        if LIVE.load(Relaxed) == before && ran == 0 {
            return;
        }
    }
}

/// "Runs" what is pending; gives how many there were.
pub fn run_pending(t: &mut Thread) -> usize {
    let mut n = 0;
    while let Some(p) = t.pop_pending() {
        n += 1;
        match p {
            Pending::Finalize(o) => {
                assert!(o.header().has_flag(Flags::FINALIZED));
                t.drop_finalized(o);
            }
            Pending::Callback(w) => {
                assert!(weak::is_dead(&as_weak(&w).head));
                as_weak(&w).head.has_callback.store(0, Relaxed);
            }
        }
    }
    n
}

/// A reference that may go to another thread.
pub struct Sent(Value);
// SAFETY: published.
unsafe impl Send for Sent {}

impl Sent {
    pub fn new(t: &Thread, o: Obj) -> Sent {
        weft_gc::share(t, o.value());
        Sent(o.into_value())
    }
    pub fn take(self) -> Obj {
        Obj::from_raw(self.0)
    }
}

/// Something that all threads can reach.
pub struct Global(pub AtomicPtr<Header>);

impl Global {
    pub const fn new() -> Global {
        Global(AtomicPtr::new(std::ptr::null_mut()))
    }
    pub fn put(&self, t: &Thread, o: Obj) {
        weft_gc::share(t, o.value());
        let old = self.0.swap(o.into_value().ptr(), AcqRel);
        weft_gc::dec(t, Value::from_ptr(old));
    }
    pub fn get(&self) -> Value {
        Value::from_ptr(self.0.load(Acquire))
    }
    pub fn clear(&self, t: &Thread) {
        let old = self.0.swap(std::ptr::null_mut(), AcqRel);
        weft_gc::dec(t, Value::from_ptr(old));
    }
}

/// Starts a thread of the runtime.
pub fn start(t: &mut Thread, f: impl FnOnce(&mut Thread) + Send + 'static) -> JoinHandle<()> {
    struct Start(Box<Thread>);
    // SAFETY: not entered yet.
    unsafe impl Send for Start {}
    let state = Start(weft_gc::spawn_state(Some(t), 1 << 12).unwrap());
    std::thread::spawn(move || {
        let start = state;
        let mut state = start.0;
        state.enter();
        f(&mut state);
        weft_gc::collect_local(&mut state);
        state.leave();
    })
}

pub fn join(t: &mut Thread, h: JoinHandle<()>) {
    t.blocking(|| h.join()).unwrap();
}

/// What the interpreter does at a back-edge.
pub fn poll(t: &mut Thread) {
    if t.interrupted() {
        t.safepoint();
        weft_gc::collect_if_due(t);
        run_pending(t);
        t.peer().take(weft_gc::breaker_bits::FINALIZERS);
    }
    if cfg!(feature = "gil") {
        t.blocking(|| ());
    }
}

/// Puts a word into a register of the thread.
pub fn put_register(t: &Thread, i: usize, v: Value) {
    let p = t.regs.base().wrapping_add(i);
    // SAFETY: within the thread's registers, which start out zero.
    unsafe { p.write(v) };
    if p >= t.regs.top() {
        t.regs.set_top(p.wrapping_add(1));
    }
}

pub fn register(t: &Thread, i: usize) -> Value {
    // SAFETY: as above.
    unsafe { t.regs.base().wrapping_add(i).read() }
}

pub fn drop_register(t: &Thread, i: usize) {
    let v = register(t, i);
    put_register(t, i, Value::NULL);
    weft_gc::dec(t, v);
}

/// How often something is done; Miri takes a thousand times as long.
pub fn times(n: usize) -> usize {
    if cfg!(miri) { n.div_ceil(200) } else { n }
}
