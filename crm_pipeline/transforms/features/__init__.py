"""Customer features as of a period's end: what they are (`entries`), the list of them (`catalogue`), the table (`table`)."""

from crm_pipeline.transforms.features.table import customers, dates

__all__ = ["customers", "dates"]
