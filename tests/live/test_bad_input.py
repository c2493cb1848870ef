"""Whatever a user can get wrong on the way to a real exchange: one clear line, what to do, the right exit code.

The real program in paper and live against a loopback exchange. No refusal shows a key or a traceback, none spoils the
state directory: after each group a corrected start in the same directory trades and ends in order.
"""

import os
import re
import signal
import socket
import ssl
import tomllib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
import tomli_w

from tests.canary import CANARY_KEYS, PLANTED_NAME, assert_no_secret, plant_keys_file
from tests.live.forks import Forks, open_forks
from tests.live.program import LIVE, config_of
from tests.loopback.faults import RequestName
from tests.loopback.server import LoopbackServer, loopback
from tests.loopback.venue import MarketStatus
from tests.program import Outcome, Place

PROTOCOLS = ["binance", "bybit"]
HEADLESS, ACCOUNT = ("run", "--headless"), ("preflight", "--all")
HOUR_MS = 3_600_000
OTHER_KEY = "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z"
KEY_ADVICE = (
    "; check the API key and secret of {0}: whether they are complete, not expired, and of the same kind (sandbox or "
    "real) as the account"
)
NOT_REACHED = "{0} cannot be reached: time: "
CLOSED = (
    "{0} BTC/USDT: BTC/USDT cannot be traded: the exchange has closed it or not opened it yet; "
    "choose a market that is active"
)
NO_POST_ONLY = (
    "binance BTC/USDT: BTC/USDT cannot be traded: it takes no post-only orders, and a grid enters with nothing else; "
    "choose another market"
)


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with open_forks() as forks:
        yield forks


