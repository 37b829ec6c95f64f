//! Raising: making exceptions, the pending one, the `raise` statement, and matching for `except`.

use super::*;
use weft_gc::Raised;

/// Whether `v` is an exception instance.
#[inline]
pub fn is_exception(v: Value) -> bool {
    v.is_ptr() && type_of(v).flags.load(Relaxed) & type_flags::EXCEPTION != 0
}

/// Whether `v` is an exception class.
#[inline]
pub fn is_exception_class(v: Value) -> bool {
    Type::of(v).is_some_and(|ty| ty.flags.load(Relaxed) & type_flags::EXCEPTION != 0)
}

/// A new instance of a built-in exception class, made without running any Python.
pub fn new_exception(t: &Thread, ty: &Type, args: Vec<Obj>) -> Obj {
    let tuple = Tuple::from_vec(t, args);
    let e = instance(t, ty, tuple);
    let first = Tuple::exact(base(e.value()).args.get())
        .filter(|a| a.len() == 1)
        .map(|a| a.get(0));
    if let Some(first) = first {
        let v = e.value();
        // What these classes' __init__ would do with one argument: it is in their first field.
        let keepers = [&IMPORT_ERROR, &SYNTAX_ERROR, &STOP_ITERATION, &SYSTEM_EXIT];
        if keepers.iter().any(|k| ty.is_subtype(k)) {
            fields::<1>(v).set(t, 0, first);
        }
    }
    e
}

/// A new instance of a built-in exception class, with a message if there is one.
pub fn instance_of(t: &Thread, ty: &Type, msg: Option<&str>) -> Obj {
    let args = msg.map(|m| Str::new(t, m)).into_iter().collect();
    new_exception(t, ty, args)
}

/// What native code raises exceptions with. Each function sets the thread's exception and gives the proof of it.
pub trait ThreadExt {
    /// Raises a new instance of a built-in class with a message.
    fn raise(&self, ty: &Type, msg: impl Into<String>) -> Raised;
    /// Raises a new instance of a built-in class with these arguments.
    fn raise_args(&self, ty: &Type, args: Vec<Obj>) -> Raised;
    /// Raises an instance: sets its `__context__`.
    fn raise_value(&self, exc: Obj) -> Raised;
    fn type_error(&self, msg: String) -> Raised;
    fn value_error(&self, msg: impl Into<String>) -> Raised;
    fn index_error(&self, msg: impl Into<String>) -> Raised;
    fn overflow_error(&self, msg: impl Into<String>) -> Raised;
    fn runtime_error(&self, msg: impl Into<String>) -> Raised;
    fn system_error(&self, msg: impl Into<String>) -> Raised;
    fn zero_division(&self, msg: impl Into<String>) -> Raised;
    fn key_error(&self, key: Value) -> Raised;
    fn memory_error(&self) -> Raised;
    /// "'Foo' object has no attribute 'x'", with its `name` and `obj`.
    fn attribute_error(&self, obj: Value, name: &Str) -> Raised;
    /// AttributeError with a message of its own.
    fn attribute_error_msg(&self, obj: Value, name: &Str, msg: impl Into<String>) -> Raised;
    /// NameError (or a subclass) with its `name`.
    fn name_error(&self, ty: &Type, name: &Str, msg: impl Into<String>) -> Raised;
    fn stop_iteration(&self, value: Option<Obj>) -> Raised;
    /// OSError, or its subclass for this error number.
    fn os_error(&self, errno: i32, filename: Option<Obj>) -> Raised;
    /// As [`ThreadExt::os_error`], about two files.
    fn os_error2(&self, errno: i32, filename: Option<Obj>, filename2: Option<Obj>) -> Raised;
    /// OSError for an error of the standard library.
    fn io_error(&self, e: &std::io::Error, filename: Option<Obj>) -> Raised;
    /// ImportError (or a subclass) with its `name` and `path`.
    fn import_error(
        &self,
        ty: &Type,
        msg: impl Into<String>,
        name: Option<Obj>,
        path: Option<Obj>,
    ) -> Raised;
    /// Takes the pending exception.
    fn take_exc(&self) -> Option<Obj>;
    /// Makes this the pending exception, as it is: no context is set.
    fn set_exc(&self, exc: Obj) -> Raised;
    fn has_exc(&self) -> bool;
    fn clear_exc(&self);
    /// Whether the pending exception is an instance of the class.
    fn exc_matches(&self, ty: &Type) -> bool;
}

impl ThreadExt for Thread {
    #[cold]
    fn raise(&self, ty: &Type, msg: impl Into<String>) -> Raised {
        let msg = Str::from_string(self, msg.into());
        self.raise_args(ty, vec![msg])
    }

