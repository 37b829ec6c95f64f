"""Instances, classes, generators, weak references, graphs that wander, closures, exceptions."""
import gc
import queue
import sys
import threading
import weakref

from parts import Logs, Part, check, same


class Point:
    limit = 10

    def __init__(self, number):
        self.number = number
        self.pair = (number, number)

    def double(self):
        return 2 * self.number


class Slotted:
    __slots__ = ("left", "right", "__weakref__")

    def __init__(self, left, right):
        self.left = left
        self.right = right


class Instances(Part):
    """Attributes come and go, each written by one thread; those that all write are whole."""
    OPS = ("own", "remove", "read", "read", "pairs", "through_dict", "slots", "counter", "views")
    COUNT = 12

    def start(self):
        self.things = [Point(i) for i in range(self.COUNT)]
        self.slotted = Slotted((0, 0), (0, 0))
        self.mine = [{} for _ in range(self.threads)]
        self.lock = threading.Lock()
        self.count = 0
        self.adds = [0] * self.threads

    def place(self, worker):
        return worker.random.randrange(self.COUNT), "a%d_%d" % (worker.number, worker.random.randrange(8))

    def own(self, worker):
        at, name = self.place(worker)
        value = self.mine[worker.number].get((at, name), 0) + 1
        setattr(self.things[at], name, (name, value))
        self.mine[worker.number][at, name] = value
        same(getattr(self.things[at], name), (name, value), "attribute")

    def remove(self, worker):
        at, name = self.place(worker)
        if self.mine[worker.number].pop((at, name), None) is not None:
            delattr(self.things[at], name)
        check(not hasattr(self.things[at], name), "removed, yet there", name)

    def read(self, worker):
        at = worker.random.randrange(self.COUNT)
        name = "a%d_%d" % (worker.random.randrange(self.threads), worker.random.randrange(8))
        thing = self.things[at]
        value = getattr(thing, name, None)
        check(value is None or value[0] == name, "another attribute's value", name, value)
        same(thing.number, at, "number")
        same(thing.double(), 2 * at, "method")
        same(thing.limit, 10, "class attribute")

    def pairs(self, worker):
        thing = self.things[worker.random.randrange(self.COUNT)]
        a, b = thing.pair
        same(a, b, "pair")
        thing.pair = (worker.number, worker.number)

    def through_dict(self, worker):
        at, name = self.place(worker)
        namespace = self.things[at].__dict__
        value = self.mine[worker.number].get((at, name), 0) + 1
        namespace[name] = (name, value)
        self.mine[worker.number][at, name] = value
        same(getattr(self.things[at], name), (name, value), "attribute")
        same(vars(self.things[at])[name], (name, value), "entry")

    def slots(self, worker):
        side = worker.random.choice(("left", "right"))
        a, b = getattr(self.slotted, side)
        same(a, b, "slot")
        setattr(self.slotted, side, (worker.number, worker.number))

    def counter(self, worker):
        with self.lock:
            self.count += 1
        self.adds[worker.number] += 1

    def views(self, worker):
        thing = self.things[worker.random.randrange(self.COUNT)]
        for name, value in dict(vars(thing)).items():
            check(name in ("number", "pair") or value[0] == name, "a view", name, value)
        check("pair" in dir(thing), "dir")

    def settle(self):
        wanted = [{} for _ in self.things]
        for mine in self.mine:
            for (at, name), value in mine.items():
                wanted[at][name] = (name, value)
        for thing, names in zip(self.things, wanted):
            found = {name: value for name, value in vars(thing).items() if name not in ("number", "pair")}
            same(found, names, "attributes at rest")
            for name, value in names.items():
                same(getattr(thing, name), value, name)
        same(self.count, sum(self.adds), "counter")
        self.things = [Point(i) for i in range(self.COUNT)]
        for mine in self.mine:
            mine.clear()
        return [sorted(names.items()) for names in wanted], self.count


class Base:
    kind = "base"

    def name(self):
        return "Base.name"


