//! The built-in containers through their methods and slots, without an interpreter. One test, as a process has one main thread.

use num_bigint::BigInt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};
use weft_objects::iter::CONTAINER_TYPES;
use weft_objects::prelude::*;
use weft_objects::runtime::{SharedObj, main_thread, ready_types, start_thread};
use weft_objects::set::Set;
use weft_objects::slice::Slice;
use weft_objects::{dict, int, iter, range, sort};

fn int(i: i64) -> Obj {
    Obj::from_raw(Value::int(i))
}

fn big(t: &Thread, shift: u32) -> Obj {
    Obj::own(int::from_bigint(t, BigInt::from(1) << shift))
}

fn ints(t: &Thread, items: impl IntoIterator<Item = i64>) -> Obj {
    List::from_vec(t, items.into_iter().map(int).collect())
}

fn text(t: &mut Thread, o: &Obj) -> String {
    let r = proto::repr(t, o.value()).expect("a repr");
    Str::of(r.value()).expect("a str").to_string_lossy()
}

fn call(t: &mut Thread, o: &Obj, name: &str, args: &[&Obj]) -> Obj {
    let args: Vec<Value> = args.iter().map(|o| o.value()).collect();
    match proto::call_method(t, o.value(), name, &args) {
        Ok(o) => o,
        Err(_) => panic!("{name}: {}", error(t)),
    }
}

fn fails(t: &mut Thread, o: &Obj, name: &str, args: &[&Obj]) -> String {
    let args: Vec<Value> = args.iter().map(|o| o.value()).collect();
    assert!(
        proto::call_method(t, o.value(), name, &args).is_err(),
        "{name} succeeds"
    );
    error(t)
}

fn error(t: &mut Thread) -> String {
    let e = t.take_exc().expect("an exception");
    let s = proto::str(t, e.value()).expect("a str");
    format!(
        "{}: {}",
        type_of(e.value()).name(),
        Str::of(s.value()).expect("a str")
    )
}

fn slice(t: &Thread, start: Option<i64>, stop: Option<i64>, step: Option<i64>) -> Obj {
    let part = |i: Option<i64>| i.map_or(Obj::from_raw(Value::NONE), int);
    Slice::new(t, part(start), part(stop), part(step))
}

fn operate(t: &mut Thread, op: BinOp, a: &Obj, b: &Obj) -> Obj {
    match proto::binary(t, op, a.value(), b.value()) {
        Ok(v) => Obj::own(v),
        Err(_) => panic!("{op:?}: {}", error(t)),
    }
}

#[test]
fn containers() {
    let mut t = main_thread(8 << 20);
    let t = &mut *t;
    ready_types(t);
    for ty in weft_objects::errors::ALL.iter().chain(CONTAINER_TYPES) {
        ty.ready(t);
    }
    weft_objects::singletons::NONE_TYPE.ready(t);
    dicts(t);
    dict_errors(t);
    views(t);
    lists(t);
    list_slices(t);
    sorting(t);
    tuples(t);
    sets(t);
    ranges(t);
    iterators(t);
    threads(t);
}

