"""The codecs of ISO 2022: seven bits, and escape sequences that say which set of characters is meant.

state[0], [1] and [2] are the final bytes of the sets G0, G1 and G2, with the eighth bit for sets of two bytes; state[4] is flags.
"""

from _multibytecodec import getter, table

_ESC, _SO, _SI = 0x1B, 0x0E, 0x0F
_SHIFTED, _THROUGH = 1, 2
_ASCII = 0x42
_TWO = 0x80
_LONGEST_ESCAPE = 16


class _Set:
    """A set of characters: its final byte, the register it goes to, and what it maps."""

    def __init__(self, mark, texts, encoded, register=0, only_pairs=False):
        self.mark = mark
        self.width = 2 if mark & _TWO else 1
        self.texts = texts
        self.encoded = encoded
        self.register = register
        self.firsts = {text[0] for text in encoded if len(text) == 2}
        if only_pairs:
            self.encoded = {text: raw for text, raw in encoded.items() if len(text) == 2}

    def escape(self):
        final = bytes([self.mark & 0x7F])
        if self.register == 1:
            return b"\x1b$)" + final
        if self.width == 1:
            return b"\x1b(" + final
        return b"\x1b$" + (b"" if final in b"@B" else b"(") + final


def _from_euc(name, mark, prefix=b"", register=0, only_pairs=False):
    """The characters of two bytes (after `prefix`) of an EUC codec."""
    found = table(name)
    size = len(prefix) + 2
    high = int.from_bytes(prefix, "big") << 16
    texts = {code & 0x7F7F: text for code, text in found.texts.items()
             if code & ~0xFFFF == high and code >= 0xA1A1 and code & 0x8080 == 0x8080 and code >> 8 & 0xFF >= 0xA1}
    encoded = {text: bytes(b & 0x7F for b in raw[-2:]) for text, raw in found.encoded.items()
               if len(raw) == size and raw.startswith(prefix) and raw[-2] >= 0xA1}
    if name.startswith("euc_jis") and prefix:
        # What these decode after 8F is JIS X 0212 too; what they encode so is not.
        texts = {int.from_bytes(raw, "big"): text for text, raw in encoded.items()}
    return _Set(mark, texts, encoded, register, only_pairs)


def _roman():
    changed = {0x5C: "\xa5", 0x7E: "\u203e"}
    return _Set(0x4A, {c: changed.get(c, chr(c)) for c in range(128)}, {text: bytes([c]) for c, text in changed.items()})


def _kana():
    return _Set(0x49, {c: chr(0xFF40 + c) for c in range(0x21, 0x60)}, {chr(0xFF40 + c): bytes([c]) for c in range(0x21, 0x60)})


_SETS = {
    "0208": lambda: _from_euc("euc_jp", 0x42 | _TWO),
    "0208 old": lambda: _from_euc("euc_jp", 0x40 | _TWO),
    "0212": lambda: _from_euc("euc_jp", 0x44 | _TWO, b"\x8f"),
    "roman": _roman,
    "kana": _kana,
    "0213 pairs": lambda: _from_euc("euc_jisx0213", 0x4F | _TWO, only_pairs=True),
    "0213": lambda: _from_euc("euc_jisx0213", 0x4F | _TWO),
    "0213 second": lambda: _from_euc("euc_jisx0213", 0x50 | _TWO, b"\x8f"),
    "2004 pairs": lambda: _from_euc("euc_jis_2004", 0x51 | _TWO, only_pairs=True),
    "2004": lambda: _from_euc("euc_jis_2004", 0x51 | _TWO),
    "2004 second": lambda: _from_euc("euc_jis_2004", 0x50 | _TWO, b"\x8f"),
    "korean": lambda: _from_euc("euc_kr", 0x43 | _TWO),
    "korean shifted": lambda: _from_euc("euc_kr", 0x43 | _TWO, register=1),
    "chinese": lambda: _from_euc("gb2312", 0x41 | _TWO),
    "latin": lambda: _Set(0x41, {}, {}, 2),
    "greek": lambda: _Set(0x46, {}, {}, 2),
}


def _end_of_escape(data, at, long_form):
    """How long the escape sequence is; 0: the input ends within it; None: it is none."""
    i = 1
    while i < _LONGEST_ESCAPE:
        if at + i >= len(data):
            return 0
        byte = data[at + i]
        if 0x40 <= byte <= 0x5A:
            return i + 1
        if long_form and data[at + i:at + i + 2] == b"&@":
            i += 2
        i += 1
    return None


def _designation(escape, marks, long_form, third):
    """(register, mark) that a whole escape sequence names, or None."""
    kind = escape[1:2]
    if len(escape) == 3:
        if kind == b"$":
            found = 0, escape[2] | _TWO
        else:
            found = {b"(": 0, b")": 1}.get(kind), escape[2]
            if kind == b"." and third:
                found = 2, escape[2]
    elif len(escape) == 4 and kind == b"$":
        found = {b"(": 0, b")": 1}.get(escape[2:3]), escape[3] | _TWO
    elif escape == b"\x1b&@\x1b$B" and long_form:
        found = 0, 0x42 | _TWO
    else:
        return None
    register, mark = found
    return found if register is not None and (mark == _ASCII or mark in marks) else None


