"""Starts of the real program that go wrong, one after the other in one folder, until one is right."""

import os
import signal
import tomllib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import tomli_w

from engine.model.secret import ExchangeKeys, Secret
from tests.canary import CANARY_KEYS, assert_no_secret, plant_keys_file
from tests.live.forks import Fork, Forks
from tests.live.program import LIVE, config_of
from tests.loopback.faults import RequestName
from tests.loopback.server import LoopbackServer, loopback
from tests.program import Outcome, Place

OTHER_KEY = "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z"


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
        end = await self.ended(await self.start(words))
        assert (end.code, end.trouble) == (code, list(says))
        assert self._kept() == before

    async def refused_beside(self, says: str, *, state: str) -> None:
        """A second start, in the same directory or another one, while the first trades."""
        end = await self.ended(await self.start(LIVE, state=state))
        assert (end.code, end.trouble) == (2, [says])

    async def refused_with_another_key(self) -> None:
        """Of the same exchange: whose account it is cannot be told from it."""
        key = ExchangeKeys(api_key=Secret(OTHER_KEY), secret=Secret(OTHER_KEY[::-1]))
        file = self.folder / "other.toml"
        file.touch(mode=0o600)
        file.write_text(tomli_w.dumps({"api_key": key.api_key.reveal(), "secret": key.secret.reveal()}))
        await self.refused(
            f"state_dir {self.place.state}: expected the account of its journal (live binance spot, key "
            f"{CANARY_KEYS.fingerprint()}), found live binance spot, key {key.fingerprint()}: use another --state-dir "
            "for each account; if the account is the same and only its key was renewed, add --key-renewed",
            exchange={"keys": f"file:{file}"},
        )

    async def starts(self, *more: str, words: Sequence[str] = LIVE, says: Sequence[str] = ()) -> None:
        """The same with nothing wrong trades, says no more than this, and ends in order when it is told."""
        self.configure()
        async with self.trading(*words, *more):
            pass
        assert self.said == list(says)

    @asynccontextmanager
    async def trading(self, *words: str) -> AsyncIterator[int]:
        """An engine at work while the block lasts, which is told its process; then it is ended."""
        count = self._placed()
        fork = await self.start(words)
        await self.server.until(lambda: self._placed() > count, 20)
        yield fork.process
        os.kill(fork.process, signal.SIGTERM)
        end = await self.ended(fork)
        self.said = end.trouble
        assert end.code == 0, end

    async def start(self, words: Sequence[str], *, state: str = "state") -> Fork:
        places = ["--config", "my.toml", "--state-dir", str(self.folder / state)]
        home = {"HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder / "xdg"), "XDG_STATE_HOME": ""}
        return await self._forks.start(self.folder, [*places, *words], environment=home)

    async def ended(self, fork: Fork) -> Outcome:
        """How it ended: without a traceback and without a key in what it said or wrote."""
        end = await self._forks.end(fork)
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


def _merged(into: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merged(into[name], value)
        else:
            into[name] = value
    return into
