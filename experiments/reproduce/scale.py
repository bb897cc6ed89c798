"""How much of a study is run; whatever is less than everything is said in every row."""

from dataclasses import dataclass
from typing import Any, Self

import torch

from app.lirf.config import DepositConfig
from app.lirf.data.dataset import ImageDataset
from app.lirf.errors import InvalidInputError

FULL = "full"
SHARE_SEED = 2022
_FORMS = (
    "Give full, or train=SHARE, epochs=N or both, e.g. train=0.2,epochs=2; test images are never reduced."
)


@dataclass(frozen=True)
class Scale:
    """A share of the training images, and the epochs of every deposit; all test images are always measured.

    Attributes:
        train: share of each class's training images, 0..1.
        epochs: passes of a deposit over its set, exactly; None leaves what the method says.
    """

    train: float = 1.0
    epochs: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.train <= 1:
            raise InvalidInputError("scale.train", f"{self.train} is no share of the images.", _FORMS)
        if self.epochs is not None and self.epochs < 1:
            raise InvalidInputError("scale.epochs", f"{self.epochs} is too few.", _FORMS)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``full`` or ``train=0.2,epochs=2``.

        Raises:
            InvalidInputError: another form, a name given twice, or a number out of range.
        """
        if text.strip() == FULL:
            return cls()
        given: dict[str, Any] = {}
        for part in text.split(","):
            name, _, value = (piece.strip() for piece in part.partition("="))
            if name not in cls.__dataclass_fields__ or name in given:
                raise InvalidInputError("scale", f"{part.strip()!r} is not understood.", _FORMS)
            try:
                given[name] = int(value) if name == "epochs" else float(value)
            except ValueError as error:
                raise InvalidInputError(f"scale.{name}", f"{value!r} is no number.", _FORMS) from error
        return cls(**given)

    @property
    def text(self) -> str:
        """``full``, or what is reduced, in the form that `parse` reads."""
        parts = [f"train={self.train:g}"] if self.train < 1 else []
        parts += [f"epochs={self.epochs}"] if self.epochs is not None else []
        return ",".join(parts) or FULL

    @property
    def changes(self) -> dict[str, int]:
        """Of every deposit's configuration; a least number of steps would silently raise the epochs again."""
        if self.epochs is None:
            return {}
        least = {"min_steps": 1} if "min_steps" in DepositConfig.__dataclass_fields__ else {}
        return {"epochs": self.epochs, **least}


def share_of(dataset: ImageDataset, share: float) -> ImageDataset:
    """The given share of each class's rows, one at least, in the order they had; always the same rows."""
    if share == 1:
        return dataset
    chance = torch.Generator().manual_seed(SHARE_SEED)
    chosen = []
    for label in torch.unique(dataset.labels).tolist():
        rows = (dataset.labels == label).nonzero().flatten()
        order = torch.randperm(len(rows), generator=chance)
        chosen.append(rows[order[: max(1, round(share * len(rows)))]])
    return dataset.subset(torch.cat(chosen).sort().values)
