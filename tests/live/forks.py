"""The real program many times over: one process that has imported everything, and a fork of it for each command line.

A fork runs ``tui.main.main`` with a folder, an environment and files of its own for what it says, and ends as the
program would; only the seconds that the imports take are saved. ``python -m tests.live.forks`` is that process.
"""

import json
import logging
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import anyio

from tests.program import TOP, Outcome

SECONDS_MAX = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """A program that was started; what it says is in two files."""

    process: int
    out: Path
    err: Path


class Forks:
    """Starts one command line after the other; they run side by side."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._count = 0

    async def start(
        self,
        folder: Path,
        words: Sequence[str],
        *,
        environment: Mapping[str, str],
        open_seconds: float = 1,
        is_logged_in_full: bool = False,
    ) -> Fork:
        """Start the program in ``folder``. It gives up on an exchange after ``open_seconds``.

        ``is_logged_in_full``: everything goes to the log, what is for debugging too.
        """
        self._count += 1
        out, err = (folder / f"said-{self._count}.{name}" for name in ("out", "err"))
        asked = {
            "words": list(words),
            "folder": str(folder),
            "environment": dict(environment),
            "files": [os.devnull, str(out), str(err)],
            "open_seconds": open_seconds,
            "is_logged_in_full": is_logged_in_full,
        }
        return Fork(process=await self._ask(asked), out=out, err=err)

    async def end(self, fork: Fork) -> Outcome:
        """Wait for its end."""
        code = await self._ask({"end": fork.process})
        return Outcome(code=code, out=fork.out.read_text(), err=fork.err.read_text())

    async def _ask(self, asked: Mapping[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
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
    """Answer every line: a child's process, or how one has ended; the end of stdin is the end."""
    main = _imported()
    while line := sys.stdin.readline():
        asked = json.loads(line)
        if "end" in asked:
            answer = os.waitstatus_to_exitcode(os.waitpid(asked["end"], 0)[1])
        elif (answer := os.fork()) == 0:
            _become(asked, main)
        print(answer, flush=True)


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
        for number, name in enumerate(asked["files"]):
            file = os.open(name, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(file, number)
            os.close(file)
        from engine.exchange.foreign import exchange

        exchange.OPEN_SECONDS_MAX = asked["open_seconds"]
        if asked["is_logged_in_full"]:
            _log_in_full()
        code = main(asked["words"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - as Python itself would tell of it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _log_in_full() -> None:
    configure = logging.basicConfig
    logging.basicConfig = lambda **wished: configure(**{**wished, "level": logging.DEBUG})


if __name__ == "__main__":
    _serve()
