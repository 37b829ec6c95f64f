"""Shows the instructions that functions, classes and modules are compiled to.

The machine has registers. Named locals come first and have their names here; the
others are temporaries, shown as %7. Instructions read as assignments to their
result; a ! stands behind what an instruction uses up.

Each instruction is a 64-bit word in co_code: the opcode in the lowest 8 bits, 8 of
flags, and three operands of 16. Offsets are those that frames, tracebacks and
co_lines() speak of: the word number i has 2 * i + 2; 0 is the entry, before any
instruction.
"""

import collections
import io
import sys
import types

import _opcode
from opcode import *
from opcode import __all__ as _of_opcode

__all__ = ["code_info", "dis", "disassemble", "distb", "disco",
           "findlinestarts", "findlabels", "show_code",
           "get_instructions", "Instruction", "Bytecode"] + _of_opcode

_WORD = 8

_have_code = (types.MethodType, types.FunctionType, types.CodeType,
              classmethod, staticmethod, type)

# The names of the bits of co_flags, without the CO_ that inspect gives them.
COMPILER_FLAG_NAMES = {
    1 << 0: "OPTIMIZED",
    1 << 1: "NEWLOCALS",
    1 << 2: "VARARGS",
    1 << 3: "VARKEYWORDS",
    1 << 4: "NESTED",
    1 << 5: "GENERATOR",
    1 << 6: "NOFREE",
    1 << 7: "COROUTINE",
    1 << 8: "ITERABLE_COROUTINE",
    1 << 9: "ASYNC_GENERATOR",
    1 << 26: "HAS_DOCSTRING",
    1 << 27: "METHOD",
}


def pretty_flags(flags):
    """The names of the flags that are set, with commas between them."""
    shown = []
    bit = 1
    while flags:
        if flags & bit:
            shown.append(COMPILER_FLAG_NAMES.get(bit, hex(bit)))
            flags &= ~bit
        bit <<= 1
    return ", ".join(shown) or "0x0"


class _Unknown:
    def __repr__(self):
        return "<unknown>"


UNKNOWN = _Unknown()


def _try_compile(source, name):
    try:
        return compile(source, name, "eval")
    except SyntaxError:
        return compile(source, name, "exec")


def _unwrap(x):
    """The code object behind a method, function or generator; else x itself."""
    x = getattr(x, "__func__", x)
    for attribute in ("__code__", "gi_code", "ag_code", "cr_code"):
        if hasattr(x, attribute):
            return getattr(x, attribute)
    return x


def _cannot_show(x):
    return TypeError("don't know how to disassemble %s objects" % type(x).__name__)


def _get_code_object(x):
    code = _unwrap(x)
    if isinstance(code, str):
        code = _try_compile(code, "<disassembly>")
    if hasattr(code, "co_code"):
        return code
    raise _cannot_show(code)


Positions = collections.namedtuple(
    "Positions", ["lineno", "end_lineno", "col_offset", "end_col_offset"], defaults=[None] * 4)

_Instruction = collections.namedtuple(
    "_Instruction",
    ["opname", "opcode", "arg", "argval", "argrepr", "offset", "start_offset", "starts_line",
     "line_number", "label", "positions", "cache_info"],
    defaults=[None, None, None])

for _field, _doc in {
    "opname": "Human readable name for operation",
    "opcode": "Numeric code for operation",
    "arg": "The number that the operation is chiefly about (of a constant, a name, a local, "
           "the distance of a jump), or None",
    "argval": "What that number stands for",
    "argrepr": "Human readable description of all operands",
    "offset": "Where the operation is, as f_lasti tells it",
    "start_offset": "The same as offset",
    "starts_line": "True if this opcode starts a source line, otherwise False",
    "line_number": "source line number associated with this opcode (if any), otherwise None",
    "label": "A label (int > 0) if this instruction is a jump target, otherwise None",
    "positions": "dis.Positions object holding the span of source code covered by this instruction",
    "cache_info": "None: what instructions remember is not kept among them",
}.items():
    getattr(_Instruction, _field).__doc__ = _doc
del _field, _doc


