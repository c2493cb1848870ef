"""Whatever a user can get wrong on the way to a real exchange: one clear line, what to do, the right exit code.

The real program in paper and live against a loopback exchange. No refusal shows a key or a traceback, none spoils the
state directory: after each group a corrected start in the same directory trades and ends in order.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.canary import CANARY_KEYS
from tests.live.forks import Forks, open_forks
from tests.live.program import LIVE
from tests.live.trials import OTHER_KEY, trials
from tests.loopback import binance_public
from tests.loopback.binance_json import market_json
from tests.loopback.server import LoopbackServer
from tests.loopback.venue import MarketStatus
from tests.outside import free_port, self_signed

PROTOCOLS = ["binance", "bybit"]
HEADLESS, ACCOUNT = ("run", "--headless"), ("preflight", "--all")
HOUR_MS = 3_600_000
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
            "markets: AuthenticationError 10004 error sign! origin_string[***]",
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
        await trial.refused(
            "exchange.keys: expected a key that may trade, found one that may not (may only read; from listed "
            "addresses only)",
            words=ACCOUNT,
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


async def test_a_market_without_post_only_orders(forks: Forks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that is sent all the same would be refused each time."""
    async with trials(forks, tmp_path) as trial:
        with monkeypatch.context() as patched:
            patched.setattr(
                binance_public, "market_json", lambda market: {**market_json(market), "orderTypes": ["LIMIT", "MARKET"]}
            )
            await trial.refused(NO_POST_ONLY)
            await trial.refused(NO_POST_ONLY, words=ACCOUNT)
        await trial.starts()


async def test_a_grid_that_its_market_or_account_cannot_carry(forks: Forks, tmp_path: Path) -> None:
    """Orders below the least, and a grid that costs more than there is."""
    orders = "grid 'live': base_per_slot: expected orders that BTC/USDT takes, found "
    async with trials(forks, tmp_path) as trial:
        await trial.refused(
            f"{orders}0.00001 BTC in slot 0: notional must be at least 5 USDT, was 0.54",
            grid={"base_per_slot": "0.00001"},
        )
        await trial.refused(
            "grid 'live': expected 2394000 USDT on the account that no other grid needs, found 100000",
            grid={"base_per_slot": 1},
        )
        await trial.starts()


async def test_settings_that_do_not_fit_each_other_or_the_exchange(forks: Forks, tmp_path: Path) -> None:
    """Nothing is asked of the exchange for them."""
    swap = {"symbol": "BTC/USDT:USDT"}
    async with trials(forks, tmp_path) as trial:
        await trial.refused(
            "my.toml: grid[0].symbol: expected BTC/USDT on exchange.market_type spot, or market_type swap, "
            'found "BTC/USDT:USDT"',
            grid=swap,
        )
        await trial.refused(
            "my.toml: grid[0].symbol: expected BTC/USDT:USDT on exchange.market_type swap, or market_type spot, "
            'found "BTC/USDT"',
            exchange={"market_type": "swap"},
        )
        await trial.refused(
            "exchange.market_type: kraken can be traded here on spot markets only, found swap",
            grid=swap,
            exchange={"id": "kraken", "market_type": "swap"},
        )
        await trial.refused(
            'exchange.sandbox: kraken has no sandbox; use mode = "paper", or an exchange that has one',
            exchange={"id": "kraken", "sandbox": True},
        )
        await trial.refused(
            "my.toml: exchange.sandbox: expected false with engine.mode paper, found true: paper trades on the real "
            "market's prices (a sandbox has an account of its own: engine.mode live)",
            exchange={"sandbox": True},
            engine={"mode": "paper"},
        )
        await trial.refused(
            "exchange.ccxt.urls: expected an encrypted address (https, wss), found http://exchange.invalid/api",
            exchange={"ccxt": {"urls": {"api": {"private": "http://exchange.invalid/api"}}}},
        )
        await trial.refused(
            "engine.mode: expected --yes-live beside live, which trades with real money on binance, found none: "
            "gridwright asks in the terminal, gridwright run --headless --yes-live does not; engine.mode paper and "
            "exchange.sandbox need neither",
            words=HEADLESS,
        )
        assert len(trial.server.requests) == 0
        await trial.starts()


