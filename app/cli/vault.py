"""`lirf vault …`."""

from typing import Annotated

import typer

from app.cli.console import DEFAULT_URL, KeyOption, UrlOption, connected
from app.client import Json

cli = typer.Typer(no_args_is_help=True)


@cli.callback()
def group() -> None:
    """The vault: look, seal, open, rotate its key."""


@cli.command()
def status(url: UrlOption = DEFAULT_URL, key: KeyOption = "") -> None:
    """Say whether the vault is open, and how many data keys each key wraps."""
    with connected(url, key) as client:
        _tell(client.vault())


@cli.command()
def seal(
    reason: Annotated[str, typer.Argument(help="Shown to whoever is refused.")],
    url: UrlOption = DEFAULT_URL,
    key: KeyOption = "",
) -> None:
    """Drop the keys everywhere: targets are served on, nothing sealed is opened or made."""
    with connected(url, key) as client:
        _tell(client.seal_vault(reason))


@cli.command()
def unseal(url: UrlOption = DEFAULT_URL, key: KeyOption = "") -> None:
    """Open the vault again."""
    with connected(url, key) as client:
        state = client.unseal_vault()
    _tell(state)
    if state["sealed"]:
        raise typer.Exit(1)


@cli.command()
def rotate(url: UrlOption = DEFAULT_URL, key: KeyOption = "") -> None:
    """Wrap every data key under a new key; broken off, it goes on where it was."""
    wrapped, left = 0, True
    with connected(url, key) as client:
        while left:
            step = client.rotate_vault()
            wrapped, left = wrapped + step["wrapped"], step["left"] > 0
    typer.echo(f"{wrapped} data keys are wrapped anew under {step['key_id']}.")


def _tell(state: Json) -> None:
    typer.echo(f"Sealed: {state['reason']}" if state["sealed"] else "Open.")
    for key_id, count in sorted(state["data_keys"].items()):
        typer.echo(f"{key_id} wraps {count} data keys.")
