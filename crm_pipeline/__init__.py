"""crm_pipeline: from raw CRM tables to one scored customer table. Here stand the version and what numeric libraries read at load.

Their threads wait by spinning unless told otherwise, and fight each other, the engine and other runs for the cores: measured on
two cores, the models of one period took 35 s with the libraries' defaults and 3 s so. The environment's own values win.
"""

import os

__version__ = "0.1.0"

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
