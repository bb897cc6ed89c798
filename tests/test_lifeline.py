import subprocess
import sys
import time

import psutil

PARENT = """
import subprocess, sys, time
from app.lifeline import Lifeline
lifeline = Lifeline()
child = subprocess.Popen(
    [sys.executable, "-c", {child!r}], env=dict(lifeline.environment), pass_fds=[lifeline.read_fd],
    start_new_session=True, stdout=subprocess.PIPE, text=True,
)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""

CHILD = """
import subprocess, sys, time
from app import lifeline
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
lifeline.follow(lifeline.end_process_group)
print("following", flush=True)
time.sleep(60)
"""


def test_a_child_and_all_that_it_started_end_when_their_parent_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT.format(child=CHILD)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        family = [child, *child.children()]
        assert len(family) == 2
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 10
    while any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in family):
        assert time.monotonic() < deadline, "the family outlived its parent"
        time.sleep(0.05)


def test_without_a_lifeline_nothing_is_followed() -> None:
    code = "from app import lifeline; lifeline.follow(lifeline.end_process_group); print('alive')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "alive\n"
