//! `_suggestions`: the name that somebody may have meant.

use crate::support;
use weft_objects::prelude::*;
use weft_objects::text::wtf8;

/// More candidates than this are not looked at.
const MOST_CANDIDATES: usize = 750;
/// Longer names are like nothing else.
const LONGEST: usize = 40;
/// What inserting, removing or replacing a character costs.
const MOVE: usize = 2;
/// What another case costs.
const CASE: usize = 1;

/// Makes the module.
pub fn init(t: &mut Thread) -> Res<Obj> {
    static FUNCTIONS: &[NativeDef] =
        &[
            NativeDef::new("_generate_suggestions", "(candidates, item, /)", suggest)
                .doc("Returns the candidate in candidates that's most similar to item"),
        ];
    Ok(support::module(t, "_suggestions", "", FUNCTIONS))
}

fn suggest(t: &mut Thread, a: &[Value]) -> Res {
    let Some(wrong) = Str::of(a[1]) else {
        let got = type_of(a[1]).name();
        let msg = format!("_generate_suggestions() argument 2 must be str, not {got}");
        return Err(t.type_error(msg));
    };
    let Some(list) = List::exact(a[0]) else {
        return Err(t.type_error("candidates must be a list".into()));
    };
    let candidates = list.to_vec(t);
    if candidates.iter().any(|c| Str::of(c.value()).is_none()) {
        return Err(t.type_error("all elements in 'candidates' must be strings".into()));
    }
    if candidates.len() >= MOST_CANDIDATES {
        return Ok(Value::NONE);
    }
    let wrong: Vec<u32> = wtf8::code_points(wrong.as_bytes()).collect();
    let mut best: Option<(usize, Obj)> = None;
    for c in candidates {
        let name: Vec<u32> = wtf8::code_points(Str::this(c.value()).as_bytes()).collect();
        if name == wrong {
            continue;
        }
        // No more than a third of both names may differ.
        let mut most = (name.len() + wrong.len() + 3) * MOVE / 6;
        if let Some((d, _)) = &best {
            most = most.min(d.saturating_sub(1));
        }
        if let Some(d) = distance(&wrong, &name, most) {
            best = Some((d, c));
        }
    }
    Ok(best.map_or(Value::NONE, |(_, c)| c.into_value()))
}

fn substitution(a: u32, b: u32) -> usize {
    let lower = |c: u32| match u8::try_from(c) {
        Ok(b) => u32::from(b.to_ascii_lowercase()),
        Err(_) => c,
    };
    match () {
        _ if a == b => 0,
        _ if lower(a) == lower(b) => CASE,
        _ => MOVE,
    }
}

/// The distance of Levenshtein, if it is not larger than `most`.
fn distance(a: &[u32], b: &[u32], most: usize) -> Option<usize> {
    // What both begin and end with costs nothing.
    let start = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[start..], &b[start..]);
    let end = a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .take_while(|(x, y)| x == y)
        .count();
    let (a, b) = (&a[..a.len() - end], &b[..b.len() - end]);
    let fits = |n: usize| (n <= most).then_some(n);
    if a.is_empty() || b.is_empty() {
        return fits((a.len() + b.len()) * MOVE);
    }
    if a.len() > LONGEST || b.len() > LONGEST {
        return None;
    }
    fits(a.len().abs_diff(b.len()) * MOVE)?;
    let mut row: Vec<usize> = (1..=a.len()).map(|i| i * MOVE).collect();
    for (i, y) in b.iter().enumerate() {
        let (mut diagonal, mut left) = (i * MOVE, (i + 1) * MOVE);
        for (cost, x) in row.iter_mut().zip(a) {
            let replaced = diagonal + substitution(*x, *y);
            diagonal = *cost;
            left = replaced.min(left.min(diagonal) + MOVE);
            *cost = left;
        }
        if row.iter().all(|c| *c > most) {
            return None;
        }
    }
    fits(row[row.len() - 1])
}
