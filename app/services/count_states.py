"""How many jobs and deposits are in each state, for whoever watches the service."""

from app.db.repositories import deposits, jobs
from app.db.session import Sessions
from app.domain.lifecycle import DepositState, JobState


def count_states(sessions: Sessions) -> dict[str, dict[str, int]]:
    """Counts by state under ``jobs`` and ``deposits``; a state without any counts 0."""
    with sessions.read() as session:
        counted = {"jobs": jobs.count_by_state(session), "deposits": deposits.count_by_state(session)}
    known = {"jobs": JobState, "deposits": DepositState}
    return {
        name: {str(state): counts.get(state, 0) for state in known[name]} for name, counts in counted.items()
    }