fn dicts(t: &mut Thread) {
    let o = Dict::new(t);
    let d = Dict::of_obj(&o);
    assert_eq!(text(t, &o), "{}");
    for i in 0..10_000 {
        d.set(t, Value::int(i * 7), Value::int(i)).unwrap();
    }
    assert_eq!(d.len(), 10_000);
    for i in 0..10_000 {
        assert_eq!(d.get(t, Value::int(i * 7)).unwrap(), Some(Value::int(i)));
        assert_eq!(d.get(t, Value::int(i * 7 + 1)).unwrap(), None);
    }
    for i in 0..9_998 {
        assert_eq!(
            d.remove(t, Value::int(i * 7)).unwrap().unwrap().value(),
            Value::int(i)
        );
    }
    assert_eq!(text(t, &o), "{69986: 9998, 69993: 9999}");
    d.set(t, Value::int(0), o.value()).unwrap();
    assert_eq!(text(t, &o), "{69986: 9998, 69993: 9999, 0: {...}}");
    d.clear(t);
    assert_eq!((d.len(), text(t, &o).as_str()), (0, "{}"));

    // Numbers that are equal are one key; keys that only the objects can compare.
    let one = Obj::from_raw(Value::try_float(1.0).unwrap());
    d.set(t, Value::int(1), Value::int(10)).unwrap();
    d.set(t, one.value(), Value::int(11)).unwrap();
    d.set(t, Value::TRUE, Value::int(12)).unwrap();
    assert_eq!(text(t, &o), "{1: 12}");
    for n in 70..90 {
        let (a, b) = (big(t, n), big(t, n));
        d.set(t, a.value(), Value::int(n as i64)).unwrap();
        assert_eq!(d.get(t, b.value()).unwrap(), Some(Value::int(n as i64)));
        // Equal, but not without asking them.
        let (r, like) = (
            range::Range::new(t, a.clone(), b.clone(), int(1)),
            range::Range::new(t, b.clone(), a.clone(), int(7)),
        );
        d.set(t, r.value(), Value::int(1)).unwrap();
        assert_eq!(d.get(t, like.value()).unwrap(), Some(Value::int(1)));
        d.set(t, like.value(), Value::int(2)).unwrap();
        assert_eq!(
            d.remove(t, r.value()).unwrap().unwrap().value(),
            Value::int(2)
        );
        let pair = Tuple::pair(t, a.clone(), int(5));
        d.set(t, pair.value(), Value::int(0)).unwrap();
        let same = Tuple::pair(t, b.clone(), int(5));
        assert!(d.contains(t, same.value()).unwrap());
        assert_eq!(
            d.remove(t, b.value()).unwrap().unwrap().value(),
            Value::int(n as i64)
        );
    }
    assert_eq!(d.len(), 21);
    while call(t, &o, "popitem", &[]).value() != Value::NULL && !d.is_empty() {}
    assert_eq!(
        fails(t, &o, "popitem", &[]),
        "KeyError: 'popitem(): dictionary is empty'"
    );

    // Names, and the ids of sets of keys.
    let (x, y) = (
        weft_objects::names::get(t, "x"),
        weft_objects::names::get(t, "y"),
    );
    d.set_str(t, x, Value::int(1));
    let (id, at) = d.place_of_str(t, x).unwrap();
    let at = at.unwrap();
    assert_eq!(d.place_of_str(t, y), Some((id, None)));
    assert_eq!(d.value_at(t, id, at).unwrap().value(), Value::int(1));
    d.set_at(t, id, at, Value::int(2)).unwrap();
    assert_eq!(d.get_str(t, x).unwrap().value(), Value::int(2));
    d.remove_str(t, x).unwrap();
    assert!(d.value_at(t, id, at).is_none() && d.set_at(t, id, at, Value::int(3)).is_err());
    d.set_str(t, x, Value::int(4));
    assert!(d.value_at(t, id, at).is_none());
    d.set_str(t, y, Value::int(5));
    assert_eq!(text(t, &o), "{'x': 4, 'y': 5}");

    let copy = d.copy(t);
    assert!(proto::eq(t, copy.value(), o.value()).unwrap());
    let other = Dict::new(t);
    Dict::of_obj(&other)
        .set(t, Value::int(1), Value::int(2))
        .unwrap();
    let both = operate(t, BinOp::Or, &copy, &other);
    assert_eq!(text(t, &both), "{'x': 4, 'y': 5, 1: 2}");
    let (one, two) = (int(1), int(2));
    assert_eq!(
        call(t, &both, "setdefault", &[&one, &one]).value(),
        Value::int(2)
    );
    assert_eq!(call(t, &both, "setdefault", &[&two]).value(), Value::NONE);
    assert_eq!(call(t, &both, "pop", &[&two]).value(), Value::NONE);
    assert_eq!(call(t, &both, "get", &[&two, &one]).value(), Value::int(1));
    let keys = ints(t, [3, 4]);
    let made = call(t, &o, "fromkeys", &[&keys, &one]);
    assert_eq!(text(t, &made), "{3: 1, 4: 1}");
    let pairs = {
        let a = Tuple::pair(t, int(7), int(8));
        let b = ints(t, [9, 10]);
        List::from_vec(t, vec![a, b])
    };
    call(t, &made, "update", &[&pairs]);
    assert_eq!(text(t, &made), "{3: 1, 4: 1, 7: 8, 9: 10}");
    let back = call(t, &made, "__reversed__", &[]);
    let back = proto::to_vec(t, back.value()).unwrap();
    assert_eq!(
        back.iter().map(|o| o.value().as_int()).collect::<Vec<_>>(),
        [9, 7, 4, 3]
    );
}

