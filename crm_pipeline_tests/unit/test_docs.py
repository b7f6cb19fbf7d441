"""The pages of docs/ that are made from the code are as the code makes them."""

import pytest

from crm_pipeline_tests.make_docs import DOCS, pages


@pytest.mark.parametrize("name", sorted(pages()))
def test_a_generated_page_is_current(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == pages()[name], "run `make docs`"
