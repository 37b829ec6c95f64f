//! `Unpickler` and the view of its memo.

use super::input::{File, Input};
use super::load::Load;
use super::memo::LoadMemo;
use super::pickler::{MemoProxy, clear_proxy, proxy, reduce_memo, traverse_proxy};
use super::{Running, dotted, import_module, instead, unpickling_error, walk};
use crate::support::{self, Count, Guarded, given};
use std::sync::atomic::{AtomicBool, Ordering::*};
use weft_gc::{lock, share};
use weft_objects::cell::{counted, fresh, own};
use weft_objects::instance::{generic_get_attr, generic_set_attr};
use weft_objects::prelude::*;
use weft_objects::types::alloc_instance;
use weft_objects::{int, runtime};

/// An unpickler.
#[repr(C)]
pub struct Unpickler {
    pub header: Header,
    read: Slot,
    readline: Slot,
    peek: Slot,
    /// Str: how text of Python 2 is decoded.
    pub encoding: Slot,
    pub errors: Slot,
    /// An iterator of out-of-band buffers, or NULL.
    pub buffers: Slot,
    /// What has been assigned to `persistent_load`.
    persistent_load: Slot,
    pub memo: Guarded<LoadMemo>,
    /// The protocol of the last pickle.
    pub proto: Count,
    fix_imports: AtomicBool,
    ready: AtomicBool,
    running: AtomicBool,
}

pub fn this<'a>(v: Value) -> &'a Unpickler {
    // SAFETY: slots and methods of UNPICKLER get its instances alone.
    unsafe { &*(v.ptr() as *const Unpickler) }
}

impl Unpickler {
    /// The object with a number.
    #[inline]
    pub fn memo_get(&self, t: &Thread, i: usize) -> Option<Obj> {
        let guard = lock(t, &self.header);
        self.memo.get(&guard).get(i).map(|v| Obj::new(t, v))
    }

    /// Gives an object a number: the next one, or this.
    #[inline]
    pub fn memo_put(&self, t: &Thread, i: Option<usize>, o: Obj) {
        if !self.header.is_local(t) {
            share(t, o.value());
        }
        let old = {
            let guard = lock(t, &self.header);
            let memo = self.memo.get(&guard);
            let i = i.unwrap_or(memo.len());
            memo.put(i, o.into_value())
        };
        if let Some(old) = old {
            t.drop_value(old);
        }
    }

    fn replace_memo(&self, t: &Thread, new: LoadMemo) {
        if !self.header.is_local(t) {
            new.entries().for_each(|(_, v)| share(t, v));
        }
        let old = {
            let guard = lock(t, &self.header);
            std::mem::replace(self.memo.get(&guard), new)
        };
        old.entries().for_each(|(_, v)| t.drop_value(v));
    }

    fn memo_items(&self, t: &Thread) -> Vec<(usize, Obj)> {
        let guard = lock(t, &self.header);
        let entries = self.memo.get(&guard).entries();
        entries.map(|(i, v)| (i, Obj::new(t, v))).collect()
    }
}

/// An unpickler of our own: for a file, or without one. `rest`: fix_imports, encoding, errors, buffers.
pub fn make(t: &mut Thread, file: Option<Value>, rest: [Value; 4]) -> Res<Obj> {
    // SAFETY: the layout of UNPICKLER.
    let (o, u) = unsafe { fresh::<Unpickler>(t, &UNPICKLER) };
    let func = if file.is_some() { "load" } else { "loads" };
    set_up(t, u, file, rest, func)?;
    Ok(o)
}

fn name_argument(t: &mut Thread, v: Value, default: &str, func: &str, name: &str) -> Res<Obj> {
    match given(t, v) {
        None => Ok(Str::intern(t, default)),
        Some(o) if Str::of(o.value()).is_some() => Ok(o),
        Some(o) => {
            let got = type_of(o.value()).name();
            let msg = format!("{func}() argument '{name}' must be str, not {got}");
            Err(t.type_error(msg))
        }
    }
}

