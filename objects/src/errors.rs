//! The built-in exceptions, and how native code raises them.
//!
//! All share the layout of [`Exception`]; those with attributes of their own have slots after it ([`Fields`]).

mod import;
mod os;
mod raise;
mod syntax;
mod unicode;
pub mod warn;

pub use import::{
    ATTRIBUTE_ERROR, IMPORT_ERROR, MODULE_NOT_FOUND_ERROR, NAME_ERROR, UNBOUND_LOCAL_ERROR,
};
pub use os::*;
pub use raise::{
    ThreadExt, exc_matches_value, instance_of, is_exception, is_exception_class, new_exception,
    note_attribute, note_name, raise_class_or_instance, set_context,
};
pub use syntax::{INCOMPLETE_INPUT_ERROR, INDENTATION_ERROR, SYNTAX_ERROR, TAB_ERROR};
pub use unicode::*;

use crate::exception_groups::BASE_EXCEPTION_GROUP;
use crate::prelude::*;
use crate::types::{alloc_instance, type_flags};
use std::mem::offset_of;
use std::sync::atomic::{AtomicBool, Ordering::*};

/// An instance of BaseException.
#[repr(C)]
pub struct Exception {
    pub header: Header,
    /// A tuple.
    pub args: Slot,
    /// The instance's dict, made on demand.
    pub dict: Slot,
    /// A traceback, or NULL.
    pub traceback: Slot,
    /// The exception that was being handled, or NULL.
    pub context: Slot,
    /// From `raise ... from`, or NULL.
    pub cause: Slot,
    pub suppress_context: AtomicBool,
}

/// An exception with `N` attributes of its own.
#[repr(C)]
pub struct Fields<const N: usize> {
    pub base: Exception,
    pub extra: [Slot; N],
}

impl Exception {
    /// The exception, if `v` is one.
    #[inline]
    pub fn of<'a>(v: Value) -> Option<&'a Exception> {
        crate::cast(v, &BASE_EXCEPTION)
    }

    pub fn value(&self) -> Value {
        self.header.value()
    }

    /// Sets the cause, and that the context is not to be shown.
    pub fn set_cause(&self, t: &Thread, cause: Option<Obj>) {
        self.cause
            .set(t, &self.header, cause.map_or(Value::NULL, Obj::into_value));
        self.suppress_context.store(true, Release);
    }

    pub fn set_context(&self, t: &Thread, context: Option<Obj>) {
        self.context.set(
            t,
            &self.header,
            context.map_or(Value::NULL, Obj::into_value),
        );
    }

    pub fn set_traceback(&self, t: &Thread, tb: Option<Obj>) {
        self.traceback
            .set(t, &self.header, tb.map_or(Value::NULL, Obj::into_value));
    }
}

/// The attribute slots of an exception whose class is known to have `N` of them.
pub(crate) fn fields<'a, const N: usize>(v: Value) -> &'a Fields<N> {
    debug_assert!(is_exception(v));
    // SAFETY: every caller is a slot function, method or field of the class that declares this layout, called with an instance.
    unsafe { &*(v.ptr() as *const Fields<N>) }
}

impl<const N: usize> Fields<N> {
    pub(crate) fn set(&self, t: &Thread, i: usize, v: Value) {
        let v = if v.is_null() {
            v
        } else {
            Obj::new(t, v).into_value()
        };
        self.extra[i].set(t, &self.base.header, v);
    }
    pub(crate) fn get(&self, i: usize) -> Value {
        self.extra[i].get()
    }
    /// An owned handle to the field, if it is set.
    pub(crate) fn own(&self, t: &Thread, i: usize) -> Option<Obj> {
        let v = self.extra[i].get();
        (!v.is_null()).then(|| Obj::new(t, v))
    }
}

/// Offset of the attribute slot `i`.
pub(crate) const fn field(i: usize) -> usize {
    offset_of!(Fields<1>, extra) + i * size_of::<Slot>()
}

/// A plain attribute: the slot `i`, None if empty.
pub(crate) const fn member(name: &'static str, i: usize) -> MemberDef {
    MemberDef {
        name,
        offset: field(i),
        readonly: false,
        none_if_empty: true,
    }
}

