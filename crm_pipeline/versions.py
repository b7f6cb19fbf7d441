"""The version of a step, from its code: its import closure, without comments and docstrings. Knows no Dagster and no settings.

A step is named by the function that makes it. Its version is a hash of

- that function, and the functions and constants of its own module that it uses, as syntax trees;
- every module of the package that they import, at the top or inside a function, and what those import in turn;
- the versions of the libraries that all of these import;
- the values of the settings that the step declares.

What runs a step but does not decide its content (`BESIDE`) does not count.
"""

from __future__ import annotations

import ast
import atexit
import functools
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from crm_pipeline.hashing import digest

ROOT = __name__.partition(".")[0]
BESIDE = tuple(f"{ROOT}.{room}" for room in ("defs", "home", "lake", "tracking", "engine", "settings", "versions"))
"""Rooms that orchestrate, store and record; what a step takes from the settings it declares by value."""

DISTRIBUTIONS = {"sklearn": "scikit-learn", "ibis": "ibis-framework", "yaml": "PyYAML"}
"""Import name to distribution, where they differ."""

WITH = {"ibis": ("duckdb",)}
"""What stands behind a library that is imported without being named."""

CACHE = Path(__file__).parent / "__pycache__" / f"versions-{sys.implementation.cache_tag}.json"
"""Digests and imports of source files, kept as Python keeps its bytecode: parsing all would cost a third of a second a process."""


class Code(NamedTuple):
    """A module's digest and what it imports: modules of the package or its kin, and libraries."""

    digest: str
    imports: tuple[str, ...]


class Parts(NamedTuple):
    """What a version is made of: the step's function and its modules and files by digest, libraries by version, settings by value."""

    function: str
    modules: Mapping[str, str]
    libraries: Mapping[str, str]
    settings: Mapping[str, str]
    files: Mapping[str, str]


_PARTS: dict[str, Parts] = {}


def code_version(
    step: Callable[..., Any], settings: Mapping[str, Any], also: Iterable[str] = (), files: Iterable[Path] = ()
) -> str:
    """Return the version of a step.

    Parameters
    ----------
    step : callable
        The function that makes it, at the top of its module.
    settings : mapping
        The settings it uses, by name.
    also : iterable of str
        Modules that it reaches by a registry and not by an import: of a task, of an estimator.
    files : iterable of Path
        What else it reads of the package, such as templates.
    """
    own, used = _of_function(step)
    reach, libraries = _closure([*used, *also])
    parts = Parts(
        own,
        {name: _code(name).digest for name in sorted(reach)},
        {name: installed for name in sorted(libraries) if (installed := _installed(name))},
        {name: repr(value) for name, value in sorted(settings.items())},
        {path.name: digest(path.read_text(encoding="utf-8")) for path in files},
    )
    lines = [own, *(f"{n}={v}" for n, v in parts.modules.items()), *(f"{n}=={v}" for n, v in parts.libraries.items())]
    lines += [f"{n}={v}" for of in (parts.settings, parts.files) for n, v in of.items()]
    found = digest("\n".join(lines), 8)
    _PARTS[found] = parts
    return found


def parts_of(version_: str) -> Parts | None:
    """Return what a version that this process found is made of."""
    return _PARTS.get(version_)


def modules_version(names: Iterable[str]) -> str:
    """Return the version of modules and all they import, for a step that is no single function."""
    modules, _ = _closure(names)
    text = "\n".join(f"{name}={_code(name).digest}" for name in sorted(modules))
    return digest(text, 8)


def reached(step: Callable[..., Any], also: Iterable[str] = ()) -> set[str]:
    """Return the modules of the package whose change makes a step stale."""
    return _closure([*_of_function(step)[1], *also])[0]


def _closure(names: Iterable[str]) -> tuple[set[str], set[str]]:
    """Return all modules reached from these, and the libraries that they import."""
    modules: set[str] = set()
    libraries: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if _ours(name) is None:
            top = name.partition(".")[0]
            libraries |= {top, *WITH.get(top, ())} - set(sys.stdlib_module_names)
        elif name not in modules and not name.startswith(BESIDE):
            modules.add(name)
            parents = [name.rsplit(".", i)[0] for i in range(1, name.count(".") + 1)]
            waiting += [*_code(name).imports, *(p for p in parents if "." in p)]
    return modules, libraries - {ROOT, "dagster"}


