import numpy as np

from crm_pipeline.modeling.learners.process import no_order_log_odds
from crm_pipeline.modeling.purchase_process import MBGNBD


def test_no_order_is_close_to_the_processes_own_formula():
    g = np.random.default_rng(0)
    x = g.poisson(3, 500).astype(float)
    T = g.uniform(100, 600, 500)
    t_x = np.where(x > 0, T * g.random(500), 0)
    model = MBGNBD(r=0.95, alpha=80.0, a=0.15, b=6.0, log_likelihood=0.0, converged=True, n=500)
    exact = model.probability_no_purchase(91, x, t_x, T)
    said = model.predict(91, x, t_x, T)
    rate = said.expected_purchases / said.probability_alive
    ours = no_order_log_odds(said.probability_alive, rate, x + 1)
    gap = np.abs(ours - np.log(exact / (1 - exact)))
    assert gap.mean() < 0.02
    assert gap.max() < 0.2
