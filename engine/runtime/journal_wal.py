"""The end of a write-ahead log: whether SQLite, which stops at the first broken frame, stops too early.

A crash can leave one transaction unfinished, of which nobody was told that it is safe. A second
one behind it can only be there if the first was safe once: then the log is damaged.
Source: SQLite's file format, section 4, the write-ahead log.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24
_PAGE_BYTES_DEFAULT = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class WalScan:
    """A log as it was when it was read; ``commits`` are the frames, from 1, that end a transaction.

    ``header`` tells one life of the log from the next; frames that an earlier one left are not counted.
    """

    header: bytes
    commits: tuple[int, ...]

    def lost_behind(self, frames: int) -> int:
        """How many transactions lie behind the first one after the ``frames`` that SQLite takes."""
        return max(sum(frame > frames for frame in self.commits) - 1, 0)


NO_WAL = WalScan(header=b"", commits=())


def wal_of(path: Path) -> Path:
    """The write-ahead log of a database."""
    return path.with_name(f"{path.name}-wal")


def scan_wal(path: Path) -> WalScan:
    """Read where transactions end in the log of the database ``path``; an engine may be writing it.

    Raises:
        OSError: the log is there and cannot be read.
    """
    try:
        handle = os.open(wal_of(path), os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return NO_WAL
    with os.fdopen(handle, "rb") as file:
        header = file.read(_HEADER_BYTES)
        if len(header) < _HEADER_BYTES:
            return NO_WAL
        frames = list(_frame_headers(file, _page_bytes(header)))
    # Where the header is broken SQLite takes nothing; the frames say themselves which belong together.
    salts = header[16:24] if _is_whole(header) else frames[0][8:16] if frames else b""
    commits = [number for number, frame in enumerate(frames, 1) if frame[8:16] == salts and any(frame[4:8])]
    return WalScan(header=header, commits=tuple(commits))


def _frame_headers(file: BinaryIO, page_bytes: int) -> Iterator[bytes]:
    size = os.fstat(file.fileno()).st_size
    step = _FRAME_HEADER_BYTES + page_bytes
    for start in range(_HEADER_BYTES, size - step + 1, step):
        file.seek(start)
        yield file.read(_FRAME_HEADER_BYTES)


def _page_bytes(header: bytes) -> int:
    found = int.from_bytes(header[8:12])
    return found if 512 <= found <= 65536 and found & (found - 1) == 0 else _PAGE_BYTES_DEFAULT


def _is_whole(header: bytes) -> bool:
    order: Literal["big", "little"] = "big" if header[3] & 1 else "little"
    first = second = 0
    for place in range(0, 24, 8):
        first = (first + int.from_bytes(header[place : place + 4], order) + second) & 0xFFFFFFFF
        second = (second + int.from_bytes(header[place + 4 : place + 8], order) + first) & 0xFFFFFFFF
    return header[24:32] == first.to_bytes(4) + second.to_bytes(4)