class Left(Base):
    kind = "left"

    def name(self):
        # Not super(): the class of what wanders may be another by then.
        return "Left." + Base.name(self)


class Right(Base):
    kind = "right"

    def name(self):
        return "Right." + Base.name(self)


class Classes(Part):
    """Classes and methods are replaced under the feet of those that use them."""
    OPS = ("attribute", "method", "moves", "made", "call", "call", "checks", "descriptors")
    NAMES = ("Base.name", "Left.Base.name", "Right.Base.name", "new", "Left.new", "Right.new")

    def start(self):
        self.wanderers = [Left() for _ in range(8)]
        self.mine = [0] * self.threads

    def close(self):
        for number, value in enumerate(self.mine):
            if value:
                delattr(Base, "of_%d" % number)

    def attribute(self, worker):
        name = "of_%d" % worker.number
        self.mine[worker.number] += 1
        setattr(Base, name, self.mine[worker.number])
        same(getattr(Right, name), self.mine[worker.number], "an inherited attribute")

    def method(self, worker):
        if worker.random.random() < 0.5:
            Base.name = lambda self: "new"
        else:
            Base.name = lambda self: "Base.name"

    def moves(self, worker):
        thing = self.wanderers[worker.random.randrange(8)]
        thing.__class__ = worker.random.choice((Left, Right))
        check(thing.kind in ("left", "right"), "kind", thing.kind)

    def made(self, worker):
        made = type("Made", (worker.random.choice((Left, Right)),), {"value": worker.number})
        thing = made()
        same(thing.value, worker.number, "value")
        check(isinstance(thing, Base) and issubclass(made, Base), "not of its class")
        check(thing.name().split(".")[0] in ("Left", "Right"), "name")

    def call(self, worker):
        thing = self.wanderers[worker.random.randrange(8)]
        check(thing.name() in self.NAMES, "name", thing.name())
        bound = thing.name
        check(bound() in self.NAMES, "bound name")

    def checks(self, worker):
        thing = self.wanderers[worker.random.randrange(8)]
        check(type(thing) in (Left, Right) and isinstance(thing, Base), "type")
        check(Left.__mro__ == (Left, Base, object), "mro")
        check(Left in Base.__subclasses__() and Right in Base.__subclasses__(), "subclasses")

    def descriptors(self, worker):
        Right.both = property(lambda self: "both")
        Left.both = classmethod(lambda cls: "both")
        same(Right().both, "both", "property")
        same(Left.both(), "both", "class method")

    def settle(self):
        for number, value in enumerate(self.mine):
            same(getattr(Left, "of_%d" % number, 0), value, "class attribute at rest")
        gc.collect()
        return list(self.mine)


def numbers(start):
    number = start
    while True:
        step = yield number
        number += step or 1


def pieces(values):
    try:
        for value in values:
            yield value
    finally:
        values.append("closed")