pub(crate) unsafe fn traverse<const N: usize>(h: *const Header, f: &mut dyn FnMut(Value)) {
    // SAFETY: an instance of a class with `N` attribute slots.
    let e = unsafe { &*(h as *const Fields<N>) };
    let b = &e.base;
    for s in [&b.args, &b.dict, &b.traceback, &b.context, &b.cause] {
        f(s.get());
    }
    for s in &e.extra {
        f(s.get());
    }
}

pub(crate) unsafe fn clear<const N: usize>(h: *mut Header, t: &Thread) {
    // SAFETY: a dying instance of a class with `N` attribute slots.
    let e = unsafe { &*(h as *const Fields<N>) };
    let b = &e.base;
    for s in [&b.args, &b.dict, &b.traceback, &b.context, &b.cause] {
        t.drop_value(s.take_local());
    }
    for s in &e.extra {
        t.drop_value(s.take_local());
    }
}

/// A new instance of the exception class `ty`, with its args and nothing else.
pub(crate) fn instance(t: &Thread, ty: &Type, args: Obj) -> Obj {
    // SAFETY: `ty` derives from BaseException, so its instances begin with this layout, zero-initialised.
    unsafe {
        let p = alloc_instance(t, ty) as *mut Exception;
        (*p).args.init(t, &(*p).header, args.into());
        Obj::from_raw(Value::from_ptr(p as *const Header))
    }
}

/// An instance of a built-in exception class whose `__new__` and `__init__` are those of BaseException. `None`: it has others.
#[inline]
pub(crate) fn new_plain(t: &Thread, ty: &Type, args: &[Value]) -> Option<Obj> {
    if ty.is_heap() {
        return None;
    }
    let new = ty.slots.new.get()? as usize;
    let init = ty.slots.init.get()? as usize;
    if new != base_new as *const () as usize || init != base_init as *const () as usize {
        return None;
    }
    Some(instance(t, ty, Tuple::from_slice(t, args)))
}

/// `BaseException.__new__`
pub(crate) fn base_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let args = Tuple::from_slice(t, args.pos());
    Ok(instance(t, Type::of_unchecked(cls), args).into())
}

/// `BaseException.__init__`
pub(crate) fn base_init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    no_keywords(t, v, args)?;
    set_args(t, v, args.pos());
    Ok(())
}

pub(crate) fn no_keywords(t: &Thread, v: Value, args: Args<'_>) -> Res<()> {
    if args.has_keywords() {
        return Err(t.type_error(format!(
            "{}() takes no keyword arguments",
            type_of(v).name()
        )));
    }
    Ok(())
}

pub(crate) fn set_args(t: &Thread, v: Value, args: &[Value]) {
    let e = base(v);
    // The usual case: `__new__` has just stored the same ones.
    let same = Tuple::exact(e.args.get()).is_some_and(|old| {
        old.len() == args.len() && args.iter().enumerate().all(|(i, a)| old.get(i).same(*a))
    });
    if !same {
        e.args.set(t, &e.header, Tuple::from_slice(t, args).into());
    }
}

/// The common part of an object that is known to be an exception.
pub(crate) fn base<'a>(v: Value) -> &'a Exception {
    debug_assert!(is_exception(v));
    // SAFETY: as in `fields`.
    unsafe { &*(v.ptr() as *const Exception) }
}

/// The args of an exception.
pub(crate) fn args_of(t: &Thread, v: Value) -> Obj {
    let a = base(v).args.get();
    if a.is_null() {
        Tuple::from_vec(t, Vec::new())
    } else {
        Obj::new(t, a)
    }
}

fn items(args: &Obj) -> &Tuple {
    match Tuple::of(args.value()) {
        Some(t) => t,
        None => unreachable_args(),
    }
}

#[cold]
fn unreachable_args() -> ! {
    unreachable!("the args of an exception are always a tuple")
}

pub(crate) fn base_repr(t: &mut Thread, v: Value) -> Res {
    let args = args_of(t, v);
    let a = items(&args);
    let mut out = type_of(v).name().to_string().into_bytes();
    if a.len() == 1 {
        out.push(b'(');
        append(&mut out, &proto::repr(t, a.get(0))?);
        out.push(b')');
    } else {
        append(&mut out, &proto::repr(t, args.value())?);
    }
    Ok(Str::from_wtf8(t, &out).into())
}

