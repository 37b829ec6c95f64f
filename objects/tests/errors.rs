//! Exceptions, weak references, descriptors and generic types, without an interpreter. One test, as a process has one main thread.

use weft_objects::errors::{self as e, Exception};
use weft_objects::module::Module;
use weft_objects::prelude::*;
use weft_objects::runtime::{self, main_thread, ready_types};
use weft_objects::{
    exception_groups, generic_alias, mappingproxy, namespace, property, template, union, weakref,
};

fn s(t: &Thread, text: &str) -> Obj {
    Str::new(t, text)
}

fn int(i: i64) -> Obj {
    Obj::from_raw(Value::int(i))
}

fn text(o: &Obj) -> String {
    Str::of(o.value()).map_or_else(|| "no str".into(), Str::to_string_lossy)
}

fn repr(t: &mut Thread, o: &Obj) -> String {
    match proto::repr(t, o.value()) {
        Ok(r) => text(&r),
        Err(_) => error(t),
    }
}

fn str(t: &mut Thread, o: &Obj) -> String {
    match proto::str(t, o.value()) {
        Ok(r) => text(&r),
        Err(_) => error(t),
    }
}

fn error(t: &mut Thread) -> String {
    let exc = t.take_exc().expect("an exception");
    weft_objects::traceback::describe(t, exc.value())
}

fn make(t: &mut Thread, ty: &Type, args: &[Obj]) -> Obj {
    let args: Vec<Value> = args.iter().map(|o| o.value()).collect();
    match proto::call(t, ty.value(), &args) {
        Ok(o) => o,
        Err(_) => panic!("{}: {}", ty.name(), error(t)),
    }
}

fn fails(t: &mut Thread, ty: &Type, args: &[Obj]) -> String {
    let args: Vec<Value> = args.iter().map(|o| o.value()).collect();
    assert!(
        proto::call(t, ty.value(), &args).is_err(),
        "{} can be made",
        ty.name()
    );
    error(t)
}

fn attr(t: &mut Thread, o: &Obj, name: &str) -> Obj {
    let name = weft_objects::names::get(t, name);
    match proto::get_attr(t, o.value(), name) {
        Ok(o) => o,
        Err(_) => panic!("{}", error(t)),
    }
}

fn method(t: &mut Thread, o: &Obj, name: &str, args: &[Obj]) -> Res<Obj> {
    let args: Vec<Value> = args.iter().map(|o| o.value()).collect();
    proto::call_method(t, o.value(), name, &args)
}

#[test]
fn without_an_interpreter() {
    let mut thread = main_thread(8 << 20);
    let t = &mut *thread;
    ready_types(t);
    e::ALL.iter().for_each(|ty| ty.ready(t));
    for ty in [
        &weft_objects::singletons::NONE_TYPE,
        &weakref::REF,
        &weakref::PROXY,
        &property::PROPERTY,
        &generic_alias::GENERIC_ALIAS,
        &union::UNION,
        &mappingproxy::MAPPINGPROXY,
        &namespace::NAMESPACE,
        &weft_objects::module::MODULE,
        &weft_objects::set::SET,
        &weft_objects::set::FROZENSET,
        &weft_objects::descr::GETSET_DESCRIPTOR,
        &weft_objects::descr::MEMBER_DESCRIPTOR,
    ] {
        ty.ready(t);
    }
    let m = Module::new(t, "builtins");
    runtime::BUILTINS
        .of(t)
        .set(t, Module::of(m.value()).expect("a module").dict_obj(t));
    template::init(t);
    exception_groups::init(t).expect("ExceptionGroup");

    reprs_and_fields(t);
    os_errors(t);
    codecs_and_syntax(t);
    raising(t);
    groups(t);
    weak_references(t);
    generics(t);
    others(t);
    assert!(!t.has_exc());
}

