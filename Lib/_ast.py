"""The node classes of Python's abstract syntax, and the flags compile() takes.

The classes are built from _GRAMMAR.  A line that starts at the margin names a
node kind: with fields it is a class of its own, without any it is a base whose
variants are the indented lines below it; variants with the same fields share a
line.  A field is NAME:TYPE, TYPE being "expr" if it is left out, then "?" when
it may be None, "*" for a list, "?*" for a list that may hold None.  A kind has
a position in the source if marked "@", the end of which may be left out if the
mark is "@?".
"""

import sys as _sys
from _thread import get_ident as _get_ident
from _weft_ast import any_keywords as _any_keywords

PyCF_ONLY_AST = 0x400
PyCF_TYPE_COMMENTS = 0x1000
PyCF_ALLOW_TOP_LEVEL_AWAIT = 0x2000
PyCF_OPTIMIZED_AST = 0x8000 | PyCF_ONLY_AST

_GRAMMAR = """\
mod
  Module body:stmt* type_ignores:type_ignore*
  Interactive body:stmt*
  Expression body
  FunctionType argtypes* returns
stmt @?
  FunctionDef/AsyncFunctionDef name:identifier args:arguments body:stmt* \
decorator_list* returns? type_comment:string? type_params:type_param*
  ClassDef name:identifier bases* keywords:keyword* body:stmt* decorator_list* \
type_params:type_param*
  Return value?
  Delete targets*
  Assign targets* value type_comment:string?
  TypeAlias name type_params:type_param* value
  AugAssign target op:operator value
  AnnAssign target annotation value? simple:int
  For/AsyncFor target iter body:stmt* orelse:stmt* type_comment:string?
  While/If test body:stmt* orelse:stmt*
  With/AsyncWith items:withitem* body:stmt* type_comment:string?
  Match subject cases:match_case*
  Raise exc? cause?
  Try/TryStar body:stmt* handlers:excepthandler* orelse:stmt* finalbody:stmt*
  Assert test msg?
  Import names:alias*
  ImportFrom module:identifier? names:alias* level:int?
  Global/Nonlocal names:identifier*
  Expr value
  Pass/Break/Continue
expr @?
  BoolOp op:boolop values*
  NamedExpr target value
  BinOp left op:operator right
  UnaryOp op:unaryop operand
  Lambda args:arguments body
  IfExp test body orelse
  Dict keys?* values*
  Set elts*
  ListComp/SetComp elt generators:comprehension*
  DictComp key value generators:comprehension*
  GeneratorExp elt generators:comprehension*
  Await value
  Yield value?
  YieldFrom value
  Compare left ops:cmpop* comparators*
  Call func args* keywords:keyword*
  FormattedValue value conversion:int format_spec?
  Interpolation value str:constant conversion:int format_spec?
  JoinedStr/TemplateStr values*
  Constant value:constant kind:string?
  Attribute value attr:identifier ctx:expr_context
  Subscript value slice ctx:expr_context
  Starred value ctx:expr_context
  Name id:identifier ctx:expr_context
  List/Tuple elts* ctx:expr_context
  Slice lower? upper? step?
expr_context
  Load/Store/Del
boolop
  And/Or
operator
  Add/Sub/Mult/MatMult/Div/Mod/Pow/LShift/RShift/BitOr/BitXor/BitAnd/FloorDiv
unaryop
  Invert/Not/UAdd/USub
cmpop
  Eq/NotEq/Lt/LtE/Gt/GtE/Is/IsNot/In/NotIn
comprehension target iter ifs* is_async:int
excepthandler @?
  ExceptHandler type? name:identifier? body:stmt*
arguments posonlyargs:arg* args:arg* vararg:arg? kwonlyargs:arg* kw_defaults?* \
kwarg:arg? defaults*
arg @? arg:identifier annotation? type_comment:string?
keyword @? arg:identifier? value
alias @? name:identifier asname:identifier?
withitem context_expr optional_vars?
match_case pattern:pattern guard? body:stmt*
pattern @
  MatchValue value
  MatchSingleton value:constant
  MatchSequence patterns:pattern*
  MatchMapping keys* patterns:pattern* rest:identifier?
  MatchClass cls patterns:pattern* kwd_attrs:identifier* kwd_patterns:pattern*
  MatchStar name:identifier?
  MatchAs pattern:pattern? name:identifier?
  MatchOr patterns:pattern*
type_ignore
  TypeIgnore lineno:int tag:string
type_param @
  TypeVar name:identifier bound? default_value?
  ParamSpec name:identifier default_value?
  TypeVarTuple name:identifier default_value?
"""

