"""The command tree, and the one place where refusals become an exit code."""

import sys
from importlib.metadata import EntryPoints, entry_points
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from app.cli import audit, deposits, keys, models, predict, vault
from app.cli.console import console
from app.cli.demo.command import demo
from app.cli.verify import verify
from app.client import JobFailedError, ProblemError
from app.config import Settings
from app.lirf.errors import InvalidInputError
from app.traces import TracesUnavailableError, require

ADDED = "lirf.commands"
"""The entry points that name functions which installed packages add as commands."""


class Commands(TyperGroup):
    """The commands below, then the added ones, which are imported when they are asked for.

    So what the product may not import can still be one of its commands.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        own = super().list_commands(ctx)
        return [*own, *sorted(_added().names - set(own))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        own = super().get_command(ctx, cmd_name)
        if own is not None or cmd_name not in _added().names:
            return own
        alone = typer.Typer(add_completion=False, rich_markup_mode="rich")
        alone.command(cmd_name)(_added()[cmd_name].load())
        return typer.main.get_command(alone)


cli = typer.Typer(cls=Commands, no_args_is_help=True, add_completion=False, rich_markup_mode="rich")
cli.add_typer(models.cli, name="models")
cli.add_typer(keys.cli, name="keys")
cli.add_typer(vault.cli, name="vault")
cli.add_typer(audit.cli, name="audit")
cli.command()(deposits.deposit)
cli.command()(deposits.withdraw)
cli.command()(deposits.end)
cli.command()(predict.predict)
cli.command()(deposits.certificate)
cli.command()(verify)
cli.command()(demo)


@cli.callback()
def root() -> None:
    """A model server that forgets on request and remembers on permission."""


@cli.command()
def up(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 picks a free one.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the embedded database and broker.")] = None,
    worker: Annotated[bool, typer.Option(help="Also run a worker process.")] = True,  # noqa: FBT002
) -> None:
    """Run the service: migrate the database, start a worker, listen."""
    from app.serve import prepare, serve  # noqa: PLC0415  the other commands start faster without the web stack

    given = {"host": host, "port": port, "data_dir": data_dir}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    require(settings.traces)  # before there is a database, and a key that is shown once
    first_key = prepare(settings)
    if first_key:
        typer.echo(f"Admin key, shown this once: {first_key}")
    serve(settings, worker=worker, announce=lambda url: typer.echo(f"LIRF Server listens on {url}"))


@cli.command()
def migrate() -> None:
    """Bring the database to the newest schema and make the first admin key."""
    from app.serve import prepare  # noqa: PLC0415

    first_key = prepare(Settings())
    typer.echo(f"Admin key, shown this once: {first_key}" if first_key else "The database is up to date.")


def _added() -> EntryPoints:
    return entry_points(group=ADDED)


def main() -> None:
    try:
        cli()
    except (ProblemError, JobFailedError, InvalidInputError, TracesUnavailableError) as error:
        console.print(f"[red]{escape(str(error))}[/red]")
        sys.exit(1)
