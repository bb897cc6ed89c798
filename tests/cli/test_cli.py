"""The commands as their user types them, talking to a running service."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest
import torch
import typer
from sqlalchemy import text
from typer.testing import CliRunner

from app.cli.demo.service import RunningService
from app.cli.main import ADDED, cli, main
from app.client import LirfClient
from app.db.session import open_sessions
from app.lirf.checkpoint import write_safetensors
from app.lirf.data.images import encode_png
from app.lirf.data.source import open_source
from app.lirf.errors import InvalidInputError
from app.lirf.networks import create, published_state


@dataclass(frozen=True)
class Done:
    """How a command ended and what it said."""

    returncode: object
    stdout: str
    stderr: str


Lirf = Callable[..., Done]

CLASSES = ",".join(str(digit) for digit in range(10))
GREY = {"channels": 1, "height": 8, "width": 8, "mean": [0.3], "std": [0.4]}


@pytest.fixture(scope="module")
def lirf(service: RunningService) -> Lirf:
    """Run `lirf …` against the service, as its admin unless another key is given."""

    def run(*arguments: object, key: str = service.admin_key) -> Done:
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(sys, "argv", ["lirf", *map(str, arguments)])
            patch.setenv("LIRF_URL", service.url)
            patch.setenv("LIRF_API_KEY", key)
            try:
                main()
                code: object = 0
            except SystemExit as end:
                code = end.code or 0
        return Done(code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as published ones are: wrapped in ``state_dict``, names under ``module.``."""
    torch.manual_seed(0)
    tensors = published_state(create("resnet20", 10, 1))
    path = tmp_path_factory.mktemp("cli") / "resnet20-made-here.th"
    torch.save({"state_dict": {f"module.{name}": value for name, value in tensors.items()}}, path)
    return path


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "blank.png"
    path.write_bytes(encode_png(torch.zeros(1, 8, 8, dtype=torch.uint8)))
    return path


@pytest.fixture(scope="module")
def imported(lirf: Lirf, checkpoint: Path) -> Done:
    size = ("--size", 8, "--mean", 0.3, "--std", 0.4)
    return lirf(
        "models", "import", checkpoint, "--arch", "resnet20", "--classes", CLASSES, "--name", "cli", *size
    )


def told(done: Done) -> str:
    return " ".join((done.stdout + done.stderr).split())


def test_a_checkpoint_is_imported_and_listed(lirf: Lirf, imported: Done) -> None:
    assert imported.returncode == 0, imported.stderr
    assert "cli is registered: resnet20, version 1." in imported.stdout
    assert "cli\tresnet20\tversion 1" in lirf("models", "list").stdout


def test_a_key_is_made_and_works(lirf: Lirf) -> None:
    made = lirf("keys", "create", "cli-member", "--role", "member")
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert key.startswith("lirf_")
    refused = lirf("keys", "create", "another", key=key)
    assert refused.returncode == 1
    assert "may not manage keys" in told(refused)


def test_the_vault_is_looked_at_sealed_opened_and_rotated(lirf: Lirf, imported: Done) -> None:
    assert imported.returncode == 0
    assert lirf("vault", "status").stdout.startswith("Open.")
    try:
        assert lirf("vault", "seal", "an audit").stdout.startswith("Sealed: an audit")
        refused = lirf("deposit", "cli", "none", "--classes", "3")
        assert refused.returncode == 1
        assert "The vault is sealed: an audit" in told(refused)
    finally:
        assert lirf("vault", "unseal").stdout.startswith("Open.")
    rotated = lirf("vault", "rotate")
    assert rotated.returncode == 0, rotated.stderr
    assert "data keys are wrapped anew under kek_" in rotated.stdout


def test_the_ledger_is_read_its_head_kept_and_both_verified(
    lirf: Lirf, imported: Done, tmp_path: Path, service_url: str
) -> None:
    assert imported.returncode == 0
    assert "key.made" in lirf("audit", "list").stdout
    kept = tmp_path / "head.json"
    assert "its head is kept in" in told(lirf("audit", "head", kept))
    verified = lirf("audit", "verify", "--head", kept)
    assert (verified.returncode, verified.stdout.endswith("entries, unbroken.\n")) == (0, True), verified
    head = json.loads(kept.read_text())
    kept.write_text(json.dumps({**head, "envelope": {**head["envelope"], "payload": "e30="}}))
    assert "The kept head: The signature is not of this content" in told(
        lirf("audit", "verify", "--head", kept)
    )
    sessions = open_sessions(service_url)
    with sessions.write() as session:  # as someone who owns the database may
        session.execute(text("DROP TRIGGER ledger_no_update"))
        session.execute(text("UPDATE ledger SET actor = 'mallory' WHERE seq = 1"))
    try:
        broken = lirf("audit", "verify")
        assert broken.returncode == 1
        assert "Entry 1 was changed: its hash is not that of its content." in told(broken)
    finally:
        with sessions.write() as session:
            session.execute(text("UPDATE ledger SET actor = 'service' WHERE seq = 1"))
        sessions.close()
    assert lirf("audit", "verify").returncode == 0


