"""What holds for all tests: no property test is timed, for on a busy machine that says nothing; each worker compiles for itself.

librosa, which tests compare with, has numba keep what it compiled. Two workers that fill one empty cache at once can load
each other's halves and crash (https://github.com/numba/numba/issues/10128), so each has a cache of its own.
"""

import os
from pathlib import Path

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

COMPILED = Path(__file__).parents[1] / ".pytest_cache" / "numba"
os.environ["NUMBA_CACHE_DIR"] = str(COMPILED / os.environ.get("PYTEST_XDIST_WORKER", "alone"))
