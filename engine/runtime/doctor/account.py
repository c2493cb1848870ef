"""The account: what the keys may do, what it holds, and whose orders rest on the grids' markets."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from engine.exchange.port import Balance
from engine.model.ids import key_from_client_order_id
from engine.model.money import ZERO, text_from_decimal
from engine.runtime.doctor.finding import Finding, fail, ok, warning

if TYPE_CHECKING:
    from engine.exchange.foreign.exchange import CcxtExchange


async def look_at_permissions(exchange: "CcxtExchange", *, accepts_withdrawal: bool) -> Sequence[Finding]:
    """May trade, may not withdraw, from listed addresses only. Raises what asking raises."""
    told = await exchange.permissions()
    settings_page = f"in the settings of the API key on {exchange.name}"
    if told.may_trade is None and told.may_withdraw is None:
        advice = f"look there yourself, {settings_page}: trading allowed, withdrawals and transfers not"
        return [warning("permissions", told.detail, advice)]
    findings = []
    if told.may_trade is False:
        findings.append(fail("permissions", f"the key {told.detail}", f"allow it to trade {settings_page}"))
    if told.may_withdraw:
        advice = f"take the right to withdraw away {settings_page}: who finds the key could empty the account"
        found = f"the key {told.detail}"
        accepted = warning("permissions", f"{found}, as --accept-withdrawal-keys accepts", advice)
        findings.append(accepted if accepts_withdrawal else fail("permissions", found, advice))
    if told.has_ip_list is False:
        advice = f"list the addresses of this machine {settings_page}; some exchanges end keys without a list"
        findings.append(warning("permissions", "the key works from any address", advice))
    return findings or [ok("permissions", f"the key {told.detail}")]


async def look_at_balances(exchange: "CcxtExchange", currencies: Sequence[str]) -> tuple[dict[str, Balance], Finding]:
    """What the account holds of what the grids trade. Raises what asking raises."""
    balances = await exchange.fetch_balances()
    shown = [f"{currency} {_held(balances.get(currency))}" for currency in currencies]
    if any(currency in balances for currency in currencies):
        return balances, ok("balances", "; ".join(shown))
    advice = "see that the keys are those of the right account, and that its money lies where it trades"
    return balances, warning("balances", "nothing of what the grids trade", advice)


async def look_at_orders(exchange: "CcxtExchange", symbol: str, *, has_journal: bool) -> Sequence[Finding]:
    """Open orders on a market, ours and others'. Raises what asking raises."""
    await exchange.fetch_market(symbol)
    orders = await exchange.fetch_open_orders(symbol)
    own = sum(key_from_client_order_id(order.client_order_id) is not None for order in orders)
    found = f"{symbol}: {own} of grids, {len(orders) - own} of others, which are never touched"
    if not own or has_journal:
        return [ok("open orders", found)]
    advice = (
        "they are another engine's, or their journal is lost: use its --state-dir, or cancel them on the exchange; a "
        "new grid is refused beside them"
    )
    return [fail("open orders", found, advice)]


def rest_of(balances: Mapping[str, Balance]) -> dict[str, Decimal]:
    """What can be planned with, by currency."""
    return {currency: balance.free + balance.locked for currency, balance in balances.items()}


def _held(balance: Balance | None) -> str:
    if balance is None:
        return "none"
    return f"{text_from_decimal(balance.free)} free, {text_from_decimal(balance.locked or ZERO)} locked"
