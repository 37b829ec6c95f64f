"""Codecs of simplified Chinese."""

from _multibytecodec import dense, getter, table


def _linear(data, at):
    """The number of a sequence of four bytes, or None if it is none."""
    a, b, c, d = data[at:at + 4]
    if not (0x81 <= a <= 0xFE and 0x81 <= c <= 0xFE and 0x30 <= d <= 0x39):
        return None
    return (((a - 0x81) * 10 + b - 0x30) * 126 + c - 0x81) * 10 + d - 0x30


def _four_bytes(n):
    n, d = divmod(n, 10)
    n, c = divmod(n, 126)
    a, b = divmod(n, 10)
    return bytes([a + 0x81, b + 0x30, c + 0x81, d + 0x30])


# Where the planes after the first begin.
_BEYOND = _linear(b"\x90\x30\x81\x30", 0)


def _counted(table):
    """The characters of the first plane that have no shorter sequence, in order."""
    encoded = table.encoded
    return [c for c in range(0x80, 0x10000) if chr(c) not in encoded and not 0xD800 <= c < 0xE000]


def _longer(table):
    counted = _counted(table)

    def longer(data, at):
        lead, second = data[at], data[at + 1]
        if not 0x30 <= second <= 0x39:
            return None
        if at + 4 > len(data):
            return 0, None
        n = _linear(data, at)
        if n is None:
            return 4, None
        if n < len(counted):
            return 4, chr(counted[n])
        if 0 <= n - _BEYOND < 0x100000:
            return 4, chr(n - _BEYOND + 0x10000)
        return 4, None

    return longer


def _other(table):
    numbers = {chr(c): i for i, c in enumerate(_counted(table))}

    def other(char):
        if char >= "\U00010000":
            return _four_bytes(_BEYOND + ord(char) - 0x10000)
        n = numbers.get(char)
        return None if n is None else _four_bytes(n)

    return other


def _hz():
    """Seven bits: `~{` begins what is in GB 2312, `~}` ends it. state[0] tells that it has begun."""
    found = table("gb2312")
    texts = {code & 0x7F7F: text for code, text in found.texts.items()}
    encoded = {text: bytes(byte & 0x7F for byte in raw) for text, raw in found.encoded.items() if len(raw) == 2}

    def decode(data, at, state, out):
        end = len(data)
        while at < end:
            byte = data[at]
            if byte == 0x7E:
                if at + 1 >= end:
                    return at, 0
                what = data[at + 1], state[0]
                if what == (0x7E, 0):
                    out.append("~")
                elif what == (0x7B, 0):
                    state[0] = 1
                elif what == (0x7D, 1):
                    state[0] = 0
                elif what != (0x0A, 0):
                    return at, 1
                at += 2
                continue
            if byte & 0x80:
                return at, 1
            if not state[0]:
                out.append(chr(byte))
                at += 1
                continue
            if at + 1 >= end:
                return at, 0
            text = texts.get(byte << 8 | data[at + 1])
            if text is None:
                return at, 1
            out.append(text)
            at += 2
        return at, None

    def encode(text, at, state, out, flush):
        while at < len(text):
            char = text[at]
            if char < "\x80":
                if state[0]:
                    out.append(b"~}")
                    state[0] = 0
                out.append(b"~~" if char == "~" else char.encode())
            else:
                raw = encoded.get(char)
                if raw is None:
                    return at, 1
                if not state[0]:
                    out.append(b"~{")
                    state[0] = 1
                out.append(raw)
            at += 1
        return at, None

    def reset(state, out):
        if state[0]:
            out.append(b"~}")
            state[0] = 0

    return decode, encode, reset


getcodec = getter({
    "gb2312": dense("gb2312"),
    "gbk": dense("gbk"),
    "gb18030": dense("gb18030", longer=_longer, other=_other),
    "hz": _hz,
})
