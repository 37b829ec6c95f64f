"""Codecs of Korean."""

from _multibytecodec import dense, getter


def _made_up(table):
    """Syllables that KS X 1001 lacks are eight bytes: a filler and three letters."""
    texts = {raw: text for text, raw in table.encoded.items() if len(raw) == 8}

    def longer(data, at):
        if data[at:at + 2] != b"\xa4\xd4":
            return None
        if at + 8 > len(data):
            return 0, None
        return 8, texts.get(bytes(data[at:at + 8]))

    return longer


getcodec = getter({
    "euc_kr": dense("euc_kr", longer=_made_up),
    "cp949": dense("cp949"),
    "johab": dense("johab"),
})
