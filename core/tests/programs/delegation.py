"""`yield from` and `await`: what goes in and out through a chain of them, and what can be seen of it from inside."""
import signal
import sys

from _checks import alone, check, names, raises, run, same, says


def leaf(log):
    try:
        while True:
            log.append((yield len(log)))
    except ValueError as e:
        log.append(e)
        return "leaf ended"
    finally:
        log.append("finally")


def through(sub, depth):
    if depth:
        return (yield from through(sub, depth - 1))
    return (yield from sub)


def ends_with(gen, *args):
    """The value that the generator returns at its next step."""
    return raises(StopIteration, gen.send if args else gen.__next__, *args).value


def case_values_pass_both_ways():
    for depth in (0, 1, 2, 30):
        log = []
        g = through(leaf(log), depth)
        same(next(g), 0)
        same(g.send("a"), 1)
        same(g.send("b"), 2)
        same(next(g), 3)
        same(log, ["a", "b", None])


def case_throw_reaches_the_innermost():
    for depth in (0, 3):
        log = []
        g = through(leaf(log), depth)
        next(g)
        e = ValueError("in")
        same(raises(StopIteration, g.throw, e).value, "leaf ended")
        same(log, [e, "finally"])
        check(g.gi_frame is None)
        same(list(g), [])


def case_close_reaches_the_innermost():
    log = []
    g = through(leaf(log), 3)
    next(g)
    same(g.close(), None)
    same(log, ["finally"])
    raises(StopIteration, next, g)

    def answers():
        try:
            yield 1
        except GeneratorExit:
            return "closed"

    g = answers()
    next(g)
    same(g.close(), "closed")
    same(g.close(), None)

    def stubborn():
        for _ in range(2):
            try:
                yield 1
            except GeneratorExit:
                pass

    g = through(stubborn(), 2)
    next(g)
    says("generator ignored GeneratorExit", RuntimeError, g.close)


def case_what_comes_back_is_used():
    def inner(n):
        got = yield n
        return got * 2

    def outer():
        total = 0
        for n in range(3):
            total += yield from inner(n)
        return total

    g = outer()
    same([next(g), g.send(10), g.send(20)], [0, 1, 2])
    same(ends_with(g, 30), 120)


def case_delegation_to_what_is_no_generator():
    class Plain:
        def __init__(self):
            self.n = 0

        def __iter__(self):
            return self

        def __next__(self):
            self.n += 1
            if self.n > 3:
                raise StopIteration("done")
            return self.n

    class Full(Plain):
        def send(self, value):
            return ("sent", value)

        def throw(self, e):
            return ("thrown", str(e))

        def close(self):
            self.closed = True

    def g(sub):
        return (yield from sub)

    d = g(Plain())
    same([next(d), next(d)], [1, 2])
    says("'Plain' object has no attribute 'send'", AttributeError, d.send, 1)
    d = g(Plain())
    next(d)
    raises(KeyError, d.throw, KeyError("k"))
    d = through(Plain(), 2)
    same([next(d), next(d), next(d)], [1, 2, 3])
    same(ends_with(d), "done")
    full = Full()
    d = through(full, 2)
    same(next(d), 1)
    same(d.send("x"), ("sent", "x"))
    same(d.throw(OSError("y")), ("thrown", "y"))
    d.close()
    check(full.closed)
    same(list(through([1, 2], 1)) + list(through(range(2), 1)) + list(through("ab", 0)), [1, 2, 0, 1, "a", "b"])
    says("'int' object is not iterable", TypeError, next, g(5))


def case_frames_seen_from_inside():
    seen = []

    def bottom():
        yield names(sys._getframe())
        seen.append(names(sys._getframe()))
        got = yield "second"
        seen.append((got, names(sys._getframe())))
        try:
            yield "third"
        except KeyError:
            seen.append(names(sys._getframe()))
        yield "fourth"

    def middle():
        yield from bottom()
        yield names(sys._getframe())

    def top():
        yield from middle()

    def user(g, *args):
        return g.send(*args)

    g = top()
    chain = ["bottom", "middle", "top"]
    same(next(g), chain + ["case_frames_seen_from_inside"])
    same(user(g, None), "second")
    same(user(g, 7), "third")
    same(g.throw(KeyError("k")), "fourth")
    same(next(g), ["middle", "top", "case_frames_seen_from_inside"])
    same(seen, [chain + ["user", "case_frames_seen_from_inside"], (7, chain + ["user", "case_frames_seen_from_inside"]),
                chain + ["case_frames_seen_from_inside"]])


