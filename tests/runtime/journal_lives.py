"""Lives of a process that writes a journal and is killed; each number read is one life with so many answers.

A process of its own without threads, so that it may fork; prints the last sequence that each life was
told is safe.
"""

import os
import signal
import sys
from pathlib import Path

import anyio

from engine.runtime.journal_file import open_journal
from tests.runtime.journal_builders import IDENTITY, fact_number


def main() -> None:
    folder = Path(sys.argv[1])
    for line in sys.stdin:
        print(killed_life(folder, acknowledgements=int(line)), flush=True)


def killed_life(folder: Path, acknowledgements: int) -> int:
    """Run ten writing tasks in a child, kill it, and return the last sequence it had told us is safe."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            anyio.run(load, folder, writer)
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader) as lines:
        told = [int(next(lines)) for _ in range(acknowledgements)]
        os.kill(child, signal.SIGKILL)
        told += [int(line) for line in lines if line.endswith("\n")]
    if os.waitpid(child, 0)[1] != signal.SIGKILL:
        raise SystemExit("expected that the child was killed, it had ended by itself")
    return max(told)


async def load(folder: Path, writer: int) -> None:
    async with open_journal(folder, IDENTITY) as journal, anyio.create_task_group() as tasks:

        async def append() -> None:
            while True:
                number = journal.head[0] + 1
                (record,) = await journal.append("btc", [fact_number(number)], number)
                os.write(writer, f"{record.sequence}\n".encode())

        for _ in range(10):
            tasks.start_soon(append)


if __name__ == "__main__":
    main()
