"""Money is Decimal: model and core know no float, whatever it would be used for."""

import ast
from collections.abc import Iterator

from tests.house.sources import Source, offences, python_sources, report

FLOAT_WITH_REASON: dict[str, str] = {
    "engine/model/snapshot.py::EngineSnapshot.speed": "a ratio of two clocks",
    "engine/model/snapshot.py::EngineSnapshot.loop_lag_ms": "a measurement of the machine",
    "engine/model/commands.py::SetSpeed.speed": "a ratio of two clocks",
    "engine/model/errors.py::Transient.__init__": "seconds to wait",
}
"""``path::Class.field`` or ``path::Class.method`` to the reason why it is not money."""
FLOAT_FILES: dict[str, str] = {
    "engine/model/regime.py": "indicators and their thresholds are measured and compared, never paid",
    "engine/core/regime.py": "compares indicators with thresholds",
    "engine/core/indicators.py": "indicator mathematics",
    "engine/core/indicators_trend.py": "indicator mathematics",
}
"""Whole files in which floats are no money; their money, if any, is Decimal all the same."""


def floats(source: Source) -> Iterator[str]:
    """Every float literal, mention of ``float`` and call of ``round``, unless it has its reason."""
    if source.path in FLOAT_FILES:
        return
    for place, line, what in _found(source.tree(), ""):
        if f"{source.path}::{place}" not in FLOAT_WITH_REASON:
            yield f"{source.path}:{line}: {what}; money is Decimal, rounded by name (floor_to_step)"


def _found(node: ast.AST, place: str) -> Iterator[tuple[str, int, str]]:
    for child in ast.iter_child_nodes(node):
        inner = _place_of(child, place)
        match child:
            case ast.Constant(value=float() | complex()):
                yield inner, child.lineno, f"float literal {child.value!r}"
            case ast.Constant(value=str() as text) if _names_float(text):
                yield inner, child.lineno, f"quoted float annotation {text!r}"
            case ast.Name(id="float" | "round") | ast.Attribute(attr="from_float"):
                yield inner, child.lineno, f"{ast.unparse(child)} is used"
            case _:  # every other kind of node is only looked into
                pass
        yield from _found(child, inner)


def _place_of(node: ast.AST, place: str) -> str:
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return f"{place}.{name}".lstrip(".")
        case ast.AnnAssign(target=ast.Name(id=name)):
            return f"{place}.{name}".lstrip(".")
        case _:  # no name of its own
            return place


def _names_float(text: str) -> bool:
    return text.replace(" ", "") in {"float", "float|None", "None|float", "list[float]", "tuple[float,...]"}


def test_model_and_core_know_no_float() -> None:
    """Nor do they round: every rounding says its direction."""
    found = offences(floats, python_sources("engine/model", "engine/core"))
    assert not found, report(found)


def test_every_exception_is_needed() -> None:
    """An exception that excuses nothing any more is taken out."""
    places = {
        f"{source.path}::{place}"
        for source in python_sources("engine/model", "engine/core")
        for place, _, _ in _found(source.tree(), "")
    }
    assert sorted(set(FLOAT_WITH_REASON) - places) == []
    with_floats = {place.split("::")[0] for place in places}
    assert sorted(set(FLOAT_FILES) - with_floats) == []


def test_planted_floats_are_named_line_by_line() -> None:
    """Literals, calls, annotations of fields, arguments and results, quoted ones, and round()."""
    planted = [
        "fee = 0.1",
        "price = float('1')",
        "def f(price: float) -> 'float': ...",
        "class A:",
        "    speed: float | None",
        "x = round(price, 2)",
        "y = Decimal.from_float(z)",
        "total = Decimal('0.1') * 2",
    ]
    found = offences(floats, [Source("engine/core/planted.py", "\n".join(planted))])
    assert [text.split(";")[0].removeprefix("engine/core/planted.py:") for text in found] == [
        "1: float literal 0.1",
        "2: float is used",
        "3: float is used",
        "3: quoted float annotation 'float'",
        "5: float is used",
        "6: round is used",
        "7: Decimal.from_float is used",
    ]


def test_an_exception_excuses_its_own_field_and_no_other() -> None:
    """The same name in another file, and another name in the same file, are offences."""
    text = "class SetSpeed:\n    speed: float\n    price: float\n"
    found = offences(floats, [Source("engine/model/commands.py", text), Source("engine/model/other.py", text)])
    assert [offence.split(": ")[0] for offence in found] == [
        "engine/model/commands.py:3",
        "engine/model/other.py:2",
        "engine/model/other.py:3",
    ]