class Instruction(_Instruction):
    """One operation. Fields:

    opname, opcode - its name and number
    arg - the number that it is chiefly about: of a constant, a name, a local, or the distance of a
          jump; None if there is no such operand
    argval - what that number stands for
    argrepr - all operands as text
    offset, start_offset - where it is, as f_lasti tells it
    starts_line - whether a source line begins with it
    line_number - the line that it belongs to, or None
    label - a number if jumps or handlers lead here or end here, otherwise None
    positions - the span of source that it comes from
    """

    @staticmethod
    def make(opname, arg, argval, argrepr, offset, start_offset, starts_line,
             line_number, label=None, positions=None, cache_info=None):
        return Instruction(opname, opmap[opname], arg, argval, argrepr, offset, start_offset,
                           starts_line, line_number, label, positions, cache_info)

    @property
    def oparg(self):
        """Alias for Instruction.arg."""
        return self.arg

    @property
    def baseopcode(self):
        """Numeric code for the operation that this one is a variant of, or its own."""
        return _opcode.base(self.opcode)

    @property
    def baseopname(self):
        """Human readable name for the operation that this one is a variant of, or its own."""
        return opname[self.baseopcode]

    @property
    def cache_offset(self):
        """Where the operation ends; there are no cache entries behind it."""
        return self.offset + 2

    @property
    def end_offset(self):
        """Where the operation ends."""
        return self.offset + 2

    @property
    def jump_target(self):
        """Offset of the jump target if this is a jump operation, otherwise None."""
        if self.opcode not in hasjump or self.arg is None:
            return None
        return self.offset + 2 + 2 * self.arg

    @property
    def is_jump_target(self):
        """True if other code jumps to here, otherwise False"""
        return self.label is not None

    def __str__(self):
        output = io.StringIO()
        Formatter(file=output).print_instruction(self, False)
        return output.getvalue()


class _Handler(collections.namedtuple("_Handler", "start end target depth")):
    """A stretch of instructions, where its exceptions go, and the register that gets them."""


_NO_LINE = "--"


class Formatter:
    """Writes instructions as lines of a table. A column of width 0 is left out."""

    def __init__(self, file=None, lineno_width=0, offset_width=0, label_width=0,
                 line_offset=0, show_caches=False, *, show_positions=False):
        self.file = file
        self.lineno_width = lineno_width
        self.offset_width = offset_width
        self.label_width = label_width
        self.show_positions = show_positions
        self._first = True

    def print_instruction(self, instr, mark_as_current=False):
        if instr.starts_line and self.lineno_width and not self._first:
            print(file=self.file)
        self._first = False
        columns = []
        if self.lineno_width:
            columns.append(self._source(instr).rjust(self.lineno_width))
        if self.label_width:
            label = "" if instr.label is None else "L%d:" % instr.label
            columns.append(label.rjust(self.label_width))
        if self.offset_width:
            columns.append(str(instr.offset).rjust(self.offset_width) + "  ")
        columns.append("-->" if mark_as_current else "   ")
        columns.append(instr.opname.ljust(20))
        columns.append(instr.argrepr or "")
        print(" ".join(columns).rstrip(), file=self.file)

    def _source(self, instr):
        if self.show_positions:
            known = instr.positions or ()
            if not known or all(p is None for p in known):
                return _NO_LINE
            line, end_line, column, end_column = ("?" if p is None else p for p in known)
            return f"{line}:{column}-{end_line}:{end_column}"
        if not instr.starts_line:
            return ""
        return _NO_LINE if instr.line_number is None else str(instr.line_number)

    def print_exception_table(self, handlers, labels):
        if not handlers:
            return
        print("ExceptionTable:", file=self.file)
        for h in handlers:
            print(f"  L{labels[h.start]} to L{labels[h.end]} -> L{labels[h.target]} [%{h.depth}]",
                  file=self.file)


class _Listing:
    """The instructions of a code object, or of the bytes of one."""

    def __init__(self, code, line_offset=0, with_handlers=True, variants=False):
        self.decoded = _opcode.decode(code, variants)
        self.handlers = []
        self.spans = []
        self.line_offset = line_offset
        if hasattr(code, "co_positions"):
            # The first item is that of the entry.
            self.spans = [Positions(*p) for p in code.co_positions()][1:]
            if with_handlers:
                self.handlers = [_Handler(*h) for h in _opcode.handlers(code)]
        places = {target for *_, target in self.decoded if target is not None}
        for h in self.handlers:
            places.update((h.start, h.end, h.target))
        self.labels = {offset: i for i, offset in enumerate(sorted(places), 1)}

    def __iter__(self):
        previous = object()
        for i, (op, arg, argval, text, target) in enumerate(self.decoded):
            offset = 2 * i + 2
            span = self.spans[i] if self.spans else Positions()
            if target is not None:
                text = f"{text} to L{self.labels[target]}".lstrip()
            line = span.lineno
            starts_line = bool(self.spans) and line != previous
            previous = line
            if line is not None:
                line += self.line_offset
            name = opname[op] if op < len(opname) else "<%d>" % op
            yield Instruction(name, op, arg, argval, text, offset, offset, starts_line, line,
                              self.labels.get(offset), span)

    def print(self, lasti=-1, *, file=None, show_offsets=False, show_positions=False):
        instructions = list(self)
        width = 0
        if show_positions and self.spans:
            width = max((len("%s:%s-%s:%s" % s) for s in self.spans), default=0)
        elif self.spans:
            lines = [i.line_number for i in instructions if i.line_number is not None]
            width = max(3, len(str(max(lines, default=0))))
        formatter = Formatter(
            file=file,
            lineno_width=width,
            offset_width=max(4, len(str(2 * len(instructions)))) if show_offsets else 0,
            label_width=3 + len(str(len(self.labels))) if self.labels else 0,
            show_positions=show_positions)
        for instr in instructions:
            # An odd number is that of a line without code, before an instruction.
            formatter.print_instruction(instr, lasti in (instr.offset, instr.offset - 1) and lasti > 0)
        formatter.print_exception_table(self.handlers, self.labels)


