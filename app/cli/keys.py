"""`lirf keys …`."""

from typing import Annotated

import typer

from app.cli.console import DEFAULT_URL, KeyOption, UrlOption, connected

cli = typer.Typer(no_args_is_help=True, help="Principals and their API keys.")


@cli.command()
def create(
    principal: Annotated[str, typer.Argument(help="Whose key; made if unknown.")],
    role: Annotated[str, typer.Option(help="admin, owner or member.")] = "member",
    expires_at: Annotated[str | None, typer.Option(help="ISO 8601 with a time zone.")] = None,
    url: UrlOption = DEFAULT_URL,
    key: KeyOption = "",
) -> None:
    """Make a key and print it, this once."""
    with connected(url, key) as client:
        typer.echo(client.create_key(principal, role, expires_at)["key"])


@cli.callback()
def group() -> None:
    """Principals and their API keys."""