pub(crate) fn base_str(t: &mut Thread, v: Value) -> Res {
    let args = args_of(t, v);
    let a = items(&args);
    match a.len() {
        0 => Ok(Str::new(t, "").into()),
        1 => Ok(proto::str(t, a.get(0))?.into()),
        _ => Ok(proto::str(t, args.value())?.into()),
    }
}

/// Adds the text of the str `s`.
pub fn append(out: &mut Vec<u8>, s: &Obj) {
    if let Some(s) = Str::of(s.value()) {
        out.extend_from_slice(s.as_bytes());
    }
}

/// The value of a slot, None if empty.
pub(crate) fn or_none(t: &Thread, v: Value) -> Res {
    Ok(if v.is_null() {
        Value::NONE
    } else {
        to_reg(t, v)
    })
}

fn get_args(t: &mut Thread, v: Value) -> Res {
    or_none(t, base(v).args.get())
}

fn put_args(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    if new.is_null() {
        return Err(t.type_error("args may not be deleted".into()));
    }
    let items = proto::to_vec(t, new)?;
    let e = base(v);
    e.args.set(t, &e.header, Tuple::from_vec(t, items).into());
    Ok(())
}

fn put_traceback(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    if new.is_null() {
        return Err(t.type_error("__traceback__ may not be deleted".into()));
    }
    if !new.is_none() && crate::traceback::Traceback::of(new).is_none() {
        return Err(t.type_error("__traceback__ must be a traceback or None".into()));
    }
    base(v).set_traceback(t, (!new.is_none()).then(|| Obj::new(t, new)));
    Ok(())
}

/// What may be assigned to `__context__` and `__cause__`.
fn exception_or_none(t: &Thread, new: Value, what: &str) -> Res<Option<Obj>> {
    if new.is_null() {
        return Err(t.type_error(format!("__{what}__ may not be deleted")));
    }
    if new.is_none() {
        return Ok(None);
    }
    if !is_exception(new) {
        return Err(t.type_error(format!(
            "exception {what} must be None or derive from BaseException"
        )));
    }
    Ok(Some(Obj::new(t, new)))
}

fn put_context(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    let new = exception_or_none(t, new, "context")?;
    base(v).set_context(t, new);
    Ok(())
}

fn put_cause(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    let new = exception_or_none(t, new, "cause")?;
    base(v).set_cause(t, new);
    Ok(())
}

fn put_suppress(t: &mut Thread, v: Value, new: Value) -> Res<()> {
    if new.is_null() {
        return Err(t.type_error("can't delete numeric/char attribute".into()));
    }
    if !new.is_bool() {
        return Err(t.type_error("attribute value type must be bool".into()));
    }
    base(v).suppress_context.store(new == Value::TRUE, Release);
    Ok(())
}

fn base_reduce(t: &mut Thread, a: &[Value]) -> Res {
    let e = base(a[0]);
    let mut parts = vec![Obj::new(t, type_of(a[0]).value()), args_of(t, a[0])];
    let d = e.dict.get();
    if !d.is_null() {
        parts.push(Obj::new(t, d));
    }
    Ok(Tuple::from_vec(t, parts).into())
}

fn base_setstate(t: &mut Thread, a: &[Value]) -> Res {
    if a[1].is_none() {
        return Ok(Value::NONE);
    }
    if Dict::of(a[1]).is_none() {
        return Err(t.type_error("state is not a dictionary".into()));
    }
    let items = proto::call_method(t, a[1], "items", &[])?;
    for pair in proto::to_vec(t, items.value())? {
        let Some(p) = Tuple::of(pair.value()) else {
            continue;
        };
        let (k, v) = (p.get(0), p.get(1));
        let Some(name) = Str::of(k) else {
            let got = type_of(k).name();
            return Err(t.type_error(format!("attribute name must be string, not '{got}'")));
        };
        proto::set_attr(t, a[0], name, v)?;
    }
    Ok(Value::NONE)
}

fn with_traceback(t: &mut Thread, a: &[Value]) -> Res {
    put_traceback(t, a[0], a[1])?;
    Ok(Obj::new(t, a[0]).into())
}

