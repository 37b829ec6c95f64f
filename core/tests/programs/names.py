"""Names: namespaces that are no plain dicts, `locals()` wherever it may stand, globals that come and go."""
import collections
import sys
import types

from _checks import check, raises, run, same, says


class Missing(dict):
    def __missing__(self, k):
        return "missing " + k


class Getter(dict):
    def __getitem__(self, k):
        return "got " + k


class Mapping:
    def __init__(self):
        self.log = []

    def __getitem__(self, k):
        if k == "none":
            raise KeyError(k)
        if k == "bad":
            raise ZeroDivisionError
        return "mapped " + k

    def __setitem__(self, k, v):
        self.log.append((k, v))

    def __delitem__(self, k):
        raise KeyError(k)


def result(code, *namespaces):
    exec(code, *namespaces)
    return dict.get(namespaces[-1], "r")


def case_locals_of_any_kind():
    for _ in range(3):
        same([eval(c, {}, Missing(x=1)) for c in ("x", "y", "len")], [1, "missing y", "missing len"])
        same([eval(c, {}, Getter(x=1)) for c in ("x", "y", "len")], ["got x", "got y", "got len"])
        same(eval("x, len", {}, Mapping()), ("mapped x", "mapped len"))
        says("name 'none' is not defined", NameError, eval, "none", {}, Mapping())
        raises(ZeroDivisionError, eval, "bad", {}, Mapping())
        m = Mapping()
        says("name 'y' is not defined", NameError, exec, "x = 1\ndel y", {}, m)
        same(m.log, [("x", 1)])
        same(eval("len", {}, collections.ChainMap({"len": 3})), 3)
    says("globals must be a real dict; try eval(expr, {}, mapping)", TypeError, eval, "len", collections.ChainMap())


def case_globals_of_a_subclass():
    for _ in range(3):
        same([eval(c, Missing(x=1)) for c in ("x", "y", "(lambda: x)()", "(lambda: y)()", "(lambda: len)()", "[y for _ in (1,)]")],
             [1, "missing y", 1, "missing y", "missing len", ["missing y"]])
        same([eval(c, Getter(x=1)) for c in ("x", "(lambda: x)()", "(lambda: len)()", "[y for _ in (1,)]")],
             ["got x", "got x", "got len", ["got y"]])
        g = Missing(x=1)
        same(result("x = 2\ndef f():\n global q\n q = 1\n return x, q, zz\nr = f()", g), (2, 1, "missing zz"))
        same(g["q"], 1)
        # The body of a class looks into the dict itself.
        says("name 'nope' is not defined", NameError, exec, "class C:\n a = nope", Missing())


def case_builtins_of_any_kind():
    def ev(code, b):
        return eval(code, {"__builtins__": b})

    for _ in range(3):
        same([ev("x", Mapping()), ev("(lambda: x)()", Mapping())], ["mapped x", "mapped x"])
        says("name 'none' is not defined", NameError, ev, "none", Mapping())
        says("name 'none' is not defined", NameError, ev, "(lambda: none)()", Mapping())
        raises(ZeroDivisionError, ev, "bad", Mapping())
        says("'str' object is not callable", TypeError, exec, "class C: pass", {"__builtins__": Mapping()})
        same([ev("len", Missing()), ev("(lambda: len)()", Getter())], ["missing len", "got len"])
        says("name 'len' is not defined", NameError, ev, "len", {})
        same(ev("len", {"len": 5}), 5)
        says("__build_class__ not found", NameError, exec, "class C: pass", {"__builtins__": {}})
        says("__import__ not found", ImportError, exec, "import os", {"__builtins__": {}})
        says("'int' object is not subscriptable", TypeError, ev, "len", 5)
        m = types.ModuleType("m")
        m.len = "module's"
        same(ev("len", m), "module's")
        b = Mapping()
        f = ev("lambda: x", b)
        check(f.__builtins__ is b)
        same(f(), "mapped x")


def case_prepared_namespaces():
    class Meta(type):
        @classmethod
        def __prepare__(meta, name, bases):
            return Missing()

    for _ in range(3):
        class C(metaclass=Meta):
            a = undefined
            b = a + "!"

            def f(self):
                return undefined

        same((C.a, C.b), ("missing undefined", "missing undefined!"))
        says("name 'undefined' is not defined", NameError, C().f)


module_level = [locals() for x in (1, 2)]
module_nested = [[sorted(locals()) for b in "b"] for a in "a"]
module_eval = [eval("y * 2") for y in (1, 2)]
module_frame = [dict(sys._getframe().f_locals)["z"] for z in (3,)]


