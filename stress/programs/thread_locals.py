"""Counters of each thread's own: threading.local, contextvars, and closures."""
import contextvars
import gc
import threading
import weakref

from _common import THREADS, check, done, same, scaled, together

STEPS = scaled(320_000)
local = threading.local()
variable = contextvars.ContextVar("variable", default=0)


class Rich(threading.local):
    initial = 10

    def __init__(self, start):
        self.count = start
        self.items = []


rich = Rich(5)


def count(number):
    check(not hasattr(local, "n"), "another thread's value")
    local.n = 0
    local.who = number
    same((rich.count, rich.items), (5, []), "a fresh thread's values")
    same(variable.get(), 0, "a fresh context")
    for i in range(STEPS):
        local.n += 1
        rich.count += 1
        if i % 16 == 0:
            rich.items.append(number)
            variable.set(variable.get() + number)
    same((local.n, local.who, rich.count), (STEPS, number, STEPS + 5), "counters")
    same(set(rich.items), {number}, "items")
    same(variable.get(), number * len(range(0, STEPS, 16)), "context variable")
    context = contextvars.copy_context()
    context.run(variable.set, -1)
    same((context[variable], variable.get() >= 0), (-1, True), "a copied context")
    del local.n
    check(not hasattr(local, "n"), "deleted")


for _ in range(2):
    together(THREADS, count)
check(not hasattr(local, "n"), "the main thread's")


class Mark:
    pass


def leave_behind(number, refs):
    mark = Mark()
    local.mark = mark
    refs.append(weakref.ref(mark))


refs = []
for _ in range(scaled(80)):
    together(THREADS, leave_behind, refs)
gc.collect()
gc.collect()
alive = sum(ref() is not None for ref in refs)
same(alive, 0, "values of threads that have gone")


def counter():
    n = 0

    def step():
        nonlocal n
        n += 1
        return n
    return step


def closures(number):
    mine = counter()
    for i in range(1, STEPS):
        check(mine() == i, "closure")


together(THREADS, closures)
done()