def dis(x=None, *, file=None, depth=None, show_caches=False, adaptive=False,
        show_offsets=False, show_positions=False):
    """Shows the instructions of a class, function, method, generator, code object, source text or
    raw bytecode; without an argument, of where the last traceback ends.

    Classes and modules show all that is in them. depth limits how far nested functions are shown.
    adaptive shows which variants of instructions there are; show_caches changes nothing.
    """
    shown = dict(file=file, adaptive=adaptive, show_offsets=show_offsets,
                 show_positions=show_positions)
    if x is None:
        distb(**shown)
        return
    x = _unwrap(x)
    if hasattr(x, "co_code"):
        _disassemble_recursive(x, depth, **shown)
    elif hasattr(x, "__dict__"):
        for name, member in sorted(x.__dict__.items()):
            if not isinstance(member, _have_code):
                continue
            print("Disassembly of %s:" % name, file=file)
            try:
                dis(member, depth=depth, **shown)
            except TypeError as error:
                print("Sorry:", error, file=file)
            print(file=file)
    elif isinstance(x, (bytes, bytearray)):
        del shown["adaptive"]
        _Listing(x, variants=adaptive).print(**shown)
    elif isinstance(x, str):
        _disassemble_recursive(_try_compile(x, "<dis>"), depth, **shown)
    else:
        raise _cannot_show(x)


def distb(tb=None, *, file=None, show_caches=False, adaptive=False, show_offsets=False,
          show_positions=False):
    """Shows the function in which a traceback (default: the last one) ends, and where in it."""
    if tb is None:
        try:
            tb = sys.last_exc.__traceback__ if hasattr(sys, "last_exc") else sys.last_traceback
        except AttributeError:
            raise RuntimeError("no last traceback to disassemble") from None
        while tb.tb_next:
            tb = tb.tb_next
    disassemble(tb.tb_frame.f_code, tb.tb_lasti, file=file, adaptive=adaptive,
                show_offsets=show_offsets, show_positions=show_positions)


def disassemble(co, lasti=-1, *, file=None, show_caches=False, adaptive=False,
                show_offsets=False, show_positions=False):
    """Shows the instructions of a code object, with an arrow at that of offset lasti."""
    listing = _Listing(co, variants=adaptive)
    listing.print(lasti, file=file, show_offsets=show_offsets, show_positions=show_positions)


disco = disassemble


def _disassemble_recursive(co, depth, *, file=None, **how):
    disassemble(co, file=file, **how)
    if depth is not None:
        if depth <= 0:
            return
        depth -= 1
    for inner in co.co_consts:
        if hasattr(inner, "co_code"):
            print(file=file)
            print("Disassembly of %r:" % (inner,), file=file)
            _disassemble_recursive(inner, depth, file=file, **how)


def get_instructions(x, *, first_line=None, show_caches=None, adaptive=False):
    """Iterates over the instructions of a function, method, source text or code object.

    first_line is what the first line is to be called; else lines are those of the code object.
    """
    co = _get_code_object(x)
    line_offset = 0 if first_line is None else first_line - co.co_firstlineno
    return iter(_Listing(co, line_offset, with_handlers=False, variants=adaptive))


def findlabels(code):
    """The offsets that instructions of this bytecode (bytes) jump to, in the order of the jumps."""
    return list(dict.fromkeys(t for *_, t in _opcode.decode(code) if t is not None))


def findlinestarts(code):
    """Iterates over (offset, line) where source lines begin; a line may be None."""
    previous = False
    for start, _, line in code.co_lines():
        if line is not previous:
            previous = line
            yield start, line


def code_info(x):
    """What there is to say about a function, method, source text or code object."""
    return _code_info(_get_code_object(x))


