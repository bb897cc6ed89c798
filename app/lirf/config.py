"""What a caller decides about a deposit and about training; plain values, importable without the loops."""

from dataclasses import dataclass, replace
from typing import Any, Literal, Self, get_args

from app.lirf.checks import require_setting
from app.lirf.errors import InvalidInputError
from app.lirf.precision import Precision
from app.lirf.progress import Progress
from app.lirf.surrogates import KINDS
from app.lirf.train_config import TrainConfig

__all__ = ["DepositConfig", "Objective", "Progress", "TrainConfig"]

Objective = Literal["lirf", "lirf+"]


@dataclass(frozen=True)
class DepositConfig:
    """Hyper-parameters of a deposit; the defaults are those of ``lirf+``.

    Attributes:
        objective: ``lirf`` is the paper's objective (random labels), ``lirf+`` the one that measures best.
        epochs: passes over the deposit set; raised where a small set would give fewer than ``min_steps``.
        min_steps: least number of optimiser steps; half as many more in ``lirf+`` where a set shares its classes.
        batch_size: deposit images per step; ``lirf+`` adds as many surrogates.
        learning_rate: peak of the cosine schedule.
        optimiser: ``adam`` or ``sgd`` (momentum 0.9).
        clip_norm: the gradient's greatest norm per step.
        prune_ratio: share of the filters removed from each prunable layer of the deposit module.
        seal_rows: take the deposited classes' classifier rows out of the target, into the module.
        freeze_statistics: keep BatchNorm's running means and variances as they were.
        temperature: τ of every distillation.
        lambda_kr: weight of knowledge removal: random labels in ``lirf``, the forgetting teacher T* in ``lirf+``.
        lambda_at: weight of the attention loss inside L_kr (``lirf`` only).
        lambda_kp: weight of knowledge preservation: on D_r in ``lirf``, on surrogates in ``lirf+``.
        lambda_re: weight of the recover loss (cross entropy in ``lirf``, distillation of T~ in ``lirf+``).
        lambda_pt: weight of partial knowledge transfer: on the deposit logits alone in ``lirf``, of T0 with the
            module's deposit logits in ``lirf+``.
        lambda_level: weight of the squared error of the module's deposit logits (``lirf+`` only).
        lambda_map: weight of matching T*'s feature maps before the classifier (``lirf+`` only).
        lambda_all: weight of distilling all logits into the deposit module (``lirf+`` only).
        lambda_feature: weight of feature matching in the deposit module (``lirf+`` only).
        strength: from 0, where only the answers forget, how thoroughly the features do too: the weight of what a
            linear reader of the features still tells of the deposited classes (``lirf+`` only).
        surrogates: kinds of off-manifold inputs (``lirf+`` only), in equal shares; a kind named twice has two.
        disguise: size of one step that moves each surrogate towards a preserved class of T0, root mean square per
            normalised pixel (``lirf+`` only).
        reconstruct: choose the module's filters and fit it to T0 by least squares before training.
        calibrate: set the level of the module's logits beside the target's after training (sets of whole classes).
        whiten: train kernels in whitened coordinates (Adam only).
        precision: of products; ``auto`` is bfloat16 where the device has it in hardware, else float32.
        shift: augment deposit images by up to this many pixels each way.
        flip: mirror half of the deposit images; T0 judges what they show, no label is assumed.
        seed: of every random choice.
    """

    objective: Objective = "lirf+"
    epochs: int = 2
    min_steps: int = 200
    batch_size: int = 128
    learning_rate: float = 5e-3
    optimiser: Literal["adam", "sgd"] = "adam"
    clip_norm: float = 5.0
    prune_ratio: float = 0.5
    seal_rows: bool = True
    freeze_statistics: bool = True
    temperature: float = 2.0
    lambda_kr: float = 0.5
    lambda_at: float = 0.0
    lambda_kp: float = 0.5
    lambda_re: float = 4.0
    lambda_pt: float = 1.0
    lambda_level: float = 0.3
    lambda_map: float = 3.0
    lambda_all: float = 1.0
    lambda_feature: float = 2.5
    strength: float = 0.5
    surrogates: tuple[str, ...] = ("patch_mix", "turned_crop", "turned_crop")
    disguise: float = 0.05
    reconstruct: bool = True
    calibrate: bool = True
    whiten: bool = True
    precision: Precision = "auto"
    shift: int = 0
    flip: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for field in ("epochs", "min_steps", "batch_size"):
            require_setting(
                field, getattr(self, field), getattr(self, field) >= 1, "Give a whole number from 1."
            )
        for field in ("learning_rate", "clip_norm", "temperature"):
            require_setting(
                field, getattr(self, field), 0 < getattr(self, field) < float("inf"), "Give a number above 0."
            )
        weights = [name for name in self.__dataclass_fields__ if name.startswith("lambda_")]
        for field in (*weights, "strength", "disguise"):
            require_setting(
                field, getattr(self, field), 0 <= getattr(self, field) < float("inf"), "Give 0 or more."
            )
        require_setting(
            "prune_ratio", self.prune_ratio, 0 <= self.prune_ratio < 1, "Choose from 0 to just under 1."
        )
        require_setting("shift", self.shift, self.shift >= 0, "Give 0 or more pixels.")
        require_setting(
            "objective", self.objective, self.objective in ("lirf", "lirf+"), 'Choose "lirf" or "lirf+".'
        )
        require_setting(
            "optimiser", self.optimiser, self.optimiser in ("adam", "sgd"), 'Choose "adam" or "sgd".'
        )

        precisions = get_args(Precision)
        require_setting(
            "precision",
            self.precision,
            self.precision in precisions,
            f"Choose among {', '.join(precisions)}.",
        )
        unknown = sorted(set(self.surrogates) - set(KINDS))
        require_setting("surrogates", unknown, not unknown, f"Choose among {', '.join(KINDS)}.")
        require_setting(
            "surrogates",
            self.surrogates,
            self.objective != "lirf" or not self.surrogates,
            "The objective lirf learns from deposit images alone: give none, or choose lirf+.",
        )

    @classmethod
    def lirf(cls, **changes: Any) -> Self:
        """The paper's objective: 20 epochs on D_r, BatchNorm in training mode, rows left in place.

        The paper prints no weights. τ = 4 and KD to cross entropy as 9 to 1 are the defaults of the code base that
        the official code descends from (VITA-Group/Nasty-Teacher).
        """
        paper = cls(
            objective="lirf",
            epochs=20,
            batch_size=128,
            learning_rate=1e-2,
            optimiser="sgd",
            seal_rows=False,
            freeze_statistics=False,
            temperature=4.0,
            lambda_kr=1.0,
            lambda_at=1.0,
            lambda_kp=9.0,
            lambda_re=1.0,
            lambda_pt=9.0,
            lambda_level=0.0,
            lambda_map=0.0,
            lambda_all=0.0,
            lambda_feature=0.0,
            strength=0.0,
            surrogates=(),
            disguise=0.0,
            reconstruct=False,
            calibrate=False,
            whiten=False,
            flip=False,
        )
        return replace(paper, **changes)

    @classmethod
    def lirf_plus(cls, **changes: Any) -> Self:
        """The objective that measures best; see experiments/NOTES.md for the figures behind each value."""
        return cls(**changes)

    @classmethod
    def of(cls, objective: Objective, **changes: Any) -> Self:
        """The defaults of an objective by its name, with changes.

        Raises:
            InvalidInputError: unknown objective, unknown field or value out of range.
        """
        unknown = sorted(set(changes) - set(cls.__dataclass_fields__))
        if unknown:
            raise InvalidInputError(
                f"config.{unknown[0]}",
                "there is no such setting.",
                f"Choose among {', '.join(cls.__dataclass_fields__)}.",
            )
        return cls.lirf(**changes) if objective == "lirf" else cls(**{**changes, "objective": objective})
