//! Expressions.

use super::{Node, Reader, exactly, index, unexpected};
use crate::compile::bytecode::Const;
use crate::compile_api::const_of;
use ruff_python_ast::{self as ast, Expr, ExprContext};
use ruff_text_size::{Ranged, TextRange};
use std::str::FromStr;
use weft_objects::prelude::*;
use weft_objects::set;

const LOAD: ExprContext = ExprContext::Load;

fn context_name(c: ExprContext) -> &'static str {
    match c {
        ExprContext::Load | ExprContext::Invalid => "Load",
        ExprContext::Store => "Store",
        ExprContext::Del => "Del",
    }
}

impl Reader {
    pub(super) fn expr_field(
        &mut self,
        t: &mut Thread,
        n: Node,
        name: &str,
        ctx: ExprContext,
    ) -> Res<Expr> {
        let v = self.required(t, n, name)?;
        self.expr(t, v.value(), ctx)
    }

    fn boxed(&mut self, t: &mut Thread, n: Node, name: &str) -> Res<Box<Expr>> {
        self.expr_field(t, n, name, LOAD).map(Box::new)
    }

    pub(super) fn optional_expr(
        &mut self,
        t: &mut Thread,
        n: Node,
        name: &str,
    ) -> Res<Option<Box<Expr>>> {
        match self.optional(t, n, name)? {
            Some(v) => Ok(Some(Box::new(self.expr(t, v.value(), LOAD)?))),
            None => Ok(None),
        }
    }

    pub(super) fn exprs(
        &mut self,
        t: &mut Thread,
        n: Node,
        name: &str,
        ctx: ExprContext,
    ) -> Res<Vec<Expr>> {
        let items = self.list(t, n, name)?;
        self.expr_list(t, &items, ctx)
    }

    pub(super) fn expr_list(
        &mut self,
        t: &mut Thread,
        items: &[Obj],
        ctx: ExprContext,
    ) -> Res<Vec<Expr>> {
        let mut out = Vec::with_capacity(items.len());
        for v in items {
            if v.value().is_none() {
                return Err(t.value_error("None disallowed in expression list"));
            }
            out.push(self.expr(t, v.value(), ctx)?);
        }
        Ok(out)
    }

    /// An expression, which must have this context.
    pub(super) fn expr(&mut self, t: &mut Thread, v: Value, ctx: ExprContext) -> Res<Expr> {
        self.enter(t, "expr")?;
        let class = match self.class(t, v) {
            Some(
                c @ ("BoolOp" | "NamedExpr" | "BinOp" | "UnaryOp" | "Lambda" | "IfExp" | "Dict"
                | "Set" | "ListComp" | "SetComp" | "DictComp" | "GeneratorExp" | "Await"
                | "Yield" | "YieldFrom" | "Compare" | "Call" | "FormattedValue"
                | "Interpolation" | "JoinedStr" | "TemplateStr" | "Constant" | "Attribute"
                | "Subscript" | "Starred" | "Name" | "List" | "Tuple" | "Slice"),
            ) => c,
            _ => return Err(unexpected(t, "expr", v)),
        };
        let n = Node::new(class, v);
        let range = self.range(t, v, "expr")?;
        let made = match class {
            "Attribute" | "Subscript" | "Starred" | "Name" | "List" | "Tuple" => {
                self.check_context(t, n, ctx)?;
                self.target(t, n, range, ctx)?
            }
            _ if ctx != LOAD => {
                let msg = format!(
                    "expression which can't be assigned to in {} context",
                    context_name(ctx)
                );
                return Err(t.value_error(msg));
            }
            _ => self.value(t, n, range)?,
        };
        self.leave();
        Ok(made)
    }

    fn check_context(&mut self, t: &mut Thread, n: Node, wanted: ExprContext) -> Res<()> {
        let v = self.required(t, n, "ctx")?;
        let got = match self.class(t, v.value()) {
            Some("Load") => LOAD,
            Some("Store") => ExprContext::Store,
            Some("Del") => ExprContext::Del,
            _ => return Err(unexpected(t, "expr_context", v.value())),
        };
        if got == wanted {
            return Ok(());
        }
        Err(t.value_error(format!(
            "expression must have {} context but has {} instead",
            context_name(wanted),
            context_name(got)
        )))
    }

