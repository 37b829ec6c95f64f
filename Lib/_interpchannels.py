"""This module provides primitive operations to manage Python channels between interpreters."""

from collections import deque, namedtuple
import operator
import time
import _thread
import _weft_crossing as _x
import _weft_interpreters as _native


class ChannelError(RuntimeError):
    """A channel-related error"""


class ChannelNotFoundError(ChannelError):
    """A channel was not found"""


class ChannelClosedError(ChannelError):
    """The channel is closed"""


class ChannelEmptyError(ChannelError):
    """The channel is empty"""


class ChannelNotEmptyError(ChannelError):
    """The channel is not empty"""


ChannelInfo = namedtuple(
    "ChannelInfo",
    "open closing closed count num_interp_send num_interp_send_released num_interp_recv num_interp_recv_released "
    "num_interp_both num_interp_both_recv_released num_interp_both_send_released num_interp_both_released "
    "send_associated send_released recv_associated recv_released",
)

# All channels of the program, by number. One that is closed stays, so that it is known as such.
_channels = _x.shared.setdefault("channels", {})
_numbers = _x.shared.setdefault("channel numbers", [])


# --- numbers of channels ---

class ChannelID:
    """A channel ID identifies a channel and may be used as an int."""

    __slots__ = ("_cid", "_end", "_resolve")

    def __new__(cls, id, *, send=None, recv=None, force=False, _resolve=False):
        return _channel_id(id, send=send, recv=recv, force=force, _resolve=_resolve)

    @property
    def end(self):
        """'send', 'recv', or 'both'"""
        return self._end

    @property
    def send(self):
        """the 'send' end of the channel"""
        return _make_id(self._cid, "send", self._resolve)

    @property
    def recv(self):
        """the 'recv' end of the channel"""
        return _make_id(self._cid, "recv", self._resolve)

    def __index__(self):
        return self._cid

    __int__ = __index__

    def __hash__(self):
        return hash(self._cid)

    def __str__(self):
        return str(self._cid)

    def __repr__(self):
        if self._end == "both":
            return f"ChannelID({self._cid})"
        return f"ChannelID({self._cid}, {self._end}=True)"

    def __eq__(self, other):
        if isinstance(other, ChannelID):
            return self._cid == other._cid and self._end == other._end
        if isinstance(other, (int, float, complex)):
            return self._cid == other
        return NotImplemented


    def __del__(self):
        _drop_id((self._cid,))


def _make_id(cid, end, resolve=False):
    made = object.__new__(ChannelID)
    made._cid, made._end, made._resolve = cid, end, resolve
    _hold(cid)
    return made


def _hold(cid):
    """One more knows of the channel."""
    with _x.lock:
        if cid in _channels:
            _channels[cid]["known"] += 1


def _drop_id(data):
    """One less knows of it: with the last one it goes."""
    with _x.lock:
        channel = _channels.get(data[0])
        if channel is None:
            return
        channel["known"] -= 1
        if channel["known"] == 0:
            del _channels[data[0]]
            channel["open"] = False
            _clear(channel)


def _number(id):
    if isinstance(id, ChannelID):
        return id._cid
    try:
        number = operator.index(id)
    except TypeError:
        raise TypeError(f"channel ID must be an int, got {type(id).__name__}") from None
    if number < 0:
        raise ValueError(f"channel ID must be a non-negative int, got {id!r}")
    if number >= 1 << 63:
        raise OverflowError("Python int too large to convert to C long")
    return number


def _channel_id(id, *, send=None, recv=None, force=False, _resolve=False):
    cid = _number(id)
    if send is not None and recv is not None and not send and not recv:
        raise ValueError("'send' and 'recv' cannot both be False")
    if send and not recv:
        end = "send"
    elif recv and not send:
        end = "recv"
    elif send is False:
        end = "recv"
    elif recv is False:
        end = "send"
    else:
        end = "both"
    if not force and cid not in _channels:
        raise ChannelNotFoundError(f"channel {cid} not found")
    return _make_id(cid, end, bool(_resolve))


def _pack_id(id):
    # The channel stays while its number is on its way.
    _hold(id._cid)
    return id._cid, id._end, id._resolve


