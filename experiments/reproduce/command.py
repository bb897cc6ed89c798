"""The options of `lirf reproduce`; torch and matplotlib are loaded when it runs, not when its help is shown."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from experiments.reproduce.studies import NAMES

Option = typer.Option
StudyName = Annotated[str, typer.Argument(help=f"One of {', '.join(NAMES)}.")]
Data = Annotated[str, Option(help="digits, a folder with train.parquet and test.parquet, or cifar10:FOLDER.")]
Net = Annotated[str, Option(help="Architecture.")]
Weights = Annotated[
    Path | None, Option(exists=True, dir_okay=False, help="A PyTorch checkpoint as T0; trained if left out.")
]
TrainEpochs = Annotated[int | None, Option(min=1, help="Of networks that are trained here.")]
Method = Annotated[list[str] | None, Option(help="lirf or lirf+; may be repeated. Both if left out.")]
Seeds = Annotated[str, Option(help="Seeds of the deposits, separated by commas.")]
Scale = Annotated[str, Option(help="full, or what to reduce: train=SHARE,epochs=N.")]
Cells = Annotated[str | None, Option(help="Compute only cells whose key matches, e.g. '*/20%/*'.")]
Show = Annotated[bool, Option("--list", help="Show the cells and which are done; compute none.")]
Independent = Annotated[
    bool, Option("--independent", help="Also train networks on parts of the data, for comparison.")
]
AnyCode = Annotated[
    bool, Option("--any-code", help="Also reuse what an earlier version of the code computed, and say so.")
]
Device = Annotated[str, Option(help="auto, cpu, cuda.")]
Results = Annotated[Path, Option(help="Folder of the table, the picture and the rows.")]
Cache = Annotated[Path, Option(help="Folder of what was computed, to resume from.")]


def reproduce(
    *,
    study: StudyName,
    data: Data,
    net: Net = "resnet20",
    weights: Weights = None,
    train_epochs: TrainEpochs = None,
    method: Method = None,
    seeds: Seeds = "0,1,2",
    scale: Scale = "full",
    cells: Cells = None,
    show: Show = False,
    independent: Independent = False,
    any_code: AnyCode = False,
    device: Device = "auto",
    results: Results = Path("experiments/results"),
    cache: Cache = Path("var/reproduce"),
) -> None:
    """Reproduce a table or figure of the paper, or a study of our own; what is finished is never computed again."""
    from experiments.reproduce.session import Wish, reproduce_study  # noqa: PLC0415

    common = Wish(study, data, net, weights, train_epochs, tuple(method or ()), seeds, scale, cells)
    wish = replace(
        common, independent=independent, any_code=any_code, device=device, results=results, cache=cache
    )
    reproduce_study(wish, only_list=show)
