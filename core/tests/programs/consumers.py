"""Built-ins that take all that a generator gives: results, errors half way, early ends, and what the generator sees."""
import sys

from _checks import check, names, raises, run, same, says

ALL = (list, tuple, set, frozenset, sorted, sum, min, max, all)


def case_results():
    same(list(x for x in range(5)), [0, 1, 2, 3, 4])
    same(tuple(x * x for x in range(5)), (0, 1, 4, 9, 16))
    same(set(x % 3 for x in range(9)), {0, 1, 2})
    same(frozenset(c for c in "hello"), frozenset("hello"))
    same(sum(x for x in range(10)), 45)
    same(sum((x for x in (0.5, 1, True)), 1), 3.5)
    same([any(x > 3 for x in range(9)), all(x < 3 for x in range(9)), any(x for x in ()), all(x for x in ())],
         [True, False, False, True])
    same(dict((k, ord(k)) for k in "ab"), {"a": 97, "b": 98})
    same([max(x for x in (1, 5, 2)), min((x for x in (3, 1, 2)), key=lambda x: -x)], [5, 3])
    same(",".join(str(x) for x in range(4)), "0,1,2,3")
    same(b"".join(bytes([x]) for x in b"xyz"), b"xyz")
    same(bytes(x for x in (1, 2)), b"\x01\x02")
    same(sorted((x % 4 for x in range(8)), reverse=True), [3, 3, 2, 2, 1, 1, 0, 0])
    a = [0]
    a.extend(x for x in range(2))
    a += (x for x in (7,))
    a[1:2] = (x for x in (8, 9))
    same(a, [0, 8, 9, 1, 7])
    first, *rest = (x for x in range(4))
    same((first, rest, [*(x for x in "ab")]), (0, [1, 2, 3], ["a", "b"]))
    same((lambda *args: args)(*(x for x in range(3))), (0, 1, 2))
    same([3 in (x for x in range(5)), 9 in (x for x in range(5))], [True, False])
    same(list(zip((x for x in "ab"), (x for x in range(9)))), [("a", 0), ("b", 1)])
    same(list(map(lambda x, y: x + y, (x for x in range(3)), (x for x in range(3)))), [0, 2, 4])
    same(dict(enumerate(x for x in "ab")), {0: "a", 1: "b"})
    s = {1}
    s.update(x for x in (1, 2))
    s |= set(x for x in (3,))
    s.difference_update(x for x in (1,))
    same(s, {2, 3})


def boom(n):
    for i in range(n):
        yield i + 1
    raise KeyError("boom")


def case_errors_half_way():
    for consume in ALL:
        for n in (0, 1, 2, 50):
            g = boom(n)
            e = raises(KeyError, consume, g)
            same(e.args, ("boom",))
            check(g.gi_frame is None)
            same(e.__traceback__.tb_next.tb_frame.f_code.co_name, "boom")
    raises(KeyError, any, boom(0))
    a = [0]
    raises(KeyError, a.extend, boom(3))
    same(a, [0, 1, 2, 3])
    raises(KeyError, dict, ((x, x) for x in boom(2)))
    raises(KeyError, ",".join, (str(x) for x in boom(2)))


def case_errors_of_the_consumer():
    log = []

    def watched(*items):
        try:
            yield from items
        finally:
            log.append("closed")

    says("cannot use 'list' as a set element (unhashable type: 'list')", TypeError, set, watched([], 1))
    says("unsupported operand type(s) for +: 'int' and 'str'", TypeError, sum, watched(1, "a", 2))
    says("sequence item 1: expected str instance, int found", TypeError, ",".join, watched("a", 1))
    says("'<' not supported between instances of 'str' and 'int'", TypeError, min, watched(1, "a"))
    says("object is not iterable", TypeError, dict, watched(1))
    same(len(log), 5)


def case_what_stops_early_leaves_the_rest():
    log = []

    def g():
        try:
            for i in range(10):
                yield i
        finally:
            log.append("closed")

    x = g()
    check(any(i == 3 for i in x))
    same(next(x), 4)
    check(not all(i < 6 for i in x))
    same(next(x), 7)
    check(8 in x)
    same(log, [])
    same(list(x), [9])
    same(log, ["closed"])
    # Nobody has these: they end with the call.
    log.clear()
    same([any(g()), all(g()), 2 in g()], [True, False, True])
    same(log, ["closed"] * 3)
    a, b, *_ = g()
    raises(ValueError, exec, "a, b = g()", {"g": g})
    same((a, b, log), (0, 1, ["closed"] * 5))


def case_frames():
    def gen():
        for _ in range(3):
            yield tuple(names(sys._getframe()))

    me = "case_frames"
    for consume in (list, tuple, set, frozenset, sorted):
        same(list(consume(gen()))[0], ("gen", me))
    same(max(gen()), ("gen", me))
    same([*gen()], [("gen", me)] * 3)
    check(any(got == ("gen", "<genexpr>", me) for got in gen()))
    same(list(tuple(names(sys._getframe())) for _ in range(2)), [("<genexpr>", me)] * 2)

    def called():
        return names(sys._getframe())

    same(list(called() for _ in range(2)), [["called", "<genexpr>", me]] * 2)
    same(tuple(called() for _ in range(2)), (["called", "<genexpr>", me],) * 2)


