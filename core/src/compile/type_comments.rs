//! Type comments (`# type: ...`) and the places of a tree they belong to.

use super::source::Source;
use super::{Res, SyntaxError};
use ruff_python_ast::token::{TokenKind, Tokens};
use ruff_text_size::{Ranged, TextRange, TextSize};

/// The type comments of a source, in order.
pub(super) struct TypeComments {
    found: Vec<Comment>,
    /// Line and rest of each `# type: ignore`.
    ignored: Vec<(u32, String)>,
    /// Those of definitions that have one already.
    second: Vec<TextRange>,
}

struct Comment {
    range: TextRange,
    text: String,
    used: bool,
}

impl TypeComments {
    pub fn collect(src: &Source<'_>, tokens: &Tokens) -> TypeComments {
        let mut all = TypeComments {
            found: Vec::new(),
            ignored: Vec::new(),
            second: Vec::new(),
        };
        for token in tokens.iter().filter(|t| t.kind() == TokenKind::Comment) {
            all.add(src, token.range());
        }
        all
    }

    fn add(&mut self, src: &Source<'_>, range: TextRange) {
        let text = src.slice(range).trim_start_matches('#');
        let Some(text) = text.trim_start_matches([' ', '\t']).strip_prefix("type: ") else {
            return;
        };
        let text = text.trim_matches([' ', '\t']);
        if let Some(tag) = text.strip_prefix("ignore")
            && !tag.starts_with(|c: char| c.is_ascii_alphanumeric() || !c.is_ascii())
        {
            self.ignored
                .push((src.line(range.start()), tag.to_string()));
            return;
        }
        self.found.push(Comment {
            range,
            text: text.to_string(),
            used: false,
        });
    }

    pub fn ignores(&self) -> Vec<(u32, String)> {
        self.ignored.clone()
    }

    fn take(&mut self, is_it: impl Fn(&Comment) -> bool) -> Option<String> {
        let c = self.found.iter_mut().find(|c| !c.used && is_it(c))?;
        c.used = true;
        Some(c.text.clone())
    }

    /// The comment that follows on the line of `at`, with nothing between that is not one of `skipped`.
    fn next(&mut self, src: &Source<'_>, at: TextSize, skipped: &[char]) -> Option<String> {
        self.take(|c| {
            c.range.start() >= at
                && src
                    .slice(TextRange::new(at, c.range.start()))
                    .trim_matches(skipped)
                    .is_empty()
        })
    }

    /// The comment after a statement that ends at `at`.
    pub fn after(&mut self, src: &Source<'_>, at: TextSize) -> Option<String> {
        self.next(src, at, &[' ', '\t'])
    }

    /// The comment after a parameter.
    pub fn of_param(&mut self, src: &Source<'_>, at: TextSize) -> Option<String> {
        self.next(src, at, &[' ', '\t', ','])
    }

    /// The comment between the head of a block and its first statement.
    pub fn between(&mut self, head: TextSize, first: TextSize) -> Option<String> {
        let inside = |c: &Comment| c.range.start() >= head && c.range.end() <= first;
        let text = self.take(inside);
        let more = self.found.iter().filter(|c| !c.used && inside(c));
        self.second.extend(more.map(|c| c.range));
        text
    }

    /// Refuses comments that stand where no type can be given.
    pub fn check(&self, src: &Source<'_>) -> Res {
        match self.found.iter().find(|c| !c.used) {
            None => Ok(()),
            Some(c) if self.second.contains(&c.range) => {
                Err(src.error(c.range, "Cannot have two type comments on def"))
            }
            Some(c) => Err(misplaced(src, c.range)),
        }
    }
}

#[cold]
fn misplaced(src: &Source<'_>, range: TextRange) -> SyntaxError {
    let before = src.text[..range.start().to_usize()].trim_end_matches([' ', '\t', ',']);
    let star = before
        .strip_suffix('*')
        .is_some_and(|b| b.trim_end().ends_with(['(', ',']));
    let msg = if star {
        "bare * has associated type comment"
    } else {
        "invalid syntax"
    };
    src.error(range, msg)
}
