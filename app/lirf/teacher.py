"""What both networks learn from: T0, frozen, and T*, which answers as T0 would without the deposited evidence."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from app.lirf.augmentation import flip, shift
from app.lirf.config import DepositConfig
from app.lirf.framing import covered, moved
from app.lirf.losses import feature_change, forgetful, forgetting_pull, random_labels
from app.lirf.networks import classifier
from app.lirf.objectives import Batch, Parts, of_residual_set
from app.lirf.surrogates import disguise, surrogates

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
        corners: Tensor | None = None,
        kept: Tensor | None = None,
    ) -> Batch:
        """Augment deposit images, add surrogates, draw y_r and ask T0 and T*, all without gradients.

        Args:
            inputs: normalised, [N, C, H, W].
            labels: int64 [N], on the CPU.
            owners: int64 [N], the index of each sample's set.
            chance: the source of every draw.
            corners: int64 [N, 2], where the hole of each sample begins: what T0 says of a residual set's samples
                with their holes is what T should say without; needed for such sets.
            kept: normalised images of a retain set, [N // 2, ...], in place of half of the surrogates.
        """
        config, device = self.config, inputs.device
        shared = of_residual_set(owners, self.parts.branches).to(device)
        owners = owners.to(device)
        if corners is not None and bool(shared.any()):
            inputs, unseen = self._with_unseen(inputs, corners, chance)
        else:
            inputs = unseen = self._augmented(inputs, chance)
        random = random_labels(labels, self.parts.present, chance)
        with torch.no_grad():
            everything = (
                torch.cat([inputs, self._surrogates(inputs, shared, kept, chance)])
                if config.surrogates
                else inputs
            )
            features = self.shallow(everything)
            maps, logits = self.parts.deep(features)
            taught_logits, taught_maps = self._taught(unseen, shared, maps, logits)
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
        turned = shift(images, self.config.shift, chance)
        return flip(turned, chance) if self.config.flip else turned

    def _with_unseen(self, inputs: Tensor, corners: Tensor, chance: torch.Generator) -> tuple[Tensor, Tensor]:
        """Deposit images and the same with their holes, augmented alike."""
        both = self._augmented(torch.cat([inputs, covered(inputs, corners)], dim=1), chance)
        shown, unseen = both.chunk(2, dim=1)
        return _channels_last(shown), _channels_last(unseen)

    def _surrogates(
        self, inputs: Tensor, shared: Tensor, kept: Tensor | None, chance: torch.Generator
    ) -> Tensor:
        """N surrogates, or every other one of them and the kept images, which need no disguise.

        Those of residual sets are their own samples, moved: the data to be kept is of the same kind.
        """
        step = 1 if kept is None else 2
        own = shared[::step]
        made = moved(inputs, chance)[::step] if bool(own.any()) else inputs[::step]
        if not bool(own.all()):
            mixed = surrogates(inputs, self.config.surrogates, chance)[::step]
            if self.config.disguise:
                mixed = disguise(mixed, self._logits, self.parts.preserved, self.config.disguise, chance)
            made = torch.where(own[:, None, None, None], made, mixed)
        made = _channels_last(made)
        return made if kept is None else torch.cat([made, self._augmented(kept.to(made.device), chance)])

    def _logits(self, inputs: Tensor) -> Tensor:
        return self.parts.deep(self.shallow(inputs))[1]

    def _taught(self, unseen: Tensor, shared: Tensor, maps: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
        """T*: evidence of deposited classes taken out; for samples of residual sets what T0 says of the unseen."""
        seen = logits[:, list(self.parts.present)]
        low = seen.mean() - LOW * seen.std()
        weight = classifier(self.parts.head).weight
        taught_logits, taught_maps = forgetful(logits, maps, self.pull, weight, self.gone, low)
        if bool(shared.any()):
            own = shared.nonzero().flatten()
            unseen_logits = self._logits(unseen[own])
            change = feature_change(unseen_logits - logits[own], maps[own], weight)
            taught_logits = taught_logits.index_copy(0, own, unseen_logits)
            taught_maps = taught_maps.index_copy(0, own, maps[own] + change)
        return taught_logits, taught_maps


def _channels_last(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)