def _unpack_id(data):
    cid, end, resolve = data
    made = _make_id(cid, end, resolve)
    _drop_id(data)
    return _class(end)(made) if resolve and end != "both" else made


_x.register(ChannelID, "_interpchannels:id", _pack_id)
_x.register_kind("_interpchannels:id", _unpack_id, _drop_id)

# The classes of this interpreter's own high-level module.
_classes = {}


def _class(end):
    if end not in _classes:
        try:
            import interpreters.channels
        except ImportError:
            import test.support.channels
    return _classes[end]


def _pack_end(end):
    id = end._id
    if not isinstance(id, ChannelID):
        what = type(id).__name__
        raise TypeError(f"'_id' attribute must be an _interpchannels.ChannelID object, not {what}")
    _hold(id._cid)
    return id._cid, id._end


def _unpack_end(data):
    cid, end = data
    made = _class(end)(_make_id(cid, end))
    _drop_id(data)
    return made


_x.register_kind("_interpchannels:end", _unpack_end, _drop_id)


def _register_end_types(send, recv):
    _classes.update(send=send, recv=recv)
    for cls in (send, recv):
        _x.register(cls, "_interpchannels:end", _pack_end)


# --- channels ---

def _find(id, cid=None):
    """The channel, which may be closed."""
    cid = _number(id)
    channel = _channels.get(cid)
    if channel is None:
        raise ChannelNotFoundError(f"channel {cid} not found")
    return cid, channel


def _closed(cid):
    return ChannelClosedError(f"channel {cid} is closed")


def _open(id):
    cid, channel = _find(id)
    if not channel["open"]:
        raise _closed(cid)
    return cid, channel


def _associate(cid, channel, end):
    """The current interpreter uses that end from now on."""
    if not channel[end].setdefault(_native.current(), True):
        raise _closed(cid)


def _reckon(channel):
    """A channel is open while any end is, or if none has been used."""
    ends = [*channel["send"].values(), *channel["recv"].values()]
    if ends and not any(ends):
        channel["open"] = False
        _clear(channel)


def _clear(channel):
    items = list(channel["items"])
    channel["items"].clear()
    for item in items:
        if item["packed"] is not None:
            _x.discard(item["packed"])
        _answer(item, False)


def _answer(item, taken):
    """Lets the sender know."""
    item["taken"] = taken
    waiting = item["received"]
    if waiting is not None and waiting.locked():
        waiting.release()


def _operation(op, default):
    if op == -1:
        return default
    if op not in (1, 2, 3):
        raise ValueError(f"unsupported unboundop {op}")
    return op


def create(unboundop=-1, fallback=-1):
    """Create a new cross-interpreter channel and return a unique generated ID."""
    channel = {
        "unbound": _operation(unboundop, 3), "fallback": fallback, "items": deque(),
        "open": True, "known": 0, "removed": False, "closing": False, "send": {}, "recv": {},
    }
    with _x.lock:
        cid = len(_numbers)
        _numbers.append(None)
        _channels[cid] = channel
    return _make_id(cid, "both")


def destroy(cid):
    """Close and finalize the channel."""
    with _x.lock:
        cid, channel = _find(cid)
        del _channels[cid]
        channel["open"] = False
        _clear(channel)


def list_all():
    """Return the list of all IDs for active channels."""
    with _x.lock:
        return [
            (_make_id(cid, "both"), c["unbound"], c["fallback"])
            for cid, c in list(_channels.items()) if not c["removed"]
        ]


def list_interpreters(cid, *, send):
    """Return the list of all interpreter IDs associated with an end of the channel."""
    with _x.lock:
        cid, channel = _find(cid)
        if channel["removed"] or send and channel["closing"]:
            raise _closed(cid)
        ids = channel["send" if send else "recv"]
        return sorted(id for id, used in ids.items() if used)


