"""What both networks learn from: T0, frozen, and T*, which answers as T0 would without the deposited evidence."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from app.lirf.augmentation import flip, shift
from app.lirf.config import DepositConfig
from app.lirf.losses import forgetful, forgetting_pull, random_labels
from app.lirf.networks import classifier
from app.lirf.objectives import Batch, Parts, of_residual_set
from app.lirf.surrogates import disguise, faint_mixup, surrogates

LOW = 0.4
"""Where T* leaves deposited logits: so many standard deviations of T0's logits below their mean."""


@dataclass(frozen=True)
class Teacher:
    """T0 in the form it is asked in, and how far T* is from it.

    Attributes:
        shallow: T0^(-n), frozen.
        parts: T and T_r^i, for the shared deep part and the classes.
        config: of the deposit.
        gone: the classes of this deposit.
        pull: see `losses.forgetting_pull`, [F, k].
    """

    shallow: nn.Module
    parts: Parts
    config: DepositConfig
    gone: tuple[int, ...]
    pull: Tensor

    @classmethod
    def of(cls, shallow: nn.Module, parts: Parts, config: DepositConfig) -> "Teacher":
        gone = tuple(index for owner, _ in parts.branches for index in owner.classes)
        rows = classifier(parts.head).weight.detach()[list(parts.present)]
        places = [parts.present.index(index) for index in gone]
        return cls(shallow, parts, config, gone, forgetting_pull(rows, places))

    def batch(
        self,
        inputs: Tensor,
        labels: Tensor,
        owners: Tensor,
        chance: torch.Generator,
        kept: Tensor | None = None,
    ) -> Batch:
        """Augment deposit images, add surrogates, draw y_r and ask T0 and T*, all without gradients.

        Args:
            inputs: normalised, [N, C, H, W].
            labels: int64 [N], on the CPU.
            owners: int64 [N], the index of each sample's set.
            chance: the source of every draw.
            kept: normalised images of a retain set, [N // 2, ...], in place of half of the surrogates.
        """
        config, device = self.config, inputs.device
        owners = owners.to(device)
        inputs = self._augmented(inputs, chance)
        random = random_labels(labels, self.parts.present, chance)
        with torch.no_grad():
            everything = (
                torch.cat([inputs, self._surrogates(inputs, kept, chance)]) if config.surrogates else inputs
            )
            features = self.shallow(everything)
            maps, logits = self.parts.deep(features)
            taught_logits, taught_maps = self._taught(inputs, owners, maps, logits, chance)
        return Batch(
            inputs=everything,
            labels=labels.to(device),
            random=random.to(device),
            owner=owners,
            features=features.float(),
            maps=maps,
            logits=logits,
            taught_maps=taught_maps,
            taught_logits=taught_logits,
        )

    def _augmented(self, images: Tensor, chance: torch.Generator) -> Tensor:
        moved = shift(images, self.config.shift, chance)
        return flip(moved, chance) if self.config.flip else moved

    def _surrogates(self, inputs: Tensor, kept: Tensor | None, chance: torch.Generator) -> Tensor:
        """N surrogates, or every other one of them and the kept images, which need no disguise."""
        made = surrogates(inputs, self.config.surrogates, chance)
        made = made if kept is None else made[::2]
        if self.config.disguise:
            made = disguise(made, self._logits, self.parts.preserved, self.config.disguise, chance)
        return made if kept is None else torch.cat([made, self._augmented(kept.to(made.device), chance)])

    def _logits(self, inputs: Tensor) -> Tensor:
        return self.parts.deep(self.shallow(inputs))[1]

    def _taught(
        self, inputs: Tensor, owners: Tensor, maps: Tensor, logits: Tensor, chance: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """T*: evidence of deposited classes taken out; for samples of residual sets T0 on disturbed views."""
        seen = logits[:, list(self.parts.present)]
        low = seen.mean() - LOW * seen.std()
        weight = classifier(self.parts.head).weight
        taught_logits, taught_maps = forgetful(logits, maps, self.pull, weight, self.gone, low)
        residual = of_residual_set(owners, self.parts.branches)
        if bool(residual.any()):
            unseen_maps, unseen_logits = self.parts.deep(self.shallow(faint_mixup(inputs, chance)))
            own = residual.nonzero().flatten()
            taught_logits = taught_logits.index_copy(0, own, unseen_logits[own])
            taught_maps = taught_maps.index_copy(0, own, unseen_maps[own])
        return taught_logits, taught_maps