class Generators(Part):
    """Generators that several threads use in turn or at once, and those that wander."""
    OPS = ("in_turn", "at_once", "wander", "delegate", "throws", "expressions")

    def start(self):
        self.lock = threading.Lock()
        self.begin()
        self.box = queue.SimpleQueue()
        for i in range(self.threads):
            self.box.put((numbers(0), 0))

    def begin(self):
        self.turns = numbers(0)
        self.turn = Logs(self.threads)
        self.free = numbers(0)
        self.got = Logs(self.threads)
        self.hops = [0] * self.threads

    def in_turn(self, worker):
        with self.lock:
            self.turn.of(worker).append(next(self.turns))

    def at_once(self, worker):
        for _ in range(3):
            try:
                self.got.of(worker).append(next(self.free))
            except ValueError as error:
                check("already executing" in str(error), error)

    def wander(self, worker):
        generator, count = self.box.get()
        for _ in range(3):
            same(next(generator), count, "a generator that wanders")
            count += 1
        same(generator.gi_frame.f_locals["number"], count - 1, "its local")
        self.hops[worker.number] += 3
        self.box.put((generator, count))

    def delegate(self, worker):
        values = [1, 2, 3]

        def outer():
            got = yield from pieces(values)
            yield got

        # What the inner one appends in its end is not yielded: its loop is over then.
        same(list(outer()), [1, 2, 3, None], "delegation")
        same(values, [1, 2, 3, "closed"], "closed")

    def throws(self, worker):
        values = [1, 2, 3]
        generator = pieces(values)
        next(generator)
        try:
            generator.throw(KeyError("thrown"))
            check(False, "not thrown")
        except KeyError as error:
            same(error.args, ("thrown",), "thrown")
        same(values[-1], "closed", "closed")
        generator = pieces(values)
        next(generator)
        generator.close()
        same(values[-2:], ["closed", "closed"], "closed twice")

    def expressions(self, worker):
        n = worker.random.randrange(30)
        same(sum(i * i for i in range(n)), sum([i * i for i in range(n)]), "sum")
        same({i: str(i) for i in range(n)}, dict(zip(range(n), map(str, range(n)))), "dict")

    def settle(self):
        turns = sorted(self.turn.all())
        same(turns, list(range(len(turns))), "numbers in turn")
        got = sorted(self.got.all())
        same(got, list(range(len(got))), "numbers at once")
        wandered = [self.box.get() for _ in range(self.threads)]
        total = sum(count for _, count in wandered)
        for generator, count in wandered:
            same(next(generator), count, "a generator at rest")
            generator.close()
            self.box.put((numbers(0), 0))
        same(total, sum(self.hops), "hops")
        self.begin()
        return len(turns), total


class Weakrefs(Part):
    """A weak reference gives its whole object or nothing; a callback comes once."""
    OPS = ("make", "make", "look", "values", "resurrect", "finalize")

    def start(self):
        self.lock = threading.Lock()
        self.alive = weakref.WeakValueDictionary()
        self.kept = {}
        self.refs = [None] * 16
        self.called = Logs(self.threads)
        self.made = Logs(self.threads)
        self.finalized = []
        self.finalizers = Logs(self.threads)
        self.calls = []
        self.hold = []
        self.deleted = []

    def make(self, worker):
        thing = Point(worker.number)
        serial = (worker.number, len(self.made.of(worker)))
        self.made.of(worker).append(serial)
        at = worker.random.randrange(16)
        # The callback's append is the only thing that is counted; the reference outlives the thing.
        ref = weakref.ref(thing, lambda ref, serial=serial: self.calls.append(serial))
        self.hold.append(ref)
        self.refs[at] = weakref.ref(thing)
        self.kept[at] = thing
        self.alive[at] = thing

    def look(self, worker):
        ref = self.refs[worker.random.randrange(16)]
        thing = ref() if ref else None
        if thing is not None:
            same(thing.pair, (thing.number, thing.number), "a thing that was alive")
            same(thing.double(), 2 * thing.number, "its method")
        at = worker.random.randrange(16)
        self.kept.pop(at, None)

    def values(self, worker):
        for thing in list(self.alive.values()):
            same(thing.pair, (thing.number, thing.number), "a value")
        thing = self.alive.get(worker.random.randrange(16))
        check(thing is None or thing.limit == 10, "a value")

    def resurrect(self, worker):
        deleted = self.deleted

        class Phoenix:
            def __del__(self):
                deleted.append(self)

        Phoenix()
        if worker.random.random() < 0.2:
            deleted.clear()

    def finalize(self, worker):
        thing = Point(worker.number)
        n = len(self.finalizers.of(worker))
        self.finalizers.of(worker).append((worker.number, n))
        weakref.finalize(thing, self.finalized.append, (worker.number, n))
        self.refs[worker.random.randrange(16)] = weakref.ref(thing)

    def settle(self):
        self.kept.clear()
        self.deleted.clear()
        for _ in range(4):
            gc.collect()
        made = sorted(self.made.all())
        same(sorted(self.calls), made, "callbacks")
        same(sorted(self.finalized), sorted(self.finalizers.all()), "finalizers")
        same(len(self.alive), 0, "values that are still alive")
        for ref in self.refs:
            check(ref is None or ref() is None, "alive without a reference")
        for ref in self.hold:
            check(ref() is None, "held without a reference")
        for thing in (self.calls, self.finalized, self.hold, self.finalizers, self.made):
            thing.clear()
        return len(made)


