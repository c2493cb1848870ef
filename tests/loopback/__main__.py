"""The loopback exchange as a process: ``python -m tests.loopback --protocol binance --port 0 --state-file PATH``.

When it serves, the state file holds one JSON object: ``port``, ``http``, ``ws``, ``pid``, ``apiKey``, ``secret``
and ``ccxt``, the options for the ccxt client. Commands (``control.py``) come as JSON lines on stdin, answers go to
stdout, or over ``POST /_control``. The end of stdin, or ``{"do": "quit"}``, ends it; then the truth is on stdout.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import anyio

from tests.loopback.control import obey
from tests.loopback.server import LoopbackServer, loopback


def main() -> None:
    """Serve until stdin ends."""
    parser = argparse.ArgumentParser(prog="python -m tests.loopback")
    parser.add_argument("--protocol", choices=("binance", "bybit"), default="binance")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--state-file", type=Path)
    parser.add_argument("--forever", action="store_true", help="do not end with stdin")
    anyio.run(_serve, parser.parse_args())


async def _serve(arguments: argparse.Namespace) -> None:
    async with loopback(arguments.protocol, port=arguments.port, seed=arguments.seed) as server:
        state = _state(server)
        if arguments.state_file is not None:
            _write(arguments.state_file, state)
        _say(state)
        while line := await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
            command = json.loads(line)
            if command.get("do") == "quit":
                break
            _say(_answer(server, command))
        else:
            if arguments.forever:
                await anyio.sleep_forever()
        _say({"truth": server.venue.truth(), "checksum": server.venue.checksum()})


def _answer(server: LoopbackServer, command: dict[str, Any]) -> dict[str, Any]:
    try:
        return obey(server, command)
    except (ValueError, KeyError) as wrong:
        return {"error": repr(wrong)}


def _state(server: LoopbackServer) -> dict[str, Any]:
    return {
        "port": server.port,
        "http": server.http,
        "ws": server.ws,
        "pid": os.getpid(),
        **server.ccxt_keys(),
        "ccxt": server.ccxt_options(),
    }


def _write(path: Path, state: dict[str, Any]) -> None:
    """Whole or not at all, since somebody waits for it to appear."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(state))
    draft.replace(path)


def _say(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
