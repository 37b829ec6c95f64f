//! Symbol tables as the module `_symtable` shows them.

use super::*;

/// A symbol table as the module `_symtable` shows it.
#[derive(Debug, Default)]
pub struct Table {
    /// What it is of, by the numbers of `_symtable`.
    pub kind: u8,
    pub name: String,
    /// 0 for a module.
    pub line: u32,
    /// Inside of something like a function.
    pub nested: bool,
    /// Names, and flags with the scope above them.
    pub symbols: Vec<(String, u32)>,
    pub params: Vec<String>,
    /// Their places among the tables.
    pub children: Vec<usize>,
}

impl Table {
    fn new(kind: u8, name: &str, line: u32, nested: bool) -> Table {
        Table {
            kind,
            name: name.into(),
            line,
            nested,
            ..Table::default()
        }
    }
}

const FUNCTION: u8 = 0;
const ANNOTATION: u8 = 3;

impl ScopeKind {
    /// The number of the kind in `_symtable`.
    fn number(self) -> u8 {
        match self {
            ScopeKind::Class => 1,
            ScopeKind::Module => 2,
            ScopeKind::Annotation => ANNOTATION,
            ScopeKind::TypeAlias => 4,
            ScopeKind::TypeParams => 5,
            ScopeKind::TypeVariable => 6,
            _ => FUNCTION,
        }
    }
}

impl Symbol {
    /// As `_symtable` has it.
    fn word(&self, name: &str) -> u32 {
        let only_imported = self.flags & (IMPORT | STORED) == IMPORT;
        let mut word = match self.place {
            Place::Local => 1,
            Place::GlobalExplicit => 2,
            Place::GlobalImplicit => 3,
            Place::Free => 4,
            Place::Cell => 5,
        } << 12;
        for (flag, bit) in [
            (GLOBAL, 1),
            (LOCAL, if only_imported { 0 } else { 2 }),
            (PARAM, 4),
            (NONLOCAL, 8),
            (USE, 16),
            (FREE_CLASS, 64),
            (IMPORT, 128),
            (ANNOT, 256),
            (COMP_ITER, 512),
            (TYPE_PARAM, 1024),
        ] {
            if self.flags & flag != 0 {
                word |= bit;
            }
        }
        // The format is looked at in all such scopes.
        if name == ".format" { word | 16 } else { word }
    }
}

impl SymTable<'_> {
    /// The tables, the module's first, each after the one that it is in. What is inlined is part of the table around it.
    pub(in crate::compile) fn tables(&self, src: &Source<'_>) -> Vec<Table> {
        let mut tables: Vec<Table> = Vec::new();
        let mut place: Vec<usize> = Vec::new();
        let annotated: HashSet<usize> = self
            .map
            .keys()
            .filter(|(_, role)| *role == Role::Annotation)
            .map(|(node, _)| *node)
            .collect();
        let bodies: HashMap<ScopeId, usize> = self
            .map
            .iter()
            .filter(|((_, role), _)| *role == Role::Body)
            .map(|((node, _), id)| (*id, *node))
            .collect();
        for (id, s) in self.scopes.iter().enumerate() {
            let outer = s.parent.map(|p| place[p]);
            if let (ScopeKind::Comp, Some(outer)) = (s.kind, outer) {
                place.push(outer);
                continue;
            }
            let nested = outer.is_some_and(|o| {
                let o: &Table = &tables[o];
                o.nested || !matches!(o.kind, 1 | 2)
            });
            let line = match outer {
                Some(_) => src.line(s.range.start()),
                None => 0,
            };
            let bare = bodies.get(&id).is_none_or(|node| !annotated.contains(node));
            if let (ScopeKind::Function, true, Some(outer)) = (s.kind, bare, outer) {
                // Each function has one, also for no annotations.
                let mut none = Table::new(ANNOTATION, "__annotate__", line, nested);
                none.symbols.push((".format".into(), 1 << 12 | 4 | 16));
                none.params.push(".format".into());
                let at = tables.len();
                tables[outer].children.push(at);
                tables.push(none);
            }
            if let Some(outer) = outer {
                let at = tables.len();
                tables[outer].children.push(at);
            }
            place.push(tables.len());
            tables.push(Table::new(s.kind.number(), s.shown_name(), line, nested));
        }
        self.fill(&mut tables, &place);
        tables
    }

    /// Fills in the symbols.
    fn fill(&self, tables: &mut [Table], place: &[usize]) {
        for (s, at) in self.scopes.iter().zip(place) {
            let inlined = s.kind == ScopeKind::Comp;
            let table = &mut tables[*at];
            let known: HashSet<String> = match inlined {
                true => table.symbols.iter().map(|(n, _)| n.clone()).collect(),
                false => HashSet::new(),
            };
            for name in &s.order {
                let Some(symbol) = s.symbols.get(name).filter(|_| !known.contains(&**name)) else {
                    continue;
                };
                let mut word = symbol.word(name);
                if inlined && symbol.place == Place::Cell {
                    word |= 2048;
                }
                if !inlined && symbol.flags & PARAM != 0 {
                    table.params.push(name.to_string());
                }
                table.symbols.push((name.to_string(), word));
            }
        }
    }
}

impl Scope<'_> {
    fn shown_name(&self) -> &str {
        match self.kind {
            ScopeKind::Module => "top",
            ScopeKind::Lambda => "lambda",
            ScopeKind::Genexpr => "genexpr",
            ScopeKind::TypeParams => self
                .name
                .strip_prefix("<generic parameters of ")
                .and_then(|n| n.strip_suffix('>'))
                .unwrap_or(&self.name),
            _ => &self.name,
        }
    }
}
