"""The digest of a body's source: evidence for lineage and for reuse, with a stated reach.

It covers the body and, transitively, what the body names in its own top-level package: functions,
classes, constants, defaults, and whole modules where they are imported inside a function. Comments,
docstrings and layout are left out. Other packages, and names looked up as text, it cannot see.
"""

from __future__ import annotations

import ast
import dis
import functools
import importlib.util
import inspect
import textwrap
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from rootcellar.schemas.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from importlib.machinery import ModuleSpec

__all__ = ["source_digest"]

_SCALARS = (bool, int, float, complex, str, bytes, type(None))


@functools.cache
def source_digest(function: Callable[..., object]) -> Digest:
    """Return the digest of a function and of what it names in its own package."""
    parts = sorted(f"{name}\n{text}" for name, text in _reachable(function))
    return Digest.of(*(part.encode("utf-8", "surrogatepass") for part in parts))


def _reachable(function: Callable[..., object]) -> Iterator[tuple[str, str]]:
    """Yield name and canonical text of all code the function names in its own package."""
    package = function.__module__.partition(".")[0]
    seen: set[str] = set()
    waiting: list[Any] = [function]
    while waiting:
        one = waiting.pop()
        name = f"{one.__module__}:{one.__qualname__}"
        if name in seen:
            continue
        seen.add(name)
        yield name, _source_of(one)
        for owner in _functions_of(one):
            for what, value in _named_by(owner):
                plain = _plain_text(value)
                if plain is not None:
                    yield f"{owner.__module__}:{what}", plain
                else:
                    waiting.extend(_own(value, owner.__code__, package))
            for module in _imported_inside(owner.__code__, package):
                yield from _modules(module, package, seen)


def _named_by(function: FunctionType) -> Iterator[tuple[str, object]]:
    """Yield the globals a function names, the defaults of its parameters, and what it closes over.

    A default is a value that was taken when the function was made; its text does not show it.
    """
    code, name = function.__code__, function.__qualname__
    for known in sorted(_names(code) & function.__globals__.keys()):
        yield known, function.__globals__[known]
    for number, value in enumerate(function.__defaults__ or ()):
        yield f"{name}({number})", value
    for parameter, value in sorted((function.__kwdefaults__ or {}).items()):
        yield f"{name}({parameter})", value
    for variable, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f"{name}[{variable}]", cell.cell_contents
        except ValueError:  # not set yet
            continue


def _own(value: object, code: CodeType, package: str) -> list[Any]:
    """Return the functions and classes of the same package behind a global name."""
    if isinstance(value, ModuleType):
        if value.__name__.partition(".")[0] != package:
            return []
        members = (getattr(value, name, None) for name in sorted(_names(code)))
        return [one for member in members for one in _own_definition(member, package)]
    return _own_definition(value, package)


def _own_definition(value: object, package: str) -> list[Any]:
    if callable(value) and hasattr(value, "__wrapped__"):  # as functools.cache leaves it
        value = inspect.unwrap(value)
    if not isinstance(value, FunctionType | type) or getattr(value, "__module__", None) is None:
        return []
    return [value] if value.__module__.partition(".")[0] == package else []


def _functions_of(one: object) -> list[FunctionType]:
    if isinstance(one, FunctionType):
        return [one]
    members = vars(one).values() if isinstance(one, type) else ()
    plain = (getattr(member, "__func__", member) for member in members)
    return [member for member in plain if isinstance(member, FunctionType)]


def _names(code: CodeType) -> set[str]:
    return set(code.co_names).union(*(_names(inner) for inner in _inner(code)))


def _inner(code: CodeType) -> list[CodeType]:
    return [constant for constant in code.co_consts if isinstance(constant, CodeType)]


def _plain_text(value: object) -> str | None:
    """Return the text of a constant: a scalar, or a collection of such; None for all else."""
    if isinstance(value, _SCALARS):
        return repr(value)
    if isinstance(value, dict):
        texts = [_member_text(part) for pair in value.items() for part in pair]
    elif isinstance(value, tuple | list | set | frozenset):
        texts = [_member_text(part) for part in value]
    else:
        return None
    known = [text for text in texts if text is not None]
    if len(known) < len(texts):
        return None
    # The order of a set differs from process to process.
    ordered = sorted(known) if isinstance(value, set | frozenset) else known
    return f"{type(value).__name__}({', '.join(ordered)})"


def _member_text(value: object) -> str | None:
    if isinstance(value, dict | tuple | list | set | frozenset):
        return _plain_text(value)
    text = repr(value)
    return None if " at 0x" in text else text


def _imported_inside(code: CodeType, package: str) -> set[str]:
    """Return the modules of the package that a function imports when it runs."""
    found: set[str] = set()
    module = ""
    for step in dis.get_instructions(code):
        if step.opname == "IMPORT_NAME":
            module = str(step.argval) if str(step.argval).partition(".")[0] == package else ""
            found.add(module)
        elif step.opname == "IMPORT_FROM" and module:
            found.update(_submodules(module, [str(step.argval)]))
    found.discard("")
    return found.union(*(_imported_inside(inner, package) for inner in _inner(code)))


def _modules(name: str, package: str, seen: set[str]) -> Iterator[tuple[str, str]]:
    """Yield a module and, transitively, those of its package that it imports; imports none."""
    if name in seen:
        return
    seen.add(name)
    spec = _spec(name)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    yield name, ast.dump(_without_docstrings(tree))
    for imported in _imports(tree, package):
        yield from _modules(imported, package, seen)


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
            if node.module.partition(".")[0] == package:
                names += _submodules(node.module, [alias.name for alias in node.names])
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] == package)


def _submodules(module: str, names: list[str]) -> list[str]:
    """Return what may be modules in `from module import names`."""
    spec = _spec(module)
    # Looking for a part of a plain module would import that module.
    is_package = spec is not None and spec.submodule_search_locations is not None
    return [f"{module}.{name}" for name in names] if is_package else []


def _spec(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None


def _source_of(one: Any) -> str:
    """Return the syntax tree as text; the bytecode where there is no source."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(one)))
    except (OSError, TypeError, SyntaxError):
        code = getattr(one, "__code__", None)
        return repr((code.co_code, code.co_consts, code.co_names)) if code else repr(one)
    return ast.dump(_without_docstrings(tree))


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        first = node.body[0] if node.body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            node.body = node.body[1:] or [ast.Pass()]
    return tree
