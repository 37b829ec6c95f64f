"""Producers and consumers over each kind of queue: nothing lost, nothing twice, order kept per producer."""
import queue
import threading

from _common import THREADS, check, done, join, same, scaled, spawn

ITEMS = scaled(60_000)
STOP = object()


def produce(number, q, items):
    for i in range(items):
        q.put((number, i))


def consume(number, q, got):
    last = {}
    while True:
        item = q.get()
        if item is STOP:
            break
        producer, i = item
        check(last.get(producer, -1) < i, "out of order from", producer)
        last[producer] = i
        got[number].append(item)


def through(q, items):
    got = [[] for _ in range(THREADS)]
    consumers = spawn(THREADS, consume, q, got)
    join(spawn(THREADS, produce, q, items))
    for _ in range(THREADS):
        q.put(STOP)
    join(consumers)
    every = sorted(item for part in got for item in part)
    same(every, [(p, i) for p in range(THREADS) for i in range(items)], type(q).__name__)


def through_priority(items):
    q = queue.PriorityQueue()
    join(spawn(THREADS, produce, q, items))
    got = [q.get_nowait() for _ in range(q.qsize())]
    same(got, sorted(got), "priority order")
    same(len(got), THREADS * items, "priority queue")


def tasks_done():
    q = queue.LifoQueue(maxsize=8)
    served = []

    def serve():
        while (item := q.get()) is not None:
            served.append(item)
            q.task_done()
        q.task_done()

    crew = [threading.Thread(target=serve) for _ in range(THREADS)]
    for thread in crew:
        thread.start()
    for i in range(2000):
        q.put(i)
    q.join()
    same(sorted(served), list(range(2000)), "join() came before the work was done")
    for _ in crew:
        q.put(None)
    for thread in crew:
        thread.join()
    try:
        q.get(timeout=0.01)
    except queue.Empty:
        pass
    else:
        check(False, "something left")


through(queue.Queue(), ITEMS)
through(queue.Queue(maxsize=3), ITEMS // 8)
through(queue.SimpleQueue(), ITEMS * 2)
through_priority(ITEMS // 8)
tasks_done()
done()