_LEAVES = {"identifier": str, "string": str, "int": int, "constant": object}
_POSITION = ("lineno", "col_offset", "end_lineno", "end_col_offset")
_Union = type(int | None)
_GenericAlias = type(list[int])
_printing = set()  # the (thread, node) pairs whose repr() is under way


def _warn(message):
    from _warnings import warn
    warn(message, DeprecationWarning, 4)


def _class_name(cls):
    return "ast.AST" if cls is AST else cls.__name__


def _count(number, noun):
    return f"{number} {noun}{'' if number == 1 else 's'}"


class AST:
    __module__ = "ast"
    __doc__ = None
    _fields = ()
    __match_args__ = ()
    _attributes = ()

    def __init__(self, /, *args, **kwargs):
        _initialize(self, args, kwargs)

    def __repr__(self):
        return _node_repr(self, 3)

    def __reduce__(self):
        state = self.__dict__
        count = 0
        for name in type(self)._fields:
            if name not in state:
                break
            count += 1
        # The constructor runs with a None for each, so that nothing is missing.
        return type(self), (None,) * count, state

    def __replace__(self, /, *args, **changes):
        return _replacement(self, args, changes)

    # Keywords that are no strings are told apart from fields in the same words.
    __init__ = _any_keywords(
        __init__, lambda args, keywords: _initialize(args[0], args[1:], keywords))
    __replace__ = _any_keywords(
        __replace__, lambda args, keywords: _replacement(args[0], args[1:], keywords))


def _initialize(self, args, kwargs):
    cls = type(self)
    try:
        fields = cls._fields
    except AttributeError:
        raise AttributeError(f"type object {_class_name(cls)!r} has no "
                             "attribute '_fields'") from None
    given = len(args)
    if given > len(fields):
        raise TypeError(f"{cls.__name__} constructor takes at most "
                        f"{_count(len(fields), 'positional argument')}")
    for name, value in zip(fields, args):
        setattr(self, name, value)
    for name, value in kwargs.items():
        if name in fields:
            if name in fields[:given]:
                raise TypeError(f"{cls.__name__} got multiple values "
                                f"for argument {name!r}")
        elif name not in cls._attributes:
            _warn(f"{_class_name(cls)}.__init__ got an unexpected keyword argument "
                  f"{name!r}. Support for arbitrary keyword arguments is "
                  "deprecated and will be removed in Python 3.15.")
        setattr(self, name, value)
    types = getattr(cls, "_field_types", None) if given < len(fields) else None
    if types is None:
        return
    for name in fields[given:]:
        if name in kwargs:
            continue
        kind = types.get(name)
        shape = type(kind)
        if shape is _Union:
            pass  # the class has None for it
        elif shape is _GenericAlias:
            setattr(self, name, [])
        elif kind is expr_context:
            setattr(self, name, _singletons["Load"])
        elif name in types:
            _warn(f"{_class_name(cls)}.__init__ missing 1 required positional "
                  f"argument: {name!r}. This will become an error in Python 3.15.")
        else:
            _warn(f"Field {name!r} is missing from {_class_name(cls)}._field_types. "
                  "This will become an error in Python 3.15.")


def _replacement(self, args, changes):
    if args:
        raise TypeError("__replace__() takes no positional arguments")
    cls = type(self)
    allowed = (*cls._fields, *cls._attributes)
    for name in changes:
        if name not in allowed:
            raise TypeError(f"{_class_name(cls)}.__replace__ got an unexpected "
                            f"keyword argument {name!r}.")
    state = self.__dict__
    values = {name: state[name] for name in allowed if name in state}
    values.update(changes)
    types = getattr(cls, "_field_types", {})
    missing = [repr(name) for name in sorted(cls._fields)
               if name not in values and type(types.get(name)) is not _Union]
    if missing:
        raise TypeError(f"{_class_name(cls)}.__replace__ missing "
                        f"{_count(len(missing), 'keyword argument')}: "
                        f"{', '.join(missing)}.")
    return cls(**values)


