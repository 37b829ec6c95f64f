"""Exceptions: bare `raise`, contexts, tracebacks, `finally` that changes its mind, `except*`, what `sys.exception()` says when."""
import sys
import traceback
import warnings

from _checks import check, raises, run, same, says


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    TAKES_AWAY = compile("""
def f():
    try:
        raise KeyError
    finally:
        return 1

def g():
    while True:
        try:
            raise KeyError
        finally:
            break
    return sys.exception()
""", "<made>", "exec")


def trail(e):
    """The functions and lines (from the start of the function) of the traceback, the case itself left out."""
    tb, got = e.__traceback__, []
    while tb is not None:
        code = tb.tb_frame.f_code
        if not code.co_name.startswith("case_") and code.co_name != "raises":
            got.append((code.co_name, tb.tb_lineno - code.co_firstlineno))
        tb = tb.tb_next
    return got


def case_bare_raise():
    def f():
        try:
            1 / 0
        except ZeroDivisionError:
            raise

    def g():
        try:
            f()
        except ArithmeticError as e:
            seen.append(e)
            raise

    seen = []
    e = raises(ZeroDivisionError, g)
    check(e is seen[0])
    same(trail(e), [("g", 2), ("f", 2)])
    check(e.__context__ is None)

    def nothing():
        raise

    says("No active exception to reraise", RuntimeError, nothing)
    try:
        raise KeyError("k")
    except KeyError as e:
        check(raises(KeyError, nothing) is e)  # the caller's counts


def case_raised_twice():
    def f():
        raise e

    e = OSError("o")
    for n in range(1, 4):
        try:
            f()
        except OSError as again:
            check(again is e)
        same(trail(e), [("f", 1)] * n)
    e.__traceback__ = None
    raises(OSError, f)
    same(trail(e), [("f", 1)])
    check(e.with_traceback(None) is e and e.__traceback__ is None)


def case_contexts():
    def f():
        try:
            try:
                raise KeyError("a")
            except KeyError:
                raise OSError("b")
        finally:
            raise ValueError("c")

    e = raises(ValueError, f)
    same([repr(x) for x in (e, e.__context__, e.__context__.__context__, e.__context__.__context__.__context__)],
         ["ValueError('c')", "OSError('b')", "KeyError('a')", "None"])

    def g():
        try:
            raise KeyError("a")
        except KeyError as e:
            raise OSError("b") from e

    e = raises(OSError, g)
    check(e.__cause__ is e.__context__ and e.__suppress_context__)
    text = "".join(traceback.format_exception(e))
    check("KeyError: 'a'\n\nThe above exception was the direct cause of the following exception:\n" in text, text)

    def h():
        try:
            raise KeyError("a")
        except KeyError:
            raise OSError("b") from None

    e = raises(OSError, h)
    check(e.__cause__ is None and e.__suppress_context__ and e.__context__ is not None)

    def no_loop():
        a, b = KeyError("a"), OSError("b")
        try:
            try:
                raise a
            except KeyError:
                raise b
        except OSError:
            raise a

    e = raises(KeyError, no_loop)
    check(e.__context__.args == ("b",) and e.__context__.__context__ is None)


def case_what_is_being_handled():
    def seen():
        return repr(sys.exception())

    log = [seen()]
    try:
        raise KeyError(1)
    except KeyError:
        log.append(seen())
        try:
            raise KeyError(2)
        except KeyError:
            log.append(seen())
        log.append(seen())
        try:
            log.append(seen())
        finally:
            log.append(seen())
    log.append(seen())
    for i in range(2):
        try:
            raise OSError(i)
        except OSError:
            if i == 0:
                continue
            break
    log.append(seen())

    def returns():
        try:
            raise OSError("r")
        except OSError:
            return seen()

    log += [returns(), seen()]
    same(log, ["None", "KeyError(1)", "KeyError(2)", "KeyError(1)", "KeyError(1)", "KeyError(1)", "None", "None", "OSError('r')",
               "None"])
    same(sys.exc_info(), (None, None, None))


def case_the_name_is_unbound():
    try:
        raise KeyError("k")
    except KeyError as e:
        e = 5
    try:
        e
    except UnboundLocalError as error:
        check("'e'" in str(error))
    else:
        check(False)