    pub(super) fn check_name(&mut self, t: &mut Thread, name: &str) -> Res<()> {
        if matches!(name, "None" | "True" | "False") {
            let msg = format!("identifier field can't represent '{name}' constant");
            return Err(t.value_error(msg));
        }
        Ok(())
    }

    /// What may be assigned to.
    fn target(&mut self, t: &mut Thread, n: Node, range: TextRange, ctx: ExprContext) -> Res<Expr> {
        let node_index = index();
        Ok(match n.class {
            "Attribute" => {
                let attr = self.required(t, n, "attr")?;
                let attr = self.text(t, attr.value())?;
                let place = self.name_at_end(&attr, range);
                let value = self.boxed(t, n, "value")?;
                let attr = ast::Identifier::new(attr, place);
                Expr::Attribute(ast::ExprAttribute {
                    node_index,
                    range,
                    value,
                    attr,
                    ctx,
                })
            }
            "Subscript" => {
                let value = self.boxed(t, n, "value")?;
                let slice = self.boxed(t, n, "slice")?;
                Expr::Subscript(ast::ExprSubscript {
                    node_index,
                    range,
                    value,
                    slice,
                    ctx,
                })
            }
            "Starred" => {
                let value = Box::new(self.expr_field(t, n, "value", ctx)?);
                Expr::Starred(ast::ExprStarred {
                    node_index,
                    range,
                    value,
                    ctx,
                })
            }
            "Name" => {
                let id = self.required(t, n, "id")?;
                let id = self.text(t, id.value())?;
                self.check_name(t, &id)?;
                Expr::Name(ast::ExprName {
                    node_index,
                    range,
                    id: id.into(),
                    ctx,
                })
            }
            "List" => {
                let elts = self.exprs(t, n, "elts", ctx)?;
                Expr::List(ast::ExprList {
                    node_index,
                    range,
                    elts,
                    ctx,
                })
            }
            _ => {
                let elts = self.exprs(t, n, "elts", ctx)?;
                Expr::Tuple(ast::ExprTuple {
                    node_index,
                    range,
                    elts,
                    ctx,
                    parenthesized: true,
                })
            }
        })
    }

