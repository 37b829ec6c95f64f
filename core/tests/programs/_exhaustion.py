"""Memory that the system refuses is a MemoryError, however it was asked for, and the program goes on.

The cases run in processes of their own, which may have little address space more than they have. What is absurd is refused at once;
what grows is refused once it has grown; of what is made of small pieces the last ones come from the runtime's reserve.
"""
import os
import resource
import subprocess
import sys

SPACE = 40 << 20

# Refused at once, whatever there is.
ABSURD = """
[0] * 10**15
[0] * 2**62
(0,) * 10**15
' ' * 10**15
'é' * 10**15
b' ' * 10**15
bytearray(b'x') * 10**15
bytearray(10**15)
bytes(10**15)
bytearray(2**62)
list(range(10**15))
1 << 10**15
'x'.zfill(10**15)
'x'.center(10**15)
b'x'.ljust(10**15)
b'x'.zfill(10**15)
('\\t' * 10**6).expandtabs(2**31 - 1)
'{:1000000000000000}'.format(1)
'{:>1000000000000000}'.format('x')
'%1000000000d' % 1
'%2000000000s' % 'x'
b'%1000000000d' % 1
f'{1:2000000000}'
''.join([' ' * 10**7] * 10**4)
b''.join([b' ' * 10**7] * 10**4)
('x' * 10**6).replace('', 'x' * 10**6)
(b'x' * 10**6).replace(b'', b'x' * 10**6)
(' ' * 10**6).translate({32: 'x' * 10**6})
array.array('b', [0]) * 10**15
collections.deque([0]) * 10**15
written(io.BytesIO(), 10**15, b'x')
written(io.StringIO(), 10**15, 'x')
open('/dev/zero', 'rb').read(10**15)
open('/dev/zero', 'rb', buffering=0).read(10**15)
open('/dev/zero', 'rb').read1(10**15)
open('/dev/zero').read(10**15)
os.read(os.open('/dev/zero', os.O_RDONLY), 10**15)
os.urandom(10**15)
struct.pack('1000000000000000x')
itertools.product(range(10), repeat=10**12)
itertools.combinations_with_replacement(range(10), 10**12)
itertools.tee([], 10**12)
random.randbytes(10**12)
(1).to_bytes(10**15, 'big')
"""

# Large, and made of what is there.
LARGE = """
text + text + text
data + data + data
array_ + array_ + array_
text * 2 + text
text.upper() + text.lower() + text
repr(data)
repr(array_)
repr('\\0' * 2 * 10**7)
data.hex()
data.hex(':')
data.split(b'\\0')
('a ' * 10**7).split()
('a\\n' * 10**7).splitlines()
tuple(text)
list(data)
set(range(2 * 10**7))
'é'.join(['é'] * 10**7).encode('utf-32')
('é' * 10**7).encode('ascii', 'xmlcharrefreplace')
('é' * 10**7).encode('unicode_escape')
ascii('é' * 10**7)
(b'\\xff' * 2 * 10**7).decode('latin-1') + 'x'
(b'\\xff' * 2 * 10**7).decode('utf-8', 'backslashreplace')
array.array('b', data).tolist()
struct.unpack('30000000b', data)
binascii.hexlify(data)
binascii.b2a_base64(data + data[:10**7])
json.dumps('\\0' * 2 * 10**7)
pickle.dumps([data, bytes(2 * 10**7), bytes(2 * 10**7 + 1)])
marshal.dumps([data, bytes(2 * 10**7), bytes(2 * 10**7 + 1)])
(0,) * 4 * 10**6 + (0,) * 4 * 10**6
[0] * 4 * 10**6 + [0] * 4 * 10**6
"""

