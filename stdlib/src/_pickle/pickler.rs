//! `Pickler` and the view of its memo.

use super::memo::Memo;
use super::ops::*;
use super::output::Output;
use super::save::Dump;
use super::{Running, pickling_error};
use crate::support::{self, Count, Guarded, given_some, int_obj};
use std::mem::offset_of;
use std::sync::atomic::{AtomicBool, Ordering::*};
use weft_gc::share;
use weft_objects::cell::{counted, fresh, own};
use weft_objects::instance::{generic_get_attr, generic_set_attr};
use weft_objects::int;
use weft_objects::prelude::*;
use weft_objects::types::alloc_instance;

/// A pickler. What has not been initialised has protocol 0 and no mark in `ready`.
#[repr(C)]
pub struct Pickler {
    pub header: Header,
    /// The file's `write`; NULL in `dumps`.
    write: Slot,
    pub callback: Slot,
    table: Slot,
    /// What has been assigned to `persistent_id`.
    persistent_id: Slot,
    pub memo: Guarded<Memo>,
    ready: AtomicBool,
    running: AtomicBool,
    pub proto: Count,
    /// Ints of C, as two's complement.
    pub bin: Count,
    pub fast: Count,
    pub fix_imports: AtomicBool,
}

pub fn this<'a>(v: Value) -> &'a Pickler {
    // SAFETY: slots and methods of PICKLER get its instances alone.
    unsafe { &*(v.ptr() as *const Pickler) }
}

impl Pickler {
    /// The number of an object that has been written.
    #[inline]
    pub fn memo_get(&self, t: &Thread, v: Value) -> Option<usize> {
        let guard = weft_gc::lock(t, &self.header);
        self.memo.get(&guard).get(v.bare().0)
    }

    /// Notes an object; gives its number.
    #[inline]
    pub fn memo_put(&self, t: &Thread, v: Value) -> usize {
        let word = counted(t, v);
        self.publish(t, word);
        let (number, old) = {
            let guard = weft_gc::lock(t, &self.header);
            let memo = self.memo.get(&guard);
            let number = memo.len();
            (number, memo.put(word.0, number))
        };
        if let Some(word) = old {
            t.drop_value(Value(word));
        }
        number
    }

    #[inline]
    fn publish(&self, t: &Thread, v: Value) {
        if !self.header.is_local(t) {
            share(t, v);
        }
    }

    /// Puts another memo in place of this one.
    fn replace_memo(&self, t: &Thread, new: Memo) {
        for (word, _) in new.entries() {
            self.publish(t, Value(*word));
        }
        let old = {
            let guard = weft_gc::lock(t, &self.header);
            std::mem::replace(self.memo.get(&guard), new)
        };
        for (word, _) in old.entries() {
            t.drop_value(Value(*word));
        }
    }

    /// New references to what is in the memo.
    fn memo_items(&self, t: &Thread) -> Vec<(Obj, usize)> {
        let guard = weft_gc::lock(t, &self.header);
        let entries = self.memo.get(&guard).entries();
        entries
            .iter()
            .map(|(word, n)| (Obj::new(t, Value(*word)), *n))
            .collect()
    }
}

/// A pickler of our own: for a file, or without one. `rest`: protocol, fix_imports, buffer_callback.
pub fn make(t: &mut Thread, file: Option<Value>, rest: [Value; 3]) -> Res<Obj> {
    // SAFETY: the layout of PICKLER.
    let (o, p) = unsafe { fresh::<Pickler>(t, &PICKLER) };
    set_up(t, p, file, rest)?;
    Ok(o)
}

