"""Lines of a CSV file, plain or compressed; memory holds one row at a time."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
from typing import BinaryIO, cast

_GZIP_MAGIC = b"\x1f\x8b"
_LONGEST_ROW = 4 * 1024 * 1024
# More than the largest JSON value allowed, so that its row is read, and refused for its size.
_LONGEST_FIELD = 1024 * 1024


class Lines:
    """The lines of a file, for csv.reader, and the lines read since ``take``: the raw row.

    Its content shows whether it is compressed by gzip, and whether it is UTF-16; otherwise it is
    UTF-8. A byte that is not UTF-8 is read as half of a surrogate pair, which no text holds.

    A row of 4 MiB characters or more is a csv.Error, as a field of more than 1 MiB is to
    csv.reader; the line after it is read. A damaged file is an OSError, EOFError, zlib.error or
    UnicodeError.
    """

    def __init__(self, file: BinaryIO) -> None:
        csv.field_size_limit(_LONGEST_FIELD)
        plain = cast(io.BufferedReader, file)
        if plain.peek(2).startswith(_GZIP_MAGIC):
            plain = io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=file)))
        if plain.peek(2).startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            encoding, errors = "utf-16", "surrogatepass"
        else:
            encoding, errors = "utf-8-sig", "surrogateescape"
        self._text = io.TextIOWrapper(plain, encoding=encoding, errors=errors, newline="")
        self._since: list[str] = []
        self._size = 0

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        line = self._text.readline(_LONGEST_ROW)
        if not line:
            raise StopIteration
        self._since.append(line)
        self._size += len(line)
        if self._size >= _LONGEST_ROW:
            # The rest of an endless line would be read as one row after another.
            while line and not line.endswith(("\n", "\r")):
                line = self._text.readline(_LONGEST_ROW)
            raise csv.Error(f"a row of {_LONGEST_ROW:,} characters or more")
        return line

    def take(self) -> str:
        """The text read since the last call; the beginning of a row that is too long."""
        taken, self._since, self._size = "".join(self._since), [], 0
        return taken