    fn value(&mut self, t: &mut Thread, n: Node, range: TextRange) -> Res<Expr> {
        let node_index = index();
        Ok(match n.class {
            "BoolOp" => {
                let op = self.required(t, n, "op")?;
                let op = match self.class(t, op.value()) {
                    Some("And") => ast::BoolOp::And,
                    Some("Or") => ast::BoolOp::Or,
                    _ => return Err(unexpected(t, "boolop", op.value())),
                };
                let values = self.list(t, n, "values")?;
                if values.len() < 2 {
                    return Err(t.value_error("BoolOp with less than 2 values"));
                }
                let values = self.expr_list(t, &values, LOAD)?;
                Expr::BoolOp(ast::ExprBoolOp {
                    node_index,
                    range,
                    op,
                    values,
                })
            }
            "NamedExpr" => {
                let no_name = "NamedExpr target must be a Name";
                let target = self.expr_field(t, n, "target", ExprContext::Store);
                let target = match target {
                    Ok(target) if target.is_name_expr() => Box::new(target),
                    Err(e) if !t.exc_matches(&errors::VALUE_ERROR) => return Err(e),
                    _ => return Err(t.type_error(no_name.into())),
                };
                let value = self.boxed(t, n, "value")?;
                Expr::Named(ast::ExprNamed {
                    node_index,
                    range,
                    target,
                    value,
                })
            }
            "BinOp" => {
                let left = self.boxed(t, n, "left")?;
                let op = self.operator(t, n)?;
                let right = self.boxed(t, n, "right")?;
                Expr::BinOp(ast::ExprBinOp {
                    node_index,
                    range,
                    left,
                    op,
                    right,
                })
            }
            "UnaryOp" => {
                let op = self.required(t, n, "op")?;
                let op = match self.class(t, op.value()) {
                    Some("Invert") => ast::UnaryOp::Invert,
                    Some("Not") => ast::UnaryOp::Not,
                    Some("UAdd") => ast::UnaryOp::UAdd,
                    Some("USub") => ast::UnaryOp::USub,
                    _ => return Err(unexpected(t, "unaryop", op.value())),
                };
                let operand = self.boxed(t, n, "operand")?;
                Expr::UnaryOp(ast::ExprUnaryOp {
                    node_index,
                    range,
                    op,
                    operand,
                })
            }
            "Lambda" => {
                let p = self.arguments(t, n, range)?;
                let parameters = (!p.is_empty()).then(|| Box::new(p));
                let body = self.boxed(t, n, "body")?;
                Expr::Lambda(ast::ExprLambda {
                    node_index,
                    range,
                    parameters,
                    body,
                })
            }
            "IfExp" => Expr::If(ast::ExprIf {
                node_index,
                range,
                test: self.boxed(t, n, "test")?,
                body: self.boxed(t, n, "body")?,
                orelse: self.boxed(t, n, "orelse")?,
            }),
            "Dict" => self.dict(t, n, range)?,
            "Set" => {
                let elts = self.exprs(t, n, "elts", LOAD)?;
                Expr::Set(ast::ExprSet {
                    node_index,
                    range,
                    elts,
                })
            }
            "ListComp" => Expr::ListComp(ast::ExprListComp {
                node_index,
                range,
                generators: self.generators(t, n, range)?,
                elt: self.boxed(t, n, "elt")?,
            }),
            "SetComp" => Expr::SetComp(ast::ExprSetComp {
                node_index,
                range,
                generators: self.generators(t, n, range)?,
                elt: self.boxed(t, n, "elt")?,
            }),
            "GeneratorExp" => Expr::Generator(ast::ExprGenerator {
                node_index,
                range,
                generators: self.generators(t, n, range)?,
                elt: self.boxed(t, n, "elt")?,
                parenthesized: true,
            }),
            "DictComp" => Expr::DictComp(ast::ExprDictComp {
                node_index,
                range,
                generators: self.generators(t, n, range)?,
                key: self.boxed(t, n, "key")?,
                value: self.boxed(t, n, "value")?,
            }),
            "Await" => Expr::Await(ast::ExprAwait {
                node_index,
                range,
                value: self.boxed(t, n, "value")?,
            }),
            "Yield" => {
                let value = self.optional_expr(t, n, "value")?;
                Expr::Yield(ast::ExprYield {
                    node_index,
                    range,
                    value,
                })
            }
            "YieldFrom" => Expr::YieldFrom(ast::ExprYieldFrom {
                node_index,
                range,
                value: self.boxed(t, n, "value")?,
            }),
            "Compare" => self.compare(t, n, range)?,
            "Call" => {
                let func = self.boxed(t, n, "func")?;
                let arguments = self.call_arguments(t, n, "args", range)?;
                Expr::Call(ast::ExprCall {
                    node_index,
                    range,
                    func,
                    arguments,
                })
            }
            "FormattedValue" => {
                let element = self.replacement(t, n, range)?;
                fstring(vec![element], range)
            }
            "Interpolation" => {
                let element = self.replacement(t, n, range)?;
                tstring(vec![element], range)
            }
            "JoinedStr" => fstring(self.elements(t, n)?, range),
            "TemplateStr" => tstring(self.elements(t, n)?, range),
            "Constant" => self.constant(t, n, range)?,
            _ => Expr::Slice(ast::ExprSlice {
                node_index,
                range,
                lower: self.optional_expr(t, n, "lower")?,
                upper: self.optional_expr(t, n, "upper")?,
                step: self.optional_expr(t, n, "step")?,
            }),
        })
    }

    pub(super) fn operator(&mut self, t: &mut Thread, n: Node) -> Res<ast::Operator> {
        use ast::Operator as O;
        let op = self.required(t, n, "op")?;
        Ok(match self.class(t, op.value()) {
            Some("Add") => O::Add,
            Some("Sub") => O::Sub,
            Some("Mult") => O::Mult,
            Some("MatMult") => O::MatMult,
            Some("Div") => O::Div,
            Some("Mod") => O::Mod,
            Some("Pow") => O::Pow,
            Some("LShift") => O::LShift,
            Some("RShift") => O::RShift,
            Some("BitOr") => O::BitOr,
            Some("BitXor") => O::BitXor,
            Some("BitAnd") => O::BitAnd,
            Some("FloorDiv") => O::FloorDiv,
            _ => return Err(unexpected(t, "operator", op.value())),
        })
    }

