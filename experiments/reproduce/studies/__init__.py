"""The studies by name; each is loaded when it is asked for."""

from importlib import import_module
from typing import TYPE_CHECKING

from app.lirf.errors import InvalidInputError

if TYPE_CHECKING:
    from experiments.reproduce.study import Study

NAMES = (
    "table1",
    "table2",
    "table3",
    "figure2",
    "main-table1",
    "pairs",
    "below-output",
    "subset",
    "front",
    "hard-views",
)


def load(name: str) -> "Study":
    """The study of that name: ``STUDY`` of the module of the same name.

    Raises:
        InvalidInputError: there is none.
    """
    if name not in NAMES:
        raise InvalidInputError("study", f"There is no study {name!r}.", f"Choose among {', '.join(NAMES)}.")
    study: Study = import_module(f"{__name__}.{name.replace('-', '_')}").STUDY
    return study