def case_lines_of_the_frames():
    def bottom():
        f = sys._getframe()
        lines = []
        while f.f_code.co_name != "case_lines_of_the_frames":
            lines.append(f.f_lineno - f.f_code.co_firstlineno)
            f = f.f_back
        yield lines
        yield None

    def top():
        x = 1
        yield from bottom()
        return x

    g = top()
    same(next(g), [4, 2])
    next(g)
    same(g.gi_frame.f_lineno - g.gi_code.co_firstlineno, 2)
    same(g.gi_yieldfrom.gi_frame.f_lineno - g.gi_yieldfrom.gi_code.co_firstlineno, 7)
    same(dict(g.gi_frame.f_locals), {"bottom": bottom, "x": 1})
    check(g.gi_frame.f_back is None)


def case_locals_of_a_delegating_frame():
    def bottom(a):
        b = a + 1
        up = sys._getframe(1)
        yield (up.f_code.co_name, dict(up.f_locals))
        yield b

    def top(n):
        mine = [n]
        yield from bottom(n)
        mine.append(2)
        yield mine

    g = top(5)
    same(next(g), ("top", {"bottom": bottom, "n": 5, "mine": [5]}))
    same([next(g), next(g)], [6, [5, 2]])


def case_states():
    def bottom():
        yield "a"
        yield [x.gi_running for x in chain]

    def top(sub):
        yield from sub

    b = bottom()
    chain = [b]
    for _ in range(3):
        chain.append(top(chain[-1]))
    last = chain[-1]
    same([x.gi_running for x in chain], [False] * 4)
    next(last)
    same([x.gi_running for x in chain], [False] * 4)
    check(all(outer.gi_yieldfrom is inner for inner, outer in zip(chain, chain[1:])))
    check(b.gi_yieldfrom is None)
    same(next(last), [True] * 4)
    raises(StopIteration, next, last)
    check(all(x.gi_yieldfrom is None and x.gi_frame is None and not x.gi_running for x in chain))


def case_nobody_runs_twice():
    def bottom():
        yield 1
        for who in (top, middle, low):
            for ask in (who.__next__, lambda: who.send(None), lambda: who.throw(KeyError), who.close, lambda: list(who)):
                says("generator already executing", ValueError, ask)
        yield 2

    def over(sub):
        yield from sub

    low = bottom()
    middle = over(low)
    top = over(middle)
    same(list(top), [1, 2])


def case_two_that_delegate_to_one():
    def source():
        got = []
        while len(got) < 6:
            got.append((yield len(got)))
        return got

    def over(sub, name):
        return (name, (yield from sub))

    s = source()
    a, b = over(s, "a"), over(s, "b")
    same([next(a), next(b), a.send("x"), b.send("y"), next(s)], [0, 1, 2, 3, 4])
    same(next(a), 5)
    same(ends_with(b, "end"), ("b", [None, "x", "y", None, None, "end"]))
    # What has ended ends at once, without a value, for the other one.
    same(ends_with(a), ("a", None))


def case_the_inner_one_is_advanced_by_others():
    def numbers():
        for i in range(10):
            yield i

    def over(sub):
        yield from sub
        yield "after"

    n = numbers()
    g = over(over(n))
    same([next(g), next(n), next(g)], [0, 1, 2])
    n.close()
    same(list(g), ["after", "after"])


@alone
def case_ended_by_a_signal_handler_on_the_way_in():
    """A handler ends the innermost generator while it is about to be entered: the delegation is over, and nothing runs on."""
    # (CPython 3.14.10 crashes here.)
    def count():
        n = 0
        while True:
            yield n
            n += 1

    def over(sub):
        yield from sub
        yield "over"

    ended = []

    def end(*_):
        try:
            inner.close()
        except ValueError:
            return  # it was running
        ended.append(inner)

    inner, rounds = count(), 0
    before = signal.signal(signal.SIGALRM, end)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
        while rounds < 300:
            inner, seen = count(), []
            for n in over(over(inner)):
                seen.append(n)
            same(seen[-2:], ["over", "over"])
            same(seen[:-2], list(range(len(seen) - 2)))
            check(inner.gi_frame is None)
            rounds += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def case_tracebacks_tell_the_chain():
    def bottom():
        yield 1
        raise KeyError("b")

    def middle():
        try:
            yield from bottom()
        finally:
            checked.append(repr(sys.exception()))

    def top():
        yield from middle()

    def where(e):
        tb, got = e.__traceback__, []
        while tb is not None:
            got.append((tb.tb_frame.f_code.co_name, tb.tb_lineno - tb.tb_frame.f_code.co_firstlineno))
            tb = tb.tb_next
        return got

    checked = []
    g = top()
    next(g)
    e = raises(KeyError, next, g)
    same(where(e)[1:], [("top", 1), ("middle", 2), ("bottom", 2)])
    g = top()
    next(g)
    e = raises(OSError, g.throw, OSError("o"))
    same(where(e)[1:], [("top", 1), ("middle", 2), ("bottom", 1)])
    same(checked, ["KeyError('b')", "OSError('o')"])
    check(g.gi_frame is None)


