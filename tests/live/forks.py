"""The real program many times over: one process that has imported everything, and a fork of it for each command line.

A fork runs ``tui.main.main`` with a folder, an environment and files of its own for what it says, and ends as the
program would; only the seconds that the imports take are saved. ``python -m tests.live.forks`` is that process.
"""

import json
import os
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.program import TOP, Outcome

SECONDS_MAX = 60
_ANSWER_BYTES_MAX = 100
_OUT, _ERR = "said.out", "said.err"


class Forks:
    """Command lines, one after the other."""

    def __init__(self, process: Process) -> None:
        self._process = process
        assert process.stdout is not None
        self._answers = BufferedByteReceiveStream(process.stdout)

    async def run(
        self, folder: Path, *words: str, environment: dict[str, str] | None = None, open_seconds: float = 60
    ) -> Outcome:
        """Run the program in ``folder`` to its end; it gives up on an exchange after ``open_seconds``."""
        asked = {
            "words": words,
            "folder": str(folder),
            "environment": environment or {},
            "open_seconds": open_seconds,
        }
        assert self._process.stdin is not None
        with anyio.fail_after(SECONDS_MAX):
            await self._process.stdin.send(json.dumps(asked).encode() + b"\n")
            code = int(await self._answers.receive_until(b"\n", _ANSWER_BYTES_MAX))
        return Outcome(code=code, out=(folder / _OUT).read_text(), err=(folder / _ERR).read_text())


@asynccontextmanager
async def open_forks() -> AsyncIterator[Forks]:
    """The process, until the block ends."""
    around = {**os.environ, "PYTHONPATH": str(TOP)}
    async with await anyio.open_process([sys.executable, "-m", __name__], env=around, stderr=None) as process:
        try:
            yield Forks(process)
        finally:
            process.kill()


def _serve() -> None:
    """Fork for every line; the end of stdin is the end."""
    main = _imported()
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(asked, main)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _imported() -> Callable[[list[str]], int]:
    """The program with everything that a real exchange needs."""
    import engine.cli.account
    import engine.exchange.ccxt_exchange
    import engine.runtime.account_plan
    import engine.runtime.exchange_keys
    import engine.runtime.headless
    import engine.runtime.real_exchange  # noqa: F401 - what is imported here is not imported by every fork
    from tui.main import main

    return main


def _become(asked: dict[str, Any], main: Callable[[list[str]], int]) -> None:
    """Be the program, and end as it."""
    folder = Path(asked["folder"])
    os.chdir(folder)
    os.environ.update(asked["environment"])
    for number, name in ((0, os.devnull), (1, _OUT), (2, _ERR)):
        file = os.open(name, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    from engine.exchange.foreign import exchange

    exchange.OPEN_SECONDS_MAX = asked["open_seconds"]
    code = 1
    try:
        code = main(asked["words"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - as Python itself would end
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