def _send(cid, packed, unboundop, blocking, timeout):
    if timeout is not None:
        if not blocking:
            raise ValueError("can't specify a timeout for a non-blocking call")
        if timeout < 0:
            raise ValueError("timeout value must be a non-negative number")
    received = None
    if blocking:
        received = _thread.allocate_lock()
        received.acquire()
    with _x.lock:
        cid, channel = _open(cid)
        if channel["closing"]:
            raise _closed(cid)
        _associate(cid, channel, "send")
        item = {
            "packed": packed, "from": _native.current(), "unbound": _operation(unboundop, channel["unbound"]),
            "received": received, "taken": None,
        }
        channel["items"].append(item)
    if not blocking:
        return
    try:
        answered = received.acquire(True, -1 if timeout is None else timeout)
    except BaseException:
        _take_back(channel, item)
        raise
    if not answered and _take_back(channel, item):
        raise TimeoutError("timed out")
    if item["taken"] is False:
        raise _closed(cid)


def _take_back(channel, item):
    with _x.lock:
        if item in channel["items"]:
            channel["items"].remove(item)
            return True
    return False


def send(cid, obj, unboundop=-1, fallback=-1, *, blocking=True, timeout=None):
    """Add the object's data to the channel's queue."""
    _open(cid)
    _send(cid, _x.dump(obj), unboundop, blocking, timeout)


def send_buffer(cid, obj, unboundop=-1, fallback=-1, *, blocking=True, timeout=None):
    """Add the object's buffer to the channel's queue."""
    _open(cid)
    _send(cid, ("buffer", memoryview(obj)), unboundop, blocking, timeout)


_NOTHING = object()


def recv(cid, default=_NOTHING):
    """Return the (object, unbound op) from the front of the channel's queue."""
    with _x.lock:
        cid, channel = _open(cid)
        _associate(cid, channel, "recv")
        item = channel["items"].popleft() if channel["items"] else None
        if channel["closing"] and not channel["items"]:
            _remove(channel)
    if item is None:
        if default is not _NOTHING:
            return default, None
        raise ChannelEmptyError(f"channel {cid} is empty")
    try:
        if item["packed"] is None:
            return None, item["unbound"]
        return _x.load(item["packed"]), None
    finally:
        _answer(item, True)


def _remove(channel):
    channel["open"] = False
    channel["removed"] = True
    _clear(channel)


def close(cid, *, send=False, recv=False, force=False):
    """Close the channel for all interpreters."""
    with _x.lock:
        cid, channel = _find(cid)
        only_send = send and not recv
        if channel["removed"] or not channel["open"] or not force and only_send and channel["closing"]:
            raise _closed(cid)
        if channel["items"] and not force:
            if only_send:
                channel["closing"] = True
                return
            raise ChannelNotEmptyError(f"channel {cid} may not be closed if not empty (try force=True)")
        _remove(channel)


def release(cid, *, send=False, recv=False, force=False):
    """Close the channel for the current interpreter."""
    with _x.lock:
        cid, channel = _open(cid)
        for end, wanted in (("send", send or not recv), ("recv", recv or not send)):
            if wanted:
                channel[end][_native.current()] = False
        _reckon(channel)


def get_count(cid):
    """Return the number of items in the channel."""
    return len(_open(cid)[1]["items"])


def get_channel_defaults(cid):
    """Return the channel's default values."""
    channel = _open(cid)[1]
    return channel["unbound"], channel["fallback"]


get_queue_defaults = get_channel_defaults


def get_info(cid):
    """Return details about the channel."""
    with _x.lock:
        cid, channel = _find(cid)
        me = _native.current()
        send, recv = channel["send"], channel["recv"]
        both = [(send[id], recv[id]) for id in send if id in recv]
        closed = not channel["open"]
        return ChannelInfo(
            open=not closed and not channel["closing"],
            closing=not closed and channel["closing"],
            closed=closed,
            count=len(channel["items"]),
            num_interp_send=sum(send.values()),
            num_interp_send_released=len(send) - sum(send.values()),
            num_interp_recv=sum(recv.values()),
            num_interp_recv_released=len(recv) - sum(recv.values()),
            num_interp_both=sum(s and r for s, r in both),
            num_interp_both_recv_released=sum(s and not r for s, r in both),
            num_interp_both_send_released=sum(r and not s for s, r in both),
            num_interp_both_released=sum(not s and not r for s, r in both),
            send_associated=send.get(me, False),
            send_released=send.get(me) is False,
            recv_associated=recv.get(me, False),
            recv_released=recv.get(me) is False,
        )
