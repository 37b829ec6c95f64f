"""Event loops in several threads at once: each runs its own, and reaches into the others' with call_soon_threadsafe and
run_coroutine_threadsafe; all_tasks of a loop, asked from any thread, gives that loop's tasks and no others."""
import asyncio
import threading

from _common import THREADS, check, done, join, same, scaled, spawn

ROUNDS = scaled(120)
READY = threading.Barrier(THREADS)
LOOPS = [None] * THREADS
FINISHED = []


async def child(n):
    for _ in range(n):
        await asyncio.sleep(0)
    return n


async def answer(number, i):
    await asyncio.sleep(0)
    same(asyncio.get_running_loop(), LOOPS[number], "the loop of a coroutine sent to it")
    name = asyncio.current_task().get_name()
    check(name.startswith("Task-"), name)
    return number, i


def look(me):
    """Asks for the tasks of all loops, with their names and states, and what they run now."""
    for number, loop in enumerate(LOOPS):
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            same(task.get_loop(), loop, "a task's loop")
            task.get_name(), task.done(), task.get_coro()
        if number == me:
            check(asyncio.current_task() in tasks, "the task that asks")
        else:
            now = asyncio.current_task(loop)
            check(now is None or now.get_loop() is loop, "a task that runs elsewhere")


async def main(number):
    LOOPS[number] = asyncio.get_running_loop()
    READY.wait()
    told = []
    others = [loop for loop in LOOPS if loop is not LOOPS[number]]
    mine = asyncio.Event()
    for i in range(ROUNDS):
        same(await asyncio.gather(*map(child, range(8))), list(range(8)), "gather")
        sent = [asyncio.run_coroutine_threadsafe(answer(LOOPS.index(loop), i), loop) for loop in others]
        same([f.get_loop() is LOOPS[number] for f in map(asyncio.wrap_future, sent)], [True] * len(sent), "wrapped")
        for loop, f in zip(others, sent):
            same(await asyncio.wrap_future(f), (LOOPS.index(loop), i), "an answer from another loop")
        for loop in others:
            loop.call_soon_threadsafe(told_by, number, i)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(mine.wait())
            group.create_task(child(3))
            LOOPS[(number + 1) % THREADS].call_soon_threadsafe(child(0).close)
            asyncio.get_running_loop().call_soon(mine.set)
        check(waiting.done())
        mine.clear()
        if i % 8 == 0:
            look(number)
        cancelled = asyncio.create_task(asyncio.sleep(1000))
        cancelled.cancel("enough")
        try:
            await cancelled
        except asyncio.CancelledError as e:
            same(e.args, ("enough",), "the message")
        else:
            check(False, "not cancelled")
        # Lost on purpose: a future of this loop that other threads may see die.
        told.append(asyncio.get_running_loop().create_future())
    # Nobody's loop is closed while others still talk to it.
    FINISHED.append(number)
    while len(FINISHED) < THREADS:
        await asyncio.sleep(0.001)
    same([t for t in asyncio.all_tasks() if t is not asyncio.current_task()], [], "tasks left over")


HEARD = [[0] * THREADS for _ in range(THREADS)]


def told_by(teller, i):
    number = LOOPS.index(asyncio.get_running_loop())
    same(HEARD[number][teller], i, "told in order")
    HEARD[number][teller] += 1


def run(number):
    asyncio.run(main(number), loop_factory=asyncio.SelectorEventLoop)


def watch(number):
    """A thread without a loop that looks at those of others."""
    while len(FINISHED) < THREADS:
        for loop in LOOPS:
            if loop is not None:
                for task in asyncio.all_tasks(loop):
                    repr(task.get_name())
                    task.cancelling()
                asyncio.current_task(loop)


def main_program():
    watcher = threading.Thread(target=watch, args=(0,))
    watcher.start()
    join(spawn(THREADS, run))
    watcher.join()
    for number in range(THREADS):
        same([n for t, n in enumerate(HEARD[number]) if t != number], [ROUNDS] * (THREADS - 1), "told")


main_program()
done()
