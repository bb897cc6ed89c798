"""What the deposit's record says of retraining: the figures, or that there are none and how to get them."""

import json
from pathlib import Path
from typing import Any

from experiments.reproduce.cache import write_atomically

NAME = "retraining"
COMMAND = "python -m benchmarks.retraining --data FOLDER --weights CHECKPOINT"


def block_of(results: Path) -> dict[str, Any]:
    """The block in a file that `benchmarks.retraining` wrote; without one, the command that writes it."""
    if not results.is_file():
        return {"measured": False, "command": COMMAND}
    block: dict[str, Any] = json.loads(results.read_text())[NAME]
    return block


def put_into(record: Path, block: dict[str, Any]) -> bool:
    """Replace the block of a deposit's record; False if there is no such file."""
    if not record.is_file():
        return False
    content = {**json.loads(record.read_text()), NAME: block}
    write_atomically(record, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
    return True
