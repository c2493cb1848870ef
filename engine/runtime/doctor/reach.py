"""Whether the exchange can be reached, how, how quickly; what its clock says, and what it can do."""

import os
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio

from engine.exchange.foreign.requests.skew import TOLD_MS
from engine.runtime.doctor.finding import Finding, fail, ok, warning

if TYPE_CHECKING:
    from engine.exchange.foreign.exchange import CcxtExchange

SLOW_SECONDS = 1.0
_SAMPLES = 5
_PROXIES = {
    "httpProxy": "http_proxy",
    "httpsProxy": "https_proxy",
    "socksProxy": "socks_proxy",
    "wsProxy": "ws_proxy",
    "wssProxy": "wss_proxy",
    "wsSocksProxy": "ws_socks_proxy",
}
"""How the client library calls them, in both of its spellings."""
_ENVIRONMENT = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
_TRUST = "aiohttp_trust_env"


def look_at_proxy(ccxt: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """The proxy that is configured, and one that is set for other programs and not used."""
    given = {name: ccxt.get(name) or ccxt.get(snake) for name, snake in _PROXIES.items()}
    used = [f"{name} {_host(str(value))}" for name, value in given.items() if value]
    around = next((environment[name] for name in _ENVIRONMENT if environment.get(name)), None)
    if used:
        yield ok("proxy", ", ".join(used))
    elif around is not None and ccxt.get(_TRUST):
        yield ok("proxy", f"{_host(around)}, from the environment")
    elif around is not None:
        found = f"none, although the environment names {_host(around)}"
        yield warning("proxy", found, f"to use it: {_TRUST} = true in [exchange.ccxt]")
    else:
        yield ok("proxy", "none")


async def look_at_reach(exchange: "CcxtExchange") -> Sequence[Finding]:
    """Load the markets, then ask a few times for something small. Raises what asking raises."""
    before = anyio.current_time()
    await exchange.load_markets()
    loaded_seconds = anyio.current_time() - before
    times = []
    for _ in range(_SAMPLES):
        before = anyio.current_time()
        await exchange.ping()
        times.append(anyio.current_time() - before)
    found = (
        f"{exchange.name} answers in {min(times) * 1000:.0f} ms at the least, {median(times) * 1000:.0f} ms mostly; "
        f"its markets came in {loaded_seconds:.1f} s"
    )
    if median(times) > SLOW_SECONDS:
        return [warning("reach", found, "use a quicker line or a machine nearer to the exchange; orders come late")]
    return [ok("reach", found)]


def look_at_encryption(ccxt: Mapping[str, Any]) -> Finding:
    """Whether what is asked travels encrypted; another address than this machine's is refused without."""
    addresses = list(_texts(ccxt.get("urls")))
    if any(urlsplit(address).scheme in ("http", "ws") for address in addresses):
        advice = "remove [exchange.ccxt.urls], unless the exchange is a test on this machine"
        return warning("encryption", "none to some addresses of [exchange.ccxt.urls], all on this machine", advice)
    return ok("encryption", "TLS, and who answers is checked")


async def look_at_clock(exchange: "CcxtExchange") -> Sequence[Finding]:
    """By how much the clocks differ. Raises what asking raises."""
    skew = await exchange.measure_clock()
    if skew is None:
        advice = "see that this machine's clock is set by NTP"
        return [warning("clock", f"{exchange.name} tells no time: this machine's clock is trusted", advice)]
    way = "behind" if skew.offset_ms > 0 else "ahead of"
    found = f"{abs(skew.offset_ms)} ms {way} the exchange's, within {skew.error_ms} ms"
    if abs(skew.offset_ms) > TOLD_MS + skew.error_ms:
        return [warning("clock", found, "set this machine's clock right, for example with NTP; requests are corrected")]
    return [ok("clock", found)]


def look_at_features(exchange: "CcxtExchange", *, is_live: bool) -> Iterator[Finding]:
    """What it can do, and what is done instead of what it cannot; what a grid cannot do without only where live."""
    missing = exchange.missing()
    if missing and is_live:
        yield fail("features", f"{exchange.name} lacks {', '.join(missing)}", "choose another exchange")
    there = [feature.name for feature in exchange.features() if feature.is_there]
    yield ok("features", f"there: {', '.join(there) or 'none of the optional ones'}")
    for feature in exchange.features():
        if not feature.is_there:
            yield ok("features", f"not there: {feature.name}; instead: {feature.instead}")


def _host(address: str) -> str:
    """A proxy without its user and password."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        port = parts.port
    except ValueError:
        port = None
    return f"{parts.hostname or 'somewhere'}{f':{port}' if port else ''}"


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
