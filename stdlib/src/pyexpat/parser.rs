//! The parser: takes a document in pieces, and gives events one by one. It does not validate.

use super::chars::*;
use super::decode::{self, Begin, Encoding};
use super::dtd::{Dtd, Entity};
use super::event::{Event, Fault, code, fault};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Prolog,
    /// Between the brackets of the document type.
    Subset,
    /// A document type from elsewhere.
    External,
    Content,
    Cdata,
    Epilog,
}

/// A place in the document.
#[derive(Clone, Copy, Default)]
pub struct Place {
    pub byte: usize,
    pub line: usize,
    pub column: usize,
}

impl Place {
    fn pass(&mut self, s: &str) {
        self.byte += s.len();
        let mut before = None;
        for c in s.chars() {
            match c {
                '\n' if before == Some('\r') => {}
                '\n' | '\r' => {
                    self.line += 1;
                    self.column = 0;
                }
                _ => self.column += 1,
            }
            before = Some(c);
        }
    }
}

/// A text that is being read: the document, or an entity in it.
pub(super) struct Frame {
    pub text: String,
    pub pos: usize,
    /// Its name, and whether it is a parameter entity.
    pub entity: Option<(String, bool)>,
    /// How many elements were open where it began.
    depth: usize,
}

struct Open {
    raw: String,
    name: String,
    /// How many namespaces it has declared.
    bindings: usize,
}

pub type Found = (Event, String);

pub struct Parser {
    encoding: Option<Encoding>,
    raw: Vec<u8>,
    /// What follows the text is no text.
    bad: bool,
    pub last: bool,
    pub(super) frames: Vec<Frame>,
    pub(super) pending: VecDeque<Found>,
    pub(super) state: State,
    /// Nothing has been read yet.
    first: bool,
    open: Vec<Open>,
    /// Prefixes (none: of names without one) and what they stand for.
    bindings: Vec<(Option<String>, Option<String>)>,
    /// Between the parts of a name, if namespaces are looked at; none there for nothing.
    pub separator: Option<Option<char>>,
    pub triplets: bool,
    pub(super) dtd: Arc<Mutex<Dtd>>,
    place: Place,
    /// Where the event that was given last begins.
    pub event: Place,
    /// Whether internal entities are expanded.
    pub expand: bool,
    pub parameter_entities: i32,
    pub foreign: bool,
    /// This reads an entity, not a document.
    is_child: bool,
    direct: u64,
    expanded: u64,
    /// How much there was when too little was left of a token, and where.
    waiting: usize,
    /// Something has been read since data was fed.
    moved: bool,
    pub deferral: bool,
    /// Where the rest of the document type is.
    pub(super) outside: (Option<String>, Option<String>),
    /// Limits on what entities may make of a document.
    pub amplification: f64,
    pub threshold: u64,
}

/// What a step came to.
pub(super) enum Step {
    Go,
    Need,
}

pub(super) type Stepped = Result<Step, Fault>;

struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
    empty: bool,
    len: usize,
}

impl Parser {
    pub fn new(encoding: Option<Encoding>, separator: Option<Option<char>>) -> Parser {
        Parser {
            encoding,
            raw: Vec::new(),
            bad: false,
            last: false,
            frames: vec![Frame {
                text: String::new(),
                pos: 0,
                entity: None,
                depth: 0,
            }],
            pending: VecDeque::new(),
            state: State::Prolog,
            first: true,
            open: Vec::new(),
            bindings: vec![(
                Some("xml".into()),
                Some("http://www.w3.org/XML/1998/namespace".into()),
            )],
            separator,
            triplets: false,
            dtd: Arc::default(),
            place: Place {
                byte: 0,
                line: 1,
                column: 0,
            },
            event: Place {
                byte: 0,
                line: 1,
                column: 0,
            },
            expand: true,
            parameter_entities: 0,
            foreign: false,
            is_child: false,
            direct: 0,
            expanded: 0,
            waiting: 0,
            moved: false,
            deferral: true,
            outside: (None, None),
            amplification: 100.0,
            threshold: 8 << 20,
        }
    }

