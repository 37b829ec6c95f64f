"""Subscription, slices, and special methods written in Python: reading, assigning, deleting, calling, failing."""
import sys

from _checks import check, names, raises, run, same, says


class Keys:
    """Gives back what it was asked for."""

    def __init__(self):
        self.log = []

    def __getitem__(self, k):
        return k

    def __setitem__(self, k, v):
        self.log.append((k, v))

    def __delitem__(self, k):
        self.log.append(k)


class Adds:
    def __radd__(self, other):
        return "added"


def case_slices_of_built_ins():
    a = list(range(10))
    i = 2
    for _ in range(5):
        same([a[i:i + 3], a[i:], a[:i], a[-i:], a[:-8], a[i::3], a[::-3], a[5:2], a[50:], a[-50:1]],
             [[2, 3, 4], [2, 3, 4, 5, 6, 7, 8, 9], [0, 1], [8, 9], [0, 1], [2, 5, 8], [9, 6, 3, 0], [], [], [0]])
    same(["hello"[1:i], "hellö"[i:], "hello"[::-1], b"abc"[1:], (1, 2, 3)[:i], range(9)[i:5], bytearray(b"abc")[:1]],
         ["e", "llö", "olleh", b"bc", (1, 2), range(2, 5), bytearray(b"a")])
    check(a[:] == a and a[:] is not a)
    t = (1, 2)
    check(t[:] is t and t[0:] is t)
    for bad in ("x", 1.5, [], ()):
        says("slice indices must be integers or None or have an __index__ method", TypeError, lambda: a[bad:])
        says("slice indices must be integers or None or have an __index__ method", TypeError, lambda: "s"[:bad])
    says("slice step cannot be zero", ValueError, lambda: a[::0])
    big = 10 ** 30
    same([a[-big:i], a[i:big], a[big:], "ab"[:big], a[::big]], [[0, 1], a[2:], [], "ab", [0]])


def case_index_method():
    class Two:
        def __index__(self):
            return 2

    class Bad:
        def __index__(self):
            return "2"

    class Worse:
        def __index__(self):
            raise KeyError("w")

    a = list(range(5))
    two = Two()
    same([a[two], a[two:], a[:two], "abc"[two], (1, 2, 3)[two], range(5)[two], a[-5:two:two]],
         [2, [2, 3, 4], [0, 1], "c", 3, 2, [0]])
    a[two] = "x"
    a[two:two] = ["y"]
    same(a, [0, 1, "y", "x", 3, 4])
    says("__index__ returned non-int (type str)", TypeError, lambda: a[Bad()])
    raises(KeyError, lambda: a[Worse():])
    raises(KeyError, lambda: a[Worse()])


def case_assignment_by_slice():
    a = list(range(10))
    a[2:4] = [7, 8, 9]
    same(a, [0, 1, 7, 8, 9, 4, 5, 6, 7, 8, 9])
    i = 2
    a[i:i + 1] = a[i + 1:] + a[i:i + 1]
    same(a, [0, 1, 8, 9, 4, 5, 6, 7, 8, 9, 7, 8, 9, 4, 5, 6, 7, 8, 9])
    a[:] = (x for x in range(4))
    same(a, [0, 1, 2, 3])
    a[::2] = "ab"
    same(a, ["a", 1, "b", 3])
    a[1:1] = a
    same(a, ["a", "a", 1, "b", 3, 1, "b", 3])
    del a[1:3], a[-1:], a[::2]
    same(a, ["b", 1])
    a[5:] = [9]
    a[-9:0] = [8]
    same(a, [8, "b", 1, 9])
    says("attempt to assign sequence of size 1 to extended slice of size 2", ValueError, a.__setitem__, slice(None, None, 2), "x")
    raises(TypeError, a.__setitem__, slice(0, 1), 5)
    b = bytearray(b"abc")
    b[1:2] = b"xyz"
    same(b, bytearray(b"axyzc"))

    def fails():
        yield 1
        raise KeyError("k")

    raises(KeyError, a.__setitem__, slice(0, 2), fails())
    same(a, [8, "b", 1, 9])
    says("'tuple' object does not support item assignment", TypeError, lambda: exec("(1, 2)[0:1] = ()"))
    says("'str' object does not support item deletion", TypeError, lambda: exec("del 'ab'[0:1]"))


def case_slices_for_python_methods():
    k = Keys()
    i = 3
    for _ in range(5):
        same([k[i], k[i:], k[:i], k[1:i], k[i:5:2], k[:, i], k[...], k[i:5, ::i]],
             [3, slice(3, None), slice(None, 3), slice(1, 3), slice(3, 5, 2), (slice(None), 3), ..., (slice(3, 5), slice(None, None, 3))])
    k[i:] = 4
    k[:i:2] = k[0] = 5
    del k[i], k[i:4]
    k[1:2] += Adds()
    same(k.log[:5], [(slice(3, None), 4), (slice(None, 3, 2), 5), (0, 5), 3, slice(3, 4)])
    same(k.log[5], (slice(1, 2), "added"))


