"""Runs one batch: the rows of its items as one array, and the answers apart again."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from app.inference.shared_queue import Item, Key, Rows


def outcomes(run: Callable[[Key, Rows], Rows], batch: Sequence[Item[Key]]) -> list[Rows | Exception]:
    """Per item its own answers, or what is wrong with it: when the batch fails, each item is run alone.

    Args:
        run: rows [N, ...] of one key -> answers [N, ...].
        batch: items of one key, at least one.
    """
    try:
        return _answers(run, batch)
    except Exception as error:  # noqa: BLE001  whatever it was, it belongs to one of them
        if len(batch) == 1:
            return [error]
        return [error if item.answer.done() else outcomes(run, [item])[0] for item in batch]


def _answers(run: Callable[[Key, Rows], Rows], batch: Sequence[Item[Key]]) -> list[Rows | Exception]:
    rows = _beside([item.rows for item in batch])
    answers = run(batch[0].key, rows)
    if len(answers) != len(rows):
        raise ValueError(f"{len(answers)} answers to {len(rows)} rows")
    ends = itertools.accumulate(item.count for item in batch)
    return [answers[end - item.count : end] for item, end in zip(batch, ends, strict=True)]


def _beside(parts: Sequence[Rows]) -> Rows:
    """``np.concatenate``, which would let go of the interpreter's lock at each part, and wait for it again."""
    first, *others = parts
    if not others:
        return first
    joined = bytearray().join(np.ascontiguousarray(part).data for part in parts)
    return np.frombuffer(joined, first.dtype).reshape(-1, *first.shape[1:])