class Body:
    first = 1
    seen = [sorted(locals()) for x in (1,)]
    last = [locals() for y in (1, 2)][1]
    keyed = {k: sorted(locals()) for k in (1,)}
    nested = [[sorted(locals()) for q in (1,)] for p in (1,)]
    listed = [sorted(dir()) for w in (1,)]
    viewed = [vars() for v in (1,)][0]
    own = sorted(k for k in locals() if k[0] != "_")


def case_locals_in_comprehensions():
    same([(len(d), d["x"]) for d in module_level], [(1, 1), (1, 2)])
    same((module_nested, module_eval, module_frame), ([[["a", "b"]]], [2, 4], [3]))
    check("x" not in globals() and "a" not in globals())
    same((Body.seen, Body.last, Body.keyed, Body.nested, Body.listed, Body.viewed),
         ([["x"]], {"y": 2}, {1: ["k"]}, [[["p", "q"]]], [["w"]], {"v": 1}))
    same(Body.own, ["first", "keyed", "last", "listed", "nested", "seen", "viewed"])

    def f(a):
        return [locals() for x in (1,)] + [sorted(locals()) for y in [a] for w in (1,)] + [
            (lambda: z, sorted(locals()))[1] for z in (2,)]

    same(f(3), [{"a": 3, "x": 1}, ["a", "w", "y"], ["a", "z"]])

    def fails(x):
        try:
            [1 / y for x in (5,) for y in (1, 0)]
        except ZeroDivisionError:
            pass
        return locals()

    same(fails(7), {"x": 7})

    def outer(x):
        return [locals()["x"] for x in (1, 2)] + [x, locals()["x"]]

    same(outer("o"), [1, 2, "o", "o"])


def case_what_a_failed_comprehension_held():
    class Thing:
        def __del__(self):
            log.append("gone")

    def f():
        try:
            [t.missing for t in [Thing()]]
        except AttributeError:
            pass
        log.append("after")

    log = []
    f()
    same(log, ["gone", "after"])


def case_locals_are_snapshots():
    def f(a, *args, k=1, **kw):
        b = a
        before = locals()
        before["b"] = before["new"] = 5
        del a
        after = locals()
        cell = 7

        def g():
            return cell

        return b, sorted(before), sorted(after), "cell" in locals(), "new" in after, eval("cell"), g()

    same(f(2, 3, z=4), (2, ["a", "args", "b", "k", "kw", "new"], ["args", "b", "before", "k", "kw"], True, False, 7, 7))


def case_globals_that_come_and_go():
    space = {}
    exec("def get(): return name\ndef put(v):\n global name\n name = v\ndef drop():\n global name\n del name", space)
    get, put, drop = space["get"], space["put"], space["drop"]
    for i in range(20):
        says("name 'name' is not defined", NameError, get)
        says("name 'name' is not defined", NameError, drop)
        put(i)
        same(get(), i)
        space["name"] = -i
        same(get(), -i)
        if i % 3 == 0:
            space.update({"more%d" % n: n for n in range(i)})
        drop()
        if i % 5 == 0:
            space["__builtins__"] = {"name": "built in"}
            raises(NameError, get)  # a function keeps the builtins that it was made with
            del space["__builtins__"]


def case_builtins_that_are_hidden():
    space = {}
    exec("def f(): return len", space)
    f = space["f"]
    for _ in range(5):
        check(f() is len)
        space["len"] = 5
        same(f(), 5)
        del space["len"]
    check(f() is len)


def case_unbound_names():
    def local():
        if False:
            x = 1
        return x

    def deleted():
        x = 1
        del x
        return x

    def free():
        def g():
            return x
        if False:
            x = 1
        return g()

    says("cannot access local variable 'x' where it is not associated with a value", UnboundLocalError, local)
    says("cannot access local variable 'x' where it is not associated with a value", UnboundLocalError, deleted)
    says("cannot access free variable 'x' where it is not associated with a value in enclosing scope", NameError, free)


def case_comprehension_without_names():
    # It binds nothing that an exception would have to unbind.
    class Bad:
        def __setitem__(self, key, value):
            raise KeyError(value)

    bad = Bad()

    async def source():
        yield 10

    async def listed():
        return [0 async for bad[0] in source()]

    raises(KeyError, listed().send, None)
    raises(KeyError, lambda: [0 for bad[0] in [1]])
    raises(KeyError, lambda: {0 for bad[0] in (1, 2)})
    raises(KeyError, lambda: {0: 1 for bad[0] in "a"})


run(globals())