def case_errors_inside():
    class Bad:
        def __getitem__(self, k):
            raise KeyError(k)

        def __setitem__(self, k, v):
            raise EOFError(k, v)

        def __delitem__(self, k):
            raise ValueError(k)

        def __call__(self, *args):
            raise IndexError(args)

    b = Bad()
    for _ in range(5):
        same(raises(KeyError, lambda: b["k"]).args, ("k",))
        same(raises(KeyError, lambda: b[1:]).args, (slice(1, None),))
        same(raises(EOFError, b.__setitem__, 1, 2).args, (1, 2))
        same(raises(ValueError, lambda: exec("del b[3]", {"b": b})).args, (3,))
        e = raises(IndexError, lambda: b(1, 2))
        same(e.args, ((1, 2),))
        tb = e.__traceback__
        while tb.tb_next is not None:
            tb = tb.tb_next
        same(tb.tb_frame.f_code.co_name, "__call__")
    got = 0
    try:
        got = b["x"] + 1
    except KeyError:
        got = "caught"
    same(got, "caught")

    class Sequence:
        def __getitem__(self, i):
            if i >= 3:
                raise IndexError(i)
            return i * i

    s = Sequence()
    same([list(s), 4 in s, 5 in s, tuple(reversed([*s]))], [[0, 1, 4], True, False, (4, 1, 0)])
    for bad in (object(), 5, None):
        raises(TypeError, lambda: bad[0])
        raises(TypeError, lambda: bad[0:1])
        raises(TypeError, lambda: bad(0))


def case_frames_of_special_methods():
    class C:
        def __getitem__(self, k):
            return names(sys._getframe())

        def __setitem__(self, k, v):
            v.append(names(sys._getframe()))

        def __call__(self):
            return names(sys._getframe())

        @property
        def p(self):
            return names(sys._getframe())

        def __init__(self):
            self.made = names(sys._getframe())

    me = "case_frames_of_special_methods"
    c = C()
    for _ in range(3):
        v = []
        c[0] = c[1:] = v
        same([c[0], c[1:], c(), c.p, c.made, v],
             [["__getitem__", me], ["__getitem__", me], ["__call__", me], ["p", me], ["__init__", me], [["__setitem__", me]] * 2])


def case_calls_of_instances():
    class C:
        def __call__(self, *args, **kwargs):
            return args, kwargs

    class Positional:
        def __call__(self, a, b=2, /, *, c=3):
            return a, b, c

    class Gen:
        def __call__(self, n):
            for i in range(n):
                yield i

    class Static:
        __call__ = staticmethod(lambda *args: args)

    class OfClass:
        @classmethod
        def __call__(cls, *args):
            return cls, args

    class Builtin:
        __call__ = len

    class Nested:
        __call__ = C()

    c, p = C(), Positional()
    for _ in range(5):
        same([c(), c(1, z=2), c(*[1, 2], **{"k": 3}), p(1), p(1, 5, c=6)],
             [((), {}), ((1,), {"z": 2}), ((1, 2), {"k": 3}), (1, 2, 3), (1, 5, 6)])
        same([list(Gen()(3)), Static()(1), OfClass()(2), Nested()(4)], [[0, 1, 2], (1,), (OfClass, (2,)), ((4,), {})])
        check("missing 1 required positional argument: 'a'" in str(raises(TypeError, p)))
        raises(TypeError, Builtin())
    c.__call__ = lambda: "not looked at"
    same(c(), ((), {}))
    C.__call__ = lambda self: "changed"
    same(c(), "changed")
    del C.__call__
    says("'C' object is not callable", TypeError, c)


def case_methods_that_change_meanwhile():
    class C:
        def __getitem__(self, k):
            if k == 3:
                C.__getitem__ = lambda self, k: ("new", k)
            return k

    c = C()
    same([c[i] for i in range(6)], [0, 1, 2, 3, ("new", 4), ("new", 5)])
    a = list(range(6))

    class Shrinks:
        def __index__(self):
            a.clear()
            return 1

    same(a[Shrinks():5], [])
    a.extend(range(4))
    raises(IndexError, lambda: a[Shrinks()])
    a.extend(range(4))
    a[Shrinks():3] = "xy"
    same(a, ["x", "y"])


def case_augmented():
    class C:
        def __init__(self):
            self.d, self.log = {}, []

        def __getitem__(self, k):
            self.log.append(("get", k))
            return self.d.get(k, 0)

        def __setitem__(self, k, v):
            self.log.append(("set", k, v))
            self.d[k] = v

    c = C()
    for i in range(3):
        c["k"] += i
        c[1:2] -= 1
    same(c.d, {"k": 3, slice(1, 2): -3})
    same(c.log[:4], [("get", "k"), ("set", "k", 0), ("get", slice(1, 2)), ("set", slice(1, 2), -1)])
    a = [1, 2, 3]
    a[1:] += [4]
    a[0] *= 5
    same(a, [5, 2, 3, 4])


def case_subclasses_of_built_ins():
    class L(list):
        def __getitem__(self, k):
            return ("L", k)

    class D(dict):
        def __missing__(self, k):
            return ("missing", k)

    class S(str):
        def __getitem__(self, k):
            return S(str.__getitem__(self, k) + "!")

    x, d, s = L([1, 2]), D(a=1), S("abc")
    for _ in range(5):
        same([x[0], x[1:], list(x), d["a"], d["b"], s[1], s[1:]], [("L", 0), ("L", slice(1, None)), [1, 2], 1, ("missing", "b"), s[1], s[1:]])
        same([str(s[1]), str(s[1:])], ["b!", "bc!"])
    x[1:] = [5, 6]
    same([list(x), len(d), d.get("b")], [[1, 5, 6], 1, None])
    same([list[int].__args__, dict[str, int].__args__], [(int,), (str, int)])


run(globals())