fn set_up(t: &mut Thread, p: &Pickler, file: Option<Value>, rest: [Value; 3]) -> Res<()> {
    let [protocol, fix_imports, callback] = rest;
    let proto = if protocol.is_null() || protocol.is_none() {
        HIGHEST
    } else {
        match support::c_int(t, protocol)? {
            n if n < 0 => HIGHEST,
            n if n > HIGHEST => {
                let msg = format!("pickle protocol must be <= {HIGHEST}");
                return Err(t.value_error(msg));
            }
            n => n,
        }
    };
    let fix_imports = support::truth_or(t, fix_imports, true)?;
    let write = match file {
        Some(file) => match proto::get_attr_opt(t, file, weft_objects::id!(t, "write"))? {
            Some(write) => Some(write),
            None => return Err(t.type_error("file must have a 'write' attribute".into())),
        },
        None => None,
    };
    let callback = given_some(t, callback);
    if callback.is_some() && proto < 5 {
        return Err(t.value_error("buffer_callback needs protocol >= 5"));
    }
    let write = write.map_or(Value::NULL, Obj::into_value);
    p.write.set(t, &p.header, write);
    let callback = callback.map_or(Value::NULL, Obj::into_value);
    p.callback.set(t, &p.header, callback);
    p.proto.set(proto as u64);
    p.bin.set(u64::from(proto > 0));
    p.fast.set(0);
    p.fix_imports.store(fix_imports && proto < 3, Relaxed);
    p.replace_memo(t, Memo::default());
    p.ready.store(true, Release);
    Ok(())
}

fn init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    static SIG: SigCell = SigCell::new(
        "Pickler",
        "(file, protocol=None, fix_imports=True, buffer_callback=None)",
    );
    let a = SIG.bind(t, args)?;
    let p = this(v);
    let _running = Running::enter(t, &p.running, "Pickler")?;
    set_up(t, p, Some(a[0]), [a[1], a[2], a[3]])
}

/// Writes an object; gives what has not gone to a file.
pub fn dump(t: &mut Thread, pickler: &Obj, v: Value) -> Res<Vec<u8>> {
    let p = this(pickler.value());
    if !p.ready.load(Acquire) {
        let name = type_of(pickler.value()).name();
        let msg = format!("Pickler.__init__() was not called by {name}.__init__()");
        return Err(pickling_error(t, msg));
    }
    let _running = Running::enter(t, &p.running, "Pickler")?;
    let plain = type_of(pickler.value()).is(&PICKLER);
    let persistent_id = match own(t, &p.persistent_id) {
        Some(f) => Some(f),
        None if plain => None,
        None => overridden(t, pickler.value())?,
    };
    let (table, reducer) = match plain {
        true => (own(t, &p.table), None),
        false => {
            let table = weft_objects::id!(t, "dispatch_table");
            let reducer = weft_objects::id!(t, "reducer_override");
            (
                proto::get_attr_opt(t, pickler.value(), table)?,
                proto::get_attr_opt(t, pickler.value(), reducer)?,
            )
        }
    };
    let out = Output::new(own(t, &p.write));
    let mut d = Dump {
        p,
        out,
        proto: p.proto.get() as u8,
        bin: p.bin.get() != 0,
        fix_imports: p.fix_imports.load(Relaxed),
        persistent_id,
        table,
        reducer,
        default_table: None,
        callback: own(t, &p.callback),
        nesting: 0,
        open: Vec::new(),
    };
    let root = Obj::new(t, v);
    d.dump(t, &root)?;
    Ok(d.out.into_bytes())
}

/// The `persistent_id` of an instance whose class has one of its own.
fn overridden(t: &mut Thread, v: Value) -> Res<Option<Obj>> {
    let name = weft_objects::id!(t, "persistent_id");
    let ours = PICKLER.lookup(t, name).map(|f| f.value().bare());
    let found = proto::get_attr_opt(t, v, name)?;
    if type_of(v).lookup(t, name).map(|f| f.value().bare()) == ours
        && found
            .as_ref()
            .is_some_and(|f| weft_objects::native::BuiltinFunction::of(f.value()).is_some())
    {
        return Ok(None);
    }
    Ok(found)
}

// --- attributes ---

fn get_attr(t: &mut Thread, v: Value, name: Value) -> Res {
    let set = this(v).persistent_id.get();
    if !set.is_null() && Str::of(name).is_some_and(|n| n.is("persistent_id")) {
        return Ok(to_reg(t, set));
    }
    generic_get_attr(t, v, name)
}

