"""Reads one function: which locks it holds at each line, what it does there, whom it calls."""

import ast
from collections.abc import Iterable, Iterator

from tests.house.lock_words import Deed, Doing, Finding, Function, Rank, Routine, Rule, tail

SLEEPS = frozenset(("sleep", "sleep_forever", "sleep_until"))
WAITS = frozenset(("receive", "send", "start", "wait"))
FILES = frozenset(("fsync", "open", "read_bytes", "read_text", "write_bytes", "write_text"))
SLOT_TAKERS = frozenset(("hold_free_slots", "hold_slots"))


class Reader(ast.NodeVisitor):
    """Reads one function in the order of its lines, keeping what is held.

    Invariant: ``_pending`` are the holds that were taken but are not yet guarded by a ``with``.
    """

    def __init__(self, path: str, owner: str, node: Function, makers: Iterable[str], requests: frozenset[str]) -> None:
        self.routine = Routine(path=path, owner=owner, name=node.name, is_async=isinstance(node, ast.AsyncFunctionDef))
        self.found: list[Finding] = []
        self._makers = frozenset(makers)
        self._requests = requests
        self._held: list[Rank] = []
        self._pending: dict[str, int] = {}
        self._aliases: dict[str, Rank] = {}
        self._awaited: set[ast.expr] = set()
        for statement in node.body:
            self.visit(statement)
        for name, line in self._pending.items():
            self._find(line, Rule.UNGUARDED, f"{name} is given back by no with")

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Runs later, and is read by itself."""

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        """Runs later, and is read by itself."""

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Its methods are read by themselves."""

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Runs later."""

    def visit_With(self, node: ast.With) -> None:
        self._read_with(node, is_async=False)

    def visit_AsyncWith(self, node: ast.AsyncWith) -> None:
        self._check_guarded(node.lineno)
        self._read_with(node, is_async=True)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        self._check_guarded(node.lineno)
        self._do(node.lineno, Rule.WAIT, f"async for {ast.unparse(node.iter)}")
        self.generic_visit(node)

    def visit_Await(self, node: ast.Await) -> None:
        self._check_guarded(node.lineno)
        self._awaited.add(node.value)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        self._bind(node.targets[0], node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
            self._bind(node.target, node.value)

    def visit_Return(self, node: ast.Return) -> None:
        """A hold that is returned is the caller's."""
        self.generic_visit(node)
        names = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
        for name in names & self._pending.keys():
            del self._pending[name]
            self._held.remove(Rank.SLOT)

    def visit_Call(self, node: ast.Call) -> None:
        name, is_awaited = tail(node.func), node in self._awaited
        what = self._what(name, node.func, is_awaited=is_awaited)
        if what is not None:
            self._do(node.lineno, what, ast.unparse(node.func))
        is_inside = name not in SLOT_TAKERS and what is not Rule.NETWORK
        if is_inside:
            self._call(node.func, is_awaited=is_awaited)
        if is_inside and is_awaited:  # a function that is handed to what is awaited is called meanwhile
            for handed in _handed(node):
                self._call(handed, is_awaited=True)
        self.generic_visit(node)

    def _read_with(self, node: ast.With | ast.AsyncWith, *, is_async: bool) -> None:
        opened: list[Rank] = []
        for item in node.items:
            expression = item.context_expr
            rank = self._lock(expression)
            if rank is not None:
                self._do(expression.lineno, rank, ast.unparse(expression))
                self._held.append(rank)
                opened.append(rank)
            elif isinstance(expression, ast.Name) and expression.id in self._pending:
                del self._pending[expression.id]
                opened.append(Rank.SLOT)
            else:
                self._open(expression, is_async=is_async)
                if self._makes_hold(expression):
                    self._held.append(Rank.SLOT)
                    opened.append(Rank.SLOT)
        for statement in node.body:
            self.visit(statement)
        for rank in opened:
            self._held.remove(rank)

    def _open(self, expression: ast.expr, *, is_async: bool) -> None:
        """Enter something else than a lock; leaving a task group waits for its tasks."""
        if is_async and isinstance(expression, ast.Call):
            self._awaited.add(expression)
            if tail(expression.func) == "create_task_group":
                self._do(expression.lineno, Rule.WAIT, ast.unparse(expression.func))
        self.visit(expression)

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        name = target.elts[0] if isinstance(target, ast.Tuple) else target
        if not isinstance(name, ast.Name):
            return
        rank = self._lock(value)
        if rank is not None:
            self._aliases[name.id] = rank
        elif self._makes_hold(value):
            self._pending[name.id] = value.lineno
            self._held.append(Rank.SLOT)

    def _makes_hold(self, value: ast.expr) -> bool:
        """``locks.hold_slots(...)``, awaited, subscripted or bare."""
        match value:
            case ast.Await(value=inner) | ast.Subscript(value=inner):
                return self._makes_hold(inner)
            case ast.Call(func=func):
                return tail(func) in self._makers
            case _:
                return False

    def _lock(self, expression: ast.expr) -> Rank | None:
        """Which lock an expression is: ``locks.manager``, the gate's ``lock``, or a name for one of them."""
        match expression:
            case ast.Name(id=name):
                return self._aliases.get(name)
            case ast.Attribute(value=owner, attr="manager") if (tail(owner) or "").endswith("locks"):
                return Rank.MANAGER
            case ast.Attribute(attr="lock") | ast.Call(func=ast.Name(id="make_journal_lock")):
                return Rank.JOURNAL
            case _:
                return None

    def _what(self, name: str | None, func: ast.expr, *, is_awaited: bool) -> Doing | None:
        """What a call does that matters under a lock, if it is known by its name."""
        receiver = (tail(func.value) or "").lstrip("_") if isinstance(func, ast.Attribute) else ""
        if name in SLOT_TAKERS:
            return Rank.SLOT
        if name in SLEEPS:
            return Rule.SLEEP
        if name in FILES:
            return Rule.DISK
        if not is_awaited:
            return None
        if name in self._requests or (name == "run" and receiver == "exchange"):
            return Rule.NETWORK
        if name in {"append", "commit"} and receiver.endswith("journal"):
            return Rule.DISK
        return Rule.WAIT if name in WAITS else None

    def _call(self, func: ast.expr, *, is_awaited: bool) -> None:
        name = tail(func)
        if name is not None:
            self.routine.deeds.append(
                Deed(
                    line=func.lineno,
                    held=tuple(self._held),
                    name=name,
                    is_awaited=is_awaited,
                    receiver=(tail(func.value) or "?") if isinstance(func, ast.Attribute) else None,
                )
            )

    def _do(self, line: int, what: Doing, name: str) -> None:
        self.routine.deeds.append(Deed(line=line, held=tuple(self._held), name=name, what=what))

    def _check_guarded(self, line: int) -> None:
        """Cancelled here, a hold that no ``with`` guards would be held for ever."""
        for name in self._pending:
            self._find(line, Rule.UNGUARDED, f"an await before {name} is guarded by its with")

    def _find(self, line: int, rule: Rule, what: str) -> None:
        chain = (str(self.routine), what)
        self.found.append(Finding(path=self.routine.path, line=line, rule=rule, chain=chain))


def returns_hold(node: Function) -> bool:
    """Whether slots are still held when it has returned."""
    return node.returns is not None and "SlotHold" in ast.unparse(node.returns)


def _handed(call: ast.Call) -> Iterator[ast.expr]:
    """Functions among the arguments of a call, also inside of ``partial``."""
    for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
        if isinstance(argument, ast.Call):
            yield from _handed(argument)
        elif isinstance(argument, ast.Attribute | ast.Name):
            yield argument
