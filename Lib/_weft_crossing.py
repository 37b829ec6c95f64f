"""What crosses from one interpreter to another, and how.

Objects that cannot change cross as they are; others are copied by pickle, functions without state by their code. On its way
an object is a tuple of a kind and plain data. Every interpreter has a copy of this module of its own; what all have in common
is the dict `shared`, and that holds plain data and locks only.
"""

import sys
import _thread
import _weft_interpreters as _native
from types import CodeType, FunctionType, ModuleType, SimpleNamespace

shared = _native.shared

# Taken by finalizers too, whatever they interrupt.
lock = shared.setdefault("lock", _thread.RLock())


class InterpreterError(Exception):
    """A cross-interpreter operation failed"""


class InterpreterNotFoundError(InterpreterError):
    """An interpreter was not found"""


class NotShareableError(TypeError):
    """The object cannot be shared between interpreters"""


for _class in (InterpreterError, InterpreterNotFoundError, NotShareableError):
    _class.__module__ = "concurrent.interpreters"


# --- from an object to what crosses, and back ---

class CrossInterpreterBufferView:
    """A buffer of another interpreter."""

    __slots__ = ("_view",)

    def __new__(cls, *args, **kwargs):
        raise TypeError("cannot create 'CrossInterpreterBufferView' instances")

    def __buffer__(self, flags):
        return memoryview(self._view)


CrossInterpreterBufferView.__module__ = "_interpreters"


def _plain(obj):
    return ("plain", obj)


def _tuple(obj, dump):
    return ("tuple", tuple([dump(item) for item in obj]))


# Types whose objects can be shared: how they are packed.
_packers = {
    type(None): _plain,
    bool: _plain,
    float: _plain,
    str: _plain,
    bytes: lambda obj: ("bytes", obj),
    int: _plain,
    tuple: None,
    memoryview: lambda obj: ("buffer", obj),
}

# How they are unpacked, by kind; and what becomes of what nobody unpacks.
_unpackers = {}
_droppers = {}


def register(cls, kind, pack, unpack, drop=None):
    """Objects of this very class can be shared: `pack` gives plain data, of which `unpack` makes an object again."""
    _packers[cls] = lambda obj: (kind, pack(obj))
    _unpackers[kind] = unpack
    if drop is not None:
        _droppers[kind] = drop


def is_shareable(obj):
    return type(obj) in _packers


def _refused(obj, cause=None):
    exc = NotShareableError(f"{obj} does not support cross-interpreter data")
    exc.__cause__ = cause
    return exc


def dump_shareable(obj, within=None):
    """Packs an object of a type that can be shared. Items of tuples are packed by `within`."""
    cls = type(obj)
    if cls is tuple:
        return _tuple(obj, within or dump_shareable)
    if cls is int and not -(1 << 63) <= obj < 1 << 63:
        raise OverflowError("try sending as bytes")
    pack = _packers.get(cls)
    if pack is None:
        raise _refused(obj)
    return pack(obj)


def dump(obj):
    """Packs any object for which there is a way."""
    try:
        return dump_shareable(obj, dump)
    except (NotShareableError, OverflowError) as exc:
        refused = exc
    for way in (_dump_function, _dump_pickle) if type(obj) is FunctionType else (_dump_pickle,):
        try:
            return way(obj)
        except NotShareableError:
            pass
    raise refused


def dump_callable(func):
    if type(func) is FunctionType:
        try:
            return _dump_function(func)
        except NotShareableError as exc:
            refused = exc
        try:
            return _dump_pickle(func)
        except NotShareableError:
            raise refused
    return _dump_pickle(func)


def _main_file():
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    return file if type(file) is str else None


def _dump_pickle(obj):
    import pickle
    try:
        data = pickle.dumps(obj)
    except Exception as exc:
        raise NotShareableError("object could not be pickled") from exc
    return ("pickle", (data, _main_file()))


def why_stateful(code, globals=None, builtins=None):
    """What the code needs besides its arguments and builtins, as the words of an error; None if nothing."""
    if code.co_freevars:
        return "closures not supported"
    known = _native.global_names(code)
    if globals is None:
        # Which of them are builtins is not to be seen.
        return None
    if any(name in globals or name not in builtins for name in known):
        return "globals not supported"
    return None


def verify_stateless(func):
    if func.__defaults__:
        raise ValueError("defaults not supported")
    if func.__kwdefaults__:
        raise ValueError("keyword defaults not supported")
    if func.__closure__:
        raise ValueError("closures not supported")
    why = why_stateful(func.__code__, func.__globals__, func.__builtins__)
    if why:
        raise ValueError(why)


def _dump_function(func):
    try:
        verify_stateless(func)
    except ValueError as exc:
        raise _refused(func, exc) from exc
    return ("function", func.__code__)


def load(packed):
    kind, data = packed
    if kind == "plain":
        return data
    if kind == "tuple":
        return tuple([load(item) for item in data])
    return _unpackers[kind](data) if kind in _unpackers else _load_registered(kind, data)


def _load_registered(kind, data):
    # The module that knows the kind has not been imported here.
    __import__(kind.partition(":")[0])
    return _unpackers[kind](data)


def discard(packed):
    """What was packed will not be unpacked."""
    kind, data = packed
    if kind == "tuple":
        for item in data:
            discard(item)
    elif kind in _droppers:
        _droppers[kind](data)


def _load_buffer(view):
    shown = object.__new__(CrossInterpreterBufferView)
    shown._view = view
    return memoryview(shown)


def _main():
    return sys.modules["__main__"].__dict__


def _load_function(code):
    return FunctionType(code, _main())


# By file: modules that stand for the main program of another interpreter.
_programs = {}


