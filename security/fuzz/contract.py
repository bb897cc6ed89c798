"""Requests made from the OpenAPI schema, right and wrong, one by one and along the links between operations."""

from collections.abc import Iterator
from typing import Any

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import Interaction

from security.fuzz.tally import Tally
from security.fuzz.target import Target

TIMEOUT_SECONDS = 30
KNOWN_SHARE = 0.3
LEFT_OUT: list[dict[str, Any]] = [
    {"include-path": "/vault/seal", "enabled": False},
    {"include-method": "DELETE", "include-path": "/keys/{key_id}", "enabled": False},
    {"include-path": "/jobs/{job_id}/events", "enabled": False},
    {"include-path": "/deposits/{deposit_id}/events", "enabled": False},
]
"""For an admin, who may seal the vault (after which 503 is the right answer) and revoke the key in use; and the
streams of jobs that never end here."""
CHECKS = {
    "not_a_server_error": {"enabled": True},
    "status_code_conformance": {"enabled": True},
    "content_type_conformance": {"enabled": True},
    "response_schema_conformance": {"enabled": True},
    "response_headers_conformance": {"enabled": True},
    "negative_data_rejection": {"enabled": True},
    "unsupported_method": {"enabled": True},
    "allow_header_conformance": {"enabled": True},
    "ignored_auth": {"enabled": True},
    # whether a well-formed request is accepted depends on names and states that a schema does not know
    "positive_data_acceptance": {"enabled": False},
}


def fuzz_contract(target: Target, caller: str, examples: int, seed: int, tally: Tally) -> None:
    """Send what schemathesis makes of the schema, as ``caller``; ``examples`` per operation and kind of data."""
    config = SchemathesisConfig.from_dict(_configuration(target, caller, examples, seed))
    schema = schemathesis.openapi.from_url(f"{target.url}/openapi.json", config=config)
    kind = f"contract, {caller}"
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            for case, interaction in event.recorder.interactions.items():
                _count(kind, interaction, tally)
                tally.wrong += [f"{kind}: {_request(interaction)}: {fault}" for fault in _faults(event, case)]
        elif isinstance(event, events.NonFatalError | events.FatalError):
            tally.wrong.append(f"{kind}: the run itself failed: {event}")


def _configuration(target: Target, caller: str, examples: int, seed: int) -> dict[str, Any]:
    return {
        "seed": seed,
        "headers": {"Authorization": f"Bearer {target.keys[caller]}"},
        "continue-on-failure": True,
        "request-timeout": TIMEOUT_SECONDS,
        "checks": CHECKS,
        "operations": LEFT_OUT,
        "dictionaries": {"known": {"values": list(target.known)}},
        "generation": {
            "max-examples": examples,
            "no-shrink": True,
            "database": "none",
            "dictionaries": {"string": {"dictionary": "known", "probability": KNOWN_SHARE}},
        },
    }


def _count(kind: str, interaction: Interaction, tally: Tally) -> None:
    answer = interaction.response
    if answer is None:
        tally.unanswered(kind, _request(interaction), "no response")
        return
    request_id = answer.headers.get("x-request-id", [""])[0]
    tally.answered(kind, _request(interaction), answer.status_code, request_id, answer.content)


def _faults(event: events.ScenarioFinished, case: str) -> Iterator[str]:
    for check in event.recorder.checks.get(case, []):
        if check.failure_info is not None:
            yield f"{check.name}: {check.failure_info.failure.message}".replace("\n", " ")


def _request(interaction: Interaction) -> str:
    request = interaction.request
    return f"{request.method} {request.uri} {(request.body or b'')[:200]!r}"
