//! Symbol tables as the module `symtable` shows them: CPython's blocks and numbers.
//!
//! They differ from those of the compiler in three things: an inlined comprehension is no block of its own, its names are those of
//! the block around it; every function has a block for its annotations, empty or not; names are what `symtable` calls them.

use super::source::Source;
use super::symtable::{
    ANNOT, BOUND, COMP_ITER, GLOBAL, IMPORT, LOCAL, NONLOCAL, PARAM, Place, Scope, ScopeId,
    ScopeKind, SymTable, Symbol, TYPE_PARAM, USE,
};
use std::collections::HashMap;

/// How a name is used in a block.
pub mod flags {
    pub const DEF_GLOBAL: u32 = 1;
    pub const DEF_LOCAL: u32 = 2;
    pub const DEF_PARAM: u32 = 4;
    pub const DEF_NONLOCAL: u32 = 8;
    pub const USE: u32 = 16;
    pub const DEF_FREE_CLASS: u32 = 64;
    pub const DEF_IMPORT: u32 = 128;
    pub const DEF_ANNOT: u32 = 256;
    pub const DEF_COMP_ITER: u32 = 512;
    pub const DEF_TYPE_PARAM: u32 = 1024;
    pub const DEF_COMP_CELL: u32 = 2048;
    pub const DEF_BOUND: u32 = DEF_LOCAL | DEF_PARAM | DEF_IMPORT;
    /// Where a name belongs is in these bits.
    pub const SCOPE_OFF: u32 = 12;
    pub const SCOPE_MASK: u32 = 15;
    pub const LOCAL: u32 = 1;
    pub const GLOBAL_EXPLICIT: u32 = 2;
    pub const GLOBAL_IMPLICIT: u32 = 3;
    pub const FREE: u32 = 4;
    pub const CELL: u32 = 5;
}

/// What kind of block it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Function = 0,
    Class = 1,
    Module = 2,
    Annotation = 3,
    TypeAlias = 4,
    TypeParams = 5,
    TypeVariable = 6,
}

/// A block.
#[derive(Debug)]
pub struct Table {
    pub kind: Kind,
    pub name: String,
    pub line: u32,
    pub nested: bool,
    /// Parameters.
    pub varnames: Vec<String>,
    /// Names in the order in which they appear, and their [`flags`].
    pub symbols: Vec<(String, u32)>,
    pub children: Vec<Table>,
}

/// The tables of a program.
pub(super) fn view(src: &Source<'_>, sym: &SymTable<'_>) -> Table {
    View { src, sym }.table(0, false)
}

struct View<'v, 'a> {
    src: &'v Source<'v>,
    sym: &'v SymTable<'a>,
}

fn kind_of(kind: ScopeKind) -> Kind {
    match kind {
        ScopeKind::Module => Kind::Module,
        ScopeKind::Class => Kind::Class,
        ScopeKind::Annotation => Kind::Annotation,
        ScopeKind::TypeParams => Kind::TypeParams,
        ScopeKind::TypeAlias => Kind::TypeAlias,
        ScopeKind::TypeVariable => Kind::TypeVariable,
        ScopeKind::Function | ScopeKind::Lambda | ScopeKind::Genexpr | ScopeKind::Comp => {
            Kind::Function
        }
    }
}

/// What a block is called: the program `top`, others without brackets and what stands before the name itself.
fn shown_name(scope: &Scope<'_>) -> String {
    let bare = scope.name.trim_start_matches('<').trim_end_matches('>');
    match scope.kind {
        ScopeKind::Module => "top".into(),
        ScopeKind::TypeParams => bare.trim_start_matches("generic parameters of ").into(),
        _ => bare.into(),
    }
}

fn use_bits(bits: u16) -> u32 {
    [
        (GLOBAL, flags::DEF_GLOBAL),
        (LOCAL, flags::DEF_LOCAL),
        (PARAM, flags::DEF_PARAM),
        (NONLOCAL, flags::DEF_NONLOCAL),
        (USE, flags::USE),
        (IMPORT, flags::DEF_IMPORT),
        (ANNOT, flags::DEF_ANNOT),
        (COMP_ITER, flags::DEF_COMP_ITER),
        (TYPE_PARAM, flags::DEF_TYPE_PARAM),
    ]
    .iter()
    .filter(|(ours, _)| bits & ours != 0)
    .fold(0, |all, (_, theirs)| all | theirs)
}