fn reprs_and_fields(t: &mut Thread) {
    let x = make(t, &e::VALUE_ERROR, &[int(1)]);
    assert_eq!(
        (repr(t, &x), str(t, &x)),
        ("ValueError(1)".into(), "1".into())
    );
    let x = make(t, &e::KEY_ERROR, &[s(t, "a")]);
    assert_eq!(
        (repr(t, &x), str(t, &x)),
        ("KeyError('a')".into(), "'a'".into())
    );
    let x = make(t, &e::KEY_ERROR, &[int(1), int(2)]);
    assert_eq!(
        (repr(t, &x), str(t, &x)),
        ("KeyError(1, 2)".into(), "(1, 2)".into())
    );
    let x = make(t, &e::STOP_ITERATION, &[int(7)]);
    assert_eq!(attr(t, &x, "value").value(), Value::int(7));
    let x = make(t, &e::SYSTEM_EXIT, &[int(1), int(2)]);
    let code = attr(t, &x, "code");
    assert_eq!(repr(t, &code), "(1, 2)");
    assert_eq!(
        fails(t, &e::UNICODE_DECODE_ERROR, &[int(1)]),
        "TypeError: function takes exactly 5 arguments (1 given)"
    );
    let x = make(t, &e::VALUE_ERROR, &[]);
    let r = method(t, &x, "add_note", &[int(3)]);
    assert!(r.is_err());
    assert_eq!(
        error(t),
        "TypeError: add_note() argument must be str, not int"
    );
    let note = s(t, "a note");
    method(t, &x, "add_note", &[note]).expect("a note");
    let notes = attr(t, &x, "__notes__");
    assert_eq!(repr(t, &notes), "['a note']");
    let reduced = method(t, &x, "__reduce__", &[]).expect("a tuple");
    assert_eq!(
        repr(t, &reduced),
        "(<class 'ValueError'>, (), {'__notes__': ['a note']})"
    );
}

fn os_errors(t: &mut Thread) {
    let (msg, a, b) = (s(t, "x"), s(t, "a"), s(t, "b"));
    let x = make(
        t,
        &e::OS_ERROR,
        &[int(2), msg.clone(), a, Obj::from_raw(Value::NONE), b],
    );
    assert_eq!(repr(t, &x), "FileNotFoundError(2, 'x')");
    assert_eq!(str(t, &x), "[Errno 2] x: 'a' -> 'b'");
    let reduced = method(t, &x, "__reduce__", &[]).expect("a tuple");
    assert_eq!(
        repr(t, &reduced),
        "(<class 'FileNotFoundError'>, (2, 'x', 'a', None, 'b'))"
    );
    let x = make(t, &e::BLOCKING_IO_ERROR, &[int(11), msg, int(3)]);
    assert_eq!(attr(t, &x, "characters_written").value(), Value::int(3));
    let file = s(t, "f");
    let _ = t.os_error(libc::ENOENT, Some(file));
    assert_eq!(
        error(t),
        "FileNotFoundError: [Errno 2] No such file or directory: 'f'"
    );
}

fn codecs_and_syntax(t: &mut Thread) {
    let abc = weft_objects::bytes::Bytes::new(t, b"abc");
    let x = e::unicode_decode_error(t, "utf8", abc, 0, 2, "bad");
    assert_eq!(
        str(t, &x),
        "'utf8' codec can't decode bytes in position 0-1: bad"
    );
    let c = Str::from_wtf8(t, "a\u{e9}".as_bytes());
    let x = e::unicode_encode_error(t, "ascii", c, 1, 2, "ordinal not in range(128)");
    assert_eq!(
        str(t, &x),
        "'ascii' codec can't encode character '\\xe9' in position 1: ordinal not in range(128)"
    );
    let info = [s(t, "a/f"), int(1), int(2), s(t, "t"), int(3), int(4)];
    let info = Tuple::from_vec(t, info.into());
    let msg = s(t, "m");
    let x = make(t, &e::SYNTAX_ERROR, &[msg.clone(), info]);
    assert_eq!(str(t, &x), "m (f, line 1)");
    let short = Tuple::from_vec(t, vec![int(1)]);
    let why = fails(t, &e::SYNTAX_ERROR, &[msg, short]);
    assert_eq!(
        why,
        "TypeError: function takes at least 4 arguments (1 given)"
    );
}

