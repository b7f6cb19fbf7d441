"""Learns how the watched words sound, as the package brings it: ``python -m crm_pipeline_tests.make_words`` (`make words`)."""

from crm_pipeline.audio import shipped
from crm_pipeline.audio.keywords import learned
from crm_pipeline.versions import modules_version

LEARNED_BY = "crm_pipeline.audio.keywords"


def version() -> str:
    """Return the version of the code that words are learned by."""
    return modules_version([LEARNED_BY])


if __name__ == "__main__":
    shipped.FILE.write_bytes(shipped.to_bytes(learned(shipped.WORDS), version()))
