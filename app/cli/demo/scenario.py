"""The main job, step by step; every figure is counted from answers that the API gave to a caller."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from app.cli.console import console, follow
from app.cli.demo.preset import Preset
from app.cli.demo.service import RunningService
from app.client import LirfClient, ProblemError
from app.lirf.checkpoint import read_torch_checkpoint, write_safetensors
from app.lirf.data.dataset import ImageDataset
from app.lirf.data.images import encode_png
from app.lirf.evaluation import forgetting, harmonic

MODEL = "demo"
BATCH = 500
FORBIDDEN = 403
AGREEMENT = 0.25
"""Percentage points by which served and reported figures may differ: batches of another size round otherwise."""


class StepFailedError(Exception):
    """A step of the demo did not do what it says."""


@dataclass(frozen=True)
class Order:
    """What the demo is asked to do; ``weights`` None trains T0 on the data set."""

    dataset: str
    weights: Path | None
    preset: Preset
    classes: tuple[str, ...]
    objective: str
    prune_ratio: float
    seed: int


@dataclass
class Outcome:
    """What came of it, in percent and seconds."""

    nets: dict[str, dict[str, float]] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {**self.nets, "answers": self.answers, "seconds": self.seconds, "details": self.details}


class Scenario:
    """Three callers of one service: the owner of the model, an ordinary caller, and one who gets the right."""

    def __init__(self, service: RunningService, order: Order, test: ImageDataset) -> None:
        self.order = order
        self.test = test
        self.outcome = Outcome()
        self.images = [encode_png(image) for image in test.images]
        self.deposited = torch.isin(
            test.labels, torch.tensor([test.classes.index(name) for name in order.classes])
        )
        with LirfClient(service.url, service.admin_key) as admin:
            callers = (("owner", "owner"), ("ordinary", "member"), ("entitled", "member"))
            keys = {name: admin.create_key(name, role)["key"] for name, role in callers}
        self.owner, self.ordinary, self.entitled = (LirfClient(service.url, key) for key in keys.values())

    def run(self) -> Outcome:
        """Do every step; raise StepFailedError at the first that did not do what it says."""
        self._register_data()
        self._register_model()
        self._measure("original", self.ordinary, "original")
        deposit = self._deposit()
        self.outcome.answers["ordinary"] = self._measure("target", self.ordinary, "target")
        self._refused_without_the_right(deposit)
        self.owner.grant("entitled", deposit=deposit)
        withdrawal = self.entitled.withdraw([deposit], "The demo shows that knowledge comes back.")
        self._compose()
        self.outcome.answers["entitled"] = self._measure("recover", self.entitled, "recover")
        self._expect_net(self.ordinary, "target", "while another caller holds a withdrawal")
        self.entitled.end_withdrawal(withdrawal["id"])
        self.outcome.answers["after_end"] = self._expect_net(
            self.entitled, "target", "after the withdrawal ended"
        )
        self._compare_with_report(deposit)
        return self.outcome

    def close(self) -> None:
        for client in (self.owner, self.ordinary, self.entitled):
            client.close()

    def _register_data(self) -> None:
        for split in ("train", "test"):
            if self.order.dataset == "digits":
                row = self.owner.builtin_dataset(split, "digits", split)
            else:
                row = self.owner.upload_dataset(split, Path(self.order.dataset) / f"{split}.parquet")
            console.print(
                f"Data set [bold]{split}[/bold]: {row['rows']} images, {len(row['classes'])} classes"
            )

    def _register_model(self) -> None:
        preset, started = self.order.preset, time.perf_counter()
        spec: dict[str, Any] = {
            "name": MODEL,
            "architecture": preset.architecture,
            "classes": list(self.test.classes),
            "input": preset.input,
        }
        if self.order.weights is not None:
            self.owner.register_model(spec, write_safetensors(read_torch_checkpoint(self.order.weights)))
        else:
            train = {"dataset": "train", "seed": self.order.seed, **preset.train}
            model = self.owner.train_model({**spec, "train": train})
            follow(self.owner, model["job"], "train the original net")
        self.outcome.seconds["train"] = _since(started)

    def _deposit(self) -> str:
        started = time.perf_counter()
        accepted = self.owner.deposit(
            {
                "model": MODEL,
                "dataset": "train",
                "select": {"classes": list(self.order.classes)},
                "objective": self.order.objective,
                "prune_ratio": self.order.prune_ratio,
                "seed": self.order.seed,
                "evaluate_on": "test",
                **self.order.preset.deposit,
            }
        )
        follow(self.owner, accepted["job"], f"deposit {', '.join(self.order.classes)}")
        self.outcome.seconds["deposit"] = _since(started)
        return str(accepted["deposits"][0])

    def _refused_without_the_right(self, deposit: str) -> None:
        try:
            self.entitled.withdraw([deposit], "Without a grant.")
        except ProblemError as refusal:
            if refusal.status == FORBIDDEN:
                return
            raise
        raise StepFailedError("A caller without the right could withdraw.")

    def _compose(self) -> None:
        started = time.perf_counter()
        self._expect_net(self.entitled, "recover", "with a withdrawal")
        self.outcome.seconds["compose"] = _since(started)

    def _expect_net(self, client: LirfClient, expected: str, when: str) -> str:
        net = str(client.predict(MODEL, self.images[:1])[0]["net"])
        if net != expected:
            raise StepFailedError(f"The {net} net answered {when}, not the {expected} net.")
        return net

    def _measure(self, name: str, client: LirfClient, expected: str) -> str:
        """Send the whole test set as this caller and count what comes back."""
        answers: list[dict[str, Any]] = []
        for start in range(0, len(self.images), BATCH):
            answers += client.predict(MODEL, self.images[start : start + BATCH], top_k=1)
        nets = {answer["net"] for answer in answers}
        if nets != {expected}:
            raise StepFailedError(f"{', '.join(sorted(nets))} answered where the {expected} net should.")
        right = torch.tensor([answer["top"][0]["index"] for answer in answers]) == self.test.labels
        figures = {
            "pre": _percent(right[~self.deposited]),
            "dep": _percent(right[self.deposited]),
            "avg": _percent(right),
        }
        if name == "target":
            figures["f"] = forgetting(self.outcome.nets["original"]["dep"], figures["dep"])
            figures["h"] = harmonic(figures["pre"], figures["f"])
        self.outcome.nets[name] = figures
        return expected

    def _compare_with_report(self, deposit: str) -> None:
        """What the worker measured before it sealed must be what callers were then served."""
        state = self.owner.deposit_state(deposit)
        for net, figures in self.outcome.nets.items():
            for name in ("pre", "dep", "avg"):
                reported = state["metrics"][net][name]
                if abs(reported - figures[name]) > AGREEMENT:
                    raise StepFailedError(
                        f"{net} {name}: reported {reported:.2f}, served {figures[name]:.2f}."
                    )
        target = state["metrics"]["target"]
        self.outcome.details = {
            "rows_kept": {name: target[f"{name}_rows_kept"] for name in ("pre", "dep", "h")},
            "swap": state["metrics"]["swap"],
            "module_bytes": state["modules"][0]["bytes"],
            "deposit_images": state["set_size"],
            "test_images": len(self.images),
            "config": state["config"],
        }


def _percent(right: Tensor) -> float:
    return float(right.double().mean()) * 100


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 3)