fn raising(t: &mut Thread) {
    let _ = t.raise(&e::VALUE_ERROR, "v");
    assert!(t.exc_matches(&e::EXCEPTION) && !t.exc_matches(&e::TYPE_ERROR));
    t.clear_exc();
    let _ = e::raise_class_or_instance(t, Value::int(3), None);
    assert_eq!(
        error(t),
        "TypeError: exceptions must derive from BaseException"
    );
    let cause = make(t, &e::KEY_ERROR, &[]);
    let _ = e::raise_class_or_instance(t, e::VALUE_ERROR.value(), Some(cause.value()));
    let x = t.take_exc().expect("an exception");
    let exc = Exception::of(x.value()).expect("an exception");
    assert!(exc.cause.get().same(cause.value()));
    // a -> b -> c, then b is raised while a is handled: the chain must not become a cycle.
    let [a, b, c] = [(); 3].map(|()| make(t, &e::VALUE_ERROR, &[]));
    e::set_context(t, b.value(), c.value());
    e::set_context(t, a.value(), b.value());
    e::set_context(t, b.value(), a.value());
    let context = |o: &Obj| {
        Exception::of(o.value())
            .expect("an exception")
            .context
            .get()
    };
    assert!(context(&b).same(a.value()) && context(&a).is_null());
    assert!(e::exc_matches_value(t, a.value(), e::EXCEPTION.value()).expect("a bool"));
    assert!(e::exc_matches_value(t, a.value(), Value::int(1)).is_err());
    t.clear_exc();
    let mut out = String::new();
    weft_objects::traceback::print_exception(t, x.value(), &mut out);
    assert_eq!(
        out,
        "KeyError\n\nThe above exception was the direct cause of the following exception:\n\nValueError\n"
    );
}

fn groups(t: &mut Thread) {
    let (v, k) = (
        make(t, &e::VALUE_ERROR, &[int(1)]),
        make(t, &e::KEY_ERROR, &[int(2)]),
    );
    let (msg, list) = (s(t, "a"), List::from_vec(t, vec![v, k]));
    let g = make(t, &exception_groups::BASE_EXCEPTION_GROUP, &[msg, list]);
    assert_eq!(
        repr(t, &g),
        "ExceptionGroup('a', [ValueError(1), KeyError(2)])"
    );
    assert_eq!(str(t, &g), "a (2 sub-exceptions)");
    let class = Obj::new(t, e::VALUE_ERROR.value());
    let parts = method(t, &g, "split", &[class]).expect("a pair");
    assert_eq!(
        repr(t, &parts),
        "(ExceptionGroup('a', [ValueError(1)]), ExceptionGroup('a', [KeyError(2)]))"
    );
    let (caught, rest) =
        exception_groups::except_star(t, g.value(), e::KEY_ERROR.value()).expect("two parts");
    let (caught, rest) = (caught.expect("a part"), rest.expect("a part"));
    assert_eq!(repr(t, &caught), "ExceptionGroup('a', [KeyError(2)])");
    let left =
        exception_groups::after_except_star(t, g.value(), &[rest.value()]).expect("a result");
    assert_eq!(
        repr(t, &left.expect("a group")),
        "ExceptionGroup('a', [ValueError(1)])"
    );
}