    #[cold]
    fn raise_args(&self, ty: &Type, args: Vec<Obj>) -> Raised {
        let e = new_exception(self, ty, args);
        self.raise_value(e)
    }

    #[cold]
    fn raise_value(&self, exc: Obj) -> Raised {
        if let Some(handled) = crate::runtime::handled_exception(self) {
            set_context(self, exc.value(), handled.value());
        }
        self.set_exc(exc)
    }

    #[cold]
    fn type_error(&self, msg: String) -> Raised {
        self.raise(&TYPE_ERROR, msg)
    }
    #[cold]
    fn value_error(&self, msg: impl Into<String>) -> Raised {
        self.raise(&VALUE_ERROR, msg)
    }
    #[cold]
    fn index_error(&self, msg: impl Into<String>) -> Raised {
        self.raise(&INDEX_ERROR, msg)
    }
    #[cold]
    fn overflow_error(&self, msg: impl Into<String>) -> Raised {
        self.raise(&OVERFLOW_ERROR, msg)
    }
    #[cold]
    fn runtime_error(&self, msg: impl Into<String>) -> Raised {
        self.raise(&RUNTIME_ERROR, msg)
    }
    #[cold]
    fn system_error(&self, msg: impl Into<String>) -> Raised {
        self.raise(&SYSTEM_ERROR, msg)
    }
    #[cold]
    fn zero_division(&self, msg: impl Into<String>) -> Raised {
        self.raise(&ZERO_DIVISION_ERROR, msg)
    }
    #[cold]
    fn key_error(&self, key: Value) -> Raised {
        let key = Obj::new(self, key);
        self.raise_args(&KEY_ERROR, vec![key])
    }
    #[cold]
    fn memory_error(&self) -> Raised {
        self.raise_args(&MEMORY_ERROR, Vec::new())
    }

    #[cold]
    fn attribute_error(&self, obj: Value, name: &Str) -> Raised {
        let attr = name.to_string_lossy();
        let msg = match Type::of(obj) {
            Some(ty) => format!("type object '{}' has no attribute '{attr}'", ty.name()),
            None => format!("'{}' object has no attribute '{attr}'", type_of(obj).name()),
        };
        self.attribute_error_msg(obj, name, msg)
    }

    #[cold]
    fn attribute_error_msg(&self, obj: Value, name: &Str, msg: impl Into<String>) -> Raised {
        let e = new_exception(
            self,
            &ATTRIBUTE_ERROR,
            vec![Str::from_string(self, msg.into())],
        );
        let f = fields::<2>(e.value());
        f.set(self, 0, name.value());
        f.set(self, 1, obj);
        self.raise_value(e)
    }

    #[cold]
    fn name_error(&self, ty: &Type, name: &Str, msg: impl Into<String>) -> Raised {
        let e = new_exception(self, ty, vec![Str::from_string(self, msg.into())]);
        fields::<1>(e.value()).set(self, 0, name.value());
        self.raise_value(e)
    }

    #[cold]
    fn stop_iteration(&self, value: Option<Obj>) -> Raised {
        self.raise_args(&STOP_ITERATION, value.into_iter().collect())
    }

    #[cold]
    fn os_error(&self, errno: i32, filename: Option<Obj>) -> Raised {
        self.os_error2(errno, filename, None)
    }

    #[cold]
    fn os_error2(&self, errno: i32, filename: Option<Obj>, filename2: Option<Obj>) -> Raised {
        let e = os::new_os_error(self, errno, filename, filename2);
        self.raise_value(e)
    }

    #[cold]
    fn io_error(&self, e: &std::io::Error, filename: Option<Obj>) -> Raised {
        match e.raw_os_error() {
            Some(n) => self.os_error(n, filename),
            None => self.raise(&OS_ERROR, e.to_string()),
        }
    }

    #[cold]
    fn import_error(
        &self,
        ty: &Type,
        msg: impl Into<String>,
        name: Option<Obj>,
        path: Option<Obj>,
    ) -> Raised {
        let e = import::new_import_error(self, ty, Str::from_string(self, msg.into()), name, path);
        self.raise_value(e)
    }

    #[inline]
    fn take_exc(&self) -> Option<Obj> {
        let v = self.exc.replace(Value::NULL);
        (!v.is_null()).then(|| Obj::own(v))
    }

    #[inline]
    fn set_exc(&self, exc: Obj) -> Raised {
        let old = self.exc.replace(exc.into_value());
        self.drop_value(old);
        Raised::new_unchecked()
    }

    #[inline]
    fn has_exc(&self) -> bool {
        !self.exc.get().is_null()
    }

    fn clear_exc(&self) {
        drop(self.take_exc());
    }

