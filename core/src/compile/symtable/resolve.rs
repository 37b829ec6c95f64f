//! The second pass over symbol tables: which scope each name belongs to, from the outside in.

use super::*;
use std::collections::BTreeSet;

/// The second pass.
pub(super) struct Resolver<'s, 't, 'a> {
    pub(super) src: &'s Source<'s>,
    pub(super) t: &'t mut SymTable<'a>,
}

pub(super) type Names = HashSet<Rc<str>>;

impl Resolver<'_, '_, '_> {
    /// Resolves the names of scope `id`, given those bound in the functions around it;
    /// returns the free ones. `class`: the class whose names are seen.
    pub(super) fn resolve(
        &mut self,
        id: ScopeId,
        bound: &Names,
        class: Option<ScopeId>,
    ) -> Res<BTreeSet<Rc<str>>> {
        let kind = self.t.scopes[id].kind;
        let (locals, declared, mut free) = self.own(id, bound, class)?;
        let mut inner_bound: Names;
        match kind {
            ScopeKind::Class => {
                inner_bound = bound.clone();
                for name in CLASS_CELLS {
                    inner_bound.insert(Rc::from(name));
                }
            }
            ScopeKind::Module => {
                inner_bound = Names::new();
            }
            _ => {
                inner_bound = bound.clone();
                for name in &declared {
                    inner_bound.remove(name);
                }
                inner_bound.extend(locals.iter().cloned());
            }
        }
        let mut inner_free = BTreeSet::new();
        for child in self.t.scopes[id].children.clone() {
            let sees = self.t.scopes[child].sees_class;
            let class = if !sees {
                None
            } else if kind == ScopeKind::Class {
                Some(id)
            } else {
                class
            };
            inner_free.extend(self.resolve(child, &inner_bound, class)?);
        }
        let scope = &mut self.t.scopes[id];
        if kind == ScopeKind::Class {
            scope.class_cell = inner_free.remove("__class__");
            scope.classdict = inner_free.remove("__classdict__");
            scope.conditional_cell = inner_free.remove("__conditional_annotations__");
        } else if kind != ScopeKind::Module {
            for name in &locals {
                if inner_free.remove(name)
                    && let Some(s) = scope.symbols.get_mut(name)
                {
                    s.place = Place::Cell;
                }
            }
        }
        for name in inner_free {
            if let Some(s) = scope.symbols.get_mut(&name) {
                if kind == ScopeKind::Class && s.flags & (BOUND | GLOBAL) != 0 {
                    s.flags |= FREE_CLASS;
                }
            } else {
                let symbol = Symbol {
                    flags: 0,
                    place: Place::Free,
                    declared: TextRange::default(),
                };
                scope.symbols.insert(name.clone(), symbol);
                scope.order.push(name.clone());
            }
            free.insert(name);
        }
        scope.free = free.iter().cloned().collect();
        Ok(free)
    }

    /// Resolves the names that the scope itself uses: its locals, its globals and its free variables.
    fn own(
        &mut self,
        id: ScopeId,
        bound: &Names,
        class: Option<ScopeId>,
    ) -> Res<(Names, Names, BTreeSet<Rc<str>>)> {
        let mut locals = Names::new();
        let mut declared = Names::new();
        let mut free = BTreeSet::new();
        let kind = self.t.scopes[id].kind;
        let transparent = kind == ScopeKind::Comp
            && self.t.scopes[id]
                .parent
                .is_some_and(|p| !self.t.scopes[p].class_names());
        for name in self.t.scopes[id].order.clone() {
            let class_flags = class
                .and_then(|c| self.t.scopes[c].symbols.get(&name))
                .map_or(0, |s| s.flags);
            let scopes = &self.t.scopes;
            let nonlocal = scopes[id].symbols.get(&name).map_or(0, |s| s.flags) & NONLOCAL != 0;
            let of_type = nonlocal && bound.contains(&name) && type_parameter(scopes, id, &name);
            let Some(symbol) = self.t.scopes[id].symbols.get_mut(&name) else {
                continue;
            };
            let flags = symbol.flags;
            if transparent && flags & BOUND == 0 {
                continue;
            }
            symbol.place = if flags & GLOBAL != 0 {
                if flags & NONLOCAL != 0 {
                    let msg = format!("name '{name}' is nonlocal and global");
                    return Err(self.src.error(symbol.declared, msg));
                }
                declared.insert(name);
                Place::GlobalExplicit
            } else if flags & NONLOCAL != 0 {
                if kind == ScopeKind::Module {
                    let msg = "nonlocal declaration not allowed at module level";
                    return Err(self.src.error(symbol.declared, msg));
                }
                if of_type {
                    let msg = format!("nonlocal binding not allowed for type parameter '{name}'");
                    return Err(self.src.error(symbol.declared, msg));
                }
                if !bound.contains(&name) {
                    let msg = format!("no binding for nonlocal '{name}' found");
                    return Err(self.src.error(symbol.declared, msg));
                }
                free.insert(name);
                Place::Free
            } else if flags & BOUND != 0 {
                locals.insert(name);
                Place::Local
            } else if class_flags & GLOBAL != 0 {
                Place::GlobalExplicit
            } else if class_flags & BOUND != 0 && class_flags & NONLOCAL == 0 {
                Place::GlobalImplicit
            } else if bound.contains(&name) {
                free.insert(name);
                Place::Free
            } else {
                Place::GlobalImplicit
            };
        }
        Ok((locals, declared, free))
    }
}

/// Whether the name that scope `id` means, one bound outside of it, is that of a type parameter.
fn type_parameter(scopes: &[Scope<'_>], id: ScopeId, name: &str) -> bool {
    let mut up = scopes[id].parent;
    while let Some(p) = up {
        let scope = &scopes[p];
        let flags = scope.symbols.get(name).map_or(0, |s| s.flags);
        if scope.function_like() && flags & BOUND != 0 && flags & (GLOBAL | NONLOCAL) == 0 {
            return flags & TYPE_PARAM != 0;
        }
        up = scope.parent;
    }
    false
}

/// Names that a class offers to its inner functions.
const CLASS_CELLS: [&str; 3] = ["__class__", "__classdict__", "__conditional_annotations__"];
