"""Calls, tests and comparisons that are done without a call where the operands are of the usual types: with these, and with all others."""
from _checks import check, raises, run, same, says


class MyList(list):
    pass


class Counts(list):
    def append(self, x):
        list.append(self, ("own", x))

    def __len__(self):
        return 77

    def __bool__(self):
        return False


class Fails:
    def __bool__(self):
        raise ValueError("bool")

    def __len__(self):
        raise ValueError("len")


class Liar:
    @property
    def __class__(self):
        return int


class Meta(type):
    def __instancecheck__(cls, x):
        return "yes"

    def __subclasscheck__(cls, x):
        return True


class Anything(metaclass=Meta):
    pass


class Equal:
    def __eq__(self, other):
        return True


class Dies:
    def __init__(self, log):
        self.log = log

    def __del__(self):
        self.log.append(1)


def case_append():
    got = []
    for x in (MyList(), Counts(), []):
        result = x.append(1)
        x.append("a" + str(x[0]))
        got.append((result, list(x)))
    same(got, [(None, [1, "a1"]), (None, [("own", 1), ("own", "a('own', 1)")]), (None, [1, "a1"])])
    x = []
    x.append(x)
    check(x[0] is x)
    raises(TypeError, lambda: [].append())
    raises(TypeError, lambda: [].append(1, 2))


def case_len():
    same([len(x) for x in ("", "é€", [1], (1, 2), {1: 2}, {1}, frozenset("ab"), b"abc", range(4), MyList([1]), Counts([1]))], [0, 2, 1, 2, 1, 1, 2, 3, 4, 1, 77])
    says("object of type 'int' has no len()", TypeError, lambda: len(1))
    says("len", ValueError, lambda: len(Fails()))
    raises(TypeError, lambda: len())


def case_ord_and_id():
    same([ord(x) for x in ("a", "é", "\U0001f600", b"a", bytearray(b"z"))], [97, 233, 0x1F600, 97, 122])
    for x in ("ab", "", b"", 3):
        raises(TypeError, lambda: ord(x))
    x = object()
    check(id(x) == id(x) and id(x) != id(object()) and id(None) == id(None))


def case_classes():
    same([isinstance(x, int) for x in (1, True, 1.0, "a", None, Liar(), 2**70)], [True, True, False, False, False, True, True])
    same([isinstance(Liar(), (str, int)), isinstance(Liar(), (str, Liar)), isinstance(3, (str, (float, int))), isinstance(3, Anything), isinstance(3, (str, Anything)), isinstance(MyList(), list)], [True] * 6)
    same([isinstance(3, ()), isinstance(3, (str, float)), isinstance(MyList(), tuple)], [False] * 3)
    same([issubclass(bool, int), issubclass(int, bool), issubclass(int, (str, int)), issubclass(int, Anything), issubclass(MyList, list)], [True, False, True, True, True])
    for bad in (lambda: isinstance(1, 2), lambda: isinstance(1, (str, 2)), lambda: issubclass(1, int), lambda: issubclass(int, 1), lambda: issubclass(int, (str, 1))):
        raises(TypeError, bad)


def case_truth():
    empty = ["", [], (), {}, set(), frozenset(), b"", range(0), Counts([1]), MyList(), None, 0, 0.0]
    full = ["a", [0], (1,), {1: 2}, {1}, frozenset("a"), b"x", range(1), MyList([1]), object(), 1, 1.5, Liar]
    for all, wanted in (empty, False), (full, True):
        for x in all:
            got = [True if x else False, False if not x else True, not x is False and not not x, bool(x)]
            same(got, [wanted] * 4)
            while x:
                break
            else:
                check(not wanted)
    for bad in (lambda: not Fails(), lambda: 1 if Fails() else 2):
        says("bool", ValueError, bad)


def compared(x, y):
    got = [x == y, x != y]
    got.append(1 if x == y else 0)
    got.append(1 if x != y else 0)
    got.append(1 if not x == y else 0)
    got.append(1 if x == "hello" else 0)
    got.append(1 if x != "hello" else 0)
    return got


def case_equality():
    made = "".join(["hel", "lo"])
    all = ["hello", made, "hellx", "", 3, None, 2.5, b"hello", ("hello",)]
    for i, x in enumerate(all):
        for j, y in enumerate(all):
            eq, k = int(i == j or {i, j} == {0, 1}), int(i < 2)
            same(compared(x, y), [bool(eq), not eq, eq, 1 - eq, 1 - eq, k, 1 - k])
    same([made + "" == "hel" + made[3:], made[:3] != "hel", made[:3] == made[1:3] + "x"], [True, False, False])
    if made[:2] + "y" == made[:2] + "z":
        check(False)
    check("e\u0301" != "é" and "\ud800" == chr(0xD800))


def case_among():
    nan = float("nan")
    yes = [1 in [2, 1], 1.0 in [1], True in [1], "a" in ["b", "a"], "a" in ("b", 1, None, "".join(["a"])), None in (1, None), nan in [nan], Equal() in [1], 1 in [Equal()], (1, 2) in [(1, 2)], [1] in [[1]], 2**70 in [2**70], 5 not in [4], 5 not in ()]
    no = [3 in [1, 2], "a" in [], nan in [float("nan")], 1 in [2, "1", None, (1,), [1]], 5 not in [5], 5 not in (4, 5.0)]
    same(yes, [True] * len(yes))
    same(no, [False] * len(no))
    says("argument of type 'int' is not a container or iterable", TypeError, lambda: 1 in 5)


