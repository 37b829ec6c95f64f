//! From the steps of a syntax tree to the nodes of module `ast`.

use crate::compile::{Place, Step};
use crate::compile_api::const_object;
use crate::import;
use std::collections::HashMap;
use weft_objects::instance;
use weft_objects::prelude::*;

/// Makes the tree.
///
/// # Errors
/// What setting an attribute or importing `_ast` raises.
pub fn make(t: &mut Thread, steps: &[Step]) -> Res<Obj> {
    let module = import::import_module(t, "_ast")?;
    let shared = proto::get_attr(t, module.value(), Str::intern_bytes(t, b"_singletons"))?;
    let mut maker = Maker {
        module,
        shared,
        classes: HashMap::new(),
        stack: Vec::new(),
        none: Obj::from_raw(Value::NONE),
        places: PLACE.map(|n| Str::intern_bytes(t, n.as_bytes())),
    };
    for step in steps {
        maker.step(t, step)?;
    }
    match maker.stack.pop() {
        Some(o) => Ok(o),
        None => Err(t.system_error("a syntax tree without nodes")),
    }
}

const PLACE: [&str; 4] = ["lineno", "col_offset", "end_lineno", "end_col_offset"];

/// A class and the names of its fields.
struct Class {
    class: Obj,
    fields: Vec<Obj>,
}

struct Maker {
    module: Obj,
    shared: Obj,
    classes: HashMap<&'static str, Class>,
    stack: Vec<Obj>,
    none: Obj,
    places: [&'static Str; 4],
}

impl Maker {
    fn step(&mut self, t: &mut Thread, step: &Step) -> Res<()> {
        let made = match step {
            Step::Const(c) => {
                let none = self.none.clone();
                const_object(t, c, &none)
            }
            Step::Name(s) => Str::intern(t, s),
            Step::List(n) => {
                let items = self.stack.split_off(self.stack.len().saturating_sub(*n));
                List::from_vec(t, items)
            }
            Step::Shared(name) => {
                let name = Str::intern(t, name);
                proto::get_item(t, self.shared.value(), name.value())?
            }
            Step::Node(class, n, place) => self.node(t, class, *n, *place)?,
        };
        self.stack.push(made);
        Ok(())
    }

    fn node(
        &mut self,
        t: &mut Thread,
        class: &'static str,
        n: usize,
        place: Option<Place>,
    ) -> Res<Obj> {
        self.learn(t, class)?;
        let Some(known) = self.classes.get(class) else {
            return Err(t.system_error("a syntax tree's class is missing"));
        };
        let node = instance::new_instance(t, Type::of_unchecked(known.class.value()))?;
        let node = Obj::own(node);
        let values = self.stack.split_off(self.stack.len().saturating_sub(n));
        for (name, value) in known.fields.iter().zip(&values) {
            proto::set_attr_value(t, node.value(), name.value(), value.value())?;
        }
        if let Some(p) = place {
            let numbers = [p.line, p.col, p.end_line, p.end_col];
            for (name, n) in self.places.iter().zip(numbers) {
                proto::set_attr(t, node.value(), name, Value::int(i64::from(n)))?;
            }
        }
        Ok(node)
    }

    /// Looks a class up once.
    fn learn(&mut self, t: &mut Thread, class: &'static str) -> Res<()> {
        if self.classes.contains_key(class) {
            return Ok(());
        }
        let name = Str::intern_bytes(t, class.as_bytes());
        let found = proto::get_attr(t, self.module.value(), name)?;
        if Type::of(found.value()).is_none() {
            return Err(t.type_error(format!("_ast.{class} must be a class")));
        }
        let fields = proto::get_attr(t, found.value(), Str::intern_bytes(t, b"_fields"))?;
        let fields = proto::to_vec(t, fields.value())?;
        self.classes.insert(
            class,
            Class {
                class: found,
                fields,
            },
        );
        Ok(())
    }
}
