"""Write the newest results into the pages that show them: `python -m benchmarks.table`."""

import json
from pathlib import Path
from typing import Any

from benchmarks.serving.page import summary
from experiments.demo_tables import insert
from experiments.record import describe_taken

HERE = Path(__file__).resolve().parent


def deposits(record: dict[str, Any]) -> str:
    lines = ["| loop | | products | steps per second | repeats | samples per second | s per epoch |"]
    lines.append("| --- | --- | --- | ---: | --- | ---: | ---: |")
    for row in record["rows"]:
        rate = row["steps_per_second"]
        cells = [f"`{row['loop']}`", row["what"], row["precision"], rate["median"], _repeats(rate)]
        lines.append(_line([*cells, row["samples_per_second"], row["seconds_per_epoch"]]))
    parts = [lines, _ratios(record["ratios"]), [_whole(record["whole_deposit"])]]
    parts += [[_retraining(record["retraining"])], [_setting(record)], [describe_taken(record)]]
    return "\n\n".join("\n".join(part) for part in parts)


def sealing(record: dict[str, Any]) -> str:
    size, peaks = record["megabytes"], record["peak_megabytes"]
    lines = [f"| {size} MB in and out | seconds | repeats |", "| --- | ---: | --- |"]
    names = {"plain": "plain bytes", "sealed": "sealed tensors"}
    for row in record["rows"]:
        seconds = row["seconds"]
        lines.append(_line([names[row["through"]], seconds["median"], _repeats(seconds)]))
    told = (
        f"Sealed takes **{record['ratio']:.2f}** times as long as plain. Peak memory above the tensors: "
        f"{peaks['storing']} MB while storing, {peaks['loading']} MB while loading."
    )
    return "\n".join([*lines, "", told, "", describe_taken(record)])


def engines(record: dict[str, Any]) -> str:
    batches = list(record["rows"][0]["images_per_second"])
    lines = [
        _line(
            ["network", "engine", *(f"batch {batch}" for batch in batches), "log-probabilities at most apart"]
        )
    ]
    lines.append(_line(["---", "---", *["---:"] * (len(batches) + 1)]))
    for row in record["rows"]:
        rates = [
            f"{row['images_per_second'][batch]['median']:,.0f} ({row['times_eager'][batch]:.2f})"
            for batch in batches
        ]
        lines.append(_line([row["architecture"], row["engine"], *rates, f"{row['most_apart']:.1g}"]))
    left_out = [f"Left out: {'; '.join(record['left_out'])}."] if record["left_out"] else []
    return "\n".join([*lines, "", *left_out, describe_taken(record)])


ADR = HERE.parent / "docs" / "adr" / "0022-nets-compiled-by-openvino.md"
PLACES = (
    ("deposit", deposits, HERE / "README.md"),
    ("sealing", sealing, HERE / "README.md"),
    ("engines", engines, ADR),
    ("serving", summary, HERE.parent / "README.md"),
)
"""Of each result, what shows it and on which page."""


def main() -> None:
    for name, render, page in PLACES:
        record = json.loads((HERE / "results" / f"{name}.json").read_text())
        page.write_text(insert(page.read_text(), name, render(record)))


def _ratios(ratios: list[dict[str, Any]]) -> list[str]:
    lines = ["| faster × | per epoch | in each round | per sample | |"]
    lines.append("| --- | ---: | --- | ---: | --- |")
    for one in ratios:
        rounds = ", ".join(f"{value:.2f}" for value in one["rounds_per_epoch"])
        cells = [f"`{one['loop']}` against `{one['against']}`", f"{one['per_epoch']:.2f}", rounds]
        lines.append(_line([*cells, f"{one['per_sample']:.2f}", one["says"]]))
    return lines


def _whole(found: dict[str, Any]) -> str:
    if not found["measured"]:
        return f"**A whole deposit: not measured**; `{found['command']}` does."
    return (
        f"**A whole deposit** of {found['images']:,} images with `{found['objective']}` took {found['seconds']:.0f} s: "
        f"{found['epochs']} epochs, {found['steps']:,} steps, {found['samples']:,} samples (n = 1)."
    )


def _retraining(found: dict[str, Any]) -> str:
    if not found["measured"]:
        return f"**Retraining from scratch: not measured**; `{found['command']}` does."
    tried = ", ".join(f"{one['epochs']} epochs {one['pre']:.2f}" for one in found["budgets"])
    aim = f"the deposit's Pre of {found['deposit_pre']:.2f} ({found['deposit_samples']:,} samples)"
    outcome = (
        f"took {found['samples']:,} samples, {found['ratio']:.1f} times as many"
        if found["reached"]
        else f"did not reach it in {found['samples']:,} samples, {found['ratio_at_least']:.1f} times as many"
    )
    return (
        f"**Retraining from scratch** without {', '.join(found['classes'])} of {found['data']} {outcome}; "
        f"aim: {aim}. Pre by budget: {tried} (seed {found['seed']}, n = 1; `{found['command']}`)."
    )


def _setting(record: dict[str, Any]) -> str:
    setting = record["setting"]
    return (
        f"ResNet-20, {setting['image']}, batches of {record['rows'][0]['batch_size']} deposit images, "
        f"epochs of {setting['deposit_images']:,}; {setting['data']}; {setting['threads']} thread(s)."
    )


def _line(cells: list[Any]) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _repeats(rate: dict[str, Any]) -> str:
    return ", ".join(str(value) for value in rate["repeats"])


if __name__ == "__main__":
    main()
