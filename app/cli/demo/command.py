"""The options of `lirf demo`; torch is loaded when the demo runs, not when its help is shown."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    dataset: Annotated[
        str, typer.Option(help="digits, or a folder with train.parquet and test.parquet.")
    ] = "digits",
    weights: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A PyTorch checkpoint to use as T0.")
    ] = None,
    arch: Annotated[str | None, typer.Option(help="Architecture; resnet20 if left out.")] = None,
    classes: Annotated[str | None, typer.Option(help="Classes to deposit, separated by commas.")] = None,
    objective: Annotated[str, typer.Option(help="lirf+ or lirf.")] = "lirf+",
    prune_ratio: Annotated[float, typer.Option(help="Share of filters the module leaves out.")] = 0.5,
    seed: Annotated[int, typer.Option(help="Of every random choice.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where to write the figures.")] = None,
) -> None:
    """Run the main job from end to end: register, predict, deposit, withdraw, end; print one table."""
    from app.cli.demo.run import run  # noqa: PLC0415

    run(
        dataset=dataset,
        weights=weights,
        arch=arch,
        classes=classes,
        objective=objective,
        prune_ratio=prune_ratio,
        seed=seed,
        json_file=json_file,
    )
