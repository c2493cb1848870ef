"""Planted keys that no text may ever show: the same for all tests, and quick to find in everything they write.

Wherever a test needs exchange keys it takes ``CANARY_KEYS``; a file of keys is planted by ``plant_keys_file`` and
nothing else may hold a fragment. After the last test all that was written under pytest's temporary folder is
looked through (``tests/conftest.py``); ``assert_no_secret`` looks at a text, a file or a folder at once.
"""

import base64
import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from engine.model.secret import ExchangeKeys, Secret

FRAGMENT = 6
"""So many characters of a key in a row are a fragment of it."""
_MARK = "zQ7"
"""Stands in every fragment of every planted key, so one search tells that there is none."""
PLANTED_NAME = "planted-canary.toml"
"""The one file that may hold planted keys."""


def _planted(letters: str) -> Secret:
    return Secret("".join(_MARK + letter for letter in letters))


CANARY_KEYS = ExchangeKeys(
    api_key=_planted("ABCDEFGHIJKLMNOP"), secret=_planted("abcdefghijklmnop"), password=_planted("012345")
)
CANARY_ENVIRONMENT = dict(
    zip(
        ("GRIDWRIGHT_API_KEY", "GRIDWRIGHT_SECRET", "GRIDWRIGHT_PASSWORD"),
        (value.reveal() for value in CANARY_KEYS.every()),
        strict=True,
    )
)
"""For a process that takes its keys from the environment."""
_VALUES = tuple(CANARY_ENVIRONMENT.values())
_FRAGMENTS = frozenset(
    value[at : at + FRAGMENT].encode() for value in _VALUES for at in range(len(value) - FRAGMENT + 1)
)


def plant_keys_file(folder: Path) -> Path:
    """A file of planted keys as it should be: mode 0600 in a folder of our own."""
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / PLANTED_NAME
    names = ("api_key", "secret", "password")
    text = "".join(f'{name} = "{value}"\n' for name, value in zip(names, _VALUES, strict=True))
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(text)
    return path


def assert_no_secret(*places: Path | str) -> None:
    """No text, file, or file under a folder holds a fragment of a planted key, nor one of its written forms."""
    found = list(chain.from_iterable(fragments_in(place) for place in places))
    assert found == []


def fragments_in(place: Path | str) -> Iterator[str]:
    """Where fragments are, one line for each file or text that has one."""
    if isinstance(place, str):
        found = _first_fragment(place.encode(errors="surrogateescape"))
        if found is not None:
            yield f"a text, at {found}"
        return
    files = (path for path in place.rglob("*") if path.is_file()) if place.is_dir() else (place,)
    for path in files:
        if path.name == PLANTED_NAME or path.is_symlink():
            continue
        try:
            found = _first_fragment(path.read_bytes())
        except (FileNotFoundError, PermissionError):
            # A test took away the right to read it, or its process has just ended.
            continue
        if found is not None:
            yield f"{path}, at {found}"


def _first_fragment(content: bytes) -> int | None:
    """Where the first fragment stands, None if there is none."""
    at = content.find(_MARK.encode())
    while at >= 0:
        # The mark may be anywhere in a fragment.
        for start in range(max(at - FRAGMENT + len(_MARK), 0), at + 1):
            if content[start : start + FRAGMENT] in _FRAGMENTS:
                return start
        at = content.find(_MARK.encode(), at + 1)
    return next((at for form in _FORMS if (at := content.find(form)) >= 0), None)


def _written_forms() -> Iterator[bytes]:
    """A piece from the middle of each key, in hexadecimal digits and in base64 at each of its three alignments."""
    for raw in (value.encode() for value in _VALUES):
        yield from (raw[8:16].hex().encode(), raw[8:16].hex().upper().encode())
        for before in range(3):
            yield base64.b64encode(bytes(before) + raw)[12:24]


_FORMS = tuple(_written_forms())
