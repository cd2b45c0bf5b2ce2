"""Bodies of HTTP decoded piece by piece, each piece bounded: 700 KB of gzip may stand for 700 MB."""

import zlib
from collections.abc import Callable, Iterator

import httpx

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Status

ACCEPTED = "gzip, deflate"  # what we ask for, and can decode in bounded pieces
_PIECE = 256 * 1024


class DecodedStream(httpx.SyncByteStream):
    """A body as it is meant, in pieces of 256 KiB at most.

    Args:
        stream: the body as it comes.
        encoding: the answer's Content-Encoding; empty means none.
        on_piece: called with the size of each piece before it is handed on; may raise LookError.
    """

    def __init__(self, stream: httpx.SyncByteStream, encoding: str, on_piece: Callable[[int], None]) -> None:
        self._stream, self._on_piece = stream, on_piece
        named = [each.strip().lower() for each in encoding.split(",") if each.strip().lower() not in ("", "identity")]
        if len(named) > 1:
            raise LookError(Status.malformed, f"the answer is encoded {len(named)} times over, which no source does")
        if named and named[0] not in ("gzip", "x-gzip", "deflate"):
            raise LookError(Status.malformed, f"the answer is encoded as {named[0][:20]!r}, which nobody asked for")
        self._encoding = named[0] if named else ""

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._decoded() if self._encoding else self._stream:
            self._on_piece(len(piece))
            yield piece

    def _decoded(self) -> Iterator[bytes]:
        inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)  # a gzip or a zlib header
        begun = False
        for chunk in self._stream:
            try:
                if not begun and chunk and self._encoding == "deflate" and chunk[0] & 0x0F != 8:
                    inflate = zlib.decompressobj(-zlib.MAX_WBITS)  # some servers leave the header of deflate out
                begun = begun or bool(chunk)
                piece = inflate.decompress(chunk, _PIECE)
                while piece:
                    yield piece
                    piece = inflate.decompress(inflate.unconsumed_tail, _PIECE)
            except zlib.error as error:
                raise LookError(Status.malformed, f"the answer is no {self._encoding}: {error}") from error
        if begun and not inflate.eof:
            raise LookError(Status.malformed, f"the answer broke off in the middle of its {self._encoding}")

    def close(self) -> None:
        """Close the connection's side of it."""
        self._stream.close()
