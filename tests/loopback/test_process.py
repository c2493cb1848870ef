"""The loopback exchange as a process of its own: started, spoken to, steered over stdin, and ended with its truth."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.loopback.clients import QUICK

ROOT = Path(__file__).parents[2]


class Other:
    """The process, spoken to line by line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.state = self.read()

    def read(self) -> dict[str, Any]:
        """The next line."""
        assert self.process.stdout is not None
        told: dict[str, Any] = json.loads(self.process.stdout.readline())
        return told

    def ask(self, **what: Any) -> dict[str, Any]:
        """One command and its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        return self.read()


@contextmanager
def running(*arguments: str) -> Iterator[Other]:
    """Start it; end it with its standard input."""
    command = [sys.executable, "-m", "tests.loopback", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Other(process)
        finally:
            process.kill()


async def test_an_engine_may_come_and_go_while_the_exchange_stays(tmp_path: Path) -> None:
    import ccxt.pro

    state_file = tmp_path / "exchange.json"
    with running("--protocol", "binance", "--state-file", str(state_file)) as other:
        known = json.loads(state_file.read_text())
        assert known == other.state
        for client_id in ("g1", "g2"):
            keys = {"apiKey": known["apiKey"], "secret": known["secret"]}
            client = ccxt.pro.binance({**known["ccxt"], **keys, **QUICK})
            await client.create_order("BTC/USDT", "limit", "buy", "0.001", "59000", {"clientOrderId": client_id})
            await client.close()
        assert other.ask(do="print", market="BTCUSDT", price="59000") == {"ok": True}
        assert other.ask(do="nonsense")["error"].startswith('ValueError("expected one of print, place')
        told = other.ask(do="truth")
        assert [fill["client_id"] for fill in told["truth"]["fills"]] == ["g1", "g2"]
        assert other.ask(do="quit") == told
        assert other.process.wait(timeout=10) == 0
