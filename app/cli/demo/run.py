"""From options to a table, a JSON file, and an exit code that means it."""

import json
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.cli.console import console
from app.cli.demo.preset import preset_for
from app.cli.demo.scenario import Order, Outcome, Scenario, StepFailedError
from app.cli.demo.service import running_service
from app.lirf.data.source import open_source

COLUMNS = (("pre", "Pre"), ("dep", "Dep"), ("h", "H"), ("avg", "Avg"))


def run(
    *,
    dataset: str,
    weights: Path | None,
    arch: str | None,
    classes: str | None,
    objective: str,
    prune_ratio: float,
    seed: int,
    json_file: Path | None,
) -> None:
    """Run the scenario and show what came of it; exit with 1 at the first step that failed."""
    test = open_source(dataset, "test")
    preset = preset_for(dataset, test.shape, arch)
    chosen = (
        tuple(name.strip() for name in classes.split(",")) if classes else preset.classes or test.classes[:2]
    )
    _require_classes(chosen, test.classes)
    order = Order(dataset, weights, preset, chosen, objective, prune_ratio, seed)
    try:
        with running_service() as service:
            scenario = Scenario(service, order, test)
            try:
                outcome = scenario.run()
            finally:
                scenario.close()
    except StepFailedError as failure:
        console.print(f"[red]{escape(str(failure))}[/red]")
        raise typer.Exit(1) from failure
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(outcome.as_json(), indent=2) + "\n")
    Console().print(table(outcome, order))


def table(outcome: Outcome, order: Order) -> Table:
    """Original, target and recover net by Pre, Dep, H and Avg, in percent."""
    shown = Table(
        title=f"Deposit of {', '.join(order.classes)} from {order.preset.architecture} ({order.objective})"
    )
    shown.add_column("net")
    for _, heading in COLUMNS:
        shown.add_column(f"{heading} %", justify="right")
    shown.add_column("answers")
    who = {"original": "everyone, before", "target": "everyone, after", "recover": "who withdrew"}
    for net, figures in outcome.nets.items():
        cells = [f"{figures[key]:.2f}" if key in figures else "" for key, _ in COLUMNS]
        shown.add_row(net, *cells, who[net])
    seconds = ", ".join(f"{step} {taken:.1f} s" for step, taken in outcome.seconds.items())
    shown.caption = f"{outcome.details['test_images']} test images, each sent through the API. {seconds}."
    return shown


def _require_classes(chosen: tuple[str, ...], known: tuple[str, ...]) -> None:
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise typer.BadParameter(f"There is no class {unknown[0]!r}; choose among {', '.join(known)}.")
