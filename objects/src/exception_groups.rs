//! Exception groups (PEP 654): the classes, splitting, and what `except*` needs.

use crate::errors::{
    self, Exception, Fields, append, args_of, base_init, clear, exc_matches_value, field, fields,
    instance, is_exception, is_exception_class, no_keywords, traverse,
};
use crate::prelude::*;
use crate::types::type_flags;
use std::sync::OnceLock;

// BaseExceptionGroup's fields.
const MESSAGE: usize = 0;
const EXCEPTIONS: usize = 1;
/// How the exceptions were shown at first, if they came in a sequence that may change how it shows itself.
const SHOWN: usize = 2;

static GROUP: OnceLock<usize> = OnceLock::new();

/// `ExceptionGroup`, once [`init`] has made it.
pub fn exception_group<'a>() -> Option<&'a Type> {
    // SAFETY: the class was made immortal by `init`.
    GROUP.get().map(|p| unsafe { &*(*p as *const Type) })
}

/// ExceptionGroup, a class with the two bases BaseExceptionGroup and Exception: made once, at start-up.
pub fn init(t: &mut Thread) -> Res<Obj> {
    if let Some(known) = exception_group() {
        return Ok(Obj::new(t, known.value()));
    }
    let bases = [
        Obj::new(t, BASE_EXCEPTION_GROUP.value()),
        Obj::new(t, errors::EXCEPTION.value()),
    ];
    let bases = Tuple::from_vec(t, bases.into());
    let dict = Dict::new(t);
    let builtins = Str::intern(t, "builtins");
    Dict::of_obj(&dict).set_str(t, crate::id!(t, "__module__"), builtins.value());
    let name = Str::intern(t, "ExceptionGroup");
    let class = proto::call(
        t,
        crate::types::TYPE.value(),
        &[name.value(), bases.value(), dict.value()],
    )?;
    // What an immortal object refers to must not be local (I3).
    weft_gc::share(t, class.value());
    class.header().make_immortal();
    if GROUP.set(class.value().ptr() as usize).is_err() {
        return Err(t.system_error("ExceptionGroup was made twice"));
    }
    Ok(class)
}

/// Whether `v` is an exception group.
pub fn is_group(v: Value) -> bool {
    is_exception(v) && type_of(v).is_subtype(&BASE_EXCEPTION_GROUP)
}

/// The exceptions of a group; `None` for anything else.
pub fn members(t: &Thread, v: Value) -> Option<Vec<Obj>> {
    if !is_group(v) {
        return None;
    }
    Some(Tuple::of(fields::<3>(v).get(EXCEPTIONS)).map_or_else(Vec::new, |x| x.to_vec(t)))
}

fn group_new(t: &mut Thread, cls: Value, args: Args<'_>) -> Res {
    let given = args.pos();
    let [msg, excs] = *given else {
        let n = given.len();
        return Err(t.type_error(format!(
            "BaseExceptionGroup.__new__() takes exactly 2 arguments ({n} given)"
        )));
    };
    if Str::of(msg).is_none() {
        let got = type_of(msg).name();
        return Err(t.type_error(format!(
            "BaseExceptionGroup.__new__() argument 1 must be str, not {got}"
        )));
    }
    if !proto::is_sequence(t, excs) {
        return Err(t.type_error("second argument (exceptions) must be a sequence".into()));
    }
    let items = proto::to_vec(t, excs)?;
    if items.is_empty() {
        return Err(t.value_error("second argument (exceptions) must be a non-empty sequence"));
    }
    let mut base_only = false;
    for (i, e) in items.iter().enumerate() {
        if !is_exception(e.value()) {
            return Err(t.value_error(format!(
                "Item {i} of second argument (exceptions) is not an exception"
            )));
        }
        base_only |= !type_of(e.value()).is_subtype(&errors::EXCEPTION);
    }
    let class = class_for(t, Type::of_unchecked(cls), base_only)?;
    // A sequence of a kind of its own is shown as it is now.
    let shown = if List::exact(excs).is_some() || Tuple::exact(excs).is_some() {
        None
    } else {
        Some(proto::repr(t, excs)?)
    };
    let args = Tuple::from_slice(t, given);
    let group = instance(t, class, args);
    let f = fields::<3>(group.value());
    f.set(t, MESSAGE, msg);
    let items = Tuple::from_vec(t, items);
    f.set(t, EXCEPTIONS, items.value());
    f.set(t, SHOWN, shown.as_ref().map_or(Value::NULL, Obj::value));
    Ok(group.into())
}

