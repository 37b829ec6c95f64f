//! Document types: what they declare, and reading their declarations.

use super::chars::*;
use super::event::{Event, Fault, Model, code, fault};
use super::parser::{Parser, State, Step, Stepped, check_chars, collapse};
use std::collections::HashMap;

#[derive(Clone, Default)]
pub struct Entity {
    /// The text of an internal one.
    pub value: Option<String>,
    pub system: Option<String>,
    pub public: Option<String>,
    /// Of one that is not XML.
    pub notation: Option<String>,
    /// It is being read.
    pub open: bool,
}

#[derive(Clone)]
pub struct Attribute {
    pub name: String,
    pub kind: String,
    pub default: Option<String>,
}

/// What has been declared. Shared with the parsers of external entities.
#[derive(Default)]
pub struct Dtd {
    pub general: HashMap<String, Entity>,
    pub parameter: HashMap<String, Entity>,
    /// By element.
    pub attributes: HashMap<String, Vec<Attribute>>,
    pub standalone: bool,
    /// There are declarations elsewhere.
    pub elsewhere: bool,
    /// Some of them have not been read: what follows does not count.
    pub unread: bool,
}

impl Dtd {
    /// Whether an entity that is not here does not exist.
    pub fn is_complete(&self) -> bool {
        !self.elsewhere || self.standalone
    }
    fn of(&mut self, parameter: bool) -> &mut HashMap<String, Entity> {
        if parameter {
            &mut self.parameter
        } else {
            &mut self.general
        }
    }
    pub fn open(&mut self, name: &str, parameter: bool) {
        if let Some(e) = self.of(parameter).get_mut(name) {
            e.open = true;
        }
    }
    pub fn close(&mut self, name: &str, parameter: bool) {
        if let Some(e) = self.of(parameter).get_mut(name) {
            e.open = false;
        }
    }
}

/// Where something else is: its system and its public identifier.
type Ids = (Option<String>, Option<String>);

/// A declaration, and how far it has been read.
struct Reader<'a> {
    s: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.s[self.at..]
    }
    fn wrong<T>(&self) -> Result<T, Fault> {
        fault(code::INVALID_TOKEN, self.at)
    }
    /// Goes on behind white space. False: there is none.
    fn space(&mut self) -> bool {
        let rest = self.rest();
        let n = rest.find(|c| !is_space(c)).unwrap_or(rest.len());
        self.at += n;
        n > 0
    }
    fn must_space(&mut self) -> Result<(), Fault> {
        if self.space() { Ok(()) } else { self.wrong() }
    }
    fn eat(&mut self, word: &str) -> bool {
        let found = self.rest().starts_with(word);
        if found {
            self.at += word.len();
        }
        found
    }
    fn must(&mut self, word: &str) -> Result<(), Fault> {
        if self.eat(word) { Ok(()) } else { self.wrong() }
    }
    fn name(&mut self) -> Result<&'a str, Fault> {
        let rest = self.rest();
        match name_len(rest) {
            0 => self.wrong(),
            n => {
                self.at += n;
                Ok(&rest[..n])
            }
        }
    }
    fn token(&mut self) -> Result<&'a str, Fault> {
        let rest = self.rest();
        match token_len(rest) {
            0 => self.wrong(),
            n => {
                self.at += n;
                Ok(&rest[..n])
            }
        }
    }
    fn literal(&mut self) -> Result<&'a str, Fault> {
        let rest = self.rest();
        let Some(quote) = rest.chars().next().filter(|c| "\"'".contains(*c)) else {
            return self.wrong();
        };
        let Some(end) = rest[1..].find(quote) else {
            return self.wrong();
        };
        self.at += end + 2;
        Ok(&rest[1..1 + end])
    }
    fn public(&mut self) -> Result<String, Fault> {
        let at = self.at;
        let s = self.literal()?;
        if !s.chars().all(is_public_id) {
            return fault(code::PUBLICID, at);
        }
        Ok(collapse(&s.replace(['\r', '\n'], " ")))
    }
    /// `SYSTEM "…"` or `PUBLIC "…" "…"` (the second of which may be missing in a notation), if there is one.
    fn external(&mut self, notation: bool) -> Result<Option<Ids>, Fault> {
        if self.eat("SYSTEM") {
            self.must_space()?;
            return Ok(Some((Some(self.literal()?.to_owned()), None)));
        }
        if !self.eat("PUBLIC") {
            return Ok(None);
        }
        self.must_space()?;
        let public = Some(self.public()?);
        let spaced = self.space();
        let more = self.rest().starts_with(['"', '\'']);
        if !more && notation {
            return Ok(Some((None, public)));
        }
        if !spaced {
            return self.wrong();
        }
        Ok(Some((Some(self.literal()?.to_owned()), public)))
    }
    fn end(&mut self) -> Result<(), Fault> {
        self.space();
        if self.rest() == ">" {
            Ok(())
        } else {
            self.wrong()
        }
    }
    fn quantity(&mut self) -> i64 {
        for (word, n) in [("?", 1), ("*", 2), ("+", 3)] {
            if self.eat(word) {
                return n;
            }
        }
        0
    }
    /// What may stand in parentheses; the first is behind us.
    fn children(&mut self, depth: usize) -> Result<Model, Fault> {
        if depth > 200 {
            return self.wrong();
        }
        let (mut children, mut separator) = (Vec::new(), None);
        loop {
            self.space();
            if self.eat("(") {
                children.push(self.children(depth + 1)?);
            } else {
                let name = Some(self.name()?.to_owned());
                let quantity = self.quantity();
                children.push(Model {
                    kind: 4,
                    quantity,
                    name,
                    children: Vec::new(),
                });
            }
            self.space();
            if self.eat(")") {
                let kind = if separator == Some('|') { 5 } else { 6 };
                return Ok(Model {
                    kind,
                    quantity: self.quantity(),
                    name: None,
                    children,
                });
            }
            let Some(c) = self.rest().chars().next().filter(|c| ",|".contains(*c)) else {
                return self.wrong();
            };
            if separator.is_some_and(|s| s != c) {
                return self.wrong();
            }
            separator = Some(c);
            self.at += 1;
        }
    }
    fn mixed(&mut self) -> Result<Model, Fault> {
        let mut children = Vec::new();
        loop {
            self.space();
            if self.eat(")") {
                break;
            }
            self.must("|")?;
            self.space();
            children.push(Model {
                kind: 4,
                quantity: 0,
                name: Some(self.name()?.to_owned()),
                children: Vec::new(),
            });
        }
        let quantity = if self.eat("*") { 2 } else { 0 };
        if !children.is_empty() && quantity == 0 {
            return self.wrong();
        }
        Ok(Model {
            kind: 3,
            quantity,
            name: None,
            children,
        })
    }
}