    /// A parser for an external entity: one of the content, or (without context) the rest of the document type.
    pub fn child(&self, context: Option<&str>, encoding: Option<Encoding>) -> Parser {
        let mut p = Parser::new(encoding, self.separator);
        p.triplets = self.triplets;
        p.bindings = self.bindings.clone();
        p.dtd = self.dtd.clone();
        p.parameter_entities = self.parameter_entities;
        p.is_child = true;
        p.deferral = self.deferral;
        p.state = match context {
            Some(_) => State::Content,
            None => State::External,
        };
        p
    }

    pub fn set_encoding(&mut self, e: Encoding) {
        self.encoding = Some(e);
        self.decode();
    }
    pub fn is_child(&self) -> bool {
        self.is_child
    }
    pub fn has_begun(&self) -> bool {
        !self.first || !self.raw.is_empty()
    }

    /// Takes more of the document.
    pub fn feed(&mut self, data: &[u8], last: bool) {
        self.direct += data.len() as u64;
        self.moved = false;
        self.raw.extend_from_slice(data);
        self.last |= last;
        self.decode();
    }

    fn decode(&mut self) {
        let Some(e) = self.encoding.clone() else {
            return;
        };
        if self.bad {
            return;
        }
        let doc = &mut self.frames[0];
        if doc.pos > 1 << 16 && doc.pos > doc.text.len() / 2 {
            doc.text.drain(..doc.pos);
            doc.pos = 0;
        }
        let good = e.decode(&mut self.raw, &mut doc.text);
        self.bad = !good || (self.last && !self.raw.is_empty());
    }

    /// The rest of the document from the beginning of the last event on.
    pub fn rest(&self) -> &str {
        let doc = &self.frames[0];
        let back = self.place.byte - self.event.byte;
        doc.text.get(doc.pos.saturating_sub(back)..).unwrap_or("")
    }

    /// The next event; `None`: there is no whole one yet.
    pub fn next(&mut self) -> Result<Option<Found>, Fault> {
        loop {
            if let Some(found) = self.pending.pop_front() {
                if matches!(found.0, Event::End(_)) && found.1.is_empty() && self.frames.len() == 1
                {
                    // The end of an empty element is behind its tag.
                    self.event = self.place;
                }
                return Ok(Some(found));
            }
            if self.encoding.is_none() {
                match decode::begin(&self.raw, self.last) {
                    Begin::Wait => return Ok(None),
                    Begin::Wrong => return fault(code::INCORRECT_ENCODING, 0),
                    Begin::Named(name) => return Ok(Some((Event::Encoding(name), String::new()))),
                    Begin::Known(e, mark) => {
                        self.raw.drain(..mark);
                        self.place.byte += mark;
                        self.encoding = Some(e);
                        self.decode();
                    }
                }
            }
            if self.frames.len() == 1 {
                self.event = self.place;
            }
            let stepped = self.step();
            match stepped {
                Ok(Step::Go) => self.waiting = 0,
                Ok(Step::Need) => return Ok(None),
                Err(f) => {
                    if self.frames.len() == 1 {
                        let doc = &self.frames[0];
                        let part = doc.text[doc.pos..].get(..f.at).unwrap_or("").to_owned();
                        self.event.pass(&part);
                    }
                    return Err(f);
                }
            }
        }
    }

    pub(super) fn top(&mut self) -> &mut Frame {
        // The document's own frame is never taken away.
        let n = self.frames.len() - 1;
        &mut self.frames[n]
    }

    /// What is left of the text being read, and whether that is all.
    pub(super) fn left(&self) -> (&str, bool) {
        let f = &self.frames[self.frames.len() - 1];
        let whole = f.entity.is_some() || (self.last && !self.bad);
        (&f.text[f.pos..], whole)
    }

    /// Goes on behind so many bytes, and gives them.
    pub(super) fn take(&mut self, n: usize) -> String {
        let f = self.top();
        let part = f.text[f.pos..f.pos + n].to_owned();
        f.pos += n;
        if self.frames.len() == 1 {
            self.place.pass(&part);
        }
        self.first = false;
        self.moved = true;
        part
    }

    /// Gives an event for the next so many bytes.
    pub(super) fn emit(&mut self, n: usize, e: Event) -> Stepped {
        let raw = self.take(n);
        self.pending.push_back((e, raw));
        Ok(Step::Go)
    }

