//! Statements and what belongs to them alone.

use super::{Node, Reader, exactly, index, unexpected};
use ruff_python_ast::{self as ast, ExprContext, Stmt};
use ruff_text_size::{Ranged, TextRange};
use weft_objects::prelude::*;

impl Reader {
    /// A list of statements that may be empty.
    pub(super) fn body(&mut self, t: &mut Thread, n: Node, name: &str) -> Res<Vec<Stmt>> {
        let items = self.list(t, n, name)?;
        self.stmts(t, &items)
    }

    /// A list of statements that may not.
    fn block(&mut self, t: &mut Thread, n: Node, name: &str) -> Res<Vec<Stmt>> {
        let items = self.filled(t, n, name)?;
        self.stmts(t, &items)
    }

    fn stmts(&mut self, t: &mut Thread, items: &[Obj]) -> Res<Vec<Stmt>> {
        let mut out = Vec::with_capacity(items.len());
        for v in items {
            if v.value().is_none() {
                return Err(t.value_error("None disallowed in statement list"));
            }
            out.push(self.stmt(t, v.value())?);
        }
        Ok(out)
    }

    fn stmt(&mut self, t: &mut Thread, v: Value) -> Res<Stmt> {
        self.enter(t, "stmt")?;
        let Some(class) = self.class(t, v) else {
            return Err(unexpected(t, "stmt", v));
        };
        let range = match class {
            "FunctionDef" | "AsyncFunctionDef" | "ClassDef" | "Return" | "Delete" | "Assign"
            | "TypeAlias" | "AugAssign" | "AnnAssign" | "For" | "AsyncFor" | "While" | "If"
            | "With" | "AsyncWith" | "Match" | "Raise" | "Try" | "TryStar" | "Assert"
            | "Import" | "ImportFrom" | "Global" | "Nonlocal" | "Expr" | "Pass" | "Break"
            | "Continue" => self.range(t, v, "stmt")?,
            _ => return Err(unexpected(t, "stmt", v)),
        };
        let made = self.stmt_of(t, Node::new(class, v), range)?;
        self.leave();
        Ok(made)
    }