async def test_an_exchange_that_cannot_be_reached(forks: Forks, tmp_path: Path) -> None:
    """Nobody there, no name, no proxy, and somebody else: what can be configured is 2, what cannot is 1."""
    failed = "time: ExchangeNotAvailable binance GET; "
    async with trials(forks, tmp_path) as trial, self_signed(tmp_path) as impostor:
        nobody = free_port()
        for mode, words in (("live", LIVE), ("live", ACCOUNT), ("paper", HEADLESS)):
            await trial.refused(
                f"binance cannot be reached: {failed}check the internet connection, the firewall and the proxy",
                code=1,
                words=words,
                engine={"mode": mode},
                exchange=_moved(trial.server, f"http://127.0.0.1:{nobody}"),
            )
        await trial.refused(
            f"binance cannot be reached: {failed}check the internet connection and the name server (DNS)",
            code=1,
            exchange=_moved(trial.server, "https://exchange.invalid"),
        )
        await trial.refused(
            f"{failed}check the proxy: its address, whether it runs, its user and password",
            exchange={"ccxt": {"httpProxy": f"http://somebody:{OTHER_KEY}@127.0.0.1:{nobody}"}},
        )
        await trial.refused(
            f"{failed}who answered is not proved to be binance: check this machine's clock, and whether a proxy, a "
            "virus scanner or a network's log-in page stands between; the check is never switched off",
            exchange=_moved(trial.server, f"https://127.0.0.1:{impostor}"),
        )
        await trial.starts()


async def test_an_exchange_that_has_banned_this_address(forks: Forks, tmp_path: Path) -> None:
    """It is told with the time of its end, is asked once and not again, and is left in peace until the ban ends."""
    async with trials(forks, tmp_path) as trial:
        server = trial.server
        server.faults.banned_until_ms = server.now_ms() + HOUR_MS
        trial.configure()
        said = [await trial.ended(await trial.start(LIVE)) for _ in range(2)]
        assert [end.code for end in said] == [1, 1]
        assert len(server.requests) == 1
        pattern = r"binance cannot be reached: binance has banned this address; nothing is asked until 20\S+Z"
        assert [bool(re.fullmatch(pattern, line)) for line in said[1].trouble] == [True], said[1]


async def test_a_clock_that_is_minutes_off_is_told_and_corrected(forks: Forks, tmp_path: Path) -> None:
    async with trials(forks, tmp_path) as trial:
        trial.server.faults.skew_ms = 5 * 60_000
        trial.configure()
        async with trial.trading(*LIVE):
            pass
    pattern = (
        r"WARNING \S+ this machine's clock is (299|300)\d\d\d ms behind binance; requests are corrected, but set .*"
    )
    assert [bool(re.fullmatch(pattern, line)) for line in trial.said] == [True], trial.said


async def test_a_directory_and_an_account_belong_to_each_other(forks: Forks, tmp_path: Path) -> None:
    """Two engines at once, another account, another mode, and a fresh start that would leave orders behind."""
    key = CANARY_KEYS.fingerprint()
    state = f"state_dir {tmp_path}/state"
    async with trials(forks, tmp_path) as trial:
        trial.configure()
        async with trial.trading(*LIVE) as process:
            await trial.refused_beside(
                f"{state}: expected no other engine here, found one running as process {process}: attach to it, stop "
                "it, or use another --state-dir",
                state="state",
            )
            await trial.refused_beside(
                f"exchange binance: expected no other engine on this account (key {key}), found process {process} "
                f"with the state_dir {tmp_path}/state: attach to it, or end it with gridwright quit",
                state="other",
            )
        assert trial.said == []
        await trial.refused(
            f"{state}: expected the account of its journal (live binance spot, key {key}), found paper binance spot: "
            "use another --state-dir for each account",
            engine={"mode": "paper"},
        )
        await trial.refused(
            f"{state}: expected the journal of a simulation, found one of live binance spot, key {key}: use another "
            "--state-dir for each account",
            engine={"mode": "simulation"},
        )
        count = len(trial.server.venue.open_orders())
        await trial.refused(
            f"--fresh: expected no orders of the old journal, found {count} on binance, "
            "which would go on trading with nobody to watch them: start without --fresh and end the grids with "
            "gridwright stop --cancel, or use another --state-dir",
            words=(*LIVE, "--fresh"),
        )
        await trial.refused_with_another_key()
        trial.server.venue.print_trade("BTCUSDT", Decimal(59_350))
        await trial.starts()


def _moved(server: LoopbackServer, address: str) -> dict[str, Any]:
    """The exchange at another address."""
    urls = server.ccxt_options()["urls"]
    secured = address.replace("http", "ws", 1)
    return {"ccxt": {"urls": json.loads(json.dumps(urls).replace(server.http, address).replace(server.ws, secured))}}
