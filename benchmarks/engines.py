"""Which engine to serve with: images per second of each that was considered, on the same weights, in turns.

`make bench-engines` installs the two that the project does not use (`onnx`, `onnxruntime`) and writes
``results/engines.json``; without them they are left out, which the record says.
"""

import argparse
import copy
import importlib.util
import io
import os
import statistics
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.impatience import IMPATIENT

os.environ.update(IMPATIENT)  # before torch is loaded

import numpy as np
import openvino as ov
import torch
from torch import Tensor

from app.inference.compute import available_cores
from app.inference.engine import Engine, ServedNet
from app.inference.fusing import fused
from app.inference.lowering import ANY, lower, pixels
from app.lirf.networks import Network, create
from app.lirf.recover import RecoverNet
from app.lirf.train import seed_everything
from benchmarks.measure import rate, summary, taking_turns
from benchmarks.serving.lanes import on_all_lanes
from benchmarks.subject import SPEC, random_images
from experiments.record import circumstances, write_record

ARCHITECTURES = ("resnet20", "resnet56", "resnet18-cifar")
COMPILED_BY_TORCH = ("resnet20",)
BATCHES = (1, 8, 64)
CLASSES = 10
AGREEING = 2_000
LEAST_LOG_PROBABILITY = -80.0
"""What float32 can tell from never; random weights make large logits."""

NOTES = (
    "Random weights and images; uint8 pixels in, logits out (probabilities of the chosen one), normalisation included; "
    "all cores. torch.compile with freezing, compiled for each batch size. Difference of log-probabilities and "
    "agreement of arg-max against eager PyTorch on 2,000 images."
)

Run = Callable[[Tensor], Tensor]


def main() -> None:
    options = _options()
    taken = circumstances()
    rows = []
    for architecture in ARCHITECTURES:
        rows += _measured(architecture, options.seed, options.seconds, options.repeats)
    left_out = [] if _has_onnx() else ["ONNX Runtime: onnx and onnxruntime are not installed"]
    given = f"--seconds {options.seconds} --repeats {options.repeats} --seed {options.seed}"
    write_record(
        options.json,
        taken,
        seed=options.seed,
        command=f"python -m benchmarks.engines {given}",
        notes=NOTES,
        rows=rows,
        further={"left_out": left_out},
    )


def _measured(architecture: str, seed: int, seconds: float, repeats: int) -> list[dict[str, Any]]:
    seed_everything(seed)
    net = create(architecture, CLASSES).eval()
    engines = _engines(net, compiled_by_torch=architecture in COMPILED_BY_TORCH)
    images = random_images(max(BATCHES), seed)
    rates = taking_turns(
        {
            (name, batch): partial(_on_all_cores, run, images[:batch], seconds)
            for batch in BATCHES
            for name, run in engines.items()
        },
        repeats,
    )
    rows = []
    for name, run in engines.items():
        apart, agreement = _against_eager(run, engines["eager"], seed)
        row: dict[str, Any] = {"architecture": architecture, "engine": name}
        row["images_per_second"] = {str(batch): summary(rates[name, batch]) for batch in BATCHES}
        row["times_eager"] = {
            str(batch): round(
                statistics.median(
                    one / eager for one, eager in zip(rates[name, batch], rates["eager", batch], strict=True)
                ),
                2,
            )
            for batch in BATCHES
        }
        rows.append(row | {"most_apart": apart, "same_arg_max": agreement})
        print(architecture, name, row["times_eager"], apart, agreement, flush=True)
    return rows


def _engines(net: Network, *, compiled_by_torch: bool) -> dict[str, Run]:
    engines: dict[str, Run] = {
        "eager": partial(_eager, copy.deepcopy(net)),
        "eager, merged, channels-last": partial(_eager, fused(RecoverNet(copy.deepcopy(net)))),
    }
    if compiled_by_torch:
        engines["torch.compile"] = partial(_eager, _by_torch(copy.deepcopy(net)))
    if _has_onnx():
        engines["ONNX Runtime"] = _by_onnx_runtime(copy.deepcopy(net))
    chosen = Engine(threads=available_cores())
    answer = on_all_lanes(chosen, ServedNet(chosen.prepare(RecoverNet(copy.deepcopy(net)), SPEC)))
    engines["OpenVINO (chosen)"] = lambda images: torch.from_numpy(answer(images.numpy()))
    engines["OpenVINO, bf16"] = _by_openvino(net, "bf16")
    return engines


@torch.inference_mode()
def _eager(net: torch.nn.Module, images: Tensor) -> Tensor:
    logits: Tensor = net(SPEC.normalise(images))
    return logits


def _by_torch(net: Network) -> torch.nn.Module:
    from torch._inductor import config  # noqa: PLC0415  seconds to load, for one contestant

    config.freezing = True
    net.to(memory_format=torch.channels_last)
    compiled: torch.nn.Module = torch.compile(net, dynamic=False)  # type: ignore[assignment]
    return compiled


def _by_onnx_runtime(net: Network) -> Run:
    import onnxruntime  # type: ignore[import-not-found, import-untyped, unused-ignore]  # noqa: PLC0415  not needed otherwise

    sink = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # this exporter is deprecated, and opens in milliseconds
        torch.onnx.export(
            net,
            (torch.zeros(2, *SPEC.shape),),
            sink,  # type: ignore[arg-type]  # a stream will do
            dynamo=False,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": {0: "n"}, "y": {0: "n"}},
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = available_cores()
    session = onnxruntime.InferenceSession(sink.getvalue(), options, providers=["CPUExecutionProvider"])

    def run(images: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {"x": SPEC.normalise(images).numpy()})[0])

    return run


def _by_openvino(net: Network, precision: str) -> Run:
    entry, value = pixels(SPEC, ANY)
    settings = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": available_cores(),
        "NUM_STREAMS": 1,
    }
    request = (
        ov.Core()
        .compile_model(ov.Model([lower(net, value)], [entry]), "CPU", settings)
        .create_infer_request()
    )

    def run(images: Tensor) -> Tensor:
        request.set_input_tensor(ov.Tensor(images.contiguous().numpy(), shared_memory=True))
        request.infer()
        return torch.from_numpy(np.array(request.get_output_tensor().data))

    return run


def _on_all_cores(run: Run, batch: Tensor, seconds: float) -> float:
    torch.set_num_threads(available_cores())
    return rate(run, batch, seconds)


def _against_eager(run: Run, eager: Run, seed: int) -> tuple[float, float]:
    """The largest difference of two log-probabilities, and the share of images with the same arg-max."""
    apart, same = 0.0, 0
    for batch in torch.split(random_images(AGREEING, seed + 1), max(BATCHES)):
        expected, told = _log_probabilities(eager(batch)), _log_probabilities(run(batch))
        sayable = expected > LEAST_LOG_PROBABILITY
        apart = max(apart, float((told - expected)[sayable].abs().max()))
        same += int((told.argmax(dim=1) == expected.argmax(dim=1)).sum())
    return round(apart, 7), same / AGREEING


def _log_probabilities(answers: Tensor) -> Tensor:
    """Of logits or probabilities [N, C]."""
    chosen = bool((answers >= 0).all())
    return answers.log() if chosen else answers.log_softmax(dim=1)


def _has_onnx() -> bool:
    return all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime"))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/engines.json"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
