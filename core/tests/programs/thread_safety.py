"""What `docs/thread-safety.md` promises, line by line: each line of its tables names the case that shows it."""
import asyncio
import builtins
import collections
import contextvars
import gc
import importlib
import itertools
import os
import queue
import sys
import tempfile
import threading
import time
import weakref

from _checks import check, race, run, same, together

N = 150


def changing(error, *texts):
    check(any(text in str(error) for text in texts), error)


def at_last(held):
    """Another thread may be about to run a finalizer; it is given time."""
    end = time.monotonic() + 60
    while not held() and time.monotonic() < end:
        gc.collect()
        time.sleep(0.001)


# --- order ---


def case_what_is_stored_is_whole():
    box = [None]

    def write():
        for i in range(N):
            box[0] = {"n": i, "list": [i] * 5, "set": {i}, "tuple": (i, str(i))}

    def read():
        thing = box[0]
        if thing is not None:
            n = thing["n"]
            same(thing, {"n": n, "list": [n] * 5, "set": {n}, "tuple": (n, str(n))})

    race(write, read, read)


def case_stores_are_seen_in_their_order():
    class Thing:
        pass

    thing = Thing()
    thing.first = thing.second = 0

    def write():
        for i in range(1, N * 5):
            thing.first = i
            thing.second = i

    def read():
        second = thing.second
        check(thing.first >= second, "the later store was seen before the earlier")

    race(write, read, read)


def case_waiting_orders_all_before_it():
    for _ in range(10):
        things, event, box = [], threading.Event(), queue.SimpleQueue()
        thread = threading.Thread(target=lambda: (things.append(1), event.set(), things.append(2), box.put(3)))
        thread.start()
        event.wait()
        same(things[0], 1)
        same(box.get(), 3)
        same(things, [1, 2])
        thread.join()


def case_read_and_store_are_two():
    counts = [0]

    def add():
        for _ in range(N):
            counts[0] += 1

    together(add, add, add)
    check(N <= counts[0] <= 3 * N, counts)


# --- lists ---


def case_list_reads():
    things = [("a", 0)] * 8

    def write():
        for i in range(N * 3):
            things[i % 8] = ("a", i)
            if i % 10 == 0:
                things.append(("a", i))
            if i % 10 == 5:
                things.pop()

    def read():
        same(things[3][0], "a")
        check(8 <= len(things) <= 9, len(things))
        for thing in things:
            same(thing[0], "a")
        check(("b", 1) not in things)

    race(write, read, read)


def case_list_appends():
    things = []

    def append(number):
        for i in range(N):
            things.append((number, i))

    together(*(lambda n=n: append(n) for n in range(3)))
    same(sorted(things), [(n, i) for n in range(3) for i in range(N)])
    for n in range(3):
        same([i for number, i in things if number == n], list(range(N)))


def case_list_takes():
    things, taken = list(range(3 * N)), [[], [], []]

    def take(into, how):
        try:
            while True:
                into.append(how())
        except IndexError:
            pass

    hows = things.pop, lambda: things.pop(0), things.pop
    together(*(lambda into=into, how=how: take(into, how) for into, how in zip(taken, hows)))
    same(sorted(sum(taken, [])), list(range(3 * N)))


def case_list_many_at_once():
    things = []
    sizes = 2, 3, 5, 8, 13

    def write():
        for i in range(N):
            things.extend((i,) * 7)
            things[len(things):] = [i] * 7
            if i % 5 == 0:
                del things[:14]
            if i % 20 == 0:
                things.clear()

    def read():
        same(len(things) % 7, 0)
        same(len(things[:]) % 7, 0)
        same(len(things.copy()) % 7, 0)
        same(len([*things]) % 7, 0)

    race(write, read, read)

    def replace():
        for i in range(N):
            things[:] = [i] * sizes[i % 5]

    def copies():
        for copy in (things.copy(), things[:], list(things), [*things]):
            check(len(copy) in (0, *sizes) and len(set(copy)) <= 1, copy)

    things.clear()
    race(replace, copies, copies)


def case_list_removes():
    things = [(n, i) for i in range(N) for n in range(3)]

    def take(number):
        for i in range(N):
            things.remove((number, i))

    together(*(lambda n=n: take(n) for n in range(3)))
    same(things, [])


