"""Where reduced precision pays: products in bfloat16; weights, statistics and updates stay in float32."""

from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]


def bfloat16_pays(device: str | torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware; elsewhere it is emulated and slower than float32."""
    if torch.device(device).type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def mixed(device: str | torch.device, precision: Precision) -> torch.autocast:
    """A context in which products run in the precision asked for; ``auto`` takes bfloat16 where it pays.

    Weights are cast anew in each context, so enter it once per step.
    """
    wanted = precision == "bfloat16" or (precision == "auto" and bfloat16_pays(device))
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=wanted)