class Trials:
    """One folder with its state directory, in which one start after the other goes wrong until one is right."""

    def __init__(self, forks: Forks, server: LoopbackServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.keys = plant_keys_file(folder / "keys")
        server.api_key, server.secret = CANARY_KEYS.api_key.reveal(), CANARY_KEYS.secret.reveal()
        self.place = Place(folder)
        self.said: list[str] = []
        self._forks = forks

    def configure(self, *, grid: dict[str, Any] | None = None, **changes: Any) -> None:
        """What trades here with the right keys, or what becomes of it with ``changes``."""
        document = tomllib.loads(config_of(self.server))
        document["exchange"]["keys"] = f"file:{self.keys}"
        # Requests are not spaced for an exchange that is far away.
        document["exchange"]["ccxt"]["rateLimit"] = 1
        document["grid"][0].update(grid or {})
        self.place.configure(tomli_w.dumps(_merged(document, changes)))

    async def refused(
        self,
        *says: str,
        code: int = 2,
        words: Sequence[str] = LIVE,
        grid: dict[str, Any] | None = None,
        **changes: Any,
    ) -> None:
        """A start that ends by itself with these lines and this code, and leaves everything as it was."""
        self.configure(grid=grid, **changes)
        before = self._kept()
        await self.start(words)
        end = await self.ended()
        assert (end.code, end.trouble) == (code, list(says))
        assert self._kept() == before

    async def starts(self, *more: str, words: Sequence[str] = LIVE, says: Sequence[str] = ()) -> None:
        """The same with nothing wrong trades, says no more than this, and ends in order when it is told."""
        self.configure()
        async with self.trading(*words, *more):
            pass
        assert self.said == list(says)

    @asynccontextmanager
    async def trading(self, *words: str) -> AsyncIterator[None]:
        """An engine at work while the block lasts; then it is ended."""
        count = self._placed()
        process = await self.start(words)
        await self.server.until(lambda: self._placed() > count, 20)
        yield
        os.kill(process, signal.SIGTERM)
        end = await self.ended()
        self.said = end.trouble
        assert end.code == 0, end

    async def start(self, words: Sequence[str], *, state: str = "state") -> int:
        places = ["--config", "my.toml", "--state-dir", str(self.folder / state)]
        home = {"HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder / "xdg"), "XDG_STATE_HOME": ""}
        return await self._forks.start(self.folder, [*places, *words], environment=home)

    async def ended(self) -> Outcome:
        """How it ended; without a traceback and without a key in what it said or wrote."""
        end = await self._forks.end(self.folder)
        assert "Traceback" not in end.err, end.err
        assert_no_secret(self.folder, end.out, end.err)
        return end

    def _placed(self) -> int:
        return sum(line.name is RequestName.PLACE and line.executed for line in self.server.requests)

    def _kept(self) -> dict[str, str]:
        """What lies in the state directory, but for what belongs to nobody without a journal."""
        passing = ("account.json", "bans-binance.json")
        digests = self.place.digests() if self.place.state.exists() else {}
        return {name: digest for name, digest in digests.items() if name not in passing and "aside/" not in name}


@asynccontextmanager
async def trials(forks: Forks, folder: Path, protocol: str = "binance") -> AsyncIterator[Trials]:
    async with loopback(protocol) as server:
        yield Trials(forks, server, folder)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_keys_that_the_exchange_does_not_take(protocol: str, forks: Forks, tmp_path: Path) -> None:
    """Not known, with a wrong secret, and such that may too little or too much."""
    unknown, unsigned = {
        "binance": (
            "fees BTC/USDT: AuthenticationError -2015 Invalid API-key, IP, or permissions for action.",
            "fees BTC/USDT: AuthenticationError -1022 Signature for this request is not valid.",
        ),
        "bybit": (
            "markets: AuthenticationError 10003 API key is invalid.",
            "markets: AuthenticationError 10004 error sign! please check your signature generation algorithm.",
        ),
    }[protocol]
    advice = KEY_ADVICE.format(protocol)
    async with trials(forks, tmp_path, protocol) as trial:
        server = trial.server
        server.api_key = OTHER_KEY
        for words in (LIVE, ACCOUNT):
            await trial.refused(unknown + advice, words=words)
        server.api_key, server.secret = CANARY_KEYS.api_key.reveal(), OTHER_KEY
        await trial.refused(unsigned + advice)
        server.secret = CANARY_KEYS.secret.reveal()
        server.permissions.may_trade = False
        for words in (LIVE, ACCOUNT):
            await trial.refused(
                "exchange.keys: expected a key that may trade, found one that may not (may only read; from listed "
                "addresses only)",
                words=words,
            )
        server.permissions.may_trade = server.permissions.may_withdraw = True
        await trial.refused(
            "exchange.keys: expected a key that cannot move money off the account, found one that may (may trade and "
            "withdraw; from listed addresses only): make one that may only trade, or insist with "
            "--accept-withdrawal-keys"
        )
        await trial.starts(
            "--accept-withdrawal-keys",
            says=["WARNING the key's permissions: may trade and withdraw; from listed addresses only"],
        )


async def test_keys_that_are_not_where_the_configuration_says(forks: Forks, tmp_path: Path) -> None:
    async with trials(forks, tmp_path) as trial:
        await trial.refused(
            f"{tmp_path}/none.toml: expected a file with exchange keys, found no file: gridwright keys set writes it",
            exchange={"keys": "file:none.toml"},
        )
        trial.keys.chmod(0o644)
        await trial.refused(
            f"{trial.keys}: expected a file that only its owner can read, found mode 0644: run chmod 600 {trial.keys}; "
            "if others may have read it, make new keys at the exchange"
        )
        trial.keys.chmod(0o600)
        await trial.refused(
            "environment: api_key: expected a value, found nothing; set GRIDWRIGHT_API_KEY and GRIDWRIGHT_SECRET, and "
            "GRIDWRIGHT_PASSWORD if the exchange asks for a pass phrase",
            exchange={"keys": "env"},
        )
        await trial.starts()


@pytest.mark.parametrize("mode", ["paper", "live"])
async def test_an_exchange_or_a_market_that_is_not_there(mode: str, forks: Forks, tmp_path: Path) -> None:
    """With what was perhaps meant; or one that is closed, gone, or takes no post-only orders."""
    async with trials(forks, tmp_path) as trial:
        engine = {"mode": mode}
        await trial.refused(
            "exchange.id: expected one of ccxt's exchanges with streams, such as binance, bybit, okx or kraken, "
            "found binnance (perhaps binance)",
            exchange={"id": "binnance"},
            engine=engine,
        )
        await trial.refused(
            "binance has no market BTC/USDX; with BTC it has BTC/USDT", grid={"symbol": "BTC/USDX"}, engine=engine
        )
        markets = trial.server.venue.markets
        open_market = markets["BTCUSDT"]
        for status, says in (
            (MarketStatus.HALTED, CLOSED.format("binance")),
            (MarketStatus.DELISTED, "binance has no market BTC/USDT"),
        ):
            markets["BTCUSDT"] = replace(open_market, status=status)
            await trial.refused(says, engine=engine)
        markets["BTCUSDT"] = open_market
        await trial.starts(words=LIVE)