fn dict_errors(t: &mut Thread) {
    let d = Dict::new(t);
    let l = List::new(t);
    let why = "TypeError: cannot use 'list' as a dict key (unhashable type: 'list')";
    assert_eq!(fails(t, &d, "get", &[&l]), why);
    assert_eq!(fails(t, &d, "__getitem__", &[&l]), why);
    assert_eq!(fails(t, &d, "__setitem__", &[&l, &l]), why);
    let one = int(1);
    assert_eq!(call(t, &d, "pop", &[&l, &one]).value(), Value::int(1));
    assert_eq!(fails(t, &d, "pop", &[&one]), "KeyError: 1");
    assert_eq!(
        fails(t, &d, "pop", &[]),
        "TypeError: pop expected at least 1 argument, got 0"
    );
    assert_eq!(fails(t, &d, "__getitem__", &[&one]), "KeyError: 1");
    assert_eq!(fails(t, &d, "__delitem__", &[&one]), "KeyError: 1");
    assert_eq!(
        fails(t, &d, "update", &[&one]),
        "TypeError: 'int' object is not iterable"
    );
    let triple = ints(t, [1, 2, 3]);
    let triples = List::from_vec(t, vec![triple]);
    assert_eq!(
        fails(t, &d, "update", &[&triples]),
        "ValueError: dictionary update sequence element #0 has length 3; 2 is required"
    );
    call(t, &d, "__setitem__", &[&one, &one]);
    let it = proto::iter(t, d.value()).unwrap();
    let two = int(2);
    call(t, &d, "__setitem__", &[&two, &one]);
    assert!(proto::next(t, it.value()).is_err());
    assert_eq!(
        error(t),
        "RuntimeError: dictionary changed size during iteration"
    );
}

fn views(t: &mut Thread) {
    let d = Dict::new(t);
    for i in 1..4 {
        Dict::of_obj(&d)
            .set(t, Value::int(i), Value::int(i * i))
            .unwrap();
    }
    let (keys, values, items) = (
        call(t, &d, "keys", &[]),
        call(t, &d, "values", &[]),
        call(t, &d, "items", &[]),
    );
    assert_eq!(text(t, &keys), "dict_keys([1, 2, 3])");
    assert_eq!(text(t, &values), "dict_values([1, 4, 9])");
    assert_eq!(text(t, &items), "dict_items([(1, 1), (2, 4), (3, 9)])");
    let few = ints(t, [2, 3, 5]);
    let made = operate(t, BinOp::And, &keys, &few);
    assert_eq!(text(t, &made), "{2, 3}");
    let made = operate(t, BinOp::Sub, &keys, &few);
    assert_eq!(text(t, &made), "{1}");
    let made = operate(t, BinOp::Xor, &keys, &few);
    assert_eq!(text(t, &made), "{1, 5}");
    let pair = Tuple::pair(t, int(2), int(4));
    assert!(proto::contains(t, items.value(), pair.value()).unwrap());
    let set = Set::new(t);
    Set::of_obj(&set).update(t, keys.value()).unwrap();
    assert!(
        proto::eq(t, set.value(), keys.value()).unwrap()
            && proto::eq(t, keys.value(), set.value()).unwrap()
    );
    assert_eq!(call(t, &keys, "isdisjoint", &[&few]).value(), Value::FALSE);
    let left = call(t, &keys, "__reversed__", &[]);
    assert_eq!(proto::to_vec(t, left.value()).unwrap().len(), 3);
}