/// The length of a declaration, its `>` included; `None`: it is not whole.
fn extent(s: &str) -> Option<usize> {
    let mut quote = None;
    for (i, c) in s.char_indices() {
        match (quote, c) {
            (Some(q), _) if q == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '>') => return Some(i + 1),
            _ => {}
        }
    }
    None
}

impl Parser {
    // --- the document type's frame ---

    /// `<!DOCTYPE …` up to its bracket or end.
    pub(super) fn doctype(&mut self) -> Stepped {
        let (rest, _) = self.left();
        let mut quote = None;
        let found = rest.char_indices().find(|(_, c)| match (quote, *c) {
            (Some(q), c) => {
                if q == c {
                    quote = None;
                }
                false
            }
            (None, '"' | '\'') => {
                quote = Some(*c);
                false
            }
            (None, c) => c == '[' || c == '>',
        });
        let Some((end, stop)) = found else {
            return self.need();
        };
        let mut r = Reader {
            s: &rest[..end],
            at: "<!DOCTYPE".len(),
        };
        r.must_space()?;
        let name = r.name()?.to_owned();
        let spaced = r.space();
        let (mut system, mut public) = (None, None);
        if !r.rest().is_empty() {
            match r.external(false)? {
                Some(both) if spaced => (system, public) = both,
                _ => return r.wrong(),
            }
            r.space();
            if !r.rest().is_empty() {
                return r.wrong();
            }
        }
        let internal = stop == '[';
        let outside = system.is_some();
        self.outside = (system.clone(), public.clone());
        let start = Event::StartDoctype {
            name,
            system,
            public,
            internal,
        };
        if outside {
            self.dtd.lock().elsewhere = true;
        }
        self.emit(end + 1, start)?;
        if internal {
            self.state = State::Subset;
        } else {
            self.end_doctype(String::new());
        }
        Ok(Step::Go)
    }