class Graphs(Part):
    """Cyclic graphs go from hand to hand; each that holds one changes it; many are let go."""
    OPS = ("hand", "hand", "drop", "cycle", "publish", "closures", "errors", "strings")

    def start(self):
        self.box = queue.SimpleQueue()
        self.changes = [0] * self.threads
        self.board = {}
        for _ in range(self.threads * 2):
            self.box.put(self.ring(0))

    def ring(self, count):
        nodes = [{"i": i, "list": [i], "name": "n%d" % i} for i in range(6)]
        for i, node in enumerate(nodes):
            node["next"] = nodes[(i + 1) % 6]
            node["point"] = Point(i)
            node["point"].home = node
        nodes[0]["count"] = count
        return nodes[0]

    def hand(self, worker):
        ring = self.box.get()
        node = ring
        for i in range(6):
            same(node["i"], i, "place")
            check(node["point"].home is node, "home")
            node["list"] = [worker.number, *node["list"][:3]]
            node["point"].last = [worker.number]
            node = node["next"]
        check(node is ring, "the ring is open")
        ring["count"] += 1
        self.changes[worker.number] += 1
        self.box.put(ring)

    def drop(self, worker):
        ring = self.box.get()
        self.box.put(self.ring(ring["count"]))

    def cycle(self, worker):
        things = []
        for i in range(20):
            thing = Point(i)
            thing.all = things
            things.append(thing)
        if worker.random.random() < 0.05:
            gc.collect()

    def publish(self, worker):
        # Things that refer to each other in many ways become shared by one store.
        tree = [Point(i) for i in range(5)]
        self.board[worker.number] = {"tree": tree, "set": {1, "a"}, "of": tree[0].double, "self": worker.number,
                                     "iter": iter(tree), "view": memoryview(b"abc"), "gen": (p for p in tree)}
        tree[0].number = 50
        other = self.board.get(worker.random.randrange(self.threads))
        if other:
            check(other["of"]() in (0, 100), "a bound method", other["of"]())
            same([p.number for p in other["tree"][1:]], [1, 2, 3, 4], "a tree")
            check("a" in other["set"] and bytes(other["view"]) == b"abc", "parts")

    def closures(self, worker):
        total = 0

        def add(n):
            nonlocal total
            total += n
            return total

        for n in range(10):
            add(n)
        same(total, 45, "closure")
        adders = [lambda n, i=i: n + i for i in range(5)]
        same([add(1) for add in adders], [1, 2, 3, 4, 5], "defaults")

    def errors(self, worker):
        def deep(n):
            if n == 0:
                raise LookupError(worker.number)
            deep(n - 1)

        try:
            try:
                deep(worker.random.randrange(1, 20))
            except LookupError as error:
                raise RuntimeError("outer") from error
        except RuntimeError as error:
            same(error.__cause__.args, (worker.number,), "cause")
            trace, depth = error.__cause__.__traceback__, 0
            while trace:
                trace, depth = trace.tb_next, depth + 1
            check(depth >= 2, "traceback", depth)
        check(sys.exception() is None, "an exception is left over")

    def strings(self, worker):
        n = worker.random.randrange(1000)
        text = "".join(chr(97 + i % 26) for i in range(n))
        same(text.upper().lower(), text, "text")
        same(int(str(7 ** n)), 7 ** n, "big ints")
        same(f"{n:>10}".strip(), str(n), "format")

    def settle(self):
        rings = [self.box.get() for _ in range(self.threads * 2)]
        count = sum(ring["count"] for ring in rings)
        same(count, sum(self.changes), "changes")
        self.changes = [0] * self.threads
        for ring in rings:
            self.box.put(self.ring(0))
        self.board.clear()
        return count


PARTS = [Instances, Classes, Generators, Weakrefs, Graphs]
