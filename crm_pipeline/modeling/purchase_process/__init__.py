"""How often, and whether still, a customer buys: MBG/NBD and Pareto/NBD. No learner and no table logic belongs here."""

from crm_pipeline.modeling.purchase_process.features import PurchaseProcess, purchase_process_features
from crm_pipeline.modeling.purchase_process.fit import fit_mbg_nbd, fit_pareto_nbd
from crm_pipeline.modeling.purchase_process.mbg_nbd import MBGNBD
from crm_pipeline.modeling.purchase_process.observations import Prediction
from crm_pipeline.modeling.purchase_process.pareto_nbd import ParetoNBD

__all__ = [
    "MBGNBD",
    "ParetoNBD",
    "Prediction",
    "PurchaseProcess",
    "fit_mbg_nbd",
    "fit_pareto_nbd",
    "purchase_process_features",
]
