"""Recursion without end raises RecursionError wherever it goes through, and leaves everything usable; deep recursion works."""
import functools
import sys
import threading

from _checks import alone, check, raises, run, same


def too_deep(body, *args):
    """RecursionError, and the stack is all there again afterwards."""
    for _ in range(2):
        e = raises(RecursionError, body, *args)
        check("recursion" in str(e), str(e))
        same(sum(1 for _ in range(3)), 3)
    return e


def down(n):
    return 0 if n == 0 else 1 + down(n - 1)


def case_calls():
    def plain(n):
        return plain(n + 1)

    def caught(n):
        try:
            return caught(n + 1)
        except KeyError:
            check(False)

    def even(n):
        return odd(n=n)

    def odd(*, n):
        return even(n)

    def many(*args, **kwargs):
        return many(*args, 1, **kwargs)

    too_deep(plain, 0)
    too_deep(caught, 0)
    too_deep(even, 0)
    too_deep(many)
    anonymous = lambda: anonymous()
    too_deep(anonymous)
    too_deep(functools.partial(plain, 0))
    same(down(500), 500)


def case_constructors_and_special_methods():
    class Endless:
        def __init__(self, start=False):
            if start:
                Endless(True)

        def __getattr__(self, name):
            return getattr(self, name + "x")

        def __getitem__(self, k):
            return self[k]

        def __setitem__(self, k, v):
            self[k] = v

        def __call__(self):
            return self()

        def __iter__(self):
            return iter(self)

        def __next__(self):
            return next(self)

        def __eq__(self, other):
            return self == other

        def __hash__(self):
            return hash(self)

        def __add__(self, other):
            return self + other

        def __lt__(self, other):
            return self < other

        def __repr__(self):
            return repr(self)

        def __str__(self):
            return "%s" % self

        def __bool__(self):
            return not self

        def __len__(self):
            return len(self)

        def __contains__(self, x):
            return x in self

        def __enter__(self):
            with self:
                pass

        def __exit__(self, *args):
            pass

        @property
        def prop(self):
            return self.prop

        def __instancecheck__(self, o):
            return isinstance(o, self)

        def __format__(self, spec):
            return f"{self}"

        def __index__(self):
            return [1][self]

    x = Endless()
    for body in (lambda: Endless(True), lambda: x.name, lambda: x[1], lambda: x.__setitem__(1, 2), lambda: x(), lambda: iter(x),
                 lambda: next(x), lambda: x == 1, lambda: hash(x), lambda: {x: 1}, lambda: x + 1, lambda: x < 1, lambda: sorted([x, x]),
                 lambda: repr(x), lambda: str(x), lambda: bool(x), lambda: not x, lambda: len(x), lambda: 1 in x,
                 lambda: x.__enter__(), lambda: x.prop, lambda: isinstance(1, x), lambda: format(x), lambda: "abc"[x]):
        too_deep(body)


def case_through_natives():
    def by_map(n):
        return list(map(by_map, [n]))

    def by_sort(n):
        return sorted([n], key=by_sort)

    def by_sum(n):
        return sum(by_sum(n) for _ in (1,))

    def by_tuple(n):
        return tuple(by_tuple(n) for _ in (1,))

    def by_max(n):
        return max([n, n], key=by_max)

    def by_reduce(n):
        return functools.reduce(lambda a, b: by_reduce(a), [n, n])

    def by_eval(n):
        return eval("by_eval(n)", {"by_eval": by_eval, "n": n})

    def by_comprehension(n):
        return [by_comprehension(n) for _ in (1,)]

    def by_any(n):
        return any(by_any(n) for _ in (1,))

    def by_type(n):
        return type("T", (), {"__init_subclass__": classmethod(lambda cls: by_type(n))}) and type("U", (type("T", (), {
            "__init_subclass__": classmethod(lambda cls: by_type(n))}),), {})

    for body in (by_map, by_sort, by_sum, by_tuple, by_max, by_reduce, by_eval, by_comprehension, by_any, by_type):
        too_deep(body, 1)


def case_generators():
    def gen(n):
        yield from gen(n + 1)

    def loop(n):
        for x in loop(n + 1):
            yield x

    async def coro(n):
        await coro(n + 1)

    def drive(c):
        try:
            c.send(None)
        finally:
            c.close()

    too_deep(lambda: list(gen(0)))
    too_deep(lambda: next(loop(0)))
    too_deep(lambda: tuple(loop(0)))

    def chain(n):
        it = iter((1, 2))
        for _ in range(n):
            it = over(it)
        return it

    def over(it):
        yield from it

    same(list(chain(500)), [1, 2])


@alone
def case_data_that_nests():
    x, t, d = [], (), {}
    for _ in range(100_000):
        x, t, d = [x], (t,), {1: d}
    for body in (lambda: repr(x), lambda: x == [x], lambda: repr(t), lambda: hash(t), lambda: repr(d)):
        try:
            check(body() is not None)  # if the stack is large enough
        except RecursionError:
            pass
    del x, t, d
    endless = []
    endless.append(endless)
    same(repr(endless), "[[...]]")


@alone
def case_limits():
    old = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(200)
        raises(RecursionError, down, 300)
        sys.setrecursionlimit(30_000)
        same(down(20_000), 20_000)
    finally:
        sys.setrecursionlimit(old)
    raises(RecursionError, down, 20_000)
    raises(ValueError, sys.setrecursionlimit, 0)


def case_a_thread_of_its_own():
    got = []

    def body():
        got.append(down(500))
        got.append(type(raises(RecursionError, down, 1_000_000)))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    same(got, [500, RecursionError])


def case_handlers_have_room():
    depths = []

    def f():
        try:
            f()
        except RecursionError:
            depths.append(len(repr([[1], {2: 3}])))
            raise

    raises(RecursionError, f)
    check(len(depths) > 100 and set(depths) == {13}, depths[:3])


run(globals())
