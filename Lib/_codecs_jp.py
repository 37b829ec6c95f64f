"""Codecs of Japanese."""

from _multibytecodec import dense, getter


def _shift_lead(byte):
    return 0x81 <= byte <= 0x9F or 0xE0 <= byte <= 0xFC


def _plain_lead(byte):
    return 0x81 <= byte <= 0x9F or 0xE0 <= byte <= 0xEA


def _three(table):
    """JIS X 0212 and the second plane of JIS X 0213 are three bytes, beginning with 8F."""
    texts = table.texts

    def longer(data, at):
        if data[at] != 0x8F:
            return None
        if at + 3 > len(data):
            return 0, None
        return 3, texts.get(0x8F0000 | data[at + 1] << 8 | data[at + 2])

    return longer


getcodec = getter({
    "shift_jis": dense("shift_jis", _plain_lead),
    **{name: dense(name, _shift_lead) for name in ("cp932", "shift_jisx0213", "shift_jis_2004")},
    **{name: dense(name, longer=_three) for name in ("euc_jp", "euc_jisx0213", "euc_jis_2004")},
})
