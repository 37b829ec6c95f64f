"""This module provides primitive operations to manage Python interpreters."""

import sys
from types import CodeType, FunctionType, SimpleNamespace
import _weft_crossing as _x
import _weft_interpreters as _native
from _weft_crossing import (
    CrossInterpreterBufferView, InterpreterError, InterpreterNotFoundError, NotShareableError,
    UNKNOWN as WHENCE_UNKNOWN, RUNTIME as WHENCE_RUNTIME, LEGACY_CAPI as WHENCE_LEGACY_CAPI,
    CAPI as WHENCE_CAPI, XI as WHENCE_XI, STDLIB as WHENCE_STDLIB,
)


# --- settings ---

_FREE_THREADED = not sys._is_gil_enabled()

_CONFIGS = {
    "isolated": dict(
        use_main_obmalloc=False, allow_fork=False, allow_exec=False, allow_threads=True,
        allow_daemon_threads=False, check_multi_interp_extensions=True, gil="own",
    ),
    "legacy": dict(
        use_main_obmalloc=True, allow_fork=True, allow_exec=True, allow_threads=True,
        allow_daemon_threads=True, check_multi_interp_extensions=_FREE_THREADED, gil="shared",
    ),
    "empty": dict(
        use_main_obmalloc=False, allow_fork=False, allow_exec=False, allow_threads=False,
        allow_daemon_threads=False, check_multi_interp_extensions=False, gil="default",
    ),
}
_CONFIGS["default"] = _CONFIGS[""] = _CONFIGS["isolated"]


def _named_config(name):
    name.encode()
    if name not in _CONFIGS:
        raise ValueError(f"unsupported config name '{name}'")
    return dict(_CONFIGS[name])


def _checked(config, given):
    for name, value in given.items():
        if name not in config:
            raise ValueError(f"config has 1 extra fields ({name})")
        if name == "gil":
            if type(value) is not str:
                raise TypeError("invalid config value: gil must be a str")
            if value not in ("default", "shared", "own"):
                raise ValueError(f"unsupported interpreter config .gil value '{value}'")
        elif type(value) is not bool:
            raise TypeError(f"expected bool, got {type(value).__name__} for config field {name}")
        config[name] = value
    return config


def new_config(name="isolated", /, **overrides):
    """Return a representation of a new PyInterpreterConfig."""
    return SimpleNamespace(**_checked(_named_config(name), overrides))


def _config_of(config):
    if config is None:
        return _named_config("isolated")
    if isinstance(config, str):
        return _named_config(config)
    given = vars(config)
    missing = [name for name in _CONFIGS["empty"] if name not in given]
    if missing:
        raise ValueError(f"config is missing field {missing[0]!r}")
    return _checked(dict(_CONFIGS["empty"]), given)


def _allowed(config):
    bits = 0
    for name in ("fork", "exec", "threads", "daemon_threads"):
        if config["allow_" + name]:
            bits |= getattr(_native, name.upper())
    return bits


# --- interpreters ---

def _id(id):
    if not isinstance(id, int):
        raise TypeError(f"interpreter ID must be an int, got {type(id).__name__}")
    if id < 0:
        raise ValueError(f"interpreter ID must be a non-negative int, got {id}")
    return int(id)


def _resolve(id, restrict):
    id = _id(id)
    known = _x.find(id)
    if restrict and known["whence"] != WHENCE_STDLIB:
        raise InterpreterError(f"unrecognized interpreter {id}")
    return id, known


def create(config=None, *, reqrefs=False):
    """Create a new interpreter and return a unique generated ID."""
    config = _config_of(config)
    if not config["use_main_obmalloc"] and not config["check_multi_interp_extensions"]:
        raise InterpreterError("interpreter creation failed")
    if config["gil"] == "default":
        config["gil"] = "shared"
    id = _native.new(_allowed(config))
    with _x.lock:
        _x.interpreters[id] = {
            "whence": WHENCE_STDLIB, "refs": 0, "linked": bool(reqrefs), "running": False, "config": config,
        }
    return id


def destroy(id, *, restrict=False):
    """Destroy the identified interpreter."""
    id, _ = _resolve(id, restrict)
    _x.end(id)


def list_all(*, require_ready=False):
    """Return a list containing the ID of every existing interpreter."""
    with _x.lock:
        return sorted((id, known["whence"]) for id, known in _x.interpreters.items())


def get_current():
    """Return (ID, whence) of the current interpreter."""
    return _at(_native.current())


def get_main():
    """Return (ID, whence) of the main interpreter."""
    return _at(0)


def _at(id):
    return id, _x.find(id)["whence"]


def whence(id):
    """Return an identifier for where the interpreter was created."""
    return _resolve(id, False)[1]["whence"]


def is_running(id, *, restrict=False):
    """Return whether or not the identified interpreter is running."""
    return _resolve(id, restrict)[1]["running"]