    /// A token is not whole.
    pub(super) fn need(&mut self) -> Stepped {
        let (rest, whole) = self.left();
        let n = rest.len();
        if whole {
            return fault(code::UNCLOSED_TOKEN, 0);
        }
        if self.bad {
            return fault(code::INVALID_TOKEN, n);
        }
        // Only a token that is all there was is waited for.
        self.waiting = if self.moved { 0 } else { n };
        Ok(Step::Need)
    }

    fn step(&mut self) -> Stepped {
        let (rest, _) = self.left();
        if rest.is_empty() {
            return self.exhausted();
        }
        // A long token that was not whole is looked at again when there is twice as much of it.
        if self.deferral && self.waiting > 0 && !self.last && rest.len() < self.waiting * 2 {
            return Ok(Step::Need);
        }
        match self.state {
            State::Prolog => self.prolog(),
            State::Subset | State::External => self.declaration(),
            State::Content => self.content(),
            State::Cdata => self.cdata(),
            State::Epilog => self.epilog(),
        }
    }

    fn exhausted(&mut self) -> Stepped {
        let depth = self.open.len();
        if let Some((name, parameter)) = self.top().entity.clone() {
            if !parameter && self.top().depth != depth || self.state == State::Cdata {
                return fault(code::ASYNC_ENTITY, 0);
            }
            self.dtd.lock().close(&name, parameter);
            self.frames.pop();
            return Ok(Step::Go);
        }
        if self.bad {
            return fault(code::INVALID_TOKEN, 0);
        }
        if !self.last {
            return Ok(Step::Need);
        }
        match self.state {
            State::Epilog | State::External => Ok(Step::Need),
            State::Content if self.is_child && depth == 0 => Ok(Step::Need),
            State::Cdata => fault(code::UNCLOSED_CDATA_SECTION, 0),
            _ => fault(code::NO_ELEMENTS, 0),
        }
    }

    /// Makes sure that entities do not blow a small document up.
    pub(super) fn count_expansion(&mut self, n: usize) -> Result<(), Fault> {
        self.expanded += n as u64;
        let all = (self.direct + self.expanded) as f64;
        if self.expanded > self.threshold && all > self.amplification * self.direct.max(1) as f64 {
            return fault(code::AMPLIFICATION, 0);
        }
        Ok(())
    }

    /// Reads the text of an internal entity next.
    pub(super) fn enter(&mut self, name: &str, parameter: bool, text: String) -> Result<(), Fault> {
        self.count_expansion(text.len())?;
        self.frames.push(Frame {
            text,
            pos: 0,
            entity: Some((name.to_owned(), parameter)),
            depth: self.open.len(),
        });
        Ok(())
    }

    // --- what may stand anywhere ---

    /// White space between other things.
    pub(super) fn space(&mut self) -> Option<Stepped> {
        let (rest, _) = self.left();
        let n = rest.find(|c| !is_space(c)).unwrap_or(rest.len());
        (n > 0).then(|| self.emit(n, Event::Other))
    }

    /// A comment or an instruction, if one begins here.
    pub(super) fn misc(&mut self) -> Option<Stepped> {
        let (rest, _) = self.left();
        if rest.starts_with("<!--") {
            return Some(self.comment());
        }
        if rest.starts_with("<?") {
            return Some(self.instruction());
        }
        let begins = ["<!--", "<?", "<![CDATA[", "<!DOCTYPE", "</"]
            .iter()
            .any(|s| s.starts_with(rest));
        begins.then(|| self.need())
    }

    fn comment(&mut self) -> Stepped {
        let (rest, _) = self.left();
        let Some(n) = rest[4..].find("--").map(|i| i + 4) else {
            return check_chars(rest, 0).map_or_else(Err, |()| self.need());
        };
        match rest.as_bytes().get(n + 2) {
            None => self.need(),
            Some(b'>') => {
                check_chars(&rest[..n], 0)?;
                let text = plain_lines(&rest[4..n]);
                self.emit(n + 3, Event::Comment(text))
            }
            Some(_) => fault(code::INVALID_TOKEN, n + 2),
        }
    }