fn set_up(
    t: &mut Thread,
    u: &Unpickler,
    file: Option<Value>,
    rest: [Value; 4],
    func: &str,
) -> Res<()> {
    let [fix_imports, encoding, errors, buffers] = rest;
    let fix_imports = support::truth_or(t, fix_imports, true)?;
    let encoding = name_argument(t, encoding, "ASCII", func, "encoding")?;
    let errors = name_argument(t, errors, "strict", func, "errors")?;
    if let Some(file) = file {
        let peek = proto::get_attr_opt(t, file, weft_objects::id!(t, "peek"))?;
        let read = proto::get_attr_opt(t, file, weft_objects::id!(t, "read"))?;
        let readline = proto::get_attr_opt(t, file, weft_objects::id!(t, "readline"))?;
        let (Some(read), Some(readline)) = (read, readline) else {
            let msg = "file must have 'read' and 'readline' attributes";
            return Err(t.type_error(msg.into()));
        };
        u.read.set(t, &u.header, read.into_value());
        u.readline.set(t, &u.header, readline.into_value());
        let peek = peek.map_or(Value::NULL, Obj::into_value);
        u.peek.set(t, &u.header, peek);
    }
    let buffers = match support::given_some(t, buffers) {
        Some(b) => proto::iter(t, b.value())?.into_value(),
        None => Value::NULL,
    };
    u.buffers.set(t, &u.header, buffers);
    u.encoding.set(t, &u.header, encoding.into_value());
    u.errors.set(t, &u.header, errors.into_value());
    u.fix_imports.store(fix_imports, Relaxed);
    u.proto.set(0);
    u.replace_memo(t, LoadMemo::default());
    u.ready.store(true, Release);
    Ok(())
}

fn init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    static SIG: SigCell = SigCell::new(
        "Unpickler",
        "(file, *, fix_imports=True, encoding='ASCII', errors='strict', buffers=())",
    );
    let a = SIG.bind(t, args)?;
    let u = this(v);
    let _running = Running::enter(t, &u.running, "Unpickler")?;
    set_up(t, u, Some(a[0]), [a[1], a[2], a[3], a[4]], "Unpickler")
}

/// Reads an object, from `data` or the unpickler's file.
pub fn load(t: &mut Thread, unpickler: &Obj, data: Option<Value>) -> Res {
    let u = this(unpickler.value());
    if !u.ready.load(Acquire) {
        let name = type_of(unpickler.value()).name();
        let msg = format!("Unpickler.__init__() was not called by {name}.__init__()");
        return Err(unpickling_error(t, msg));
    }
    let _running = Running::enter(t, &u.running, "Unpickler")?;
    let input = match (data, own(t, &u.read), own(t, &u.readline)) {
        (Some(data), _, _) => {
            let data = weft_objects::buffer::get(t, data)?;
            Input::memory(data)
        }
        (None, Some(read), Some(readline)) => Input::file(File {
            read,
            readline,
            peek: own(t, &u.peek),
        }),
        _ => return Err(unpickling_error(t, "Unpickler has no file")),
    };
    let plain = type_of(unpickler.value()).is(&UNPICKLER);
    let find_class = match plain {
        true => None,
        false => overridden(t, unpickler.value(), "find_class")?,
    };
    let persistent_load = match own(t, &u.persistent_load) {
        Some(f) => Some(f),
        None if plain => None,
        None => overridden(t, unpickler.value(), "persistent_load")?,
    };
    u.proto.set(0);
    let mut l = Load {
        u,
        input,
        stack: Vec::new(),
        marks: Vec::new(),
        find_class,
        persistent_load,
    };
    let made = l.run(t);
    match made {
        Ok(o) => {
            l.input.sync(t)?;
            Ok(o.into())
        }
        Err(e) => {
            // The file is left behind what was read, the error as it was.
            let pending = t.take_exc();
            if l.input.sync(t).is_err() {
                t.clear_exc();
            }
            match pending {
                Some(p) => Err(t.set_exc(p)),
                None => Err(e),
            }
        }
    }
}

