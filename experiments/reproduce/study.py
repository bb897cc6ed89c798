"""What a study, a cell and a published line are: frozen descriptions, made without any training."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from app.lirf.config import DepositConfig, Objective, TrainConfig

if TYPE_CHECKING:
    from experiments.reproduce.bench import Bench

METHODS = ("lirf", "lirf+")
ORIGINAL = "original"
"""Whose figures a line shows that is the same for every method and seed."""

Row = dict[str, Any]


class CellFailedError(Exception):
    """What a cell measured contradicts what it is to show: it has no row, the other cells are computed."""


@dataclass(frozen=True)
class Work:
    """One training behind a row.

    Attributes:
        record: what was trained, the samples it processed, its seconds, and where it ran.
        fresh: whether it ran just now, rather than in an earlier cell or run.
    """

    record: Mapping[str, Any]
    fresh: bool


@dataclass(frozen=True)
class Measured:
    """What a cell computes: the figures of its row, and the trainings behind them."""

    figures: Row
    works: tuple[Work, ...]


@dataclass(frozen=True)
class Cell:
    """One row of a study.

    Attributes:
        method: an objective's name, or what else distinguishes rows of the same setting.
        setting: what a line of the published table calls it.
        seed: of the deposit, or of whatever training the cell compares.
        compute: measures it; the same bench and cell give the same figures.
        config: of that training.
        arguments: whatever else decides the figures, as plain JSON values.
        not_run: why it is not computed, for a cell that cannot be or was not asked for.
    """

    method: str
    setting: str
    seed: int
    compute: Callable[["Bench", "Cell"], Measured]
    config: DepositConfig | TrainConfig
    arguments: Mapping[str, Any] = field(default_factory=dict)
    not_run: str | None = None

    @property
    def key(self) -> str:
        """What ``--cells`` is matched with."""
        return f"{self.method}/{self.setting}/seed{self.seed}"

    @property
    def facts(self) -> dict[str, Any]:
        """All of it that decides the figures."""
        return {
            "method": self.method,
            "setting": self.setting,
            "seed": self.seed,
            "config": asdict(self.config),
            "arguments": dict(self.arguments),
        }

    @property
    def deposit_config(self) -> DepositConfig:
        return cast("DepositConfig", self.config)

    @property
    def train_config(self) -> TrainConfig:
        return cast("TrainConfig", self.config)


@dataclass(frozen=True)
class Scope:
    """What cells are made for.

    Attributes:
        seeds: of the deposits.
        classes: the data set's class names, in the order of the outputs.
        train: how networks are trained on this data.
        changes: of every deposit's configuration, by a reduced scale.
        independent: whether networks are to be trained on parts of the data, for comparison.
    """

    seeds: tuple[int, ...]
    classes: tuple[str, ...]
    train: TrainConfig
    changes: Mapping[str, Any] = field(default_factory=dict)
    independent: bool = False

    def config(self, method: str, seed: int, **changes: Any) -> DepositConfig:
        """The method's own configuration with the seed, the scale's changes and further ones."""
        return DepositConfig.of(cast("Objective", method), **{"seed": seed, **self.changes, **changes})

    def first(self, percent: int, start: int = 0) -> tuple[int, ...] | None:
        """The classes from ``start`` on that make up so many percent of all; None if they are no whole number."""
        count, rest = divmod(percent * len(self.classes), 100)
        whole = rest == 0 and count > 0 and start + count < len(self.classes)
        return tuple(range(start, start + count)) if whole else None


@dataclass(frozen=True)
class Line:
    """A line of the published table, and where its figures stand in our rows.

    Attributes:
        labels: one per label column of the study.
        setting: of the cells it shows.
        shows: column -> dotted place in a row, e.g. ``target.pre``.
        paper: column -> published figure.
        methods: one line each below the paper's; `ORIGINAL` for what no method or seed changes.
    """

    labels: tuple[str, ...]
    setting: str
    shows: Mapping[str, str]
    paper: Mapping[str, float] = field(default_factory=dict)
    methods: tuple[str, ...] = METHODS


@dataclass(frozen=True)
class Study:
    """A published table or figure, or one of our own.

    Attributes:
        name: as given on the command line.
        title: what it shows.
        source: where the published figures stand; empty for a study of our own.
        heads: headings of the label columns.
        columns: headings of the figures.
        lines: what is shown, in this order.
        cells: all of them, whatever is asked for in one run.
        table: rows -> Markdown.
        draw: rows -> a PNG at the path.
        notes: sentences that a reader of the table needs.
        units: of the figures.
        decimals: of the columns that have other than two.
    """

    name: str
    title: str
    source: str
    heads: tuple[str, ...]
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    cells: Callable[[Scope], Sequence[Cell]]
    table: Callable[["Study", Sequence[Row]], str]
    draw: Callable[["Study", Sequence[Row], Path], None]
    notes: tuple[str, ...] = ()
    units: str = "percent"
    decimals: Mapping[str, int] = field(default_factory=dict)

    @property
    def provenance(self) -> str:
        """In a sentence: what the figures can be compared with."""
        return (
            f"Published: {self.source}."
            if self.source
            else "A study of our own; nothing was published for it."
        )
