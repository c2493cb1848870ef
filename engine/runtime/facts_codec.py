"""Facts to bytes and back, and the chain of hashes that ties the journal's records together.

Promises: a fact that was accepted can be read back equal, down to the exponent of every
Decimal; equal facts in equal order give equal hashes on every machine; nothing is guessed
from bytes that are not exactly what this file writes. Where the bytes lie is for others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from hashlib import sha256
from typing import cast

import msgspec.json

from engine.model.errors import JournalFailed
from engine.model.events import (
    BlocksChanged,
    CancelRequested,
    DecisionNarrowed,
    DiscrepancyFound,
    DiscrepancyResolved,
    Fact,
    FundingBooked,
    GridOpened,
    GridStateChanged,
    HoldingNoted,
    LateFillBooked,
    LatticeMigrated,
    LotAdopted,
    LotCorrected,
    LotSetAside,
    MarketAdopted,
    OrderIntended,
    OrderReleased,
    OrderReported,
    PositionLiquidated,
    Record,
    RegimeChanged,
    RiskMarked,
    ShadowChanged,
    SlotFrozen,
    SlotThawed,
    WindowChanged,
)
from engine.model.ids import INSTANCE_LENGTH

FORMAT_VERSION = 1
"""Version of the bytes and of the hashes; a change of either raises it."""

KIND_OF_FACT: dict[type[Fact], str] = {
    GridOpened: "grid_opened",
    OrderIntended: "order_intended",
    CancelRequested: "cancel_requested",
    OrderReported: "order_reported",
    OrderReleased: "order_released",
    LotSetAside: "lot_set_aside",
    LotAdopted: "lot_adopted",
    SlotFrozen: "slot_frozen",
    SlotThawed: "slot_thawed",
    GridStateChanged: "grid_state_changed",
    DiscrepancyFound: "discrepancy_found",
    DiscrepancyResolved: "discrepancy_resolved",
    LotCorrected: "lot_corrected",
    HoldingNoted: "holding_noted",
    MarketAdopted: "market_adopted",
    WindowChanged: "window_changed",
    DecisionNarrowed: "decision_narrowed",
    RegimeChanged: "regime_changed",
    ShadowChanged: "shadow_changed",
    BlocksChanged: "blocks_changed",
    RiskMarked: "risk_marked",
    LatticeMigrated: "lattice_migrated",
    FundingBooked: "funding_booked",
    PositionLiquidated: "position_liquidated",
    LateFillBooked: "late_fill_booked",
}
"""The name of each fact in the journal; never changed, so that old journals stay readable."""

_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODERS = {kind: msgspec.json.Decoder(fact) for fact, kind in KIND_OF_FACT.items()}
_UNREADABLE = (msgspec.MsgspecError, TypeError, ValueError, ArithmeticError)

Row = tuple[int, int, str, str, str, str, str]
"""What is stored of a record: sequence, at_ms, grid, kind, payload, previous hash, hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalIdentity:
    """Whose journal it is; made once with the journal and part of every hash.

    ``instance`` is three characters of ``0-9a-z`` and part of every client order id.
    """

    instance: str
    created_ms: int

    def __post_init__(self) -> None:
        letters = "0123456789abcdefghijklmnopqrstuvwxyz"
        if len(self.instance) != INSTANCE_LENGTH or any(letter not in letters for letter in self.instance):
            raise ValueError(f"instance must be three characters of 0-9a-z, was {self.instance!r}")


def payload_from_fact(fact: Fact) -> tuple[str, bytes]:
    """Kind and canonical JSON (sorted keys, no spaces, Decimals as text) of a fact, proven readable.

    Raises:
        JournalFailed: the fact holds something that could not be read back, such as NaN.
    """
    try:
        kind = KIND_OF_FACT[type(fact)]
        payload = _ENCODER.encode(fact)
        if _ENCODER.encode(_read(kind, payload)) != payload:
            raise ValueError("a value is not of its declared type")
    except (KeyError, *_UNREADABLE) as error:
        raise JournalFailed(f"expected a fact that can be read back, found {fact!r}: {error}") from error
    return kind, payload