fn lists(t: &mut Thread) {
    let o = ints(t, 0..5);
    let l = List::of_obj(&o);
    for i in 5..1000 {
        l.push(t, Value::int(i));
    }
    assert_eq!(
        (l.len(), l.get(t, 999).unwrap().value()),
        (1000, Value::int(999))
    );
    assert!(l.get(t, 1000).is_none());
    let (minus, zero, seven) = (int(-1), int(0), int(7));
    assert_eq!(call(t, &o, "pop", &[]).value(), Value::int(999));
    assert_eq!(call(t, &o, "pop", &[&zero]).value(), Value::int(0));
    assert_eq!(call(t, &o, "index", &[&seven]).value(), Value::int(6));
    call(t, &o, "remove", &[&seven]);
    assert_eq!(
        fails(t, &o, "remove", &[&seven]),
        "ValueError: list.remove(x): x not in list"
    );
    assert_eq!(
        fails(t, &o, "index", &[&seven]),
        "ValueError: list.index(x): x not in list"
    );
    call(t, &o, "insert", &[&zero, &seven]);
    call(t, &o, "insert", &[&minus, &seven]);
    assert_eq!(call(t, &o, "count", &[&seven]).value(), Value::int(2));
    assert_eq!(
        (
            l.get(t, 0).unwrap().value(),
            l.get(t, l.len() - 2).unwrap().value()
        ),
        (Value::int(7), Value::int(7))
    );
    call(t, &o, "clear", &[]);
    assert_eq!(fails(t, &o, "pop", &[]), "IndexError: pop from empty list");
    l.push(t, Obj::new(t, o.value()).into_value());
    assert_eq!(text(t, &o), "[[...]]");
    call(t, &o, "clear", &[]);
    let r = range::Range::from_small(t, 0, 6, 2);
    call(t, &o, "extend", &[&r]);
    call(t, &o, "extend", &[&o]);
    assert_eq!(text(t, &o), "[0, 2, 4, 0, 2, 4]");
    call(t, &o, "reverse", &[]);
    let twice = operate(t, BinOp::Mul, &o, &int(2));
    assert_eq!(List::of_obj(&twice).len(), 12);
    let tuple = Tuple::pair(t, int(1), int(2));
    assert!(proto::binary(t, BinOp::Add, o.value(), tuple.value()).is_err());
    assert_eq!(
        error(t),
        "TypeError: can only concatenate list (not \"tuple\") to list"
    );
    let (a, b) = (ints(t, [1, 2, 3]), ints(t, [1, 2, 4]));
    assert!(proto::compare_bool(t, a.value(), b.value(), CmpOp::Lt).unwrap());
    assert!(!proto::compare_bool(t, a.value(), b.value(), CmpOp::Eq).unwrap());
    assert!(proto::hash(t, a.value()).is_err());
    assert_eq!(error(t), "TypeError: unhashable type: 'list'");
    assert_eq!(
        fails(t, &a, "__getitem__", &[&int(3)]),
        "IndexError: list index out of range"
    );
    assert_eq!(
        fails(t, &a, "__setitem__", &[&int(3), &a]),
        "IndexError: list assignment index out of range"
    );
    let name = Str::new(t, "x");
    assert_eq!(
        fails(t, &a, "__getitem__", &[&name]),
        "TypeError: list indices must be integers or slices, not str"
    );
}

/// Slices of lists against those of vectors, for all small bounds.
fn list_slices(t: &mut Thread) {
    let bounds = [
        None,
        Some(-7),
        Some(-3),
        Some(-1),
        Some(0),
        Some(1),
        Some(3),
        Some(9),
    ];
    for start in bounds {
        for stop in bounds {
            for step in [None, Some(1), Some(2), Some(-1), Some(-2), Some(3)] {
                one_slice(t, start, stop, step);
            }
        }
    }
    let l = ints(t, 0..6);
    let odd = slice(t, Some(1), None, Some(2));
    let some = ints(t, [10, 20]);
    assert_eq!(
        fails(t, &l, "__setitem__", &[&odd, &some]),
        "ValueError: attempt to assign sequence of size 2 to extended slice of size 3"
    );
    assert_eq!(
        fails(t, &l, "__setitem__", &[&odd, &int(1)]),
        "TypeError: must assign iterable to extended slice"
    );
    let all = slice(t, None, None, None);
    assert_eq!(
        fails(t, &l, "__setitem__", &[&all, &int(1)]),
        "TypeError: must assign iterable to extended slice"
    );
    let zero = slice(t, None, None, Some(0));
    assert_eq!(
        fails(t, &l, "__getitem__", &[&zero]),
        "ValueError: slice step cannot be zero"
    );
    let middle = slice(t, Some(1), Some(5), None);
    call(t, &l, "__setitem__", &[&middle, &some]);
    assert_eq!(text(t, &l), "[0, 10, 20, 5]");
    let front = slice(t, None, Some(0), None);
    call(t, &l, "__setitem__", &[&front, &l]);
    assert_eq!(text(t, &l), "[0, 10, 20, 5, 0, 10, 20, 5]");
}

