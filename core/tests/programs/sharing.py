"""Several threads at one generator, one slotted instance, one class, one list: nothing torn, nothing lost, nothing twice."""
import gc
import queue
import threading
import time

from _checks import check, run, same, together


def take_all(it, into):
    while True:
        try:
            into.append(next(it))
        except StopIteration:
            return
        except ValueError as e:
            same(str(e), "generator already executing")


def case_one_generator():
    def count(n):
        i = 0
        while i < n:
            yield i
            i += 1

    def over(sub):
        return (yield from sub)

    for make in (count, lambda n: over(count(n)), lambda n: over(over(count(n))), lambda n: (i for i in range(n))):
        g, parts = make(2000), [[] for _ in range(4)]
        together(*(lambda part=part: take_all(g, part) for part in parts))
        same(sorted(sum(parts, [])), list(range(2000)))
        check(all(part == sorted(part) for part in parts))
        check(g.gi_frame is None)


def case_an_inner_one_that_others_ask_too():
    """One thread's chain delegates to what another thread takes from: each item goes to one of them."""
    def count(n):
        for i in range(n):
            yield i

    def over(sub):
        yield from sub

    for _ in range(5):
        inner = count(1000)
        chain, parts = over(over(inner)), [[], []]

        def through():
            while True:
                try:
                    parts[0].append(next(chain))
                except StopIteration:
                    return
                except ValueError as e:
                    # It came through the chain, and so it has ended that.
                    same(str(e), "generator already executing")
                    return

        together(through, lambda: take_all(inner, parts[1]))
        same(sorted(parts[0] + parts[1]), list(range(1000)))


def case_consumers_of_one_generator():
    """Who finds the generator busy loses what it had taken until then; but nobody gets what another one has."""
    def count(n):
        for i in range(n):
            yield i

    for consume in (list, tuple, set, sorted, lambda g: [x for x in g], lambda g: list(x for x in g)):
        g, parts = count(3000), []

        def body():
            while True:
                try:
                    parts.append(sorted(consume(g)))
                    return
                except ValueError as e:
                    same(str(e), "generator already executing")

        together(body, body, body)
        every = sorted(sum(parts, []))
        same(every, sorted(set(every)))
        check(set(every) <= set(range(3000)))
        check(g.gi_frame is None)


def case_thrown_into_by_others():
    def guarded():
        caught = 0
        while True:
            try:
                yield caught
            except KeyError:
                caught += 1

    def over(sub):
        yield from sub

    for g in (guarded(), over(over(guarded()))):
        next(g)
        thrown = []

        def thrower():
            for _ in range(300):
                try:
                    g.throw(KeyError("k"))
                    thrown.append(1)
                except ValueError as e:
                    same(str(e), "generator already executing")
                    return

        def asker():
            for _ in range(300):
                try:
                    next(g)
                except ValueError as e:
                    same(str(e), "generator already executing")
                except StopIteration:
                    return

        together(asker, thrower)


def case_slots_and_attributes():
    class Slotted:
        __slots__ = ("a", "b")

    class Plain:
        pass

    s, p = Slotted(), Plain()
    s.a, s.b, p.a = (0, 0), [], [0, 0]
    n = 1500

    def writer(k):
        def body():
            for i in range(n):
                s.a = (k, k)
                p.a = [i, i]
                s.b = [p.a, s.a]
                p.late = s.b
                if i % 50 == 0:
                    setattr(p, "more%d" % (i % 7), i)
        return body

    def reader():
        for _ in range(n):
            a, b = s.a
            same(a, b)
            a, b = p.a
            same(a, b)
            for pair in s.b:
                a, b = pair
                same(a, b)
            late = getattr(p, "late", None)
            check(late is None or len(late) == 2)

    together(writer(1), writer(2), reader, reader)

    def delete():
        for _ in range(n):
            s.a = 1
            try:
                del s.a
            except AttributeError:
                pass
            same(getattr(s, "a", 1), 1)

    together(delete, delete, delete)


