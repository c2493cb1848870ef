"""Worlds: everything that exists before an engine's loop runs, simulated or real.

Promises: the state directory is held by one engine and belongs to one account; a real account is held by one
engine of this user; real money is traded only where a person has agreed to it. A real exchange is opened
later, on the engine's own loop.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path

from engine.exchange.port import Exchange
from engine.exchange.simulated import SimulatedExchange
from engine.model.errors import SettingsInvalid
from engine.model.market import is_swap
from engine.model.secret import ExchangeKeys
from engine.model.snapshot import Mode
from engine.runtime.abandoning import check_abandoned, is_unused
from engine.runtime.account_guard import account_of, check_simulated, hold_account, take_account
from engine.runtime.clock import RealClock, VirtualClock
from engine.runtime.facts_codec import JournalIdentity
from engine.runtime.journal_file import JOURNAL_NAME
from engine.runtime.simulation import open_simulated_exchange
from engine.runtime.state_dir import KEPT_NAMES, open_state_dir, set_aside
from engine.settings import Settings, Start

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

OpenExchange = Callable[["RealWorld"], AbstractAsyncContextManager[Exchange]]
"""Opens the exchange of a world on the engine's loop, and closes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedWorld:
    """A market of our own, in its own time. ``identity`` is that of a journal that has to be made."""

    settings: Settings
    folder: Path
    clock: VirtualClock
    exchange: SimulatedExchange
    identity: JournalIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class RealWorld:
    """A market out there, in real time. ``keys`` None: paper, which trades with nobody's money.

    ``keeps`` false: nothing is to be written, for it is only looked at.
    """

    settings: Settings
    folder: Path
    clock: RealClock
    keys: ExchangeKeys | None
    start: Start
    open_exchange: OpenExchange
    identity: JournalIdentity
    keeps: bool = True


World = SimulatedWorld | RealWorld


@contextmanager
def open_world(settings: Settings, start: Start) -> Iterator[World]:
    """The world that the settings name.

    Raises:
        SettingsInvalid: the state directory, the account, its keys, the data or the books cannot be used, or live
            trading is not confirmed.
    """
    match settings.engine.mode:
        case Mode.SIMULATION:
            with open_simulated_world(settings, fresh=start.is_fresh) as simulated:
                yield simulated
        case Mode.PAPER | Mode.LIVE:
            # Imported here: a simulation needs none of it.
            from engine.runtime.real_exchange import open_real_exchange

            with open_real_world(settings, start, open_real_exchange) as real:
                yield real


@contextmanager
def open_simulated_world(settings: Settings, *, fresh: bool) -> Iterator[SimulatedWorld]:
    """Hold the state directory and open the simulated exchange in it; ``fresh`` sets the old aside.

    A first start that is refused is set aside as well: the next one finds the directory as it was,
    so a better configuration begins with its own market and account.

    Raises:
        SettingsInvalid: the state directory, the data or the books cannot be used.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(open_state_dir(settings.engine.state_dir))
        if fresh:
            set_aside(folder, at_ms=RealClock().now_ms())
        check_simulated(folder)
        if not _is_begun(folder):
            stack.push(partial(_set_refused_aside, folder))
        clock = VirtualClock(start_ms=0, speed=settings.simulation.speed)
        exchange = open_simulated_exchange(settings, folder, clock)
        stack.callback(exchange.close)
        clock.start_at(exchange.start_ms)
        identity = JournalIdentity(
            instance=_three_digits(settings.simulation.seed % 36**3), created_ms=exchange.start_ms
        )
        yield SimulatedWorld(settings=settings, folder=folder, clock=clock, exchange=exchange, identity=identity)


@contextmanager
def open_real_world(settings: Settings, start: Start, open_exchange: OpenExchange) -> Iterator[RealWorld]:
    """Hold the state directory and the account, with its keys read.

    A first start that is refused before it meant to place an order is set aside, so that a better configuration
    begins anew.

    Raises:
        SettingsInvalid: the state directory, the account or its keys cannot be used, live trading is not confirmed,
            or what is to be set aside has orders on the exchange.
    """
    check_confirmed(settings, start)
    keys = keys_of(settings)
    clock = RealClock()
    with ExitStack() as stack:
        folder = stack.enter_context(open_state_dir(settings.engine.state_dir))
        account = account_of(settings, "" if keys is None else keys.fingerprint())
        if keys is not None:
            stack.enter_context(hold_account(account, folder))
        if start.is_fresh:
            check_abandoned(settings, folder)
            set_aside(folder, at_ms=clock.now_ms())
        is_begun = _is_begun(folder)
        take_account(folder, account, is_key_renewed=start.is_key_renewed)
        if not is_begun:
            stack.push(partial(_set_unused_aside, folder))
        # Random, since nothing else tells two engines of one account apart whose machines know nothing of each other.
        instance = _three_digits(int.from_bytes(os.urandom(8)) % 36**3)
        identity = JournalIdentity(instance=instance, created_ms=clock.now_ms())
        yield RealWorld(
            settings=settings,
            folder=folder,
            clock=clock,
            keys=keys,
            start=start,
            open_exchange=open_exchange,
            identity=identity,
        )


def is_real_money(settings: Settings) -> bool:
    """Whether an engine of these settings spends real money."""
    return settings.engine.mode is Mode.LIVE and not settings.exchange.sandbox


def check_confirmed(settings: Settings, start: Start) -> None:
    """Refuse real money without a person's word. Raises ``SettingsInvalid``."""
    if is_real_money(settings) and not start.is_live_confirmed:
        raise SettingsInvalid(
            f"engine.mode: expected --yes-live beside live, which trades with real money on {settings.exchange.id}, "
            "found none: gridwright asks in the terminal, gridwright run --headless --yes-live does not; "
            "engine.mode paper and exchange.sandbox need neither"
        )


def paper_balances(settings: Settings) -> dict[str, Decimal]:
    """What a paper account begins with: the configured base of every coin that is traded, and of every quote."""
    symbols = [spec.symbol for spec in settings.grids]
    bases = dict.fromkeys(symbol.partition("/")[0] for symbol in symbols if not is_swap(symbol))
    quotes = dict.fromkeys(symbol.partition("/")[2].partition(":")[0] for symbol in symbols)
    return dict.fromkeys(bases, settings.simulation.base) | dict.fromkeys(quotes, settings.simulation.quote)


def keys_of(settings: Settings) -> ExchangeKeys | None:
    """The keys of the account; None in paper. Raises ``SettingsInvalid``."""
    if settings.engine.mode is not Mode.LIVE:
        return None
    # Imported here: a simulation needs none of it, and a keyring is slow.
    from engine.runtime.exchange_keys import load_keys

    return load_keys(settings.exchange)


def _is_begun(folder: Path) -> bool:
    return any((folder / name).exists() for name in KEPT_NAMES)


def _set_refused_aside(folder: Path, _: object, error: BaseException | None, __: object) -> None:
    if isinstance(error, SettingsInvalid):
        set_aside(folder, at_ms=RealClock().now_ms())


def _set_unused_aside(folder: Path, kind: object, error: BaseException | None, trace: object) -> None:
    """As above, but never a journal that may have sent an order into the world."""
    if is_unused(folder / JOURNAL_NAME):
        _set_refused_aside(folder, kind, error, trace)


def _three_digits(number: int) -> str:
    """A number below 36^3 as the three characters that tell one account's engines apart."""
    return _DIGITS[number // 1296] + _DIGITS[number // 36 % 36] + _DIGITS[number % 36]