fn add_note(t: &mut Thread, a: &[Value]) -> Res {
    if Str::of(a[1]).is_none() {
        let got = type_of(a[1]).name();
        return Err(t.type_error(format!("add_note() argument must be str, not {got}")));
    }
    let name = crate::id!(t, "__notes__");
    let notes = match proto::get_attr_opt(t, a[0], name)? {
        Some(n) => n,
        None => {
            let n = List::from_vec(t, Vec::new());
            proto::set_attr(t, a[0], name, n.value())?;
            n
        }
    };
    if List::of(notes.value()).is_none() {
        return Err(t.type_error("Cannot add note: __notes__ is not a list".into()));
    }
    proto::call_method(t, notes.value(), "append", &[a[1]])?;
    Ok(Value::NONE)
}

/// `BaseException`
pub static BASE_EXCEPTION: Type = Type::builtin(
    "BaseException",
    size_of::<Exception>(),
    &Spec {
        new: Some(base_new),
        init: Some(base_init),
        repr: Some(base_repr),
        str: Some(base_str),
        methods: &[
            NativeDef::new("__reduce__", "($self, /)", base_reduce),
            NativeDef::new("__setstate__", "($self, state, /)", base_setstate),
            NativeDef::new("with_traceback", "($self, object, /)", with_traceback)
                .doc("Set self.__traceback__ to tb and return self."),
            NativeDef::new("add_note", "($self, object, /)", add_note)
                .doc("Add a note to the exception"),
        ],
        getset: &[
            GetSetDef::rw("__dict__", crate::descr::get_dict, crate::descr::set_dict),
            GetSetDef::rw("args", get_args, put_args),
            GetSetDef::rw(
                "__traceback__",
                |t, v| or_none(t, base(v).traceback.get()),
                put_traceback,
            ),
            GetSetDef::rw(
                "__context__",
                |t, v| or_none(t, base(v).context.get()),
                put_context,
            ),
            GetSetDef::rw(
                "__cause__",
                |t, v| or_none(t, base(v).cause.get()),
                put_cause,
            ),
            GetSetDef::rw(
                "__suppress_context__",
                |_, v| Ok(Value::bool(base(v).suppress_context.load(Acquire))),
                put_suppress,
            ),
        ],
        ..Spec::EMPTY
    },
)
.gc(traverse::<0>, clear::<0>)
.dict_at(offset_of!(Exception, dict))
.flags(type_flags::EXCEPTION)
.doc("Common base class for all exceptions.");

/// Declares exception classes that add nothing to their base but their name.
macro_rules! exceptions {
    ($($name:ident = $text:literal, $base:expr, $fields:literal, $doc:literal;)*) => {
        $(
            #[doc = concat!("`", $text, "`")]
            pub static $name: Type =
                Type::builtin($text, size_of::<$crate::errors::Fields<$fields>>(), &$crate::slots::Spec::EMPTY)
                    .base(&$base)
                    .gc($crate::errors::traverse::<$fields>, $crate::errors::clear::<$fields>)
                    .flags($crate::types::type_flags::EXCEPTION)
                    .doc($doc);
        )*
    };
}
pub(crate) use exceptions;

