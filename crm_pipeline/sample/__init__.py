"""The made-up sample company: a hidden process with known truths, written as files. Nothing here reads a source."""

from crm_pipeline.sample.company import write_company

__all__ = ["write_company"]
