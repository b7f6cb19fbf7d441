"""The content-addressed lake: publishes and reads partitions. The only module that knows the lake's names.

Layout under ``<home>/lake``: ``.data/`` immutable Parquet files, ``.manifests/`` the current manifest of each
partition, ``.history/`` every generation (and how many there were, of what was withdrawn), ``.versions/`` what each
code version is made of, ``.staging/`` what is being written, ``.locks/``, ``.alive/`` who is at work, and for outsiders
``<layer>/<table>/period=<P>/part.parquet`` as hard links. Data, manifests and generations can lie elsewhere, under the
same names (`crm_pipeline.lake.storage`). A file is there to stay before the manifest that names it, so that a power cut
leaves no manifest without its file.
"""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ibis

from crm_pipeline.engine import VOLATILE, Engine, Staged, storage_error
from crm_pipeline.errors import CrmError
from crm_pipeline.lake.links import link_path, show
from crm_pipeline.lake.living import sign_of_life
from crm_pipeline.lake.locks import only_one
from crm_pipeline.lake.manifest import DataFile, Manifest, content_hash
from crm_pipeline.lake.storage import ANYTHING, Conflict, LocalStorage, Storage, Text

DATA, MANIFESTS, HISTORY = ".data", ".manifests", ".history"

ATTEMPTS = 8
"""How often a partition is published anew when others publish it at the same time, where no lock keeps them out."""


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
    storage : Storage, optional
        Where data, manifests and generations lie; without, in the home.

    Raises
    ------
    CrmError
        When the home cannot be written.
    """

    def __init__(self, home: Path, engine: Engine, make: bool = True, storage: Storage | None = None) -> None:
        self.home = Path(home).absolute()
        self.root = self.home / "lake"
        self.engine = engine
        self.storage: Storage = storage or LocalStorage(self.root)
        self._staging: Path | None = None
        try:
            for name in (".staging", ".locks") if make else ():
                (self.root / name).mkdir(parents=True, exist_ok=True)
            if make:
                self.storage.make()
        except (FileExistsError, NotADirectoryError) as error:
            raise CrmError(
                f"{error.filename} is a file where the home needs a folder: choose another --home."
            ) from error
        except OSError as error:
            raise storage_error(error, self.home) from error

    # -- reading ---------------------------------------------------------------------------------

    def manifest(self, asset: str, partition: str) -> Manifest | None:
        """Return the current manifest of a partition, None when it was never published or a file of it is gone."""
        manifest, _ = self._recorded(asset, partition)
        return manifest if manifest is not None and self._is_there(manifest) else None

    def manifests(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Manifest]:
        """Return the current manifests of those of many partitions that have one, as `manifest` does."""
        listed = list(keys)
        texts = self.storage.reads([_current(*key) for key in listed])
        found = {key: self._parsed(_current(*key), seen.text) for key, seen in zip(listed, texts, strict=True) if seen}
        return {key: manifest for key, manifest in found.items() if self._is_there(manifest)}

    def partitions(self, asset: str) -> list[str]:
        """Return the published partitions of an asset, in order."""
        return [partition for of, partition in self._published(f"{MANIFESTS}/{asset}") if of == asset]

    def published(self) -> list[tuple[str, str]]:
        """Return asset and partition of all that is published, without reading the manifests."""
        return sorted(self._published(MANIFESTS))

    def index(self) -> dict[tuple[str, str], Manifest]:
        """Return the current manifest of every partition in the lake, without those of which a file is gone."""
        found = [self._parsed(name, text) for name, text in self.storage.texts(MANIFESTS)]
        return {(m.asset, m.partition): m for m in found if self._is_there(m)}

    def history(self, asset: str, partition: str) -> list[Manifest]:
        """Return the kept generations of a partition, the first published first."""
        kept = [self._parsed(name, text) for name, text in self.storage.texts(f"{HISTORY}/{asset}/{partition}")]
        if not self.storage.in_place:  # there the newest generation is put among the others after it was published
            current, _ = self._recorded(asset, partition)
            kept = [m for m in kept if current is None or m.generation != current.generation]
            kept += [current] if current is not None else []
        return kept

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
        found = self.manifests((asset, partition) for partition in partitions)
        missing = [partition for partition in partitions if (asset, partition) not in found]
        if missing and not optional:
            raise CrmError(
                f"{asset} of {missing[0]} has not been built in {self.home}: build it first (crm-pipeline run)."
            )
        return [found[asset, partition] for partition in partitions if (asset, partition) in found]

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
            if not self._is_there(manifest):
                raise CrmError(
                    f"A file of generation {manifest.generation} of {manifest.asset} of {manifest.partition} is gone from "
                    f"{self.home}: restore it from a backup; `crm-pipeline doctor --home {self.home}` names it."
                )
        every = [f for m in manifests for f in m.files]
        files = [f for f in every if f.rows] or every[:1]
        columns = {name: kind for f in files for name, kind in f.columns.items()} or manifests[-1].schema
        return self.engine.table(
            [str(path) for path in self.storage.paths([f.path for f in files])], columns, manifests[-1].asset
        )

    def path(self, file: DataFile) -> Path:
        """Return where a published data file can be read."""
        return self.storage.path(file.path)

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
        """Write rows (a lazy table, Arrow's, or pandas) to a new staged file."""
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
        digest = content_hash([staged], staged.columns)
        name = f"{DATA}/{asset}/{partition}/{digest}-{uuid.uuid4().hex[:6]}.parquet"
        self.storage.keep(Path(staged.path), name)
        return DataFile(name, staged.rows, staged.content_sum, staged.columns, staged.told_sum)

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

        Staged files are gone afterwards. Equal content keeps the files and generation it has and only renews the pins, unless
        a column that must be right though it is no content (`engine.TOLD`) differs, or a file is gone: then the new files are
        read, with the same content hash.
        ``grain`` is the length of the period, of which `first_edition` finds the first.
        ``locked`` says that the caller holds the partition's lock already. ``schema`` is needed when there are no files.
        """
        said = _Said(
            inputs, code_version, run_id, schema or (dict(files[0].columns) if files else {}), stats or {}, grain
        )
        with contextlib.nullcontext() if locked else self.lock(asset, partition):
            listed = list(files)
            for _ in range(ATTEMPTS):
                try:
                    manifest = self._published_as(asset, partition, listed, said)
                    show(self, manifest)
                except Conflict:
                    continue
                except OSError as error:
                    raise storage_error(error, self.home) from error
                for file in (f for f in listed if isinstance(f, Staged)):  # what was published before stays
                    Path(file.path).unlink(missing_ok=True)
                return manifest
        raise CrmError(
            f"{asset} of {partition} was published by others at the same time, again and again: let one home write "
            f"{self.storage.place(MANIFESTS)}, and run again."
        )

    def _published_as(self, asset: str, partition: str, files: list[Staged | DataFile], said: _Said) -> Manifest:
        """Publish upon what is recorded now; what is adopted on the way takes its place among ``files``."""
        digest = content_hash(files, {name: kind for name, kind in said.schema.items() if name not in VOLATILE})
        old, seen = self._recorded(asset, partition)
        same = old is not None and old.content_hash == digest and _told(old.files) == _told(files)
        kept = old if old is not None and same and self._is_whole(old) else None
        if kept is not None and kept.inputs == said.inputs and kept.code_version == said.code_version:
            return kept
        if kept is None:
            files[:] = [self.adopt(asset, partition, f) for f in files]
        now: tuple[DataFile, ...] = (
            kept.files if kept is not None else tuple(f for f in files if isinstance(f, DataFile))
        )
        manifest = Manifest(
            asset=asset,
            partition=partition,
            generation=(old.generation if old else self._withdrawn(asset, partition)) + (kept is None),
            content_hash=digest,
            files=now,
            schema=said.schema,
            rows=sum(f.rows for f in now),
            inputs=said.inputs,
            code_version=said.code_version,
            run_id=kept.run_id if kept is not None else said.run_id,
            published_at=kept.published_at if kept is not None else datetime.now(UTC).isoformat(),
            stats=said.stats,
            grain=said.grain,
        )
        self._record(manifest, old, seen)
        return manifest

    def remove(self, asset: str, partition: str) -> None:
        """Withdraw a partition; its generations stay readable through `history`, and the count goes on from them."""
        with self.lock(asset, partition):
            current, seen = self._recorded(asset, partition)
            if current is not None:
                if not self.storage.in_place:
                    self._write(generation_name(current), current.to_json())
                self._write(f"{HISTORY}/{asset}/{partition}/withdrawn", str(current.generation))
            with contextlib.suppress(Conflict):  # who published it meanwhile did so after it was withdrawn
                self.storage.remove(_current(asset, partition), seen)
            link_path(self, asset, partition).unlink(missing_ok=True)

    def _published(self, folder: str) -> Iterator[tuple[str, str]]:
        for name in self.storage.names(folder):
            if name.endswith(".json"):
                asset, _, last = name.removeprefix(f"{MANIFESTS}/").rpartition("/")
                yield asset, last.removesuffix(".json")

    def _recorded(self, asset: str, partition: str) -> tuple[Manifest | None, Text | None]:
        name = _current(asset, partition)
        seen = self.storage.read(name)
        return (self._parsed(name, seen.text) if seen is not None else None), seen

    def _parsed(self, name: str, text: str) -> Manifest:
        try:
            return Manifest.from_json(text)
        except (ValueError, TypeError, KeyError) as error:
            place = self.storage.place(name)
            raise CrmError(
                f"{place} is damaged: `crm-pipeline doctor --home {self.home}` says how to mend it."
            ) from error

    def _is_there(self, manifest: Manifest) -> bool:
        return all(self.storage.has(f.path) for f in manifest.files)

    def _is_whole(self, manifest: Manifest) -> bool:
        return self._is_there(manifest) and not (self.storage.in_place and self.damaged(manifest))

    def damaged(self, manifest: Manifest) -> list[str]:
        """Return which of the files of a manifest, all in the home, are not the Parquet files that were published, by their footers."""
        return [f.path for f in manifest.files if _rows(self.storage.path(f.path)) != f.rows]

    def _record(self, manifest: Manifest, old: Manifest | None, seen: Text | None) -> None:
        """Put a manifest in the place of what was seen there, and among the generations.

        Under a lock it is a generation first. Without one, only who won is a generation, and the one before is sure to be.
        """
        if not self.storage.in_place and old is not None and old.generation != manifest.generation:
            self._write(generation_name(old), old.to_json())
        if self.storage.in_place:
            self._write(generation_name(manifest), manifest.to_json())
        self._write(_current(manifest.asset, manifest.partition), manifest.to_json(), seen)
        if not self.storage.in_place:
            self._write(generation_name(manifest), manifest.to_json())

    def _write(self, name: str, text: str, seen: Text | None = ANYTHING) -> None:
        draft = self.staging() / uuid.uuid4().hex
        draft.write_text(text, encoding="utf-8")
        self.storage.replace(draft, name, seen)

    def _withdrawn(self, asset: str, partition: str) -> int:
        """Return the last generation of a withdrawn partition, 0 when there was none."""
        found = self.storage.read(f"{HISTORY}/{asset}/{partition}/withdrawn")
        return int(found.text) if found is not None else 0

    def _staged_path(self) -> Path:
        return self.staging() / f"{uuid.uuid4().hex}.parquet"


def _rows(path: Path) -> int:
    """Return how many rows a Parquet file has; -1: it is none."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return int(parquet.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError):
        return -1


@dataclass(frozen=True)
class _Said:
    """What a publisher says of a partition, besides its files."""

    inputs: dict[str, str]
    code_version: str
    run_id: str
    schema: dict[str, str]
    stats: dict[str, Any]
    grain: str


def _current(asset: str, partition: str) -> str:
    return f"{MANIFESTS}/{asset}/{partition}.json"


def generation_name(manifest: Manifest) -> str:
    """Return the name under which a manifest is kept as a generation."""
    return f"{HISTORY}/{manifest.asset}/{manifest.partition}/{manifest.generation:06d}.json"


def _told(files: Sequence[Staged | DataFile]) -> int:
    return sum(f.told_sum for f in files)