    fn end_doctype(&mut self, raw: String) {
        self.state = State::Prolog;
        let (system, public) = std::mem::take(&mut self.outside);
        let standalone = self.dtd.lock().standalone;
        let wanted = system.is_some() || self.foreign;
        let read = self.parameter_entities == 2 || self.parameter_entities == 1 && !standalone;
        if wanted {
            self.dtd.lock().elsewhere = true;
            if read {
                let e = Event::External {
                    context: None,
                    system,
                    public,
                };
                self.pending.push_back((e, String::new()));
            }
        }
        if self.dtd.lock().elsewhere && !standalone {
            self.pending
                .push_back((Event::NotStandalone, String::new()));
        }
        self.pending.push_back((Event::EndDoctype, raw));
    }

    /// One declaration, or what stands between them.
    pub(super) fn declaration(&mut self) -> Stepped {
        if let Some(done) = self.space() {
            return done;
        }
        let (rest, _) = self.left();
        if rest.starts_with('%') {
            return self.parameter_reference();
        }
        if rest.starts_with(']') {
            return self.bracket();
        }
        if let Some(done) = self.misc() {
            return done;
        }
        let (rest, _) = self.left();
        if rest.starts_with("<![") {
            return self.conditional();
        }
        const KINDS: [&str; 4] = ["<!ENTITY", "<!ELEMENT", "<!ATTLIST", "<!NOTATION"];
        let Some(which) = KINDS.iter().position(|k| rest.starts_with(k)) else {
            if KINDS.iter().any(|k| k.starts_with(rest)) {
                return self.need();
            }
            return match rest.starts_with("<!") {
                true => fault(code::SYNTAX, 0),
                false if rest.starts_with('<') => fault(code::INVALID_TOKEN, 1),
                false => fault(code::SYNTAX, 0),
            };
        };
        let Some(end) = extent(rest) else {
            return self.need();
        };
        check_chars(&rest[..end], 0)?;
        let raw = self.take(end);
        let text = if self.state == State::External {
            self.with_parameters(&raw)?
        } else {
            raw.clone()
        };
        let mut r = Reader {
            s: &text,
            at: KINDS[which].len(),
        };
        r.must_space()?;
        let before = self.pending.len();
        match which {
            0 => self.entity_declaration(&mut r)?,
            1 => self.element_declaration(&mut r)?,
            2 => self.attlist_declaration(&mut r)?,
            _ => self.notation_declaration(&mut r)?,
        }
        // The source text goes with the first of the events.
        match self.pending.get_mut(before) {
            Some(first) => first.1 = raw,
            None => self.pending.push_back((Event::Other, raw)),
        }
        Ok(Step::Go)
    }

    fn bracket(&mut self) -> Stepped {
        let (rest, _) = self.left();
        if self.state == State::External {
            if rest.starts_with("]]>") {
                return self.emit(3, Event::Other);
            }
            return fault(code::SYNTAX, 0);
        }
        let after = rest[1..].trim_start_matches(is_space);
        if after.is_empty() {
            return self.need();
        }
        if !after.starts_with('>') || self.frames.len() > 1 {
            return fault(code::SYNTAX, 0);
        }
        let n = rest.len() - after.len() + 1;
        let raw = self.take(n);
        self.end_doctype(raw);
        Ok(Step::Go)
    }

    /// `<![INCLUDE[` and `<![IGNORE[`
    fn conditional(&mut self) -> Stepped {
        if self.state != State::External {
            return fault(code::SYNTAX, 0);
        }
        let (rest, _) = self.left();
        let Some(open) = rest[3..].find('[').map(|i| i + 3) else {
            return self.need();
        };
        let word = rest[3..open].to_owned();
        let word = self.with_parameters(&word)?;
        match word.trim() {
            "INCLUDE" => self.emit(open + 1, Event::Other),
            "IGNORE" => {
                let (rest, _) = self.left();
                let (mut depth, mut i) = (1, open + 1);
                while depth > 0 {
                    let Some(at) = rest[i..].find(['<', ']']).map(|n| n + i) else {
                        return self.need();
                    };
                    if rest[at..].starts_with("<![") {
                        depth += 1;
                        i = at + 3;
                    } else if rest[at..].starts_with("]]>") {
                        depth -= 1;
                        i = at + 3;
                    } else {
                        i = at + 1;
                    }
                }
                self.emit(i, Event::Other)
            }
            _ => fault(code::SYNTAX, 0),
        }
    }

    // --- parameter entities ---

