"""The tree: what lies at the top, what every module says of itself, and what no module does."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.house.sources import Source, offences, python_sources, report, tracked_paths

TOP_FILES = frozenset((".gitignore", "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "config.toml"))
TOP_SETTINGS = frozenset(("pyproject.toml", "requirements-dev.lock", "requirements.lock"))
TOP_FOLDERS = frozenset((".ci", "benchmarks", "docs", "engine", "tests", "themes", "tui"))
TOP_LEVEL = TOP_FILES | TOP_SETTINGS | TOP_FOLDERS
LOCK_MAKER = "engine/runtime/locks.py"
LOCK_MODULES = frozenset(("anyio", "asyncio", "multiprocessing", "threading"))
LOCK_NAMES = frozenset(("BoundedSemaphore", "Condition", "Lock", "RLock", "Semaphore"))
TASK_MAKERS = frozenset(("create_task", "ensure_future", "run_coroutine_threadsafe"))
REASON = re.compile(r"#\s*(?:noqa: [A-Z0-9, ]+[-:\s]*)?(?P<words>\w+(?:\W+\w+){2,})\s*$")


def top_level_strangers(paths: list[str]) -> list[str]:
    """Names at the top of the tree that are not in ``TOP_LEVEL``."""
    return sorted({path.split("/")[0] for path in paths} - TOP_LEVEL)


def modules_without_docstring(source: Source) -> Iterator[str]:
    """Modules that do not say what they are for."""
    if not ast.get_docstring(source.tree()):
        yield f"{source.path}:1: the module has no docstring"


def broad_excepts(source: Source) -> Iterator[str]:
    """Handlers of everything, unless a comment on the line says why in at least three words."""
    lines = source.lines()
    for node in ast.walk(source.tree()):
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and not REASON.search(lines[node.lineno - 1]):
            yield f"{source.path}:{node.lineno}: a broad except without a reason on its line"


def _is_broad(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    return any(isinstance(node, ast.Name) and node.id in {"Exception", "BaseException"} for node in ast.walk(caught))


def locks_made(source: Source) -> Iterator[str]:
    """Locks made or imported outside of the one module that makes them."""
    if source.path == LOCK_MAKER:
        return
    for node in ast.walk(source.tree()):
        match node:
            case ast.ImportFrom(module=str(module), names=names) if module in LOCK_MODULES:
                made = [alias.name for alias in names if alias.name in LOCK_NAMES]
            case ast.Attribute(value=ast.Name(id=module), attr=name) if module in LOCK_MODULES:
                made = [name] if name in LOCK_NAMES else []
            case _:  # every other kind of node makes no lock
                continue
        for name in made:
            yield f"{source.path}:{node.lineno}: {module}.{name}; locks are made in {LOCK_MAKER} alone"


def loose_tasks(source: Source) -> Iterator[str]:
    """Tasks that no task group awaits."""
    for node in ast.walk(source.tree()):
        match node:
            case ast.Attribute(attr=name) | ast.alias(name=name) if name in TASK_MAKERS:
                yield f"{source.path}:{node.lineno}: {name}; a task belongs to a group that someone awaits"
            case _:  # every other kind of node starts no task
                pass


def test_the_top_holds_only_what_belongs_there() -> None:
    """A new name at the top is a decision: it is added here."""
    assert top_level_strangers(list(tracked_paths())) == []


def test_every_module_says_what_it_is_for() -> None:
    """The tests' modules too."""
    found = offences(modules_without_docstring, python_sources())
    assert not found, report(found)


def test_the_engine_catches_nothing_that_it_does_not_name() -> None:
    """Or says on the line why."""
    found = offences(broad_excepts, python_sources("engine"))
    assert not found, report(found)


def test_locks_are_made_in_one_module() -> None:
    """Ranked, counted, and refused out of order."""
    found = offences(locks_made, python_sources("engine", "tui"))
    assert not found, report(found)


def test_every_task_is_in_a_group() -> None:
    """In the terminal too."""
    found = offences(loose_tasks, python_sources("engine", "tui"))
    assert not found, report(found)


def test_planted_strangers_at_the_top_are_named() -> None:
    """Files and folders."""
    assert top_level_strangers(["engine/api.py", "notes.txt", "scratch/a.py"]) == ["notes.txt", "scratch"]


@pytest.mark.parametrize("text", ["", "x = 1\n", "# a comment\n"])
def test_a_planted_module_without_docstring_is_named(text: str) -> None:
    """An empty one too."""
    found = offences(modules_without_docstring, [Source("engine/planted.py", text)])
    assert found == ["engine/planted.py:1: the module has no docstring"]


@pytest.mark.parametrize(
    "line",
    [
        "except:",
        "except Exception:",
        "except (ValueError, BaseException) as error:",
        "except Exception:  # noqa: BLE001",
        "except Exception:  # why",
    ],
)
def test_a_planted_broad_except_is_named(line: str) -> None:
    """Silencing the linter is no reason."""
    found = offences(broad_excepts, [Source("engine/planted.py", f"try:\n    x()\n{line}\n    pass\n")])
    assert found == ["engine/planted.py:3: a broad except without a reason on its line"]


@pytest.mark.parametrize(
    "line",
    [
        "except ValueError:",
        "except Exception:  # noqa: BLE001 - the halt reports whatever ended the part",
        "except BaseException:  # the waiter gets the error, whatever it is",
    ],
)
def test_a_narrow_except_or_a_reason_is_no_offence(line: str) -> None:
    """Three words are a reason."""
    assert offences(broad_excepts, [Source("engine/planted.py", f"try:\n    x()\n{line}\n    pass\n")]) == []


@pytest.mark.parametrize(
    "line",
    [
        "lock = threading.Lock()",
        "from anyio import Lock",
        "made = asyncio.Condition",
        "x = anyio.Semaphore(2)",
    ],
)
def test_a_planted_lock_is_named(line: str) -> None:
    """However it is come by; in the one module that makes locks it is none of the rule's business."""
    found = offences(locks_made, [Source("engine/planted.py", f"x = 1\n{line}\n"), Source(LOCK_MAKER, line)])
    assert [offence.split(": ")[0] for offence in found] == ["engine/planted.py:2"]


@pytest.mark.parametrize(
    "line", ["asyncio.create_task(x())", "loop.create_task(x())", "from asyncio import ensure_future"]
)
def test_a_planted_loose_task_is_named(line: str) -> None:
    """However it is come by."""
    found = offences(loose_tasks, [Source("tui/planted.py", f"x = 1\n{line}\n")])
    assert [offence.split(": ")[0] for offence in found] == ["tui/planted.py:2"]
