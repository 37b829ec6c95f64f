//! `from __future__ import barry_as_FLUFL` (PEP 401): unequal is `<>`, and `!=` is an error.

use super::source::Source;
use super::{Options, Res, with_stack};
use ruff_python_ast::token::{TokenKind as Kind, Tokens};
use ruff_text_size::{Ranged, TextRange};
use std::borrow::Cow;

/// The source as the parser is to see it.
pub(super) fn apply<'t>(text: Cow<'t, str>, opts: &Options) -> Res<Cow<'t, str>> {
    if !opts.barry && !text.contains("barry_as_FLUFL") {
        return Ok(text);
    }
    let diamonds = with_stack(&text, opts, |src| diamonds(src, opts))?;
    let mut new = text.into_owned();
    for at in diamonds {
        new.replace_range(at..at + 2, "!=");
    }
    Ok(Cow::Owned(new))
}

/// Where `<>` is written in the feature's force.
fn diamonds(src: &Source<'_>, opts: &Options) -> Res<Vec<usize>> {
    let options = ruff_python_parser::ParseOptions::from(ruff_python_parser::Mode::Module);
    let parsed = ruff_python_parser::parse_unchecked(src.text, options);
    let tokens = parsed.tokens();
    let mut active = opts.barry;
    let mut diamonds = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        active = active || switched_on(src.text, tokens, i);
        if !active {
            continue;
        }
        if token.kind() == Kind::NotEqual {
            let msg = "with Barry as BDFL, use '<>' instead of '!='";
            return Err(src.error(token.range(), msg));
        }
        let next = tokens.get(i + 1).filter(|n| n.kind() == Kind::Greater);
        if token.kind() == Kind::Less && next.is_some_and(|n| n.start() == token.end()) {
            diamonds.push(token.start().to_usize());
        }
    }
    Ok(diamonds)
}

/// Whether token `i` is the feature's name in an import from `__future__`.
fn switched_on(text: &str, tokens: &Tokens, i: usize) -> bool {
    let slice = |range: TextRange| &text[range.start().to_usize()..range.end().to_usize()];
    if tokens[i].kind() != Kind::Name || slice(tokens[i].range()) != "barry_as_FLUFL" {
        return false;
    }
    let line = |k: &Kind| !matches!(k, Kind::Newline | Kind::Semi);
    let before = tokens[..i].iter().rev().take_while(|t| line(&t.kind()));
    let mut head: Vec<_> = before.collect();
    head.reverse();
    let [from, module, import, ..] = head.as_slice() else {
        return false;
    };
    from.kind() == Kind::From
        && slice(module.range()) == "__future__"
        && import.kind() == Kind::Import
}