    fn stmt_of(&mut self, t: &mut Thread, n: Node, range: TextRange) -> Res<Stmt> {
        const LOAD: ExprContext = ExprContext::Load;
        const STORE: ExprContext = ExprContext::Store;
        let node_index = index();
        Ok(match n.class {
            "FunctionDef" | "AsyncFunctionDef" => self.function(t, n, range)?,
            "ClassDef" => self.class_def(t, n, range)?,
            "Return" => Stmt::Return(ast::StmtReturn {
                node_index,
                range,
                value: self.optional_expr(t, n, "value")?,
            }),
            "Delete" => {
                let targets = self.filled(t, n, "targets")?;
                let targets = self.expr_list(t, &targets, ExprContext::Del)?;
                Stmt::Delete(ast::StmtDelete {
                    node_index,
                    range,
                    targets,
                })
            }
            "Assign" => {
                let targets = self.filled(t, n, "targets")?;
                let targets = self.expr_list(t, &targets, STORE)?;
                self.check_string(t, n, "type_comment")?;
                let value = Box::new(self.expr_field(t, n, "value", LOAD)?);
                Stmt::Assign(ast::StmtAssign {
                    node_index,
                    range,
                    targets,
                    value,
                })
            }
            "TypeAlias" => self.type_alias(t, n, range)?,
            "AugAssign" => {
                let target = Box::new(self.expr_field(t, n, "target", STORE)?);
                let op = self.operator(t, n)?;
                let value = Box::new(self.expr_field(t, n, "value", LOAD)?);
                Stmt::AugAssign(ast::StmtAugAssign {
                    node_index,
                    range,
                    target,
                    op,
                    value,
                })
            }
            "AnnAssign" => self.ann_assign(t, n, range)?,
            "For" | "AsyncFor" => {
                self.check_string(t, n, "type_comment")?;
                Stmt::For(ast::StmtFor {
                    node_index,
                    range,
                    is_async: n.class == "AsyncFor",
                    target: Box::new(self.expr_field(t, n, "target", STORE)?),
                    iter: Box::new(self.expr_field(t, n, "iter", LOAD)?),
                    body: self.block(t, n, "body")?,
                    orelse: self.body(t, n, "orelse")?,
                })
            }
            "While" => Stmt::While(ast::StmtWhile {
                node_index,
                range,
                test: Box::new(self.expr_field(t, n, "test", LOAD)?),
                body: self.block(t, n, "body")?,
                orelse: self.body(t, n, "orelse")?,
            }),
            "If" => self.if_stmt(t, n, range)?,
            "With" | "AsyncWith" => self.with(t, n, range)?,
            "Match" => self.match_stmt(t, n, range)?,
            "Raise" => {
                let exc = self.optional_expr(t, n, "exc")?;
                let cause = self.optional_expr(t, n, "cause")?;
                if exc.is_none() && cause.is_some() {
                    return Err(t.value_error("Raise with cause but no exception"));
                }
                Stmt::Raise(ast::StmtRaise {
                    node_index,
                    range,
                    exc,
                    cause,
                })
            }
            "Try" | "TryStar" => self.try_stmt(t, n, range)?,
            "Assert" => Stmt::Assert(ast::StmtAssert {
                node_index,
                range,
                test: Box::new(self.expr_field(t, n, "test", LOAD)?),
                msg: self.optional_expr(t, n, "msg")?,
            }),
            "Import" => Stmt::Import(ast::StmtImport {
                node_index,
                range,
                names: self.aliases(t, n)?,
                is_lazy: false,
            }),
            "ImportFrom" => {
                let level = self.int_or(t, n, "level", 0)?;
                if level < 0 {
                    return Err(t.value_error("Negative ImportFrom level"));
                }
                Stmt::ImportFrom(ast::StmtImportFrom {
                    node_index,
                    range,
                    module: self.optional_identifier(t, n, "module", range)?,
                    names: self.aliases(t, n)?,
                    level: u32::try_from(level).unwrap_or(u32::MAX),
                    is_lazy: false,
                })
            }
            "Global" => {
                let names = self.filled(t, n, "names")?;
                let names = self.identifiers(t, n, &names, range)?;
                Stmt::Global(ast::StmtGlobal {
                    node_index,
                    range,
                    names,
                })
            }
            "Nonlocal" => {
                let names = self.filled(t, n, "names")?;
                let names = self.identifiers(t, n, &names, range)?;
                Stmt::Nonlocal(ast::StmtNonlocal {
                    node_index,
                    range,
                    names,
                })
            }
            "Expr" => Stmt::Expr(ast::StmtExpr {
                node_index,
                range,
                value: Box::new(self.expr_field(t, n, "value", LOAD)?),
            }),
            "Break" => Stmt::Break(ast::StmtBreak { node_index, range }),
            "Continue" => Stmt::Continue(ast::StmtContinue { node_index, range }),
            _ => Stmt::Pass(ast::StmtPass { node_index, range }),
        })
    }

    fn function(&mut self, t: &mut Thread, n: Node, range: TextRange) -> Res<Stmt> {
        self.check_string(t, n, "type_comment")?;
        Ok(Stmt::FunctionDef(ast::StmtFunctionDef {
            node_index: index(),
            range,
            is_async: n.class == "AsyncFunctionDef",
            name: self.identifier(t, n, "name", range)?,
            body: self.block(t, n, "body")?,
            type_params: self.type_params(t, n, range)?,
            parameters: Box::new(self.arguments(t, n, range)?),
            decorator_list: self.decorators(t, n)?,
            returns: self.optional_expr(t, n, "returns")?,
        }))
    }

