"""The instructions that functions are compiled to: names, numbers, what kinds of operands they have.

An instruction is a word of 64 bits (see dis). Nothing else depends on the numbers; they change from version to version.
"""

import _opcode
from _opcode import stack_effect

__all__ = ["cmp_op", "stack_effect", "hascompare", "opname", "opmap",
           "HAVE_ARGUMENT", "EXTENDED_ARG", "hasarg", "hasconst", "hasname",
           "hasjump", "hasjrel", "hasjabs", "hasfree", "haslocal", "hasexc"]

opname = _opcode.opcode_names()
opmap = {name: number for number, name in enumerate(opname)}

# The first instruction that has operands, and the word that continues the one before it.
HAVE_ARGUMENT = opmap["NOP"] + 1
EXTENDED_ARG = opmap["EXT"]

cmp_op = ("<", "<=", "==", "!=", ">", ">=")


def _all(test):
    return [number for number in opmap.values() if test(number)]


hasarg = _all(_opcode.has_arg)
hasconst = _all(_opcode.has_const)
hasname = _all(_opcode.has_name)
hasjump = _all(_opcode.has_jump)
hasjrel = hasjump
hasjabs = []
hasfree = _all(_opcode.has_free)
haslocal = _all(_opcode.has_local)
hasexc = _all(_opcode.has_exc)
hascompare = [opmap[form % name]
              for form in ("%s", "JUMP_%s", "JUMP_%s_K")
              for name in ("LT", "LE", "EQ", "NE", "GT", "GE")]

# Variants are chosen by the compiler, for operands of a certain kind.
_specializations = {}
for _name, _number in opmap.items():
    if _opcode.base(_number) != _number:
        _specializations.setdefault(opname[_opcode.base(_number)], []).append(_name)
_specialized_opmap = {_name: opmap[_name] for _names in _specializations.values() for _name in _names}
# What instructions remember is kept apart from them.
_cache_format = {}
_inline_cache_entries = {}
_special_method_names = _opcode.get_special_method_names()