/// The class of a new group, given whether it holds exceptions that do not derive from Exception.
fn class_for<'a>(t: &Thread, class: &'a Type, base_only: bool) -> Res<&'a Type> {
    if class.is(&BASE_EXCEPTION_GROUP) {
        return Ok(if base_only {
            class
        } else {
            exception_group().unwrap_or(class)
        });
    }
    if !base_only || !class.is_subtype(&errors::EXCEPTION) {
        return Ok(class);
    }
    Err(
        t.type_error(if exception_group().is_some_and(|g| g.is(class)) {
            "Cannot nest BaseExceptions in an ExceptionGroup".to_string()
        } else {
            format!("Cannot nest BaseExceptions in '{}'", class.name())
        }),
    )
}

fn group_init(t: &mut Thread, v: Value, args: Args<'_>) -> Res<()> {
    no_keywords(t, v, args)?;
    base_init(t, v, args)
}

fn group_str(t: &mut Thread, v: Value) -> Res {
    let f = fields::<3>(v);
    let n = Tuple::of(f.get(EXCEPTIONS)).map_or(0, |x| x.len());
    let msg = f.own(t, MESSAGE).unwrap_or_else(|| Str::new(t, ""));
    let mut out = Vec::new();
    append(&mut out, &msg);
    out.extend_from_slice(
        format!(" ({n} sub-exception{})", if n == 1 { "" } else { "s" }).as_bytes(),
    );
    Ok(Str::from_wtf8(t, &out).into())
}

/// Shows the exceptions as they were given: a list, if it was a list.
fn group_repr(t: &mut Thread, v: Value) -> Res {
    let f = fields::<3>(v);
    let msg = f.own(t, MESSAGE).unwrap_or_else(|| Str::new(t, ""));
    let items = members(t, v).unwrap_or_default();
    let args = args_of(t, v);
    let given = Tuple::of(args.value())
        .filter(|a| a.len() == 2)
        .map(|a| Obj::new(t, a.get(1)));
    let shown = match (f.own(t, SHOWN), given) {
        (Some(shown), _) => shown,
        (None, Some(g)) if List::exact(g.value()).is_some() => {
            let list = List::from_vec(t, items);
            proto::repr(t, list.value())?
        }
        _ => {
            let tuple = Tuple::from_vec(t, items);
            proto::repr(t, tuple.value())?
        }
    };
    let msg = proto::repr(t, msg.value())?;
    let mut out = type_of(v).name().into_bytes();
    out.push(b'(');
    append(&mut out, &msg);
    out.extend_from_slice(b", ");
    append(&mut out, &shown);
    out.push(b')');
    Ok(Str::from_wtf8(t, &out).into())
}

fn derive(t: &mut Thread, a: &[Value]) -> Res {
    let msg = fields::<3>(a[0])
        .own(t, MESSAGE)
        .unwrap_or_else(|| Str::new(t, ""));
    proto::call(t, BASE_EXCEPTION_GROUP.value(), &[msg.value(), a[1]]).map(Obj::into_value)
}

/// What decides which exceptions are taken.
enum Matcher<'a> {
    /// A class or a tuple of classes.
    Classes(Value),
    Predicate(Value),
    /// These very exceptions.
    These(&'a [Obj]),
}

impl Matcher<'_> {
    fn from_value<'a>(t: &Thread, v: Value) -> Res<Matcher<'a>> {
        let all_classes =
            Tuple::of(v).is_some_and(|x| (0..x.len()).all(|i| is_exception_class(x.get(i))));
        if is_exception_class(v) || all_classes {
            return Ok(Matcher::Classes(v));
        }
        if proto::is_callable(v) && Type::of(v).is_none() {
            return Ok(Matcher::Predicate(v));
        }
        let what = "expected an exception type, a tuple of exception types, or a callable (other than a class)";
        Err(t.type_error(what.into()))
    }

    fn takes(&self, t: &mut Thread, exc: Value) -> Res<bool> {
        match self {
            Matcher::Classes(c) => exc_matches_value(t, exc, *c),
            Matcher::Predicate(f) => {
                let r = proto::call(t, *f, &[exc])?;
                proto::truth(t, r.value())
            }
            Matcher::These(list) => Ok(list.iter().any(|e| e.value().same(exc))),
        }
    }
}

type Split = (Option<Obj>, Option<Obj>);

