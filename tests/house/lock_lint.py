"""The lock hierarchy, read from the source: who takes which lock under which, and what is awaited meanwhile.

Every function is read once (``lock_reader``); what it reaches through its calls is a fixpoint (``lock_calls``).
The exchange, the journal's storage and the locks themselves are boundaries: their methods are what is looked
for, not looked into.
"""

import ast
from collections.abc import Iterable, Iterator

from tests.house.lock_calls import CallGraph, Names
from tests.house.lock_reader import SLOT_TAKERS, Reader, returns_hold
from tests.house.lock_words import Doing, Finding, Rank, Routine, Rule, functions_of, tail
from tests.house.sources import TOP, Source

LOCKS = "engine/runtime/locks.py"
PORT = "engine/exchange/port.py"
BOUNDARIES = ("engine/exchange/", "engine/runtime/journal.py", "engine/runtime/journal_", LOCKS)
GATE = "engine/runtime/journal_gate.py"
LOCK_NAMES = frozenset(("BoundedSemaphore", "Condition", "Lock", "RLock", "RankedLock", "Semaphore"))
LOCK_MODULES = frozenset(("anyio", "asyncio", "multiprocessing", "threading"))
BARE = frozenset(("acquire", "acquire_nowait", "release", "try_acquire"))
LOOSE_TASKS = frozenset(("create_task", "ensure_future", "run_coroutine_threadsafe"))
EVERYTHING = frozenset(("BaseException", "CancelledError", "get_cancelled_exc_class"))


def lint(sources: Iterable[Source]) -> list[Finding]:
    """Everything that breaks the hierarchy, in the order of the files; of many chains at a line the shortest."""
    trees = [(source.path, source.tree()) for source in sources]
    found = [finding for path, tree in trees for finding in _shapes(path, tree)]
    functions = [(path, owner, node) for path, tree in trees for owner, node in functions_of(tree)]
    makers = SLOT_TAKERS | {node.name for _, _, node in functions if returns_hold(node)}
    requests = port_requests()
    routines: list[Routine] = []
    for path, owner, node in functions:
        reader = Reader(path, owner, node, makers, requests)
        routines.append(reader.routine)
        if path != LOCKS:
            found += reader.found
    inner = [routine for routine in routines if routine.path == GATE or not routine.path.startswith(BOUNDARIES)]
    found += _judged(inner, CallGraph(inner, Names(trees)))
    found.sort(key=lambda finding: (finding.path, finding.line, finding.rule, len(finding.chain), finding.chain))
    return list({(one.path, one.line, one.rule): one for one in reversed(found)}.values())[::-1]


def port_requests() -> frozenset[str]:
    """What can be asked of an exchange: the coroutine methods of the protocol, but for its stream."""
    tree = ast.parse((TOP / PORT).read_text(encoding="utf-8"))
    exchange = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Exchange")
    return frozenset(node.name for node in exchange.body if isinstance(node, ast.AsyncFunctionDef)) - {"run"}


def _judged(routines: list[Routine], graph: CallGraph) -> Iterator[Finding]:
    for routine in routines:
        for deed in routine.deeds:
            for what, chain in graph.outcomes(routine, deed):
                rule = _broken(what, deed.held)
                if rule is not None:
                    path, line = routine.path, deed.line
                    yield Finding(path=path, line=line, rule=rule, chain=(str(routine), *chain), held=deed.held)


def _broken(what: Doing, held: tuple[Rank, ...]) -> Rule | None:
    """Which rule it breaks to do this while these locks are held."""
    if not held:
        return None
    if isinstance(what, Rank):
        return Rule.ORDER if what <= max(held) else None
    is_allowed = what is Rule.DISK and Rank.MANAGER not in held
    return None if is_allowed else what


# What is wrong wherever it stands


def _shapes(path: str, tree: ast.Module) -> Iterator[Finding]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=func) if path != LOCKS and tail(func) in BARE:
                yield Finding(path=path, line=node.lineno, rule=Rule.BARE, chain=(ast.unparse(func),))
            case ast.Call(func=func) if path != LOCKS and tail(func) in LOCK_NAMES:
                yield Finding(path=path, line=node.lineno, rule=Rule.FOREIGN, chain=(ast.unparse(func),))
            case ast.ImportFrom(module=str(module), names=names) if module in LOCK_MODULES and path != LOCKS:
                if not any(alias.name in LOCK_NAMES for alias in names):
                    continue
                yield Finding(path=path, line=node.lineno, rule=Rule.FOREIGN, chain=(ast.unparse(node),))
            case ast.Call(func=func) if tail(func) in LOOSE_TASKS:
                yield Finding(path=path, line=node.lineno, rule=Rule.LOOSE, chain=(ast.unparse(func),))
            case ast.Call(func=func, args=args) if tail(func) == "suppress" and any(map(_is_everything, args)):
                yield Finding(path=path, line=node.lineno, rule=Rule.SWALLOWED, chain=(ast.unparse(node),))
            case ast.ExceptHandler(type=caught, body=body) if _is_everything(caught):
                if not isinstance(body[-1], ast.Raise):
                    line = ast.unparse(node).split("\n")[0]
                    yield Finding(path=path, line=node.lineno, rule=Rule.SWALLOWED, chain=(line,))
            case ast.Try(finalbody=body):
                for left in _ways_out(body):
                    chain = ("finally", ast.unparse(left))
                    yield Finding(path=path, line=left.lineno, rule=Rule.SWALLOWED, chain=chain)
            case _:  # every other kind of node has nothing to do with it
                pass


def _is_everything(caught: ast.expr | None) -> bool:
    """Whether a handler of this also catches cancellation."""
    return caught is None or any(tail(node) in EVERYTHING for node in ast.walk(caught))


def _ways_out(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that leave a ``finally`` and drop what was being raised."""
    for node in body:
        match node:
            case ast.Return() | ast.Break() | ast.Continue():
                yield node
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                pass
            case ast.For() | ast.AsyncFor() | ast.While():
                yield from (left for left in _ways_out(node.body) if isinstance(left, ast.Return))
            case _:
                for part in ("body", "orelse"):
                    yield from _ways_out(getattr(node, part, []))
