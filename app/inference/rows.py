"""Eq. 5 as one matrix: the classifier of a target or recover net over the features of all its parts."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from app.inference.nets import Probabilities
from app.lirf.networks import classifier
from app.lirf.recover import RecoverNet


@dataclass(frozen=True)
class Rows:
    """What each class reads of the features of the target and of each branch, side by side.

    A class that a module owns reads that module's branch alone, every other one the target and the residual modules.

    Attributes:
        weight: [classes, parts · width].
        bias: [classes].
        width: features of one part.
    """

    weight: Tensor
    bias: Tensor
    width: int

    @classmethod
    @torch.no_grad()
    def of(cls, net: RecoverNet) -> "Rows":
        own, restored = classifier(net.head), classifier(net.restored_head)
        classes, width = own.weight.shape
        modules = net.modules_in_order
        weight, bias = own.weight.new_zeros(classes, 1 + len(modules), width), own.bias.clone()
        weight[:, 0] = own.weight
        for part, module in enumerate(modules, start=1):
            if module.filter.kind == "residual":
                weight[:, part] = own.weight
        for part, module in enumerate(modules, start=1):
            if module.filter.kind == "classes":
                mine = list(module.filter.classes)
                weight[mine] = 0
                weight[mine, part] = restored.weight[mine]
                bias[mine] = restored.bias[mine] + net.level[mine]
        return cls(weight.flatten(1), bias, width)

    @torch.inference_mode()
    def probabilities(self, features: npt.NDArray[np.float32]) -> Probabilities:
        """Softmax over classes: features [parts · N, width], one part after the other -> [N, classes]."""
        parts = self.weight.shape[1] // self.width
        beside = torch.from_numpy(features).reshape(parts, -1, self.width).transpose(0, 1).flatten(1)
        answers: Probabilities = F.linear(beside, self.weight, self.bias).softmax(dim=1).numpy()
        return answers

    def of_one(self, features: npt.NDArray[np.float32]) -> Probabilities:
        """`probabilities` of exactly one image by NumPy: PyTorch's code has left the cache between two of them."""
        weight, bias = self._arrays
        logits: Probabilities = np.einsum("cf,f->c", weight, features.ravel())
        logits += bias
        logits -= logits.max()
        np.exp(logits, out=logits)
        logits /= logits.sum()
        return logits[np.newaxis]

    @cached_property
    def _arrays(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        return self.weight.detach().numpy(), self.bias.detach().numpy()
