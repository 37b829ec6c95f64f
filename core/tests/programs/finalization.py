"""What happens to generators, coroutines and objects that are dropped: when, in which order, and what their ends may do."""
import gc
import sys
import threading
import time
import warnings
import weakref

from _checks import alone, check, raises, run, same, says


def watched(log, *items):
    try:
        for item in items:
            yield item
        log.append("ended")
    except GeneratorExit:
        log.append("exit")
        raise
    finally:
        log.append("finally")


def case_dropped_ones_close():
    log = []
    g = watched(log, 1, 2)
    next(g)
    del g
    same(log, ["exit", "finally"])
    log.clear()
    g = watched(log, 1)
    del g  # never started: nothing to run
    same(log, [])
    g = watched(log, 1)
    list(g)
    del g
    same(log, ["ended", "finally"])
    log.clear()
    for _ in watched(log, 1, 2):
        break
    same(log, ["exit", "finally"])
    log.clear()
    [next(watched(log, 1)), next(watched(log, 2))]
    same(log, ["exit", "finally"] * 2)


def case_at_the_end_of_a_function():
    log = []

    def f():
        g = watched(log, 1, 2)
        h = watched(log, 3)
        next(g), next(h)
        log.append("leaving")
        return 5

    same(f(), 5)
    same(log, ["leaving"] + ["exit", "finally"] * 2)
    log.clear()

    def fails():
        g = watched(log, 1)
        next(g)
        raise KeyError("k")

    try:
        fails()
    except KeyError:
        same(log, [])  # the traceback has the frame
    same(log, ["exit", "finally"])


def case_through_delegation():
    log = []

    def over(sub, name):
        try:
            yield from sub
        finally:
            log.append(name)

    g = over(over(watched(log, 1, 2), "inner"), "outer")
    next(g)
    del g
    same(log, ["exit", "finally", "inner", "outer"])
    log.clear()
    w = watched(log, 1, 2)
    g = over(w, "outer")
    next(g)
    del g
    same(log, ["exit", "finally", "outer"])  # `w` is ours, but it was closed
    same(list(w), [])

    class Closes:
        def __iter__(self):
            return self

        def __next__(self):
            return 1

        def close(self):
            log.append("close")

    log.clear()
    g = over(Closes(), "outer")
    next(g)
    del g
    same(log, ["close", "outer"])


def case_with_blocks():
    log = []

    class Manager:
        def __enter__(self):
            return self

        def __exit__(self, kind, e, tb):
            log.append(kind)

    def g():
        with Manager() as m:
            yield m
            yield m

    x = g()
    next(x)
    del x
    same(log, [GeneratorExit])
    log.clear()
    list(g())
    same(log, [None])


def case_what_dies_with_them():
    class Thing:
        def __del__(self):
            log.append("thing")

    def g(thing):
        yield 1
        yield thing

    log = []
    x = g(Thing())
    next(x)
    del x
    same(log, ["thing"])
    log.clear()
    x = g(Thing())
    same(log, [])
    x.close()
    same(log, ["thing"])
    log.clear()
    x = g(Thing())
    next(x)
    w = weakref.ref(next(x))
    check(w() is not None)
    raises(StopIteration, next, x)
    check(w() is None)
    same(log, ["thing"])


def case_cycles():
    log = []

    class Box:
        pass

    def g(box):
        try:
            yield box
        finally:
            log.append("finally")

    box = Box()
    box.gen = g(box)
    next(box.gen)
    w = weakref.ref(box)
    del box
    gc.collect()
    gc.collect()
    same(log, ["finally"])
    check(w() is None)


def case_errors_on_the_way_out_are_reported():
    def g():
        try:
            yield 1
        finally:
            raise KeyError("k")

    def stays():
        try:
            yield 1
        except GeneratorExit:
            yield 2

    x = g()
    next(x)
    raises(KeyError, x.close)
    x = stays()
    next(x)
    says("generator ignored GeneratorExit", RuntimeError, x.close)


@alone
def case_errors_nobody_can_catch():
    seen = []

    def hook(info):
        seen.append((type(info.exc_value), str(info.exc_value)))

    def g():
        try:
            yield 1
        finally:
            raise KeyError("k")

    class Bad:
        def __del__(self):
            raise OSError("del")

    old, sys.unraisablehook = sys.unraisablehook, hook
    try:
        x = g()
        next(x)
        del x
        Bad()
    finally:
        sys.unraisablehook = old
    same(seen, [(KeyError, "'k'"), (OSError, "del")])


