#!/usr/bin/env python3
"""Writes the tables of the East Asian codecs (Lib/_cjk_tables.xz): run with a CPython, whose codecs say what maps to what.

usage: cjk_tables.py OUT

One record per codec: its name; for each sequence of two or three bytes that is decoded the text; then the code points whose
encoding is not the first sequence that decodes to them. Codes and characters are kept as differences, as long numbers of seven bits.
"""
import lzma
import sys

NAMES = """gb2312 gbk gb18030 big5 cp950 big5hkscs shift_jis cp932 shift_jisx0213 shift_jis_2004
    euc_jp euc_jisx0213 euc_jis_2004 euc_kr cp949 johab""".split()


def try_decode(raw, name):
    try:
        return raw.decode(name)
    except UnicodeDecodeError:
        return None


def try_encode(text, name):
    try:
        return text.encode(name)
    except UnicodeEncodeError:
        return b""


def decoded(name):
    """(code, text) of each single, double and (after 8F) triple byte sequence, in order; of ASCII only what is not itself."""
    found = []
    single = set()
    for lead in range(256):
        text = try_decode(bytes([lead]), name)
        if text is not None and (lead >= 0x80 or text != chr(lead)):
            single.add(lead)
            found.append((lead, text))
    for lead in range(0x80, 256):
        if lead in single:
            continue
        for trail in range(256):
            text = try_decode(bytes([lead, trail]), name)
            if text is not None:
                found.append((lead << 8 | trail, text))
    if name.startswith("euc_j"):
        for lead in range(0x80, 256):
            for trail in range(256):
                text = try_decode(bytes([0x8F, lead, trail]), name)
                if text is not None:
                    found.append((0x8F0000 | lead << 8 | trail, text))
    return found


def code_of(raw):
    return int.from_bytes(raw, "big")


def exceptions(name, found):
    """(code point, code) where encoding is not the inverse of `found`; code 0: it is not encoded."""
    inverse = {}
    for code, text in found:
        inverse.setdefault(text, code)
    out = []
    for cp in [*range(0xD800), *range(0xE000, 0x10000), *range(0x20000, 0x30000)]:
        raw = try_encode(chr(cp), name)
        if len(raw) == 4:  # of gb18030: counted, not listed
            raw = b""
        if name == "gb18030" and not raw and chr(cp) not in inverse:
            continue
        code = code_of(raw)
        if code != inverse.get(chr(cp), cp if cp < 0x80 else 0):
            out.append((cp, code))
    return out


def number(n):
    n = n << 1 if n >= 0 else (-n << 1) - 1
    out = bytearray()
    while True:
        out.append(n & 127 | (128 if n > 127 else 0))
        n >>= 7
        if not n:
            return bytes(out)


def record(name):
    found = decoded(name)
    other = exceptions(name, found)
    codes, texts = bytearray(), bytearray()
    at = was = 0
    for code, text in found:
        codes += number(code - at)
        texts += number((ord(text[0]) - was))
        at, was = code, ord(text[0])
    pairs = [(code, text) for code, text in found if len(text) == 2]
    rest = bytearray(number(len(pairs)))
    for code, text in pairs:
        rest += number(code) + number(ord(text[1]))
    rest += number(len(other))
    for cp, code in other:
        rest += number(cp) + number(code)
    print(name, len(found), len(pairs), len(other), file=sys.stderr)
    return b"".join([number(len(name)), name.encode(), number(len(found)), number(len(codes)), codes, number(len(texts)), texts, rest])


if __name__ == "__main__":
    raw = b"".join(record(name) for name in NAMES)
    packed = lzma.compress(raw, format=lzma.FORMAT_XZ, preset=9 | lzma.PRESET_EXTREME)
    with open(sys.argv[1], "wb") as out:
        out.write(packed)
    print(len(raw), len(packed), file=sys.stderr)