    fn parameter_reference(&mut self) -> Stepped {
        let (rest, _) = self.left();
        let n = name_len(&rest[1..]);
        match rest[1 + n..].chars().next() {
            None => return self.need(),
            Some(';') if n > 0 => {}
            Some(_) => return fault(code::INVALID_TOKEN, 1 + n),
        }
        let name = rest[1..1 + n].to_owned();
        let (e, standalone) = {
            let mut dtd = self.dtd.lock();
            dtd.elsewhere = true;
            (dtd.parameter.get(&name).cloned(), dtd.standalone)
        };
        let read = self.parameter_entities == 2 || self.parameter_entities == 1 && !standalone;
        let Some(e) = e.filter(|_| read) else {
            self.dtd.lock().unread = !standalone;
            let known = self.dtd.lock().parameter.contains_key(&name);
            let e = if known || !read {
                Event::Other
            } else {
                Event::Skipped(name, true)
            };
            return self.emit(n + 2, e);
        };
        if e.open {
            return fault(code::RECURSIVE_ENTITY_REF, 0);
        }
        match e.value {
            Some(text) => {
                self.take(n + 2);
                self.dtd.lock().open(&name, true);
                self.enter(&name, true, text)?;
                Ok(Step::Go)
            }
            None => {
                let e = Event::External {
                    context: None,
                    system: e.system,
                    public: e.public,
                };
                self.emit(n + 2, e)
            }
        }
    }

    /// A declaration with the parameter entities in it replaced (outside of literals).
    fn with_parameters(&mut self, s: &str) -> Result<String, Fault> {
        let (mut out, mut rest, mut quote) = (String::new(), s.to_owned(), None);
        let mut left = 1000;
        while let Some(i) = rest.find(['%', '"', '\'']) {
            let c = rest.as_bytes()[i];
            out.push_str(&rest[..i]);
            let n = name_len(&rest[i + 1..]);
            let is_reference =
                c == b'%' && quote.is_none() && n > 0 && rest[i + 1 + n..].starts_with(';');
            if !is_reference {
                match quote {
                    Some(q) if q == c => quote = None,
                    None if c != b'%' => quote = Some(c),
                    _ => {}
                }
                out.push(char::from(c));
                rest = rest[i + 1..].to_owned();
                continue;
            }
            let value = self
                .dtd
                .lock()
                .parameter
                .get(&rest[i + 1..i + 1 + n])
                .and_then(|e| e.value.clone());
            left -= 1;
            let Some(value) = value.filter(|_| left > 0) else {
                return fault(code::UNDEFINED_ENTITY, 0);
            };
            self.count_expansion(value.len())?;
            rest = format!(" {value} {}", &rest[i + n + 2..]);
        }
        out.push_str(&rest);
        Ok(out)
    }

    // --- declarations ---

