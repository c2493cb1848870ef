"""The real exchange of a world: opened on the engine's loop, closed in order, in paper or live.

ccxt is imported in here, when an exchange is really opened, and nowhere before.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING

import anyio

from engine.exchange.matching_options import FillModel, MatchingOptions
from engine.exchange.port import Exchange
from engine.model.errors import SettingsInvalid
from engine.model.market import MarketKind
from engine.model.snapshot import Mode
from engine.runtime.account_view import answered
from engine.runtime.redaction import Redactor
from engine.runtime.worlds import RealWorld, paper_balances
from engine.settings import FillRule, Settings

if TYPE_CHECKING:
    from engine.exchange.foreign.exchange import CcxtExchange

CLOSE_SECONDS_MAX = 10.0
_LOG = logging.getLogger("gridwright")
_FILL_MODELS = {FillRule.THROUGH: FillModel.THROUGH, FillRule.TOUCH: FillModel.TOUCH}


@asynccontextmanager
async def open_real_exchange(world: RealWorld) -> AsyncIterator[Exchange]:
    """The exchange of a real world, with its markets loaded and its clock measured.

    Raises:
        SettingsInvalid: it cannot be reached, has no such markets, or refuses the keys.
    """
    match world.settings.engine.mode:
        case Mode.PAPER:
            async with _opened(world) as feed, _paper(world, feed) as exchange:
                yield exchange
        case Mode.LIVE:
            async with _opened(world) as exchange:
                await _check_permissions(world, exchange)
                yield exchange
        case Mode.SIMULATION:
            raise AssertionError("a simulation has an exchange of its own")


@asynccontextmanager
async def open_to_ask(world: RealWorld) -> AsyncIterator[Exchange]:
    """The same to ask alone: in paper, the market's public data, for our own matching needs its streams.

    Raises:
        SettingsInvalid: as above.
    """
    async with _opened(world) as exchange:
        if world.keys is not None:
            await _check_permissions(world, exchange)
        yield exchange


def symbols_of(settings: Settings) -> tuple[str, ...]:
    """What the grids trade, and the leaders that they look at."""
    traded = [spec.symbol for spec in settings.grids]
    panics = (settings.risk_of(spec.name).panic for spec in settings.grids)
    leaders = [symbol for panic in panics if panic is not None for symbol in panic.symbols]
    return tuple(dict.fromkeys([*traded, *leaders]))


@asynccontextmanager
async def _opened(world: RealWorld) -> "AsyncIterator[CcxtExchange]":
    settings = world.settings.exchange
    _LOG.info("opening %s: loading its library and its markets", settings.id)
    from engine.exchange.ccxt_exchange import CcxtOptions, open_ccxt

    exchange = open_ccxt(
        CcxtOptions(
            exchange_id=settings.id,
            market_type=MarketKind(settings.market_type),
            is_sandbox=settings.sandbox,
            keys=world.keys,
            ccxt=settings.ccxt,
            symbols=symbols_of(world.settings),
            now_ms=world.clock.now_ms,
            state_dir=world.folder if world.keeps else None,
            redact=Redactor(() if world.keys is None else world.keys.every()).redact,
            dead_man_seconds=settings.dead_man_seconds if world.keeps and world.keys is not None else 0.0,
        )
    )
    try:
        await exchange.open()
        _LOG.info("%s is open", exchange.name)
        yield exchange
    finally:
        with anyio.move_on_after(CLOSE_SECONDS_MAX, shield=True):
            await exchange.close()


async def _check_permissions(world: RealWorld, exchange: "CcxtExchange") -> None:
    """A key that can do more than trade is refused unless somebody insists. Raises ``SettingsInvalid``."""
    may = await answered(exchange.permissions)
    if may.may_trade is False:
        raise SettingsInvalid(f"exchange.keys: expected a key that may trade, found one that may not ({may.detail})")
    if may.may_withdraw and not world.start.is_withdrawal_accepted:
        raise SettingsInvalid(
            f"exchange.keys: expected a key that cannot move money off the account, found one that may ({may.detail}): "
            "make one that may only trade, or insist with --accept-withdrawal-keys"
        )
    if may.may_withdraw or may.may_withdraw is None or not may.has_ip_list:
        _LOG.warning("the key's permissions: %s", may.detail)


@asynccontextmanager
async def _paper(world: RealWorld, feed: "CcxtExchange") -> AsyncIterator[Exchange]:
    from engine.exchange.paper import PaperOptions, open_paper

    simulation = world.settings.simulation
    exchange = open_paper(
        PaperOptions(
            feed=feed,
            balances=paper_balances(world.settings),
            symbols=symbols_of(world.settings),
            now_ms=world.clock.now_ms,
            folder=world.folder,
            matching=MatchingOptions(
                fill=_FILL_MODELS[simulation.fill],
                seed=simulation.seed,
                partial_fill_chance=Decimal(str(simulation.partial_fills)),
            ),
            latency_ms=simulation.latency_ms,
        )
    )
    try:
        await exchange.open()
        yield exchange
    finally:
        with anyio.move_on_after(CLOSE_SECONDS_MAX, shield=True):
            await exchange.close()