    fn instruction(&mut self) -> Stepped {
        let first = self.first;
        let (rest, _) = self.left();
        let n = name_len(&rest[2..]);
        if n == 0 {
            return match rest.len() {
                2 => self.need(),
                _ => fault(code::INVALID_TOKEN, 2),
            };
        }
        let Some(end) = rest.find("?>") else {
            return check_chars(rest, 0).map_or_else(Err, |()| self.need());
        };
        let target = &rest[2..2 + n];
        let body = &rest[2 + n..end];
        if !body.is_empty() && !body.starts_with(is_space) {
            return fault(code::INVALID_TOKEN, 2 + n);
        }
        check_chars(body, 2 + n)?;
        if target == "xml" {
            if !first {
                return fault(code::MISPLACED_XML_PI, 0);
            }
            let e = self.xml_declaration(body)?;
            return self.emit(end + 2, e);
        }
        if target.eq_ignore_ascii_case("xml") {
            return fault(code::INVALID_TOKEN, 2);
        }
        let e = Event::Instruction(
            target.to_owned(),
            plain_lines(body.trim_start_matches(is_space)),
        );
        self.emit(end + 2, e)
    }

    fn xml_declaration(&self, body: &str) -> Result<Event, Fault> {
        let wrong = Fault {
            code: if self.is_child {
                code::TEXT_DECL
            } else {
                code::XML_DECL
            },
            at: 0,
        };
        let (mut version, mut encoding, mut standalone) = (None, None, -1);
        let mut rest = body;
        let mut reached = 0;
        loop {
            let trimmed = rest.trim_start_matches(is_space);
            if trimmed.is_empty() {
                break;
            }
            let spaced = trimmed.len() < rest.len();
            let n = name_len(trimmed);
            let (name, after) = trimmed.split_at(n);
            let after = after
                .trim_start_matches(is_space)
                .strip_prefix('=')
                .ok_or(wrong)?;
            let after = after.trim_start_matches(is_space);
            let quote = after
                .chars()
                .next()
                .filter(|c| "\"'".contains(*c))
                .ok_or(wrong)?;
            let end = after[1..].find(quote).ok_or(wrong)? + 1;
            let value = &after[1..end];
            let order = match name {
                "version" => 1,
                "encoding" => 2,
                "standalone" => 3,
                _ => 0,
            };
            if !spaced || order <= reached {
                return Err(wrong);
            }
            reached = order;
            match (name, value) {
                ("version", v) => version = Some(v.to_owned()),
                ("encoding", v) => encoding = Some(v.to_owned()),
                ("standalone", "yes") if !self.is_child => standalone = 1,
                ("standalone", "no") if !self.is_child => standalone = 0,
                _ => return Err(wrong),
            }
            rest = &after[end + 1..];
        }
        if (version.is_none() && !self.is_child) || (self.is_child && encoding.is_none()) {
            return Err(wrong);
        }
        if standalone == 1 {
            self.dtd.lock().standalone = true;
        }
        Ok(Event::XmlDecl {
            version,
            encoding,
            standalone,
        })
    }

    // --- around the root element ---

    fn prolog(&mut self) -> Stepped {
        if let Some(done) = self.space() {
            return done;
        }
        if let Some(done) = self.misc() {
            return done;
        }
        let (rest, _) = self.left();
        if rest.starts_with("<!DOCTYPE") {
            return self.doctype();
        }
        let mut chars = rest.chars();
        match (chars.next(), chars.next()) {
            (Some('<'), Some(c)) if is_name_start(c) => {
                self.state = State::Content;
                self.content()
            }
            (Some('<'), Some('/')) => fault(code::INVALID_TOKEN, 1),
            (Some('<'), Some(_)) => fault(code::INVALID_TOKEN, 1),
            (Some(c), _) if !is_char(c) => fault(code::INVALID_TOKEN, 0),
            (Some(c), _) if is_name(c) => {
                // A word is one, if nothing follows it that may not.
                let n = token_len(rest);
                match rest[n..].chars().next() {
                    Some(c) if !is_space(c) && !">,|)[%?*+".contains(c) => {
                        fault(code::INVALID_TOKEN, n)
                    }
                    _ => fault(code::SYNTAX, 0),
                }
            }
            _ => fault(code::SYNTAX, 0),
        }
    }

    fn epilog(&mut self) -> Stepped {
        if let Some(done) = self.space() {
            return done;
        }
        match self.misc() {
            Some(Err(f)) if f.code == code::UNCLOSED_TOKEN => fault(code::UNCLOSED_TOKEN, 0),
            Some(done) => done,
            None => fault(code::JUNK_AFTER_DOC_ELEMENT, 0),
        }
    }