def get_config(id, *, restrict=False):
    """Return a representation of the config used to initialize the interpreter."""
    id, known = _resolve(id, restrict)
    config = known["config"]
    if config is None:
        config = dict(_CONFIGS["legacy"], gil="own")
        if _FREE_THREADED:
            config["check_multi_interp_extensions"] = False
    return SimpleNamespace(**config)


def incref(id, *, implieslink=False, restrict=False):
    id, known = _resolve(id, restrict)
    with _x.lock:
        known["refs"] += 1
        if implieslink:
            known["linked"] = True


def decref(id, *, restrict=False):
    id, known = _resolve(id, restrict)
    with _x.lock:
        known["refs"] -= 1
        last = known["refs"] == 0 and known["linked"] and not known["running"]
    if last and id != _native.current():
        _x.end(id)


# --- running ---

def _shared(shared, function, place):
    """Names and values for __main__, packed."""
    if not isinstance(shared, dict):
        what = "None" if shared is None else type(shared).__name__
        raise TypeError(f"_interpreters.{function}() argument {place} must be dict, not {what}")
    packed = []
    for name, value in shared.items():
        if not isinstance(name, str):
            raise TypeError(f"keys must be strings, got {type(name).__name__}")
        name.encode()
        if "\0" in name:
            raise ValueError("embedded null character")
        packed.append((name, _x.dump_shareable(value)))
    return tuple(packed)


def set___main___attrs(id, updates, *, restrict=False):
    """Bind the given attributes in the interpreter's __main__ module."""
    id, _ = _resolve(id, restrict)
    packed = _shared(updates, "set___main___attrs", 2)
    if not packed:
        raise ValueError("arg 2 must be a non-empty dict")
    _x.enter(id, "run_code", None, packed)


def _script_of(code):
    """Code that can be run as a script: no arguments, no state, nothing given back."""
    if code.co_argcount or code.co_kwonlyargcount or code.co_flags & 0x0C:
        raise ValueError("code with arguments is not a script")
    if code.co_flags & 0x2A0:
        raise ValueError("generators, coroutines and the like are not scripts")
    if code.co_freevars:
        raise ValueError("closures not supported")
    return code


def _code_of(arg, what, function):
    if isinstance(arg, str) and "text" in what:
        return compile(str(arg), "<string>", "exec", dont_inherit=True)
    if isinstance(arg, FunctionType) and "function" in what:
        _x.verify_stateless(arg)
        return _returning_nothing(_script_of(arg.__code__))
    if isinstance(arg, CodeType) and "function" in what:
        return _script_of(arg)
    wanted = {"text": "a string", "function": "a function or a code object"}
    wanted = "a string, a function, or a code object" if len(what) == 2 else wanted[what[0]]
    raise TypeError(f"_interpreters.{function}() argument 2 must be {wanted}, not {type(arg).__name__}")


def _returning_nothing(code):
    if not _native.returns_only_none(code):
        raise ValueError("code that returns a value is not a script")
    return code


def _exec(id, code, shared, restrict, function, what):
    id, _ = _resolve(id, restrict)
    packed = _shared(shared, function, 3)
    code = _code_of(code, what, function)
    return _x.enter(id, "run_code", code, packed)[1]


def exec(id, code, shared={}, *, restrict=False):
    """Execute the provided code in the identified interpreter."""
    return _exec(id, code, shared, restrict, "exec", ("text", "function"))


def run_string(id, script, shared={}, *, restrict=False):
    """Execute the provided string in the identified interpreter."""
    return _exec(id, script, shared, restrict, "run_string", ("text",))


def run_func(id, func, shared={}, *, restrict=False):
    """Execute the body of the provided function in the identified interpreter."""
    return _exec(id, func, shared, restrict, "run_func", ("function",))


def call(id, callable, args=None, kwargs=None, *, preserve_exc=False, restrict=False):
    """Call the provided object in the identified interpreter."""
    id, _ = _resolve(id, restrict)
    if not globals_callable(callable):
        raise TypeError(f"expected a callable, got {callable!r}")
    if args is not None and not isinstance(args, tuple):
        raise TypeError(f"_interpreters.call() argument 3 must be tuple, not {type(args).__name__}")
    if kwargs is not None and not isinstance(kwargs, dict):
        raise TypeError(f"_interpreters.call() argument 4 must be dict, not {type(kwargs).__name__}")
    func = _x.dump_callable(callable)
    args = _x.dump(tuple(args or ()))
    kwargs = _x.dump(dict(kwargs)) if kwargs else _NO_KWARGS
    return _x.enter(id, "run_call", func, args, kwargs)


globals_callable = callable
_NO_KWARGS = _x.dump({})


# --- objects ---

def is_shareable(obj):
    """Return True if the object's data may be shared between interpreters."""
    return _x.is_shareable(obj)


def capture_exception(exc=None):
    """Return a snapshot of an exception."""
    if exc is None:
        exc = sys.exception()
        if exc is None:
            raise RuntimeError("No active exception to capture")
    elif not isinstance(exc, BaseException):
        raise TypeError(f"expected exception, got {exc!r}")
    return _x.excinfo(_x.describe(exc))
