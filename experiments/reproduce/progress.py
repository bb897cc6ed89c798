"""Two bars: cells, and the steps of what runs now."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from experiments.reproduce.study import Cell


class Bars:
    """The bars, and a line above them for every cell that ends."""

    def __init__(self, progress: Progress, title: str, cells: int) -> None:
        self._progress = progress
        self._cells: TaskID = progress.add_task(title, total=cells)
        self._steps: TaskID = progress.add_task("", total=None, visible=False)
        self._what = ""

    def step(self, what: str, done: int, total: int) -> None:
        """A `bench.Watch`."""
        if what != self._what or done == 1:
            self._what = what
            self._progress.reset(self._steps, total=total, description=escape(what), visible=True)
        self._progress.update(self._steps, completed=done, total=total)

    def told(self, cell: Cell, what: str) -> None:
        """A `run.Told`."""
        self._progress.console.print(f"{escape(cell.key)}: {escape(what)}")
        self._progress.update(self._cells, advance=1)
        self._progress.update(self._steps, visible=False)


@contextmanager
def bars(title: str, cells: int, console: Console) -> Iterator[Bars]:
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console) as progress:
        yield Bars(progress, title, cells)