def test_knowledge_is_deposited_withdrawn_and_locked_again(
    lirf: Lirf, service: RunningService, imported: Done, image: Path
) -> None:
    assert imported.returncode == 0
    with LirfClient(service.url, service.admin_key) as client:
        client.builtin_dataset("cli-data", "digits", "test")
    assert "original net, version 1" in lirf("predict", "cli", image).stdout
    rows = ",".join(open_source("digits", "test").ids[:2])  # few, since a deposit takes 200 steps at least
    deposited = lirf("deposit", "cli", "cli-data", "--ids", rows, "--epochs", 1)
    assert deposited.returncode == 0, deposited.stderr
    deposit = deposited.stdout.strip()
    assert deposit.startswith("dep_")
    assert "target net, version 2" in lirf("predict", "cli", image).stdout
    withdrawn = lirf("withdraw", deposit, "--reason", "to look again")
    assert withdrawn.returncode == 0, withdrawn.stderr
    assert "recover net, version 2" in lirf("predict", "cli", image).stdout
    assert lirf("end", withdrawn.stdout.strip()).stdout.strip() == "ended"
    assert "target net, version 2" in lirf("predict", "cli", image).stdout


def test_kept_images_are_named_beside_the_deposit_set(
    lirf: Lirf, service: RunningService, imported: Done
) -> None:
    assert imported.returncode == 0
    digits = open_source("digits", "test")
    with LirfClient(service.url, service.admin_key) as client:
        client.builtin_dataset("cli-retain", "digits", "test")
        client.register_model(
            {"name": "cli-retain", "architecture": "resnet20", "classes": CLASSES.split(","), "input": GREY},
            write_safetensors(published_state(create("resnet20", 10, 1))),
        )
        ids = ",".join(digits.ids[:2])
        refused = lirf("deposit", "cli-retain", "cli-retain", "--ids", ids, "--retain-ids", digits.ids[1])
        assert refused.returncode == 1
        assert "retain: 1 of the 1 images to retain are to be forgotten as well" in told(refused)
        done = lirf(
            "deposit",
            "cli-retain",
            "cli-retain",
            "--ids",
            ids,
            "--retain-ids",
            ",".join(digits.ids[2:4]),
            "--epochs",
            1,
        )
        assert done.returncode == 0, done.stderr
        state = client.deposit_state(done.stdout.strip())
    assert state["retain"] == {"select": {"ids": list(digits.ids[2:4])}, "samples": 2}
    assert state["metrics"]["retain"] == {"samples": 2}


def test_a_condition_for_kept_images_needs_a_value_too(lirf: Lirf) -> None:
    done = lirf("deposit", "cli", "cli-data", "--ids", "a", "--retain-where", "writer")
    assert done.returncode != 0
    assert "is not COLUMN=VALUE" in told(done)


def test_without_a_key_the_remedy_is_told(lirf: Lirf) -> None:
    done = lirf("models", "list", key="")
    assert done.returncode != 0
    assert "Give --key, or set LIRF_API_KEY" in told(done)


def test_an_unreachable_service_is_told_with_its_remedy_by_a_process_of_its_own() -> None:
    command = [
        sys.executable,
        "-m",
        "app.cli",
        "models",
        "list",
        "--url",
        "http://127.0.0.1:9",
        "--key",
        "lirf_a_b",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    said = told(Done(done.returncode, done.stdout, done.stderr))
    assert done.returncode == 1
    assert "was not reached" in said
    assert "lirf up" in said
    assert "Traceback" not in said


def test_a_refusal_of_the_service_is_told_with_field_and_remedy(lirf: Lirf, image: Path) -> None:
    done = lirf("predict", "nobody", image)
    assert done.returncode == 1
    assert "model: There is no model 'nobody'. List what you may use" in told(done)


def test_a_file_that_is_no_checkpoint_is_refused_before_anything_is_sent(lirf: Lirf, image: Path) -> None:
    done = lirf("models", "import", image, "--arch", "resnet20", "--classes", CLASSES)
    assert done.returncode == 1
    assert "cannot be read as a PyTorch checkpoint" in told(done)
    assert "Traceback" not in done.stderr


def test_a_condition_without_a_value_is_refused(lirf: Lirf) -> None:
    done = lirf("deposit", "cli", "cli-data", "--where", "writer")
    assert done.returncode != 0
    assert "is not COLUMN=VALUE" in told(done)


@pytest.mark.parametrize(
    "command",
    [
        "up",
        "deposit",
        "withdraw",
        "end",
        "predict",
        "demo",
        "models",
        "keys",
        "vault",
        "audit",
        "certificate",
        "verify",
        "reproduce",
    ],
)
def test_every_command_explains_itself(command: str) -> None:
    shown = CliRunner().invoke(cli, [command, "--help"])
    assert shown.exit_code == 0
    assert "Usage" in shown.output


def test_a_package_can_add_a_command_and_take_none_away(monkeypatch: pytest.MonkeyPatch) -> None:
    added = EntryPoints(EntryPoint(name, "package:function", ADDED) for name in ("further", "demo"))
    monkeypatch.setattr(sys.modules["app.cli.main"], "entry_points", lambda group: added.select(group=group))
    monkeypatch.setattr(EntryPoint, "load", lambda _: lambda word: typer.echo(f"{word} said"))
    assert CliRunner().invoke(cli, ["further", "hello"]).output == "hello said\n"
    assert "further" in CliRunner().invoke(cli, ["--help"]).output
    assert "Run the main job" in CliRunner().invoke(cli, ["demo", "--help"]).output
    assert CliRunner().invoke(cli, ["nothing"]).exit_code != 0


def test_a_refusal_is_shown_with_its_brackets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise InvalidInputError("plot", "matplotlib is missing.", "pip install 'lirf-server[dev]'")

    monkeypatch.setattr(sys.modules["app.cli.main"], "cli", lambda **_: refuse())
    with pytest.raises(SystemExit):
        main()
    shown = capsys.readouterr()
    assert "lirf-server[dev]" in shown.out + shown.err