def case_exceptions_caught_half_way():
    def bottom():
        try:
            yield 1
            raise ZeroDivisionError("z")
        finally:
            seen.append(repr(sys.exception()))

    def middle():
        try:
            yield from bottom()
        except ZeroDivisionError as e:
            seen.append(repr(sys.exception()))
            yield str(e)
        seen.append(repr(sys.exception()))

    def top():
        try:
            raise OSError("o")
        except OSError:
            yield from middle()
            seen.append(repr(sys.exception()))
        seen.append(repr(sys.exception()))

    seen = []
    for v in top():
        seen.append((v, sys.exception()))
    same(seen, [(1, None), "ZeroDivisionError('z')", "ZeroDivisionError('z')", ("z", None), "OSError('o')", "OSError('o')",
                "None"])
    # What the caller handles is what the generator sees, as long as it handles nothing itself.
    seen = []
    g = top()
    next(g)
    try:
        raise LookupError("l")
    except LookupError:
        next(g)
        same(repr(sys.exception()), "LookupError('l')")
        same(list(g), [])
        same(repr(sys.exception()), "LookupError('l')")
    same(seen[2:], ["OSError('o')", "OSError('o')", "LookupError('l')"])


def case_contexts_across_generators():
    def bottom():
        yield 1
        raise KeyError("new")

    def top():
        try:
            raise OSError("old")
        except OSError:
            yield from bottom()

    g = top()
    next(g)
    e = raises(KeyError, next, g)
    same(repr(e.__context__), "OSError('old')")
    check(e.__cause__ is None and not e.__suppress_context__)


def case_stop_iteration_does_not_leak():
    def bottom():
        yield 1
        raise StopIteration("leak")

    g = through(bottom(), 2)
    next(g)
    e = raises(RuntimeError, next, g)
    same(str(e), "generator raised StopIteration")
    same(repr(e.__cause__), "StopIteration('leak')")

    def catches():
        try:
            yield from bottom()
        except RuntimeError as e:
            return str(e)

    g = catches()
    next(g)
    same(ends_with(g), "generator raised StopIteration")


def case_first_send():
    g = through(leaf([]), 2)
    says("can't send non-None value to a just-started generator", TypeError, g.send, 1)
    same(next(g), 0)
    g = through(leaf([]), 2)
    raises(KeyError, g.throw, KeyError)
    check(g.gi_frame is None)


def case_trees():
    def tree(n):
        if n:
            yield from tree(n // 2)
            yield n
            yield from tree(n // 3)

    def flat(n):
        return flat(n // 2) + [n] + flat(n // 3) if n else []

    for n in (1, 7, 200):
        same(list(tree(n)), flat(n))
    same(sum(tree(300)), sum(flat(300)))


def case_coroutines():
    class Wait:
        def __await__(self):
            got = yield self
            return got

    async def one(n):
        return n + await Wait()

    async def chain(n):
        return await one(n) if n == 0 else 1 + await chain(n - 1)

    c = chain(20)
    check(isinstance(c.send(None), Wait))
    check(c.cr_await is not None and c.cr_await.cr_await is not None)
    same(ends_with(c, 100), 120)
    says("cannot reuse already awaited coroutine", RuntimeError, c.send, None)

    async def guarded():
        try:
            return await chain(3)
        except OSError as e:
            return str(e)

    c = guarded()
    c.send(None)
    same(raises(StopIteration, c.throw, OSError("inside")).value, "inside")
    c = guarded()
    c.send(None)
    c.close()
    check(c.cr_frame is None)
    c = chain(1)
    c.send(None)

    async def again():
        await c

    d = again()
    says("coroutine is being awaited already", RuntimeError, d.send, None)
    same(ends_with(c, 1), 2)

    async def running():
        await me

    me = running()
    says("coroutine already executing", ValueError, me.send, None)


def case_asynchronous_generators():
    class Wait:
        def __await__(self):
            return (yield self)

    async def numbers(n):
        try:
            for i in range(n):
                await Wait()
                yield i
        finally:
            await Wait()
            log.append("closed")

    async def main():
        got = [i async for i in numbers(3)]
        async for i in (agen := numbers(9)):
            if i == 1:
                break
        await agen.aclose()
        return got

    log, steps, c = [], 0, main()
    try:
        while True:
            check(isinstance(c.send(None), Wait))
            steps += 1
    except StopIteration as e:
        same(e.value, [0, 1, 2])
    same((steps, log), (7, ["closed", "closed"]))


run(globals())
