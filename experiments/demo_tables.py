"""Tables and pictures of what `lirf demo --json FILE` wrote.

    lirf demo --json var/demo.json
    python -m experiments.demo_tables var/demo.json --title "Digits" --command "make demo" \
        --png docs/img/demo-digits.png --record experiments/results/demo-digits.json --into README.md --section digits

Run it right after the demo and from the same checkout: the commit and the machine are read when it runs.
"""

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.demo_picture import draw
from experiments.record import Circumstances, circumstances, describe_hardware, write_record

KEPT = "target, rows kept"
NETS = {
    "original": "original",
    "target": "target, as served",
    KEPT: "target, with its sealed rows put back",
    "recover": "recover",
}
METRICS = {"pre": "Pre", "dep": "Dep", "f": "F", "h": "H", "avg": "Avg"}


@dataclass(frozen=True)
class Run:
    """One demo: its name, the figures of its nets in percent, and what else its file holds."""

    name: str
    nets: Mapping[str, Mapping[str, float]]
    seconds: Mapping[str, float]
    details: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> "Run":
        content = json.loads(path.read_text())
        details = content["details"]
        kept = dict(details["rows_kept"])
        kept["f"] = content["original"]["dep"] - kept["dep"]
        nets = {"original": content["original"], "target": content["target"], KEPT: kept}
        return cls(path.stem, {**nets, "recover": content["recover"]}, content["seconds"], details)

    def rows(self) -> list[dict[str, Any]]:
        """One row per net, for a result file."""
        return [
            {"run": self.name, "net": net, **{key: figures.get(key) for key in METRICS}}
            for net, figures in self.nets.items()
        ]


def table(runs: Sequence[Run]) -> str:
    """A Markdown table, one row per net; with several runs also one column that names them."""
    head = [*(["run"] if len(runs) > 1 else []), "net", *(f"{name} %" for name in METRICS.values())]
    align = ["---"] * (len(head) - len(METRICS)) + ["---:"] * len(METRICS)
    lines = [head, align]
    for run in runs:
        for net, figures in run.nets.items():
            cells = [f"{figures[key]:.2f}" if key in figures else "" for key in METRICS]
            lines.append([*([run.name] if len(runs) > 1 else []), NETS[net], *cells])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def caption(runs: Sequence[Run], taken: Circumstances, command: str) -> str:
    """Seed, n, hardware, commit and command: what a figure is worth nothing without."""
    first = runs[0]
    config, seconds = first.details["config"], first.seconds
    seeds = ", ".join(dict.fromkeys(str(run.details["config"]["seed"]) for run in runs))
    parts = [
        f"Objective `{config['objective']}`",
        f"prune ratio {config['prune_ratio']}",
        f"seed {seeds}",
        f"n = {first.details['test_images']:,} test images, {first.details['deposit_images']:,} deposited",
        f"module {first.details['module_bytes'] / 1024:,.0f} KiB",
        "train {train:.0f} s, deposit {deposit:.0f} s, first recover answer {compose:.2f} s".format(
            **seconds
        ),
        describe_hardware(taken.hardware) + f" (load {taken.hardware['load_before']} from other work)",
        f"commit `{taken.commit[:10]}{'+changes' if taken.commit.endswith('+changes') else ''}`",
        f"`{command}`",
    ]
    return "; ".join(parts) + "."


def insert(document: str, section: str, content: str) -> str:
    """Replace what stands between ``<!-- section:begin -->`` and ``<!-- section:end -->``.

    Raises:
        ValueError: the document has no such section.
    """
    begin, end = f"<!-- {section}:begin -->", f"<!-- {section}:end -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(document):
        raise ValueError(f"there is no section {section!r}: add the lines {begin} and {end}")
    return pattern.sub(lambda _: f"{begin}\n{content}\n{end}", document)


def main() -> None:
    options = _options()
    runs = [Run.read(path) for path in options.demo]
    taken = circumstances()
    content = f"{table(runs)}\n\n{caption(runs, taken, options.command)}"
    if options.png:
        draw(runs[0].nets, NETS, options.title, options.png)
        if options.into:
            place = options.png.resolve().relative_to(options.into.resolve().parent)
            content += f"\n\n![{options.title}: accuracy of the three nets]({place})"
    if options.record:
        seed = runs[0].details["config"]["seed"]
        rows = [row for run in runs for row in run.rows()]
        rows += [{"run": run.name, "seconds": run.seconds, "details": run.details} for run in runs]
        write_record(
            options.record, taken, seed=seed, command=options.command, notes=options.title, rows=rows
        )
    if options.into:
        options.into.write_text(insert(options.into.read_text(), options.section, content))
    else:
        print(content)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("demo", nargs="+", type=Path, help="files that `lirf demo --json` wrote")
    parser.add_argument("--title", required=True, help="what was deposited from what")
    parser.add_argument("--command", required=True, help="the command that wrote the first file")
    parser.add_argument("--png", type=Path, help="draw the first file's figures")
    parser.add_argument("--record", type=Path, help="write a result file")
    parser.add_argument("--into", type=Path, help="a Markdown file to write into instead of printing")
    parser.add_argument("--section", help="the section of that file")
    options = parser.parse_args()
    if (options.into is None) != (options.section is None):
        parser.error("--into and --section belong together")
    return options


if __name__ == "__main__":
    main()