/// Splits an exception into what the matcher takes and the rest.
fn split_by(t: &mut Thread, exc: Value, by: &Matcher<'_>, want_rest: bool) -> Res<Split> {
    if by.takes(t, exc)? {
        return Ok((Some(Obj::new(t, exc)), None));
    }
    let Some(items) = members(t, exc) else {
        return Ok((None, Some(Obj::new(t, exc))));
    };
    let _guard = t.enter_recursive(" in exceptiongroup_split_recursive")?;
    let (mut taken, mut rest) = (Vec::new(), Vec::new());
    for e in items {
        let (m, r) = split_by(t, e.value(), by, want_rest)?;
        taken.extend(m);
        if want_rest {
            rest.extend(r);
        }
    }
    let taken = subset(t, exc, taken)?;
    let rest = if want_rest {
        subset(t, exc, rest)?
    } else {
        None
    };
    Ok((taken, rest))
}

/// A group like `group` with some of its exceptions; `None` if there are none.
fn subset(t: &mut Thread, group: Value, items: Vec<Obj>) -> Res<Option<Obj>> {
    if items.is_empty() {
        return Ok(None);
    }
    let items = List::from_vec(t, items);
    let made = proto::call_method(t, group, "derive", &[items.value()])?;
    if !is_group(made.value()) {
        return Err(t.type_error("derive must return an instance of BaseExceptionGroup".into()));
    }
    if let (Some(from), Some(to)) = (Exception::of(group), Exception::of(made.value())) {
        copy_slot(t, &from.traceback, &to.traceback, to);
        copy_slot(t, &from.context, &to.context, to);
        let cause = from.cause.get();
        to.set_cause(t, (!cause.is_null()).then(|| Obj::new(t, cause)));
    }
    let name = crate::id!(t, "__notes__");
    if let Some(notes) = proto::get_attr_opt(t, group, name)?
        && proto::is_sequence(t, notes.value())
    {
        let copy = proto::to_vec(t, notes.value())?;
        let copy = List::from_vec(t, copy);
        proto::set_attr(t, made.value(), name, copy.value())?;
    }
    Ok(Some(made))
}

fn copy_slot(t: &Thread, from: &Slot, to: &Slot, owner: &Exception) {
    to.set(t, &owner.header, crate::cell::counted(t, from.get()));
}

fn or_none(o: Option<Obj>) -> Obj {
    o.unwrap_or_else(|| Obj::from_raw(Value::NONE))
}

fn split(t: &mut Thread, a: &[Value]) -> Res {
    let by = Matcher::from_value(t, a[1])?;
    let (taken, rest) = split_by(t, a[0], &by, true)?;
    Ok(Tuple::from_vec(t, vec![or_none(taken), or_none(rest)]).into())
}

fn subgroup(t: &mut Thread, a: &[Value]) -> Res {
    let by = Matcher::from_value(t, a[1])?;
    let (taken, _) = split_by(t, a[0], &by, false)?;
    Ok(or_none(taken).into())
}

/// `BaseExceptionGroup`
pub static BASE_EXCEPTION_GROUP: Type = Type::builtin(
    "BaseExceptionGroup",
    size_of::<Fields<3>>(),
    &Spec {
        new: Some(group_new),
        init: Some(group_init),
        str: Some(group_str),
        repr: Some(group_repr),
        methods: &[
            NativeDef::class(
                "__class_getitem__",
                "($type, item, /)",
                crate::generic_alias::class_getitem,
            )
            .doc("See PEP 585"),
            NativeDef::new("derive", "($self, excs, /)", derive),
            NativeDef::new("split", "($self, matcher_value, /)", split),
            NativeDef::new("subgroup", "($self, matcher_value, /)", subgroup),
        ],
        members: &[
            MemberDef {
                name: "message",
                offset: field(MESSAGE),
                readonly: true,
                none_if_empty: true,
            },
            MemberDef {
                name: "exceptions",
                offset: field(EXCEPTIONS),
                readonly: true,
                none_if_empty: true,
            },
        ],
        ..Spec::EMPTY
    },
)
.base(&errors::BASE_EXCEPTION)
.gc(traverse::<3>, clear::<3>)
.flags(type_flags::EXCEPTION)
.doc("A combination of multiple unrelated exceptions.");

// --- except* ---

