"""`lirf models …`."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.console import DEFAULT_URL, KeyOption, UrlOption, connected

cli = typer.Typer(no_args_is_help=True, help="Models and their versions.")

# the normalisation of nearly every published ImageNet and CIFAR checkpoint
MEAN = "0.485,0.456,0.406"
STD = "0.229,0.224,0.225"


@cli.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A PyTorch checkpoint: .th, .pt, .pth.")
    ],
    arch: Annotated[str, typer.Option(help="The architecture it belongs to.")],
    classes: Annotated[
        str, typer.Option(help="Class names in the order of the outputs, separated by commas.")
    ],
    name: Annotated[str | None, typer.Option(help="The model's name; the file's if left out.")] = None,
    size: Annotated[int, typer.Option(help="Height and width of its images.")] = 32,
    mean: Annotated[str, typer.Option(help="Normalisation: mean per channel.")] = MEAN,
    std: Annotated[str, typer.Option(help="Normalisation: standard deviation per channel.")] = STD,
    split: Annotated[int | None, typer.Option(help="Blocks in the shallow part.")] = None,
    url: UrlOption = DEFAULT_URL,
    key: KeyOption = "",
) -> None:
    """Read a checkpoint on this machine, tensors only, and register it as safetensors."""
    from app.lirf.checkpoint import read_torch_checkpoint, write_safetensors  # noqa: PLC0415  torch takes seconds

    means = [float(value) for value in mean.split(",")]
    spec = {
        "name": name or file.stem,
        "architecture": arch,
        "classes": [label.strip() for label in classes.split(",")],
        "input": {
            "channels": len(means),
            "height": size,
            "width": size,
            "mean": means,
            "std": [float(value) for value in std.split(",")],
        },
        "split": split,
    }
    weights = write_safetensors(read_torch_checkpoint(file))
    with connected(url, key) as client:
        model = client.register_model(spec, weights)
    typer.echo(f"{model['name']} is registered: {model['architecture']}, version {model['current']}.")


@cli.command("list")
def list_(url: UrlOption = DEFAULT_URL, key: KeyOption = "") -> None:
    """List the registered models."""
    with connected(url, key) as client:
        for model in client.models():
            current = "untrained" if model["current"] is None else f"version {model['current']}"
            typer.echo(f"{model['name']}\t{model['architecture']}\t{current}")