    fn class_def(&mut self, t: &mut Thread, n: Node, range: TextRange) -> Res<Stmt> {
        let name = self.identifier(t, n, "name", range)?;
        let body = self.block(t, n, "body")?;
        let type_params = self.type_params(t, n, range)?;
        let arguments = self.call_arguments(t, n, "bases", range)?;
        let empty = arguments.args.is_empty() && arguments.keywords.is_empty();
        Ok(Stmt::ClassDef(ast::StmtClassDef {
            node_index: index(),
            range,
            decorator_list: self.decorators(t, n)?,
            name,
            type_params,
            arguments: (!empty).then(|| Box::new(arguments)),
            body,
        }))
    }

    fn decorators(&mut self, t: &mut Thread, n: Node) -> Res<Vec<ast::Decorator>> {
        let list = self.exprs(t, n, "decorator_list", ExprContext::Load)?;
        let decorator = |expression: ast::Expr| ast::Decorator {
            range: expression.range(),
            node_index: index(),
            expression,
        };
        Ok(list.into_iter().map(decorator).collect())
    }

    fn type_alias(&mut self, t: &mut Thread, n: Node, range: TextRange) -> Res<Stmt> {
        let name = self.expr_field(t, n, "name", ExprContext::Store)?;
        if !name.is_name_expr() {
            return Err(t.type_error("TypeAlias with non-Name name".into()));
        }
        Ok(Stmt::TypeAlias(ast::StmtTypeAlias {
            node_index: index(),
            range,
            name: Box::new(name),
            type_params: self.type_params(t, n, range)?,
            value: Box::new(self.expr_field(t, n, "value", ExprContext::Load)?),
        }))
    }

    fn ann_assign(&mut self, t: &mut Thread, n: Node, range: TextRange) -> Res<Stmt> {
        let target = self.expr_field(t, n, "target", ExprContext::Store)?;
        let simple = self.required_int(t, n, "simple")? != 0;
        if simple && !target.is_name_expr() {
            return Err(t.type_error("AnnAssign with simple non-Name target".into()));
        }
        Ok(Stmt::AnnAssign(ast::StmtAnnAssign {
            node_index: index(),
            range,
            target: Box::new(target),
            annotation: Box::new(self.expr_field(t, n, "annotation", ExprContext::Load)?),
            value: self.optional_expr(t, n, "value")?,
            simple,
        }))
    }

    /// An `if` that is all of an `else` becomes clauses of the outer one.
    fn if_stmt(&mut self, t: &mut Thread, n: Node, range: TextRange) -> Res<Stmt> {
        let test = Box::new(self.expr_field(t, n, "test", ExprContext::Load)?);
        let body = self.block(t, n, "body")?;
        let mut orelse = self.body(t, n, "orelse")?;
        let mut elif_else_clauses = Vec::new();
        match orelse.as_slice() {
            [] => {}
            [Stmt::If(_)] => {
                if let Some(Stmt::If(inner)) = orelse.pop() {
                    elif_else_clauses.push(ast::ElifElseClause {
                        range: inner.range,
                        node_index: index(),
                        test: Some(*inner.test),
                        body: inner.body,
                    });
                    elif_else_clauses.extend(inner.elif_else_clauses);
                }
            }
            _ => elif_else_clauses.push(ast::ElifElseClause {
                range,
                node_index: index(),
                test: None,
                body: orelse,
            }),
        }
        Ok(Stmt::If(ast::StmtIf {
            node_index: index(),
            range,
            test,
            body,
            elif_else_clauses,
        }))
    }

    fn with(&mut self, t: &mut Thread, n: Node, range: TextRange) -> Res<Stmt> {
        self.check_string(t, n, "type_comment")?;
        let mut items = Vec::new();
        for v in self.filled(t, n, "items")? {
            let item = exactly(t, self, "withitem", v.value())?;
            let context_expr = self.expr_field(t, item, "context_expr", ExprContext::Load)?;
            let vars = match self.optional(t, item, "optional_vars")? {
                Some(v) => Some(Box::new(self.expr(t, v.value(), ExprContext::Store)?)),
                None => None,
            };
            items.push(ast::WithItem {
                range: context_expr.range(),
                node_index: index(),
                context_expr,
                optional_vars: vars,
            });
        }
        Ok(Stmt::With(ast::StmtWith {
            node_index: index(),
            range,
            is_async: n.class == "AsyncWith",
            items,
            body: self.block(t, n, "body")?,
        }))
    }

