# Attributes of instances whose attributes lie in a dict, of instances whose methods are taken without being called, and of classes
# whose metaclass has the same name: each site several times, so that what it has learnt is used, and then after a change.


class A:
    kind = "class"
    shown = "class"

    def __init__(self):
        self.x = 1
        self.y = 2

    def m(self):
        return self.x


def get(o):
    return o.x


def kind(o):
    return o.kind


def call(o):
    return o.m()


def take(o):
    return o.m


def put(o, v):
    o.y = v


a = A()
d = A()
d.__dict__
for o in (a, d) * 5:
    assert get(o) == 1 and kind(o) == "class" and call(o) == 1 and take(o)() == 1
for n in range(5):
    put(d, n)
    assert d.__dict__["y"] == d.y == n

# What the instance has comes first, for all kinds of use.
d.m = lambda: "own"
d.kind = "own"
for o, want in ((d, "own"), (a, "class")) * 3:
    assert kind(o) == want
for o, want in ((d, "own"), (a, 1)) * 3:
    assert call(o) == want and take(o)() == want
del d.m, d.kind
for o in (a, d) * 3:
    assert kind(o) == "class" and call(o) == 1 and take(o)() == 1

# An attribute that is gone, and one that comes back.
del d.x
for _ in range(3):
    try:
        get(d)
    except AttributeError:
        pass
    else:
        raise AssertionError
d.x = 7
assert get(d) == 7 and get(a) == 1

# Another dict altogether.
d.__dict__ = {"x": 8, "y": 9}
for _ in range(3):
    assert get(d) == 8
    put(d, 5)
    assert vars(d) == {"x": 8, "y": 5}

# The class gets a data descriptor, which comes before the dict; without it the dict counts again.
A.x = property(lambda self: "property")
for _ in range(3):
    assert get(d) == get(a) == "property"
stored = []


class Data:
    def __get__(self, o, cls):
        return "data"

    def __set__(self, o, v):
        stored.append(v)


A.y = Data()
for n in range(3):
    put(d, n)
assert stored == [0, 1, 2] and d.y == "data" and d.__dict__["y"] == 5
del A.x, A.y
for _ in range(3):
    assert get(d) == 8 and get(a) == 1
    put(d, 6)
    assert d.y == 6


# What dies when it is replaced may ask for the attribute.
class Dies:
    def __del__(self):
        seen.append(d.y)


seen = []
for n in range(3):
    put(d, Dies())
    put(d, n)
assert seen == [0, 1, 2]

# Methods that are taken but not called: of Python functions and of built-in types.
lists = [[n] for n in range(4)]


def appender(x):
    return x.append


for x in lists:
    appender(x)(5)
assert lists == [[0, 5], [1, 5], [2, 5], [3, 5]]


class L(list):
    pass


for x in (L(), [], L()):
    f = appender(x)
    f(1)
    assert x == [1] and f.__self__ is x and f.__name__ == "append"
own = L()
own.append = "own"
for x, want in ((own, "own"), (own, "own")):
    assert appender(x) == want


def after(self):
    return "after"


before = [take(a) for _ in range(3)]
A.m = after
assert [f() for f in before] == [1] * 3 and take(a)() == take(d)() == "after"


# A class's own attribute comes before its metaclass's, unless that is a data descriptor.
class Meta(type):
    def f(cls):
        return "meta"

    g = property(lambda cls: "meta")


class C(metaclass=Meta):
    f = "class"
    g = "class"


def f_of(c):
    return c.f


def g_of(c):
    return c.g


for _ in range(3):
    assert f_of(C) == "class" and g_of(C) == "meta"
Meta.f = property(lambda cls: "data")
assert f_of(C) == "data"
del Meta.f
for _ in range(2):
    assert f_of(C) == "class"
del C.f
try:
    f_of(C)
except AttributeError:
    pass
assert [int.__repr__ is t.__repr__ for t in (int, str, bool)] == [True, False, False]
assert type.__repr__(int) == "<class 'int'>" == repr(int)


# Calls that leave out parameters with defaults, of functions and methods.
def two(a, b=(), c="c"):
    z = None
    return a, b, c, z


class P:
    def m(self, a=1, *, k=3):
        return a, k

    def n(self, a=1):
        return self, a


p = P()
for _ in range(3):
    assert two(1) == (1, (), "c", None) and two(1, 2) == (1, 2, "c", None)
    assert p.n() == (p, 1) and p.n(2) == (p, 2) and p.m() == (1, 3) and P.n(p) == (p, 1)
two.__defaults__ = ("d",)
assert two(1, 2) == (1, 2, "d", None)
for args in ((), (1,)):
    try:
        two(*args)
        two(1)
    except TypeError as e:
        assert "missing" in str(e)
    else:
        raise AssertionError


def deep(n=0):
    return deep(n + 1) if n < 50 else deep_end()


def deep_end(x=[1, 2]):
    return x


assert deep() is deep_end()


def forever(n=0):
    return forever()


try:
    forever()
except RecursionError:
    pass
else:
    raise AssertionError
print("ok 1")
