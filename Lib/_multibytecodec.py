"""The codecs of East Asian encodings: what they have in common.

A codec is a pair of functions that go through their input as far as they can. `decode(data, at, state, out)` and
`encode(text, at, state, out, flush)` append to the list `out` and return where they stopped, and why: None at the end, 0 before
something that the input has only the beginning of, else how long the thing is that means nothing. `state` is eight bytes.
"""

import codecs
import re
import sys

_MOST_PENDING = 8
_ILLEGAL = "illegal multibyte sequence"
_INCOMPLETE = "incomplete multibyte sequence"


# --- tables ---

class Table:
    """What one codec decodes and encodes, apart from ASCII that is itself."""

    def __init__(self, texts, encoded):
        self.texts = texts  # by code: the bytes as a number
        self.encoded = encoded  # bytes by text
        self.firsts = {text[0] for text in encoded if len(text) == 2}


_tables = {}


def _numbers(data, at, count):
    """The next numbers of the tables' file, and where they end."""
    found = []
    for _ in range(count):
        n = shift = 0
        while True:
            byte = data[at]
            at += 1
            n |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        found.append(-(n >> 1) - 1 if n & 1 else n >> 1)
    return found, at


def _records():
    """The raw parts of each codec, by name."""
    import lzma

    path = __file__.rpartition("/")[0] + "/_cjk_tables.xz"
    data = lzma.decompress(__spec__.loader.get_data(path))
    at = 0
    found = {}
    while at < len(data):
        (length,), at = _numbers(data, at, 1)
        name = data[at:at + length].decode()
        (count, codes), at = _numbers(data, at + length, 2)
        codes_at = at
        (texts,), at = _numbers(data, at + codes, 1)
        texts_at = at
        at += texts
        (pairs,), at = _numbers(data, at, 1)
        pairs, at = _numbers(data, at, 2 * pairs)
        (other,), at = _numbers(data, at, 1)
        other, at = _numbers(data, at, 2 * other)
        found[name] = data, count, codes_at, texts_at, pairs, other
    return found