    fn exc_matches(&self, ty: &Type) -> bool {
        let e = self.exc.get();
        !e.is_null() && type_of(e).is_subtype(ty)
    }
}

/// Sets the `name` and `obj` of the pending AttributeError, if it has none.
pub fn note_attribute(t: &Thread, obj: Value, name: &str) {
    let e = t.exc.get();
    if t.exc_matches(&ATTRIBUTE_ERROR) && fields::<2>(e).get(0).is_null() {
        let f = fields::<2>(e);
        f.set(t, 0, Str::new(t, name).value());
        f.set(t, 1, obj);
    }
}

/// Sets the `name` of the pending NameError.
pub fn note_name(t: &Thread, name: &Str) {
    let e = t.exc.get();
    if t.exc_matches(&NAME_ERROR) && fields::<1>(e).get(0).is_null() {
        fields::<1>(e).set(t, 0, name.value());
    }
}

/// Makes `handled` the context of `exc`, unless they are the same, and takes `exc` out of the chain that begins at `handled`, so that
/// there is no cycle. (Brent's two walkers guard against a cycle that is there already.)
pub fn set_context(t: &Thread, exc: Value, handled: Value) {
    if exc.same(handled) || !is_exception(exc) || !is_exception(handled) {
        return;
    }
    let mut o = base(handled);
    let mut slow = o;
    let mut odd = false;
    loop {
        let next = o.context.get();
        if next.is_null() {
            break;
        }
        if next.same(exc) {
            o.set_context(t, None);
            break;
        }
        o = base(next);
        if std::ptr::eq(o, slow) {
            break; // A cycle of which `exc` is no part.
        }
        if odd {
            let next = slow.context.get();
            if next.is_null() {
                break;
            }
            slow = base(next);
        }
        odd = !odd;
    }
    base(exc).set_context(t, Some(Obj::new(t, handled)));
}

/// An instance from what a `raise` statement was given.
fn instantiate(t: &mut Thread, exc: Value) -> Res<Option<Obj>> {
    if is_exception(exc) {
        return Ok(Some(Obj::new(t, exc)));
    }
    if !is_exception_class(exc) {
        return Ok(None);
    }
    if let Some(e) = new_plain(t, Type::of_unchecked(exc), &[]) {
        return Ok(Some(e));
    }
    let made = proto::call(t, exc, &[])?;
    if !is_exception(made.value()) {
        let ty = Obj::new(t, type_of(made.value()).value());
        let (class, got) = (proto::repr(t, exc)?, proto::repr(t, ty.value())?);
        let msg = format!(
            "calling {} should have returned an instance of BaseException, not {}",
            text(&class),
            text(&got)
        );
        return Err(t.type_error(msg));
    }
    Ok(Some(made))
}

fn text(s: &Obj) -> String {
    Str::of(s.value()).map_or_else(String::new, |s| s.to_string_lossy())
}

/// The `raise` statement: `raise exc` or `raise exc from cause`, of which either may be a class.
#[cold]
pub fn raise_class_or_instance(t: &mut Thread, exc: Value, cause: Option<Value>) -> Raised {
    match prepare(t, exc, cause) {
        Ok(e) => t.raise_value(e),
        Err(r) => r,
    }
}

fn prepare(t: &mut Thread, exc: Value, cause: Option<Value>) -> Res<Obj> {
    let Some(e) = instantiate(t, exc)? else {
        return Err(t.type_error("exceptions must derive from BaseException".into()));
    };
    if let Some(cause) = cause {
        let cause = if cause.is_none() {
            None
        } else {
            match instantiate(t, cause)? {
                Some(c) => Some(c),
                None => {
                    return Err(
                        t.type_error("exception causes must derive from BaseException".into())
                    );
                }
            }
        };
        base(e.value()).set_cause(t, cause);
    }
    Ok(e)
}

/// Whether an `except` clause for a class, or a tuple of classes, catches `exc`. TypeError for anything else.
pub fn exc_matches_value(t: &mut Thread, exc: Value, class_or_tuple: Value) -> Res<bool> {
    const MSG: &str = "catching classes that do not inherit from BaseException is not allowed";
    if let Some(classes) = Tuple::of(class_or_tuple) {
        for i in 0..classes.len() {
            if !is_exception_class(classes.get(i)) {
                return Err(t.type_error(MSG.into()));
            }
        }
        let ty = type_of(exc);
        return Ok((0..classes.len()).any(|i| ty.is_subtype(Type::of_unchecked(classes.get(i)))));
    }
    if !is_exception_class(class_or_tuple) {
        return Err(t.type_error(MSG.into()));
    }
    Ok(type_of(exc).is_subtype(Type::of_unchecked(class_or_tuple)))
}
