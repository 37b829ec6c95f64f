"""Shows the instructions of code objects.

They are those of this interpreter, not CPython's: registers (named as the
variables that live in them, or t and a number) are among the operands, and a
register that an instruction uses up is marked with "!".  An instruction that
does what one of CPython's does has its name.  Offsets are those of
co_lines(), f_lasti and sys.monitoring.
"""

import collections
import io
import sys
import types

import _weft_code
import opcode as _opcode_module
from opcode import *

__all__ = ["code_info", "dis", "disassemble", "distb", "disco",
           "findlinestarts", "findlabels", "show_code", "get_instructions",
           "Instruction", "Bytecode"] + _opcode_module.__all__

opname = _weft_code.opnames() + ["RESUME"]
opmap = {name: number for number, name in reversed(list(enumerate(opname)))}
hasjump = hasjrel = _weft_code.jumps()
hasjabs = []
hasexc = []
hascompare = []


def _named(*names):
    return [number for number, name in enumerate(opname) if name in names]


hasconst = _named("LOAD_CONST", "RETURN_CONST", "MAKE_FUNCTION")
hasname = _named("LOAD_GLOBAL", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_NAME",
                 "STORE_NAME", "DELETE_NAME", "LOAD_ATTR", "STORE_ATTR",
                 "DELETE_ATTR", "LOAD_SUPER_ATTR", "IMPORT_NAME", "IMPORT_FROM")
hasfree = _named("LOAD_DEREF", "STORE_DEREF", "DELETE_DEREF", "LOAD_CELL",
                 "MAKE_CELL")
haslocal = _named("DELETE_FAST")
hasarg = sorted({*hasconst, *hasname, *hasfree, *haslocal, *hasjump})

COMPILER_FLAG_NAMES = {
    1: "OPTIMIZED", 2: "NEWLOCALS", 4: "VARARGS", 8: "VARKEYWORDS",
    16: "NESTED", 32: "GENERATOR", 64: "NOFREE", 128: "COROUTINE",
    256: "ITERABLE_COROUTINE", 512: "ASYNC_GENERATOR",
    0x4000000: "HAS_DOCSTRING", 0x8000000: "METHOD",
}


def pretty_flags(flags):
    """The names of the flags of a code object, separated by commas."""
    names = [name for bit, name in COMPILER_FLAG_NAMES.items() if flags & bit]
    rest = flags & ~sum(COMPILER_FLAG_NAMES)
    if rest or not names:
        names.append(hex(rest))
    return ", ".join(names)


Positions = collections.namedtuple(
    "Positions", "lineno end_lineno col_offset end_col_offset",
    defaults=(None,) * 4)

_Instruction = collections.namedtuple(
    "_Instruction", "opname opcode arg argval argrepr offset start_offset "
    "starts_line line_number label positions cache_info",
    defaults=(None, None, None))


class Instruction(_Instruction):
    """One instruction.

    opname, opcode - its name and number
    arg - the operand that is no register, or None
    argval - what that stands for: a constant, a name, the offset of a jump
    argrepr - all operands as text
    offset, start_offset - where it is
    starts_line - whether it is the first of a line
    line_number - the line that it comes from, or None
    label - its number among the targets of jumps, or None
    positions - where in the source it comes from
    """

    __slots__ = ()

    @property
    def oparg(self):
        return self.arg

    @property
    def baseopcode(self):
        return self.opcode

    @property
    def baseopname(self):
        return self.opname

    @property
    def cache_offset(self):
        return self.offset + 2

    @property
    def end_offset(self):
        return self.offset + 2

    @property
    def jump_target(self):
        return self.argval if self.opcode in hasjump else None

    @property
    def is_jump_target(self):
        return self.label is not None

    def __str__(self):
        return _line(self)


def _line(instruction, *, lines=3, labels=4, mark="   ", offsets=False,
          positions=False):
    parts = []
    if positions:
        place = ["?" if n is None else str(n) for n in instruction.positions]
        parts.append(("%s:%s-%s:%s" % (place[0], place[2], place[1], place[3]))
                     .ljust(14))
    elif lines:
        number = ""
        if instruction.starts_line:
            number = instruction.line_number
            number = "--" if number is None else str(number)
        parts.append(number.rjust(lines))
    parts.append(mark)
    if labels:
        label = instruction.label
        parts.append(("" if label is None else f"L{label}:").rjust(labels))
    if offsets:
        parts.append(str(instruction.offset).rjust(4))
    name = instruction.opname
    parts.append(f"{name:24} {instruction.argrepr}" if instruction.argrepr
                 else name)
    return " ".join(parts).rstrip()


