//! From the nodes of module `ast` to the compiler's tree, which is checked on the way.

mod expr;
mod pattern;
mod stmt;

use crate::compile::bytecode::Const;
use crate::compile::{Mode, Synthetic, Tree};
use crate::import;
use ruff_python_ast as ast;
use ruff_text_size::{TextRange, TextSize};
use std::collections::HashMap;
use weft_objects::prelude::*;
use weft_objects::{id, int};

/// Whether `v` is a node.
///
/// # Errors
/// What importing `_ast` raises.
pub fn is_node(t: &mut Thread, v: Value) -> Res<bool> {
    // Without the module there are no nodes.
    let Some(module) = import::modules(t)?.get_str(t, id!(t, "_ast")) else {
        return Ok(false);
    };
    let module = module.to_obj(t);
    let class = proto::get_attr(t, module.value(), id!(t, "AST"))?;
    proto::is_instance(t, v, class.value())
}

/// Checks that a node is what `compile()` in this mode takes; `None`: a signature.
///
/// # Errors
/// TypeError; what importing `_ast` raises.
pub fn check_kind(t: &mut Thread, v: Value, mode: Option<Mode>) -> Res<&'static str> {
    let reader = Reader::new(t)?;
    let wanted = match mode {
        Some(Mode::Exec) => "Module",
        Some(Mode::Eval) => "Expression",
        Some(Mode::Single) => "Interactive",
        None => "FunctionType",
    };
    if reader.class(t, v) != Some(wanted) {
        let got = type_of(v).name();
        return Err(t.type_error(format!("expected {wanted} node, got {got}")));
    }
    Ok(wanted)
}

/// Reads a tree.
///
/// # Errors
/// TypeError and ValueError for what is no tree, as CPython's.
pub fn read(t: &mut Thread, v: Value, mode: Mode) -> Res<Tree> {
    let wanted = check_kind(t, v, Some(mode))?;
    let mut reader = Reader::new(t)?;
    let node = Node::new(wanted, v);
    let range = TextRange::default();
    let tree = if mode == Mode::Eval {
        let body = reader.expr_field(t, node, "body", ast::ExprContext::Load)?;
        ast::Mod::Expression(ast::ModExpression {
            node_index: ast::AtomicNodeIndex::NONE,
            range,
            body: Box::new(body),
        })
    } else {
        let body = reader.body(t, node, "body")?;
        ast::Mod::Module(ast::ModModule {
            node_index: ast::AtomicNodeIndex::NONE,
            range,
            body,
        })
    };
    Ok(Tree {
        tree,
        places: reader.places,
        depth: reader.deepest,
    })
}

/// The names of all classes of nodes.
const CLASSES: &[&str] = &[
    "Module",
    "Interactive",
    "Expression",
    "FunctionType",
    "FunctionDef",
    "AsyncFunctionDef",
    "ClassDef",
    "Return",
    "Delete",
    "Assign",
    "TypeAlias",
    "AugAssign",
    "AnnAssign",
    "For",
    "AsyncFor",
    "While",
    "If",
    "With",
    "AsyncWith",
    "Match",
    "Raise",
    "Try",
    "TryStar",
    "Assert",
    "Import",
    "ImportFrom",
    "Global",
    "Nonlocal",
    "Expr",
    "Pass",
    "Break",
    "Continue",
    "BoolOp",
    "NamedExpr",
    "BinOp",
    "UnaryOp",
    "Lambda",
    "IfExp",
    "Dict",
    "Set",
    "ListComp",
    "SetComp",
    "DictComp",
    "GeneratorExp",
    "Await",
    "Yield",
    "YieldFrom",
    "Compare",
    "Call",
    "FormattedValue",
    "Interpolation",
    "JoinedStr",
    "TemplateStr",
    "Constant",
    "Attribute",
    "Subscript",
    "Starred",
    "Name",
    "List",
    "Tuple",
    "Slice",
    "Load",
    "Store",
    "Del",
    "And",
    "Or",
    "Add",
    "Sub",
    "Mult",
    "MatMult",
    "Div",
    "Mod",
    "Pow",
    "LShift",
    "RShift",
    "BitOr",
    "BitXor",
    "BitAnd",
    "FloorDiv",
    "Invert",
    "Not",
    "UAdd",
    "USub",
    "Eq",
    "NotEq",
    "Lt",
    "LtE",
    "Gt",
    "GtE",
    "Is",
    "IsNot",
    "In",
    "NotIn",
    "comprehension",
    "ExceptHandler",
    "arguments",
    "arg",
    "keyword",
    "alias",
    "withitem",
    "match_case",
    "MatchValue",
    "MatchSingleton",
    "MatchSequence",
    "MatchMapping",
    "MatchClass",
    "MatchStar",
    "MatchAs",
    "MatchOr",
    "TypeIgnore",
    "TypeVar",
    "ParamSpec",
    "TypeVarTuple",
];