fn set_attr(t: &mut Thread, v: Value, name: Value, new: Value) -> Res<()> {
    if Str::of(name).is_some_and(|n| n.is("persistent_id")) {
        let new = counted(t, new);
        let p = this(v);
        p.persistent_id.set(t, &p.header, new);
        return Ok(());
    }
    generic_set_attr(t, v, name, new)
}

fn set_number(t: &mut Thread, v: Value, field: &Count) -> Res<()> {
    if v.is_null() {
        return Err(t.type_error("can't delete numeric/char attribute".into()));
    }
    let n = support::c_int(t, v)?;
    field.set(i64::from(n) as u64);
    Ok(())
}

fn get_memo(t: &mut Thread, v: Value) -> Res {
    Ok(proxy(t, &MEMO_PROXY, v).into())
}

/// A view of the memo of `v`.
pub fn proxy(t: &Thread, ty: &Type, v: Value) -> Obj {
    // SAFETY: the layout of both types of views.
    let (o, m) = unsafe { fresh::<MemoProxy>(t, ty) };
    m.of.init(t, &m.header, counted(t, v));
    o
}

fn set_memo(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    if new.is_null() {
        return Err(t.type_error("attribute deletion is not supported".into()));
    }
    let mut memo = Memo::default();
    let items = if let Some(m) = cast_exact::<MemoProxy>(new, &MEMO_PROXY) {
        this(m.of.get()).memo_items(t)
    } else if let Some(d) = Dict::of(new) {
        memo_from_dict(t, d)?
    } else {
        let got = type_of(new).name();
        return Err(t.type_error(format!(
            "'memo' attribute must be a PicklerMemoProxy object or dict, not {got}"
        )));
    };
    for (o, n) in items {
        let word = o.into_value();
        if let Some(word) = memo.put(word.0, n) {
            t.drop_value(Value(word));
        }
    }
    this(v).replace_memo(t, memo);
    Ok(())
}

fn memo_from_dict(t: &mut Thread, d: &Dict) -> Res<Vec<(Obj, usize)>> {
    let mut items = Vec::new();
    for (_, pair) in d.items(t) {
        let Some(pair) = Tuple::of(pair.value()).filter(|p| p.len() == 2) else {
            return Err(t.type_error("'memo' values must be 2-item tuples".into()));
        };
        if !int::is_int(pair.get(0)) {
            return Err(t.type_error("an integer is required".into()));
        }
        let n = proto::index_i64(t, pair.get(0))?;
        items.push((Obj::new(t, pair.get(1)), n as usize));
    }
    Ok(items)
}

/// The view of a memo: `Pickler.memo`, `Unpickler.memo`.
#[repr(C)]
pub struct MemoProxy {
    pub header: Header,
    pub of: Slot,
}

/// Visits the reference of a view.
///
/// # Safety
/// As for any `traverse`: an object with this layout.
pub unsafe fn traverse_proxy(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: the caller's promise.
    f(unsafe { (*(h as *const MemoProxy)).of.get() });
}

/// Drops the reference of a view.
///
/// # Safety
/// As for any `clear`: a dying object with this layout.
pub unsafe fn clear_proxy(h: *mut Header, t: &Thread) {
    // SAFETY: the caller's promise.
    t.drop_value(unsafe { (*(h as *const MemoProxy)).of.take_local() });
}

fn owner<'a>(v: Value) -> &'a Pickler {
    // SAFETY: methods of MEMO_PROXY get its instances alone, which refer to picklers.
    this(unsafe { &*(v.ptr() as *const MemoProxy) }.of.get())
}