def _try_compile(source, name):
    try:
        return compile(source, name, "eval")
    except SyntaxError:
        return compile(source, name, "exec")


def _get_code_object(x):
    x = getattr(x, "__func__", x)
    for name in ("__code__", "gi_code", "ag_code", "cr_code"):
        if hasattr(x, name):
            x = getattr(x, name)
            break
    if isinstance(x, str):
        x = _try_compile(x, "<disassembly>")
    if hasattr(x, "co_code"):
        return x
    raise TypeError(f"don't know how to disassemble {type(x).__name__} objects")


def findlinestarts(code):
    """Yields (offset, line) for each place in the code where a line begins."""
    last = False
    for start, _, line in code.co_lines():
        if line is not last:
            last = line
            yield start, line


def _offset(index):
    return 2 * index + 2


def findlabels(code):
    """The offsets of all targets of jumps, in order of the jumps."""
    if not isinstance(code, types.CodeType):
        raise TypeError("findlabels() wants a code object")
    found = [_offset(i[5]) for i in _weft_code.instructions(code)
             if i[5] is not None]
    return list(dict.fromkeys(found))


def get_instructions(x, *, first_line=None, show_caches=None, adaptive=False):
    """Yields the instructions of a function, method, generator, code object
    or source text.  Lines are counted from first_line, if that is given."""
    code = _get_code_object(x)
    shift = 0 if first_line is None else first_line - code.co_firstlineno
    targets = sorted(findlabels(code))
    labels = {offset: n for n, offset in enumerate(targets, 1)}
    start = (opmap["RESUME"], "RESUME", None, None, "", None)
    everything = zip([start, *_weft_code.instructions(code)],
                     code.co_positions())
    last = False
    for index, (parts, place) in enumerate(everything, -1):
        number, name, arg, argval, argrepr, target = parts
        line, end_line, *columns = place
        if line is not None:
            line += shift
            end_line += shift
        offset = _offset(index)
        if target is not None:
            argval = _offset(target)
            arg = target - index - 1 if arg is None else arg
            argrepr = argrepr.removesuffix(f"to {argval}") + \
                f"to L{labels[argval]}"
        yield Instruction(name, number, arg, argval, argrepr, offset, offset,
                          line != last, line, labels.get(offset),
                          Positions(line, end_line, *columns))
        last = line


def _listing(code, last, first_line, options):
    instructions = list(get_instructions(code, first_line=first_line))
    numbers = [i.line_number for i in instructions if i.line_number]
    lines = max(3, len(str(max(numbers)))) if numbers else 0
    labels = [len(str(i.label)) + 2 for i in instructions if i.label]
    options = dict(options, lines=lines, labels=max(labels, default=0))
    for i in instructions:
        if i.starts_line and i.offset > 0:
            yield ""
        yield _line(i, mark="-->" if i.offset == last else "   ", **options)


def disassemble(co, lasti=-1, *, file=None, show_caches=False, adaptive=False,
                show_offsets=False, show_positions=False, first_line=None):
    """Shows the instructions of a code object; marks the one at lasti."""
    options = {"offsets": show_offsets, "positions": show_positions}
    for line in _listing(co, lasti, first_line, options):
        print(line, file=file)


disco = disassemble


def _disassemble_deep(code, depth, file, options):
    disassemble(code, file=file, **options)
    if depth is not None and depth <= 0:
        return
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            print(file=file)
            print(f"Disassembly of {inner!r}:", file=file)
            _disassemble_deep(inner, depth and depth - 1, file, options)


def dis(x=None, *, file=None, depth=None, show_caches=False, adaptive=False,
        show_offsets=False, show_positions=False):
    """Shows the instructions of a class, function, method, generator, module,
    code object or source text; without any, of the last traceback."""
    if x is None:
        distb(file=file, show_offsets=show_offsets,
              show_positions=show_positions)
        return
    options = {"show_offsets": show_offsets, "show_positions": show_positions}
    x = getattr(x, "__func__", x)
    for name in ("__code__", "gi_code", "ag_code", "cr_code"):
        x = getattr(x, name, x)
    if isinstance(x, str):
        x = _try_compile(x, "<dis>")
    if isinstance(x, types.CodeType):
        _disassemble_deep(x, depth, file, options)
    elif hasattr(x, "__dict__"):
        kinds = (types.MethodType, types.FunctionType, types.CodeType,
                 classmethod, staticmethod, type)
        for name, value in sorted(x.__dict__.items()):
            if isinstance(value, kinds):
                print(f"Disassembly of {name}:", file=file)
                try:
                    dis(value, file=file, depth=depth, **options)
                except TypeError as error:
                    print("Sorry:", error, file=file)
                print(file=file)
    elif isinstance(x, (bytes, bytearray)):
        raise TypeError("bytes cannot be disassembled without their code "
                        "object")
    else:
        raise TypeError("don't know how to disassemble "
                        f"{type(x).__name__} objects")


