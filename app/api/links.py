"""What may follow an answer, as OpenAPI links: a client or a test tool finds the next call by itself."""

from typing import Any

JOB = "$response.body#/job"
FIRST_DEPOSIT = "$response.body#/deposits/0"
ID = "$response.body#/id"


def linked(**operations: dict[str, str]) -> dict[str, Any]:
    """The part of a response's description that links it.

    Args:
        **operations: by operation id, the runtime expressions of its path parameters (OpenAPI 3.1, 4.8.20.4).
    """
    links = {name: {"operationId": name, "parameters": given} for name, given in operations.items()}
    return {"links": links}