def case_python_code_called_by_the_consumer():
    seen = []

    class Key:
        def __init__(self, v):
            self.v = v

        def __hash__(self):
            seen.append(names(sys._getframe()))
            return 1

        def __eq__(self, other):
            seen.append(names(sys._getframe()))
            return self.v == other.v

        def __lt__(self, other):
            seen.append(names(sys._getframe()))
            return self.v < other.v

        def __bool__(self):
            seen.append(names(sys._getframe()))
            return self.v > 1

        def __radd__(self, other):
            seen.append(names(sys._getframe()))
            return other + self.v

    me = "case_python_code_called_by_the_consumer"
    same(len(set(Key(i % 2) for i in range(3))), 2)
    same(seen, [["__hash__", me], ["__hash__", me], ["__eq__", me], ["__hash__", me], ["__eq__", me]][:len(seen)])
    check(len(seen) >= 5)
    seen.clear()
    check(any(Key(i) for i in range(4)))
    same(seen, [["__bool__", me]] * 3)
    seen.clear()
    check(not all(Key(i) for i in (2, 1, 5)))
    same(seen, [["__bool__", me]] * 2)
    seen.clear()
    same(sum(Key(i) for i in range(4)), 6)
    same(seen, [["__radd__", me]] * 4)
    seen.clear()
    same(min(Key(i) for i in (3, 1, 2)).v, 1)
    same(seen, [["__lt__", me]] * 2)
    seen.clear()

    class Total:
        def __init__(self, v):
            self.v = v

        def __add__(self, other):
            seen.append(names(sys._getframe()))
            return Total(self.v + other)

    same(sum((i for i in range(4)), Total(1)).v, 7)
    same(seen, [["__add__", me]] * 4)
    seen.clear()

    def rank(x):
        seen.append(names(sys._getframe()))
        return -x

    same([min((i for i in range(3)), key=rank), max((i for i in range(3)), key=rank)], [2, 0])
    same(seen, [["rank", me]] * 6)


def case_numbers_that_grow():
    same(sum(x for x in (2**62, 2**62, 1, 0.5)), 2.0**63)
    same(sum(x for x in (True, 2**70, 1)), 2**70 + 2)
    same(sum((x for x in (1, 2.5, 2j))), 3.5 + 2j)
    same(sum((x for x in ([1], [2])), []), [1, 2])
    same([min(x for x in (2**70, 3, 2.5)), max(x for x in "hello"), max(x for x in (1, True))], [2.5, "o", 1])
    says("'<' not supported between instances of 'str' and 'int'", TypeError, min, (x for x in (1, 2, "a")))
    says("can't multiply sequence by non-int of type 'str'", TypeError, sum, ("a" * x for x in ("b",)))
    same([min((x for x in ()), default=3), max(3, 1, 5), min("b", "a", "c", key=ord)], [3, 5, "a"])


def case_handled_exceptions():
    try:
        raise KeyError("k")
    except KeyError as e:
        same(list(sys.exception() for _ in range(2)), [e, e])
        same(tuple(sys.exception() for _ in range(2)), (e, e))

        def own():
            try:
                raise OSError("o")
            except OSError:
                yield repr(sys.exception())
                yield repr(sys.exception())
            yield repr(sys.exception())

        same(tuple(own()), ("OSError('o')", "OSError('o')", "KeyError('k')"))
        same(list(own()), ["OSError('o')", "OSError('o')", "KeyError('k')"])
        check(sys.exception() is e)
    check(sys.exception() is None)


def case_generators_that_ask_for_themselves():
    for consume in ALL:
        def selfish():
            yield 1
            says("generator already executing", ValueError, consume, me)
            says("generator already executing", ValueError, next, me)
            yield 2

        me = selfish()
        consume(me)
        check(me.gi_frame is None)

    def shows():
        yield me.gi_running
        yield me.gi_frame.f_code.co_name
        yield me.gi_frame.f_back.f_code.co_name

    me = shows()
    same(list(me), [True, "shows", "case_generators_that_ask_for_themselves"])
    me = shows()
    same(tuple(me), (True, "shows", "case_generators_that_ask_for_themselves"))


def case_nested_consumers():
    def nested(n):
        return sum(nested(n - 1) for _ in range(2)) if n else 1

    same(nested(7), 128)
    same(list(tuple(set(z for z in range(y)) for y in range(x)) for x in range(3)), [(), (set(),), (set(), {0})])

    def mixed(n):
        if n == 0:
            return ()
        return tuple(list(mixed(n - 1) for _ in range(1)) for _ in range(1))

    got, depth = mixed(20), 0
    while got:
        got, depth = got[0], depth + 1
    same(depth, 40)
    same(list(x for y in (set(a for a in (1,)) for _ in range(3)) for x in y), [1, 1, 1])


def case_the_generator_is_let_go_while_it_runs():
    def g():
        nonlocal x
        yield 1
        x = None
        yield 2
        yield x

    for consume in (list, tuple):
        x = g()
        same(consume(x), consume([1, 2, None]))


def case_delegating_generators():
    def inner(n):
        for i in range(n):
            yield i
        return n * 10

    def outer():
        yield from range(2)
        yield from (c for c in "ab")
        yield (yield from inner(2))

    wanted = [0, 1, "a", "b", 0, 1, 20]
    same(list(outer()), wanted)
    same(tuple(outer()), tuple(wanted))
    same(set(outer()), set(wanted))
    same([*outer()], wanted)
    check(any(x == 20 for x in outer()))
    x = outer()
    check(any(y == "a" for y in x))
    same(list(x), ["b", 0, 1, 20])


def case_early_returns():
    def g(n):
        for x in range(5):
            yield x
            if x == n:
                return
        yield "end"

    same([list(g(1)), tuple(g(0)), sorted(g(2)), list(g(9))], [[0, 1], (0,), [0, 1, 2], [0, 1, 2, 3, 4, "end"]])


def case_sends_to_what_was_half_consumed():
    def g():
        got = yield 0
        while True:
            got = yield got

    x = g()
    check(any(v is None for v in x))
    same(x.send("s"), "s")
    check("s" != next(x))
    raises(KeyError, x.throw, KeyError)
    same(list(x), [])


run(globals())
