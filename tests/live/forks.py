"""The real program many times over: one process that has imported everything, and a fork of it for each command line.

A fork runs ``tui.main.main`` with a folder, an environment and files of its own for what it says, and ends as the
program would; only the seconds that the imports take are saved. ``python -m tests.live.forks`` is that process.
"""

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import anyio

from tests.program import TOP, Outcome

SECONDS_MAX = 30
_OUT, _ERR = "said.out", "said.err"


class Forks:
    """Command lines, one after the other."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    async def start(
        self, folder: Path, words: Sequence[str], *, environment: Mapping[str, str], open_seconds: float = 3
    ) -> int:
        """Start the program in ``folder``; its process. It gives up on an exchange after ``open_seconds``."""
        asked = {
            "words": list(words),
            "folder": str(folder),
            "environment": dict(environment),
            "open_seconds": open_seconds,
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return await self._answer()

    async def end(self, folder: Path) -> Outcome:
        """Wait for the end of what was started last, in ``folder``."""
        code = await self._answer()
        return Outcome(code=code, out=(folder / _OUT).read_text(), err=(folder / _ERR).read_text())

    async def _answer(self) -> int:
        assert self._process.stdout is not None
        with anyio.fail_after(SECONDS_MAX):
            return int(await anyio.to_thread.run_sync(self._process.stdout.readline, abandon_on_cancel=True))


@contextmanager
def open_forks() -> Iterator[Forks]:
    """The process, until the block ends."""
    with subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(TOP)},
        cwd=TOP,
        text=True,
    ) as process:
        try:
            yield Forks(process)
        finally:
            process.kill()


def _serve() -> None:
    """Fork for every line, tell the child's process and then how it ended; the end of stdin is the end."""
    main = _imported()
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            _become(json.loads(line), main)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _imported() -> Callable[[list[str]], int]:
    """The program with everything that a real exchange needs."""
    import engine.cli.account
    import engine.exchange.ccxt_exchange
    import engine.runtime.account_plan
    import engine.runtime.exchange_keys
    import engine.runtime.headless
    import engine.runtime.real_exchange  # noqa: F401 - what is imported here no fork has to import
    from tui.main import main

    return main


def _become(asked: Mapping[str, Any], main: Callable[[list[str]], int]) -> NoReturn:
    """Be the program, and end as it."""
    code = 1
    try:
        os.chdir(asked["folder"])
        os.environ.update(asked["environment"])
        for number, name in ((0, os.devnull), (1, _OUT), (2, _ERR)):
            file = os.open(name, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(file, number)
            os.close(file)
        from engine.exchange.foreign import exchange

        exchange.OPEN_SECONDS_MAX = asked["open_seconds"]
        code = main(asked["words"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - as Python itself would tell of it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
