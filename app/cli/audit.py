"""`lirf audit …`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from app.cli.console import DEFAULT_URL, KeyOption, UrlOption, connected
from app.client import LirfClient
from app.domain.ledger import GENESIS, HEAD_TYPE, Entry, first_break

cli = typer.Typer(no_args_is_help=True)


@cli.callback()
def group() -> None:
    """The ledger of decisions: read it, keep its head, verify it."""


@cli.command("list")
def show(
    after: Annotated[int, typer.Option(help="Only entries after this number.")] = 0,
    url: UrlOption = DEFAULT_URL,
    key: KeyOption = "",
) -> None:
    """Print the entries, one line each."""
    with connected(url, key) as client:
        for entry in _entries(client, after):
            reason = f"\t{entry.reason}" if entry.reason else ""
            typer.echo(f"{entry.seq}\t{entry.at}\t{entry.actor}\t{entry.decision}\t{entry.subject}{reason}")


@cli.command()
def head(
    output: Annotated[Path, typer.Argument(help="Where to keep the signed head; off this machine is best.")],
    url: UrlOption = DEFAULT_URL,
    key: KeyOption = "",
) -> None:
    """Fetch the signed head and keep it."""
    with connected(url, key) as client:
        found = client.ledger_head()
    output.write_text(json.dumps(found, indent=2) + "\n")
    typer.echo(f"The ledger has {found['seq']} entries; its head is kept in {output}.")


@cli.command()
def verify(
    kept: Annotated[
        Path | None, typer.Option("--head", exists=True, dir_okay=False, help="A head that was kept before.")
    ] = None,
    url: UrlOption = DEFAULT_URL,
    key: KeyOption = "",
) -> None:
    """Read the whole ledger, check its chain, its signed head, and that a kept head is still on it."""
    from app.vault.dsse import NotSignedError, verified  # noqa: PLC0415  other commands need no cryptography
    from app.vault.signing import parse_public_key  # noqa: PLC0415

    with connected(url, key) as client:
        head_now = client.ledger_head()
        entries = list(_entries(client, 0))
    problems = []
    broken = first_break(entries)
    if broken is not None:
        problems.append(f"{broken.problem}.")
    hashes = [GENESIS, *(entry.hash for entry in entries)]
    heads = {"the signed head": head_now}
    if kept is not None:
        heads["the kept head"] = json.loads(kept.read_text())
    trusted = parse_public_key(heads.get("the kept head", head_now)["public_key"].encode())
    for name, one in heads.items():
        try:
            signed = verified(one["envelope"], HEAD_TYPE, trusted)
        except NotSignedError as error:
            problems.append(f"{name}: {error}")
            continue
        if signed["seq"] >= len(hashes) or hashes[signed["seq"]] != signed["hash"]:
            problems.append(f"{name} is not on the ledger: entry {signed['seq']} had another hash.")
    for problem in problems:
        typer.echo(problem[:1].upper() + problem[1:])
    if problems:
        raise typer.Exit(1)
    typer.echo(f"{len(entries)} entries, unbroken.")


def _entries(client: LirfClient, after: int) -> Iterator[Entry]:
    while page := client.ledger(after=after):
        for entry in page:
            yield Entry(**entry)
        after = page[-1]["seq"]