fn one_slice(t: &mut Thread, start: Option<i64>, stop: Option<i64>, step: Option<i64>) {
    let l = ints(t, 0..6);
    let s = slice(t, start, stop, step);
    let step = step.unwrap_or(1);
    let at = |i: i64| if i < 0 { i + 6 } else { i };
    let (first, last) = if step > 0 {
        (
            start.map_or(0, at).clamp(0, 6),
            stop.map_or(6, at).clamp(0, 6),
        )
    } else {
        (
            start.map_or(5, at).clamp(-1, 5),
            stop.map_or(-1, at).clamp(-1, 5),
        )
    };
    let mut expected = Vec::new();
    let mut i = first;
    while (step > 0 && i < last) || (step < 0 && i > last) {
        expected.push(i);
        i += step;
    }
    let got = call(t, &l, "__getitem__", &[&s]);
    assert_eq!(text(t, &got), format!("{expected:?}"));
    let rest: Vec<i64> = (0..6).filter(|i| !expected.contains(i)).collect();
    let tuple = Tuple::from_vec(t, (0..6).map(int).collect());
    let got = call(t, &tuple, "__getitem__", &[&s]);
    assert_eq!(Tuple::of(got.value()).unwrap().len(), expected.len());
    call(t, &l, "__delitem__", &[&s]);
    assert_eq!(text(t, &l), format!("{rest:?}"));
}

fn sorting(t: &mut Thread) {
    let mut seed = 12345u64;
    let mut random = || {
        seed = seed
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (seed >> 33) as i64
    };
    for n in [0, 1, 2, 10, 63, 64, 65, 200, 1000, 5000] {
        let mut plain: Vec<i64> = (0..n).map(|_| random() % (n + 1)).collect();
        // A float among ints: the general way.
        let mut mixed: Vec<Obj> = plain.iter().map(|i| int(*i)).collect();
        if let Some(o) = mixed.first_mut() {
            *o = Obj::from_raw(Value::try_float(plain[0] as f64).unwrap_or(Value::int(plain[0])));
        }
        let number = |o: &Obj| {
            if o.value().is_float() {
                o.value().as_float() as i64
            } else {
                o.value().as_int()
            }
        };
        sort::sort_vec(t, &mut mixed, None, false).unwrap();
        let l = ints(t, plain.iter().copied());
        call(t, &l, "sort", &[]);
        plain.sort();
        assert_eq!(mixed.iter().map(number).collect::<Vec<_>>(), plain);
        assert_eq!(text(t, &l), format!("{plain:?}"));
        // Runs up and down.
        let mut runs: Vec<Obj> = (0..n)
            .map(|i| if i / 50 % 2 == 0 { int(i) } else { int(-i) })
            .collect();
        runs.push(big(t, 80));
        sort::sort_vec(t, &mut runs, None, true).unwrap();
        let values: Vec<i64> = runs[1..].iter().map(number).collect();
        assert!(values.is_sorted_by(|a, b| a >= b), "{values:?}");
    }
    let words: Vec<Obj> = ["pear", "fig", "apple", "fig"]
        .into_iter()
        .map(|s| Str::new(t, s))
        .collect();
    let l = List::from_vec(t, words);
    call(t, &l, "sort", &[]);
    assert_eq!(text(t, &l), "['apple', 'fig', 'fig', 'pear']");
    let pairs = (0..100)
        .map(|i| Tuple::pair(t, int(i % 7), int(i)))
        .collect();
    let l = List::from_vec(t, pairs);
    call(t, &l, "sort", &[]);
    let sorted = List::of_obj(&l).to_vec(t);
    let keys: Vec<(i64, i64)> = sorted
        .iter()
        .map(|p| Tuple::of(p.value()).unwrap())
        .map(|p| (p.get(0).as_int(), p.get(1).as_int()))
        .collect();
    assert!(keys.is_sorted());
    List::of_obj(&l).push(t, Value::int(3));
    assert!(fails(t, &l, "sort", &[]).starts_with("TypeError: '<' not supported between"));
    assert_eq!(List::of_obj(&l).len(), 101);
    assert_eq!(
        fails(t, &l, "sort", &[&int(1)]),
        "TypeError: sort() takes no positional arguments"
    );
}