    fn match_stmt(&mut self, t: &mut Thread, n: Node, range: TextRange) -> Res<Stmt> {
        let subject = Box::new(self.expr_field(t, n, "subject", ExprContext::Load)?);
        let mut cases = Vec::new();
        for v in self.filled(t, n, "cases")? {
            let case = exactly(t, self, "match_case", v.value())?;
            let pattern = self.required(t, case, "pattern")?;
            let pattern = self.pattern(t, pattern.value(), false)?;
            cases.push(ast::MatchCase {
                range: pattern.range(),
                node_index: index(),
                pattern,
                guard: self.optional_expr(t, case, "guard")?,
                body: self.block(t, case, "body")?,
            });
        }
        Ok(Stmt::Match(ast::StmtMatch {
            node_index: index(),
            range,
            subject,
            cases,
        }))
    }

    fn try_stmt(&mut self, t: &mut Thread, n: Node, range: TextRange) -> Res<Stmt> {
        let body = self.block(t, n, "body")?;
        let mut handlers = Vec::new();
        for v in self.list(t, n, "handlers")? {
            handlers.push(self.handler(t, v.value())?);
        }
        let orelse = self.body(t, n, "orelse")?;
        let finalbody = self.body(t, n, "finalbody")?;
        if handlers.is_empty() && finalbody.is_empty() {
            let msg = format!("{} has neither except handlers nor finalbody", n.class);
            return Err(t.value_error(msg));
        }
        if handlers.is_empty() && !orelse.is_empty() {
            return Err(t.value_error(format!("{} has orelse but no except handlers", n.class)));
        }
        Ok(Stmt::Try(ast::StmtTry {
            node_index: index(),
            range,
            body,
            handlers,
            orelse,
            finalbody,
            is_star: n.class == "TryStar",
        }))
    }

    fn handler(&mut self, t: &mut Thread, v: Value) -> Res<ast::ExceptHandler> {
        if self.class(t, v) != Some("ExceptHandler") {
            return Err(unexpected(t, "excepthandler", v));
        }
        let n = Node::new("ExceptHandler", v);
        let range = self.range(t, v, "excepthandler")?;
        Ok(ast::ExceptHandler::ExceptHandler(
            ast::ExceptHandlerExceptHandler {
                range,
                node_index: index(),
                type_: self.optional_expr(t, n, "type")?,
                name: self.optional_identifier(t, n, "name", range)?,
                body: self.block(t, n, "body")?,
            },
        ))
    }

    fn aliases(&mut self, t: &mut Thread, n: Node) -> Res<Vec<ast::Alias>> {
        let mut out = Vec::new();
        for v in self.filled(t, n, "names")? {
            let alias = exactly(t, self, "alias", v.value())?;
            let range = self.range(t, v.value(), "alias")?;
            out.push(ast::Alias {
                range,
                node_index: index(),
                name: self.identifier(t, alias, "name", range)?,
                asname: self.optional_identifier(t, alias, "asname", range)?,
            });
        }
        Ok(out)
    }

    // Parameters

