"""The codec of Hong Kong's traditional Chinese."""

from _multibytecodec import dense, getter

getcodec = getter({"big5hkscs": dense("big5hkscs")})