def distb(tb=None, *, file=None, show_caches=False, adaptive=False,
          show_offsets=False, show_positions=False):
    """Shows the code of a traceback's innermost frame."""
    if tb is None:
        try:
            tb = getattr(sys, "last_exc", None)
            tb = sys.last_traceback if tb is None else tb.__traceback__
        except AttributeError:
            raise RuntimeError("no last traceback to disassemble") from None
    while tb.tb_next:
        tb = tb.tb_next
    disassemble(tb.tb_frame.f_code, tb.tb_lasti, file=file,
                show_offsets=show_offsets, show_positions=show_positions)


def code_info(x):
    """What there is to say about a function, method, code object, …"""
    code = _get_code_object(x)
    facts = [
        ("Name:", code.co_name),
        ("Filename:", code.co_filename),
        ("Argument count:", code.co_argcount),
        ("Positional-only arguments:", code.co_posonlyargcount),
        ("Kw-only arguments:", code.co_kwonlyargcount),
        ("Number of locals:", code.co_nlocals),
        ("Stack size:", code.co_stacksize),
        ("Flags:", pretty_flags(code.co_flags)),
    ]
    lines = [f"{what:26} {value}" for what, value in facts]
    groups = [("Constants", map(repr, code.co_consts)),
              ("Names", code.co_names), ("Variable names", code.co_varnames),
              ("Free variables", code.co_freevars),
              ("Cell variables", code.co_cellvars)]
    for title, members in groups:
        shown = [f"{n:4}: {member}" for n, member in enumerate(members)]
        if shown:
            lines += [f"{title}:", *shown]
    return "\n".join(lines)


def show_code(co, *, file=None):
    """Prints code_info()."""
    print(code_info(co), file=file)


def _find_imports(co):
    """Yields (name, level, fromlist) for each import statement."""
    held = []
    for i in get_instructions(co):
        if i.opname == "LOAD_CONST":
            held.append(i.argval)
        elif i.opname == "IMPORT_NAME" and len(held) >= 2:
            yield i.argval, held[-2], held[-1]


def _find_store_names(co):
    """Yields the names that the code stores in its namespace."""
    stores = {"STORE_NAME", "STORE_GLOBAL"}
    for i in get_instructions(co):
        if i.opname in stores:
            yield i.argval


class Bytecode:
    """The instructions of a function, method, generator, code object or
    source text: iterating gives them, dis() a listing."""

    def __init__(self, x, *, first_line=None, current_offset=None,
                 show_caches=False, adaptive=False, show_offsets=False,
                 show_positions=False):
        self.codeobj = _get_code_object(x)
        self.first_line = (self.codeobj.co_firstlineno if first_line is None
                           else first_line)
        self.current_offset = current_offset
        self._original_object = x
        self._options = {"show_offsets": show_offsets,
                         "show_positions": show_positions}

    def __iter__(self):
        return get_instructions(self.codeobj, first_line=self.first_line)

    def __repr__(self):
        return f"{type(self).__name__}({self._original_object!r})"

    @classmethod
    def from_traceback(cls, tb, *, show_caches=False, adaptive=False):
        """The code of the traceback's innermost frame."""
        while tb.tb_next:
            tb = tb.tb_next
        return cls(tb.tb_frame.f_code, current_offset=tb.tb_lasti)

    def info(self):
        """What code_info() says."""
        return code_info(self.codeobj)

    def dis(self):
        """The listing."""
        out = io.StringIO()
        at = -1 if self.current_offset is None else self.current_offset
        disassemble(self.codeobj, at, file=out, first_line=self.first_line,
                    **self._options)
        return out.getvalue()


def main(args=None):
    import argparse
    parser = argparse.ArgumentParser()
    parser.add_argument("-O", "--show-offsets", action="store_true",
                        help="show offsets")
    parser.add_argument("-P", "--show-positions", action="store_true",
                        help="show where in the source instructions come from")
    parser.add_argument("infile", nargs="?", default="-")
    args = parser.parse_args(args)
    if args.infile == "-":
        name, source = "<stdin>", sys.stdin.buffer.read()
    else:
        name = args.infile
        with open(args.infile, "rb") as file:
            source = file.read()
    dis(compile(source, name, "exec"), show_offsets=args.show_offsets,
        show_positions=args.show_positions)


if __name__ == "__main__":
    main()
