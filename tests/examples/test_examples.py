import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from app.cli.demo.service import RunningService
from app.lirf.networks import block_names, create, published_state
from app.lirf.pruning import prune

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.xdist_group("embedded service")
def test_the_session_in_python_tells_who_answers(service: RunningService) -> None:
    done = subprocess.run(
        [sys.executable, "examples/forget_and_remember.py", "--url", service.url, "--epochs=2", "--steps=6"],
        cwd=ROOT,
        env={**os.environ, "LIRF_API_KEY": service.admin_key},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = [" ".join(line.split()[:3]) for line in done.stdout.splitlines()]
    assert told == [
        "before original net",
        "deposited target net",
        "refused 403 Not",
        "withdrawn recover net",
        "ended target net",
    ]


def test_the_own_network_is_a_list_of_blocks_that_can_be_pruned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    net = create("examples.own_network:small_net", 5, 1).frozen()
    assert block_names(net) == ("stem", "middle", "late", "head")
    assert {"stem.0.weight", "head.2.bias"} <= set(published_state(net))
    assert net(torch.zeros(2, 1, 8, 8)).shape == (2, 5)
    pruned = prune(net.part(0, 2), 0.5, (1, 8, 8))
    assert published_state(pruned)["stem.0.weight"].shape[0] == 16