fn tuples(t: &mut Thread) {
    let o = Tuple::from_vec(t, (0..600).map(int).collect());
    let long = Tuple::of(o.value()).unwrap();
    assert_eq!((long.len(), long.get(599)), (600, Value::int(599)));
    let small = Tuple::pair(t, int(1), int(2));
    assert_eq!(text(t, &small), "(1, 2)");
    assert_eq!(proto::hash(t, small.value()).unwrap(), -3550055125485641917);
    let one = Tuple::from_vec(t, vec![int(1)]);
    assert_eq!(text(t, &one), "(1,)");
    let sum = operate(t, BinOp::Add, &small, &one);
    assert_eq!(text(t, &sum), "(1, 2, 1)");
    let product = operate(t, BinOp::Mul, &sum, &int(2));
    assert_eq!(text(t, &product), "(1, 2, 1, 1, 2, 1)");
    let two = int(2);
    assert_eq!(call(t, &product, "count", &[&two]).value(), Value::int(2));
    assert_eq!(
        call(t, &product, "index", &[&two, &two]).value(),
        Value::int(4)
    );
    assert_eq!(
        fails(t, &product, "index", &[&int(9)]),
        "ValueError: tuple.index(x): x not in tuple"
    );
    assert!(proto::compare_bool(t, small.value(), sum.value(), CmpOp::Lt).unwrap());
    let empty = Tuple::empty(t);
    assert_eq!(text(t, &empty), "()");
    let mut regs = [Value::int(3), Value::NONE];
    let moved = Tuple::from_regs(t, &mut regs);
    assert_eq!(
        (text(t, &moved).as_str(), regs),
        ("(3, None)", [Value::NULL; 2])
    );
}

fn sets(t: &mut Thread) {
    let set = |t: &mut Thread, items: &[i64]| {
        let s = Set::new(t);
        for i in items {
            Set::of_obj(&s).add(t, Value::int(*i)).unwrap();
        }
        s
    };
    let (a, b) = (set(t, &[3, 1, 2]), set(t, &[3, 4]));
    assert_eq!(text(t, &a), "{1, 2, 3}");
    for (op, expected) in [
        (BinOp::Or, "{1, 2, 3, 4}"),
        (BinOp::And, "{3}"),
        (BinOp::Sub, "{1, 2}"),
        (BinOp::Xor, "{1, 2, 4}"),
    ] {
        let made = operate(t, op, &a, &b);
        assert_eq!(text(t, &made), expected);
    }
    let l = ints(t, [1, 2]);
    let made = call(t, &a, "difference", &[&l, &b]);
    assert_eq!(text(t, &made), "set()");
    let made = call(t, &a, "union", &[&l, &b]);
    assert_eq!(text(t, &made), "{1, 2, 3, 4}");
    assert_eq!(call(t, &a, "issuperset", &[&l]).value(), Value::TRUE);
    assert_eq!(call(t, &a, "isdisjoint", &[&b]).value(), Value::FALSE);
    call(t, &a, "intersection_update", &[&b]);
    assert_eq!(text(t, &a), "{3}");
    call(t, &a, "symmetric_difference_update", &[&b]);
    assert_eq!(text(t, &a), "{4}");
    assert_eq!(call(t, &a, "pop", &[]).value(), Value::int(4));
    assert_eq!(
        fails(t, &a, "pop", &[]),
        "KeyError: 'pop from an empty set'"
    );
    assert_eq!(fails(t, &a, "remove", &[&int(1)]), "KeyError: 1");
    let why = "TypeError: cannot use 'list' as a set element (unhashable type: 'list')";
    assert_eq!(fails(t, &a, "add", &[&l]), why);
    let frozen = Set::new_frozen(t);
    Set::of_obj(&frozen).update(t, b.value()).unwrap();
    assert_eq!(text(t, &frozen), "frozenset({3, 4})");
    assert_eq!(
        proto::hash(t, frozen.value()).unwrap(),
        -8296090686598762464
    );
    call(t, &a, "add", &[&frozen]);
    assert!(proto::contains(t, a.value(), b.value()).unwrap());
    let many: Vec<i64> = (0..5000).map(|i| i * 3).collect();
    let large = set(t, &many);
    for i in 0..15_000 {
        assert_eq!(
            Set::of_obj(&large).contains(t, Value::int(i)).unwrap(),
            i % 3 == 0
        );
    }
    for i in 0..4_990 {
        assert!(Set::of_obj(&large).remove(t, Value::int(i * 3)).unwrap());
    }
    let (x, y) = (big(t, 99), big(t, 99));
    Set::of_obj(&large).add(t, x.value()).unwrap();
    assert!(!Set::of_obj(&large).add(t, y.value()).unwrap());
    assert_eq!(Set::of_obj(&large).len(), 11);
}

