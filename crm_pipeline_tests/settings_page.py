"""The page docs/settings.md: every setting, its default and its meaning, from the model. Words about settings stand with the model."""

from __future__ import annotations

from crm_pipeline.settings import Settings


def page() -> str:
    """Return the settings as the Markdown page ``docs/settings.md``."""
    lines = [
        "# Settings",
        "",
        "Generated from `crm_pipeline/settings.py` by `make docs`; do not edit. Settings stand in `crm.yaml` in",
        "the home; a variable `CRM_<NAME>` overrules the file (lists are JSON).",
        "",
        "| name | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = (
            "none"
            if field.default in ("", None)
            else field.default
            if field.default not in ((), 0, {})
            else "see meaning"
        )
        lines.append(f"| `{name}` | {default} | {field.description} |")
    return "\n".join(lines) + "\n"
