"""Lists, dicts, sets, deques and iterators that all threads read and change."""
import collections
import itertools

from parts import Logs, Part, check, same


class Dict(Part):
    """Every key has one writer, and any number of readers: a value is whole, and never older than the last seen."""
    OPS = ("put", "put", "read", "read", "remove", "several", "walk", "counts", "setdefault", "copies")
    KEYS = 40

    def start(self):
        self.shared = {}
        self.firsts = {}
        self.mine = [{} for _ in range(self.threads)]
        self.version = [0] * self.threads
        self.seen = [{} for _ in range(self.threads)]
        self.wins = Logs(self.threads)

    def key(self, worker, number=None):
        number = worker.number if number is None else number
        i = worker.random.randrange(self.KEYS)
        # Keys of several types, among them equal ones that are not the same object.
        return (i * self.threads + number, "key %d of %d" % (i, number), (number, "k%d" % i))[i % 3]

    def value(self, worker, key):
        version = self.version[worker.number] = self.version[worker.number] + 1
        value = (key, version, [version] * 3)
        self.mine[worker.number][key] = version
        return value

    def whole(self, worker, key, value):
        own, version, copies = value
        same(own, key, "the value of another key")
        same(copies, [version] * 3, "a torn value")
        seen = self.seen[worker.number]
        check(seen.get(key, 0) <= version, "an older value", key, version, seen.get(key))
        seen[key] = version

    def put(self, worker):
        key = self.key(worker)
        self.shared[key] = self.value(worker, key)

    def read(self, worker):
        key = self.key(worker, worker.random.randrange(self.threads))
        for value in (self.shared.get(key), self.shared.get(key)):
            if value is not None:
                self.whole(worker, key, value)
        if key in self.mine[worker.number]:
            same(self.shared[key][1], self.mine[worker.number][key], "my own value")

    def remove(self, worker):
        key = self.key(worker)
        version = self.mine[worker.number].pop(key, None)
        found = self.shared.pop(key, None)
        same(found and found[1], version, "removed")
        check(key not in self.shared, "removed, yet there")

    def several(self, worker):
        keys = list(dict.fromkeys(self.key(worker) for _ in range(6)))
        new = {key: self.value(worker, key) for key in keys}
        if worker.random.random() < 0.5:
            self.shared.update(new)
        else:
            self.shared |= new
        for key in keys:
            check(self.shared[key] is new[key], "not what was put", key)

    def walk(self, worker):
        how = worker.random.randrange(3)
        try:
            if how == 0:
                for key, value in self.shared.items():
                    self.whole(worker, key, value)
            elif how == 1:
                for value in self.shared.values():
                    self.whole(worker, value[0], value)
            else:
                for key in self.shared:
                    check(type(key) in (int, str, tuple), "a key", key)
        except RuntimeError as error:
            check("changed" in str(error), error)

    def counts(self, worker):
        length = len(self.shared)
        check(0 <= length <= self.KEYS * self.threads, "length", length)
        for key, version in self.mine[worker.number].items():
            check(key in self.shared, "lost", key)

    def setdefault(self, worker):
        key = worker.random.randrange(10_000)
        if self.firsts.setdefault(key, worker.number) == worker.number:
            self.wins.of(worker).append(key)

    def copies(self, worker):
        how = worker.random.randrange(3)
        copy = (dict, dict.copy, lambda d: {**d})[how](self.shared)
        for key, value in copy.items():
            same(value[0], key, "the copy's value")
        for key, version in self.mine[worker.number].items():
            same(copy[key][1], version, "the copy's version")

    def settle(self):
        wanted = {key: version for mine in self.mine for key, version in mine.items()}
        same({key: value[1] for key, value in self.shared.items()}, wanted, "dict at rest")
        same(len(self.shared), len(wanted), "length at rest")
        same(len(list(self.shared)), len(wanted), "keys at rest")
        for number, wins in enumerate(self.wins.lists):
            for key in wins:
                same(self.firsts[key], number, "who was first")
        same(len(set(self.wins.all())), len(self.firsts), "firsts")
        result = sorted(wanted.items(), key=repr), sorted(self.firsts)
        self.firsts.clear()
        self.wins.clear()
        if len(self.shared) % 3 == 0:
            self.shared.clear()
            for mine in self.mine:
                mine.clear()
        return result


