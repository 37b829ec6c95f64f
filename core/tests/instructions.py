"""`dis` shows this runtime's own instructions, and what asks it works."""
import dis
import inspect
import io
import modulefinder
import opcode
import pdb


def f(a, *, b=2):
    total = 0
    for x in a:
        if x in total_of:
            total += x.weight * b
    return total


total_of = ()

instructions = list(dis.get_instructions(f))
assert all(opcode.opmap[i.opname] == i.opcode for i in instructions)
assert instructions[0].starts_line and instructions[0].line_number == 11
by_name = {i.opname: i for i in instructions}
assert by_name["LOAD_GLOBAL"].argval == "total_of"
assert f.__code__.co_names[by_name["LOAD_GLOBAL"].arg] == "total_of"
assert by_name["GET_ATTR"].argval == "weight"
back = by_name["JUMP_BACK"]
target = next(i for i in instructions if i.offset == back.argval)
assert back.jump_target == target.offset and target.opname == "FOR_ITER" and target.is_jump_target
assert set(dis.findlabels(f.__code__.co_code)) == {i.offset for i in instructions if i.label}
lines = [line for _, line in dis.findlinestarts(f.__code__) if line]
assert lines == [10, 11, 12, 13, 14, 15], lines

out = io.StringIO()
dis.dis(f, file=out)
text = out.getvalue()
assert "LOAD_GLOBAL" in text and "to L" in text and "%" in text, text
assert dis.Bytecode(f).dis() == text

# Raw bytecode has no names, but is shown.
out = io.StringIO()
dis.dis(f.__code__.co_code, file=out)
assert "cache" in out.getvalue()
try:
    dis.dis(b"1234")
except ValueError:
    pass
else:
    raise AssertionError("half an instruction")

# An arrow stands at the instruction that failed.
try:
    f([1])
    f(3)
except TypeError as e:
    out = io.StringIO()
    dis.distb(e.__traceback__.tb_next, file=out)
    arrows = [line for line in out.getvalue().splitlines() if "-->" in line]
    assert len(arrows) == 1, arrows

assert "Argument count:    1" in dis.code_info(f)
assert inspect.getclosurevars(f).globals == {"total_of": ()}
assert inspect.getclosurevars(f).unbound == {"weight"}
assert pdb.find_first_executable_line(f.__code__) == 11
code = compile("import a.b as c\nfrom .d import e\nglobal g\ng = 1", "<s>", "exec")
assert list(dis._find_imports(code)) == [("a.b", 0, None), ("d", 1, ("e",))]
assert list(dis._find_store_names(code)) == ["c", "e", "g"]
assert modulefinder.ModuleFinder

# Code that is compiled from the same text is the same.
one, two = (compile("x = 1, 0.0\ndef f(): return -1", name, "exec") for name in "ab")
assert one == two and hash(one) == hash(two)
assert one != compile("x = 1, -0.0\ndef f(): return -1", "a", "exec")
assert one != compile("x = True, 0.0\ndef f(): return -1", "a", "exec")
