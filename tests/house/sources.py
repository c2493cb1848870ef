"""The project's own files, as the rules read them. What git ignores is not the project's."""

import ast
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Source:
    """One text file; ``path`` is relative to the top, with forward slashes."""

    path: str
    text: str

    def tree(self) -> ast.Module:
        """The file as Python."""
        return ast.parse(self.text, self.path)

    def lines(self) -> list[str]:
        """The lines, so that line 1 is item 0."""
        return self.text.split("\n")


Rule = Callable[[Source], Iterator[str]]
"""Finds the offences in one file, each as ``path:line: what``."""


@cache
def tracked_paths() -> tuple[str, ...]:
    """Every file that is, or is about to be, in the repository."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=TOP, capture_output=True, check=True).stdout.decode()
    return tuple(sorted(path for path in set(listed.split("\0")) if path and (TOP / path).is_file()))


def python_sources(*folders: str) -> list[Source]:
    """The Python files below the given folders of the top, all of them when none is given."""
    return [
        Source(path, (TOP / path).read_text(encoding="utf-8"))
        for path in tracked_paths()
        if path.endswith(".py") and (not folders or path.startswith(tuple(f"{folder}/" for folder in folders)))
    ]


def offences(rule: Rule, sources: list[Source]) -> list[str]:
    """What a rule finds in all of the files."""
    return [offence for source in sources for offence in rule(source)]


def report(found: list[str]) -> str:
    """The offences as the message of a failing test."""
    return "\n".join([f"{len(found)} offence(s):", *found])