@functools.cache
def _ours(name: str) -> Path | None:
    """Return the file of a module of the package (or of its tests), None for a library or a name that is no module."""
    if name.partition(".")[0] not in (ROOT, f"{ROOT}_tests"):
        return None
    base = Path(__file__).parent.parent.joinpath(*name.split("."))
    found = next((p for p in (base / "__init__.py", base.with_suffix(".py")) if p.is_file()), None)
    if found is None:
        raise ValueError(f"no module {name}")
    return found


def _is_module(name: str) -> bool:
    with suppress(ValueError):
        return _ours(name) is not None
    return False


@functools.cache
def _installed(name: str) -> str:
    with suppress(PackageNotFoundError):
        return version(DISTRIBUTIONS.get(name, name))
    return ""


# -- one file ------------------------------------------------------------------------------------------


@functools.cache
def _code(name: str) -> Code:
    """Return a module's code; taken from `CACHE` while the file's size and time are those it was made of."""
    path = _ours(name)
    if path is None:
        raise ValueError(f"no module {name}")

    def look() -> tuple[str, set[str]]:
        tree = _bare(path)
        return ast.dump(tree), _imports(tree)

    return _kept(str(path), path, look)


def _kept(key: str, path: Path, look: Callable[[], tuple[str, set[str]]]) -> Code:
    """Return what ``look`` says of a file (code, imports); from `CACHE` while the file's size and time are the same."""
    stat = path.stat()
    stamp = f"{stat.st_size}:{stat.st_mtime_ns}"
    entry = _cache().get(key)
    if entry is None or entry[0] != stamp:
        text, imports = look()
        entry = _cache()[key] = [stamp, digest(text), sorted(imports)]
    return Code(entry[1], tuple(entry[2]))


def _imports(tree: ast.AST) -> set[str]:
    """Return what a syntax tree imports, other than for type checkers alone."""
    found: set[str] = set()
    for node in _running(tree):
        found |= set(_bindings(node).values())
    return found


def _running(tree: ast.AST) -> Iterable[ast.AST]:
    """Walk a syntax tree without what stands under ``if TYPE_CHECKING``."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        waiting += ast.iter_child_nodes(node)


def _bindings(node: ast.AST) -> dict[str, str]:
    """Return name → module of one import statement; a name taken from a module counts as that module."""
    if isinstance(node, ast.Import):
        return {(a.asname or a.name.partition(".")[0]): a.name for a in node.names}
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return {
            a.asname or a.name: f"{node.module}.{a.name}" if _is_module(f"{node.module}.{a.name}") else node.module
            for a in node.names
        }
    return {}


def _bare(path: Path) -> ast.Module:
    """Parse a file and empty its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            body[0].value.value = ""
    return tree


# -- one function --------------------------------------------------------------------------------------


@functools.cache
def _of_function(step: Callable[..., Any]) -> Code:
    """Return the code of a function with what it uses of its module, and the modules that these import."""
    spec = importlib.util.find_spec(step.__module__)
    if spec is None or spec.origin is None:
        raise ValueError(f"no module {step.__module__}")
    path = Path(spec.origin)
    return _kept(f"{path}::{step.__name__}", path, lambda: _used_by(_parsed(path), step.__name__))


def _used_by(tree: ast.Module, function: str) -> tuple[str, set[str]]:
    defined: dict[str, ast.stmt] = {}
    bound: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            defined |= {t.id: node for t in targets if isinstance(t, ast.Name)}
        else:
            bound |= _bindings(node)
    seen: set[str] = set()
    waiting, used = [function], set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in defined:
            continue
        seen.add(name)
        used |= _imports(defined[name])
        names = {n.id for n in ast.walk(defined[name]) if isinstance(n, ast.Name)}
        used |= {bound[n] for n in names if n in bound}
        waiting += names
    return "\n".join(ast.dump(defined[name]) for name in sorted(seen)), used


@functools.cache
def _parsed(path: Path) -> ast.Module:
    return _bare(path)


# -- between processes ---------------------------------------------------------------------------------


@functools.cache
def _cache() -> dict[str, list[Any]]:
    """Return what earlier processes found; what this one adds is written at its end, where it may write."""
    found: dict[str, list[Any]] = {}
    with suppress(OSError, ValueError):
        found = json.loads(CACHE.read_text(encoding="utf-8"))
    atexit.register(_keep, dict(found))
    return found


def _keep(before: dict[str, list[Any]]) -> None:
    found = _cache()
    if found == before:
        return
    temporary = CACHE.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        temporary.parent.mkdir(exist_ok=True)
        temporary.write_text(json.dumps(found), encoding="utf-8")
        os.replace(temporary, CACHE)
