"""What the lint of the lock hierarchy speaks of: rules, ranks, findings, and what a function does."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum


class Rule(StrEnum):
    """What can be wrong."""

    ORDER = "order"
    NETWORK = "network"
    DISK = "disk"
    SLEEP = "sleep"
    WAIT = "wait"
    UNGUARDED = "unguarded hold"
    BARE = "bare acquire or release"
    FOREIGN = "lock made elsewhere"
    SWALLOWED = "swallowed cancellation"
    LOOSE = "task outside of a task group"


class Rank(IntEnum):
    """The locks, as ``locks.py`` ranks them."""

    MANAGER = 10
    SLOT = 20
    JOURNAL = 30


Doing = Rank | Rule
"""Taking a lock, or one of NETWORK, DISK, SLEEP and WAIT."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """``chain`` leads from the function at ``line`` through its calls to what is wrong."""

    path: str
    line: int
    rule: Rule
    chain: tuple[str, ...]
    held: tuple[Rank, ...] = ()

    def __str__(self) -> str:
        under = f", holding {' and '.join(rank.name.lower() for rank in self.held)}" if self.held else ""
        return f"{self.path}:{self.line}: {self.rule}: {' -> '.join(self.chain)}{under}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Something done at a line while ``held`` is held; ``what`` is None for a call of ``name``.

    ``receiver`` is the last word of what a method is called on; None for a plain function.
    """

    line: int
    held: tuple[Rank, ...]
    name: str
    what: Doing | None = None
    is_awaited: bool = False
    receiver: str | None = None


@dataclass(eq=False, slots=True, kw_only=True)
class Routine:
    """One function of the project, and what its calls lead to."""

    path: str
    owner: str
    name: str
    is_async: bool
    deeds: list[Deed] = field(default_factory=list)
    reached: dict[Doing, tuple[str, ...]] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.owner}.{self.name}".lstrip(".")


def functions_of(node: ast.AST, owner: str = "") -> Iterator[tuple[str, Function]]:
    """Every function with the class it belongs to; nested ones too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield owner, child
        yield from functions_of(child, child.name if isinstance(child, ast.ClassDef) else owner)


def tail(node: ast.AST | None) -> str | None:
    """``c`` of ``a.b.c``."""
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return None