def _sequence(code):
    return code.to_bytes((code.bit_length() + 7) // 8 or 1, "big")


def table(name):
    if name in _tables:
        return _tables[name]
    if "" not in _tables:
        _tables[""] = _records()
    data, count, codes_at, texts_at, pairs, other = _tables[""][name]
    codes, _ = _numbers(data, codes_at, count)
    texts, _ = _numbers(data, texts_at, count)
    by_code = {}
    encoded = {chr(c): bytes([c]) for c in range(128)}
    code = point = 0
    seconds = dict(zip(pairs[::2], pairs[1::2]))
    taken = set()
    for step, change in zip(codes, texts):
        code += step
        point += change
        text = chr(point)
        if code in seconds:
            text += chr(seconds[code])
        by_code[code] = text
        if text not in taken:
            taken.add(text)
            encoded[text] = _sequence(code)
    for point, code in zip(other[::2], other[1::2]):
        if code:
            encoded[chr(point)] = _sequence(code)
        else:
            encoded.pop(chr(point), None)
    return _tables.setdefault(name, Table(by_code, encoded))


# --- codecs without state ---

_ascii_run = re.compile(rb"[\x00-\x7f]+").match


def dense_decoder(texts, is_lead, longer=None):
    """Sequences of one or two bytes. `longer(data, at)` may know a longer one: (length, text or None), or None."""
    plain = not any(code < 0x80 for code in texts)

    def decode(data, at, state, out):
        end = len(data)
        while at < end:
            lead = data[at]
            if lead < 0x80:
                if plain:
                    run = _ascii_run(data, at)
                    out.append(run.group().decode("ascii"))
                    at = run.end()
                else:
                    out.append(texts.get(lead) or chr(lead))
                    at += 1
                continue
            text = texts.get(lead)
            if text is not None:
                out.append(text)
                at += 1
                continue
            if not is_lead(lead):
                return at, 1
            if at + 1 >= end:
                return at, 0
            known = longer and longer(data, at)
            if known:
                length, text = known
                if length == 0:
                    return at, 0
                if text is None:
                    return at, 1
            else:
                length = 2
                text = texts.get(lead << 8 | data[at + 1])
                if text is None:
                    return at, 1
            out.append(text)
            at += length
        return at, None

    return decode


def dense_encoder(table, other=None):
    """`other(char)` knows the bytes of characters that are not in the table, or None."""
    encoded, firsts = table.encoded, table.firsts

    def encode(text, at, state, out, flush):
        end = len(text)
        while at < end:
            char = text[at]
            if char in firsts:
                if at + 1 >= end and not flush:
                    return at, 0
                both = encoded.get(text[at:at + 2]) if at + 1 < end else None
                if both is not None:
                    out.append(both)
                    at += 2
                    continue
            raw = encoded.get(char)
            if raw is None:
                raw = other and other(char)
                if raw is None:
                    return at, 1
            out.append(raw)
            at += 1
        return at, None

    return encode


# --- what the classes have in common ---

def _handler(errors):
    return codecs.lookup_error(errors)


def _next_position(at, length):
    if at < 0:
        at += length
    if not 0 <= at <= length:
        raise IndexError(f"position {at} from error handler out of bounds")
    return at


def _replacement(error, errors, kinds, what):
    """What the handler says: a replacement and a position."""
    said = _handler(errors)(error)
    if not (isinstance(said, tuple) and len(said) == 2 and isinstance(said[0], kinds) and isinstance(said[1], int)):
        raise TypeError(f"{what} error handler must return (str, int) tuple")
    if not -sys.maxsize - 1 <= said[1] <= sys.maxsize:
        raise IndexError("cannot fit 'int' into an index-sized integer")
    return said


def _decode(codec, data, state, errors, final):
    """The text, and how many bytes it took."""
    out = []
    at = 0
    while True:
        at, problem = codec._decode(data, at, state, out)
        if problem is None or problem == 0 and not final:
            return "".join(out), at
        end = at + problem if problem else len(data)
        end = min(end, len(data))
        if errors == "ignore":
            at = end
        elif errors == "replace":
            out.append("\ufffd")
            at = end
        else:
            error = UnicodeDecodeError(codec.name, data, at, end, _ILLEGAL if problem else _INCOMPLETE)
            if errors == "strict":
                raise error
            text, at = _replacement(error, errors, str, "decoding")
            out.append(text)
            at = _next_position(at, len(data))


def _encode(codec, text, state, errors, flush, reset):
    """The bytes, and how many characters they took."""
    out = []
    at = 0
    while True:
        at, problem = codec._encode(text, at, state, out, flush)
        if problem is None or problem == 0 and not flush:
            break
        end = min(at + problem, len(text)) if problem else len(text)
        if errors == "ignore":
            at = end
        elif errors == "replace":
            _, refused = codec._encode("?", 0, state, out, True)
            if refused is not None:
                out.append(b"?")
            at = end
        else:
            error = UnicodeEncodeError(codec.name, text, at, end, _ILLEGAL if problem else _INCOMPLETE)
            if errors == "strict":
                raise error
            said, at = _replacement(error, errors, (str, bytes), "encoding")
            if isinstance(said, str):
                said, _ = _encode(codec, said, state, "strict", True, False)
            out.append(said)
            at = _next_position(at, len(text))
    if reset and codec._reset:
        codec._reset(state, out)
    return b"".join(out), at


def _bytes(data):
    return data if type(data) is bytes else bytes(memoryview(data))


def _text(text):
    return text if isinstance(text, str) else str(text)


def _errors(errors):
    if errors is None:
        return "strict"
    if not isinstance(errors, str):
        raise TypeError("errors must be a string")
    return errors


class MultibyteCodec:
    __slots__ = ("name", "_parts", "_made")

    def __init__(self, name, parts):
        self.name = name
        self._parts = parts
        self._made = None

    def _get(self, i):
        if self._made is None:
            # Tables are read when they are first used.
            made = self._parts()
            self._made = (*made, *(None,) * (4 - len(made)))
        return self._made[i]

    @property
    def _decode(self):
        return self._get(0)

    @property
    def _encode(self):
        return self._get(1)

    @property
    def _reset(self):
        return self._get(2)

    def _start(self):
        return bytearray(self._get(3) or bytes(8))

    def encode(self, input, errors=None):
        """Return an encoded string version of `input', and its length."""
        text = _text(input)
        return _encode(self, text, self._start(), _errors(errors), True, True)[0], len(text)

    def decode(self, input, errors=None):
        """Decodes 'input', and gives how long it was."""
        data = _bytes(input)
        return _decode(self, data, self._start(), _errors(errors), True)[0], len(data)


def __create_codec(capsule, /):
    raise TypeError("argument type invalid")


class _Stateful:
    def __init__(self, errors="strict"):
        codec = self.codec
        if not isinstance(codec, MultibyteCodec):
            raise TypeError("codec is unexpected type")
        self._errors = _errors(errors)
        self._clear()

    def _clear(self):
        self._state = self.codec._start()
        self._pending = self._nothing

    @property
    def errors(self):
        """how to treat errors"""
        return self._errors

    @errors.setter
    def errors(self, value):
        if not isinstance(value, str):
            raise TypeError("errors must be a string")
        self._errors = value


class _Encoding(_Stateful):
    _nothing = ""

    def _feed(self, text, final):
        text = self._pending + _text(text)
        raw, at = _encode(self.codec, text, self._state, self._errors, final, final)
        rest = text[at:]
        if len(rest) > 2:
            raise UnicodeError("pending buffer overflow")
        self._pending = rest
        return raw


class _Decoding(_Stateful):
    _nothing = b""

    def _feed(self, data, final):
        data = self._pending + _bytes(data)
        text, at = _decode(self.codec, data, self._state, self._errors, final)
        rest = data[at:]
        if len(rest) > _MOST_PENDING:
            raise UnicodeError("pending buffer overflow")
        self._pending = rest
        return text


class MultibyteIncrementalEncoder(_Encoding):
    def encode(self, input, final=False):
        return self._feed(input, bool(final))

    def reset(self):
        self._clear()

    def getstate(self):
        pending = self._pending.encode("utf-8", "surrogatepass")
        return int.from_bytes(bytes([len(pending)]) + pending + bytes(self._state), "little")

    def setstate(self, state, /):
        if not isinstance(state, int):
            raise TypeError(f"argument must be int, not {type(state).__name__}")
        raw = state.to_bytes(1 + 8 + 8, "little")
        if raw[0] > 8:
            raise UnicodeError("pending buffer too large")
        self._pending = raw[1:1 + raw[0]].decode("utf-8")
        self._state = bytearray(raw[1 + raw[0]:9 + raw[0]])


class MultibyteIncrementalDecoder(_Decoding):
    def decode(self, input, final=False):
        return self._feed(input, bool(final))

    def reset(self):
        self._clear()

    def getstate(self):
        return self._pending, int.from_bytes(self._state, "little")

    def setstate(self, state, /):
        if not isinstance(state, tuple) or len(state) != 2:
            raise TypeError("setstate(): illegal state argument")
        pending, number = state
        if not isinstance(pending, bytes) or not isinstance(number, int):
            raise TypeError("setstate(): illegal state argument")
        if len(pending) > _MOST_PENDING:
            raise UnicodeDecodeError(self.codec.name, pending, 0, len(pending), "pending buffer too large")
        self._state = bytearray(number.to_bytes(8, "little"))
        self._pending = pending


class MultibyteStreamReader(_Decoding):
    def __init__(self, stream, errors="strict"):
        super().__init__(errors)
        self.stream = stream

    def _read(self, method, size):
        if size is not None and not isinstance(size, int):
            raise TypeError("arg 1 must be an integer")
        size = -1 if size is None else size
        if size == 0:
            return ""
        read = getattr(self.stream, method)
        while True:
            data = read() if size < 0 else read(size)
            if not isinstance(data, bytes):
                raise TypeError(f"stream function returned a non-bytes object ({type(data).__name__})")
            text = self._feed(data, not data or size < 0)
            if text or not data or size < 0:
                return text
            size = 1

    def read(self, sizeobj=None, /):
        return self._read("read", sizeobj)

    def readline(self, sizeobj=None, /):
        return self._read("readline", sizeobj)

    def readlines(self, sizehintobj=None, /):
        return self._read("read", sizehintobj).splitlines(True)

    def reset(self):
        self._clear()


class MultibyteStreamWriter(_Encoding):
    def __init__(self, stream, errors="strict"):
        super().__init__(errors)
        self.stream = stream

    def write(self, strobj, /):
        self.stream.write(self._feed(strobj, False))

    def writelines(self, lines, /):
        for line in lines:
            self.write(line)

    def reset(self):
        if self._pending:
            rest = self._feed("", True)
            if rest:
                self.stream.write(rest)
        self._clear()


def getter(made):
    """`getcodec` of a module with these codecs: functions that give their parts, by name."""
    found = {}

    def getcodec(encoding, /):
        """Return the codec of that name."""
        if not isinstance(encoding, str):
            raise TypeError("encoding name must be a string.")
        if encoding not in made:
            raise LookupError("no such codec is supported.")
        return found.setdefault(encoding, MultibyteCodec(encoding, made[encoding]))

    return getcodec


def dense(name, is_lead=None, longer=None, other=None):
    """The parts of a codec without state."""
    def parts():
        found = table(name)
        lead = is_lead or (lambda byte: True)
        return dense_decoder(found.texts, lead, longer and longer(found)), dense_encoder(found, other and other(found))
    return parts
