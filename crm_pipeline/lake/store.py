"""The content-addressed lake: publishes and reads partitions. The only module that knows the lake's paths.

Layout under ``<home>/lake``: ``.data/`` immutable Parquet files, ``.manifests/`` the current manifest of each
partition, ``.history/`` every generation (and how many there were, of what was withdrawn), ``.versions/`` what each
code version is made of, ``.staging/`` what is being written, ``.locks/``, ``.alive/`` who is at work, and for outsiders
``<layer>/<table>/period=<P>/part.parquet`` as hard links. A file is on the disk before the manifest that names it, so
that a power cut leaves no manifest without its file.
"""

from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ibis

from crm_pipeline.engine import VOLATILE, Engine, Staged, storage_error
from crm_pipeline.errors import CrmError
from crm_pipeline.lake.durable import durable, durable_folders
from crm_pipeline.lake.living import sign_of_life
from crm_pipeline.lake.locks import only_one
from crm_pipeline.lake.manifest import DataFile, Manifest, content_hash


class Lake:
    """Partitions of assets under one home.

    Parameters
    ----------
    home : Path
        Made when missing.
    engine : Engine
        Writes, hashes and reads the files.
    make : bool
        Whether its folders are made; who only looks leaves them as they are.

    Raises
    ------
    CrmError
        When the home cannot be written.
    """

    def __init__(self, home: Path, engine: Engine, make: bool = True) -> None:
        self.home = Path(home).absolute()
        self.root = self.home / "lake"
        self.engine = engine
        self._staging: Path | None = None
        try:
            for name in (".data", ".manifests", ".history", ".staging", ".locks") if make else ():
                (self.root / name).mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise CrmError(
                f"{error.filename} is a file where the home needs a folder: choose another --home."
            ) from error
        except OSError as error:
            raise storage_error(error, self.home) from error

    # -- reading ---------------------------------------------------------------------------------

    def manifest(self, asset: str, partition: str) -> Manifest | None:
        """Return the current manifest of a partition, None when it was never published or a file of it is gone."""
        manifest = self._recorded(asset, partition)
        return manifest if manifest is not None and self._is_whole(manifest) else None

    def partitions(self, asset: str) -> list[str]:
        """Return the published partitions of an asset, in order."""
        folder = self.root / ".manifests" / asset
        return sorted(p.stem for p in folder.glob("*.json")) if folder.is_dir() else []

    def published(self) -> list[tuple[str, str]]:
        """Return asset and partition of all that is published, without reading the manifests."""
        base = self.root / ".manifests"
        return sorted((p.parent.relative_to(base).as_posix(), p.stem) for p in base.rglob("*.json"))

    def index(self) -> dict[tuple[str, str], Manifest]:
        """Return the current manifest of every partition in the lake, without those of which a file is gone."""
        base = self.root / ".manifests"
        found = {}
        for folder, _, names in os.walk(base):
            for name in names:
                if name.endswith(".json"):
                    manifest = self._read_manifest(Path(folder, name))
                    if self._is_whole(manifest):
                        found[manifest.asset, manifest.partition] = manifest
        return found

    def history(self, asset: str, partition: str) -> list[Manifest]:
        """Return the kept generations of a partition, the first published first."""
        folder = self.root / ".history" / asset / partition
        files = sorted(folder.glob("*.json")) if folder.is_dir() else []
        return [self._read_manifest(file) for file in files]

    def editions(self, asset: str, partition: str, grain: str) -> list[Manifest]:
        """Return the kept generations of a period of a grain, the first published first.

        A home that changed its grain may hold a month and a week under one key; each has its own first.
        """
        return [m for m in self.history(asset, partition) if m.grain in ("", grain)]

    def first_edition(self, asset: str, partition: str, grain: str) -> Manifest | None:
        """Return what was first published of a period of a grain, None where that is not kept."""
        kept = self.history(asset, partition)
        first = next((m for m in kept if m.grain in ("", grain)), None)
        # the first of every grain is kept together, so what comes after another grain's is the first of its own
        return first if first is not None and (first.generation == 1 or first is not kept[0]) else None

    def snapshot(self, asset: str, partitions: Sequence[str], *, optional: bool = False) -> list[Manifest]:
        """Resolve partitions once, to explicit files and hashes.

        Raises
        ------
        CrmError
            When a partition was never published, unless ``optional``.
        """
        manifests = []
        for partition in partitions:
            manifest = self.manifest(asset, partition)
            if manifest is not None:
                manifests.append(manifest)
            elif not optional:
                raise CrmError(
                    f"{asset} of {partition} has not been built in {self.home}: build it first (crm-pipeline run)."
                )
        return manifests

    def read(self, manifests: Sequence[Manifest]) -> ibis.Table:
        """Return the rows of resolved manifests of one asset as a lazy table over immutable files.

        Raises
        ------
        CrmError
            When a file of a generation is gone.
        """
        if not manifests:
            raise ValueError("nothing to read: no manifest was given")
        for manifest in manifests:
            if not self._is_whole(manifest):
                raise CrmError(
                    f"A file of generation {manifest.generation} of {manifest.asset} of {manifest.partition} is gone from "
                    f"{self.home}: restore it from a backup; `crm-pipeline doctor --home {self.home}` names it."
                )
        every = [f for m in manifests for f in m.files]
        files = [f for f in every if f.rows] or every[:1]
        columns = {name: kind for f in files for name, kind in f.columns.items()} or manifests[-1].schema
        return self.engine.table([str(self.root / f.path) for f in files], columns, manifests[-1].asset)

    def table(self, asset: str, partitions: Sequence[str]) -> ibis.Table:
        """Resolve and read partitions in one go."""
        return self.read(self.snapshot(asset, partitions))

    # -- writing ---------------------------------------------------------------------------------

    def staging(self) -> Path:
        """Return a directory private to this process, on the lake's file system."""
        if self._staging is None or not self._staging.is_dir():
            try:
                self._staging = self.root / ".staging" / f"{sign_of_life(self.home)}-{uuid.uuid4().hex[:8]}"
                self._staging.mkdir(parents=True)
            except OSError as error:
                raise storage_error(error, self.home) from error
        return self._staging

    def clear_staging(self) -> None:
        """Remove what this process has staged and not published."""
        if self._staging is not None:
            shutil.rmtree(self._staging, ignore_errors=True)  # what cannot be removed is garbage of the next run
            self._staging = None

    def stage(self, rows: Any) -> Staged:
        """Write rows (a lazy table, Arrow or pandas) to a new staged file."""
        return self.engine.stage(rows, self._staged_path())

    def stage_query(self, query: str, path: Path | None = None) -> Staged:
        """Write the result of a query of the engine to a staged file."""
        return self.engine.stage_query(query, path or self._staged_path())

    def describe_file(self, path: Path) -> Staged:
        """Describe a Parquet file that was written into `staging` by other means."""
        return self.engine.describe_file(path)

    @contextlib.contextmanager
    def lock(self, asset: str, partition: str) -> Iterator[None]:
        """Hold the lock of one partition; the system frees it when the process dies."""
        with only_one(self.root / ".locks" / asset / f"{partition}.lock"):
            yield

    def adopt(self, asset: str, partition: str, staged: Staged | DataFile) -> DataFile:
        """Move a staged file among the immutable ones; call it under the partition's lock."""
        if isinstance(staged, DataFile):
            return staged
        name = f"{content_hash([staged], staged.columns)}-{uuid.uuid4().hex[:6]}.parquet"
        relative = Path(".data", asset, partition, name)
        target = self.root / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        durable(Path(staged.path))
        os.replace(staged.path, target)
        durable_folders(target.parent, self.root)
        return DataFile(relative.as_posix(), staged.rows, staged.content_sum, staged.columns, staged.told_sum)

    def publish(
        self,
        asset: str,
        partition: str,
        files: Sequence[Staged | DataFile],
        *,
        inputs: dict[str, str],
        code_version: str,
        run_id: str = "",
        schema: dict[str, str] | None = None,
        stats: dict[str, Any] | None = None,
        grain: str = "",
        locked: bool = False,
    ) -> Manifest:
        """Make files the partition's content, atomically; readers see the old or the new, never both.

        Equal content keeps the files and generation it has and only renews the pins, unless a column that must be
        right though it is no content (`engine.TOLD`) differs, or a file is gone: then the new files are read, with the
        same content hash.
        ``grain`` is the length of the period, of which `first_edition` finds the first.
        ``locked`` says that the caller holds the partition's lock already. ``schema`` is needed when there are no files.
        """
        with contextlib.nullcontext() if locked else self.lock(asset, partition):
            schema = schema or (dict(files[0].columns) if files else {})
            hashed = {name: kind for name, kind in schema.items() if name not in VOLATILE}
            digest = content_hash(files, hashed)
            old = self._recorded(asset, partition)
            same = old is not None and old.content_hash == digest and _told(old.files) == _told(files)
            same = same and old is not None and self._is_whole(old)
            if old is not None and same and old.inputs == inputs and old.code_version == code_version:
                self._link(old)
                return old
            try:
                kept = old.files if old is not None and same else tuple(self.adopt(asset, partition, f) for f in files)
                manifest = Manifest(
                    asset=asset,
                    partition=partition,
                    generation=(old.generation if old else self._withdrawn(asset, partition)) + (not same),
                    content_hash=digest,
                    files=kept,
                    schema=schema,
                    rows=sum(f.rows for f in kept),
                    inputs=inputs,
                    code_version=code_version,
                    run_id=old.run_id if old is not None and same else run_id,
                    published_at=old.published_at if old is not None and same else datetime.now(UTC).isoformat(),
                    stats=stats or {},
                    grain=grain,
                )
                self._record(manifest)
                self._link(manifest)
            except OSError as error:
                raise storage_error(error, self.home) from error
            return manifest

    def remove(self, asset: str, partition: str) -> None:
        """Withdraw a partition; its generations stay readable through `history`, and the count goes on from them."""
        with self.lock(asset, partition):
            current = self._recorded(asset, partition)
            if current is not None:
                self._write(self._withdrawn_path(asset, partition), str(current.generation))
            self._manifest_path(asset, partition).unlink(missing_ok=True)
            self._link_path(asset, partition).unlink(missing_ok=True)

    def repair_links(self) -> None:
        """Make every hard link for outsiders show the current file (a killed run may have left an old one)."""
        for manifest in self.index().values():
            self._link(manifest)

    def shows(self, manifest: Manifest) -> bool:
        """Tell whether outsiders see the file of this manifest: by its hard link, or by what a copied home has for it."""
        file, link = self.root / self.single_file(manifest), self._link_path(manifest.asset, manifest.partition)
        try:
            return os.path.samefile(file, link) or filecmp.cmp(file, link, shallow=False)
        except FileNotFoundError:
            return False

    def links(self) -> list[Path]:
        """Return every hard link for outsiders."""
        layers = [path for path in self.root.iterdir() if path.is_dir() and not path.name.startswith(".")]
        return sorted(link for layer in layers for link in layer.rglob("period=*/part.parquet"))

    def key_of_link(self, link: Path) -> tuple[str, str]:
        """Return the asset and partition that a link for outsiders is of."""
        folder = link.parent
        return folder.parent.relative_to(self.root).as_posix(), folder.name.removeprefix("period=")

    def _recorded(self, asset: str, partition: str) -> Manifest | None:
        try:
            return self._read_manifest(self._manifest_path(asset, partition))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _read_manifest(self, path: Path) -> Manifest:
        text = path.read_text(encoding="utf-8", errors="replace")
        try:
            return Manifest.from_json(text)
        except (ValueError, TypeError, KeyError) as error:
            raise CrmError(
                f"{path} is damaged: `crm-pipeline doctor --home {self.home}` says how to mend it."
            ) from error

    def _is_whole(self, manifest: Manifest) -> bool:
        return all((self.root / f.path).exists() for f in manifest.files)

    def _record(self, manifest: Manifest) -> None:
        text = manifest.to_json()
        folder = self.root / ".history" / manifest.asset / manifest.partition
        self._write(folder / f"{manifest.generation:06d}.json", text)
        self._write(self._manifest_path(manifest.asset, manifest.partition), text)

    def _write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.staging() / uuid.uuid4().hex
        temporary.write_text(text, encoding="utf-8")
        durable(temporary)
        os.replace(temporary, path)
        durable_folders(path.parent, self.root)

    def single_file(self, manifest: Manifest) -> str:
        """Return where all rows of a partition lie in one file, for outsiders; written when it has not exactly one."""
        if len(manifest.files) == 1:
            return manifest.files[0].path
        return Path(".data", manifest.asset, manifest.partition, f"whole-{manifest.content_hash}.parquet").as_posix()

    def _link(self, manifest: Manifest) -> None:
        source, link = self.root / self.single_file(manifest), self._link_path(manifest.asset, manifest.partition)
        if len(manifest.files) != 1 and not source.exists():
            whole = self.stage(self.read([manifest]) if manifest.files else self.engine.table([], manifest.schema))
            source.parent.mkdir(parents=True, exist_ok=True)
            os.replace(whole.path, source)
        if link.exists() and os.path.samefile(source, link):
            return
        link.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.staging() / uuid.uuid4().hex
        os.link(source, temporary)
        os.replace(temporary, link)

    def _withdrawn(self, asset: str, partition: str) -> int:
        """Return the last generation of a withdrawn partition, 0 when there was none."""
        try:
            return int(self._withdrawn_path(asset, partition).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return 0

    def _withdrawn_path(self, asset: str, partition: str) -> Path:
        return self.root / ".history" / asset / partition / "withdrawn"

    def _staged_path(self) -> Path:
        return self.staging() / f"{uuid.uuid4().hex}.parquet"

    def _manifest_path(self, asset: str, partition: str) -> Path:
        return self.root / ".manifests" / asset / f"{partition}.json"

    def _link_path(self, asset: str, partition: str) -> Path:
        return self.root / asset / f"period={partition}" / "part.parquet"


def _told(files: Sequence[Staged | DataFile]) -> int:
    return sum(f.told_sum for f in files)