exceptions! {
    EXCEPTION = "Exception", BASE_EXCEPTION, 0, "Common base class for all non-exit exceptions.";
    GENERATOR_EXIT = "GeneratorExit", BASE_EXCEPTION, 0, "Request that a generator exit.";
    KEYBOARD_INTERRUPT = "KeyboardInterrupt", BASE_EXCEPTION, 0, "Program interrupted by user.";
    ARITHMETIC_ERROR = "ArithmeticError", EXCEPTION, 0, "Base class for arithmetic errors.";
    FLOATING_POINT_ERROR = "FloatingPointError", ARITHMETIC_ERROR, 0, "Floating-point operation failed.";
    OVERFLOW_ERROR = "OverflowError", ARITHMETIC_ERROR, 0, "Result too large to be represented.";
    ZERO_DIVISION_ERROR = "ZeroDivisionError", ARITHMETIC_ERROR, 0,
        "Second argument to a division or modulo operation was zero.";
    ASSERTION_ERROR = "AssertionError", EXCEPTION, 0, "Assertion failed.";
    BUFFER_ERROR = "BufferError", EXCEPTION, 0, "Buffer error.";
    EOF_ERROR = "EOFError", EXCEPTION, 0, "Read beyond end of file.";
    LOOKUP_ERROR = "LookupError", EXCEPTION, 0, "Base class for lookup errors.";
    INDEX_ERROR = "IndexError", LOOKUP_ERROR, 0, "Sequence index out of range.";
    MEMORY_ERROR = "MemoryError", EXCEPTION, 0, "Out of memory.";
    REFERENCE_ERROR = "ReferenceError", EXCEPTION, 0, "Weak ref proxy used after referent went away.";
    RUNTIME_ERROR = "RuntimeError", EXCEPTION, 0, "Unspecified run-time error.";
    NOT_IMPLEMENTED_ERROR = "NotImplementedError", RUNTIME_ERROR, 0,
        "Method or function hasn't been implemented yet.";
    PYTHON_FINALIZATION_ERROR = "PythonFinalizationError", RUNTIME_ERROR, 0,
        "Operation blocked during Python finalization.";
    RECURSION_ERROR = "RecursionError", RUNTIME_ERROR, 0, "Recursion limit exceeded.";
    STOP_ASYNC_ITERATION = "StopAsyncIteration", EXCEPTION, 0, "Signal the end from iterator.__anext__().";
    SYSTEM_ERROR = "SystemError", EXCEPTION, 0, "Internal error in the Python interpreter.";
    TYPE_ERROR = "TypeError", EXCEPTION, 0, "Inappropriate argument type.";
    VALUE_ERROR = "ValueError", EXCEPTION, 0, "Inappropriate argument value (of correct type).";
    WARNING = "Warning", EXCEPTION, 0, "Base class for warning categories.";
    BYTES_WARNING = "BytesWarning", WARNING, 0,
        "Base class for warnings about bytes and buffer related problems, mostly\nrelated to conversion from str or comparing to str.";
    DEPRECATION_WARNING = "DeprecationWarning", WARNING, 0, "Base class for warnings about deprecated features.";
    ENCODING_WARNING = "EncodingWarning", WARNING, 0, "Base class for warnings about encodings.";
    FUTURE_WARNING = "FutureWarning", WARNING, 0,
        "Base class for warnings about constructs that will change semantically\nin the future.";
    IMPORT_WARNING = "ImportWarning", WARNING, 0,
        "Base class for warnings about probable mistakes in module imports";
    PENDING_DEPRECATION_WARNING = "PendingDeprecationWarning", WARNING, 0,
        "Base class for warnings about features which will be deprecated\nin the future.";
    RESOURCE_WARNING = "ResourceWarning", WARNING, 0, "Base class for warnings about resource usage.";
    RUNTIME_WARNING = "RuntimeWarning", WARNING, 0, "Base class for warnings about dubious runtime behavior.";
    SYNTAX_WARNING = "SyntaxWarning", WARNING, 0, "Base class for warnings about dubious syntax.";
    UNICODE_WARNING = "UnicodeWarning", WARNING, 0, "Base class for warnings about Unicode related problems, mostly\nrelated to conversion problems.";
    USER_WARNING = "UserWarning", WARNING, 0, "Base class for warnings generated by user code.";
}

fn key_error_str(t: &mut Thread, v: Value) -> Res {
    let args = args_of(t, v);
    let a = items(&args);
    if a.len() == 1 {
        Ok(proto::repr(t, a.get(0))?.into())
    } else {
        base_str(t, v)
    }
}

/// `KeyError`
pub static KEY_ERROR: Type = Type::builtin(
    "KeyError",
    size_of::<Exception>(),
    &Spec {
        str: Some(key_error_str),
        ..Spec::EMPTY
    },
)
.base(&LOOKUP_ERROR)
.gc(traverse::<0>, clear::<0>)
.flags(type_flags::EXCEPTION)
.doc("Mapping key not found.");

fn stop_iteration_init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    base_init(t, v, args)?;
    fields::<1>(v).set(t, 0, args.pos().first().copied().unwrap_or(Value::NONE));
    Ok(())
}

/// `StopIteration`
pub static STOP_ITERATION: Type = Type::builtin(
    "StopIteration",
    size_of::<Fields<1>>(),
    &Spec {
        init: Some(stop_iteration_init),
        members: &[member("value", 0)],
        ..Spec::EMPTY
    },
)
.base(&EXCEPTION)
.gc(traverse::<1>, clear::<1>)
.flags(type_flags::EXCEPTION)
.doc("Signal the end from iterator.__next__().");