    pub(super) fn arguments(
        &mut self,
        t: &mut Thread,
        n: Node,
        range: TextRange,
    ) -> Res<ast::Parameters> {
        let v = self.required(t, n, "args")?;
        let n = exactly(t, self, "arguments", v.value())?;
        let mut posonlyargs = self.params(t, n, "posonlyargs")?;
        let mut args = self.params(t, n, "args")?;
        let mut kwonlyargs = self.params(t, n, "kwonlyargs")?;
        let vararg = self.star_param(t, n, "vararg")?;
        let kwarg = self.star_param(t, n, "kwarg")?;
        let defaults = self.exprs(t, n, "defaults", ExprContext::Load)?;
        let kw_defaults = self.list(t, n, "kw_defaults")?;
        let count = posonlyargs.len() + args.len();
        if defaults.len() > count {
            return Err(t.value_error("more positional defaults than args on arguments"));
        }
        if kw_defaults.len() != kwonlyargs.len() {
            let msg = "length of kwonlyargs is not the same as kw_defaults on arguments";
            return Err(t.value_error(msg));
        }
        let without = count - defaults.len();
        let takers = posonlyargs.iter_mut().chain(&mut args).skip(without);
        for (p, d) in takers.zip(defaults) {
            p.default = Some(Box::new(d));
        }
        for (p, d) in kwonlyargs.iter_mut().zip(&kw_defaults) {
            if !d.value().is_none() {
                p.default = Some(Box::new(self.expr(t, d.value(), ExprContext::Load)?));
            }
        }
        Ok(ast::Parameters {
            range,
            node_index: index(),
            posonlyargs,
            args,
            vararg,
            kwonlyargs,
            kwarg,
        })
    }

    fn params(
        &mut self,
        t: &mut Thread,
        n: Node,
        name: &str,
    ) -> Res<Vec<ast::ParameterWithDefault>> {
        let mut out = Vec::new();
        for v in self.list(t, n, name)? {
            let parameter = self.param(t, v.value())?;
            out.push(ast::ParameterWithDefault {
                range: parameter.range,
                node_index: index(),
                parameter,
                default: None,
            });
        }
        Ok(out)
    }

    fn star_param(
        &mut self,
        t: &mut Thread,
        n: Node,
        name: &str,
    ) -> Res<Option<Box<ast::Parameter>>> {
        match self.optional(t, n, name)? {
            Some(v) => Ok(Some(Box::new(self.param(t, v.value())?))),
            None => Ok(None),
        }
    }

    fn param(&mut self, t: &mut Thread, v: Value) -> Res<ast::Parameter> {
        let n = exactly(t, self, "arg", v)?;
        let range = self.range(t, v, "arg")?;
        self.check_string(t, n, "type_comment")?;
        Ok(ast::Parameter {
            range,
            node_index: index(),
            name: self.identifier(t, n, "arg", range)?,
            annotation: self.optional_expr(t, n, "annotation")?,
        })
    }

    fn type_params(
        &mut self,
        t: &mut Thread,
        n: Node,
        range: TextRange,
    ) -> Res<Option<Box<ast::TypeParams>>> {
        let items = self.list(t, n, "type_params")?;
        if items.is_empty() {
            return Ok(None);
        }
        let mut type_params = Vec::with_capacity(items.len());
        for v in items {
            type_params.push(self.type_param(t, v.value())?);
        }
        Ok(Some(Box::new(ast::TypeParams {
            range,
            node_index: index(),
            type_params,
        })))
    }

    fn type_param(&mut self, t: &mut Thread, v: Value) -> Res<ast::TypeParam> {
        let class = match self.class(t, v) {
            Some(c @ ("TypeVar" | "ParamSpec" | "TypeVarTuple")) => c,
            _ => return Err(unexpected(t, "type_param", v)),
        };
        let n = Node::new(class, v);
        let range = self.range(t, v, "type_param")?;
        let name = self.identifier(t, n, "name", range)?;
        self.check_name(t, &name)?;
        let bound = match class {
            "TypeVar" => self.optional_expr(t, n, "bound")?,
            _ => None,
        };
        let default = self.optional_expr(t, n, "default_value")?;
        let node_index = index();
        Ok(match class {
            "TypeVar" => ast::TypeParam::TypeVar(ast::TypeParamTypeVar {
                node_index,
                range,
                name,
                bound,
                default,
            }),
            "ParamSpec" => ast::TypeParam::ParamSpec(ast::TypeParamParamSpec {
                node_index,
                range,
                name,
                default,
            }),
            _ => ast::TypeParam::TypeVarTuple(ast::TypeParamTypeVarTuple {
                node_index,
                range,
                name,
                default,
            }),
        })
    }
}