fn place_number(place: Place) -> u32 {
    match place {
        Place::Local => flags::LOCAL,
        Place::Cell => flags::CELL,
        Place::Free => flags::FREE,
        Place::GlobalExplicit => flags::GLOBAL_EXPLICIT,
        Place::GlobalImplicit => flags::GLOBAL_IMPLICIT,
    }
}

/// The number that says all about a name of a block.
fn number(scope: &Scope<'_>, name: &str, symbol: &Symbol) -> u32 {
    let mut bits = use_bits(symbol.flags);
    if bits & flags::DEF_IMPORT != 0 {
        // An import is a definition of its own kind.
        bits &= !flags::DEF_LOCAL;
    }
    if scope.kind == ScopeKind::Class
        && symbol.flags & BOUND != 0
        && scope.free.iter().any(|f| **f == *name)
    {
        bits |= flags::DEF_FREE_CLASS;
    }
    bits | place_number(symbol.place) << flags::SCOPE_OFF
}

impl View<'_, '_> {
    fn table(&self, id: ScopeId, nested: bool) -> Table {
        let scope = &self.sym.scopes[id];
        let mut names = self.names(scope);
        let inner_nested = nested || !matches!(kind_of(scope.kind), Kind::Module | Kind::Class);
        let mut children = Vec::new();
        self.children(id, inner_nested, &mut names, &mut children);
        let params = scope
            .order
            .iter()
            .filter(|n| scope.symbols[*n].flags & PARAM != 0);
        Table {
            kind: kind_of(scope.kind),
            name: shown_name(scope),
            line: match scope.kind {
                ScopeKind::Module => 0,
                _ => self.src.line(scope.start),
            },
            nested,
            varnames: params.map(|n| n.to_string()).collect(),
            symbols: names.list,
            children,
        }
    }

    /// Adds the blocks inside `id` to `out`, and those of inlined comprehensions and their names too.
    fn children(&self, id: ScopeId, nested: bool, names: &mut Names, out: &mut Vec<Table>) {
        let mut annotated = None;
        for child in &self.sym.scopes[id].children {
            let scope = &self.sym.scopes[*child];
            match scope.kind {
                ScopeKind::Comp => {
                    let mut inner = self.names(scope);
                    self.children(*child, nested, &mut inner, out);
                    names.inline(inner, self.sym.scopes[id].kind);
                }
                ScopeKind::Function if annotated != Some(scope.start) => {
                    out.push(no_annotations(self.src.line(scope.start), nested));
                    out.push(self.table(*child, nested));
                }
                _ => out.push(self.table(*child, nested)),
            }
            annotated = (scope.kind == ScopeKind::Annotation).then_some(scope.start);
        }
    }

    fn names(&self, scope: &Scope<'_>) -> Names {
        let mut names = Names::default();
        for name in &scope.order {
            let symbol = &scope.symbols[name];
            let mut bits = number(scope, name, symbol);
            if scope.kind == ScopeKind::Comp && symbol.place == Place::Cell {
                bits |= flags::DEF_COMP_CELL;
            }
            names.add(name, bits);
        }
        names
    }
}

/// The names of a block while it is being put together.
#[derive(Default)]
struct Names {
    list: Vec<(String, u32)>,
    places: HashMap<String, usize>,
}

impl Names {
    fn add(&mut self, name: &str, bits: u32) {
        self.places.insert(name.to_string(), self.list.len());
        self.list.push((name.to_string(), bits));
    }

    /// Adds the names of a comprehension inside, where they are not names of the block already.
    fn inline(&mut self, inner: Names, outer: ScopeKind) {
        for (name, bits) in inner.list {
            let Some(i) = self.places.get(&name) else {
                self.add(&name, bits);
                continue;
            };
            let mine = &mut self.list[*i].1;
            *mine |= bits & flags::DEF_COMP_CELL;
            if outer != ScopeKind::Class && bits & (flags::DEF_BOUND | flags::USE) == flags::USE {
                *mine |= flags::USE;
            }
        }
    }
}

/// The block for the annotations of a function that has none.
fn no_annotations(line: u32, nested: bool) -> Table {
    let bits = flags::DEF_PARAM | flags::USE | flags::LOCAL << flags::SCOPE_OFF;
    Table {
        kind: Kind::Annotation,
        name: "__annotate__".into(),
        line,
        nested,
        varnames: vec![".format".into()],
        symbols: vec![(".format".into(), bits)],
        children: Vec::new(),
    }
}
