"""Pickling while others change what is pickled; picklers, unpicklers and moments that threads share."""
import _pickle
import datetime
import io
import pickle

from _common import THREADS, check, done, same, scaled, together


class Thing:
    def __init__(self, number):
        self.number = number
        self.me = [self, str(number)]


class Sink:
    def __init__(self):
        self.parts = []

    def write(self, part):
        self.parts.append(part)


SHARED = {"k%d" % i: [i, (i, str(i)), Thing(i), frozenset((i, i + 1))] for i in range(100)}


def there_and_back(number, rounds):
    for _ in range(rounds):
        back = pickle.loads(pickle.dumps(SHARED))
        same(len(back), 100, "size")
        thing = back["k7"][2]
        check(thing.me[0] is thing and back["k7"][0] == 7, "another object")


def changing(number, values, pairs, members, rounds):
    for i in range(rounds):
        if number == 0:
            values.append([i])
            if len(values) > 2000:
                del values[:]
            pairs[i % 700] = i
            pairs.pop((i * 7) % 700, None)
            members.add(i % 500)
            members.discard((i * 3) % 500)
            continue
        if i % 40:
            continue
        try:
            pickle.loads(pickle.dumps([values, pairs, members]))
        except RuntimeError as e:
            check("changed size" in str(e), e)


def one_pickler(number, pickler, rounds, count):
    for i in range(rounds):
        try:
            pickler.dump(SHARED)
            count[number] += 1
        except RuntimeError as e:
            check("already used" in str(e), e)
        if i % 7 == 0:
            pickler.clear_memo()
        if i % 5 == 0:
            pickler.memo.copy()


def one_unpickler(number, unpickler, rounds, got):
    for _ in range(rounds):
        try:
            got[number].append(unpickler.load())
        except RuntimeError as e:
            check("already used" in str(e), e)


def moments(number, start, rounds):
    for i in range(rounds):
        later = start + datetime.timedelta(seconds=i)
        same((later - start).total_seconds(), i, "difference")
        same(pickle.loads(pickle.dumps(later)), later, "pickled")
        same(datetime.datetime.fromisoformat(later.isoformat()), later, "as text")
        same(hash(start), hash(start + datetime.timedelta(0)), "hash")


together(THREADS, there_and_back, scaled(40))
together(THREADS, changing, [], {}, set(), scaled(4000))

count = [0] * THREADS
together(THREADS, one_pickler, _pickle.Pickler(Sink()), scaled(40), count)
check(sum(count) > 0, "nobody got to pickle")

data = pickle.dumps(list(range(50)))
got = [[] for _ in range(THREADS)]
together(THREADS, one_unpickler, _pickle.Unpickler(io.BytesIO(data * (THREADS * scaled(200)))), scaled(200), got)
for one in (x for part in got for x in part):
    same(one, list(range(50)), "torn")

together(THREADS, moments, datetime.datetime(2024, 2, 28, tzinfo=datetime.timezone.utc), scaled(2000))
done()