def _program(file):
    module = _programs.get(file)
    if module is None:
        import io
        module = ModuleType("<fake __main__>")
        module.__file__ = file
        module.__builtins__ = sys.modules["builtins"]
        with io.open_code(file) as f:
            code = compile(f.read(), file, "exec")
        exec(code, module.__dict__)
        _programs[file] = module
    return module


def _load_pickle(data):
    import pickle
    data, file = data
    try:
        try:
            return pickle.loads(data)
        except AttributeError as exc:
            if file is None or "__main__" not in str(exc):
                raise
            missing = exc
        # It comes from the main program: that is run here, as a module that nobody sees.
        program = _program(file)
        main = sys.modules["__main__"]
        sys.modules["__main__"] = program
        try:
            return pickle.loads(data)
        finally:
            sys.modules["__main__"] = main
    except Exception as exc:
        raise NotShareableError("object could not be unpickled") from exc


_unpackers.update(
    # A copy, as it would be if memory were not common to all.
    bytes=lambda data: bytes(bytearray(data)),
    buffer=_load_buffer,
    function=_load_function,
    pickle=_load_pickle,
)


# --- exceptions ---

def describe(exc):
    """An exception as plain data."""
    cls = type(exc)
    try:
        msg = str(exc)
    except Exception:
        msg = None
    name = cls.__qualname__
    if cls.__module__ not in ("builtins", "__main__"):
        name = f"{cls.__module__}.{name}"
    try:
        import traceback
        te = traceback.TracebackException(exc.__class__, exc, _own(exc.__traceback__))
        shown = "".join(te.format()).removesuffix("\n")
    except Exception:
        shown = None
    return {
        "type": {"__name__": cls.__name__, "__qualname__": cls.__qualname__, "__module__": cls.__module__},
        "msg": msg,
        "formatted": f"{name}: {msg}" if msg else name,
        "errdisplay": shown,
    }


def _own(tb):
    """A traceback without what brought the call here."""
    while tb is not None and tb.tb_frame.f_code.co_filename in (__file__, _CALL_FILE):
        tb = tb.tb_next
    return tb


def excinfo(described):
    """What `_interpreters` gives for an exception."""
    return SimpleNamespace(**dict(described, type=SimpleNamespace(**described["type"])))


# --- running things in the interpreter in which this module is ---

# Natives look at the frame that calls them: it has to be that of __main__.
_CALL_FILE = "<call>"
_call_code = compile("__import__('_weft_crossing')._calls.pop()()", _CALL_FILE, "eval")
_calls = []


def _apply(func, args, kwargs):
    if isinstance(func, (FunctionType, type)):
        return func(*args, **kwargs)
    from functools import partial
    _calls.append(partial(func, *args, **kwargs))
    return eval(_call_code, _main())


def _unpack(packed, label):
    try:
        return load(packed)
    except NotShareableError as exc:
        raise NotShareableError(f"{label} not shareable") from exc


def _failure(exc):
    cause = exc.__cause__
    return ("failed", str(exc), None if cause is None else describe(cause)["formatted"])


def run_call(func, args, kwargs):
    try:
        func = _unpack(func, "func")
        args = _unpack(args, "args")
        kwargs = _unpack(kwargs, "kwargs")
    except NotShareableError as exc:
        return _failure(exc)
    except Exception as exc:
        return ("raised", describe(exc))
    try:
        result = _apply(func, args, kwargs)
    except BaseException as exc:
        return ("raised", describe(exc))
    try:
        return ("done", dump(result))
    except NotShareableError as exc:
        return _failure(exc)


def run_code(code, updates):
    """Runs a script in __main__, whose names are brought up to date first."""
    try:
        main = _main()
        for name, packed in updates:
            main[name] = load(packed)
    except NotShareableError as exc:
        return _failure(exc)
    if code is None:
        return ("done", ("plain", None))
    try:
        exec(code, main)
    except BaseException as exc:
        return ("raised", describe(exc))
    return ("done", ("plain", None))


# --- the table of interpreters, and entering one ---

UNKNOWN, RUNTIME, LEGACY_CAPI, CAPI, XI, STDLIB = range(6)

interpreters = shared.setdefault(
    "interpreters", {0: {"whence": RUNTIME, "refs": 0, "linked": False, "running": True, "config": None}}
)


def find(id):
    with lock:
        known = interpreters.get(id)
    if known is None:
        raise InterpreterNotFoundError(f"unrecognized interpreter ID {id}")
    return known


def enter(id, function, *args):
    """Calls a function of the other interpreter's copy of this module, as what it runs in __main__."""
    known = find(id)
    with lock:
        if known["running"]:
            raise InterpreterError("interpreter already running")
        known["running"] = True
    try:
        how, *result = _native.call(id, __name__, function, args)
    finally:
        known["running"] = False
    if how == "failed":
        msg, cause = result
        exc = NotShareableError(msg)
        if cause is not None:
            exc.__cause__ = Exception(cause)
        raise exc
    if how == "raised":
        return None, excinfo(result[0])
    return load(result[0]), None




def end(id):
    if id == _native.current():
        raise InterpreterError("cannot destroy the current interpreter")
    with lock:
        known = find(id)
        if known["running"]:
            raise InterpreterError("interpreter running")
        del interpreters[id]
    _native.end(id)
    for name in ("queues", "channels"):
        if name in shared:
            unbind(shared[name], id)


def unbind(containers, id):
    """Items of an interpreter that has ended go, or say that they are unbound."""
    with lock:
        for container in list(containers.values()):
            items = container["items"]
            for item in list(items):
                if item["from"] != id:
                    continue
                if item["unbound"] == 1:
                    items.remove(item)
                else:
                    item["packed"] = None
                waiting = item.get("received")
                if waiting is not None and waiting.locked():
                    waiting.release()
