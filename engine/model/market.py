"""What an exchange demands of an order on one market."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from engine.model.money import ZERO, ceil_to_step, floor_to_step, is_on_step, text_from_decimal


def is_swap(symbol: str) -> bool:
    """Whether a symbol names a linear perpetual: BTC/USDT:USDT, by the convention of the field."""
    return ":" in symbol


class FeeCurrency(StrEnum):
    """In which currency the exchange takes its fee."""

    RECEIVED = "received"
    """Buys pay in base, sells pay in quote."""
    QUOTE = "quote"


class MarketKind(StrEnum):
    SPOT = "spot"
    SWAP = "swap"
    """A linear perpetual contract: margin, profit, funding and fees are in quote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapRules:
    """What a linear perpetual contract adds to the rules of a market.

    One contract is ``contract_size`` base; amounts are base everywhere, so the lot is whole contracts, or a whole
    fraction of one where the exchange trades fractions.
    ``maintenance_rate`` is the fraction of the notional that a position must be worth at least.
    """

    contract_size: Decimal
    leverage_max: Decimal
    maintenance_rate: Decimal
    funding_interval_ms: int = 28_800_000

    def __post_init__(self) -> None:
        if self.contract_size <= 0 or self.leverage_max < 1 or self.funding_interval_ms < 1:
            raise ValueError("contract_size and funding_interval_ms must be above 0 and leverage_max at least 1")
        if not ZERO < self.maintenance_rate < 1 / self.leverage_max:
            raise ValueError(f"maintenance_rate must be above 0 and below 1/leverage_max, was {self.maintenance_rate}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """Filters and fees of one market; prices in quote per base, amounts in base. ``swap`` None: a spot market."""

    symbol: str
    base: str
    quote: str
    tick_size: Decimal
    lot_size: Decimal
    amount_min: Decimal
    amount_max: Decimal
    notional_min: Decimal
    maker_fee_rate: Decimal
    taker_fee_rate: Decimal
    fee_currency: FeeCurrency = FeeCurrency.RECEIVED
    swap: SwapRules | None = None

    def __post_init__(self) -> None:
        for name in ("tick_size", "lot_size", "amount_max"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, was {getattr(self, name)}")
        if not ZERO <= self.amount_min <= self.amount_max:
            raise ValueError(
                f"amount_min must be between 0 and amount_max, was {self.amount_min} and {self.amount_max}"
            )
        for name in ("maker_fee_rate", "taker_fee_rate"):
            if not Decimal("-0.01") <= getattr(self, name) < Decimal("0.1"):
                raise ValueError(f"{name} must be a fraction in [-0.01, 0.1), was {getattr(self, name)}")
        if self.swap is not None and self.fee_currency is not FeeCurrency.QUOTE:
            raise ValueError("fee_currency of a swap must be quote")
        if self.swap is not None and not self._is_of_contracts(self.swap.contract_size):
            raise ValueError(
                f"lot_size must be whole contracts of {self.swap.contract_size} {self.base}, or a whole fraction of "
                f"one, was {self.lot_size}"
            )

    @property
    def kind(self) -> MarketKind:
        """Spot, or a swap."""
        return MarketKind.SPOT if self.swap is None else MarketKind.SWAP

    def floor_price(self, price: Decimal) -> Decimal:
        """Nearest valid price at or below ``price``."""
        return floor_to_step(price, self.tick_size)

    def ceil_price(self, price: Decimal) -> Decimal:
        """Nearest valid price at or above ``price``."""
        return ceil_to_step(price, self.tick_size)

    def floor_amount(self, amount: Decimal) -> Decimal:
        """Nearest valid amount at or below ``amount``."""
        return floor_to_step(amount, self.lot_size)

    def problem_with(self, price: Decimal, amount: Decimal) -> str | None:
        """Why the exchange would reject a limit order of this price and amount, or None."""
        text = text_from_decimal
        if price <= 0 or not is_on_step(price, self.tick_size):
            return f"price must be a positive multiple of the tick {text(self.tick_size)}, was {text(price)}"
        if not is_on_step(amount, self.lot_size):
            return f"amount must be a multiple of the lot {text(self.lot_size)}, was {text(amount)}"
        if not self.amount_min <= amount <= self.amount_max:
            bounds = f"between {text(self.amount_min)} and {text(self.amount_max)}"
            return f"amount must be {bounds}, was {text(amount)}"
        if amount <= 0:
            return f"amount must be above 0, was {text(amount)}"
        if price * amount < self.notional_min:
            notional = text(price * amount)
            return f"notional must be at least {text(self.notional_min)} {self.quote}, was {notional}"
        return None

    def _is_of_contracts(self, contract_size: Decimal) -> bool:
        return is_on_step(self.lot_size, contract_size) or is_on_step(contract_size, self.lot_size)
