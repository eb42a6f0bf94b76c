"""One finished run of the dummy study, made once a session; every test works on copies of it."""

from __future__ import annotations

import pytest
from dag_clone import WHOLE_RUN, Clone


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """A clone of the repository with the dummy study added and nothing run."""
    return Clone.of_repository(tmp_path_factory.mktemp("source") / "clone")


@pytest.fixture(scope="session")
def finished(source, tmp_path_factory):
    """A clone in which the dummy study has been run to its published verdict and figures."""
    clone = source.copy(tmp_path_factory.mktemp("finished") / "clone")
    assert clone.run("dummy") == WHOLE_RUN
    return clone


@pytest.fixture
def pulled(finished, tmp_path):
    """A fresh clone that holds pulled evidence and nothing else that a run makes."""
    return finished.copy(tmp_path / "pulled", "evidence")
