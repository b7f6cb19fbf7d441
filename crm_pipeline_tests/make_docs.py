"""Writes the pages of ``docs/`` that are made from the code: ``python -m crm_pipeline_tests.make_docs`` (`make docs`)."""

from __future__ import annotations

from pathlib import Path

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.contracts.docs import outputs_markdown, tables_markdown
from crm_pipeline.modeling.tasks import task, tasks
from crm_pipeline.settings import Settings
from crm_pipeline.transforms.features.catalogue import catalogue, markdown
from crm_pipeline_tests import assets_page, settings_page, source_page

DOCS = Path(__file__).parent.parent / "docs"


def pages() -> dict[str, str]:
    """Return the text of each generated page, by its name."""
    defaults = Settings()
    return {
        "tables.md": tables_markdown(),
        "features.md": markdown(catalogue(tuple(CANONICAL), defaults), defaults),
        "settings.md": settings_page.page(),
        "source.md": source_page.page(),
        "assets.md": assets_page.page(),
        "outputs.md": outputs_markdown({name: task(name).answers for name in tasks()}),
    }


if __name__ == "__main__":
    for name, text in pages().items():
        (DOCS / name).write_text(text, encoding="utf-8")
