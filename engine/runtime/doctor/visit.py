"""The checks on a real exchange: what anybody may ask first, then what takes the keys.

Two clients are opened, one without keys: wrong keys must not look like an exchange that cannot be reached.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

import anyio

from engine.model.errors import JournalFailed
from engine.model.events import GridOpened
from engine.model.market import MarketKind
from engine.model.secret import ExchangeKeys
from engine.model.snapshot import Mode
from engine.runtime.clock import RealClock
from engine.runtime.doctor.account import look_at_balances, look_at_orders, look_at_permissions, rest_of
from engine.runtime.doctor.case import ASK_SECONDS_MAX, REACH_SECONDS_MAX, Case
from engine.runtime.doctor.finding import Finding, Grade, bounded, fail, ok, skipped
from engine.runtime.doctor.grids import look_at_grid
from engine.runtime.doctor.reach import (
    look_at_clock,
    look_at_encryption,
    look_at_features,
    look_at_proxy,
    look_at_reach,
)
from engine.runtime.doctor.streams import OPEN_SECONDS_MAX, look_at_streams
from engine.runtime.journal_file import JOURNAL_NAME
from engine.runtime.worlds import paper_balances

if TYPE_CHECKING:
    from engine.exchange.foreign.exchange import CcxtExchange

CHECKS = ("reach", "clock", "features", "dead man's switch", "permissions", "balances", "open orders", "streams")
_CLOSE_SECONDS_MAX = 10.0
_NETWORK = "check the internet connection, the firewall, the proxy, and whether the exchange is down"
_ABOVE = "see what failed above, and look again"
_AGAIN = "try again; if it stays so, look at the exchange's own status page"


class Visit:
    """One look at the configured exchange. ``keys`` None: paper, or keys that cannot be had."""

    def __init__(self, case: Case, keys: ExchangeKeys | None, tell: Callable[[Finding], None]) -> None:
        self._case = case
        self._settings = case.settings
        self._keys = keys
        self._listener = tell
        self._has_failed: set[str] = set()
        self._symbols = tuple(dict.fromkeys(spec.symbol for spec in case.settings.grids))

    async def make(self) -> None:
        """Look at everything that can be looked at."""
        ccxt = self._settings.exchange.ccxt
        self._tell(*look_at_proxy(ccxt), look_at_encryption(ccxt))
        async with AsyncExitStack() as stack:
            opened: list[CcxtExchange] = []

            async def open_both() -> Sequence[Finding]:
                opened.append(self._opened(stack, None))
                if self._keys is not None:
                    opened.append(self._opened(stack, self._keys))
                return ()

            await self._look("exchange", open_both, "change [exchange] of the configuration")
            if "exchange" in self._has_failed:
                self._skip("the exchange cannot be used so", CHECKS)
                return
            await self._look("reach", partial(look_at_reach, opened[0]), _NETWORK, REACH_SECONDS_MAX)
            if "reach" in self._has_failed:
                self._skip("the exchange was not reached", CHECKS[1:])
                return
            await self._visit(opened[0], opened[1] if len(opened) > 1 else None)

    async def _visit(self, public: "CcxtExchange", private: "CcxtExchange | None") -> None:
        await self._look("clock", partial(look_at_clock, public), _NETWORK)
        is_live = self._settings.engine.mode is Mode.LIVE
        self._tell(*look_at_features(public, is_live=is_live), self._dead_man(public))
        rest: dict[str, Decimal] | None = None
        account: CcxtExchange | None = None
        if private is not None:
            rest = await self._account(private)
            account = None if rest is None else private
        elif is_live:
            self._skip("there are no keys to ask with", ("permissions", "balances", "open orders"))
        else:
            self._skip("paper has an account of its own", ("permissions", "balances", "open orders"))
            rest = paper_balances(self._settings)
        await self._grids(account or public, rest)
        is_private = account is not None
        look = partial(
            look_at_streams,
            account or public,
            self._symbols[0],
            is_private=is_private,
            seconds=self._case.stream_seconds,
        )
        await self._look("streams", look, _NETWORK, OPEN_SECONDS_MAX + self._case.stream_seconds + ASK_SECONDS_MAX)
        if is_live and not is_private:
            self._skip("there are no keys that the exchange takes", ("private stream",))

    async def _account(self, private: "CcxtExchange") -> dict[str, Decimal] | None:
        """What the account has by currency; None where the exchange does not take the keys."""
        names = dict.fromkeys(part for symbol in self._symbols for part in symbol.partition(":")[0].split("/"))
        rest: dict[str, Decimal] = {}

        async def permissions() -> Sequence[Finding]:
            await private.measure_clock()
            return await look_at_permissions(private, accepts_withdrawal=self._case.accepts_withdrawal)

        async def balances() -> Sequence[Finding]:
            found, finding = await look_at_balances(private, tuple(names))
            rest.update(rest_of(found))
            return [finding]

        await self._look("permissions", permissions, "see the settings of the API key on the exchange")
        await self._look("balances", balances, _AGAIN)
        if "balances" in self._has_failed:
            self._skip("the account cannot be looked at", ("open orders",))
            return None
        has_journal = (self._settings.engine.state_dir / JOURNAL_NAME).exists()
        for symbol in self._symbols:
            orders = partial(look_at_orders, private, symbol, has_journal=has_journal)
            await self._look("open orders", orders, _AGAIN)
        return rest

    async def _grids(self, exchange: "CcxtExchange", rest: dict[str, Decimal] | None) -> None:
        begun = await anyio.to_thread.run_sync(_begun, self._case)
        for spec in self._settings.grids:
            risk = self._settings.risk_of(spec.name)
            look = partial(look_at_grid, exchange, spec, risk, rest, is_begun=spec.name in begun)
            await self._look(f"grid {spec.name}", look, _AGAIN)

    def _dead_man(self, public: "CcxtExchange") -> Finding:
        check = "dead man's switch"
        has_one = next(feature.is_there for feature in public.features() if feature.name == check)
        seconds = self._settings.exchange.dead_man_seconds
        if seconds and has_one:
            return ok(check, f"on: {public.name} cancels every order of the account after {seconds:g} s of silence")
        if seconds:
            found = f"{public.name} has none that counts down, although exchange.dead_man_seconds is {seconds:g}"
            return fail(check, found, "set it to 0: a start is refused; orders stay on the book when the line is lost")
        return ok(
            check, f"off; {public.name} {'has one' if has_one else 'has none'}: orders rest while the line is lost"
        )

    def _opened(self, stack: AsyncExitStack, keys: ExchangeKeys | None) -> "CcxtExchange":
        # Imported here: the exchange's library is slow.
        from engine.exchange.ccxt_exchange import CcxtOptions, open_ccxt

        settings = self._settings.exchange
        folder = self._settings.engine.state_dir
        exchange = open_ccxt(
            CcxtOptions(
                exchange_id=settings.id,
                market_type=MarketKind(settings.market_type),
                is_sandbox=settings.sandbox,
                keys=keys,
                ccxt=settings.ccxt,
                symbols=self._symbols,
                now_ms=RealClock().now_ms,
                # A ban that an engine knows of holds for whoever asks from here.
                state_dir=folder if folder.is_dir() else None,
            )
        )
        stack.push_async_callback(_close, exchange)
        return exchange

    async def _look(
        self,
        check: str,
        look: Callable[[], Awaitable[Sequence[Finding]]],
        advice: str,
        seconds: float = ASK_SECONDS_MAX,
    ) -> None:
        findings = await bounded(check, seconds, look, advice=advice)
        if any(finding.grade is Grade.FAIL and finding.check == check for finding in findings):
            self._has_failed.add(check)
        self._tell(*findings)

    def _tell(self, *findings: Finding) -> None:
        for finding in findings:
            self._listener(finding)

    def _skip(self, reason: str, checks: Iterable[str]) -> None:
        is_live = self._settings.engine.mode is Mode.LIVE
        advice = _ABOVE if is_live or self._has_failed else "set engine.mode to live to have it looked at"
        self._tell(*(skipped(check, reason, advice) for check in checks))


def _begun(case: Case) -> frozenset[str]:
    """The grids that the journal knows; none where it cannot be read, which another check tells."""
    # Imported here: the library of the journal's file is heavy.
    from engine.runtime.journal_store import read_records_above

    path = case.settings.engine.state_dir / JOURNAL_NAME
    if not path.exists():
        return frozenset()
    try:
        return frozenset(r.grid for r in read_records_above(path, 0) if isinstance(r.fact, GridOpened))
    except JournalFailed:
        return frozenset()


async def _close(exchange: "CcxtExchange") -> None:
    with anyio.move_on_after(_CLOSE_SECONDS_MAX, shield=True):
        await exchange.close()
