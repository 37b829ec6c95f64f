"""Generators of each thread's own, generators handed on between steps, and one that many threads ask at once."""
import itertools
import queue

from _common import THREADS, check, done, same, scaled, together

STEPS = max(100, scaled(240_000))


def count_to(n, table):
    for i in range(n):
        sent = yield i
        if sent is not None:
            table[sent] = i


def nested(n):
    for i in range(n):
        yield from (i * j for j in range(5))


def own(number):
    table = {}
    gen = count_to(STEPS, table)
    same(next(gen), 0, "first")
    total = 0
    for i in range(1, STEPS):
        total += gen.send(i & 7)
    same(total, STEPS * (STEPS - 1) // 2, "sum")
    same(sorted(table), list(range(8)), "sent")
    same(sum(nested(STEPS // 5)), sum(i * 10 for i in range(STEPS // 5)), "nested")
    gen = count_to(5, {})
    next(gen)
    gen.close()
    same(list(gen), [], "closed")
    try:
        gen.throw(ValueError("late"))
    except ValueError as e:
        same(e.args, ("late",), "thrown")


def handed_on(number, boxes, out):
    """Each thread takes two steps of a generator that others started, then passes it on."""
    for i in range(20):
        boxes[number].put((0, nested(40)))
    while True:
        item = boxes[number].get()
        if item is None:
            return
        total, gen = item
        try:
            total += next(gen)
            total += next(gen)
        except StopIteration:
            out.put(total)
            if out.qsize() == 20 * THREADS:
                for box in boxes:
                    box.put(None)
            continue
        boxes[(number + 1) % THREADS].put((total, gen))


def ask(number, gen, got):
    while True:
        try:
            got[number].append(next(gen))
        except ValueError as e:
            same(str(e), "generator already executing", "busy generator")
        except StopIteration:
            return


class Pause:
    def __await__(self):
        yield self


def round_robin(coroutines):
    """Runs coroutines in turn until all have ended; gives the sum of their results."""
    total, waiting = 0, list(coroutines)
    while waiting:
        still = []
        for c in waiting:
            try:
                c.send(None)
                still.append(c)
            except StopIteration as e:
                total += e.value
        waiting = still
    return total


def loops(number):
    async def leaf(n):
        await Pause()
        return n * number

    async def child(n):
        return await leaf(n)

    for _ in range(scaled(40)):
        same(round_robin(child(n) for n in range(200)), number * 19900, "coroutines")


together(THREADS, own)
boxes = [queue.Queue() for _ in range(THREADS)]
out = queue.Queue()
together(THREADS, handed_on, boxes, out)
for _ in range(20 * THREADS):
    same(out.get(), sum(i * 10 for i in range(40)), "handed on")

got = [[] for _ in range(THREADS)]
together(THREADS, ask, (i for i in range(STEPS)), got)
every = sorted(i for part in got for i in part)
same(every, list(range(STEPS)), "one generator, many threads")

counter = itertools.count()
got = [[] for _ in range(THREADS)]
together(THREADS, lambda number: got[number].extend(next(counter) for _ in range(STEPS // 4)))
same(sorted(i for part in got for i in part), list(range(STEPS // 4 * THREADS)), "itertools.count")
together(THREADS, loops)
done()