    fn dict(&mut self, t: &mut Thread, n: Node, range: TextRange) -> Res<Expr> {
        let keys = self.list(t, n, "keys")?;
        let values = self.list(t, n, "values")?;
        if keys.len() != values.len() {
            let msg = "Dict doesn't have the same number of keys as values";
            return Err(t.value_error(msg));
        }
        let values = self.expr_list(t, &values, LOAD)?;
        let mut items = Vec::with_capacity(keys.len());
        for (k, value) in keys.iter().zip(values) {
            let key = match k.value() {
                Value::NONE => None,
                k => Some(self.expr(t, k, LOAD)?),
            };
            items.push(ast::DictItem { key, value });
        }
        Ok(Expr::Dict(ast::ExprDict {
            node_index: index(),
            range,
            items,
        }))
    }

    fn generators(
        &mut self,
        t: &mut Thread,
        n: Node,
        range: TextRange,
    ) -> Res<Vec<ast::Comprehension>> {
        let items = self.list(t, n, "generators")?;
        if items.is_empty() {
            return Err(t.value_error("comprehension with no generators"));
        }
        let mut out = Vec::with_capacity(items.len());
        for v in items {
            let g = exactly(t, self, "comprehension", v.value())?;
            out.push(ast::Comprehension {
                range,
                node_index: index(),
                target: self.expr_field(t, g, "target", ExprContext::Store)?,
                iter: self.expr_field(t, g, "iter", LOAD)?,
                ifs: self.exprs(t, g, "ifs", LOAD)?,
                is_async: self.required_int(t, g, "is_async")? != 0,
            });
        }
        Ok(out)
    }

    fn compare(&mut self, t: &mut Thread, n: Node, range: TextRange) -> Res<Expr> {
        use ast::CmpOp as C;
        let left = self.boxed(t, n, "left")?;
        let mut ops = Vec::new();
        for op in self.list(t, n, "ops")? {
            ops.push(match self.class(t, op.value()) {
                Some("Eq") => C::Eq,
                Some("NotEq") => C::NotEq,
                Some("Lt") => C::Lt,
                Some("LtE") => C::LtE,
                Some("Gt") => C::Gt,
                Some("GtE") => C::GtE,
                Some("Is") => C::Is,
                Some("IsNot") => C::IsNot,
                Some("In") => C::In,
                Some("NotIn") => C::NotIn,
                _ => return Err(unexpected(t, "cmpop", op.value())),
            });
        }
        let comparators = self.list(t, n, "comparators")?;
        if comparators.is_empty() {
            return Err(t.value_error("Compare with no comparators"));
        }
        if comparators.len() != ops.len() {
            let msg = "Compare has a different number of comparators and operands";
            return Err(t.value_error(msg));
        }
        let comparators = self.expr_list(t, &comparators, LOAD)?;
        Ok(Expr::Compare(ast::ExprCompare {
            node_index: index(),
            range,
            left,
            ops: ops.into(),
            comparators: comparators.into(),
        }))
    }

    /// The arguments of a call, or bases and keywords of a class.
    pub(super) fn call_arguments(
        &mut self,
        t: &mut Thread,
        n: Node,
        positional: &str,
        range: TextRange,
    ) -> Res<ast::Arguments> {
        let args = self.exprs(t, n, positional, LOAD)?;
        let mut keywords = Vec::new();
        for v in self.list(t, n, "keywords")? {
            let k = exactly(t, self, "keyword", v.value())?;
            let range = self.range(t, v.value(), "keyword")?;
            keywords.push(ast::Keyword {
                range,
                node_index: index(),
                arg: self.optional_identifier(t, k, "arg", range)?,
                value: self.expr_field(t, k, "value", LOAD)?,
            });
        }
        Ok(ast::Arguments {
            range,
            node_index: index(),
            args: args.into(),
            keywords: keywords.into(),
        })
    }

    // Strings with replacement fields

