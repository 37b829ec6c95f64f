//! Patterns.

use super::{Node, Reader, index, unexpected};
use ruff_python_ast::{self as ast, Expr, ExprContext, Pattern};
use weft_objects::prelude::*;

impl Reader {
    /// A pattern; `star` if it may be `*name`.
    pub(super) fn pattern(&mut self, t: &mut Thread, v: Value, star: bool) -> Res<Pattern> {
        self.enter(t, "pattern")?;
        let class = match self.class(t, v) {
            Some(c) if c.starts_with("Match") && c != "Match" => c,
            _ => return Err(unexpected(t, "pattern", v)),
        };
        let made = self.pattern_of(t, Node::new(class, v), star)?;
        self.leave();
        Ok(made)
    }

    fn pattern_of(&mut self, t: &mut Thread, n: Node, star: bool) -> Res<Pattern> {
        let range = self.range(t, n.value, "pattern")?;
        let node_index = index();
        Ok(match n.class {
            "MatchValue" => {
                let value = self.expr_field(t, n, "value", ExprContext::Load)?;
                self.check_match_value(t, &value, false)?;
                Pattern::MatchValue(ast::PatternMatchValue {
                    node_index,
                    range,
                    value: Box::new(value),
                })
            }
            "MatchSingleton" => {
                let name = Str::intern_bytes(t, b"value");
                let value = match proto::get_attr_opt(t, n.value, name)?.map(|v| v.value()) {
                    Some(Value::NONE) => ast::Singleton::None,
                    Some(Value::TRUE) => ast::Singleton::True,
                    Some(Value::FALSE) => ast::Singleton::False,
                    None => {
                        let msg = "required field \"value\" missing from MatchSingleton";
                        return Err(t.type_error(msg.into()));
                    }
                    _ => {
                        let msg = "MatchSingleton can only contain True, False and None";
                        return Err(t.value_error(msg));
                    }
                };
                Pattern::MatchSingleton(ast::PatternMatchSingleton {
                    node_index,
                    range,
                    value,
                })
            }
            "MatchSequence" => {
                let patterns = self.pattern_list(t, n, "patterns", true)?;
                Pattern::MatchSequence(ast::PatternMatchSequence {
                    node_index,
                    range,
                    patterns,
                })
            }
            "MatchMapping" => {
                let keys = self.exprs(t, n, "keys", ExprContext::Load)?;
                let patterns = self.pattern_list(t, n, "patterns", false)?;
                if keys.len() != patterns.len() {
                    let msg = "MatchMapping doesn't have the same number of keys as patterns";
                    return Err(t.value_error(msg));
                }
                for k in &keys {
                    self.check_match_value(t, k, true)?;
                }
                let rest = self.optional_identifier(t, n, "rest", range)?;
                self.check_capture(t, rest.as_ref())?;
                Pattern::MatchMapping(ast::PatternMatchMapping {
                    node_index,
                    range,
                    keys,
                    patterns,
                    rest,
                })
            }
            "MatchClass" => self.match_class(t, n, range)?,
            "MatchStar" => {
                if !star {
                    return Err(t.value_error("can't use MatchStar here"));
                }
                let name = self.optional_identifier(t, n, "name", range)?;
                self.check_capture(t, name.as_ref())?;
                Pattern::MatchStar(ast::PatternMatchStar {
                    node_index,
                    range,
                    name,
                })
            }
            "MatchAs" => {
                let name = self.optional_identifier(t, n, "name", range)?;
                let pattern = match self.optional(t, n, "pattern")? {
                    Some(v) => Some(Box::new(self.pattern(t, v.value(), false)?)),
                    None => None,
                };
                if name.is_none() && pattern.is_some() {
                    let msg = "MatchAs must specify a target name if a pattern is given";
                    return Err(t.value_error(msg));
                }
                self.check_capture(t, name.as_ref())?;
                Pattern::MatchAs(ast::PatternMatchAs {
                    node_index,
                    range,
                    pattern,
                    name,
                })
            }
            _ => {
                let patterns = self.pattern_list(t, n, "patterns", false)?;
                if patterns.len() < 2 {
                    return Err(t.value_error("MatchOr requires at least 2 patterns"));
                }
                Pattern::MatchOr(ast::PatternMatchOr {
                    node_index,
                    range,
                    patterns,
                })
            }
        })
    }