def fact_from_payload(kind: str, payload: bytes, *, sequence: int) -> Fact:
    """The fact of stored bytes, fully checked; fields added since then take their defaults.

    Raises:
        JournalFailed: the kind is unknown or the payload is not one of ours; names ``sequence``.
    """
    try:
        fact = _read(kind, payload)
        again = _ENCODER.encode(fact)
        if again != payload:
            _refuse_unless_older(payload, again)
    except _UNREADABLE as error:
        raise JournalFailed(f"record {sequence}: expected a fact, found {kind!r}: {error}") from error
    return fact


def first_hash(identity: JournalIdentity) -> str:
    """What the first record chains to."""
    text = f"gridwright journal|{FORMAT_VERSION}|{identity.instance}|{identity.created_ms}"
    return sha256(text.encode()).hexdigest()


def hash_of_record(previous_hash: str, sequence: int, at_ms: int, grid: str, kind: str, payload: bytes) -> str:
    """SHA-256, in hex, over the previous hash and everything the record says."""
    head = f"{previous_hash}|{sequence}|{at_ms}|{kind}|{len(grid)}|{grid}|"
    return sha256(head.encode() + payload).hexdigest()


class Chain:
    """The growing end of a journal: gives each fact its sequence and hash."""

    def __init__(self, sequence: int, last_hash: str) -> None:
        self._sequence = sequence
        self._hash = last_hash

    def __repr__(self) -> str:
        return f"Chain({self._sequence}, {self._hash[:8]})"

    @property
    def head(self) -> tuple[int, str]:
        """Sequence and hash of the last record."""
        return self._sequence, self._hash

    def extend(self, grid: str, facts: Sequence[Fact], at_ms: int) -> tuple[tuple[Record, ...], list[Row]]:
        """Number and hash facts: the records, and the same as rows to store. All or nothing.

        Raises:
            JournalFailed: a fact could not be read back; the chain has not moved.
        """
        records: list[Record] = []
        rows: list[Row] = []
        sequence, last_hash = self._sequence, self._hash
        for fact in facts:
            kind, payload = payload_from_fact(fact)
            sequence, previous_hash = sequence + 1, last_hash
            last_hash = hash_of_record(previous_hash, sequence, at_ms, grid, kind, payload)
            rows.append((sequence, at_ms, grid, kind, payload.decode(), previous_hash, last_hash))
            records.append(
                Record(
                    sequence=sequence,
                    at_ms=at_ms,
                    grid=grid,
                    fact=fact,
                    previous_hash=previous_hash,
                    hash=last_hash,
                )
            )
        self._sequence, self._hash = sequence, last_hash
        return tuple(records), rows


def _read(kind: str, payload: bytes) -> Fact:
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise ValueError(f"expected one of the kinds {', '.join(_DECODERS)}")
    fact = decoder.decode(payload)
    if b"NaN" in payload or b"Infinity" in payload:
        _refuse_non_finite(fact)
    return fact


def _refuse_non_finite(value: object) -> None:
    if isinstance(value, Decimal) and not value.is_finite():
        raise ValueError(f"expected finite numbers, found {value}")
    if isinstance(value, tuple):
        for part in value:
            _refuse_non_finite(part)
    if is_dataclass(value):
        for field in fields(value):
            _refuse_non_finite(getattr(value, field.name))


def _refuse_unless_older(payload: bytes, again: bytes) -> None:
    """A fact written before a field with a default was added is the only payload that may differ."""
    written = cast(object, msgspec.json.decode(payload))
    if _ENCODER.encode(written) != payload:
        raise ValueError("expected canonical JSON")
    if not _is_part_of(written, cast(object, msgspec.json.decode(again))):
        raise ValueError("expected only known fields, each in its canonical form")


def _is_part_of(written: object, understood: object) -> bool:
    if isinstance(written, dict) and isinstance(understood, dict):
        return all(key in understood and _is_part_of(value, understood[key]) for key, value in written.items())
    if isinstance(written, list) and isinstance(understood, list):
        return len(written) == len(understood) and all(map(_is_part_of, written, understood))
    return type(written) is type(understood) and written == understood
