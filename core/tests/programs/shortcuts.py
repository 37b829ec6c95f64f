"""Ways that are taken in the usual case only: what they give in all others."""
import threading
import weakref

from _checks import check, raises, run, same, says


class Odd:
    """Equal to its like, as only Python can tell."""

    def __init__(self, v):
        self.v = v

    def __hash__(self):
        return self.v % 3

    def __eq__(self, other):
        return isinstance(other, Odd) and self.v == other.v

    def __repr__(self):
        return f"Odd({self.v})"


def sets_of(make):
    return [set(make(i) for i in range(a, b)) for a in range(0, 12, 3) for b in range(a, 24, 5)]


def check_sets(make):
    for x in sets_of(make):
        for y in sets_of(make):
            xs, ys = sorted(x, key=value), sorted(y, key=value)
            same(sorted(x - y, key=value), [k for k in xs if k not in ys])
            same(sorted(x & y, key=value), [k for k in xs if k in ys])
            same(x <= y, all(k in ys for k in xs))
            same(x.isdisjoint(y), not any(k in ys for k in xs))
            same(sorted(frozenset(x) - y, key=value), [k for k in xs if k not in ys])
            same(sorted(x.difference(dict.fromkeys(y)), key=value), [k for k in xs if k not in ys])


def value(x):
    return x.v if isinstance(x, Odd) else x


def case_sets():
    check_sets(lambda i: i)
    check_sets(str)
    check_sets(Odd)
    check_sets(lambda i: Odd(i) if i % 2 else Odd(i + 1))


def case_sets_that_change_while_they_are_compared():
    class Changes(Odd):
        def __hash__(self):
            return 1

        def __eq__(self, other):
            for s in both:
                s.clear()
            return False

    for op in (set.difference, set.intersection, set.issubset, set.isdisjoint):
        both = ()
        x, y = {Changes(i) for i in range(3)}, {Changes(i) for i in range(9)}
        both = x, y
        op(x, y)
        same([len(x), len(y)], [0, 0])
        both = ()
        x, y = set(range(50)), set(range(3))
        x.add(Changes(1))
        y.add(Changes(2))
        both = x, y
        op(x, y)


def case_in():
    class Same(type):
        def __eq__(cls, other):
            return True

        def __hash__(cls):
            return 7

    class A(metaclass=Same):
        pass

    class B(metaclass=Same):
        pass

    class C:
        __hash__ = None

    class D:
        pass

    check(A in {B} and A in {B: 1} and A in (B,) and A in [int, B])
    check(C not in {A, int} and int in {A, int} and D in {D: 1} and D not in {C})
    raises(TypeError, lambda: C() in {1})
    raises(TypeError, lambda: [] in {})
    check({1} in {frozenset({1})} and (1, 2) in {(1, 2)} and 1.0 in {1} and True in {1} and None in {None: 1})
    d = D()
    for box in ({d}, {d: 1}, frozenset((d,))):
        check(d in box and D() not in box)
        d in box
        x = y = d
        x = x in box
        check(x is True and y is d)
    # Hashes change with the class.
    s = {D()}
    check(D() not in s)
    D.__hash__ = lambda self: 1
    D.__eq__ = lambda self, other: True
    s = {D()}
    check(D() in s and D() in {D(): 1})


def case_in_shared():
    shared, stop = {i: i for i in range(100)}, threading.Event()
    keys = {str(i) for i in range(100)}

    def change():
        while not stop.is_set():
            for i in range(1000, 1100):
                shared[i] = i
                keys.add(str(i))
            for i in range(1000, 1100):
                del shared[i]
                keys.discard(str(i))

    t = threading.Thread(target=change)
    t.start()
    try:
        for _ in range(300):
            for i in range(100):
                assert i in shared and str(i) in keys and -i - 1 not in shared
            assert {"1", "2"} <= keys and not keys.isdisjoint({"5"}) and not {"7", "8"} - keys
            assert {"1", "2", "x"} & keys == {"1", "2"}
    finally:
        stop.set()
        t.join()


def case_defaults_of_keyword_parameters():
    def f(a, *, b=1, c, d=3, **rest):
        return a, b, c, d, rest

    same(f(0, c=2), (0, 1, 2, 3, {}))
    same(f(0, d=5, c=2, e=6), (0, 1, 2, 5, {"e": 6}))
    same(f(0, c=2, b=7), (0, 7, 2, 3, {}))
    says(f"{f.__qualname__}() missing 1 required keyword-only argument: 'c'", TypeError, f, 0)
    f.__kwdefaults__ = {"d": 4, "c": 9, "b": 8}
    same(f(0), (0, 8, 9, 4, {}))
    del f.__kwdefaults__["c"]
    f.__kwdefaults__["x"] = 1
    same(f(0, c=1), (0, 8, 1, 4, {}))
    f.__kwdefaults__ = {"".join(["", "b"]): 1, "c": 2, "d": 3}
    same(f(0), (0, 1, 2, 3, {}))
    f.__kwdefaults__ = None
    raises(TypeError, lambda: f(0, c=1))

    def g(*args, one=1, two=2, three=3):
        return args, one, two, three

    same([g(), g(5, two=7), g(*"ab", three=0)], [((), 1, 2, 3), ((5,), 1, 7, 3), (("a", "b"), 1, 2, 0)])