/// The value of a StopIteration instance, None if it has none.
pub fn stop_iteration_value(t: &Thread, exc: Value) -> Obj {
    fields::<1>(exc)
        .own(t, 0)
        .unwrap_or_else(|| Obj::new(t, Value::NONE))
}

fn system_exit_init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    base_init(t, v, args)?;
    match args.pos() {
        [] => {}
        [code] => fields::<1>(v).set(t, 0, *code),
        _ => {
            let all = args_of(t, v);
            fields::<1>(v).set(t, 0, all.value());
        }
    }
    Ok(())
}

/// `SystemExit`
pub static SYSTEM_EXIT: Type = Type::builtin(
    "SystemExit",
    size_of::<Fields<1>>(),
    &Spec {
        init: Some(system_exit_init),
        members: &[member("code", 0)],
        ..Spec::EMPTY
    },
)
.base(&BASE_EXCEPTION)
.gc(traverse::<1>, clear::<1>)
.flags(type_flags::EXCEPTION)
.doc("Request to exit from the interpreter.");

/// The exit code of a SystemExit instance, None if it has none.
pub fn system_exit_code(t: &Thread, exc: Value) -> Obj {
    fields::<1>(exc)
        .own(t, 0)
        .unwrap_or_else(|| Obj::new(t, Value::NONE))
}

/// All built-in exception classes, bases first. (ExceptionGroup, which has two bases, is made at start-up: see
/// [`crate::exception_groups::init`].)
pub static ALL: &[&Type] = &[
    &BASE_EXCEPTION,
    &EXCEPTION,
    &BASE_EXCEPTION_GROUP,
    &GENERATOR_EXIT,
    &KEYBOARD_INTERRUPT,
    &SYSTEM_EXIT,
    &ARITHMETIC_ERROR,
    &FLOATING_POINT_ERROR,
    &OVERFLOW_ERROR,
    &ZERO_DIVISION_ERROR,
    &ASSERTION_ERROR,
    &ATTRIBUTE_ERROR,
    &BUFFER_ERROR,
    &EOF_ERROR,
    &IMPORT_ERROR,
    &MODULE_NOT_FOUND_ERROR,
    &LOOKUP_ERROR,
    &INDEX_ERROR,
    &KEY_ERROR,
    &MEMORY_ERROR,
    &NAME_ERROR,
    &UNBOUND_LOCAL_ERROR,
    &OS_ERROR,
    &BLOCKING_IO_ERROR,
    &CHILD_PROCESS_ERROR,
    &CONNECTION_ERROR,
    &BROKEN_PIPE_ERROR,
    &CONNECTION_ABORTED_ERROR,
    &CONNECTION_REFUSED_ERROR,
    &CONNECTION_RESET_ERROR,
    &FILE_EXISTS_ERROR,
    &FILE_NOT_FOUND_ERROR,
    &INTERRUPTED_ERROR,
    &IS_A_DIRECTORY_ERROR,
    &NOT_A_DIRECTORY_ERROR,
    &PERMISSION_ERROR,
    &PROCESS_LOOKUP_ERROR,
    &TIMEOUT_ERROR,
    &REFERENCE_ERROR,
    &RUNTIME_ERROR,
    &NOT_IMPLEMENTED_ERROR,
    &PYTHON_FINALIZATION_ERROR,
    &RECURSION_ERROR,
    &STOP_ASYNC_ITERATION,
    &STOP_ITERATION,
    &SYNTAX_ERROR,
    &INCOMPLETE_INPUT_ERROR,
    &INDENTATION_ERROR,
    &TAB_ERROR,
    &SYSTEM_ERROR,
    &TYPE_ERROR,
    &VALUE_ERROR,
    &UNICODE_ERROR,
    &UNICODE_DECODE_ERROR,
    &UNICODE_ENCODE_ERROR,
    &UNICODE_TRANSLATE_ERROR,
    &WARNING,
    &BYTES_WARNING,
    &DEPRECATION_WARNING,
    &ENCODING_WARNING,
    &FUTURE_WARNING,
    &IMPORT_WARNING,
    &PENDING_DEPRECATION_WARNING,
    &RESOURCE_WARNING,
    &RUNTIME_WARNING,
    &SYNTAX_WARNING,
    &UNICODE_WARNING,
    &USER_WARNING,
];