    // --- content ---

    fn content(&mut self) -> Stepped {
        let (rest, _) = self.left();
        match rest.as_bytes()[0] {
            b'<' => {
                if rest.starts_with("<![CDATA[") {
                    self.state = State::Cdata;
                    return self.emit(9, Event::StartCdata);
                }
                if let Some(done) = self.misc() {
                    return done;
                }
                let (rest, _) = self.left();
                if rest.starts_with("</") {
                    self.end_tag()
                } else if rest.starts_with("<!") {
                    fault(code::INVALID_TOKEN, 2)
                } else {
                    self.start_tag()
                }
            }
            b'&' => self.reference(),
            _ => self.text(),
        }
    }

    /// A line of text, or the end of one.
    fn text(&mut self) -> Stepped {
        let (rest, whole) = self.left();
        let b = rest.as_bytes();
        if b[0] == b'\n' || b[0] == b'\r' {
            let n = match b {
                [b'\r', b'\n', ..] => 2,
                [b'\r'] if !whole => return Ok(Step::Need),
                _ => 1,
            };
            return self.emit(n, Event::Text("\n".into()));
        }
        let mut n = rest.find(['<', '&', '\n', '\r']).unwrap_or(b.len());
        if let Some(i) = rest[..n].find("]]") {
            match b.get(i + 2) {
                Some(b'>') => return fault(code::INVALID_TOKEN, i),
                None if !whole => n = i,
                _ => {}
            }
        } else if !whole && n == b.len() && b[n - 1] == b']' {
            n -= 1;
        }
        if n == 0 {
            return Ok(Step::Need);
        }
        if let Err(f) = check_chars(&rest[..n], 0) {
            if f.at == 0 {
                return Err(f);
            }
            n = f.at;
        }
        let text = rest[..n].to_owned();
        self.emit(n, Event::Text(text))
    }

    fn cdata(&mut self) -> Stepped {
        let (rest, whole) = self.left();
        if rest.starts_with("]]>") {
            self.state = State::Content;
            return self.emit(3, Event::EndCdata);
        }
        let b = rest.as_bytes();
        if b[0] == b'\n' || b[0] == b'\r' {
            let n = match b {
                [b'\r', b'\n', ..] => 2,
                [b'\r'] if !whole => return Ok(Step::Need),
                _ => 1,
            };
            return self.emit(n, Event::Text("\n".into()));
        }
        let mut n = rest.find(['\n', '\r']).unwrap_or(b.len());
        if let Some(i) = rest[..n].find("]]>") {
            n = i;
        } else if n == b.len() {
            // What may be the beginning of the end waits for the rest.
            n -= (rest.len() - rest.trim_end_matches(']').len()).min(2);
        }
        if n == 0 {
            return match whole {
                true => fault(code::UNCLOSED_CDATA_SECTION, 0),
                false => Ok(Step::Need),
            };
        }
        check_chars(&rest[..n], 0)?;
        let text = rest[..n].to_owned();
        self.emit(n, Event::Text(text))
    }

    fn reference(&mut self) -> Stepped {
        let (rest, _) = self.left();
        let n = match rest[1..].strip_prefix('#') {
            Some(digits) => {
                let hex = digits.starts_with('x');
                let skip = usize::from(hex);
                let good = |c: char| {
                    if hex {
                        c.is_ascii_hexdigit()
                    } else {
                        c.is_ascii_digit()
                    }
                };
                1 + skip
                    + digits[skip..]
                        .find(|c| !good(c))
                        .unwrap_or(digits.len() - skip)
            }
            None => name_len(&rest[1..]),
        };
        match rest[1 + n..].chars().next() {
            None => return self.need(),
            Some(';') if n > 0 => {}
            Some(_) => return fault(code::INVALID_TOKEN, 1 + n),
        }
        let name = rest[1..1 + n].to_owned();
        if name.starts_with('#') {
            return match reference(&name) {
                Some(c) => self.emit(n + 2, Event::Text(c.into())),
                None => fault(code::BAD_CHAR_REF, 0),
            };
        }
        if let Some(c) = predefined(&name) {
            return self.emit(n + 2, Event::Text(c.into()));
        }
        self.entity(&name, n + 2)
    }