    fn pattern_list(
        &mut self,
        t: &mut Thread,
        n: Node,
        name: &str,
        star: bool,
    ) -> Res<Vec<Pattern>> {
        let items = self.list(t, n, name)?;
        let mut out = Vec::with_capacity(items.len());
        for v in items {
            if v.value().is_none() {
                return Err(t.value_error("None disallowed in pattern list"));
            }
            out.push(self.pattern(t, v.value(), star)?);
        }
        Ok(out)
    }

    fn match_class(
        &mut self,
        t: &mut Thread,
        n: Node,
        range: ruff_text_size::TextRange,
    ) -> Res<Pattern> {
        let cls = self.expr_field(t, n, "cls", ExprContext::Load)?;
        let mut inner = &cls;
        while let Expr::Attribute(a) = inner {
            inner = &a.value;
        }
        if !inner.is_name_expr() {
            let msg = "MatchClass cls field can only contain Name or Attribute nodes.";
            return Err(t.value_error(msg));
        }
        let patterns = self.pattern_list(t, n, "patterns", false)?;
        let attrs = self.list(t, n, "kwd_attrs")?;
        let attrs = self.identifiers(t, n, &attrs, range)?;
        for attr in &attrs {
            self.check_name(t, attr.as_str())?;
        }
        let kwd_patterns = self.pattern_list(t, n, "kwd_patterns", false)?;
        if attrs.len() != kwd_patterns.len() {
            let msg = "MatchClass doesn't have the same number of keyword attributes as patterns";
            return Err(t.value_error(msg));
        }
        let keyword = |(attr, pattern): (ast::Identifier, Pattern)| ast::PatternKeyword {
            range,
            node_index: index(),
            attr,
            pattern,
        };
        Ok(Pattern::MatchClass(ast::PatternMatchClass {
            node_index: index(),
            range,
            cls: Box::new(cls),
            arguments: ast::PatternArguments {
                range,
                node_index: index(),
                patterns,
                keywords: attrs.into_iter().zip(kwd_patterns).map(keyword).collect(),
            },
        }))
    }

    /// What a value pattern (or the key of a mapping pattern) may be.
    fn check_match_value(&mut self, t: &mut Thread, e: &Expr, key: bool) -> Res<()> {
        let number = |e: &Expr| e.is_number_literal_expr();
        let signed = |e: &Expr| match e {
            Expr::UnaryOp(u) => u.op == ast::UnaryOp::USub && number(&u.operand),
            e => number(e),
        };
        let fits = match e {
            Expr::StringLiteral(_)
            | Expr::BytesLiteral(_)
            | Expr::NumberLiteral(_)
            | Expr::Attribute(_) => true,
            Expr::FString(_) | Expr::TString(_) => true,
            Expr::NoneLiteral(_) | Expr::BooleanLiteral(_) if key => true,
            Expr::NoneLiteral(_) | Expr::BooleanLiteral(_) | Expr::EllipsisLiteral(_) => {
                return Err(t.value_error("unexpected constant inside of a literal pattern"));
            }
            Expr::UnaryOp(_) => signed(e),
            Expr::BinOp(b) => {
                matches!(b.op, ast::Operator::Add | ast::Operator::Sub)
                    && signed(&b.left)
                    && number(&b.right)
            }
            Expr::IpyEscapeCommand(x) => {
                use crate::compile::bytecode::Const;
                let c = x
                    .value
                    .parse::<usize>()
                    .ok()
                    .and_then(|i| self.places.consts.get(i));
                if matches!(c, Some(Const::Tuple(_) | Const::FrozenSet(_))) {
                    return Err(t.value_error("unexpected constant inside of a literal pattern"));
                }
                true
            }
            _ => false,
        };
        if fits {
            return Ok(());
        }
        Err(t.value_error("patterns may only match literals and attribute lookups"))
    }

    fn check_capture(&mut self, t: &mut Thread, name: Option<&ast::Identifier>) -> Res<()> {
        match name {
            None => Ok(()),
            Some(n) if n.as_str() == "_" => {
                Err(t.value_error("can't capture name '_' in patterns"))
            }
            Some(n) => self.check_name(t, n),
        }
    }
}
