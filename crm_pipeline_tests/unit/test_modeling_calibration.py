"""The logistic regression in one variable that metrics and baselines share."""

import ast
from pathlib import Path

import numpy as np
import pytest

import crm_pipeline.modeling
from crm_pipeline.modeling.calibration import logistic


def test_the_logistic_of_a_two_valued_feature_gives_the_log_odds_of_each_group():
    """One of four in the first group, three of four in the second: log-odds -ln 3 and +ln 3, worked out by hand."""
    x, y = np.repeat([0.0, 1.0], 4), np.array([1, 0, 0, 0, 1, 1, 1, 0.0])
    weights, hessian = logistic(x, y, ridge=1e-9, tolerance=1e-10)
    assert weights == pytest.approx([-np.log(3), 2 * np.log(3)], abs=1e-6)
    assert np.sqrt(np.linalg.inv(hessian)[1, 1]) == pytest.approx(np.sqrt(2 / 0.75), abs=1e-5)


def test_newtons_method_is_written_once_over_metrics_and_baselines():
    """Only the shared logistic solves for a Newton step of a logistic regression."""
    room = Path(crm_pipeline.modeling.__file__).parent
    for name in ("metrics.py", "baselines.py"):
        calls = [n.func for n in ast.walk(ast.parse((room / name).read_text())) if isinstance(n, ast.Call)]
        assert "solve" not in [c.attr for c in calls if isinstance(c, ast.Attribute)], name
