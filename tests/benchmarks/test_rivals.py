import sys
from pathlib import Path

import psutil
import pytest
import torch

from benchmarks.rivals import RivalDidNotStartError, rival, running, write_model
from benchmarks.subject import SPEC, original, random_images

STARTS_ANOTHER_SESSION = """
import http.server, os, subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["RIVAL_PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(running, "interpreter", lambda _: Path(sys.executable))
    return monkeypatch


def act_as(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(running, "_command", lambda *_: [sys.executable, "-c", script])


@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated:FutureWarning")
def test_the_file_answers_as_the_network_does(tmp_path: Path) -> None:
    net, images = original(0), random_images(5, 1)
    write_model(net, SPEC, tmp_path / "model.pt")
    with torch.inference_mode():
        expected = net(SPEC.normalise(images)).softmax(dim=1).max(dim=1)
        served = torch.jit.load(tmp_path / "model.pt")
        for count in (1, 5):
            probabilities, classes = served(images[:count].permute(0, 2, 3, 1).contiguous())
            assert classes.tolist() == expected.indices[:count].tolist()
            torch.testing.assert_close(probabilities, expected.values[:count], rtol=1e-4, atol=1e-5)


def test_no_process_stays_even_in_another_session(pretend: pytest.MonkeyPatch) -> None:
    act_as(pretend, STARTS_ANOTHER_SESSION)
    marks: list[str] = []
    end = running._end

    def spying(process: "running.subprocess.Popen[bytes]", mark: str) -> None:
        marks.append(mark)
        assert len(running._marked(mark)) == 2
        end(process, mark)

    pretend.setattr(running, "_end", spying)
    with pytest.raises(KeyboardInterrupt), rival("litserve", Path("model.pt")):
        raise KeyboardInterrupt
    assert running._marked(marks[0]) == []


def test_what_ends_at_once_tells_why(pretend: pytest.MonkeyPatch) -> None:
    act_as(pretend, "raise SystemExit('no such model')")
    before = set(psutil.Process().children())
    with pytest.raises(RivalDidNotStartError, match="no such model"), rival("bentoml", Path("model.pt")):
        pass
    assert set(psutil.Process().children()) == before