fn ranges(t: &mut Thread) {
    let r = range::Range::from_small(t, 1, 10, 3);
    assert_eq!(text(t, &r), "range(1, 10, 3)");
    let items = proto::to_vec(t, r.value()).unwrap();
    assert_eq!(
        items.iter().map(|o| o.value().as_int()).collect::<Vec<_>>(),
        [1, 4, 7]
    );
    assert!(proto::contains(t, r.value(), Value::int(7)).unwrap());
    assert!(!proto::contains(t, r.value(), Value::int(10)).unwrap());
    let part = slice(t, Some(1), Some(100), None);
    let made = call(t, &r, "__getitem__", &[&part]);
    assert_eq!(text(t, &made), "range(4, 10, 3)");
    let same = range::Range::from_small(t, 1, 8, 3);
    assert!(proto::eq(t, r.value(), same.value()).unwrap());
    assert_eq!(call(t, &r, "index", &[&int(4)]).value(), Value::int(1));
    let (low, high) = (big(t, 70), big(t, 71));
    let huge = range::Range::new(t, low.clone(), high, int(1));
    assert!(proto::len(t, huge.value()).is_err());
    assert_eq!(
        error(t),
        "OverflowError: Python int too large to convert to C ssize_t"
    );
    let it = proto::iter(t, huge.value()).unwrap();
    let first = proto::next(t, it.value()).unwrap().unwrap();
    assert!(proto::eq(t, first.value(), low.value()).unwrap());
    let back = call(t, &r, "__reversed__", &[]);
    let back = proto::to_vec(t, back.value()).unwrap();
    assert_eq!(
        back.iter().map(|o| o.value().as_int()).collect::<Vec<_>>(),
        [7, 4, 1]
    );
}

fn iterators(t: &mut Thread) {
    let (a, b) = (ints(t, 0..3), ints(t, 5..9));
    let class = |ty: &'static Type| Obj::from_raw(ty.value());
    let zip = proto::call(t, class(&iter::ZIP).value(), &[a.value(), b.value()]).unwrap();
    let pairs = proto::to_vec(t, zip.value()).unwrap();
    let pairs = List::from_vec(t, pairs);
    assert_eq!(text(t, &pairs), "[(0, 5), (1, 6), (2, 7)]");
    let names = Tuple::from_vec(t, vec![Str::intern(t, "strict")]);
    let args = [a.value(), b.value(), Value::TRUE];
    let zip = proto::call_kw(
        t,
        class(&iter::ZIP).value(),
        Args::new(&args, names.value()),
    )
    .unwrap();
    assert!(proto::to_vec(t, zip.value()).is_err());
    assert_eq!(
        error(t),
        "ValueError: zip() argument 2 is longer than argument 1"
    );
    let counted = proto::call(
        t,
        class(&iter::ENUMERATE).value(),
        &[b.value(), Value::int(3)],
    )
    .unwrap();
    let counted = proto::to_vec(t, counted.value()).unwrap();
    let counted = List::from_vec(t, counted);
    assert_eq!(text(t, &counted), "[(3, 5), (4, 6), (5, 7), (6, 8)]");
    let strings = proto::call(
        t,
        class(&iter::MAP).value(),
        &[weft_objects::str::STR.value(), a.value()],
    )
    .unwrap();
    let strings = proto::to_vec(t, strings.value()).unwrap();
    let strings = List::from_vec(t, strings);
    assert_eq!(text(t, &strings), "['0', '1', '2']");
    let kept = proto::call(t, class(&iter::FILTER).value(), &[Value::NONE, a.value()]).unwrap();
    assert_eq!(proto::to_vec(t, kept.value()).unwrap().len(), 2);
    let back = proto::call(t, class(&iter::REVERSED).value(), &[a.value()]).unwrap();
    assert_eq!(type_of(back.value()).name(), "list_reverseiterator");
    assert!(proto::call(t, class(&iter::REVERSED).value(), &[dict::DICT.value()]).is_err());
    assert_eq!(error(t), "TypeError: 'type' object is not reversible");
}