    fn entity(&mut self, name: &str, len: usize) -> Stepped {
        let (entity, strict) = {
            let dtd = self.dtd.lock();
            (dtd.general.get(name).cloned(), dtd.is_complete())
        };
        let Some(e) = entity else {
            if strict {
                return fault(code::UNDEFINED_ENTITY, 0);
            }
            return self.emit(len, Event::Skipped(name.to_owned(), false));
        };
        if e.open {
            return fault(code::RECURSIVE_ENTITY_REF, 0);
        }
        if e.notation.is_some() {
            return fault(code::BINARY_ENTITY_REF, 0);
        }
        match e.value {
            Some(_) if !self.expand => self.emit(len, Event::Skipped(name.to_owned(), false)),
            Some(text) => {
                self.take(len);
                self.dtd.lock().open(name, false);
                self.enter(name, false, text)?;
                Ok(Step::Go)
            }
            None => {
                let e = Event::External {
                    context: Some(name.to_owned()),
                    system: e.system,
                    public: e.public,
                };
                self.emit(len, e)
            }
        }
    }

    // --- tags ---

    fn start_tag(&mut self) -> Stepped {
        let (rest, _) = self.left();
        let Some(tag) = parse_tag(rest)? else {
            return self.need();
        };
        let mut attributes: Vec<(String, String)> = Vec::with_capacity(tag.attributes.len());
        let known = self.dtd.lock().attributes.get(&tag.name).cloned();
        for (name, value) in &tag.attributes {
            if attributes.iter().any(|(n, _)| n == name) {
                return fault(code::DUPLICATE_ATTRIBUTE, 0);
            }
            let list = known.as_deref().unwrap_or(&[]);
            let kind = list.iter().find(|a| a.name == *name);
            let mut value = self.attribute_value(value, 0)?;
            if kind.is_some_and(|a| a.kind != "CDATA") {
                value = collapse(&value);
            }
            attributes.push((name.clone(), value));
        }
        let mut specified = attributes.len();
        for a in known.iter().flatten() {
            if let Some(d) = &a.default
                && !attributes.iter().any(|(n, _)| *n == a.name)
            {
                attributes.push((a.name.clone(), d.clone()));
            }
        }
        let bound = self.bindings.len();
        let mut declared = Vec::new();
        let mut name = tag.name.clone();
        if self.separator.is_some() {
            declared = self.declare(&mut attributes, &mut specified)?;
            name = self.expanded_name(&tag.name, false)?;
            for (n, _) in &mut attributes {
                *n = self.expanded_name(n, true)?;
            }
            for (i, (n, _)) in attributes.iter().enumerate() {
                if attributes[..i].iter().any(|(m, _)| m == n) {
                    return fault(code::DUPLICATE_ATTRIBUTE, 0);
                }
            }
        }
        let raw = self.take(tag.len);
        for (prefix, uri) in declared {
            let e = Event::StartNamespace(prefix, uri);
            self.pending.push_back((e, String::new()));
        }
        let start = Event::Start {
            name: name.clone(),
            attributes,
            specified,
        };
        self.pending.push_back((start, raw));
        self.open.push(Open {
            raw: tag.name,
            name,
            bindings: self.bindings.len() - bound,
        });
        if tag.empty {
            self.close(String::new());
        }
        Ok(Step::Go)
    }

    fn end_tag(&mut self) -> Stepped {
        let (rest, _) = self.left();
        let n = name_len(&rest[2..]);
        let after = &rest[2 + n..];
        if n == 0 && !after.is_empty() {
            return fault(code::INVALID_TOKEN, 2);
        }
        let gap = after.find(|c| !is_space(c));
        let end = match gap.map(|g| (g, after.as_bytes()[g])) {
            None => return self.need(),
            Some((g, b'>')) => 2 + n + g + 1,
            Some((g, _)) => return fault(code::INVALID_TOKEN, 2 + n + g),
        };
        let depth = self.frames[self.frames.len() - 1].depth;
        match self.open.last() {
            Some(open) if open.raw == rest[2..2 + n] => {}
            Some(_) => return fault(code::TAG_MISMATCH, 2),
            None => return fault(code::ASYNC_ENTITY, 0),
        }
        if self.frames.len() > 1 && self.open.len() <= depth {
            return fault(code::ASYNC_ENTITY, 0);
        }
        let raw = self.take(end);
        self.close(raw);
        Ok(Step::Go)
    }

