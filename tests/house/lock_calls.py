"""Who calls whom in the engine, and what that leads to: a fixpoint over the call graph.

A plain function is looked up where it is defined or imported from. A method is looked up in the classes that
its receiver may have, as far as annotations and constructors anywhere tell from the receiver's name; where they
do not, or where it is a protocol, every method of that name is meant. So a finding can be one too many, hardly
one too few.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator

from tests.house.lock_words import Deed, Doing, Routine, tail

CONTAINERS = frozenset(name for kind in (dict, list, set, str, tuple) for name in dir(kind)) | {"appendleft", "popleft"}


class Names:
    """What names mean: imports by file, classes with their relatives, and the classes of receivers."""

    def __init__(self, trees: list[tuple[str, ast.Module]]) -> None:
        self._paths = {path for path, _ in trees}
        self._imports: dict[tuple[str, str], str] = {}
        self._relatives: dict[str, set[str]] = {}
        self._protocols: set[str] = set()
        self._classes_of: dict[str, set[str]] = defaultdict(set)
        for path, tree in trees:
            for node in ast.walk(tree):
                self._read_definition(path, node)
        for _, tree in trees:
            for node in ast.walk(tree):
                self._read_hint(node)

    def is_class(self, name: str) -> bool:
        """Whether calling it makes an object of ours."""
        return name in self._relatives

    def imported(self, path: str, name: str) -> str | None:
        """The file from which a name was imported, or which it is as a module."""
        return self._imports.get((path, name))

    def classes(self, receiver: str) -> set[str] | None:
        """The classes that a receiver of this name may have; None where that cannot be said."""
        named = self._classes_of.get(receiver.lstrip("_"))
        if not named or named & self._protocols:
            return None
        return {relative for name in named for relative in self._relatives[name]}

    def _read_definition(self, path: str, node: ast.AST) -> None:
        match node:
            case ast.ClassDef(name=name, bases=bases):
                family = {name, *filter(None, map(tail, bases))}
                for one in family:
                    self._relatives.setdefault(one, {one}).update({name})
                self._relatives[name] |= family
                if "Protocol" in family:
                    self._protocols.add(name)
            case ast.ImportFrom(module=str(module), names=names):
                folder = module.replace(".", "/")
                for alias in names:
                    files = (f"{folder}/{alias.name}.py", f"{folder}.py", f"{folder}/__init__.py")
                    self._imports[path, alias.asname or alias.name] = next(
                        (file for file in files if file in self._paths), module
                    )
            case _:  # defines nothing that is called by name
                pass

    def _read_hint(self, node: ast.AST) -> None:
        """``name: Class``, ``name = Class(...)``; of a container of objects nothing is learnt."""
        match node:
            case ast.arg(arg=name, annotation=ast.expr() as hint):
                self._learn(name, hint)
            case ast.AnnAssign(target=target, annotation=hint):
                self._learn(tail(target), hint)
            case ast.Assign(targets=[target], value=ast.Call(func=func)) if self.is_class(tail(func) or ""):
                self._learn(tail(target), func)
            case _:  # tells no class
                pass

    def _learn(self, name: str | None, hint: ast.expr) -> None:
        if name is not None:
            classes = {tail(part) for part in ast.walk(hint)}
            self._classes_of[name.lstrip("_")] |= {one for one in classes if one in self._relatives}


class CallGraph:
    """Made complete once, so that every routine knows all that it reaches."""

    def __init__(self, routines: list[Routine], names: Names) -> None:
        self._names = names
        self._by_name: dict[str, list[Routine]] = defaultdict(list)
        for routine in routines:
            self._by_name[routine.name].append(routine)
        is_growing = True
        while is_growing:
            grown = [self._grow(routine) for routine in routines]
            is_growing = any(grown)

    def outcomes(self, routine: Routine, deed: Deed) -> Iterator[tuple[Doing, tuple[str, ...]]]:
        """What a deed comes to, each with a chain of calls that leads there."""
        if deed.what is not None:
            yield deed.what, (deed.name,)
            return
        for target in self._targets(routine, deed):
            for what, chain in target.reached.items():
                yield what, (str(target), *chain)

    def _grow(self, routine: Routine) -> bool:
        before = len(routine.reached)
        for deed in routine.deeds:
            for what, chain in list(self.outcomes(routine, deed)):
                routine.reached.setdefault(what, chain)
        return len(routine.reached) > before

    def _targets(self, caller: Routine, call: Deed) -> list[Routine]:
        if call.receiver is None:
            return self._functions(caller, call.name)
        named = [one for one in self._by_name.get(call.name, ()) if call.is_awaited or not one.is_async]
        if call.receiver == "self":
            own = [one for one in named if (one.path, one.owner) == (caller.path, caller.owner)]
            return own or named
        module = self._names.imported(caller.path, call.receiver)
        if module is not None:
            return [one for one in named if one.path == module]
        classes = self._names.classes(call.receiver)
        if classes is not None:
            return [one for one in named if one.owner in classes]
        return [] if call.name in CONTAINERS and not call.is_awaited else named

    def _functions(self, caller: Routine, name: str) -> list[Routine]:
        """A function, or a class that is called; a parameter that is called may be anything, and is left out."""
        if self._names.is_class(name):
            return [one for one in self._by_name["__init__"] if one.owner == name]
        path = self._names.imported(caller.path, name) or caller.path
        return [one for one in self._by_name.get(name, ()) if one.path == path]
