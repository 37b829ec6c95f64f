"""`__slots__`, properties and other descriptors, at sites that see one class, many classes, and classes that change."""
import weakref

from _checks import check, raises, run, same, says


class Point:
    __slots__ = ("x", "y")

    def __init__(self, x, y):
        self.x = x
        self.y = y


class Named(Point):
    __slots__ = ("name",)


class Open(Point):
    pass


def get_x(o):
    return o.x


def set_x(o, v):
    o.x = v


def del_x(o):
    del o.x


def case_get_set_delete():
    for cls in (Point, Named, Open):
        p = cls(1, 2)
        for i in range(5):
            set_x(p, i)
            same((get_x(p), p.x, p.y), (i, i, 2))
        del_x(p)
        says("'%s' object has no attribute 'x'" % cls.__name__, AttributeError, get_x, p)
        raises(AttributeError, del_x, p)
        set_x(p, [7])
        same(get_x(p), [7])


def case_what_is_no_slot():
    p = Point(1, 2)
    raises(AttributeError, setattr, p, "z", 1)
    raises(AttributeError, lambda: p.z)
    raises(AttributeError, lambda: p.__dict__)
    raises(TypeError, weakref.ref, p)
    n = Named(1, 2)
    says("'Named' object has no attribute 'name'", AttributeError, lambda: n.name)
    n.name = "n"
    same(n.name, "n")
    o = Open(1, 2)
    o.z = 3
    same((o.z, o.__dict__), (3, {"z": 3}))
    check(weakref.ref(o)() is o)


def case_one_site_many_classes():
    class Plain:
        def __init__(self):
            self.x = "plain"

    class Inherited(Plain):
        other = 1

    class Attribute:
        x = "class"

    class Property:
        @property
        def x(self):
            return "property"

    class Fallback:
        def __getattr__(self, name):
            return "fallback " + name

    class Own:
        def __getattribute__(self, name):
            return "own " + name

    class Late:
        __slots__ = ("w", "v", "x")

    late = Late()
    late.x = "late"
    with_dict = Plain()
    with_dict.__dict__["x"] = "dict"
    every = [Point("point", 0), Named("named", 0), Open("open", 0), Plain(), Inherited(), Attribute(), Property(), Fallback(),
             Own(), late, with_dict, Attribute]
    wanted = ["point", "named", "open", "plain", "plain", "class", "property", "fallback x", "own x", "late", "dict", "class"]
    for _ in range(20):
        same([get_x(o) for o in every], wanted)
    for o, w in list(zip(every, wanted)) * 2:
        for _ in range(5):
            same(get_x(o), w)


def case_stores_at_one_site():
    class Plain:
        pass

    class Property:
        @property
        def x(self):
            return self.kept

        @x.setter
        def x(self, v):
            self.kept = ["set", v]

        @x.deleter
        def x(self):
            self.kept = "deleted"

    class ReadOnly:
        @property
        def x(self):
            return 1

    class Own:
        def __setattr__(self, name, v):
            object.__setattr__(self, name, (name, v))

    class Shadow:
        x = 0

    for i in range(20):
        objects = [Point(0, 0), Plain(), Property(), Own(), Shadow(), Open(0, 0)]
        for o in objects:
            set_x(o, i)
        same([o.x for o in objects], [i, i, ["set", i], ("x", i), i, i])
        same(Shadow.x, 0)
        del_x(objects[2])
        same(objects[2].x, "deleted")
        del_x(objects[4])
        same(objects[4].x, 0)
        raises(AttributeError, set_x, ReadOnly(), 1)


def case_classes_that_change():
    class C:
        x = 1

        def f(self):
            return "f"

        @property
        def p(self):
            return "p"

    o = C()

    def look():
        return [o.x, o.f(), o.p]

    for _ in range(5):
        same(look(), [1, "f", "p"])
    C.x = 2
    C.f = lambda self: "g"
    C.p = "plain"
    for _ in range(5):
        same(look(), [2, "g", "plain"])
    o.x = 3
    o.f = lambda: "own"
    for _ in range(5):
        same(look(), [3, "own", "plain"])
    C.x = property(lambda self: "hides")
    for _ in range(5):
        same(look(), ["hides", "own", "plain"])
    del C.x
    for _ in range(5):
        same(look(), [3, "own", "plain"])
    del o.f, C.f
    raises(AttributeError, look)

    class Base:
        f = "base"

    class Derived(Base):
        pass

    def change(cls, *value):
        setattr(cls, "f", *value) if value else delattr(cls, "f")

    d = Derived()
    steps = [(Base, "changed"), (Derived, "derived"), (Base, "hidden"), (Derived,), (Base, "base")]
    for step, wanted in zip([(Base, "base")] + steps, ["base", "changed", "derived", "derived", "hidden", "base"]):
        change(*step)
        for _ in range(5):
            same(d.f, wanted)