/// What an `except*` clause for `class_or_tuple` does with an exception (or None): the part that it handles, always a group, and the
/// rest.
///
/// # Errors
/// TypeError for what may not be caught in this way, and for a group class whose `split` gives nonsense.
pub fn except_star(
    t: &mut Thread,
    exc: Value,
    class_or_tuple: Value,
) -> Res<(Option<Obj>, Option<Obj>)> {
    check_star(t, class_or_tuple)?;
    if exc.is_none() {
        return Ok((None, None));
    }
    if exc_matches_value(t, exc, class_or_tuple)? {
        if is_group(exc) {
            return Ok((Some(Obj::new(t, exc)), None));
        }
        return wrap(t, exc).map(|g| (Some(g), None));
    }
    if !is_group(exc) {
        return Ok((None, Some(Obj::new(t, exc))));
    }
    let pair = proto::call_method(t, exc, "split", &[class_or_tuple])?;
    let class = type_of(exc).name();
    let Some(x) = Tuple::of(pair.value()) else {
        let got = type_of(pair.value()).name();
        return Err(t.type_error(format!("{class}.split must return a tuple, not {got}")));
    };
    if x.len() < 2 {
        let n = x.len();
        return Err(t.type_error(format!(
            "{class}.split must return a 2-tuple, got tuple of size {n}"
        )));
    }
    let part = |v: Value| (!v.is_none()).then(|| Obj::new(t, v));
    Ok((part(x.get(0)), part(x.get(1))))
}

/// A group around a single exception that `except*` has caught.
fn wrap(t: &mut Thread, exc: Value) -> Res<Obj> {
    let (msg, items) = (Str::new(t, ""), Tuple::from_slice(t, &[exc]));
    let group = proto::call(
        t,
        BASE_EXCEPTION_GROUP.value(),
        &[msg.value(), items.value()],
    )?;
    if let (Some(from), Some(to)) = (Exception::of(exc), Exception::of(group.value())) {
        copy_slot(t, &from.traceback, &to.traceback, to);
    }
    Ok(group)
}

fn check_star(t: &Thread, class_or_tuple: Value) -> Res<()> {
    let check = |c: Value| {
        if !is_exception_class(c) {
            let msg = "catching classes that do not inherit from BaseException is not allowed";
            return Err(t.type_error(msg.into()));
        }
        if Type::of_unchecked(c).is_subtype(&BASE_EXCEPTION_GROUP) {
            let msg = "catching ExceptionGroup with except* is not allowed. Use except instead.";
            return Err(t.type_error(msg.into()));
        }
        Ok(())
    };
    match Tuple::of(class_or_tuple) {
        Some(x) => (0..x.len()).try_for_each(|i| check(x.get(i))),
        None => check(class_or_tuple),
    }
}

/// What is to be raised after the `except*` clauses of a `try`: `orig` is what it caught, `raised` what the clauses raised and what
/// no clause has handled (None among them is passed over). `None`: nothing is left.
pub fn after_except_star(t: &mut Thread, orig: Value, raised: &[Value]) -> Res<Option<Obj>> {
    if raised.is_empty() {
        return Ok(None);
    }
    if !is_group(orig) {
        // It was wrapped, so one clause at most has run.
        return Ok(raised
            .iter()
            .find(|e| !e.is_none())
            .map(|e| Obj::new(t, *e)));
    }
    let (mut new, mut again) = (Vec::new(), Vec::new());
    for &e in raised.iter().filter(|e| !e.is_none()) {
        if same_origin(e, orig) {
            again.extend(leaves(t, e));
        } else {
            new.push(Obj::new(t, e));
        }
    }
    let again = if again.is_empty() {
        None
    } else {
        split_by(t, orig, &Matcher::These(&again), false)?.0
    };
    if new.is_empty() {
        return Ok(again);
    }
    new.extend(again);
    if new.len() == 1 {
        return Ok(new.pop());
    }
    let (msg, items) = (Str::new(t, ""), List::from_vec(t, new));
    proto::call(
        t,
        BASE_EXCEPTION_GROUP.value(),
        &[msg.value(), items.value()],
    )
    .map(Some)
}

/// Whether two groups are parts of one: they share traceback, cause and context.
fn same_origin(a: Value, b: Value) -> bool {
    let (Some(x), Some(y)) = (Exception::of(a), Exception::of(b)) else {
        return false;
    };
    x.traceback.get().same(y.traceback.get())
        && x.cause.get().same(y.cause.get())
        && x.context.get().same(y.context.get())
}

/// The exceptions in a group that are no groups themselves.
fn leaves(t: &Thread, exc: Value) -> Vec<Obj> {
    let mut found = Vec::new();
    let mut work = vec![Obj::new(t, exc)];
    while let Some(e) = work.pop() {
        match members(t, e.value()) {
            Some(items) => work.extend(items),
            None => found.push(e),
        }
    }
    found
}