    fn close(&mut self, raw: String) {
        let Some(open) = self.open.pop() else {
            return;
        };
        self.pending.push_back((Event::End(open.name), raw));
        for _ in 0..open.bindings {
            if let Some((prefix, _)) = self.bindings.pop() {
                self.pending
                    .push_back((Event::EndNamespace(prefix), String::new()));
            }
        }
        if self.open.is_empty() && self.frames.len() == 1 && !self.is_child {
            self.state = State::Epilog;
        }
    }

    // --- namespaces ---

    /// Takes the declarations out of the attributes.
    #[allow(clippy::type_complexity)]
    fn declare(
        &mut self,
        attributes: &mut Vec<(String, String)>,
        specified: &mut usize,
    ) -> Result<Vec<(Option<String>, Option<String>)>, Fault> {
        const XML: &str = "http://www.w3.org/XML/1998/namespace";
        const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
        let (mut declared, mut kept) = (Vec::new(), Vec::new());
        let mut kept_specified = 0;
        for (i, (name, value)) in std::mem::take(attributes).into_iter().enumerate() {
            let prefix = match name.strip_prefix("xmlns:") {
                Some(p) => Some(p.to_owned()),
                None if name == "xmlns" => None,
                None => {
                    kept_specified += usize::from(i < *specified);
                    kept.push((name, value));
                    continue;
                }
            };
            match prefix.as_deref() {
                Some("xmlns") => return fault(code::RESERVED_PREFIX_XMLNS, 0),
                Some("xml") if value != XML => return fault(code::RESERVED_PREFIX_XML, 0),
                Some(p) if p != "xml" && value.is_empty() => {
                    return fault(code::UNDECLARING_PREFIX, 0);
                }
                p if p != Some("xml") && (value == XML || value == XMLNS) => {
                    return fault(code::RESERVED_NAMESPACE_URI, 0);
                }
                _ => {}
            }
            let uri = (!value.is_empty()).then_some(value);
            self.bindings.push((prefix.clone(), uri.clone()));
            declared.push((prefix, uri));
        }
        *attributes = kept;
        *specified = kept_specified;
        Ok(declared)
    }

    fn expanded_name(&self, name: &str, attribute: bool) -> Result<String, Fault> {
        let Some(separator) = self.separator else {
            return Ok(name.to_owned());
        };
        let (prefix, local) = match name.split_once(':') {
            Some((p, l)) => (Some(p), l),
            None if attribute => return Ok(name.to_owned()),
            None => (None, name),
        };
        let bound = self
            .bindings
            .iter()
            .rev()
            .find(|(p, _)| p.as_deref() == prefix);
        let uri = match bound {
            Some((_, uri)) => uri.as_deref(),
            None if prefix.is_some() => return fault(code::UNBOUND_PREFIX, 0),
            None => None,
        };
        let Some(uri) = uri else {
            return Ok(local.to_owned());
        };
        let mut out = uri.to_owned();
        out.extend(separator);
        out.push_str(local);
        if let (true, Some(p)) = (self.triplets, prefix) {
            out.extend(separator);
            out.push_str(p);
        }
        Ok(out)
    }

    // --- values of attributes ---

    /// The value with references replaced, and each white space character a space.
    pub(super) fn attribute_value(&mut self, s: &str, depth: usize) -> Result<String, Fault> {
        let mut out = String::with_capacity(s.len());
        let mut rest = s;
        while let Some(i) = rest.find(['&', '\t', '\n', '\r']) {
            out.push_str(&rest[..i]);
            rest = &rest[i..];
            if !rest.starts_with('&') {
                out.push(' ');
                rest = rest.strip_prefix("\r\n").unwrap_or(&rest[1..]);
                continue;
            }
            let Some(end) = rest.find(';') else {
                return fault(code::INVALID_TOKEN, 0);
            };
            let name = &rest[1..end];
            rest = &rest[end + 1..];
            if name.starts_with('#') {
                match reference(name) {
                    Some(c) => out.push(c),
                    None => return fault(code::BAD_CHAR_REF, 0),
                }
            } else if let Some(c) = predefined(name) {
                out.push(c);
            } else {
                out.push_str(&self.entity_in_value(name, depth)?);
            }
        }
        out.push_str(rest);
        Ok(out)
    }