def case_items_stored():
    b = bytearray(5)
    b[0], b[-1], b[True] = 255, 7, 3
    same(b, bytearray(b"\xff\x03\0\0\x07"))
    for k, v, e in (5, 1, IndexError), (-6, 1, IndexError), (0, 256, ValueError), (0, -1, ValueError), (0, "a", TypeError), ("a", 1, TypeError), (2**70, 1, IndexError):
        raises(e, b.__setitem__, k, v)

        def store():
            b[k] = v

        raises(e, store)
    d = {}
    d["a"] = d[2] = [3]

    def unhashable():
        d[[]] = 1

    def fixed():
        (1,)[0] = 2

    raises(TypeError, unhashable)
    raises(TypeError, fixed)
    same(d, {"a": [3], 2: [3]})


def case_parts_of_ranges():
    r, all = range(10, 50, 3), list(range(10, 50, 3))
    numbers = [None, 0, 1, 2, -1, -3, 5, 100, -100, 2**70, -(2**70)]
    for a in numbers:
        for b in numbers:
            for c in (None, 1, 2, -1, -3, 2**70, -(2**70)):
                same(list(r[a:b:c]), all[a:b:c])
                left = list(r)
                del left[a:b:c]
                same(left, [i for i in all if i not in all[a:b:c]])
    same([repr(r[2:5]), repr(r[::-1]), repr(range(0)[1:]), repr(range(-(2**62), 2**62 - 1)[1:])], ["range(16, 25, 3)", "range(49, 7, -3)", "range(0, 0)", "range(-4611686018427387903, 4611686018427387903)"])
    says("slice step cannot be zero", ValueError, lambda: r[::0])


def case_methods_of_classes():
    class P:
        @classmethod
        def c(cls):
            return cls.__name__

        @staticmethod
        def s():
            return "s"

    p, got = P(), []
    p.__dict__
    for i in range(4):
        got += [p.c(), p.s()]
        if i == 2:
            p.__dict__["c"] = lambda: "own"
            p.s = lambda: "own"
    same(got, ["P", "s"] * 3 + ["own", "own"])


def case_slots():
    class S:
        __slots__ = ("a", "b")

    class T:
        def __init__(self):
            self.b = "T"

    class U:
        b = "U"

    def get(o):
        return o.b

    def put(o, v):
        o.b = v

    s, got = S(), []
    put(s, 1)
    for o in (s, T(), U(), s, T(), s):
        got.append(get(o))
        put(o, 9)
        got.append(get(o))
    same(got, [1, 9, "T", 9, "U", 9, 9, 9, "T", 9, 9, 9])
    del s.b
    raises(AttributeError, get, s)


def case_wrappers():
    mro = type.__dict__["__mro__"].__get__
    same([mro(bool), (1).__add__(2), (1).__add__("a"), "a".__mul__(3), [].__len__()], [(bool, int, object), 3, NotImplemented, "aaa", 0])
    for bad in (lambda: (1).__add__(), lambda: (1).__add__(1, 2), lambda: mro(), lambda: mro(None, None), lambda: (1).__add__(x=1), lambda: mro(1)):
        raises(TypeError, bad)


def case_operands_die():
    log = []
    same([isinstance(Dies(log), int), len([Dies(log)]), id(Dies(log)) > 0, [Dies(log)] == [1], Dies(log) in [1], not [Dies(log)]], [False, 1, True, False, False, False])
    same(len(log), 6)
    if [Dies(log)]:
        same(len(log), 7)
    x = []
    x.append(Dies(log))
    same(len(log), 7)
    x = None
    same(len(log), 8)


def case_members_of_built_in_types():
    """Some hold references that are not counted."""
    import functools

    def f():
        pass

    def g():
        yield

    class C:
        def m(self):
            pass

        k = classmethod(lambda cls: cls)
        s = staticmethod(len)
        p = property(lambda self: 1, doc="p")

    m, gen, part = C().m, g(), functools.partial(f, 1, a=2)
    reads = {
        "__globals__": (lambda o: o.__globals__, f), "__closure__": (lambda o: o.__closure__, f), "__builtins__": (lambda o: o.__builtins__, f),
        "__func__": (lambda o: o.__func__, m), "__self__": (lambda o: o.__self__, m), "fget": (lambda o: o.fget, C.p), "fset": (lambda o: o.fset, C.p),
        "func": (lambda o: o.func, part), "args": (lambda o: o.args, part), "co_consts": (lambda o: o.co_consts, f.__code__),
        "co_names": (lambda o: o.co_names, f.__code__), "gi_code": (lambda o: o.gi_code, gen), "gi_yieldfrom": (lambda o: o.gi_yieldfrom, gen),
        "__objclass__": (lambda o: o.__objclass__, str.join), "start": (lambda o: o.start, slice(f, C, 3)), "stop": (lambda o: o.stop, slice(f, C, 3)),
        "__origin__": (lambda o: o.__origin__, list[int]), "__thisclass__": (lambda o: o.__thisclass__, super(C, C())),
    }
    reads["of a classmethod"] = (lambda o: o.__func__, C.__dict__["k"])
    reads["of a staticmethod"] = (lambda o: o.__wrapped__, C.__dict__["s"])
    for name, (read, o) in reads.items():
        first = read(o)
        for _ in range(20):
            same((name, read(o) is first or read(o) == first), (name, True))
    first = reads = None
    same((m.__func__, C.p.fset, str.join.__objclass__, f.__globals__ is globals()), (C.m, None, str, True))


run(globals())
