//! Thread tags: small numbers, the smallest free one first.

/// The tags that are taken, one bit each.
#[derive(Debug)]
pub(crate) struct Tags {
    words: Vec<u64>,
}

/// Tag 0 means "shared" and `u16::MAX` "immortal" in an object's header: neither is a thread's.
const LAST: usize = u16::MAX as usize - 1;

impl Tags {
    pub(crate) const fn new() -> Self {
        Self { words: Vec::new() }
    }

    /// Takes the smallest free tag, if there is one.
    pub(crate) fn take(&mut self) -> Option<u16> {
        if self.words.is_empty() {
            self.words.push(1);
        }
        let index = match self.words.iter().position(|word| *word != u64::MAX) {
            Some(index) => index,
            None => {
                self.words.push(0);
                self.words.len() - 1
            }
        };
        let tag = index * 64 + self.words[index].trailing_ones() as usize;
        if tag > LAST {
            return None;
        }
        self.words[index] |= 1 << (tag % 64);
        Some(tag as u16)
    }

    /// Makes `tag` available again.
    pub(crate) fn free(&mut self, tag: u16) {
        if tag == 0 {
            return;
        }
        if let Some(word) = self.words.get_mut(tag as usize / 64) {
            *word &= !(1 << (tag % 64));
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "gives out all 65,534 tags")]
    fn smallest_free_tag_first_and_the_two_reserved_never() {
        let mut tags = Tags::new();
        let all: Vec<u16> = std::iter::from_fn(|| tags.take()).collect();
        assert_eq!(all.len(), 65534);
        assert!(all.iter().zip(1u16..).all(|(tag, want)| *tag == want));
        tags.free(700);
        tags.free(70);
        assert_eq!(tags.take(), Some(70));
        assert_eq!(tags.take(), Some(700));
        assert_eq!(tags.take(), None);
    }
}