/// A node with the name of its class.
#[derive(Clone, Copy)]
struct Node {
    class: &'static str,
    value: Value,
}

impl Node {
    fn new(class: &'static str, value: Value) -> Node {
        Node { class, value }
    }
}

struct Reader {
    /// The names of classes by their addresses. The module keeps the classes.
    classes: HashMap<u64, &'static str>,
    _module: Obj,
    places: Synthetic,
    depth: u32,
    deepest: u32,
}

impl Reader {
    fn new(t: &mut Thread) -> Res<Reader> {
        let module = import::import_module(t, "_ast")?;
        let mut classes = HashMap::with_capacity(CLASSES.len());
        for name in CLASSES {
            let class = proto::get_attr(t, module.value(), Str::intern_bytes(t, name.as_bytes()))?;
            classes.insert(proto::address(class.value()), *name);
        }
        Ok(Reader {
            classes,
            _module: module,
            places: Synthetic::default(),
            depth: 0,
            deepest: 0,
        })
    }

    /// The class of nodes that an object is an instance of.
    fn class(&self, _t: &Thread, v: Value) -> Option<&'static str> {
        let ty = type_of(v);
        if let Some(name) = self.classes.get(&proto::address(ty.value())) {
            return Some(name);
        }
        let mro = ty.mro_tuple()?;
        (0..mro.len()).find_map(|i| self.classes.get(&proto::address(mro.get(i))).copied())
    }

    fn enter(&mut self, t: &mut Thread, what: &str) -> Res<()> {
        t.enter_recursive(&format!(" while traversing '{what}' node"))?;
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        if self.depth > MAX_DEPTH {
            let msg = format!("maximum recursion depth exceeded while traversing '{what}' node");
            return Err(t.raise(&errors::RECURSION_ERROR, msg));
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.depth -= 1;
    }

    // Fields

    /// A field that may be left out or None.
    fn optional(&mut self, t: &mut Thread, n: Node, name: &str) -> Res<Option<Obj>> {
        let name = Str::intern_bytes(t, name.as_bytes());
        let v = proto::get_attr_opt(t, n.value, name)?;
        Ok(v.filter(|v| !v.value().is_none()))
    }

    /// A field that must be there, and may not be None.
    fn required(&mut self, t: &mut Thread, n: Node, name: &str) -> Res<Obj> {
        let key = Str::intern_bytes(t, name.as_bytes());
        match proto::get_attr_opt(t, n.value, key)? {
            None => {
                let msg = format!("required field \"{name}\" missing from {}", n.class);
                Err(t.type_error(msg))
            }
            Some(v) if v.value().is_none() => {
                Err(t.value_error(format!("field '{name}' is required for {}", n.class)))
            }
            Some(v) => Ok(v),
        }
    }

    fn list(&mut self, t: &mut Thread, n: Node, name: &str) -> Res<Vec<Obj>> {
        let key = Str::intern_bytes(t, name.as_bytes());
        let Some(v) = proto::get_attr_opt(t, n.value, key)? else {
            return Ok(Vec::new());
        };
        match List::of(v.value()) {
            Some(l) => Ok(l.to_vec(t)),
            None => {
                let got = type_of(v.value()).name();
                let msg = format!("{} field \"{name}\" must be a list, not a {got}", n.class);
                Err(t.type_error(msg))
            }
        }
    }

    /// As `list`, for what may not be empty.
    fn filled(&mut self, t: &mut Thread, n: Node, name: &str) -> Res<Vec<Obj>> {
        let all = self.list(t, n, name)?;
        if all.is_empty() {
            return Err(t.value_error(format!("empty {name} on {}", n.class)));
        }
        Ok(all)
    }

    fn text(&mut self, t: &mut Thread, v: Value) -> Res<String> {
        match Str::of(v) {
            Some(s) => Ok(s.to_string_lossy()),
            None => Err(t.type_error("AST identifier must be of type str".into())),
        }
    }

    fn identifier(
        &mut self,
        t: &mut Thread,
        n: Node,
        name: &str,
        range: TextRange,
    ) -> Res<ast::Identifier> {
        let v = self.required(t, n, name)?;
        let text = self.text(t, v.value())?;
        self.check_name(t, &text)?;
        Ok(ast::Identifier::new(text, range))
    }

    fn optional_identifier(
        &mut self,
        t: &mut Thread,
        n: Node,
        name: &str,
        range: TextRange,
    ) -> Res<Option<ast::Identifier>> {
        let Some(v) = self.optional(t, n, name)? else {
            return Ok(None);
        };
        let text = self.text(t, v.value())?;
        self.check_name(t, &text)?;
        Ok(Some(ast::Identifier::new(text, range)))
    }

    fn identifiers(
        &mut self,
        t: &mut Thread,
        n: Node,
        items: &[Obj],
        range: TextRange,
    ) -> Res<Vec<ast::Identifier>> {
        let mut out = Vec::with_capacity(items.len());
        for v in items {
            if v.value().is_none() {
                return Err(
                    t.value_error(format!("None disallowed in identifier list of {}", n.class))
                );
            }
            let text = self.text(t, v.value())?;
            out.push(ast::Identifier::new(text, range));
        }
        Ok(out)
    }

    /// Checks that a field is a str, if it is given: a type comment.
    fn check_string(&mut self, t: &mut Thread, n: Node, name: &str) -> Res<()> {
        match self.optional(t, n, name)? {
            Some(v) if Str::of(v.value()).is_none() => {
                Err(t.type_error("AST string must be of type str".into()))
            }
            _ => Ok(()),
        }
    }

    fn number(&mut self, t: &mut Thread, v: Value) -> Res<i64> {
        if v.is_bool() {
            return Ok(i64::from(v == Value::TRUE));
        }
        match int::as_i64(v) {
            Some(i) => Ok(i),
            None => {
                let text = proto::repr(t, v)?;
                let text = Str::of(text.value()).map_or_else(String::new, Str::to_string_lossy);
                Err(t.value_error(format!("invalid integer value: {text}")))
            }
        }
    }

    /// A field that is an int, or `default`.
    fn int_or(&mut self, t: &mut Thread, n: Node, name: &str, default: i64) -> Res<i64> {
        match self.optional(t, n, name)? {
            Some(v) => self.number(t, v.value()),
            None => Ok(default),
        }
    }

    fn required_int(&mut self, t: &mut Thread, n: Node, name: &str) -> Res<i64> {
        let key = Str::intern_bytes(t, name.as_bytes());
        match proto::get_attr_opt(t, n.value, key)? {
            Some(v) => self.number(t, v.value()),
            None => {
                let msg = format!("required field \"{name}\" missing from {}", n.class);
                Err(t.type_error(msg))
            }
        }
    }

    // Places

    /// The place of a node whose kind is `kind`.
    fn range(&mut self, t: &mut Thread, v: Value, kind: &'static str) -> Res<TextRange> {
        let n = Node::new(kind, v);
        let line = self.required_int(t, n, "lineno")?;
        let col = self.required_int(t, n, "col_offset")?;
        let end_line = self.int_or(t, n, "end_lineno", line)?;
        let end_col = self.int_or(t, n, "end_col_offset", col)?;
        if line > end_line {
            let msg = format!("AST node line range ({line}, {end_line}) is not valid");
            return Err(t.value_error(msg));
        }
        if (line < 0 && end_line != line) || (col < 0 && end_col != col) {
            let msg = format!(
                "AST node column range ({col}, {end_col}) for line range ({line}, {end_line}) is not valid"
            );
            return Err(t.value_error(msg));
        }
        if line == end_line && col > end_col {
            let msg = format!("line {line}, column {col}-{end_col} is not a valid range");
            return Err(t.value_error(msg));
        }
        let number = |i: i64| u32::try_from(i.max(0)).unwrap_or(i32::MAX as u32);
        let (start, end) = self.places.range(
            (number(line), number(col)),
            (number(end_line), number(end_col)),
        );
        Ok(TextRange::new(TextSize::new(start), TextSize::new(end)))
    }

    /// The place of a name that ends where `range` does.
    fn name_at_end(&mut self, name: &str, range: TextRange) -> TextRange {
        let (line, col) = self.places.point(range.end().to_u32());
        let begin = self.places.point(range.start().to_u32());
        let start = (line, col.saturating_sub(name.len() as u32)).max(begin);
        let (start, end) = self.places.range(start, (line, col));
        TextRange::new(TextSize::new(start), TextSize::new(end))
    }

    /// Keeps a constant that no literal stands for; gives its number.
    fn keep(&mut self, c: Const) -> usize {
        self.places.consts.push(c);
        self.places.consts.len() - 1
    }
}

/// Trees may be nested this deeply.
const MAX_DEPTH: u32 = 15_000;

fn index() -> ast::AtomicNodeIndex {
    ast::AtomicNodeIndex::NONE
}

/// TypeError for an object that is no node of the kind that belongs there.
#[cold]
fn unexpected(t: &mut Thread, kind: &str, v: Value) -> Raised {
    let text = match proto::repr(t, v) {
        Ok(s) => Str::of(s.value()).map_or_else(String::new, Str::to_string_lossy),
        Err(r) => return r,
    };
    t.type_error(format!("expected some sort of {kind}, but got {text}"))
}

/// A node that must be of one class.
fn exactly(t: &mut Thread, r: &Reader, class: &'static str, v: Value) -> Res<Node> {
    if r.class(t, v) == Some(class) {
        return Ok(Node::new(class, v));
    }
    Err(unexpected(t, class, v))
}
