"""Chains of delegations, whose innermost generator is resumed without those between: what can be seen of them must be the same."""

import gc
import sys
import traceback
import weakref

from _checks import run


class expected:
    """The block raises just that; `exception` is it."""

    def __init__(self, kind):
        self.kind = kind

    def __enter__(self):
        return self

    def __exit__(self, kind, exception, tb):
        self.exception = exception
        return kind is self.kind


def tree(lo, hi):
    if lo < hi:
        mid = (lo + hi) // 2
        yield from tree(lo, mid)
        yield mid
        yield from tree(mid + 1, hi)


def level(n, inner, log=None):
    """n delegators around `inner`."""
    if n == 0:
        r = yield from inner
    else:
        try:
            r = yield from level(n - 1, inner, log)
        finally:
            if log is not None:
                log.append(n)
    return ("done", n, r)


def numbers(n):
    for i in range(n):
        got = yield i
        if got is not None:
            yield ("got", got)
    return "end"


def outer(mid):
    yield from mid


class Stubborn(Exception):
    pass


def finalized(log):
    try:
        yield 1
        yield 2
    finally:
        log.append("closed")


def case_tree():
    assert list(tree(0, 500)) == list(range(500))
    assert sum(tree(0, 300)) == sum(range(300))
    assert [x for x in tree(0, 100)] == list(range(100))


def case_values():
    # Values, sent values and results pass through all levels.
    g = level(6, numbers(4))
    assert [next(g) for _ in range(3)] == [0, 1, 2]
    assert g.send("x") == ("got", "x")
    assert next(g) == 3
    with expected(StopIteration) as e:
        next(g)
    r = e.exception.value
    for n in (6, 5, 4, 3, 2, 1, 0):
        assert r[:2] == ("done", n), r
        r = r[2]
    assert r == "end"


def case_middle():
    # A generator in the middle is resumed by itself.

    inner = numbers(20)
    mid = level(3, inner)
    g = outer(mid)
    seen = [next(g), next(g), next(mid), next(g), next(inner), next(g), next(mid), next(inner), next(g)]
    assert seen == list(range(9)), seen


def case_two():
    # Two that delegate to the same one.
    shared = level(2, numbers(30))
    a, b = outer(outer(shared)), outer(shared)
    assert [next(x) for x in (a, a, b, a, b, b, a)] == list(range(7))
    shared.close()
    assert list(a) == [] and list(b) == []


def case_outlived():
    # The same, where one of them outlives what was innermost.
    def twice():
        yield from numbers(3)
        yield from numbers(3)

    shared = twice()
    a, b = outer(outer(outer(shared))), outer(outer(shared))
    assert [next(a), next(a), next(b), next(b), next(a), next(a)] == [0, 1, 2, 0, 1, 2]
    assert list(b) == [] and list(a) == []


def case_reentered():
    # Entering what runs is an error, and leaves it as it is.
    def reenter(which):
        yield "first"
        for k in which():
            try:
                next(k)
            except ValueError as e:
                yield str(e)
            yield k.gi_running

    chain = []
    g = reenter(lambda: chain)
    for _ in range(5):
        g = outer(g)
        chain.append(g)
    assert next(g) == "first" and not any(k.gi_running for k in chain)
    for k in chain:
        assert next(g) == "generator already executing"
        assert next(g) is True
    assert list(g) == []


def case_thrown():
    # Thrown into, at any level; closed at any level.
    def catcher():
        while True:
            try:
                yield "ready"
            except KeyError as e:
                yield ("caught", e.args[0])

    g = level(5, catcher())
    assert next(g) == "ready" and next(g) == "ready"
    assert g.throw(KeyError("k")) == ("caught", "k")
    assert next(g) == "ready"
    log = []
    c = catcher()
    g = level(4, c, log)
    next(g), next(g)
    with expected(IndexError):
        g.throw(IndexError)
    assert log == [1, 2, 3, 4] and c.gi_frame is None
    log = []
    g = level(4, catcher(), log)
    next(g), next(g)
    g.close()
    assert log == [1, 2, 3, 4] and list(g) == []

    def stubborn():
        while True:
            try:
                yield 1
            except GeneratorExit:
                yield 2
                yield 1
                return

    s = stubborn()
    mid = outer(s)
    g = outer(outer(mid))
    assert [next(g), next(g)] == [1, 1]
    with expected(RuntimeError):
        mid.close()
    assert list(g) == [] and next(s) == 1


def case_frames():
    # What the innermost one sees of the frames below it.
    def names():
        f = sys._getframe()
        found = []
        while f is not None and not f.f_code.co_name.startswith("case_"):
            found.append((f.f_code.co_name, f.f_lineno > 0, f.f_locals.get("n")))
            f = f.f_back
        return found

    def looking():
        yield 0
        yield names()
        yield 1
        yield names()

    g = level(4, looking())
    next(g)
    want = [("names", True, None), ("looking", True, None)] + [("level", True, n) for n in range(5)]
    assert next(g) == want
    assert next(g) == 1
    assert next(g) == want

    def failing():
        yield 0
        yield 1
        raise Stubborn("deep")

    g = level(3, failing())
    next(g), next(g)
    try:
        next(g)
    except Stubborn as e:
        shown = [f.name for f in traceback.extract_tb(e.__traceback__)][1:]
        assert shown == ["level", "level", "level", "level", "failing"], shown
    else:
        raise AssertionError


def case_frame_objects():
    # The frame object of one in the middle, before, while and after.
    mids = []

    def keep(n):
        if n == 0:
            yield 0
            for m in mids:
                assert m.gi_frame.f_locals["n"] > 0 and m.gi_running
            yield 1
            yield 2
        else:
            m = keep(n - 1)
            if n > 1:
                mids.append(m)
            yield from m

    g = keep(5)
    assert list(g) == [0, 1, 2]
    assert all(m.gi_frame is None for m in mids)


def case_dropped():
    # Dropped in the middle of it all.
    log = []
    g = outer(outer(outer(finalized(log))))
    next(g), next(g)
    w = weakref.ref(g)
    del g
    gc.collect()
    assert log == ["closed"] and w() is None


def case_cycle():
    # A cycle through the chain.
    log = []

    def cyclic(box):
        box.append(sys._getframe())
        yield from finalized(log)

    box = []
    g = outer(outer(cyclic(box)))
    next(g)
    box.append(g)
    next(g)
    del g, box
    gc.collect()
    assert log == ["closed"]


def case_deep():
    # Deeper than the limit.
    def endless(n):
        yield n
        yield from endless(n + 1)

    with expected(RecursionError):
        for x in endless(0):
            pass


def case_coroutines():
    # Coroutines that await one another.
    class Pause:
        def __await__(self):
            got = yield "pause"
            return got

    async def deep(n):
        if n == 0:
            total = 0
            for _ in range(3):
                total += await Pause()
            return total
        return await deep(n - 1) + 1

    c = deep(40)
    assert c.send(None) == "pause"
    assert [c.send(10), c.send(20)] == ["pause", "pause"]
    with expected(StopIteration) as e:
        c.send(30)
    assert e.exception.value == 100


def case_handled():
    # An exception that is being handled is the consumer's, not the generator's.
    def handled():
        for _ in range(4):
            yield sys.exception()

    g = level(3, handled())
    assert next(g) is None
    try:
        raise Stubborn
    except Stubborn as e:
        assert next(g) is e
    assert next(g) is None


run(globals())