class List(Part):
    """All append and take: nothing is lost or doubled, and each thread's own entries stay in their order."""
    OPS = ("append", "append", "append", "extend", "take", "read", "walk", "slices", "cells", "cells")
    CELLS = 64

    def start(self):
        self.log = []
        self.stack = []
        self.cell = [("cell", i, 0) for i in range(self.CELLS)]
        self.next = [0] * self.threads
        self.given = Logs(self.threads)
        self.taken = Logs(self.threads)

    def entry(self, worker):
        self.next[worker.number] += 1
        return (worker.number, self.next[worker.number])

    def append(self, worker):
        entry = self.entry(worker)
        self.log.append(entry)
        self.stack.append(entry)
        self.given.of(worker).append(entry)

    def extend(self, worker):
        entries = [self.entry(worker) for _ in range(worker.random.randrange(5))]
        if worker.random.random() < 0.5:
            self.stack.extend(entries)
            self.log.extend(entries)
        else:
            self.stack += entries
            self.log += iter(entries)
        self.given.of(worker).extend(entries)

    def take(self, worker):
        for _ in range(worker.random.randrange(4)):
            try:
                self.taken.of(worker).append(self.stack.pop())
            except IndexError:
                pass

    def order(self, entries):
        last = [0] * self.threads
        for number, n in entries:
            check(n > last[number], "out of order", number, n, last[number])
            last[number] = n

    def read(self, worker):
        part = worker.random.random()
        length = len(self.log)
        if length:
            i = int(part * length)
            entry = self.log[i]
            check(self.log[i] is entry, "an entry of a list that only grows changed")
            check(entry in self.log and self.log.index(entry) == i, "not where it was", i)

    def walk(self, worker):
        self.order(self.log)
        for entry in self.stack:
            check(type(entry) is tuple and len(entry) == 2, "an entry", entry)

    def slices(self, worker):
        self.order(self.log[:])
        self.order(list(self.log)[::3])
        copy = self.stack.copy()
        check(len(set(copy)) == len(copy), "doubled in a copy")
        self.order(reversed(sorted(self.log, reverse=True)))

    def cells(self, worker):
        i = worker.random.randrange(self.CELLS)
        name, at, version = self.cell[i]
        check(name == "cell" and at == i, "another cell's", i, at)
        self.cell[i] = (name, at, version + 1)
        self.cell[i - self.CELLS] = (name, i, version + 2)
        for n, (name, at, version) in enumerate(self.cell):
            same(at, n, "cell")

    def settle(self):
        given = self.given.all()
        same(sorted(self.log), sorted(given), "log")
        self.order(self.log)
        same(sorted(self.stack + self.taken.all()), sorted(given), "stack")
        same(len(self.cell), self.CELLS, "cells")
        self.log.clear()
        self.stack.clear()
        self.given.clear()
        self.taken.clear()
        return len(given), sorted(given)[-1:]


class Set(Part):
    """Some members stay, others come and go, each by one thread."""
    OPS = ("add", "drop", "member", "algebra", "walk", "update")
    STAY = frozenset(range(0, 300, 7))

    def start(self):
        self.shared = set(self.STAY)
        self.mine = [set() for _ in range(self.threads)]

    def member_of(self, worker):
        return "%d/%d" % (worker.number, worker.random.randrange(60))

    def add(self, worker):
        member = self.member_of(worker)
        self.shared.add(member)
        self.mine[worker.number].add(member)

    def drop(self, worker):
        member = self.member_of(worker)
        if member in self.mine[worker.number]:
            self.mine[worker.number].remove(member)
            self.shared.remove(member)
        else:
            self.shared.discard(member)

    def member(self, worker):
        for member in worker.random.sample(sorted(self.STAY), 5):
            check(member in self.shared, "lost", member)
        member = self.member_of(worker)
        same(member in self.shared, member in self.mine[worker.number], member)

    def algebra(self, worker):
        same(self.shared & self.STAY, self.STAY, "intersection")
        check(self.shared >= self.STAY, "superset")
        check(self.shared - self.STAY >= self.mine[worker.number], "difference")
        check(self.shared | {"x"} > self.STAY, "union")

    def walk(self, worker):
        try:
            found = [member for member in self.shared if type(member) is int]
            same(set(found), self.STAY, "walk")
        except RuntimeError as error:
            check("changed" in str(error), error)

    def update(self, worker):
        new = {self.member_of(worker) for _ in range(4)}
        self.shared |= new
        self.mine[worker.number] |= new
        old = {self.member_of(worker) for _ in range(4)}
        self.shared -= old
        self.mine[worker.number] -= old

    def settle(self):
        wanted = self.STAY.union(*self.mine)
        same(self.shared, wanted, "set at rest")
        same(len(list(self.shared)), len(wanted), "length at rest")
        return sorted(wanted, key=repr)


class Deque(Part):
    """Both ends of a deque, a bounded one, and counters that hand out each number once."""
    OPS = ("put", "take", "walk", "bounded", "count", "bytes")

    def start(self):
        self.shared = collections.deque()
        self.last = collections.deque(maxlen=20)
        self.counter = itertools.count()
        self.numbers = Logs(self.threads)
        self.given = Logs(self.threads)
        self.taken = Logs(self.threads)
        self.blob = bytearray()
        self.blobs = Logs(self.threads)

    def put(self, worker):
        entry = (worker.number, len(self.given.of(worker)))
        self.given.of(worker).append(entry)
        if worker.random.random() < 0.5:
            self.shared.append(entry)
        else:
            self.shared.appendleft(entry)

    def take(self, worker):
        for end in worker.random.choices(("pop", "popleft"), k=2):
            try:
                self.taken.of(worker).append(getattr(self.shared, end)())
            except IndexError:
                pass

    def walk(self, worker):
        try:
            for number, n in self.shared:
                check(0 <= number < self.threads, number)
        except RuntimeError as error:
            check("mutated" in str(error), error)
        self.shared.rotate(worker.random.randrange(-3, 4))

    def bounded(self, worker):
        self.last.append(worker.number)
        check(len(self.last) <= 20, "a bounded deque is too long")

    def count(self, worker):
        self.numbers.of(worker).append(next(self.counter))

    def bytes(self, worker):
        word = b"<%d>" % worker.number
        self.blob.extend(word)
        self.blobs.of(worker).append(word)
        copy = bytes(self.blob)
        check(copy[:1] == b"<" and copy.endswith(b">"), "a torn word", copy[-20:])

    def settle(self):
        given = sorted(self.given.all())
        same(sorted(list(self.shared) + self.taken.all()), given, "deque")
        numbers = sorted(self.numbers.all())
        same(numbers, list(range(len(numbers))), "count")
        same(sorted(bytes(self.blob).replace(b">", b"> ").split()), sorted(self.blobs.all()), "bytes")
        self.counter = itertools.count()
        self.shared.clear()
        self.blob.clear()
        for logs in (self.numbers, self.given, self.taken, self.blobs):
            logs.clear()
        return len(given), len(numbers)


PARTS = [Dict, List, Set, Deque]
