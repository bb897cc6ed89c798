from collections.abc import Sequence

import torch
from torch import Tensor, nn

from app.lirf.config import DepositConfig
from app.lirf.whitening import Whitened


class Optimiser:
    """Adam or SGD under a cosine schedule, with clipped gradients and, if asked for, whitened kernels.

    Attributes:
        taken: steps until now.
    """

    def __init__(
        self,
        config: DepositConfig,
        trained: nn.ModuleList,
        examples: Tensor,
        *,
        steps: int,
        generator: torch.Generator,
    ) -> None:
        self.taken = 0
        self._clip_norm = config.clip_norm
        self._whitened = Whitened(trained, examples, generator) if config.whiten else None
        parameters = self._whitened.parameters if self._whitened else list(trained.parameters())
        self._parameters: Sequence[nn.Parameter] = parameters
        if config.optimiser == "sgd":
            self._optimiser: torch.optim.Optimizer = torch.optim.SGD(
                parameters, lr=config.learning_rate, momentum=0.9
            )
        else:
            self._optimiser = torch.optim.Adam(parameters, lr=config.learning_rate)
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self._optimiser, T_max=steps)

    def step(self, total: Tensor) -> None:
        """Differentiate the loss and move the parameters."""
        self._optimiser.zero_grad()
        torch.autograd.backward(total)
        if self._whitened:
            self._whitened.before_step()
        nn.utils.clip_grad_norm_(self._parameters, self._clip_norm)
        self._optimiser.step()
        self._schedule.step()
        self.taken += 1
        if self._whitened:
            self._whitened.after_step()
