"""Where the files of a lake lie: in a local folder, or in an object store. What the files say is no business of this folder."""

from crm_pipeline.lake.storage.base import ANYTHING, Conflict, Storage, Text
from crm_pipeline.lake.storage.local import LocalStorage

__all__ = ["ANYTHING", "Conflict", "LocalStorage", "Storage", "Text"]
