"""`lirf predict`."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.console import DEFAULT_URL, KeyOption, UrlOption, connected


def predict(
    model: Annotated[str, typer.Argument(help="The model.")],
    images: Annotated[
        list[Path], typer.Argument(exists=True, dir_okay=False, help="PNG, JPEG or WebP files.")
    ],
    top_k: Annotated[int, typer.Option(help="How many classes to name.")] = 3,
    url: UrlOption = DEFAULT_URL,
    key: KeyOption = "",
) -> None:
    """Classify images with the net that you are entitled to."""
    with connected(url, key) as client:
        answers = client.predict(model, [image.read_bytes() for image in images], top_k)
    for image, answer in zip(images, answers, strict=True):
        top = ", ".join(f"{one['label']} {one['probability']:.1%}" for one in answer["top"])
        typer.echo(f"{image}\t{answer['net']} net, version {answer['version']}\t{top}")
