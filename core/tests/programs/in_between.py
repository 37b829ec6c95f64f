"""What other code may do in the middle of something: finalizers, iterators, other threads. What was looked at before may be gone."""
import gc
import io
import sys
import threading
import weakref

from _checks import alone, check, raises, run, same, together

SHARED = {}


def shared_box():
    """A dict that other threads could reach: what is taken out of it is held by it alone."""
    box = {}
    SHARED[threading.get_ident()] = box
    return box


def churn():
    """Takes the memory of what has just been freed."""
    return [bytearray(n) for n in (1, 16, 40, 80, 120, 200)], ["%d" % n for n in range(50)], [[n] for n in range(50)]


def empties(box):
    """Something that empties the box when it dies."""
    class Emptying:
        def __del__(self):
            box.clear()
            gc.collect()
            self.taken = churn()

    return Emptying()


def case_results_outlive_what_dies_with_the_frame():
    box = shared_box()

    def returned():
        dying = empties(box)
        return box["x"]

    def of_an_argument(dying):
        return box["x"]

    class Made:
        def __new__(cls):
            dying = empties(box)
            return box["x"]

    class Getting:
        @property
        def x(self):
            dying = empties(box)
            return box["x"]

        def __getitem__(self, key):
            dying = empties(box)
            return box["x"]

        __call__ = __getitem__

    def ended():
        dying = empties(box)
        return box["x"]
        yield

    def through(generator):
        return (yield from generator())

    def ends(generator):
        return raises(StopIteration, next, generator).value

    def caught():
        try:
            dying = empties(box)
            return box["x"]
        finally:
            dying = None

    ways = [
        returned,
        lambda: of_an_argument(empties(box)),
        lambda: (empties(box), box["x"])[1],
        lambda: [box["x"], empties(box)][0],
        lambda: list(map(of_an_argument, [empties(box)]))[0],
        Made,
        lambda: Getting().x,
        lambda: Getting()[empties(box)],
        lambda: Getting()(empties(box)),
        lambda: ends(ended()),
        lambda: ends(through(ended)),
        caught,
        lambda: getattr(Getting(), "x"),
        lambda: (lambda dying, x=box["x"]: x)(empties(box)),
    ]
    for way in ways:
        box["x"] = ["kept", 1]
        same(way(), ["kept", 1])


def case_what_is_unpacked_outlives_what_the_names_held():
    box = shared_box()
    for made in (lambda: [["a"], ["b"], ["c"]], lambda: (["a"], ["b"], ["c"])):
        box["x"] = made()
        a = b = c = empties(box)
        a, b, c = box["x"]
        same([a, b, c], [["a"], ["b"], ["c"]])
    box["x"] = {"k": ["v"]}
    k = v = empties(box)
    for k, v in box["x"].items():
        same((k, v), ("k", ["v"]))


def case_a_value_on_its_way_into_a_generator():
    box = shared_box()

    def inner():
        got = yield
        while True:
            got = yield got

    def outer():
        yield from inner()

    g = outer()
    next(g)
    for n in range(5):
        box["x"] = ["sent", n]
        dying = empties(box)
        same(g.send((box["x"], dying := None)[0]), ["sent", n])


def case_iterators_that_forget_their_iteration():
    box = shared_box()

    class Last:
        def __iter__(self):
            return self

        def __next__(self):
            box.clear()
            gc.collect()
            raise StopIteration

    for kind in (enumerate, lambda x: zip(x, [1]), lambda x: map(str, x), lambda x: filter(None, x)):
        last = Last()
        gone = weakref.ref(last)
        box["x"] = kind(last)
        del last
        if kind is enumerate:
            for a, b in box["x"]:
                pass
        for a in box.get("x", ()):
            pass
        for _ in range(5):
            gc.collect()
        check(gone() is None, "nobody has it")


def case_code_is_replaced_while_it_runs():
    text = """
def f(n):
    a = [1, 2, 3]
    replace()
    s = "of %d %s"
    return [s % (i, a) for i in range(n)], "abc"[n % 3], (lambda: a)()

def g(n):
    x = [1]
    yield 1
    replace()
    s = "of %d"
    for i in range(n):
        yield s % i
"""

    def replace():
        names["f"].__code__ = (lambda n: 7).__code__
        names["g"].__code__ = (lambda n: (yield 8)).__code__
        names["f"] = names["g"] = None
        gc.collect()
        made.append([compile("def f(a): return a, 'x%d', [1]" % n, "made", "exec") for n in range(20)])
        churn()

    made = []
    for _ in range(3):
        names = {"replace": replace}
        exec(compile(text, "text", "exec"), names)
        same(names["f"](2), (["of 0 [1, 2, 3]", "of 1 [1, 2, 3]"], "c", [1, 2, 3]))
        exec(compile(text, "text", "exec"), names)
        same(list(names["g"](2)), [1, "of 0", "of 1"])


