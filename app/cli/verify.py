"""`lirf verify`: check a certificate offline."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from app.domain.certificate import PAYLOAD_TYPE, PREDICATE_TYPE, commitment


def verify(
    certificate: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="As GET …/certificate gave it.")
    ],
    key: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="The service's public key, from a source that you trust."
        ),
    ] = None,
    set_digest: Annotated[
        str | None, typer.Option(help="Digest of a deposit set, to be compared with the commitment.")
    ] = None,
) -> None:
    """Check a certificate's signature and print what it states; no service is asked."""
    from app.vault.dsse import NotSignedError, verified  # noqa: PLC0415  other commands need no cryptography
    from app.vault.signing import parse_public_key  # noqa: PLC0415

    try:
        content = json.loads(certificate.read_text())
        trusted = parse_public_key(key.read_bytes() if key else content["public_key"].encode())
        stated = verified(content["envelope"], PAYLOAD_TYPE, trusted)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise typer.BadParameter(f"{certificate} or its key cannot be read: {error}") from error
    except NotSignedError as error:
        typer.echo(f"Not valid. {error}")
        raise typer.Exit(1) from error
    if stated["predicateType"] != PREDICATE_TYPE:
        typer.echo(f"Not valid. It states {stated['predicateType']!r}, not {PREDICATE_TYPE!r}.")
        raise typer.Exit(1)
    if set_digest is not None and not _commits(stated["predicate"], set_digest, content.get("salt", "")):
        typer.echo("Not valid. It commits to another set, or the salt is another one.")
        raise typer.Exit(1)
    typer.echo(
        "Signed and unchanged." if key else "Unchanged, signed by the key that came with it; give --key."
    )
    for line in _told(stated):
        typer.echo(line)


def _commits(predicate: dict[str, Any], set_digest: str, salt: str) -> bool:
    try:
        return bool(predicate["set"]["commitment"]["sha256"] == commitment(set_digest, salt))
    except ValueError:
        return False


def _told(stated: dict[str, Any]) -> list[str]:
    predicate = stated["predicate"]
    first = (
        f"Deposit {predicate['deposit']} of {predicate['set']['images']} images from {predicate['model']}, "
        f"version {predicate['baseVersion']} to {predicate['targetVersion']}, by {predicate['objective']}."
    )
    lines = [first]
    target = (predicate["metrics"] or {}).get("target")
    if target:
        lines.append("Target net: " + ", ".join(f"{name} {target[name]}" for name in ("pre", "dep", "h")))
    lines += [f"Ledger {one['seq']}: {one['decision']} at {one['at']}" for one in predicate["ledger"]]
    return [*lines, predicate["scope"]]