/// Threads that read a dict, a list and a set while others change them.
fn threads(t: &mut Thread) {
    let (d, l, s) = (Dict::new(t), List::new(t), Set::new(t));
    for i in 0..100 {
        Dict::of_obj(&d)
            .set(t, Value::int(i), Value::int(i))
            .unwrap();
        Set::of_obj(&s).add(t, Value::int(i)).unwrap();
        let item = Tuple::pair(t, int(i), int(i));
        List::of_obj(&l).push(t, item.into_value());
    }
    let all = Tuple::from_vec(t, vec![d, l, s]);
    let shared = Arc::new(SharedObj::new(t, all));
    let stop = Arc::new(AtomicBool::new(false));
    let mut handles = Vec::new();
    for n in 0..2 {
        let (shared, stop) = (shared.clone(), stop.clone());
        let run = move |t: &mut Thread| {
            let all = shared.get(t);
            read_or_write(t, &all, n == 0, &stop);
        };
        handles.push(start_thread(t, Box::new(run), 0).unwrap());
    }
    let all = shared.get(t);
    read_or_write(t, &all, false, &stop);
    t.blocking(|| handles.into_iter().for_each(|h| h.join().unwrap()));
    t.settle(true);
}

fn read_or_write(t: &mut Thread, all: &Obj, write: bool, stop: &AtomicBool) {
    let all = Tuple::of(all.value()).unwrap();
    let (d, l, s) = (
        Dict::of(all.get(0)).unwrap(),
        List::of(all.get(1)).unwrap(),
        Set::of(all.get(2)).unwrap(),
    );
    let mut round = 0;
    while !stop.load(Relaxed) {
        round += 1;
        if write {
            for i in 100..400 {
                let key = Str::new(t, &format!("key {i} {round}"));
                d.set(t, key.value(), key.value()).unwrap();
                s.add(t, key.value()).unwrap();
                let item = Tuple::pair(t, key.clone(), key.clone());
                l.push(t, item.into_value());
            }
            for i in 100..400 {
                let key = Str::new(t, &format!("key {i} {round}"));
                assert!(d.remove(t, key.value()).unwrap().is_some());
                assert!(s.remove(t, key.value()).unwrap());
                assert!(l.pop(t).is_some());
            }
            stop.store(round == 100, Relaxed);
        } else {
            for i in 0..100 {
                assert_eq!(d.get(t, Value::int(i)).unwrap(), Some(Value::int(i)));
                assert!(s.contains(t, Value::int(i)).unwrap());
                let item = l.get(t, i as usize).unwrap().value();
                assert_eq!(Tuple::of(item).unwrap().get(0), Value::int(i));
            }
            let mut pos = 0;
            while let Some((k, v)) = d.next(t, &mut pos) {
                assert!(k.value().is_int() || k.value().same(v.value()));
            }
            for i in 100..500 {
                if let Some(item) = l.get(t, i) {
                    let item = Tuple::of(item.value()).unwrap();
                    assert!(Str::of(item.get(0)).unwrap().as_bytes().starts_with(b"key"));
                }
            }
        }
        weft_objects::runtime::safepoint(t).unwrap();
    }
}
