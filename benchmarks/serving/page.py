"""A record of `make bench-serving` as Markdown."""

from collections.abc import Iterable, Sequence
from typing import Any

from experiments.record import describe_taken


def page(record: dict[str, Any]) -> str:
    """Every figure of the record, and under which circumstances it was taken."""
    parts = [
        "# Serving",
        describe_taken(record),
        "![Predictions per second, p99, and the cost of deposits](serving.png)",
        "## One small image per request",
        _systems(record["rows"]),
        _ratios(record["ratios"]),
        "## The engine, images per second",
        _engine(record["engine"]),
        "## Deposits withdrawn",
        _deposits(record["recover"]),
        "## The rest",
        _list(
            [
                _limit(record["limit"]),
                _cold(record["cold"]),
                _rights(record["rights"]),
                _flood(record["flood"]),
            ]
        ),
    ]
    return "\n\n".join(parts) + "\n"


def summary(record: dict[str, Any]) -> str:
    """What the project's front page tells of it."""
    rates = {(row["system"], row["clients"]): row for row in record["rows"]}
    head = ("clients", "target net", "recover net", "LitServe", "BentoML", "p99 ms of the four")
    systems = ("lirf target", "lirf recover", "litserve", "bentoml")
    lines = [
        (
            one["clients"],
            *(f"{rates[system, one['clients']]['rps']:,.0f}" for system in systems),
            ", ".join(f"{rates[system, one['clients']]['p99_ms']:.0f}" for system in systems),
        )
        for one in record["ratios"]
    ]
    rest = [_limit(record["limit"]), _cold(record["cold"]), _flood(record["flood"])]
    return "\n\n".join([_table(head, lines), _list(rest), describe_taken(record)])


def _systems(rows: Iterable[dict[str, Any]]) -> str:
    head = ("system", "clients", "per second", "repeats", "p50 ms", "p99 ms", "errors")
    return _table(
        head,
        [
            (
                row["system"],
                row["clients"],
                row["rps"],
                ", ".join(f"{one:.0f}" for one in row["repeats"]),
                *(row[figure] for figure in ("p50_ms", "p99_ms", "errors")),
            )
            for row in rows
        ],
    )


def _ratios(rows: Iterable[dict[str, Any]]) -> str:
    head = ("clients", "times the better rival", "which", "p99 ms", "lowest p99 of a rival, ms")
    figures = ("clients", "rps", "better_rival", "p99_ms", "lowest_rival_p99_ms")
    return _table(head, [[row[figure] for figure in figures] for row in rows])


def _engine(rows: Iterable[dict[str, Any]]) -> str:
    return _table(
        ("batch", "eager PyTorch", "engine", "times eager"),
        [(row["batch"], row["eager"]["median"], row["engine"]["median"], row["times_eager"]) for row in rows],
    )


def _deposits(rows: Iterable[dict[str, Any]]) -> str:
    return _table(
        ("deposits", "batch", "images per second", "cost, target = 1"),
        [
            (row["deposits"], row["batch"], row["images_per_second"]["median"], row["times_target"])
            for row in rows
        ],
    )


def _limit(found: dict[str, Any]) -> str:
    return (
        f"`/v2`, binary tensors, batches of {found['batch']} by {found['clients']} clients: "
        f"{found['v2_images_per_second']:,.0f} images per second, {found['share']:.0%} of the bare engine's "
        f"{found['engine_images_per_second']:,.0f}. One image at one client: the service adds "
        f"{found['overhead_ms']:.2f} ms to the engine's {found['engine_p50_ms']:.2f} ms (p50)."
    )


def _cold(rows: Iterable[dict[str, Any]]) -> str:
    told = "; ".join(f"{row['architecture']} {row['seconds']['median'] * 1000:.0f} ms" for row in rows)
    return f"A recover net with one deposit from a sealed artifact to its first answer: {told}."


def _rights(found: dict[str, Any]) -> str:
    few, many = found["few"], found["many"]
    return (
        f"{found['grants']:,} grants and {found['deposits']:,} deposits: p50 {many['p50_ms']} ms instead of "
        f"{few['p50_ms']} ms, {found['p50_ratio']:.2f} times; the first prediction after a decision "
        f"{many['first_after_decision_ms']} ms instead of {few['first_after_decision_ms']} ms."
    )


def _flood(found: dict[str, Any]) -> str:
    told = ", ".join(f"{number:,} × {status}" for status, number in found["statuses"].items())
    return (
        f"{found['in_flight']:,} predictions in flight: {told}, in {found['seconds']} s; {found['grown_mib']} MiB "
        f"more memory; ready {found['healthy_after_seconds']} s after."
    )


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)