def case_finally():
    log = []

    def returns():
        try:
            return log.append("try")
        finally:
            log.append("finally")

    def overrides(n):
        for i in range(5):
            try:
                if n == 0:
                    raise KeyError
                if n == 1:
                    return "try"
                if n == 2:
                    break
            except KeyError:
                return "except"
            else:
                log.append("else")
            finally:
                log.append(i)
                if n == 3 and i == 2:
                    n = 2
        return "end"

    returns()
    same(log, ["try", "finally"])
    log.clear()
    same([overrides(n) for n in range(4)], ["except", "try", "end", "end"])
    same(log, [0, 0, 0, "else", 0, "else", 1, "else", 2, 3])
    # A `finally` that returns takes the exception away.
    space = {"sys": sys}
    exec(TAKES_AWAY, space)
    same((space["f"](), space["g"]()), (1, None))


def case_with():
    class Manager:
        def __init__(self, swallow):
            self.swallow = swallow

        def __enter__(self):
            return self

        def __exit__(self, kind, e, tb):
            log.append((kind, e is sys.exception(), tb is None))
            if self.swallow == "raise":
                raise OSError("exit")
            return self.swallow

    def f(swallow):
        with Manager(swallow):
            raise KeyError("k")
        return "went on"

    log = []
    same(f(True), "went on")
    raises(KeyError, f, False)
    e = raises(OSError, f, "raise")
    same(repr(e.__context__), "KeyError('k')")
    same(log, [(KeyError, True, False)] * 3)
    log.clear()
    with Manager(False) as a, Manager(True) as b:
        check(a is not b)
        1 / 0
    with Manager(False):
        pass
    same(log, [(ZeroDivisionError, True, False)] + [(None, True, True)] * 2)


def case_groups():
    def f(*errors):
        log = []
        try:
            raise ExceptionGroup("g", errors)
        except* KeyError as e:
            log.append(("key", [x.args for x in e.exceptions]))
        except* (OSError, ValueError) as e:
            log.append(("other", len(e.exceptions)))
            if any(x.args == ("again",) for x in e.exceptions):
                raise
        return log

    same(f(KeyError(1), KeyError(2)), [("key", [(1,), (2,)])])
    same(f(OSError(1), KeyError(2), ValueError(3)), [("key", [(2,)]), ("other", 2)])
    e = raises(ExceptionGroup, f, TypeError("t"), KeyError(1))
    same([repr(x) for x in e.exceptions], ["TypeError('t')"])
    e = raises(ExceptionGroup, f, ValueError("again"), IndexError("i"))
    same(sorted(repr(x) for x in e.exceptions), ["IndexError('i')", "ValueError('again')"])
    try:
        raise KeyError("alone")
    except* KeyError as e:
        same(type(e), ExceptionGroup)
        same([x.args for x in e.exceptions], [("alone",)])


def case_through_natives():
    def key(x):
        if x == 3:
            raise KeyError(x)
        return x

    for ask in (lambda: sorted([1, 3, 2], key=key), lambda: list(map(key, [1, 3])), lambda: max([3], key=key),
                lambda: [*filter(key, [3])]):
        e = raises(KeyError, ask)
        same(trail(e), [("<lambda>", trail(e)[0][1]), ("key", 2)])

    class C:
        def __eq__(self, other):
            raise OSError("eq")

        def __hash__(self):
            return 1

    for ask in (lambda: C() in [1], lambda: {C(): 1}[C()], lambda: [1].index(C()), lambda: (C(),) == (1,)):
        same(trail(raises(OSError, ask))[-1], ("__eq__", 1))


def case_deep_tracebacks():
    def f(n):
        if n == 0:
            raise KeyError("bottom")
        try:
            f(n - 1)
        except OSError:
            check(False)

    same(trail(raises(KeyError, f, 50)), [("f", 4)] * 50 + [("f", 2)])
    lines = traceback.format_exception(raises(KeyError, f, 50))
    check(any("previous line repeated" in line.lower() for line in lines))


def case_bad_raises():
    for bad in (5, "text", object(), int, None):
        says("exceptions must derive from BaseException", TypeError, lambda: exec("raise bad", {"bad": bad}))
    says("exception causes must derive from BaseException", TypeError, lambda: exec("raise KeyError from 5"))

    def catches():
        try:
            raise KeyError("k")
        except 5:
            pass

    e = raises(TypeError, catches)
    same(str(e), "catching classes that do not inherit from BaseException is not allowed")
    same(repr(e.__context__), "KeyError('k')")

    class Fails(Exception):
        def __init__(self):
            raise OSError("made")

    def made():
        raise Fails

    same(trail(raises(OSError, made)), [("made", 1), ("__init__", 1)])


run(globals())
