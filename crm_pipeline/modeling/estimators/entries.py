"""The estimators of this package, one entry each. Read without importing any: their classes load with the model libraries.

To add one: a module beside this one with its class, a `learner.Learner`, and an entry here.
"""

from crm_pipeline.modeling.estimators.entry import Entry

CHURN = ("logistic", "gradient_boosting", "purchase_process")
DEMAND = ("linear", "gradient_boosting", "two_part")


def _of(learner: str) -> str:
    return f"{__package__}.{learner}"


ENTRIES = (
    Entry(
        "churn", "purchase_process", "The exact P(no order) of the purchase process, as it was fitted.", 1,
        _of("purchase_process:ProcessChurn"), rows=0, events=0,
    ),
    Entry(
        "churn", "logistic", "Ridge-penalised logistic regression on linear splines of the features.", 2,
        _of("logistic:SplineLogistic"),
    ),
    Entry(
        "churn", "svm", "Linear support vector machine on linear splines, with Platt's probabilities.", 3,
        _of("svm:SplineSVM"),
    ),
    Entry(
        "churn", "gradient_boosting", "XGBoost with trees of depth 3.", 4,
        _of("gradient_boosting:BoostedChurn"), kind="xgboost", tuned=True,
    ),
    Entry(
        "churn", "random_forest", "Random forest of 200 trees with at least 20 customers in a leaf.", 5,
        _of("random_forest:ForestChurn"),
    ),
    Entry(
        "churn", "neural_network", "Average of three networks with one hidden layer of 16 units.", 6,
        _of("neural_network:NetworkChurn"), kind="numpy",
    ),
    Entry(
        "churn", "recurrent_network", "Gated recurrent unit over the orders of each of the last periods, beside a linear term.", 7,
        _of("recurrent_network:RecurrentChurn"), kind="keras",
    ),
    Entry(
        "churn", "average", f"Equal average in log-odds of {', '.join(CHURN)}.", 8,
        _of("average:ChurnAverage"), members=CHURN,
    ),
    Entry(
        "demand", "purchase_process",
        "Expected purchase days times what the customer spends on one, shrunk to everybody's.", 1,
        _of("purchase_process:ProcessAmount"),
    ),
    Entry(
        "demand", "linear", "Linear regression on splines with a log link and Tweedie deviance, ridge-penalised.", 2,
        _of("linear:SplineAmount"),
    ),
    Entry(
        "demand", "svr", "Linear support vector regression of log amounts on linear splines, led back to a mean.", 3,
        _of("svr:SplineSVR"),
    ),
    Entry(
        "demand", "decision_tree", "One regression tree of depth 6; a leaf says its mean spend.", 4,
        _of("decision_tree:TreeAmount"),
    ),
    Entry(
        "demand", "gradient_boosting", "XGBoost with trees of depth 3 on a Tweedie deviance.", 5,
        _of("gradient_boosting:BoostedAmount"), kind="xgboost", tuned=True,
    ),
    Entry(
        "demand", "random_forest", "Random forest of 60 trees; a leaf says its mean spend.", 6,
        _of("random_forest:ForestAmount"),
    ),
    Entry(
        "demand", "two_part",
        "Probability of buying × mean amount of buyers, each the average of splines, boosting and purchase process.", 7,
        _of("two_part:TwoPart"), others=50,
    ),
    Entry(
        "demand", "average", f"Equal average in log amounts of {', '.join(DEMAND)}.", 8,
        _of("average:AmountAverage"), members=DEMAND,
    ),
)  # fmt: skip
