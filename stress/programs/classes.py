"""Classes made, changed and dropped in threads; one class changed by one thread and used by the others."""
import dataclasses
import enum
import functools
import threading

from _common import THREADS, check, done, join, same, scaled, spawn, together

STEPS = scaled(6000)


def own_classes(number):
    for i in range(STEPS):
        class Base:
            kind = (number, i)

            def __init__(self, x):
                self.x = x

            def get(self):
                return self.kind + (self.x,)

        class Derived(Base):
            __slots__ = ("y",)

            def __init__(self, x, y):
                super().__init__(x)
                self.y = y

            @property
            def both(self):
                return self.x, self.y

        made = type("Made%d" % i, (Derived,), {"extra": lambda self: self.both + self.get()})
        same(made(i, number).extra(), (i, number, number, i, i), "call")
        check(issubclass(made, Base) and made.__mro__[1] is Derived, "mro")
        Base.kind = (number, -i)
        same(made(1, 2).get(), (number, -i, 1), "after the base changed")
    for i in range(scaled(60)):
        point = dataclasses.make_dataclass("P%d" % i, [("x", int), ("y", int, 5)], frozen=True)
        same(repr(point(i)), "P%d(x=%d, y=5)" % (i, i), "dataclass")
        color = enum.Enum("Color", ["RED", "GREEN"])
        check(color(2) is color.GREEN and color["RED"].value == 1, "enum")


class Shared:
    value = 0
    registry = []

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        Shared.registry.append(cls)

    def read(self):
        return self.value


def change(number, stop):
    i = 0
    while not stop.is_set():
        i += 1
        Shared.value = i
        if i % 2:
            Shared.read = lambda self: self.value
        else:
            Shared.read = lambda self: self.value + 0
        setattr(Shared, "attribute%d" % (i % 5), i)
        if i % 5 == 4:
            delattr(Shared, "attribute%d" % (i % 5))


def use(number):
    thing = Shared()
    last = 0
    for _ in range(STEPS * 40):
        value = thing.read()
        check(last <= value, "an old value came back:", last, value)
        last = value


def subclass(number, classes):
    for i in range(STEPS // 3):
        classes[number].append(type("Sub%d_%d" % (number, i), (Shared,), {"number": number}))


stop = threading.Event()
changer = spawn(1, change, stop)
together(THREADS, use)
stop.set()
join(changer)
together(THREADS, own_classes)

classes = [[] for _ in range(THREADS)]
together(THREADS, subclass, classes)
every = {cls.__name__ for part in classes for cls in part}
same(len(every), THREADS * (STEPS // 3), "subclasses made")
same({cls.__name__ for cls in Shared.registry}, every, "__init_subclass__")
same({cls.__name__ for cls in Shared.__subclasses__()}, every, "__subclasses__")

calls = []


@functools.lru_cache(maxsize=64)
def cached(n):
    calls.append(n)
    return n * n


def call_cached(number):
    for i in range(STEPS * 10):
        n = (i * 7 + number) % 100
        same(cached(n), n * n, "lru_cache")


@functools.singledispatch
def dispatch(x):
    return "object"


dispatch.register(int)(lambda x: "int")
dispatch.register(list)(lambda x: "list")


def call_dispatch(number):
    for i in range(STEPS):
        same((dispatch(i), dispatch([]), dispatch("")), ("int", "list", "object"), "singledispatch")


together(THREADS, call_cached)
together(THREADS, call_dispatch)
done()
