"""Limits: a function fits on a screen, a file is one idea."""

import ast
from collections.abc import Iterator

from tests.house.sources import Source, offences, python_sources, report

FUNCTION_LINES_MAX = 50
FILE_LINES_MAX = 400

LONGER_WITH_REASON: dict[str, str] = {}
"""``path`` or ``path::function`` to the reason why it is better long."""


def functions_too_long(source: Source) -> Iterator[str]:
    """Functions of more than ``FUNCTION_LINES_MAX`` lines, from ``def`` to the last one."""
    for node in ast.walk(source.tree()):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES_MAX and f"{source.path}::{node.name}" not in LONGER_WITH_REASON:
                yield f"{source.path}:{node.lineno}: {node.name}: {length} lines, not {FUNCTION_LINES_MAX}"


def files_too_long(source: Source) -> Iterator[str]:
    """Files of more than ``FILE_LINES_MAX`` lines."""
    length = len(source.text.splitlines())
    if length > FILE_LINES_MAX and source.path not in LONGER_WITH_REASON:
        yield f"{source.path}:{FILE_LINES_MAX + 1}: the file has {length} lines, at most {FILE_LINES_MAX}"


def test_no_function_is_longer_than_a_screen() -> None:
    """Fifty lines."""
    found = offences(functions_too_long, python_sources("engine", "tui"))
    assert not found, report(found)


def test_no_file_holds_more_than_one_idea() -> None:
    """Four hundred lines."""
    found = offences(files_too_long, python_sources("engine", "tui"))
    assert not found, report(found)


def test_every_exception_is_needed_and_has_its_reason() -> None:
    """An exception whose file is gone goes too."""
    paths = {source.path for source in python_sources("engine", "tui")}
    stale = [name for name, reason in LONGER_WITH_REASON.items() if name.split("::")[0] not in paths or not reason]
    assert stale == []


def test_a_planted_function_of_51_lines_is_named_and_one_of_50_is_not() -> None:
    """Also inside a class, and async."""
    fits = "class A:\n    async def fits(self):\n" + "        self.x()\n" * 49
    long = "    async def long(self):\n" + "        self.x()\n" * 50
    found = offences(functions_too_long, [Source("engine/planted.py", fits + long)])
    assert found == ["engine/planted.py:52: long: 51 lines, not 50"]


def test_a_planted_file_of_401_lines_is_named_and_one_of_400_is_not() -> None:
    """The line named is the first one too many."""
    files = [Source("engine/fits.py", "x = 1\n" * 400), Source("engine/long.py", "x = 1\n" * 401)]
    assert offences(files_too_long, files) == ["engine/long.py:401: the file has 401 lines, at most 400"]
