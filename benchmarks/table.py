"""Write the newest results into ``benchmarks/README.md``: `python -m benchmarks.table`."""

import json
from pathlib import Path
from typing import Any

from experiments.demo_tables import insert
from experiments.record import describe_hardware

HERE = Path(__file__).resolve().parent


def deposits(record: dict[str, Any]) -> str:
    lines = ["| objective | batch | steps per second | repeats | s per epoch of 10,000, extrapolated |"]
    lines.append("| --- | ---: | ---: | --- | ---: |")
    for row in record["rows"]:
        rate = row["steps_per_second"]
        cells = [f"`{row['objective']}`", row["batch_size"], rate["median"], _repeats(rate)]
        lines.append(_line([*cells, row["seconds_per_epoch_extrapolated"]]))
    return "\n".join([*lines, "", _taken(record)])


def predictions(record: dict[str, Any]) -> str:
    lines = ["| through | net | | predictions per second | repeats | p50 ms | p95 ms | p99 ms |"]
    lines.append("| --- | --- | --- | ---: | --- | ---: | ---: | ---: |")
    for row in record["rows"]:
        rate = row["predictions_per_second"]
        how = f"clients: {row['clients']}" if "clients" in row else f"batch: {row['batch']}"
        times = [row.get(f"p{rank}_ms", "") for rank in (50, 95, 99)]
        through = {"http": "HTTP", "engine": "bare engine"}[row["through"]]
        lines.append(_line([through, row["net"], how, rate["median"], _repeats(rate), *times]))
    return "\n".join([*lines, "", _taken(record)])


def main() -> None:
    page = HERE / "README.md"
    text = page.read_text()
    for name, render in (("deposit", deposits), ("predict", predictions)):
        text = insert(text, name, render(json.loads((HERE / "results" / f"{name}.json").read_text())))
    page.write_text(text)


def _line(cells: list[Any]) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _repeats(rate: dict[str, Any]) -> str:
    return ", ".join(str(value) for value in rate["repeats"])


def _taken(record: dict[str, Any]) -> str:
    hardware = record["hardware"]
    return (
        f"Seed {record['seed']}; {describe_hardware(hardware)}, load {hardware['load_before']} from other work; "
        f"torch {record['versions']['torch']}; commit `{record['commit'][:10]}`; "
        f"`{record['command']}`. {record['notes']}"
    )


if __name__ == "__main__":
    main()
