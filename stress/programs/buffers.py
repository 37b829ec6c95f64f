"""Bytes in the hands of several threads: whole when read by a call, and never read when their view has been released."""
import hashlib
import io
import struct
import threading
import zlib

from _common import THREADS, check, done, join, scaled, spawn

SIZE = 1 << 14
LETTERS = b"abcdefgh"
DIGESTS = {hashlib.sha256(bytes([c]) * SIZE).digest() for c in LETTERS}
SUMS = {zlib.crc32(bytes([c]) * SIZE) for c in LETTERS}
WHOLES = {bytes([c]) * SIZE for c in LETTERS}
LAST = struct.Struct("%dx8s" % (SIZE - 8))
LASTS = {(bytes([c]) * 8,) for c in LETTERS}


def write(data, view, i):
    whole = LETTERS[i % 8:i % 8 + 1] * SIZE
    match i % 4:
        case 0:
            view[:] = whole
        case 1:
            data[:] = whole
        case 2:
            io.BytesIO(whole).readinto(data)
        case 3:
            io.BufferedReader(io.BytesIO(whole)).readinto(view)


def read(data, view, i):
    source = data if i & 1 else view
    match i // 2 % 8:
        case 0:
            check(hashlib.sha256(source).digest() in DIGESTS, "a hash of two halves")
        case 1:
            check(zlib.crc32(source) in SUMS, "a checksum of two halves")
        case 2:
            check(bytes(source) in WHOLES, "bytes of two halves")
        case 3:
            check(len(set(str(source, "ascii"))) == 1, "a text of two halves")
        case 4:
            check(LAST.unpack_from(source) in LASTS, "a struct of two halves")
        case 5:
            check(b"".join([source]) in WHOLES, "joined of two halves")
        case 6:
            out = io.BytesIO()
            out.write(source)
            check(out.getvalue() in WHOLES, "written of two halves")
        case 7:
            check(zlib.decompress(zlib.compress(source, 1)) in WHOLES, "compressed of two halves")


def wholes():
    data = bytearray(LETTERS[:1] * SIZE)
    view = memoryview(data)

    def body(number):
        for i in range(scaled(600)):
            if (i + number) % 3 == 0:
                write(data, view, i)
            else:
                read(data, view, i)

    join(spawn(THREADS, body))


LOOKS = [
    lambda v: v[-1] == 7,
    lambda v: v[0] == 7,
    lambda v: v.tobytes().strip(b"\7") == b"",
    lambda v: set(v[5:500].tolist()) == {7},
    lambda v: v.cast("I")[3] == 0x07070707,
    lambda v: bytes(v.toreadonly())[1:2] == b"\7",
    lambda v: v.hex()[:4] == "0707",
    lambda v: memoryview(v)[2] == 7,
    # A view that has been released since is equal to no other object; asking for its length says so.
    lambda v: v == b"\7" * len(v) or len(v) < 0,
]


def releases():
    """One thread releases views and gives their memory back, while the others look."""
    place, end = [memoryview(b"\7" * 64)], threading.Event()

    def look(number):
        i = number
        while not end.is_set():
            i += 1
            try:
                check(LOOKS[i % len(LOOKS)](place[0]), "what lies in the memory now")
            except ValueError:
                pass

    def release(number):
        for i in range(scaled(3000)):
            data = bytearray(b"\7" * (4096 << i % 6))
            place[0] = view = memoryview(data)
            while True:
                try:
                    view.release()
                    break
                except BufferError:
                    pass
            try:
                data.clear()
            except BufferError:
                pass
            bytearray(b"\1" * (4096 << i % 6))
        end.set()

    lookers = spawn(max(THREADS - 1, 1), look)
    join(spawn(1, release))
    join(lookers)


wholes()
releases()
done()