def case_unpacking():
    a, *a = [1, 2, 3]
    same(a, [2, 3])
    x = (1, 2, 3)
    *x, y = x
    same((x, y), ([1, 2], 3))
    x, *y, z = [[1], [2]]
    same((x, y, z), ([1], [], [2]))
    a = [[i] for i in range(5)]
    a[0], *a[1:3], a[4] = a
    same(a, [[0], [1], [2], [3], [4], [4]])
    for few in ((1,), [1], "a"):
        says("not enough values to unpack (expected at least 2, got 1)", ValueError, exec, "a, *b, c = few", {"few": few})


def case_arguments_from_lists():
    def f(*args, **kw):
        return args, kw

    class Box:
        def method(self, *args, **kw):
            return args, kw

    l = [1, 2]
    same(f(*l), ((1, 2), {}))
    same(f(*l, **{"a": 1}), ((1, 2), {"a": 1}))
    same(Box().method(*l), ((1, 2), {}))
    same(Box().method(*range(12), k=1), (tuple(range(12)), {"k": 1}))
    same(max(*l), 2)
    same([].__class__(*[[1]]), [1])
    raises(TypeError, lambda: f(**{1: 2}))
    same(int.__add__(*l), 3)
    same((5).__add__(*[2]), 7)
    same("{}{}{}{}{}{}{}{}{}{}".format(*range(10)), "0123456789")
    same("".format.__call__(*range(10)), "")
    same((3).__mul__.__call__(2), 6)


def case_attributes_of_classes():
    class Meta(type):
        def __getattr__(cls, name):
            if name == "made":
                return 1
            raise AttributeError(name)

        @property
        def shown(cls):
            raise AttributeError("shown")

    class A(metaclass=Meta):
        def f(self):
            pass

        @property
        def p(self):
            pass

        s = staticmethod(len)
        c = classmethod(lambda cls: cls)

    same([getattr(A, n, 0) for n in ("made", "other", "shown")], [1, 0, 0])
    check(getattr(A, "f", 0) is A.__dict__["f"] and getattr(A, "p", 0) is A.__dict__["p"])
    check(getattr(A, "s", 0) is len and getattr(A, "c", 0)() is A)
    check(hasattr(int, "__add__") and not hasattr(int, "append") and getattr(int, "x", None) is None)
    check(getattr(int, "__add__", 0) is int.__dict__["__add__"])

    class D:
        def __get__(self, obj, cls):
            raise AttributeError("no")

    class E:
        d = D()

    same([getattr(E, "d", 5), hasattr(E, "d")], [5, False])


def case_instances_with_many_attributes():
    class Many:
        def __init__(self):
            self.a, self.b, self.c, self.d, self.e, self.f, self.g, self.h = range(8)

    for more in range(6):
        m = Many()
        for i in range(more):
            setattr(m, f"x{i}", i)
        same(len(vars(m)), 8 + more)
        same(list(vars(m)), list("abcdefgh") + [f"x{i}" for i in range(more)])
        m.a = "new"
        same([vars(m)["a"], m.b, m.h], ["new", 1, 7])
        del m.b
        raises(AttributeError, lambda: m.b)
        same(len(m.__dict__), 7 + more)

    m = Many()
    m.a = m
    r = weakref.ref(m)
    check(vars(m)["a"] is m)
    m.a = None
    del m
    check(r() is None)


def case_weak_references():
    class A:
        pass

    class R(weakref.ref):
        pass

    a = A()
    called = []
    many = [R(a), weakref.ref(a, called.append), R(a, called.append)]
    plain = weakref.ref(a)
    check(weakref.ref(a) is plain and weakref.ref(a, None) is plain and R(a) is not plain)
    same(weakref.getweakrefcount(a), 4)
    many.append(weakref.proxy(a))
    check(weakref.proxy(a) is many[-1] and weakref.ref(a) is plain)
    raises(TypeError, weakref.ref, 1)
    raises(TypeError, weakref.ref, ())
    del a
    same([plain(), len(called)], [None, 2])


def case_equality_of_different_types():
    class A:
        pass

    class B(A):
        def __eq__(self, other):
            return True

        __hash__ = A.__hash__

    class C(A):
        pass

    a, b, c = A(), B(), C()
    same([a == c, a != c, a == b, b == a, c == b, a == a, a == object(), int == A], [False, True, True, True, True, True, False, False])
    check(a.__eq__(c) is NotImplemented)


run(globals())