def case_hooks_that_come_late():
    """Instances are there, and sites have learnt where their attributes lie, when the class says that something else counts."""
    def warm(o):
        for i in range(5):
            set_x(o, i)
            same(get_x(o), i)
        return o

    def look(o):
        for i in range(5):
            set_x(o, i)
            same((get_x(o), log.pop()), ("got", i))
        same(log, [])

    def put(self, v):
        log.append(v)

    log = []
    late = property(lambda self: "got", put)

    class A:
        pass

    o = warm(A())
    A.__getattribute__ = lambda self, name: "got"
    A.__setattr__ = lambda self, name, v: put(self, v)
    look(o)

    class A:
        pass

    o = warm(A())
    A.x = late
    look(o)
    del A.x
    warm(o)

    class B(A):
        pass

    o = warm(B())
    A.x = late
    look(o)

    class C:
        x = late

    class D(A):
        pass

    del A.x
    o = warm(D())
    D.__bases__ = (C,)
    look(o)

    class Descriptor:
        def __get__(self, o, cls):
            return "got"

    class E:
        x = Descriptor()

    o = warm(E())
    Descriptor.__set__ = lambda self, o, v: put(o, v)
    look(o)

    class F:
        def __init__(self):
            self.x = 1

    for _ in range(5):
        warm(F())
    F.__setattr__ = lambda self, name, v: put(self, v)
    F()
    same(log, [1])


def case_slots_of_a_foreign_class():
    class Other:
        __slots__ = ("x",)

    get = Point.x.__get__
    says("descriptor 'x' for 'Point' objects doesn't apply to a 'Other' object", TypeError, get, Other())
    same(get(Named(5, 6)), 5)
    same(Point.__dict__["x"].__objclass__, Point)
    Other.x = Point.__dict__["y"]
    raises(TypeError, lambda: get_x(Other()))


def case_changing_the_class_of_an_instance():
    class A:
        __slots__ = ("x",)

    class B:
        __slots__ = ("x",)

    class C:
        __slots__ = ("x", "y")

    a = A()
    a.x = 1
    for _ in range(5):
        same(get_x(a), 1)
        a.__class__ = B
        same(get_x(a), 1)
        check(type(a) is B)
        a.__class__ = A
    raises(TypeError, setattr, a, "__class__", C)

    class D:
        def x(self):
            return "D"

    class E:
        def x(self):
            return "E"

    o = D()
    for _ in range(5):
        o.__class__ = D
        same(o.x(), "D")
        o.__class__ = E
        same(o.x(), "E")


def case_bad_layouts():
    raises(TypeError, type, "T", (), {"__slots__": ("a", "1b")})
    raises(ValueError, type, "T", (), {"__slots__": ("a",), "a": 1})
    raises(TypeError, type, "T", (Point, type("Q", (), {"__slots__": ("q",)})), {})
    t = type("T", (Point,), {"__slots__": ("__dict__", "__weakref__")})
    o = t(1, 2)
    o.z = 3
    same((o.x, o.z, weakref.ref(o)() is o), (1, 3, True))


def case_properties():
    class C:
        def __init__(self):
            self.n = 0

        @property
        def p(self):
            self.n += 1
            return self.n

        @property
        def fails(self):
            raise AttributeError("inside")

        @property
        def worse(self):
            return 1 / 0

        @property
        def gen(self):
            yield self.n

    o = C()
    same([o.p for _ in range(5)], [1, 2, 3, 4, 5])
    for _ in range(5):
        says("inside", AttributeError, lambda: o.fails)
        raises(ZeroDivisionError, lambda: o.worse)
        same(list(o.gen), [5])
        check(not hasattr(o, "fails"))
    same(getattr(o, "fails", "default"), "default")

    class D(C):
        @property
        def p(self):
            return super().p * 100

        def __getattr__(self, name):
            return "fallback " + name

    d = D()
    same([d.p, d.p, d.fails, d.none], [100, 200, "fallback fails", "fallback none"])

    class Deep:
        @property
        def p(self):
            return 0 if self.n == 0 else 1 + Deep.of(self.n - 1).p

        @staticmethod
        def of(n):
            o = Deep()
            o.n = n
            return o

    same(Deep.of(100).p, 100)


def case_descriptors():
    class Data:
        def __get__(self, o, cls):
            return ("get", o is None, cls.__name__)

        def __set__(self, o, v):
            o.__dict__["set"] = v

    class NonData:
        def __get__(self, o, cls):
            return "nondata"

    class C:
        d = Data()
        n = NonData()

    o = C()
    o.__dict__["d"] = o.__dict__["n"] = "own"
    for _ in range(5):
        same([o.d, o.n, C.d, C.n], [("get", False, "C"), "own", ("get", True, "C"), "nondata"])
        o.d = 5
    same(o.__dict__, {"d": "own", "n": "own", "set": 5})


def case_many_attributes():
    class C:
        pass

    o = C()
    for i in range(300):
        setattr(o, "a%d" % i, i)
    same([getattr(o, "a%d" % i) for i in range(300)], list(range(300)))
    for i in range(0, 300, 2):
        delattr(o, "a%d" % i)
    same(sorted(o.__dict__.values()), list(range(1, 300, 2)))
    same(list(o.__dict__)[:3], ["a1", "a3", "a5"])
    raises(AttributeError, lambda: o.a0)
    same(o.a1, 1)


run(globals())
