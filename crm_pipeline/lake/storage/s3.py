"""S3, and what speaks its protocol, by `boto3`. What is stored there, and when, is not known here.

`pyarrow` reaches S3 too, but cannot write on a condition; DuckDB's `httpfs` is a download at run time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline.lake.storage.base import ANYTHING, Conflict, Text
from crm_pipeline.lake.storage.objects import Listed

ABSENT = {"404", "NoSuchKey"}
LOST = {"PreconditionFailed", "ConditionalRequestConflict", "409", "412"}
"""What S3 says where a condition does not hold, or another write to the same object is under way."""

UNKNOWN = {"501", "NotImplemented"}
"""Of stores that know conditions of writes and not of deletions: then what is withdrawn is deleted whatever it says by now."""


class S3:
    """A bucket, or a folder of it; credentials are found as AWS's own tools find them.

    Parameters
    ----------
    address : str
        Such as ``s3://bucket/folder``.
    options : mapping of str to str
        ``endpoint_url``, ``region_name``, ``profile_name``.

    Raises
    ------
    UsageError
        Where the extra is not installed.
    """

    def __init__(self, address: str, options: Mapping[str, str]) -> None:
        try:
            import boto3
            from botocore.config import Config
        except ImportError as error:
            raise UsageError(
                f"A lake at {address} needs the extra s3: pip install --editable '.[s3]' in the clone."
            ) from error
        self.place = address.rstrip("/")
        self.bucket, _, folder = self.place.removeprefix("s3://").partition("/")
        self.prefix = f"{folder}/" if folder else ""
        given = dict(options)
        with self._told():
            session = boto3.session.Session(profile_name=given.pop("profile_name", None))
            self._client: Any = session.client("s3", config=Config(max_pool_connections=32), **given)

    def get(self, name: str) -> Text | None:
        """Return content and version of an object, None where there is none."""
        with self._told(name, absent=True):
            found = self._client.get_object(Bucket=self.bucket, Key=self.prefix + name)
            return Text(found["Body"].read().decode("utf-8", errors="replace"), found["ETag"])
        return None

    def put(self, name: str, content: bytes, seen: Text | None) -> None:
        """Write an object whole, where it still is as seen."""
        with self._told(name):
            self._client.put_object(Bucket=self.bucket, Key=self.prefix + name, Body=content, **_condition(seen))

    def upload(self, file: Path, name: str) -> None:
        """Write an object from a file, in parts where it is large."""
        with self._told(name):
            self._client.upload_file(str(file), self.bucket, self.prefix + name)

    def download(self, name: str, file: Path) -> bool:
        """Write an object to a file; False where there is none."""
        with self._told(name, absent=True):
            self._client.download_file(self.bucket, self.prefix + name, str(file))
            return True
        return False

    def listed(self, folder: str) -> dict[str, Listed]:
        """Return all objects in a folder and those below."""
        with self._told(folder):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=f"{self.prefix}{folder}/"
            )
            return {
                one["Key"].removeprefix(self.prefix): Listed(one["ETag"], one["LastModified"], one["Size"])
                for page in pages
                for one in page.get("Contents", ())
            }

    def delete(self, name: str, seen: Text | None) -> None:
        """Delete an object, where it still is as seen."""
        if seen is None:
            return
        where = {"Bucket": self.bucket, "Key": self.prefix + name}
        with self._told(name, absent=True):
            try:
                self._client.delete_object(**where, **_condition(seen))
            except self._client.exceptions.ClientError as error:
                if error.response["Error"]["Code"] not in UNKNOWN:
                    raise
                self._client.delete_object(**where)

    @contextmanager
    def _told(self, name: str = "", absent: bool = False) -> Iterator[None]:
        """Say in one sentence what the store or the way to it has; what is not there ends the block, where that is an answer."""
        from boto3.exceptions import S3UploadFailedError
        from botocore.exceptions import BotoCoreError, ClientError

        place = f"{self.place}/{name}".rstrip("/")
        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in LOST:
                raise Conflict(place) from error
            if code in ABSENT and absent:
                return
            if code in ABSENT:  # of a condition: what was seen was removed meanwhile
                raise Conflict(place) from error
            raise _cannot(place, error) from error
        except (BotoCoreError, S3UploadFailedError) as error:
            raise _cannot(place, error) from error


def _condition(seen: Text | None) -> dict[str, str]:
    if seen is None:
        return {"IfNoneMatch": "*"}
    return {} if seen == ANYTHING else {"IfMatch": seen.tag}


def _cannot(place: str, error: Exception) -> CrmError:
    said = " ".join(str(error).split()).rstrip(".")
    return CrmError(
        f"{place} cannot be used ({said}): mend lake, lake_options or the credentials (AWS_*), and run again; "
        "everything published before is kept."
    )
