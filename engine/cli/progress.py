"""How far something is, on stderr: a bar where a person looks at a terminal, else a line now and then."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.cli.output import narrate
from engine.model.text import clean_text

_SECONDS_PER_LINE = 10.0
_LINE_MAX = 1000


class Bar:
    """What is told as it goes: ``move`` to a part of ``total`` with a word beside it, ``say`` a line."""

    def __init__(self, move: Callable[[int, int, str], None], say: Callable[[str], None]) -> None:
        self.move = move
        self.say = say


@contextmanager
def open_bar(title: str) -> Iterator[Bar]:
    """Show how far it is until the block ends."""
    if not sys.stderr.isatty():
        yield Bar(_Lines(title).move, narrate)
        return
    # Imported here: it is slow, and only a terminal needs it.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[word]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(clean_text(title, 60), total=None, word="")

        def move(done: int, total: int, word: str) -> None:
            progress.update(task, completed=done, total=total, word=clean_text(word, 60))

        yield Bar(move, lambda line: progress.console.print(Text(clean_text(line, _LINE_MAX))))


class _Lines:
    """A line at the beginning, at the end, and every few seconds between."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._told = -_SECONDS_PER_LINE
        self._line = ""

    def move(self, done: int, total: int, word: str) -> None:
        now = time.monotonic()
        if done < total and now - self._told < _SECONDS_PER_LINE:
            return
        line = f"{self._title}: {done * 100 // max(total, 1)}%, {word}"
        if line != self._line:
            narrate(line)
        self._told, self._line = now, line
