"""Codecs of traditional Chinese."""

from _multibytecodec import dense, getter

getcodec = getter({"big5": dense("big5"), "cp950": dense("cp950")})