def _code_info(co):
    rows = [
        ("Name:", co.co_name),
        ("Filename:", co.co_filename),
        ("Argument count:", co.co_argcount),
        ("Positional-only arguments:", co.co_posonlyargcount),
        ("Kw-only arguments:", co.co_kwonlyargcount),
        ("Number of locals:", co.co_nlocals),
        ("Stack size:", co.co_stacksize),
        ("Flags:", pretty_flags(co.co_flags)),
    ]
    lines = ["%-18s %s" % row for row in rows]
    tables = [
        ("Constants", map(repr, co.co_consts)),
        ("Names", co.co_names),
        ("Variable names", co.co_varnames),
        ("Free variables", co.co_freevars),
        ("Cell variables", co.co_cellvars),
    ]
    for title, items in tables:
        items = ["%4d: %s" % item for item in enumerate(items)]
        if items:
            lines += [title + ":", *items]
    return "\n".join(lines)


def show_code(co, *, file=None):
    """Prints what code_info() tells."""
    print(code_info(co), file=file)


def _words(co):
    """The words of a code object: opcode, and operands a, b and c."""
    for word in memoryview(co.co_code).cast("Q"):
        yield word & 0xFF, word >> 16 & 0xFFFF, word >> 32 & 0xFFFF, word >> 48


def _find_imports(co):
    """The imports of a code object: (name, level, fromlist)."""
    import_name = opmap["IMPORT_NAME"]
    load = opmap["LOAD_K"]
    # The constant that each register got last. The level and the names are in two registers in a row.
    held = {}
    for op, a, b, c in _words(co):
        if op == load:
            held[a] = co.co_consts[b]
        elif op == import_name and b in held and b + 1 in held:
            yield co.co_names[c], held[b], held[b + 1]


def _find_store_names(co):
    """The names that a code object assigns to in its module or class."""
    stores = {opmap["STORE_NAME"], opmap["STORE_GLOBAL"]}
    for op, _, b, _ in _words(co):
        if op in stores:
            yield co.co_names[b]


class Bytecode:
    """The instructions of a function, method, source text or code object: iterating gives
    Instruction objects, dis() the text that dis.dis() prints.
    """

    def __init__(self, x, *, first_line=None, current_offset=None, show_caches=False,
                 adaptive=False, show_offsets=False, show_positions=False):
        self.codeobj = co = _get_code_object(x)
        self.first_line = co.co_firstlineno if first_line is None else first_line
        self.current_offset = current_offset
        self.show_caches = show_caches
        self.adaptive = adaptive
        self.show_offsets = show_offsets
        self.show_positions = show_positions
        self._original_object = x

    def _listing(self):
        return _Listing(self.codeobj, self.first_line - self.codeobj.co_firstlineno,
                        variants=self.adaptive)

    @property
    def exception_entries(self):
        return self._listing().handlers

    def __iter__(self):
        return iter(self._listing())

    def __repr__(self):
        return f"{type(self).__name__}({self._original_object!r})"

    @classmethod
    def from_traceback(cls, tb, *, show_caches=False, adaptive=False):
        """The function in which a traceback ends."""
        while tb.tb_next:
            tb = tb.tb_next
        return cls(tb.tb_frame.f_code, current_offset=tb.tb_lasti, show_caches=show_caches,
                   adaptive=adaptive)

    def info(self):
        """What code_info() tells."""
        return _code_info(self.codeobj)

    def dis(self):
        """The instructions as text."""
        lasti = -1 if self.current_offset is None else self.current_offset
        with io.StringIO() as output:
            self._listing().print(lasti, file=output, show_offsets=self.show_offsets,
                                  show_positions=self.show_positions)
            return output.getvalue()


def main(args=None):
    import argparse

    parser = argparse.ArgumentParser(color=True)
    parser.add_argument("-C", "--show-caches", action="store_true",
                        help="accepted; inline caches are not kept among the instructions")
    parser.add_argument("-O", "--show-offsets", action="store_true",
                        help="show instruction offsets")
    parser.add_argument("-P", "--show-positions", action="store_true",
                        help="show instruction positions")
    parser.add_argument("-S", "--specialized", action="store_true",
                        help="show variants of instructions")
    parser.add_argument("infile", nargs="?", default="-")
    args = parser.parse_args(args=args)
    if args.infile == "-":
        name = "<stdin>"
        source = sys.stdin.buffer.read()
    else:
        name = args.infile
        with open(name, "rb") as file:
            source = file.read()
    dis(compile(source, name, "exec"), adaptive=args.specialized, show_offsets=args.show_offsets,
        show_positions=args.show_positions)


if __name__ == "__main__":
    main()