def _node_repr(node, depth):
    """The repr() of a node, with nothing of it below `depth` levels."""
    cls = type(node)
    key = _get_ident(), id(node)
    if depth <= 0 or key in _printing:
        return f"{_class_name(cls)}(...)"
    _printing.add(key)
    try:
        parts = []
        for name in cls._fields:
            value = getattr(node, name)
            if isinstance(value, (list, tuple)):
                text = _items_repr(value, depth - 1)
            else:
                text = _value_repr(value, depth - 1)
            parts.append(f"{name}={text}")
    finally:
        _printing.discard(key)
    return f"{_class_name(cls)}({', '.join(parts)})"


def _value_repr(value, depth):
    return _node_repr(value, depth) if isinstance(value, AST) else repr(value)


def _items_repr(items, depth):
    """The first and the last item, with an ellipsis for those between."""
    ends = items if len(items) <= 2 else (items[0], items[-1])
    texts = [_value_repr(item, depth) for item in ends]
    if len(items) > 2:
        texts.insert(1, "...")
    inner = ", ".join(texts)
    return f"[{inner}]" if isinstance(items, list) else f"({inner})"


def _field(token, intern=_sys.intern):
    """(name, type, mark) of one field of the grammar."""
    bare = token.rstrip("?*")
    name, _, kind = bare.partition(":")
    return intern(name), kind or "expr", token[len(bare):]


def _namespace(name, fields):
    """The body of the class of a node with these fields, all but their types."""
    names = tuple([field[0] for field in fields])
    body = {"_fields": names, "__match_args__": names, "__module__": "ast"}
    signature = ", ".join([f"{kind}{mark} {field}" for field, kind, mark in fields])
    body["__doc__"] = f"{name}({signature})" if fields else name
    for field, _, mark in fields:
        if mark == "?":
            body[field] = None
    return body


def _typing(fields, classes, known):
    """The types of the fields, by name."""
    types = {}
    for name, kind, mark in fields:
        made = known.get((kind, mark))
        if made is None:
            made = _LEAVES.get(kind) or classes[kind]
            if mark == "?":
                made = made | None
            elif mark:
                made = list[made]
            known[kind, mark] = made
        types[name] = made
    return types


def _build(grammar):
    """All the classes of the grammar, by name."""
    kinds = []  # (name, fields, base class body, variants)
    for line in grammar.splitlines():
        words = line.split()
        names = words.pop(0)
        if line[0] == " ":
            fields = [_field(word) for word in words]
            kinds[-1][3].extend([(name, fields) for name in names.split("/")])
            continue
        mark = words.pop(0) if words and words[0][0] == "@" else ""
        fields = [_field(word) for word in words]
        body = _namespace(names, fields)
        body["_attributes"] = _POSITION if mark else ()
        if mark == "@?":
            body["end_lineno"] = body["end_col_offset"] = None
        kinds.append((names, fields, body, []))

    classes = {name: type(name, (AST,), body) for name, _, body, _ in kinds}
    known = {}
    for name, fields, _, variants in kinds:
        base = classes[name]
        if not variants:
            base._field_types = base.__annotations__ = _typing(fields, classes, known)
            continue
        docs = []
        for variant, fields in variants:
            body = _namespace(variant, fields)
            docs.append(body["__doc__"])
            body["_field_types"] = body["__annotations__"] = _typing(fields, classes, known)
            classes[variant] = type(variant, (base,), body)
        plain = not any([fields for _, fields in variants])
        bar = " | " if plain else "\n" + " " * len(name) + " | "
        base.__doc__ = f"{name} = {bar.join(docs)}"
    return classes


_classes = _build(_GRAMMAR)
globals().update(_classes)
# The instance that trees share of each node that has nothing to tell it apart.
_singletons = {
    cls.__name__: cls()
    for base in (expr_context, boolop, operator, unaryop, cmpop)
    for cls in base.__subclasses__()
}
del _GRAMMAR, _LEAVES, _POSITION, _sys, _build, _classes, _field, _namespace, _typing