def case_classes_that_change():
    class C:
        value = 0

        def get(self):
            return self.value

        @property
        def prop(self):
            return self.value

        def __getitem__(self, k):
            return self.value

        def __call__(self):
            return self.value

        @classmethod
        def of_class(cls):
            return cls.value

        @staticmethod
        def static():
            return C.value

    o, stop = C(), threading.Event()
    gets = [C.get, lambda self: self.value]
    items = [C.__getitem__, lambda self, k: self.value]
    calls = [C.__call__, lambda self: self.value]

    def change():
        i = 0
        while not stop.is_set():
            i += 1
            C.value = i
            C.get = gets[i % 2]
            C.__getitem__ = items[i % 2]
            C.__call__ = calls[i % 2]
            C.prop = property(gets[i % 2])
            C.of_class = classmethod(gets[i % 2])
            C.static = staticmethod(lambda: C.value)

    def use():
        last = 0
        for i in range(1500):
            for got in (o.get(), o.prop, o[1], o[1:2], o(), C().get(), C.of_class(), o.of_class(), C.static(), o.static()):
                check(got >= last, "went back")
                last = got
            if i == 1499:
                done.append(1)
                if len(done) == 2:
                    stop.set()

    done = []
    together(change, use, use)


def case_hooks_that_come_late():
    """A class says that slots do not count any more while others use its instances."""
    for _ in range(5):
        class C:
            pass

        made = threading.Barrier(3)

        def use():
            o = C()
            for i in range(50):
                o.x = i
                same(o.x, i)
            made.wait()
            made.wait()
            for _ in range(50):
                same(o.x, "late")

        def change():
            made.wait()
            C.x = property(lambda self: "late")
            made.wait()

        together(use, use, change)


def case_handed_from_thread_to_thread():
    def g(n):
        total = 0
        for i in range(n):
            got = yield from step(i)
            total += got
        return total

    def step(i):
        here = [i]
        yield here
        return here[0]

    def body(box, next_box):
        while (item := box.get()) is not None:
            gen, = item
            try:
                next(gen)
            except StopIteration as e:
                results.put(e.value)
            else:
                next_box.put((gen,))

    boxes, results = [queue.SimpleQueue() for _ in range(3)], queue.SimpleQueue()
    for box in boxes:
        for _ in range(5):
            box.put((g(30),))

    def watch():
        for _ in range(15):
            same(results.get(), sum(range(30)))
        for box in boxes:
            box.put(None)

    together(watch, *(lambda i=i: body(boxes[i], boxes[(i + 1) % 3]) for i in range(3)))


def case_dropped_by_another_thread():
    """What is suspended in a `finally` is finalized, once, wherever its last reference goes; but maybe later, by another thread."""
    def g(i):
        try:
            yield i
        finally:
            log.append(i)

    log = []
    box = queue.SimpleQueue()

    def make():
        for i in range(200):
            x = g(i)
            next(x)
            box.put(x)
            del x
        box.put(None)

    def drop():
        while (x := box.get()) is not None:
            del x

    together(make, drop)
    end = time.monotonic() + 60
    while len(log) < 200 and time.monotonic() < end:
        gc.collect()
        time.sleep(0.001)
    same(sorted(log), list(range(200)))


def case_containers():
    a, d, s = [], {}, set()

    def body(k):
        def run():
            for i in range(1000):
                a.append((k, i))
                d[k, i] = i
                s.add((k, i))
                if i % 3 == 0:
                    same(d.pop((k, i)), i)
                    s.discard((k, i))
                a[i:i] = ()
                same(a[:1], a[0:1])
                check(len(list(x for x in a[-5:])) <= 5)
        return run

    together(*(body(k) for k in range(3)))
    wanted = {(k, i) for k in range(3) for i in range(1000)}
    same(set(a), wanted)
    same(len(a), 3000)
    kept = {(k, i) for k, i in wanted if i % 3}
    same(s, kept)
    same(d, {key: key[1] for key in kept})
    for k in range(3):
        same([i for j, i in a if j == k], list(range(1000)))


run(globals())