    /// The parts of a JoinedStr or a TemplateStr.
    fn elements(&mut self, t: &mut Thread, n: Node) -> Res<Vec<ast::InterpolatedStringElement>> {
        let mut out = Vec::new();
        for v in self.list(t, n, "values")? {
            if v.value().is_none() {
                return Err(t.value_error("None disallowed in expression list"));
            }
            out.push(self.element(t, v.value())?);
        }
        Ok(out)
    }

    fn element(&mut self, t: &mut Thread, v: Value) -> Res<ast::InterpolatedStringElement> {
        if let Some(class @ ("FormattedValue" | "Interpolation")) = self.class(t, v) {
            let range = self.range(t, v, "expr")?;
            return self.replacement(t, Node::new(class, v), range);
        }
        let e = self.expr(t, v, LOAD)?;
        let range = e.range();
        if let Expr::StringLiteral(s) = &e {
            return Ok(ast::InterpolatedStringElement::Literal(
                ast::InterpolatedStringLiteralElement {
                    range,
                    node_index: index(),
                    value: s.value.to_str().into(),
                },
            ));
        }
        Ok(interpolation(
            e,
            ast::ConversionFlag::None,
            None,
            range,
            index(),
        ))
    }

    fn replacement(
        &mut self,
        t: &mut Thread,
        n: Node,
        range: TextRange,
    ) -> Res<ast::InterpolatedStringElement> {
        self.enter(t, "expr")?;
        let expression = self.expr_field(t, n, "value", LOAD)?;
        let conversion = match self.int_or(t, n, "conversion", -1)? {
            115 => ast::ConversionFlag::Str,
            114 => ast::ConversionFlag::Repr,
            97 => ast::ConversionFlag::Ascii,
            -1 => ast::ConversionFlag::None,
            other => {
                let msg = format!("Unrecognized conversion character {other}");
                return Err(t.system_error(msg));
            }
        };
        let node_index = index();
        if n.class == "Interpolation" {
            let text = Str::intern_bytes(t, b"str");
            let text = match proto::get_attr_opt(t, n.value, text)? {
                Some(v) => self.constant_value(t, v.value())?,
                None => {
                    let msg = "required field \"str\" missing from Interpolation";
                    return Err(t.type_error(msg.into()));
                }
            };
            let number = self.keep(text);
            node_index.set(ast::NodeIndex::from(number as u32));
        }
        let spec = match self.optional(t, n, "format_spec")? {
            Some(v) => Some(self.format_spec(t, v.value())?),
            None => None,
        };
        self.leave();
        Ok(interpolation(
            expression, conversion, spec, range, node_index,
        ))
    }

    fn format_spec(
        &mut self,
        t: &mut Thread,
        v: Value,
    ) -> Res<Box<ast::InterpolatedStringFormatSpec>> {
        let (elements, range) = if self.class(t, v) == Some("JoinedStr") {
            let range = self.range(t, v, "expr")?;
            (self.elements(t, Node::new("JoinedStr", v))?, range)
        } else {
            let one = self.element(t, v)?;
            let range = one.range();
            (vec![one], range)
        };
        Ok(Box::new(ast::InterpolatedStringFormatSpec {
            range,
            node_index: index(),
            elements: elements.into(),
        }))
    }

    // Constants

    /// A constant's value; only these types may be constants.
    fn constant_value(&mut self, t: &mut Thread, v: Value) -> Res<Const> {
        self.check_constant(t, v)?;
        const_of(t, v)
    }

    fn check_constant(&mut self, t: &mut Thread, v: Value) -> Res<()> {
        t.enter_recursive(" during compilation")?;
        let name = type_of(v).name();
        let plain = !type_of(v).is_heap();
        if let (true, Some(items)) = (plain, Tuple::exact(v)) {
            for o in items.to_vec(t) {
                self.check_constant(t, o.value())?;
            }
            return Ok(());
        }
        match name.as_str() {
            "frozenset" if plain => {
                let items = set::Set::of(v).map_or_else(Vec::new, |s| s.to_vec(t));
                for o in items {
                    self.check_constant(t, o.value())?;
                }
                Ok(())
            }
            "NoneType" | "ellipsis" | "int" | "float" | "complex" | "bool" | "str" | "bytes"
                if plain =>
            {
                Ok(())
            }
            _ => Err(t.type_error(format!("got an invalid type in Constant: {name}"))),
        }
    }

