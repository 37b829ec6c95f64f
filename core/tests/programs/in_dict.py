"""Instances whose attributes are in a dict: at sites that have seen them, while instances and classes change."""
import threading

from _checks import check, raises, run, same


class Open:
    kind = "class"

    def method(self):
        return "class's"


class Listed(list):
    kind = "class"

    def method(self):
        return "class's"


def full(cls):
    """An instance with more attributes than it has slots for."""
    o = cls()
    for i in range(60):
        setattr(o, "a%d" % i, i)
    return o


def get(o):
    return o.x


def put(o, v):
    o.x = v


def kind(o):
    return o.kind


def call(o):
    return o.method()


def each(test):
    for base in (Open, Listed):
        test(type("Sub", (base,), {}))


def case_loads_and_stores():
    def test(cls):
        a, b = full(cls), full(cls)
        for i in range(20):
            put(a, i)
            put(b, -i)
            same((get(a), get(b), a.__dict__["x"]), (i, -i, i))
        del a.x
        for _ in range(5):
            raises(AttributeError, get, a)
        a.__dict__["x"] = 7
        same(get(a), 7)
        a.__dict__ = {"x": 8}
        same(get(a), 8)
        put(a, 9)
        same(a.__dict__, {"x": 9})

    each(test)


def case_what_hides_the_class():
    def test(cls):
        o = full(cls)
        for i in range(5):
            same((kind(o), call(o)), ("class", "class's"))
        o.__dict__["kind"] = "own"
        o.__dict__["method"] = lambda: "own"
        for i in range(5):
            same((kind(o), call(o)), ("own", "own"))
        del o.kind, o.method
        for i in range(5):
            same((kind(o), call(o)), ("class", "class's"))
        cls.kind, cls.method = "new", lambda self: "new"
        for i in range(5):
            same((kind(o), call(o)), ("new", "new"))

    each(test)


def case_a_descriptor_comes_to_the_class():
    def test(cls):
        o = full(cls)
        for i in range(5):
            put(o, i)
            same(get(o), i)
        seen = []
        cls.x = property(lambda self: "property", lambda self, v: seen.append(v))
        for i in range(5):
            put(o, i)
            same(get(o), "property")
        same((seen, o.__dict__["x"]), ([0, 1, 2, 3, 4], 4))
        del cls.x
        put(o, 6)
        same((get(o), o.__dict__["x"]), (6, 6))
        cls.__getattribute__ = lambda self, name: "all"
        same(get(o), "all")
        del cls.__getattribute__
        cls.__setattr__ = lambda self, name, v: seen.append(name)
        put(o, 10)
        same((get(o), seen[-1]), (6, "x"))

    each(test)


def case_one_site_many_kinds():
    def test(cls):
        class Slotted:
            __slots__ = ("x",)

        objects = [full(cls), cls(), full(Open), Slotted(), Open()]
        for i in range(30):
            for n, o in enumerate(objects):
                put(o, (i, n))
            same([get(o) for o in objects], [(i, n) for n in range(5)])

    each(test)


def case_threads():
    def test(cls):
        o = full(cls)
        put(o, 0)

        def work():
            for i in range(3000):
                put(o, i)
                check(0 <= get(o) < 3000)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        same(get(o), 2999)

    each(test)


run(globals())