/// The method of that name of an instance, if it is not ours.
fn overridden(t: &mut Thread, v: Value, name: &'static str) -> Res<Option<Obj>> {
    let name = weft_objects::names::get(t, name);
    let ours = UNPICKLER.lookup(t, name).map(|f| f.value().bare());
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

/// `Unpickler.find_class`
pub fn find_class(t: &mut Thread, u: &Unpickler, module: &Obj, name: &Obj) -> Res<Obj> {
    if let Some(audit) = runtime::sys_attr(t, "audit") {
        let event = Str::intern(t, "pickle.find_class");
        let args = [event.value(), module.value(), name.value()];
        proto::call(t, audit.value(), &args)?;
    }
    let proto_no = u.proto.get();
    let (module, name) = match proto_no < 3 && u.fix_imports.load(Relaxed) {
        true => super::global::compat_names(t, "NAME_MAPPING", "IMPORT_MAPPING", module, name)?,
        false => (module.clone(), name.clone()),
    };
    let m = import_module(t, module.value())?;
    let Some(text) = Str::of(name.value()) else {
        let got = type_of(name.value()).name();
        let msg = format!("attribute name must be string, not '{got}'");
        return Err(t.type_error(msg));
    };
    if proto_no < 4 || !text.as_bytes().contains(&b'.') {
        return proto::get_attr(t, m.value(), text);
    }
    let path = dotted(t, text);
    match walk(t, m, &path) {
        Err(_) if t.exc_matches(&errors::ATTRIBUTE_ERROR) => {
            let pending = t.take_exc();
            let (name, module) = (
                super::repr_text(t, name.value())?,
                super::repr_text(t, module.value())?,
            );
            if let Some(e) = pending {
                t.set_exc(e);
            }
            let msg = format!("Can't resolve path {name} on module {module}");
            Err(instead(t, &errors::ATTRIBUTE_ERROR, msg))
        }
        r => r,
    }
}

pub fn no_persistent_load(t: &Thread) -> Raised {
    let msg = "A load persistent id instruction was encountered, but no persistent_load function was specified.";
    unpickling_error(t, msg)
}

// --- attributes ---

fn get_attr(t: &mut Thread, v: Value, name: Value) -> Res {
    let set = this(v).persistent_load.get();
    if !set.is_null() && Str::of(name).is_some_and(|n| n.is("persistent_load")) {
        return Ok(to_reg(t, set));
    }
    generic_get_attr(t, v, name)
}

fn set_attr(t: &mut Thread, v: Value, name: Value, new: Value) -> Res<()> {
    if Str::of(name).is_some_and(|n| n.is("persistent_load")) {
        let new = counted(t, new);
        let u = this(v);
        u.persistent_load.set(t, &u.header, new);
        return Ok(());
    }
    generic_set_attr(t, v, name, new)
}

fn set_memo(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    if new.is_null() {
        return Err(t.type_error("attribute deletion is not supported".into()));
    }
    let items = if let Some(m) = cast_exact::<MemoProxy>(new, &MEMO_PROXY) {
        this(m.of.get()).memo_items(t)
    } else if let Some(d) = Dict::of(new) {
        let mut items = Vec::new();
        for (k, x) in d.items(t) {
            if !int::is_int(k.value()) {
                return Err(t.type_error("memo key must be integers".into()));
            }
            match usize::try_from(proto::index_i64(t, k.value())?) {
                Ok(i) => items.push((i, x)),
                Err(_) => return Err(t.value_error("memo key must be positive integers.")),
            }
        }
        items
    } else {
        let got = type_of(new).name();
        return Err(t.type_error(format!(
            "'memo' attribute must be an UnpicklerMemoProxy object or dict, not {got}"
        )));
    };
    let mut memo = LoadMemo::default();
    for (i, o) in items {
        if let Some(old) = memo.put(i, o.into_value()) {
            t.drop_value(old);
        }
    }
    this(v).replace_memo(t, memo);
    Ok(())
}

fn owner<'a>(v: Value) -> &'a Unpickler {
    // SAFETY: methods of MEMO_PROXY get its instances alone, which refer to unpicklers.
    this(unsafe { &*(v.ptr() as *const MemoProxy) }.of.get())
}

fn copy_memo(t: &mut Thread, a: &[Value]) -> Res {
    let items = owner(a[0]).memo_items(t);
    let made = Dict::with_capacity(t, items.len());
    for (i, o) in items {
        let key = Obj::own(int::from_usize(t, i));
        Dict::of_obj(&made).set(t, key.value(), o.value())?;
    }
    Ok(made.into())
}

/// `_pickle.UnpicklerMemoProxy`
pub static MEMO_PROXY: Type = Type::builtin(
    "UnpicklerMemoProxy",
    size_of::<MemoProxy>(),
    &Spec {
        hash: Some(proto::hash_not_implemented),
        methods: &[
            NativeDef::new("clear", "($self, /)", |t, a| {
                owner(a[0]).replace_memo(t, LoadMemo::default());
                Ok(Value::NONE)
            })
            .doc("Remove all items from memo."),
            NativeDef::new("copy", "($self, /)", copy_memo).doc("Copy the memo to a new object."),
            NativeDef::new("__reduce__", "($self, /)", |t, a| {
                let copy = Obj::own(copy_memo(t, a)?);
                reduce_memo(t, copy)
            })
            .doc("Implement pickling support."),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse_proxy, clear_proxy)
.module("_pickle")
.final_()
.no_new();

impl Unpickler {
    fn slots(&self) -> [&Slot; 7] {
        [
            &self.read,
            &self.readline,
            &self.peek,
            &self.encoding,
            &self.errors,
            &self.buffers,
            &self.persistent_load,
        ]
    }
}

unsafe fn traverse(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an unpickler that nobody changes meanwhile.
    unsafe {
        let u = &*(h as *const Unpickler);
        u.slots().iter().for_each(|s| f(s.get()));
        if let Some(memo) = u.memo.peek() {
            memo.entries().for_each(|(_, v)| f(v));
        }
    }
}

unsafe fn clear(h: *mut Header, t: &Thread) {
    // SAFETY: a dying unpickler.
    unsafe {
        let u = &*(h as *const Unpickler);
        u.slots().iter().for_each(|s| t.drop_value(s.take_local()));
        if let Some(memo) = u.memo.take() {
            memo.entries().for_each(|(_, v)| t.drop_value(v));
        }
    }
}

/// `_pickle.Unpickler`
pub static UNPICKLER: Type = Type::builtin(
    "Unpickler",
    size_of::<Unpickler>(),
    &Spec {
        new: Some(|t, cls, _| Ok(Value::from_ptr(alloc_instance(t, Type::of_unchecked(cls))))),
        init: Some(init),
        get_attr: Some(get_attr),
        set_attr: Some(set_attr),
        methods: &[
            NativeDef::new("load", "($self, /)", |t, a| {
                let u = Obj::new(t, a[0]);
                load(t, &u, None)
            })
            .doc("Load a pickle."),
            NativeDef::new(
                "find_class",
                "($self, module_name, global_name, /)",
                |t, a| {
                    let (module, name) = (Obj::new(t, a[1]), Obj::new(t, a[2]));
                    find_class(t, this(a[0]), &module, &name).map(Obj::into_value)
                },
            )
            .doc("Return an object from a specified module."),
            NativeDef::new("persistent_load", "($self, pid, /)", |t, _| {
                Err(no_persistent_load(t))
            }),
        ],
        getset: &[GetSetDef::rw(
            "memo",
            |t, v| Ok(proxy(t, &MEMO_PROXY, v).into()),
            set_memo,
        )],
        ..Spec::EMPTY
    },
)
.gc(traverse, clear)
.module("_pickle")
.doc("This takes a binary file for reading a pickle data stream.");