    fn constant(&mut self, t: &mut Thread, n: Node, range: TextRange) -> Res<Expr> {
        self.check_string(t, n, "kind")?;
        let name = Str::intern_bytes(t, b"value");
        let Some(v) = proto::get_attr_opt(t, n.value, name)? else {
            return Err(t.type_error("required field \"value\" missing from Constant".into()));
        };
        let unicode = match self.optional(t, n, "kind")? {
            Some(k) => Str::of(k.value()).is_some_and(|s| s.is("u")),
            None => false,
        };
        let c = self.constant_value(t, v.value())?;
        let node_index = index();
        let number = |value| {
            Expr::NumberLiteral(ast::ExprNumberLiteral {
                node_index: index(),
                range,
                value,
            })
        };
        Ok(match c {
            Const::None => Expr::NoneLiteral(ast::ExprNoneLiteral { node_index, range }),
            Const::True => Expr::BooleanLiteral(ast::ExprBooleanLiteral {
                node_index,
                range,
                value: true,
            }),
            Const::False => Expr::BooleanLiteral(ast::ExprBooleanLiteral {
                node_index,
                range,
                value: false,
            }),
            Const::Ellipsis => {
                Expr::EllipsisLiteral(ast::ExprEllipsisLiteral { node_index, range })
            }
            Const::Float(f) => number(ast::Number::Float(f)),
            Const::Complex(real, imag) => number(ast::Number::Complex { real, imag }),
            Const::Bytes(b) => bytes_literal(b, range),
            Const::Int(i)
                if i >= 0
                    && let Ok(i) = ast::Int::from_str(&i.to_string()) =>
            {
                number(ast::Number::Int(i))
            }
            Const::Str(ref s) if let Ok(text) = std::str::from_utf8(s) => {
                string_literal(text, unicode, range)
            }
            other => {
                let value = self.keep(other).to_string().into();
                let kind = ast::IpyEscapeKind::Shell;
                Expr::IpyEscapeCommand(ast::ExprIpyEscapeCommand {
                    node_index,
                    range,
                    kind,
                    value,
                })
            }
        })
    }
}

fn string_literal(text: &str, unicode: bool, range: TextRange) -> Expr {
    let mut flags = ast::StringLiteralFlags::empty();
    if unicode {
        flags = flags.with_prefix(ast::str_prefix::StringLiteralPrefix::Unicode);
    }
    Expr::StringLiteral(ast::ExprStringLiteral {
        node_index: index(),
        range,
        value: ast::StringLiteralValue::single(ast::StringLiteral {
            range,
            node_index: index(),
            value: text.into(),
            flags,
        }),
    })
}

fn bytes_literal(value: Box<[u8]>, range: TextRange) -> Expr {
    Expr::BytesLiteral(ast::ExprBytesLiteral {
        node_index: index(),
        range,
        value: ast::BytesLiteralValue::single(ast::BytesLiteral {
            range,
            node_index: index(),
            value,
            flags: ast::BytesLiteralFlags::empty(),
        }),
    })
}

fn interpolation(
    expression: Expr,
    conversion: ast::ConversionFlag,
    format_spec: Option<Box<ast::InterpolatedStringFormatSpec>>,
    range: TextRange,
    node_index: ast::AtomicNodeIndex,
) -> ast::InterpolatedStringElement {
    ast::InterpolatedStringElement::Interpolation(ast::InterpolatedElement {
        range,
        node_index,
        expression: Box::new(expression),
        debug_text: None,
        conversion,
        format_spec,
    })
}

fn fstring(elements: Vec<ast::InterpolatedStringElement>, range: TextRange) -> Expr {
    Expr::FString(ast::ExprFString {
        node_index: index(),
        range,
        value: ast::FStringValue::single(ast::FString {
            range,
            node_index: index(),
            elements: elements.into(),
            flags: ast::FStringFlags::empty(),
        }),
    })
}

fn tstring(elements: Vec<ast::InterpolatedStringElement>, range: TextRange) -> Expr {
    Expr::TString(ast::ExprTString {
        node_index: index(),
        range,
        value: ast::TStringValue::single(ast::TString {
            range,
            node_index: index(),
            elements: elements.into(),
            flags: ast::TStringFlags::empty(),
        }),
    })
}