class _Codec:
    def __init__(self, names, shifts=False, third=False, long_form=True):
        self.sets = [_SETS[name]() for name in names]
        self.by_mark = {}
        for found in self.sets:
            self.by_mark.setdefault(found.mark, found)
        self.shifts = shifts
        self.third = third
        self.long_form = long_form
        self.firsts = set().union(*(found.firsts for found in self.sets))

    def decode(self, data, at, state, out):
        end = len(data)
        while at < end:
            byte = data[at]
            if state[4] & _THROUGH:
                # The rest of a sequence that means nothing here.
                out.append(chr(byte))
                at += 1
                if 0x40 <= byte <= 0x5A:
                    state[4] &= ~_THROUGH
            elif byte == _ESC:
                at, problem = self.escape(data, at, state, out)
                if problem is not None:
                    return at, problem
            elif byte in (_SI, _SO) and self.shifts:
                state[4] = state[4] & ~_SHIFTED | (byte == _SO)
                at += 1
            elif byte < 0x20:
                if byte == 0x0A:
                    state[4] &= ~_SHIFTED
                out.append(chr(byte))
                at += 1
            elif byte >= 0x80:
                return at, 1
            else:
                at, problem = self.character(data, at, state, out)
                if problem is not None:
                    return at, problem
        return at, None

    def character(self, data, at, state, out):
        mark = state[1 if state[4] & _SHIFTED else 0]
        if mark == _ASCII:
            out.append(chr(data[at]))
            return at + 1, None
        found = self.by_mark.get(mark)
        if found is None:
            return at, 1
        if at + found.width > len(data):
            return at, 0
        text = found.texts.get(int.from_bytes(data[at:at + found.width], "big"))
        if text is None:
            return at, found.width
        out.append(text)
        return at + found.width, None

    def escape(self, data, at, state, out):
        if at + 1 >= len(data):
            return at, 0
        kind = data[at + 1]
        if kind in b"()$.&":
            length = _end_of_escape(data, at, self.long_form)
            if not length:
                return at, 1 if length is None else 0
            found = _designation(data[at:at + length], self.by_mark, self.long_form, self.third)
            if found is None:
                return at, length
            register, mark = found
            state[register] = mark
            return at + length, None
        if self.third and kind == 0x4E:
            if at + 2 >= len(data):
                return at, 0
            text = self.single_shift(data[at + 2], state[2])
            if text is None:
                return at, 3
            out.append(text)
            return at + 3, None
        out.append("\x1b")
        state[4] |= _THROUGH
        return at + 1, None

    def single_shift(self, byte, mark):
        if byte >= 0x80:
            return None
        if mark == 0x41:
            return chr(byte + 0x80)
        if mark == 0x46:
            try:
                return bytes([byte | 0x80]).decode("iso8859_7")
            except UnicodeDecodeError:
                return None
        return chr(byte) if mark == _ASCII else None

    def encode(self, text, at, state, out, flush):
        while at < len(text):
            char = text[at]
            if char < "\x80":
                self.reset(state, out, shift_last=True)
                out.append(char.encode())
                at += 1
                continue
            if char in self.firsts and at + 1 >= len(text) and not flush:
                return at, 0
            found, length = self.find(text, at)
            if found is None:
                return at, 1
            self.select(found, state, out)
            out.append(found.encoded[text[at:at + length]])
            at += length
        return at, None

    def find(self, text, at):
        """The set that has what is there, and how many characters that is."""
        char = text[at]
        pair = text[at:at + 2]
        if char in self.firsts and len(pair) == 2:
            for found in self.sets:
                if pair in found.encoded:
                    return found, 2
        for found in self.sets:
            if char in found.encoded:
                return found, 1
        return None, 0

    def select(self, found, state, out):
        if found.register == 0 and state[4] & _SHIFTED:
            out.append(b"\x0f")
            state[4] &= ~_SHIFTED
        if state[found.register] != found.mark:
            out.append(found.escape())
            state[found.register] = found.mark
        if found.register == 1 and not state[4] & _SHIFTED:
            out.append(b"\x0e")
            state[4] |= _SHIFTED

    def reset(self, state, out, shift_last=False):
        parts = []
        if state[4] & _SHIFTED:
            parts.append(b"\x0f")
            state[4] &= ~_SHIFTED
        if state[0] != _ASCII:
            parts.append(b"\x1b(B")
            state[0] = _ASCII
        out.extend(reversed(parts) if shift_last else parts)


def _parts(*names, **options):
    def parts():
        codec = _Codec(names, **options)
        start = bytes([_ASCII, _ASCII, _ASCII if codec.third else 0, 0, 0, 0, 0, 0])
        return codec.decode, codec.encode, codec.reset, start
    return parts


getcodec = getter({
    "iso2022_kr": _parts("korean shifted", shifts=True, long_form=False),
    "iso2022_jp": _parts("0208", "roman", "0208 old"),
    "iso2022_jp_1": _parts("0208", "0212", "roman", "0208 old"),
    "iso2022_jp_2": _parts("0208", "0212", "korean", "chinese", "roman", "0208 old", "latin", "greek", third=True),
    "iso2022_jp_2004": _parts("0208", "2004 pairs", "2004", "2004 second"),
    "iso2022_jp_3": _parts("0208", "0213 pairs", "0213", "0213 second"),
    "iso2022_jp_ext": _parts("0208", "0212", "roman", "kana", "0208 old"),
})
