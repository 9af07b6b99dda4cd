"""What the project's modules declare: they are imported from the project's own folder, and looked through by type."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from penstock.cascades import Cascade, training_pipeline
from penstock.core.expression import walk
from penstock.errors import DeclarationError, PenstockError, UnknownNameError, raised
from penstock.features import FeatureService, FeatureSet
from penstock.monitor import TriggerDeclaration
from penstock.pipelines import PipelineFunction
from penstock.project.config import FILE_NAME, Config

_DEFAULT_MODULE = "pipelines"


class Pipelines(dict[str, PipelineFunction]):
    """Pipelines by name; a name that is not there is an error that says which are."""

    def __missing__(self, name: str) -> PipelineFunction:
        raise UnknownNameError("pipeline", name, self)


def load_pipelines(config: Config) -> Pipelines:
    """Import the project's modules and return the pipelines they declare, by name; a cascade is one that trains it."""
    found: dict[str, tuple[PipelineFunction | Cascade, str]] = {}
    for module in _modules(config):
        for variable, value in vars(module).items():
            if not isinstance(value, PipelineFunction | Cascade):
                continue
            before, where = found.setdefault(value.name, (value, f"{variable} of {module.__name__}"))
            if before is not value:
                raise DeclarationError(
                    f"two pipelines are named '{value.name}': {where} and {variable} of {module.__name__}; name one "
                    "apart: @ps.pipeline(name=...)"
                )
    declared = {name: each for name, (each, _) in found.items()}
    return Pipelines(
        {name: training_pipeline(each) if isinstance(each, Cascade) else each for name, each in declared.items()}
    )


def load_triggers(config: Config) -> dict[str, tuple[TriggerDeclaration, str]]:
    """Return the triggers that the project's modules declare, by name, each with its module."""
    found: dict[str, tuple[TriggerDeclaration, str]] = {}
    for module in _modules(config):
        for variable, value in vars(module).items():
            if not isinstance(value, TriggerDeclaration):
                continue
            name = value.name or variable
            before, where = found.setdefault(name, (value, module.__name__))
            if before is not value:
                raise DeclarationError(
                    f"two triggers are named '{name}', in {where} and {module.__name__}; name one apart: "
                    "ps.on(..., name=...)"
                )
    return found


def load_features(config: Config, names: Collection[str] = ()) -> list[FeatureSet | FeatureService]:
    """Return the feature sets and services that the project's modules declare, each after those that it reads; with
    `names` only those of these names, or of modules of these names."""
    found: dict[str, tuple[FeatureSet | FeatureService, str]] = {}
    for module in _modules(config):
        for value in vars(module).values():
            if not isinstance(value, FeatureSet | FeatureService):
                continue
            key = value.name
            before, where = found.setdefault(key, (value, module.__name__))
            if before is not value:
                raise DeclarationError(f"'{key}' is declared in {where} and in {module.__name__}; name one apart")
    modules = {module for _, module in found.values()}
    for name in names:
        if name not in found and name not in modules:
            raise UnknownNameError("feature set or module", name, [*found, *modules], within="the project's modules")
    wanted = {name: each for name, (each, module) in found.items() if not names or {name, module} & set(names)}
    return sorted(wanted.values(), key=lambda each: _depth(each, wanted, ()))


def _depth(declared: FeatureSet | FeatureService, among: Mapping[str, Any], above: tuple[str, ...]) -> int:
    """Return how many declarations have to be applied one after the other before this one."""
    read = {reference.partition(":")[0].partition("@")[0] for reference in _references(declared)}
    others = [among[name] for name in read if name in among and name not in (*above, declared.name)]
    return max((1 + _depth(other, among, (*above, declared.name)) for other in others), default=0)


def _references(declared: FeatureSet | FeatureService) -> list[str]:
    if isinstance(declared, FeatureService):
        return list(declared.features)
    trees = (declared.features or {}).values()
    return [str(node.args[0]) for expr in trees for node in walk(expr) if node.op == "feature"]


def _modules(config: Config) -> Iterator[ModuleType]:
    named = config.project.modules
    if not named and (config.root / f"{_DEFAULT_MODULE}.py").exists():
        named = (_DEFAULT_MODULE,)
    for name in named:
        yield _import_from(config.root, name)


def _import_from(root: Path, name: str) -> ModuleType:
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    known = sys.modules.get(name)
    if known is not None and not Path(known.__file__ or "").is_relative_to(root):
        del sys.modules[name]  # another project of this process has a module of the same name
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0] and error.name != name:
            raise _broken(name, error) from error
        there = ", ".join(sorted(path.stem for path in root.glob("*.py"))) or "no Python file"
        raise DeclarationError(
            f"module '{name}', named in [project] modules of {root / FILE_NAME}, is not there; {root} has: {there}"
        ) from error
    except PenstockError:
        raise
    except (Exception, SystemExit) as error:
        raise _broken(name, error) from error


def _broken(name: str, error: BaseException) -> DeclarationError:
    return DeclarationError(f"module '{name}' cannot be imported: {raised(error)}")