    /// The text of an internal entity: references to characters and parameter entities replaced.
    fn entity_value(&mut self, s: &str, depth: usize) -> Result<String, Fault> {
        let s = plain_lines(s);
        let mut out = String::with_capacity(s.len());
        let mut rest = s.as_str();
        while let Some(i) = rest.find(['&', '%']) {
            out.push_str(&rest[..i]);
            let Some(end) = rest[i..].find(';').map(|n| n + i) else {
                return fault(code::INVALID_TOKEN, 0);
            };
            let name = &rest[i + 1..end];
            if let Some(_digits) = name.strip_prefix('#') {
                match reference(name) {
                    Some(c) => out.push(c),
                    None => return fault(code::BAD_CHAR_REF, 0),
                }
            } else if name.is_empty() || name_len(name) != name.len() {
                return fault(code::INVALID_TOKEN, 0);
            } else if rest.as_bytes()[i] == b'&' {
                out.push_str(&rest[i..=end]);
            } else {
                if self.state != State::External && self.frames.len() == 1 {
                    return fault(code::PARAM_ENTITY_REF, 0);
                }
                let value = self
                    .dtd
                    .lock()
                    .parameter
                    .get(name)
                    .and_then(|e| e.value.clone());
                if depth > 100 {
                    return fault(code::RECURSIVE_ENTITY_REF, 0);
                }
                if let Some(value) = value {
                    self.count_expansion(value.len())?;
                    out.push_str(&self.entity_value(&value, depth + 1)?);
                }
            }
            rest = &rest[end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }

    fn entity_declaration(&mut self, r: &mut Reader<'_>) -> Result<(), Fault> {
        let parameter = r.eat("%");
        if parameter {
            r.must_space()?;
        }
        let name = r.name()?.to_owned();
        r.must_space()?;
        let mut e = Entity::default();
        match r.external(false)? {
            Some((system, public)) => {
                (e.system, e.public) = (system, public);
                if r.space() && r.eat("NDATA") {
                    r.must_space()?;
                    e.notation = Some(r.name()?.to_owned());
                }
            }
            None => {
                let text = r.literal()?;
                e.value = Some(self.entity_value(text, 0)?);
            }
        }
        r.end()?;
        if self.dtd.lock().unread {
            return Ok(());
        }
        let event = Event::EntityDecl {
            name: name.clone(),
            parameter,
            value: e.value.clone(),
            system: e.system.clone(),
            public: e.public.clone(),
            notation: e.notation.clone(),
        };
        let new = {
            let mut dtd = self.dtd.lock();
            let map = dtd.of(parameter);
            let new = !map.contains_key(&name);
            // The first declaration counts.
            map.entry(name).or_insert(e);
            new
        };
        if new {
            self.pending.push_back((event, String::new()));
        }
        Ok(())
    }

    fn element_declaration(&mut self, r: &mut Reader<'_>) -> Result<(), Fault> {
        let name = r.name()?.to_owned();
        r.must_space()?;
        let plain = |kind| Model {
            kind,
            quantity: 0,
            name: None,
            children: Vec::new(),
        };
        let model = if r.eat("EMPTY") {
            plain(1)
        } else if r.eat("ANY") {
            plain(2)
        } else {
            r.must("(")?;
            let at = r.at;
            r.space();
            if r.eat("#PCDATA") {
                r.mixed()?
            } else {
                r.at = at;
                r.children(0)?
            }
        };
        r.end()?;
        self.pending
            .push_back((Event::ElementDecl(name, model), String::new()));
        Ok(())
    }

    fn attlist_declaration(&mut self, r: &mut Reader<'_>) -> Result<(), Fault> {
        let element = r.name()?.to_owned();
        loop {
            let spaced = r.space();
            if r.rest() == ">" {
                return Ok(());
            }
            if !spaced {
                return r.wrong();
            }
            let name = r.name()?.to_owned();
            r.must_space()?;
            let kind = attribute_kind(r)?;
            r.must_space()?;
            let (mut default, mut required) = (None, false);
            if r.eat("#REQUIRED") {
                required = true;
            } else if !r.eat("#IMPLIED") {
                if r.eat("#FIXED") {
                    r.must_space()?;
                    required = true;
                }
                let text = r.literal()?;
                if text.contains('<') {
                    return r.wrong();
                }
                let mut value = self.attribute_value(text, 0)?;
                if kind != "CDATA" {
                    value = collapse(&value);
                }
                default = Some(value);
            }
            if self.dtd.lock().unread {
                continue;
            }
            self.pending.push_back((
                Event::AttlistDecl {
                    element: element.clone(),
                    name: name.clone(),
                    kind: kind.clone(),
                    default: default.clone(),
                    required,
                },
                String::new(),
            ));
            let mut dtd = self.dtd.lock();
            let list = dtd.attributes.entry(element.clone()).or_default();
            if !list.iter().any(|a| a.name == name) {
                list.push(Attribute {
                    name,
                    kind,
                    default,
                });
            }
        }
    }

    fn notation_declaration(&mut self, r: &mut Reader<'_>) -> Result<(), Fault> {
        let name = r.name()?.to_owned();
        r.must_space()?;
        let Some((system, public)) = r.external(true)? else {
            return r.wrong();
        };
        r.end()?;
        let e = Event::NotationDecl {
            name,
            system,
            public,
        };
        self.pending.push_back((e, String::new()));
        Ok(())
    }
}

fn attribute_kind(r: &mut Reader<'_>) -> Result<String, Fault> {
    const KINDS: [&str; 8] = [
        "CDATA", "IDREFS", "IDREF", "ID", "ENTITIES", "ENTITY", "NMTOKENS", "NMTOKEN",
    ];
    for kind in KINDS {
        if r.eat(kind) {
            return Ok(kind.to_owned());
        }
    }
    let notation = r.eat("NOTATION");
    if notation {
        r.must_space()?;
    }
    r.must("(")?;
    let mut out = String::from(if notation { "NOTATION(" } else { "(" });
    loop {
        r.space();
        out.push_str(if notation { r.name()? } else { r.token()? });
        r.space();
        if r.eat(")") {
            out.push(')');
            return Ok(out);
        }
        r.must("|")?;
        out.push('|');
    }
}