# Grows until there is no more.
GROWING = """
[i for i in itertools.count()]
list(itertools.count())
tuple(itertools.count())
set(itertools.count())
frozenset(itertools.count())
dict.fromkeys(itertools.count())
{i: i for i in itertools.count()}
dict(zip(itertools.count(), itertools.count()))
collections.Counter(itertools.count())
collections.OrderedDict.fromkeys(itertools.count())
collections.deque(itertools.count())
array.array('q', itertools.count())
sorted(itertools.count())
''.join(itertools.repeat('x'))
b''.join(itertools.repeat(b'x'))
bytes(itertools.repeat(0))
bytearray(itertools.repeat(0))
[*itertools.count()]
max(*itertools.count())
print(*itertools.count())
itertools.product(itertools.count())
itertools.permutations(itertools.count())
next(itertools.batched(itertools.count(), 10**12))
open('/dev/zero', 'rb').read()
open('/dev/zero').read()
open('/dev/zero', 'rb').readline()
open('/dev/zero').readline()
[str(i) for i in itertools.count()]
list(map(str, itertools.count()))
[[i] for i in itertools.count()]
[{} for i in itertools.count()]
[{i: i} for i in itertools.count()]
[(i,) for i in itertools.count()]
[1e300 * i for i in itertools.count()]
[i << 70 for i in itertools.count()]
[object() for i in itertools.count()]
[Plain() for i in itertools.count()]
[lambda: i for i in itertools.count()]
[bytes(100) for i in itertools.count()]
[bytes(5000) for i in itertools.count()]
[bytearray(1000) for i in itertools.count()]
[(lambda: (yield))() for i in itertools.count()]
[threading.Lock() for i in itertools.count()]
nested([])
nested(())
doubled('x')
doubled(b'x')
doubled([0])
doubled((0,))
doubled(bytearray(1))
appended('x' * 100)
appended([0] * 100)
keyed({})
a, *b = itertools.count()
re.sub('', 'x' * 10**6, 'y' * 10**6)
re.findall('', 'y' * 2 * 10**7)
queued(queue.SimpleQueue())
threads()
"""


class Plain:
    def __init__(self):
        self.a = self.b = None


def written(file, at, what):
    file.seek(at)
    file.write(what)


def nested(x):
    kind = type(x)
    while True:
        x = kind((x, x))


def doubled(x):
    while True:
        x += x


def appended(part):
    x = part[:0]
    while True:
        x += part


def keyed(d):
    for i in range(10**12):
        d[str(i)] = i


def queued(q):
    while True:
        q.put([])


def threads():
    """There are fewer than a thousand, and those that there are end."""
    import threading
    end, all = threading.Event(), []
    try:
        for _ in range(1000):
            t = threading.Thread(target=end.wait)
            t.start()
            all.append(t)
    except RuntimeError:
        raise MemoryError from None
    finally:
        end.set()
        for t in all:
            t.join()


def tried(line, names):
    try:
        exec(line, names)
    except (MemoryError, OverflowError):
        return True
    return False


def child(lines):
    """One after the other: what a case has taken it gives back."""
    import array, binascii, collections, hashlib, io, itertools, json, marshal, mmap, pickle, queue, random, re, struct, threading
    names = dict(globals(), **locals())
    if lines is LARGE:
        names |= {"text": "x" * 3 * 10**7, "data": bytes(3 * 10**7), "array_": bytearray(3 * 10**7)}
    tried("raise MemoryError", names)
    with open("/proc/self/statm") as f:
        now = int(f.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + SPACE,) * 2)
    lines = lines.strip().split("\n")
    for line in lines:
        print("#", line, flush=True)
        if not tried(line, names):
            print("nothing was raised", flush=True)
            os._exit(1)
    print("ok", len(lines), flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        child(globals()[sys.argv[1]])
    else:
        cases = 0
        for name in ["ABSURD", "LARGE", "GROWING"]:
            p = subprocess.run([sys.executable, "-B", __file__, name], capture_output=True, text=True, errors="replace")
            last = p.stdout.strip().split("\n")[-1]
            if p.returncode or not last.startswith("ok "):
                sys.exit("%s: exit %d\n%s\n%s" % (name, p.returncode, p.stdout[-400:], p.stderr[-2000:]))
            cases += int(last.split()[1])
        print("ok", cases)