fn weak_references(t: &mut Thread) {
    let why = match weakref::new_ref(t, Value::int(3), Value::NULL) {
        Ok(_) => "made".into(),
        Err(_) => error(t),
    };
    assert_eq!(
        why,
        "TypeError: cannot create weak reference to 'int' object"
    );
    let set = weft_objects::set::Set::new(t);
    let seen = List::from_vec(t, Vec::new());
    let append = attr(t, &seen, "append");
    let plain = weakref::new_ref(t, set.value(), Value::NULL).expect("a reference");
    let again = weakref::new_ref(t, set.value(), Value::NULL).expect("a reference");
    assert!(plain.value().same(again.value()));
    let called = weakref::new_ref(t, set.value(), append.value()).expect("a reference");
    let proxy = weakref::new_proxy(t, set.value(), Value::NULL).expect("a proxy");
    assert_eq!(proto::len(t, proxy.value()).expect("a length"), 0);
    let got = proto::call(t, plain.value(), &[]).expect("the set");
    assert!(got.value().same(set.value()));
    drop(got);
    drop(set);
    runtime::run_pending(t);
    assert!(
        proto::call(t, plain.value(), &[])
            .expect("None")
            .value()
            .is_none()
    );
    assert!(proto::len(t, proxy.value()).is_err());
    assert_eq!(
        error(t),
        "ReferenceError: weakly-referenced object no longer exists"
    );
    let first = List::of(seen.value()).and_then(|l| l.get(t, 0).map(|v| v.value()));
    assert!(first.is_some_and(|v| v.same(called.value())));
}

fn generics(t: &mut Thread) {
    use weft_objects::{int::INT, list::LIST, str::STR};
    let alias = generic_alias::new(t, LIST.value(), INT.value()).expect("an alias");
    assert_eq!(repr(t, &alias), "list[int]");
    let u = union::type_or(t, INT.value(), STR.value())
        .map(Obj::own)
        .expect("a union");
    let u = union::type_or(t, u.value(), Value::NONE)
        .map(Obj::own)
        .expect("a union");
    assert_eq!(repr(t, &u), "int | str | None");
    let v = union::type_or(t, Value::NONE, STR.value())
        .map(Obj::own)
        .expect("a union");
    let v = union::type_or(t, v.value(), INT.value())
        .map(Obj::own)
        .expect("a union");
    assert!(proto::eq(t, u.value(), v.value()).expect("a bool"));
    assert_eq!(
        proto::hash(t, u.value()).expect("a hash"),
        proto::hash(t, v.value()).expect("a hash")
    );
    assert!(proto::is_instance(t, Value::int(1), u.value()).expect("a bool"));
    assert!(proto::get_item(t, u.value(), INT.value()).is_err());
    assert_eq!(
        error(t),
        "TypeError: int | str | None is not a generic class"
    );
    let [x, y] = ["x", "y"].map(|n| s(t, n));
    let i = template::Interpolation::new(t, Value::int(1), x.value(), Value::NONE, y.value());
    let made = make(t, &template::TEMPLATE, &[x.clone(), y, i]);
    assert_eq!(
        repr(t, &made),
        "Template(strings=('xy', ''), interpolations=(Interpolation(1, 'x', None, 'y'),))"
    );
}

fn others(t: &mut Thread) {
    let ns = namespace::new(t);
    proto::set_attr(t, ns.value(), weft_objects::id!(t, "a"), Value::int(1)).expect("set");
    assert_eq!(repr(t, &ns), "namespace(a=1)");
    let d = Dict::new(t);
    let p = mappingproxy::MappingProxy::new(t, d);
    assert_eq!(repr(t, &p), "mappingproxy({})");
    let m = Module::new(t, "a");
    assert_eq!(repr(t, &m), "<module 'a'>");
    assert!(proto::get_attr(t, m.value(), weft_objects::id!(t, "x")).is_err());
    assert_eq!(error(t), "AttributeError: module 'a' has no attribute 'x'");
    let empty = make(t, &property::PROPERTY, &[]);
    let set = type_of(empty.value())
        .slots
        .descr_set
        .get()
        .expect("a data descriptor");
    assert!(set(t, empty.value(), Value::int(3), Value::int(4)).is_err());
    assert_eq!(
        error(t),
        "AttributeError: property of 'int' object has no setter"
    );
}
