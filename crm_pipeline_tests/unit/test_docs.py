"""The pages of docs/ that are made from the code are as the code makes them."""

from pathlib import Path

import pytest

from crm_pipeline.readiness import readiness
from crm_pipeline.settings import Settings
from crm_pipeline.sources.spec import Entry, SourceModel, load_source
from crm_pipeline_tests.make_docs import DOCS, pages
from crm_pipeline_tests.source_page import GALLERY, Export, source_yaml


@pytest.mark.parametrize("name", sorted(pages()))
def test_a_generated_page_is_current(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == pages()[name], "run `make docs`"


@pytest.mark.parametrize("model", [Entry, SourceModel])
def test_every_key_of_source_yaml_is_described(model: type[Entry] | type[SourceModel]) -> None:
    assert all(field.description for field in model.model_fields.values())


@pytest.mark.parametrize("export", GALLERY, ids=lambda e: e.title.split(",")[0])
def test_check_maps_every_export_of_the_gallery(export: Export, tmp_path: Path) -> None:
    (tmp_path / "source.yaml").write_text(source_yaml(export), encoding="utf-8")
    for name, text in export.files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(text.encode(export.encoding))
    (found,) = readiness(load_source(tmp_path), Settings()).tables
    assert found.refused == export.left_out
    assert found.kept >= found.rows - export.left_out > 0
    assert {r.reason for r in found.refusals} <= {"left out by where"}
