"""Tasks and futures of `asyncio`: who runs, who waits for whom, and what is told of those that nobody waited for."""
import asyncio
import gc
import threading

from _checks import alone, check, raises, run, same, says


def finish(main):
    """Runs the coroutine in a loop of its own."""
    return asyncio.run(main, loop_factory=asyncio.SelectorEventLoop)


async def child(n=0):
    for _ in range(n):
        await asyncio.sleep(0)
    return n


def case_steps_and_results():
    async def main():
        same(await asyncio.gather(*map(child, range(5))), list(range(5)))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(child(n), name="t%d" % n) for n in range(4)]
        same([t.result() for t in tasks], list(range(4)))
        same([t.get_name() for t in tasks], ["t0", "t1", "t2", "t3"])
        future = asyncio.get_running_loop().create_future()
        order = []
        for n in range(3):
            future.add_done_callback(lambda f, n=n: order.append((n, f.result())))
        future.add_done_callback(order.append)
        same(future.remove_done_callback(order.append), 1)
        future.set_result("r")
        same(order, [])
        await asyncio.sleep(0)
        same(order, [(0, "r"), (1, "r"), (2, "r")])
        says("invalid state", asyncio.InvalidStateError, future.set_result, 1)

    finish(main())


def case_all_tasks():
    async def main():
        loop, me = asyncio.get_running_loop(), asyncio.current_task()
        same(asyncio.all_tasks(), {me})
        tasks = {loop.create_task(child(3)) for _ in range(20)}
        same(asyncio.all_tasks(), tasks | {me})
        await asyncio.gather(*tasks)
        same(asyncio.all_tasks(loop), {me})
        # What has been dropped is not kept by being looked for.
        loop.create_task(child())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        same(asyncio.all_tasks(loop), {me})

    finish(main())


def case_seen_from_another_thread():
    async def main():
        loop, me = asyncio.get_running_loop(), asyncio.current_task()
        others = [loop.create_task(asyncio.sleep(1000)) for _ in range(3)]
        await asyncio.sleep(0)
        seen = []

        def look():
            seen.append((asyncio.current_task(loop), asyncio.all_tasks(loop), [t.get_coro().cr_frame for t in others]))
            raises(RuntimeError, asyncio.current_task)

        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        current, tasks, frames = seen.pop()
        same((current, tasks), (me, {me, *others}))
        check(all(frames))
        for t in others:
            t.cancel()

    finish(main())


def case_cancelling():
    async def stubborn(log):
        for _ in range(2):
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError as e:
                log.append((e.args, asyncio.current_task().cancelling()))
                asyncio.current_task().uncancel()
        await asyncio.sleep(1000)

    async def main():
        log = []
        task = asyncio.create_task(stubborn(log))
        await asyncio.sleep(0)
        for message in ("one", "two", "three"):
            same(task.cancel(message), True)
            await asyncio.sleep(0)
        try:
            await task
        except asyncio.CancelledError as e:
            same(e.args, ("three",))
        same(log, [(("one",), 1), (("two",), 1)])
        same((task.cancelled(), task.cancel(), task.cancelling()), (True, False, 1))
        # Before its first step.
        early = asyncio.create_task(child())
        early.cancel()
        same(await asyncio.gather(early, return_exceptions=True) and early.cancelled(), True)

    finish(main())


def case_eager_tasks():
    async def waits(log):
        log.append(asyncio.current_task() in asyncio.all_tasks())
        await asyncio.sleep(0)
        log.append("end")

    async def main():
        loop, me = asyncio.get_running_loop(), asyncio.current_task()
        loop.set_task_factory(asyncio.eager_task_factory)
        done = loop.create_task(child())
        same((done.done(), done.result(), done.get_coro()), (True, 0, None))
        log = []
        task = loop.create_task(waits(log))
        same((log, asyncio.current_task(), asyncio.all_tasks()), ([True], me, {me, task}))
        await task
        same(log, [True, "end"])

    finish(main())


def case_what_nobody_saw_is_told():
    async def main():
        loop, told = asyncio.get_running_loop(), []
        loop.set_exception_handler(lambda loop, context: told.append((context["message"], context.get("exception"))))
        error = ValueError("lost")
        for kind in (asyncio.Future, type("Mine", (asyncio.Future,), {})):
            future = kind(loop=loop)
            future.set_exception(error)
            del future
            gc.collect()
        task = loop.create_task(child(5))
        await asyncio.sleep(0)
        # The loop is all that refers to it.
        loop._ready.clear()
        del task
        gc.collect()
        same(told, [
            ("Future exception was never retrieved", error),
            ("Mine exception was never retrieved", error),
            ("Task was destroyed but it is pending!", None),
        ])
        seen = loop.create_future()
        seen.set_exception(error)
        same(seen.exception(), error)
        del seen
        gc.collect()
        same(len(told), 3)

    loop = asyncio.SelectorEventLoop()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


def case_a_running_coroutine_refers_to_its_variables():
    async def main():
        thing = ValueError()
        coroutine = asyncio.current_task().get_coro()
        same(gc.get_referrers(thing), [coroutine])
        del thing

    finish(main())


def case_futures_of_other_classes():
    class Other:
        _asyncio_future_blocking = False

        def __init__(self):
            self._loop, self.callback, self.cancelled_with = asyncio.get_running_loop(), None, []

        def add_done_callback(self, f, *, context):
            self.callback = f

        def cancel(self, msg=None):
            self.cancelled_with.append(msg)
            return False

        def result(self):
            return 1

        def __await__(self):
            self._asyncio_future_blocking = True
            yield self
            return "other"

    async def wait(other):
        return await other

    async def main():
        other = Other()
        task = asyncio.create_task(wait(other))
        await asyncio.sleep(0)
        same(other._asyncio_future_blocking, False)
        check(task._fut_waiter is other)
        asyncio.get_running_loop().call_soon(other.callback, other)
        same(await task, "other")
        wrong = asyncio.create_task(wait(type("Bad", (), {"__await__": lambda self: iter([7])})()))
        try:
            await wrong
        except RuntimeError as e:
            same(str(e), "Task got bad yield: 7")
        else:
            check(False)

    finish(main())


@alone
def case_dead_before_the_next_wait():
    # What the loop has done with is let go before it waits again, however it hangs together, and whatever threads there have been.
    class Noisy:
        def __init__(self, n):
            self.n = n

        def __del__(self):
            died.append(self.n)

    died = []

    async def fails(noisy):
        raise ZeroDivisionError

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: died.append(context["message"][-10:]))
        loop.call_soon(lambda noisy: None, Noisy(1))
        for _ in range(3):
            await asyncio.sleep(0)
        same(died, [1])
        asyncio.Task(fails(Noisy(2)))
        for _ in range(3):
            await asyncio.sleep(0)
        same(died[1], " retrieved")
        del died[:]

    other = threading.Thread(target=int)
    other.start()
    other.join()
    finish(main())


def case_awaited_by():
    async def main():
        loop, me = asyncio.get_running_loop(), asyncio.current_task()
        future = loop.create_future()
        same(future._asyncio_awaited_by, None)
        first, second = [asyncio.create_task(asyncio.wait_for(future, None)) for _ in range(2)]
        await asyncio.sleep(0)
        same(future._asyncio_awaited_by, frozenset({first, second}))
        loop.call_soon(future.set_result, 1)
        await first
        await second
        check(not future._asyncio_awaited_by)

    finish(main())


run(globals())
