"""Asynchronous generators that are entered from the `async for` or `await` that asks them: what they yield, return, raise and are sent."""
import sys
import traceback
import types

from _checks import check, raises, run, same, says


@types.coroutine
def pause(what):
    return (yield what)


def drive(coroutine):
    """What it passes on, each answered by a number, and what it returns."""
    passed, answer = [], None
    try:
        while True:
            passed.append(coroutine.send(answer))
            answer = len(passed)
    except StopIteration as e:
        return passed, e.value


def result(coroutine):
    passed, value = drive(coroutine)
    same(passed, [])
    return value


async def steps(n):
    for i in range(n):
        answer = await pause(("step", i))
        try:
            sent = yield i, answer
        except ValueError as e:
            await pause("caught")
            sent = yield str(e)
        if sent is not None:
            await pause(("sent", sent))


async def numbers(*all):
    for i in all:
        yield i


async def tree(n):
    if n:
        async for i in tree(n - 1):
            yield i
    yield n
    if n:
        async for i in tree(n - 1):
            yield i


def case_items():
    async def main():
        return [i async for i in steps(3)]

    same(drive(main()), ([("step", 0), ("step", 1), ("step", 2)], [(0, 1), (1, 2), (2, 3)]))


def case_sent_thrown_closed():
    async def main():
        a = steps(3)
        got = [await a.__anext__(), await a.asend("x"), await a.athrow(ValueError("v")), await a.__anext__()]
        await a.aclose()
        try:
            await a.__anext__()
        except StopAsyncIteration as e:
            got.append(e.args)
        return got

    passed, value = drive(main())
    same(value, [(0, 1), (1, 3), "v", (2, 5), ()])
    same(passed, [("step", 0), ("sent", "x"), ("step", 1), "caught", ("step", 2)])


def case_depth():
    async def main():
        return [i async for i in tree(8)]

    got = result(main())
    same((len(got), sum(got)), (511, 502))

    async def early():
        async for i in tree(6):
            if i == 3:
                return i

    same(result(early()), 3)


def case_values_die_in_time():
    class Dies:
        def __del__(self):
            dead.append(len(seen))

    async def makes():
        for _ in range(3):
            yield Dies()

    async def main():
        async for i in makes():
            del i
            seen.append(1)

    dead, seen = [], []
    result(main())
    same((dead, seen), ([0, 1, 2], [1, 1, 1]))


def case_exceptions():
    async def fails():
        yield 1
        raise KeyError("x")

    async def stops():
        yield 1
        raise StopAsyncIteration

    async def main(a):
        got = []
        try:
            async for i in a:
                got.append(i)
        except Exception as e:
            got.append(e)
        return got

    got = result(main(fails()))
    same((got[0], type(got[1])), (1, KeyError))
    same([f.name for f in traceback.extract_tb(got[1].__traceback__)], ["main", "fails"])
    check(got[1].__context__ is None)
    got = result(main(stops()))
    same((got[0], type(got[1]), type(got[1].__cause__)), (1, RuntimeError, StopAsyncIteration))

    async def ended():
        a = numbers(1)
        got = [await anext(a), await anext(a, "end")]
        try:
            await anext(a)
        except StopAsyncIteration as e:
            got.append([f.name for f in traceback.extract_tb(e.__traceback__)])
        return got

    same(result(ended()), [1, "end", ["ended"]])


def case_misuse():
    async def main():
        a = numbers(1, 2, 3)
        one, other = a.__anext__(), a.__anext__()
        got = [await one]
        for again in one, a.asend(5):
            try:
                got.append(await again)
            except RuntimeError as e:
                got.append(str(e))
        got.append(await other)
        return got

    same(result(main()), [1, "cannot reuse already awaited __anext__()/asend()", 2, 3])

    a = steps(1)
    one, other = a.__anext__(), a.__anext__()
    same(one.send(None), ("step", 0))
    check(a.ag_running)
    says("anext(): asynchronous generator is already running", RuntimeError, other.send, None)
    same(raises(StopIteration, one.send, 7).value, (0, 7))
    check(not a.ag_running)

    async def itself():
        me = box[0]
        try:
            await me.__anext__()
        except RuntimeError as e:
            yield str(e)

    box = [None]
    box[0] = itself()

    async def asks():
        return [i async for i in box[0]]

    same(result(asks()), ["anext(): asynchronous generator is already running"])

    async def just_begun():
        await numbers(1).asend(1)

    says("can't send non-None value to a just-started async generator", TypeError, result, just_begun())


def case_what_is_handled():
    async def handles():
        try:
            raise ValueError
        except ValueError:
            yield type(sys.exception())
            yield type(sys.exception())
        yield type(sys.exception())

    async def main():
        got = []
        try:
            raise KeyError
        except KeyError:
            async for i in handles():
                got += [i, type(sys.exception())]
        return got

    same(result(main()), [ValueError, KeyError, ValueError, KeyError, KeyError, KeyError])


def case_frames():
    async def looks():
        f = sys._getframe()
        yield f.f_back.f_code.co_name
        yield sys._getframe().f_back.f_code.co_name
        await pause(0)
        yield f is sys._getframe()

    async def main():
        return [i async for i in looks()]

    same(drive(main())[1], ["main", "main", True])


def case_thrown_into_what_waits():
    async def waits():
        try:
            await pause("a")
        except ValueError as e:
            yield str(e)
        await pause("b")

    async def main():
        async for i in waits():
            got.append(i)

    got = []
    c = main()
    same(c.send(None), "a")
    same(c.throw(ValueError("thrown")), "b")
    raises(KeyError, c.throw, KeyError)
    same(got, ["thrown"])
    c = main()
    c.send(None)
    c.close()
    same(got, ["thrown"])


def case_traced():
    async def traced():
        yield 1
        yield 2

    def trace(frame, event, arg):
        if frame.f_code.co_name in ("traced", "main"):
            events.append((event, frame.f_code.co_name))
        return trace

    async def main():
        async for i in traced():
            if i == 1:
                sys.settrace(trace)
        sys.settrace(None)

    events = []
    result(main())
    same([e for e in events if e[1] == "traced"], [("call", "traced"), ("line", "traced"), ("return", "traced"), ("call", "traced"), ("return", "traced")])


run(globals())
