"""Reasons that many slots share, said once: ``10 entries (slots 5-13, 19): the exposure is ...``.

What the risk gate refuses it refuses slot by slot. Figures that differ from order to order do not make another
reason: the text of the first one stands for all of them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.model.amounts import spans_text
from engine.model.snapshot import BlockView, GridSnapshot, SlotStateName
from tui.present.numbers import plural

_REFUSAL = re.compile(r"(?:entry of )?slot (\d{1,9}): (.*)", re.DOTALL)
_SLOT = re.compile(r"slot (\d{1,9})")
_FIGURE = re.compile(r"\d[\d.,]*")
_OPENING = frozenset((SlotStateName.EMPTY, SlotStateName.ENTERING))


@dataclass(slots=True, kw_only=True)
class _Group:
    """``reason`` is that of the first slot; ``differs`` says whether another's has other figures."""

    noun: tuple[str, str]
    reason: str
    slots: list[int] = field(default_factory=list)
    differs: bool = False

    def block(self) -> BlockView:
        """The group as one reason."""
        slots = sorted(self.slots)
        if len(slots) == 1:
            one = f"slot {slots[0]}"
            return BlockView(what=f"{self.noun[0]} of {one}" if self.noun[0] else one, reason=self.reason)
        tail = " (the first; the others alike)" if self.differs else ""
        count = plural(len(slots), *self.noun) if self.noun[0] else plural(len(slots), "slot")
        where = f"slots {spans_text(slots)}" if self.noun[0] else spans_text(slots)
        return BlockView(what=f"{count} ({where})", reason=self.reason + tail)


def grouped_refusals(grid: GridSnapshot) -> tuple[BlockView, ...]:
    """What the gate refused, one for each reason; a text of another form stands for itself."""
    return _grouped(grid, ((_REFUSAL.fullmatch(text), BlockView(what="", reason=text)) for text in grid.risk.refusals))


def grouped_blocks(grid: GridSnapshot, blocks: Iterable[BlockView]) -> tuple[BlockView, ...]:
    """Blocks with what was refused, and slots with the same reason, drawn together."""
    refused = frozenset(grid.risk.refusals)
    return _grouped(
        grid, ((_REFUSAL.fullmatch(block.reason) if block.reason in refused else None, block) for block in blocks)
    )


def _grouped(grid: GridSnapshot, found: Iterable[tuple[re.Match[str] | None, BlockView]]) -> tuple[BlockView, ...]:
    """Each group where its first slot stood."""
    states = {slot.index: slot.state for slot in grid.slots}
    rows: list[BlockView | _Group] = []
    groups: dict[tuple[tuple[str, str], str], _Group] = {}
    for refusal, block in found:
        frozen = _SLOT.fullmatch(block.what)
        if refusal is not None:
            slot, reason = int(refusal[1]), refusal[2]
            noun = ("entry", "entries") if states.get(slot, SlotStateName.EMPTY) in _OPENING else ("exit", "exits")
        elif frozen is not None:
            slot, reason, noun = int(frozen[1]), block.reason, ("", "")
        else:
            rows.append(block)
            continue
        key = noun, reason if refusal is None else _FIGURE.sub("0", reason)
        if key not in groups:
            groups[key] = _Group(noun=noun, reason=reason)
            rows.append(groups[key])
        group = groups[key]
        group.slots.append(slot)
        group.differs = group.differs or reason != group.reason
    return tuple(row.block() if isinstance(row, _Group) else row for row in rows)
