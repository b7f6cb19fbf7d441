"""What holds for all tests: no property test is timed, for on a busy machine that says nothing."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