def case_exceptions_that_hide_their_class():
    class Hiding(Exception):
        @property
        def __class__(self):
            raise OSError("hidden")

    def inner():
        try:
            yield 1
        except Exception as e:
            check(type(e) is Hiding)
        yield 2

    def outer():
        yield from inner()
        yield 3

    g = outer()
    next(g)
    same(g.throw(Hiding()), 2)
    same(list(g), [3])


@alone
def case_a_generator_has_one_frame_object():
    def gen():
        x = [1]
        yield x
        yield x

    for n in range(500):
        g = gen()
        found = [None] * 4

        def look(k):
            found[k] = [g.gi_frame for _ in range(4)]
            same(found[k][0].f_locals.get("x", [1]), [1])
            check(found[k][0].f_generator is g)

        if n % 2:
            next(g)
        together(*(lambda k=k: look(k) for k in range(4)))
        frames = {id(frame) for each in found for frame in each}
        check(len(frames) == 1, "one frame object, not %d" % len(frames))


def case_a_default_that_is_given_back():
    for n in range(100):
        kept = ["kept", n]
        same(sys._getframe().f_locals.get("nothing", kept), ["kept", n])
        same(sys._getframe().f_locals.get("nothing", ["made", n]), ["made", n])
        same(churn()[2][1], [1])
        same(kept, ["kept", n])


def case_a_frame_object_leads_to_its_generator():
    def gen():
        x = [1]
        yield x
        yield x
        yield x

    def other(me=threading.get_ident()):
        frame = SHARED[me]
        frame.f_locals["x"] = ["other"]
        same(next(frame.f_generator), ["other"])

    g = gen()
    # Whoever can reach the frame can reach the generator, which nobody else could before.
    SHARED[threading.get_ident()] = g.gi_frame
    next(g)
    together(other)
    SHARED[threading.get_ident()] = None
    gc.collect()
    same(next(g), ["other"])


@alone
def case_looking_at_a_generator_is_not_running_it():
    def gen():
        for n in range(4000):
            yield n

    g = gen()
    got = []

    def look():
        while True:
            frame = g.gi_frame
            if frame is None and got and got[-1] == 3999:
                return
            if frame is not None:
                frame.f_locals.get("n")
            g.gi_yieldfrom

    together(lambda: got.extend(g), look)
    same(got, list(range(4000)))


@alone
def case_closed_as_it_begins():
    for _ in range(300):
        log = []

        def gen():
            try:
                log.append("began")
                yield 1
            finally:
                log.append("ended")

        def close():
            try:
                g.close()
            except ValueError as e:
                same(str(e), "generator already executing")

        def begin():
            try:
                next(g)
            except StopIteration:
                pass
            except ValueError as e:
                same(str(e), "generator already executing")

        g = gen()
        together(begin, close)
        g.close()
        check(log in ([], ["began", "ended"]), log)


@alone
def case_names_come_and_go_while_code_is_new():
    names = {"n%d" % n: n for n in range(60)}
    names["wanted"] = "wanted"
    over = []

    def change():
        n = 0
        while not over:
            n += 1
            for k in range(40):
                del names["n%d" % k]
            for k in range(40):
                names["n%d" % k] = k
            names["len"] = "own"
            del names["len"]

    def read():
        try:
            for n in range(500):
                f = eval(compile("lambda: (wanted, wanted, len)", "new", "eval"), names)
                for _ in range(3):
                    a, b, c = f()
                    same((a, b), ("wanted", "wanted"))
                    check(c is len or c == "own")
        finally:
            over.append(True)

    together(change, read, read)


def case_a_stream_is_set_up_again_while_it_is_read():
    lines = ["line %d\n" % n for n in range(500)]
    data = "".join(lines).encode()
    known = set(lines)
    for kind in (io.BytesIO, lambda data: io.BufferedReader(io.BytesIO(data))):
        stream = io.TextIOWrapper(kind(data))

        def again():
            for _ in range(100):
                stream.__init__(kind(data), encoding="utf-8")

        def read():
            for _ in range(5):
                try:
                    for line in stream:
                        check(line in known, line)
                except ValueError as e:
                    same(str(e), "I/O operation on uninitialized object")

        together(again, read, read)


run(globals())