def case_the_pending_exception_is_kept():
    def g():
        try:
            yield 1
        finally:
            try:
                raise OSError("inner")
            except OSError as e:
                log.append((repr(e), repr(e.__context__)))

    def f():
        x = g()
        next(x)
        raise KeyError("outer")

    log = []
    try:
        f()
    except KeyError as e:
        same(repr(e.__context__), "None")
    same(len(log), 1)
    same(log[0][0], "OSError('inner')")


def case_revived_objects():
    kept = []

    class Phoenix:
        def __del__(self):
            kept.append(self)

    Phoenix()
    same(len(kept), 1)
    kept.clear()  # finalized once only
    gc.collect()
    same(len(kept), 0)


def case_the_order_of_deaths():
    log = []

    class Thing:
        def __init__(self, name, *parts):
            self.name = name
            self.parts = parts

        def __del__(self):
            log.append(self.name)

    def f():
        a = Thing("a")
        b = Thing("b", Thing("c"), a)
        del a
        log.append("before")
        del b
        log.append("after")

    f()
    same(log, ["before", "b", "a", "c", "after"])  # a tuple drops its last item first
    log.clear()
    x = Thing("old")
    x = Thing("new")
    same(log, ["old"])
    x = None
    same(log, ["old", "new"])
    log.clear()
    things = [Thing(i) for i in range(3)]
    del things[1]
    things[0] = None
    same(log, [1, 0])
    d = {"k": Thing("v")}
    d["k"] = 1
    Thing("tuple"), 1
    [Thing("list")]
    same(log, [1, 0, "v", "tuple", "list"])


def case_deep_chains():
    class Link:
        def __init__(self, next):
            self.next = next

    def g(before):
        yield before

    chain = gens = nested = None
    for _ in range(20000):
        chain = Link(chain)
        gens = g(gens)
        next(gens)
        nested = [nested]
    w = weakref.ref(chain)
    del chain, gens, nested
    check(w() is None)


def case_weak_references_to_generators():
    called = []
    g = watched([], 1)
    next(g)
    w = weakref.ref(g, called.append)
    check(w() is g)
    del g
    check(w() is None)
    same(called, [w])


@alone
def case_coroutines_never_awaited():
    async def f():
        pass

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        f()
        c = f()
        c.close()
        c = f()
        try:
            c.send(None)
        except StopIteration:
            pass
        del c
    check(len(seen) in (1, 2), seen)
    check("was never awaited" in str(seen[0].message))


def case_frames_that_outlive_their_functions():
    def f(x):
        y = [x]
        return sys._getframe(), y

    frame, y = f(7)
    same(frame.f_locals["x"], 7)
    check(frame.f_locals["y"] is y)
    same(frame.f_back.f_code.co_name, "case_frames_that_outlive_their_functions")

    def g():
        x = yield sys._getframe()
        yield x

    gen = g()
    frame = next(gen)
    check(frame is gen.gi_frame)
    gen.send([1])
    same(frame.f_locals["x"], [1])
    check(frame is gen.gi_frame)
    gen.close()
    check(gen.gi_frame is None)


def case_what_a_thread_drops_before_it_waits():
    class Mortal:
        def __del__(self):
            log.append("dead")

    for collect in (False, True):
        log, box, dropped, over = [], [Mortal()], threading.Event(), threading.Event()

        def body():
            box.pop()
            dropped.set()
            over.wait()

        thread = threading.Thread(target=body)
        thread.start()
        dropped.wait()
        end = time.monotonic() + 30
        while not log and time.monotonic() < end:
            time.sleep(0.001)
            if collect:
                gc.collect()
        same(log, ["dead"])
        over.set()
        thread.join()


def case_the_end_of_a_thread_makes_thread_locals():
    """What its last collection finalizes may use thread-local objects, which had been dropped by then."""
    own = threading.local()
    ended = []

    class Ends:
        def __del__(self):
            own.last = [self]
            ended.append(1)

    def body():
        e = Ends()
        e.me = e

    for _ in range(10):
        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
    gc.collect()
    same(len(ended), 10)


run(globals())