/// `{id(obj): (number, obj)}`
fn copy_memo(t: &mut Thread, a: &[Value]) -> Res {
    let items = owner(a[0]).memo_items(t);
    let made = Dict::with_capacity(t, items.len());
    for (o, n) in items {
        let id = Obj::own(int::from_u64(t, proto::identity(o.value())));
        let pair = Tuple::pair(t, int_obj(t, n as i64), o);
        Dict::of_obj(&made).set(t, id.value(), pair.value())?;
    }
    Ok(made.into())
}

/// `__reduce__` of a view: a dict, from what `copy` gives.
pub fn reduce_memo(t: &mut Thread, copy: Obj) -> Res {
    let dict = Obj::new(t, weft_objects::dict::DICT.value());
    let args = Tuple::from_vec(t, vec![copy]);
    Ok(Tuple::pair(t, dict, args).into())
}

/// `_pickle.PicklerMemoProxy`
pub static MEMO_PROXY: Type = Type::builtin(
    "PicklerMemoProxy",
    size_of::<MemoProxy>(),
    &Spec {
        hash: Some(proto::hash_not_implemented),
        methods: &[
            NativeDef::new("clear", "($self, /)", |t, a| {
                owner(a[0]).replace_memo(t, Memo::default());
                Ok(Value::NONE)
            })
            .doc("Remove all items from memo."),
            NativeDef::new("copy", "($self, /)", copy_memo).doc("Copy the memo to a new object."),
            NativeDef::new("__reduce__", "($self, /)", |t, a| {
                let copy = Obj::own(copy_memo(t, a)?);
                reduce_memo(t, copy)
            })
            .doc("Implement pickle support."),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse_proxy, clear_proxy)
.module("_pickle")
.final_()
.no_new();

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: a pickler that nobody changes meanwhile.
    unsafe {
        let p = &*(h as *const Pickler);
        for s in [&p.write, &p.callback, &p.table, &p.persistent_id] {
            f(s.get());
        }
        if let Some(memo) = p.memo.peek() {
            memo.entries().iter().for_each(|(word, _)| f(Value(*word)));
        }
    }
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying pickler.
    unsafe {
        let p = &*(h as *const Pickler);
        for s in [&p.write, &p.callback, &p.table, &p.persistent_id] {
            t.drop_value(s.take_local());
        }
        if let Some(memo) = p.memo.take() {
            for (word, _) in memo.entries() {
                t.drop_value(Value(*word));
            }
        }
    }
}

/// `_pickle.Pickler`
pub static PICKLER: Type = Type::builtin(
    "Pickler",
    size_of::<Pickler>(),
    &Spec {
        new: Some(|t, cls, _| Ok(Value::from_ptr(alloc_instance(t, Type::of_unchecked(cls))))),
        init: Some(init),
        get_attr: Some(get_attr),
        set_attr: Some(set_attr),
        methods: &[
            NativeDef::new("dump", "($self, obj, /)", |t, a| {
                let p = Obj::new(t, a[0]);
                dump(t, &p, a[1])?;
                Ok(Value::NONE)
            })
            .doc("Write a pickled representation of the given object to the open file."),
            NativeDef::new("clear_memo", "($self, /)", |t, a| {
                this(a[0]).replace_memo(t, Memo::default());
                Ok(Value::NONE)
            })
            .doc("Clears the pickler's \"memo\"."),
            NativeDef::new("persistent_id", "($self, obj, /)", |_, _| Ok(Value::NONE)),
        ],
        getset: &[
            GetSetDef::rw(
                "bin",
                |_, v| Ok(Value::int(this(v).bin.get() as i64)),
                |t, v, new| set_number(t, new, &this(v).bin),
            ),
            GetSetDef::rw(
                "fast",
                |_, v| Ok(Value::int(this(v).fast.get() as i64)),
                |t, v, new| set_number(t, new, &this(v).fast),
            ),
            GetSetDef::rw("memo", get_memo, set_memo),
        ],
        members: &[weft_objects::native::MemberDef {
            name: "dispatch_table",
            offset: offset_of!(Pickler, table),
            readonly: false,
            none_if_empty: false,
        }],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.module("_pickle")
.doc("This takes a binary file for writing a pickle data stream.");
