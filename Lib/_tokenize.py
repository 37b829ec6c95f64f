"""The tokenizer behind `tokenize`. It is not there yet: using it says so (docs/gaps.md)."""


class TokenizerIter:
    """Iterator over the tokens of the lines that `readline` gives."""

    def __init__(self, readline, *, encoding=None, extra_tokens=False):
        raise NotImplementedError("weft: tokenizing source text is not supported yet")

    def __iter__(self):
        return self