    fn entity_in_value(&mut self, name: &str, depth: usize) -> Result<String, Fault> {
        if name_len(name) != name.len() || name.is_empty() {
            return fault(code::INVALID_TOKEN, 0);
        }
        let (found, strict) = {
            let dtd = self.dtd.lock();
            (dtd.general.get(name).cloned(), dtd.is_complete())
        };
        let e: Entity = match found {
            Some(e) => e,
            None if strict => return fault(code::UNDEFINED_ENTITY, 0),
            None => return Ok(String::new()),
        };
        if e.open || depth > 100 {
            return fault(code::RECURSIVE_ENTITY_REF, 0);
        }
        if e.notation.is_some() {
            return fault(code::BINARY_ENTITY_REF, 0);
        }
        let Some(text) = e.value else {
            return fault(code::ATTRIBUTE_EXTERNAL_ENTITY_REF, 0);
        };
        if text.contains('<') {
            return fault(code::INVALID_TOKEN, 0);
        }
        self.count_expansion(text.len())?;
        self.dtd.lock().open(name, false);
        let value = self.attribute_value(&text, depth + 1);
        self.dtd.lock().close(name, false);
        value
    }
}

/// Refuses characters that no document may contain. `base`: where `s` begins in its token.
pub(super) fn check_chars(s: &str, base: usize) -> Result<(), Fault> {
    match s.find(|c| !is_char(c)) {
        Some(i) => fault(code::INVALID_TOKEN, base + i),
        None => Ok(()),
    }
}

/// Without white space around it, and with single spaces inside.
pub(super) fn collapse(s: &str) -> String {
    let words: Vec<&str> = s.split(' ').filter(|w| !w.is_empty()).collect();
    words.join(" ")
}

/// Reads a start tag; `None`: it is not whole.
fn parse_tag(s: &str) -> Result<Option<Tag>, Fault> {
    let n = name_len(&s[1..]);
    if n == 0 {
        return match s.len() {
            1 => Ok(None),
            _ => fault(code::INVALID_TOKEN, 1),
        };
    }
    let mut tag = Tag {
        name: s[1..1 + n].to_owned(),
        attributes: Vec::new(),
        empty: false,
        len: 0,
    };
    let mut i = 1 + n;
    loop {
        let spaced = skip_space(s, &mut i);
        let Some(c) = s[i..].chars().next() else {
            return Ok(None);
        };
        if c == '>' {
            tag.len = i + 1;
            return Ok(Some(tag));
        }
        if c == '/' {
            return match s.as_bytes().get(i + 1) {
                None => Ok(None),
                Some(b'>') => {
                    tag.empty = true;
                    tag.len = i + 2;
                    Ok(Some(tag))
                }
                Some(_) => fault(code::INVALID_TOKEN, i + 1),
            };
        }
        let n = name_len(&s[i..]);
        if !spaced || n == 0 {
            return fault(code::INVALID_TOKEN, i);
        }
        let name = s[i..i + n].to_owned();
        i += n;
        skip_space(s, &mut i);
        match s.as_bytes().get(i) {
            None => return Ok(None),
            Some(b'=') => i += 1,
            Some(_) => return fault(code::INVALID_TOKEN, i),
        }
        skip_space(s, &mut i);
        let quote = match s.as_bytes().get(i) {
            None => return Ok(None),
            Some(b'"') => '"',
            Some(b'\'') => '\'',
            Some(_) => return fault(code::INVALID_TOKEN, i),
        };
        i += 1;
        let end = s[i..].find(quote);
        let value = &s[i..end.map_or(s.len(), |e| i + e)];
        if let Some(at) = value.find('<') {
            return fault(code::INVALID_TOKEN, i + at);
        }
        check_chars(value, i)?;
        let Some(end) = end else {
            return Ok(None);
        };
        tag.attributes.push((name, value.to_owned()));
        i += end + 1;
    }
}

/// Goes on behind white space. False: there is none.
fn skip_space(s: &str, i: &mut usize) -> bool {
    let n = s[*i..].find(|c| !is_space(c)).unwrap_or(s.len() - *i);
    *i += n;
    n > 0
}
