"""This module provides primitive operations to manage Python queues of items for interpreters."""

from collections import deque
import _weft_crossing as _x
import _weft_interpreters as _native


class QueueError(Exception):
    """Indicates that a queue-related error happened."""


class QueueNotFoundError(QueueError):
    """A queue was not found"""


for _class in (QueueError, QueueNotFoundError):
    _class.__module__ = "concurrent.interpreters"

# All queues of the program, by number.
_queues = _x.shared.setdefault("queues", {})
_numbers = _x.shared.setdefault("queue numbers", [])

# The classes of this interpreter's own `concurrent.interpreters`.
_classes = {}


def _register_heap_types(queuetype, emptyerror, fullerror):
    _classes.update(queue=queuetype, empty=emptyerror, full=fullerror)
    _x.register(queuetype, "_interpqueues:queue", _pack, _unpack, _drop)


def _class(name):
    if name not in _classes:
        import concurrent.interpreters._queues
    return _classes[name]


def _pack(queue):
    # It stays while it is on its way.
    bind(queue._id)
    return queue._id


def _unpack(id):
    queue = _class("queue")(id)
    release(id)
    return queue


def _drop(id):
    try:
        release(id)
    except QueueError:
        pass


def _id(id):
    if not isinstance(id, int):
        raise TypeError(f"queue ID must be an int, got {type(id).__name__}")
    if id < 0:
        raise ValueError(f"queue ID must be a non-negative int, got {id}")
    return int(id)


def _find(id):
    id = _id(id)
    found = _queues.get(id)
    if found is None:
        raise QueueNotFoundError(f"queue {id} not found")
    return found


def _operation(op, default):
    if op == -1:
        return default
    if op not in (1, 2, 3):
        raise ValueError(f"unsupported unboundop {op}")
    return op


def create(maxsize, unboundop=-1, fallback=-1):
    """Create a new cross-interpreter queue and return its unique generated ID."""
    if not isinstance(maxsize, int):
        raise TypeError(f"'{type(maxsize).__name__}' object cannot be interpreted as an integer")
    queue = {
        "maxsize": int(maxsize), "unbound": _operation(unboundop, 3), "fallback": fallback, "bound": 0, "items": deque(),
    }
    with _x.lock:
        _numbers.append(None)
        id = len(_numbers)
        _queues[id] = queue
    return id


def destroy(qid):
    """Clear and destroy the queue."""
    with _x.lock:
        queue = _find(qid)
        del _queues[qid]
        items = list(queue["items"])
        queue["items"].clear()
    for item in items:
        if item["packed"] is not None:
            _x.discard(item["packed"])


def list_all():
    """Return the list of IDs and defaults for all queues."""
    with _x.lock:
        return [(id, q["unbound"], q["fallback"]) for id, q in _queues.items()]


def put(qid, obj, unboundop=-1, fallback=-1):
    """Add the object's data to the queue."""
    queue = _find(qid)
    unbound = _operation(unboundop, queue["unbound"])
    packed = _x.dump(obj)
    with _x.lock:
        queue = _find(qid)
        full = 0 < queue["maxsize"] <= len(queue["items"])
        if not full:
            queue["items"].append({"packed": packed, "from": _native.current(), "unbound": unbound})
    if full:
        _x.discard(packed)
        raise _class("full")(f"queue {qid} is full")


def get(qid):
    """Return the (object, unbound op) from the front of the queue."""
    with _x.lock:
        queue = _find(qid)
        item = queue["items"].popleft() if queue["items"] else None
    if item is None:
        raise _class("empty")(f"queue {qid} is empty")
    if item["packed"] is None:
        return None, item["unbound"]
    return _x.load(item["packed"]), None


def bind(qid):
    """Take a reference to the identified queue."""
    with _x.lock:
        _find(qid)["bound"] += 1


def release(qid):
    """Release a reference to the queue."""
    with _x.lock:
        queue = _find(qid)
        if queue["bound"] == 0:
            raise QueueError(f"queue {qid} not bound")
        queue["bound"] -= 1
        last = queue["bound"] == 0
    if last:
        destroy(qid)


def get_maxsize(qid):
    """Return the maximum number of items in the queue."""
    return _find(qid)["maxsize"]


def get_queue_defaults(qid):
    """Return the queue's default values."""
    queue = _find(qid)
    return queue["unbound"], queue["fallback"]


def is_full(qid):
    """Return true if the queue has a maxsize and has reached it."""
    queue = _find(qid)
    return 0 < queue["maxsize"] <= len(queue["items"])


def get_count(qid):
    """Return the number of items in the queue."""
    return len(_find(qid)["items"])
