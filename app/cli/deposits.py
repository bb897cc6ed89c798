"""`lirf deposit`, `withdraw`, `end` and `certificate`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.console import DEFAULT_URL, KeyOption, UrlOption, connected, follow


def deposit(
    model: Annotated[str, typer.Argument(help="The model that is to forget.")],
    dataset: Annotated[str, typer.Argument(help="The registered data set that holds the images.")],
    *,
    classes: Annotated[str | None, typer.Option(help="Whole classes, separated by commas.")] = None,
    ids: Annotated[str | None, typer.Option(help="Rows, by id, separated by commas.")] = None,
    where: Annotated[list[str] | None, typer.Option(help="COLUMN=VALUE; may be repeated.")] = None,
    objective: Annotated[str, typer.Option(help="lirf+ or lirf.")] = "lirf+",
    prune_ratio: Annotated[float | None, typer.Option(help="Share of filters the module leaves out.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the deposit set.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of every random choice.")] = None,
    evaluate_on: Annotated[str | None, typer.Option(help="A registered test set to measure on.")] = None,
    retain_classes: Annotated[
        str | None, typer.Option(help="Classes whose images training may use to keep them.")
    ] = None,
    retain_ids: Annotated[str | None, typer.Option(help="The same for rows, by id.")] = None,
    retain_where: Annotated[list[str] | None, typer.Option(help="The same by COLUMN=VALUE.")] = None,
    url: UrlOption = DEFAULT_URL,
    key: KeyOption = "",
) -> None:
    """Take a data subset's knowledge out of a model and seal it."""
    body = {
        "model": model,
        "dataset": dataset,
        "select": _selector(classes, ids, where),
        "objective": objective,
        "prune_ratio": prune_ratio,
        "epochs": epochs,
        "seed": seed,
        "evaluate_on": evaluate_on,
        "retain": _selector(retain_classes, retain_ids, retain_where) or None,
    }
    with connected(url, key) as client:
        accepted = client.deposit({name: value for name, value in body.items() if value is not None})
        follow(client, accepted["job"], "deposit")
        for deposit_id in accepted["deposits"]:
            typer.echo(deposit_id)


def withdraw(
    deposits: Annotated[list[str], typer.Argument(help="Deposit ids.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept.")],
    scope: Annotated[str, typer.Option(help="caller, everyone, or a principal's name.")] = "caller",
    expires_at: Annotated[str | None, typer.Option(help="ISO 8601 with a time zone.")] = None,
    url: UrlOption = DEFAULT_URL,
    key: KeyOption = "",
) -> None:
    """Be answered by the recover net of these deposits; prints the withdrawal's id."""
    with connected(url, key) as client:
        who = scope if scope in {"caller", "everyone"} else {"principal": scope}
        typer.echo(client.withdraw(deposits, reason, who, expires_at)["id"])


def end(
    withdrawal: Annotated[str, typer.Argument(help="The withdrawal's id.")],
    url: UrlOption = DEFAULT_URL,
    key: KeyOption = "",
) -> None:
    """End a withdrawal: the knowledge is locked again."""
    with connected(url, key) as client:
        typer.echo(client.end_withdrawal(withdrawal)["state"])


def certificate(
    deposit: Annotated[str, typer.Argument(help="The deposit's id.")],
    output: Annotated[Path, typer.Argument(help="Where to write it.")],
    url: UrlOption = DEFAULT_URL,
    key: KeyOption = "",
) -> None:
    """Fetch a deposit's certificate: signed, to be checked offline with `lirf verify`."""
    with connected(url, key) as client:
        output.write_text(json.dumps(client.certificate(deposit), indent=2) + "\n")
    typer.echo(f"Written to {output}.")


def _selector(classes: str | None, ids: str | None, where: list[str] | None) -> dict[str, Any]:
    """As the service takes it; empty if nothing is given."""
    select: dict[str, Any] = {}
    if classes is not None:
        select["classes"] = _listed(classes)
    if ids is not None:
        select["ids"] = _listed(ids)
    if where:
        select["where"] = _conditions(where)
    return select


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _conditions(texts: list[str]) -> dict[str, list[str]]:
    conditions: dict[str, list[str]] = {}
    for text in texts:
        column, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"{text!r} is not COLUMN=VALUE.")
        conditions.setdefault(column, []).append(value)
    return conditions
