"""What a real account is asked before an engine trades on it: the first pre-flight, with its own fees and balances."""

from dataclasses import dataclass
from decimal import Decimal

from engine.model.preflight import Preflight
from engine.model.snapshot import BalanceView


@dataclass(frozen=True, slots=True, kw_only=True)
class GridPlan:
    """One configured grid on this account. Fees are fractions.

    ``is_new``: it is not in the journal, so it begins at the price of now and ``preflight`` is of that; else
    ``preflight`` is None, for it goes on from where it was. ``problems`` forbid its start.
    """

    name: str
    symbol: str
    is_new: bool
    maker_fee_rate: Decimal
    taker_fee_rate: Decimal
    preflight: Preflight | None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPlan:
    """What an engine would find and do. ``key`` is the fingerprint of the API key, empty in paper."""

    exchange: str
    key: str
    balances: tuple[BalanceView, ...]
    grids: tuple[GridPlan, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything that forbids the start, each with its grid."""
        return tuple(f"{grid.name}: {problem}" for grid in self.grids for problem in grid.problems)