def case_list_from_the_end():
    things = [0] * 3

    def write():
        for i in range(1, N):
            things.extend([i] * 9)
            del things[-9:]
            things.insert(-1, 0)
            things.pop(-2)
            things[-1] = 0
            things[-2:] = [0] * 5
            del things[-5:-2]
            things[-3::2] = [0] * 2

    def read():
        things[-1]
        same(len(set(things[-3:])), 1)
        n = things[-1]
        check(n >= 0)

    race(write, read, read)
    same(things, [0] * 3)


def case_list_in_place():
    things = list(range(30))
    ways = list(range(30)), list(range(29, -1, -1))

    def write():
        for _ in range(N * 2):
            things.reverse()

    race(write, lambda: check(list(things) in ways), lambda: check(things[:] in ways))


def case_list_sort():
    things = [3, 1, 2] * 20

    def write():
        for i in range(N // 3):
            things.sort(reverse=i % 2 == 0)

    def read():
        check(len(things[:]) in (0, 60), "neither whole nor empty")
        check(sorted(things) in ([], sorted([3, 1, 2] * 20)))

    race(write, read, read)
    things.sort()
    same(things, [1] * 20 + [2] * 20 + [3] * 20)

    lost = []

    def key(n):
        if not lost:
            lost.append(n)
            same(len(things), 0)
            things.append(7)
        return n

    try:
        things.sort(key=key)
        check(False, "no ValueError")
    except ValueError as e:
        same(str(e), "list modified during sort")
    same(len(things), 60)


def case_iterator_of_a_list():
    things = list(range(N * 3))
    it, parts = iter(things), [[], [], []]
    together(*(lambda part=part: part.extend(it) for part in parts))
    check(set(sum(parts, [])) <= set(things), "what is not in it")


# --- dicts ---


def case_dict_reads():
    things = {i: (i, 0) for i in range(20)}

    def write():
        for i in range(N * 2):
            things[i % 20] = (i % 20, i)
            things[100 + i % 50] = (100 + i % 50, i)
            things.pop(100 + (i + 25) % 50, None)

    def read():
        for i in range(20):
            same(things[i][0], i)
            same(things.get(i)[0], i)
            check(i in things)
        got = things.get(110)
        check(got is None or got[0] == 110)
        check(20 <= len(things) <= 70)

    race(write, read, read)


def case_dict_stores():
    things = {}

    def store(number):
        for i in range(N):
            things[number, i] = i
            if i % 3 == 0:
                del things[number, i]
            same((number, i) in things, i % 3 != 0)

    together(*(lambda n=n: store(n) for n in range(3)))
    same(things, {(n, i): i for n in range(3) for i in range(N) if i % 3})


def case_dict_first_come():
    things, won, taken = {}, [[], [], []], [[], [], []]

    def first(number):
        for i in range(N):
            if things.setdefault(i, (number, i)) == (number, i):
                won[number].append(i)

    def take(number):
        for i in range(N):
            if things.pop(i, None) is not None:
                taken[number].append(i)

    together(*(lambda n=n: first(n) for n in range(3)))
    same(sorted(sum(won, [])), list(range(N)))
    together(*(lambda n=n: take(n) for n in range(3)))
    same(sorted(sum(taken, [])), list(range(N)))
    things.update(dict.fromkeys(range(N)))
    popped = [[], [], []]

    def pop(into):
        try:
            while True:
                into.append(things.popitem()[0])
        except KeyError:
            pass

    together(*(lambda into=into: pop(into) for into in popped))
    same(sorted(sum(popped, [])), list(range(N)))


def case_dict_copies():
    things = {0: 0}

    def write():
        for i in range(N * 2):
            things[i + 1] = i + 1
            del things[i]

    def read():
        for copy in (dict(things), things.copy(), {**things}, {} | things, {-1: 0} | things, list(things)):
            keys = [key for key in copy if key >= 0]
            check(len(keys) in (1, 2) and keys[-1] - keys[0] == len(keys) - 1, keys)
        other = {-1: 0}
        other.update(things)
        check(len(other) in (2, 3), other)

    race(write, read, read)


def case_dict_clears():
    things = dict.fromkeys(range(9))

    def write():
        for i in range(N):
            things.clear()
            things["other"] = i

    def read():
        copy = dict(things)
        check(len(copy) in (0, 1, 9), copy)

    race(write, read, read)


def case_dict_updates():
    things = dict.fromkeys(range(9), 0)

    def write(other):
        nonlocal things
        for i in range(N):
            if i % 2:
                things.update(dict.fromkeys(range(9), (other, i)))
            else:
                things |= dict.fromkeys(range(9), (other, i))

    def read():
        for key in range(9):
            check(things[key] == 0 or things[key][1] < N)
        same(len(things), 9)
        same(len(set(things.copy().values())), 1)
        same(len({*dict(things).values()}), 1)

    race(lambda: together(lambda: write("a"), lambda: write("b")), read, read)
    check(things in [dict.fromkeys(range(9), (other, N - 1)) for other in "ab"], things)


def case_dict_comparisons():
    stay = {i: i for i in range(40)}
    things, other = {**stay, "more": 0}, {**stay, 39: -1, "more": 0}

    def write():
        for i in range(N * 2):
            things["more"] = 0
            things["more%d" % i] = i
            del things["more%d" % i]
            if i % 20 == 0:
                del things["more"]

    def read():
        check(things != other)
        check(not things == other)
        check("39: 39" in repr(things))

    race(write, read, read)


def case_dict_walks():
    things = {i: [i] for i in range(20)}

    def write():
        for i in range(N * 2):
            things[20 + i % 7] = [20 + i % 7]
            things.pop(20 + (i + 3) % 7, None)

    def read():
        try:
            for key, value in things.items():
                same(value, [key])
        except RuntimeError as e:
            changing(e, "changed size during iteration", "keys changed during iteration")
        for key, value in list(things.items()):
            same(value, [key])

    race(write, read, read)


# --- sets ---


def case_set_reads():
    things = set(range(20))

    def write():
        for i in range(N * 2):
            things.add("s%d" % (i % 30))
            things.discard("s%d" % ((i + 15) % 30))

    def read():
        for i in range(20):
            check(i in things)
        check(20 <= len(things) <= 50)
        check(things >= set(range(20)))

    race(write, read, read)


def case_set_stores():
    things, taken = set(), [[], [], []]

    def store(number):
        for i in range(N):
            things.add((number, i))
            if i % 3 == 0:
                things.remove((number, i))
            same((number, i) in things, i % 3 != 0)

    def take(into):
        try:
            while True:
                into.append(things.pop())
        except KeyError:
            pass

    together(*(lambda n=n: store(n) for n in range(3)))
    wanted = sorted((n, i) for n in range(3) for i in range(N) if i % 3)
    same(sorted(things), wanted)
    together(*(lambda into=into: take(into) for into in taken))
    same(sorted(sum(taken, [])), wanted)


def case_set_copies():
    things = {0}

    def write():
        for i in range(N * 2):
            things.add(i + 1)
            things.remove(i)

    def read():
        other = {-1}
        other.update(things)
        other.remove(-1)
        for copy in (set(things), things.copy(), things | set(), frozenset(things), list(things), other):
            check(len(copy) in (1, 2) and max(copy) - min(copy) == len(copy) - 1, copy)

    race(write, read, read)


def case_set_updates():
    things = {-1}

    def write():
        nonlocal things
        for i in range(N):
            things.update({1, 2, 3})
            things.difference_update({1, 2, 3} if i % 2 else frozenset({1, 2, 3}))
            things |= {1: 0, 2: 0, 3: 0}.keys() | set()
            things &= {-1, 4}
            things ^= {1, 2, 3}
            things -= {1, 2, 3}

    def read():
        copy = set(things)
        check(copy in ({-1}, {-1, 1, 2, 3}), copy)

    race(write, read, read)
    same(things, {-1})

    def add(number):
        nonlocal things
        for i in range(N):
            things.add((number, i))

    def keep():
        nonlocal things
        for i in range(N):
            things &= {-1} | {(n, i) for n in range(2) for i in range(N)}

    together(lambda: add(0), lambda: add(1), keep)
    same(len(things), 2 * N + 1)


def case_set_algebra():
    stay = set(range(40))
    things = set(stay)

    def write():
        for i in range(N * 2):
            things.update(range(100 + i, 100 + i + i % 30))
            for n in range(100 + i, 100 + i + i % 30):
                things.discard(n)

    def read():
        same(stay & things, stay)
        same(things & stay, stay)
        same(stay - things, set())
        check(things - {-1} >= stay)
        check((things ^ {-1}) >= stay)
        check(things | {-1} > stay)
        check(stay <= things and things.issuperset(stay))
        check(not things.isdisjoint({39}) and not {39}.isdisjoint(things))
        check(not things <= stay - {39})
        same({key for key in dict.fromkeys(things) if key < 40}, stay)

    race(write, read, read)
    same(things, stay)


def case_set_walks():
    things = set(range(20))

    def write():
        for i in range(N * 2):
            things.add("s%d" % (i % 9))
            things.discard("s%d" % ((i + 4) % 9))

    def read():
        try:
            for thing in things:
                check(type(thing) in (int, str), thing)
        except RuntimeError as e:
            changing(e, "changed size during iteration")

    race(write, read, read)


# --- bytes, deques and the rest ---


def case_bytearrays():
    data = bytearray()

    def write(word):
        for _ in range(N):
            data.extend(word)

    together(lambda: write(b"<a>"), lambda: write(b"<bb>"), lambda: write(b"<ccc>"))
    same(sorted(bytes(data).replace(b">", b"> ").split()), [b"<a>"] * N + [b"<bb>"] * N + [b"<ccc>"] * N)
    view = memoryview(data)
    try:
        data.append(1)
        check(False, "no BufferError")
    except BufferError:
        pass
    view.release()
    data.append(1)


def case_texts_and_numbers():
    text, number = "\u20ac" * 50 + "x" * 50, 7 ** 200

    def read():
        same(text[50:], "x" * 50)
        same({text: 1}["\u20ac" * 50 + "x" * 50], 1)
        same(str(number)[:5], str(7 ** 200)[:5])
        check(sys.intern("weft" + str(N)) is sys.intern("weft" + str(N)))
        same(hash((text, number)), hash((text, 7 ** 200)))

    together(*[lambda: [read() for _ in range(20)]] * 3)


def case_deques():
    things, taken = collections.deque(), [[], []]
    last = collections.deque(maxlen=5)

    def put(number):
        for i in range(N):
            (things.append if i % 2 else things.appendleft)((number, i))
            last.append(i)
            check(len(last) <= 5)

    def take(into):
        for i in range(N):
            try:
                into.append(things.pop() if i % 2 else things.popleft())
            except IndexError:
                pass

    together(lambda: put(0), lambda: put(1), lambda: take(taken[0]), lambda: take(taken[1]))
    same(sorted([*things, *taken[0], *taken[1]]), sorted((n, i) for n in range(2) for i in range(N)))


def case_deque_searches():
    things = collections.deque([(n, i) for i in range(N) for n in range(3)] + ["stays"])

    def take(number):
        for i in range(N):
            check("stays" in things and things.count("stays") == 1)
            things.remove((number, i))

    together(*(lambda n=n: take(n) for n in range(3)))
    same(list(things), ["stays"])
    few = collections.deque(maxlen=4)

    def insert():
        for i in range(N):
            try:
                few.insert(1, i)
                few.popleft()
            except IndexError:
                pass
            check(len(few) <= 4)

    together(insert, insert, insert)


def case_deque_walks():
    things = collections.deque(range(20))

    def read():
        try:
            for thing in things:
                check(type(thing) is int)
        except RuntimeError as e:
            changing(e, "mutated during iteration")

    race(lambda: [things.rotate(1) or things.append(things.popleft()) for _ in range(N)], read, read)
    same(sorted(things), list(range(20)))


def case_counters_of_itertools():
    counter, parts = itertools.count(), [[], [], []]
    together(*(lambda part=part: part.extend(next(counter) for _ in range(N)) for part in parts))
    same(sorted(sum(parts, [])), list(range(3 * N)))


# --- attributes, classes, functions ---


class Thing:
    kind = "thing"

    def __init__(self):
        self.pair = (0, 0)

    def hello(self):
        return "hello"


def case_attribute_reads():
    thing = Thing()

    def write():
        for i in range(N * 2):
            thing.pair = (i, i)
            setattr(thing, "a%d" % (i % 5), ("a%d" % (i % 5), i))
            if i % 5 == 4:
                for n in range(5):
                    delattr(thing, "a%d" % n)

    def read():
        a, b = thing.pair
        same(a, b)
        same(thing.hello(), "hello")
        for n in range(5):
            got = getattr(thing, "a%d" % n, None)
            check(got is None or got[0] == "a%d" % n, got)

    race(write, read, read)


def case_attribute_stores():
    thing = Thing()

    def store(number):
        for i in range(N):
            name = "a%d_%d" % (number, i % 20)
            setattr(thing, name, i)
            same(getattr(thing, name), i)
            if i % 4 == 0:
                delattr(thing, name)
                check(not hasattr(thing, name))

    together(*(lambda n=n: store(n) for n in range(3)))
    names = {"a%d_%d" % (n, i) for n in range(3) for i in range(20) if i % 4}
    same(set(vars(thing)), names | {"pair"})


def case_attributes_and_their_dict():
    thing = Thing()

    def store(number):
        space = thing.__dict__
        for i in range(N):
            space["d%d" % number] = i
            same(getattr(thing, "d%d" % number), i)
            setattr(thing, "s%d" % number, i)
            same(thing.__dict__["s%d" % number], i)

    together(lambda: store(0), lambda: store(1), lambda: store(2))
    check(thing.__dict__ is vars(thing))


def case_slots():
    class Slotted:
        __slots__ = ("a", "b")

    thing = Slotted()
    thing.a = thing.b = (0, 0)

    def write():
        for i in range(N * 3):
            thing.a = (i, i)
            thing.b = (-i, -i)

    def read():
        a, b = thing.a
        same(a, b)
        a, b = thing.b
        same(a, b)

    race(write, read, read)


def case_classes():
    class Base:
        def name(self):
            return "old"

    class Derived(Base):
        pass

    class Other(Base):
        pass

    thing = Derived()

    def write():
        for i in range(N):
            Base.name = (lambda self: "old") if i % 2 else (lambda self: "new")
            Base.count = i
            same(Derived.count, i)
            thing.__class__ = Other if i % 2 else Derived

    def read():
        check(thing.name() in ("old", "new"))
        check(isinstance(thing, Base) and type(thing) in (Derived, Other))

    race(write, read, read)


def case_functions():
    def one():
        return 1

    def two():
        return 2

    def called(n=(0, 0)):
        return n

    codes = one.__code__, two.__code__

    def changed():
        return 1

    def write():
        for i in range(N):
            changed.__code__ = codes[i % 2]
            called.__defaults__ = ((i, i),)

    def read():
        check(changed() in (1, 2))
        a, b = called()
        same(a, b)

    race(write, read, read)


shared = (0, 0)


def case_globals_and_cells():
    cell = (0, 0)

    def write():
        global shared
        nonlocal cell
        for i in range(N * 3):
            shared = (i, i)
            cell = (i, i)

    def read():
        for a, b in (shared, cell):
            same(a, b)

    race(write, read, read)


def case_generators():
    def numbers():
        for i in range(N):
            yield i

    generator, parts = numbers(), [[], [], []]

    def take(into):
        while True:
            try:
                into.append(next(generator))
            except ValueError as e:
                same(str(e), "generator already executing")
            except StopIteration:
                return

    together(*(lambda part=part: take(part) for part in parts))
    same(sorted(sum(parts, [])), list(range(N)))


def case_weak_references():
    box, called = [Thing()], []
    refs = [weakref.ref(box[0])]

    def write():
        for _ in range(N):
            thing = Thing()
            refs.append(weakref.ref(thing, called.append))
            refs[0] = weakref.ref(thing)
            box[0] = thing

    def read():
        thing = refs[0]()
        if thing is not None:
            same(thing.hello(), "hello")
            same(thing.pair, (0, 0))

    race(write, read, read)
    box.clear()
    at_last(lambda: len(called) == N)
    same(len(called), N)
    same(len(set(map(id, called))), N)
    check(all(ref() is None for ref in refs))


def case_finalizers():
    log = []

    class Mortal:
        def __init__(self, n):
            self.n = n

        def __del__(self):
            log.append(self.n)

    box = [None]

    def put(number):
        for i in range(N // 3):
            box[0] = Mortal((number, i))

    together(lambda: put(0), lambda: put(1), lambda: put(2))
    box[0] = None
    at_last(lambda: len(log) == N // 3 * 3)
    same(sorted(log), [(n, i) for n in range(3) for i in range(N // 3)])


# --- threads, files, imports ---


def case_locks():
    lock, inner, pair = threading.Lock(), threading.RLock(), [0, 0]

    def add():
        for _ in range(N):
            with lock, inner, inner:
                same(pair[0], pair[1])
                pair[0] += 1
                pair[1] += 1

    together(add, add, add)
    same(pair, [3 * N, 3 * N])


def case_conditions():
    stock, full, taken = [], threading.Condition(), []

    def put():
        for i in range(N):
            with full:
                stock.append(i)
                full.notify()

    def take():
        for _ in range(N // 2):
            with full:
                check(full.wait_for(lambda: stock, 60))
                taken.append(stock.pop())

    together(put, take, take)
    same(sorted(taken), list(range(N)))


def case_queues():
    for make in (queue.SimpleQueue, queue.Queue):
        box, taken = make(), [[], []]

        def put(number):
            for i in range(N):
                box.put((number, i))

        def take(into):
            for _ in range(N):
                into.append(box.get())

        together(lambda: put(0), lambda: put(1), lambda: take(taken[0]), lambda: take(taken[1]))
        same(sorted(taken[0] + taken[1]), [(n, i) for n in range(2) for i in range(N)])
        for part in taken:
            for n in range(2):
                own = [i for number, i in part if number == n]
                same(own, sorted(own))


class NoLoop:
    """As much of a loop as futures ask for: notes what is to be called."""

    def __init__(self):
        self.called = queue.SimpleQueue()

    def get_debug(self):
        return False

    def call_soon(self, f, *args, context=None):
        self.called.put(f)


def case_futures():
    for _ in range(N // 20):
        loop, won = NoLoop(), queue.SimpleQueue()
        future = asyncio.Future(loop=loop)

        def finish(how, x):
            try:
                how(x)
            except asyncio.InvalidStateError:
                return
            won.put(x)

        calls = [object() for _ in range(6)]
        together(
            lambda: finish(future.set_result, 1),
            lambda: finish(future.set_result, 2),
            lambda: [future.add_done_callback(f) for f in calls],
        )
        same(won.qsize(), 1)
        same(future.result(), won.get())
        same({loop.called.get() for _ in range(loop.called.qsize())}, set(calls))


def case_own_to_a_thread():
    own, variable = threading.local(), contextvars.ContextVar("variable", default=None)

    def use(number):
        for i in range(N):
            own.value = (number, i)
            variable.set((number, i))
            same(own.value, (number, i))
            same(variable.get(), (number, i))

    together(*(lambda n=n: use(n) for n in range(3)))
    check(not hasattr(own, "value") and variable.get() is None)


def case_files():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "file")
        with open(path, "wb") as file:

            def write(number):
                for i in range(N):
                    file.write(b"<%d %d>\n" % (number, i))

            together(*(lambda n=n: write(n) for n in range(3)))
        with open(path, "rb") as file:
            same(sorted(file), sorted(b"<%d %d>\n" % (n, i) for n in range(3) for i in range(N)))
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_TRUNC)
        together(*(lambda n=n: [os.write(fd, b"[%d]\n" % n) for _ in range(N)] for n in range(3)))
        os.close(fd)
        with open(path, "rb") as file:
            same(sorted(file), [b"[0]\n"] * N + [b"[1]\n"] * N + [b"[2]\n"] * N)


path_changes = threading.Lock()


def case_imports():
    # Others that look for modules must not walk along a path from which something is taken.
    with path_changes:
        imports()


def imports():
    name = "weft_module_%d" % threading.get_ident()
    log = name + "_log"
    setattr(builtins, log, [])
    with tempfile.TemporaryDirectory() as folder:
        sys.path.insert(0, folder)
        with open(os.path.join(folder, name + ".py"), "w") as file:
            file.write("import builtins\nbuiltins.%s.append(__name__)\nfirst = 1\nlast = 2\n" % log)
        importlib.invalidate_caches()

        def fetch():
            module = importlib.import_module(name)
            same((module.first, module.last), (1, 2))

        together(fetch, fetch, fetch)
        same(getattr(builtins, log), [name])
        sys.path.remove(folder)
        sys.modules.pop(name)
    delattr(builtins, log)


run(globals())
