"""Two runs of one home at the same time: both end well, and the home is as if one had run."""

from pathlib import Path

from crm_pipeline_tests.integration import world
from crm_pipeline_tests.integration.conftest import Built


def test_two_runs_of_a_new_home(tiny_home: Built, folder: Path) -> None:
    home = world.new_home(folder / "two_home", world.TINY)
    command = ["run", "--source", tiny_home.source, "--home", home, "--through", tiny_home.through]
    both = [world.start(*command), world.start(*command)]
    done = [world.finish(process) for process in both]
    assert not any("locked" in d.stderr or "Traceback" in d.stderr for d in done)
    assert world.differing(world.hashes(home), tiny_home.hashes) == []
    assert world.plan(tiny_home.source, home, "--through", tiny_home.through) == []
