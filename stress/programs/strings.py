"""Text, numbers, regular expressions, sorting and JSON in all threads at once, on shared and own data."""
import collections
import json
import re

from _common import THREADS, check, done, same, scaled, together

ROUNDS = scaled(240)
SHARED = {"names": ["näme-%d" % i for i in range(200)], "big": [10 ** 30 + i for i in range(50)], "text": "añb∂c😀 " * 200}
PATTERN = re.compile(r"(?P<word>\w+)-(\d+)")


def texts(number):
    text = SHARED["text"]
    for r in range(ROUNDS * 4):
        same(text.count("😀"), 200, "count")
        same(text[5 + 7 * (r % 100)], "😀", "index")
        same(text.upper().lower(), text, "case")
        same(len(text.encode()), 200 * len("añb∂c😀 ".encode()), "encode")
        same("".join(sorted(text[:14])), "".join(sorted("añb∂c😀 " * 2)), "slices")
        for name in SHARED["names"][:40]:
            match = PATTERN.fullmatch(name)
            same((match["word"], int(match[2])), ("näme", SHARED["names"].index(name)), "match")
        same("%s|%5d|%.3f" % (number, r, r / 7), "{}|{:5d}|{:.3f}".format(number, r, r / 7), "format")
        same(f"{r!r:>8}", str(r).rjust(8), "f-string")


def numbers(number):
    for r in range(ROUNDS):
        total = sum(SHARED["big"])
        same(total, 50 * 10 ** 30 + 1225, "big ints")
        same(pow(7, 500 + r, 10 ** 40 + number), 7 ** (500 + r) % (10 ** 40 + number), "pow")
        same(int(str(total)), total, "int and str")
        same(sum(x * 0.5 for x in range(1000)), 249750.0, "floats")


def structures(number):
    for r in range(ROUNDS):
        same(json.loads(json.dumps(SHARED)), SHARED, "json")
        data = [(i * 7919 + number) % 1009 for i in range(1009)]
        same(sorted(data), list(range(1009)), "sort")
        same(sorted(SHARED["names"], key=lambda s: -int(s[5:]))[0], "näme-199", "sort by key")
        counter = collections.Counter(i % 10 for i in data)
        same(counter.total(), 1009, "Counter")
        ordered = collections.OrderedDict((i, None) for i in data)
        ordered.move_to_end(data[0])
        same(next(reversed(ordered)), data[0], "OrderedDict")
        groups = collections.defaultdict(list)
        for i in data:
            groups[i % 7].append(i)
        same(sum(map(len, groups.values())), 1009, "defaultdict")
        same({intern: 1 for intern in SHARED["names"]}["näme-7"], 1, "dict")


for body in (texts, numbers, structures):
    together(THREADS, body)
check(PATTERN.groups == 2, "pattern")
done()
