"""A strategy from FILE:CLASS, with its parameters from `name=value` texts."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tapewire.errors import StrategyError
from tapewire.strategy.strategy import Strategy, StrategyParams


def load(where: str, params: Mapping[str, str] | None = None) -> Strategy:
    """Raises StrategyError for a file or class that is not there, or parameters that do not fit."""
    file, colon, name = where.rpartition(":")
    path = Path(file)
    if not colon or not path.is_file():
        raise StrategyError(f"{where!r}: expected FILE:CLASS, such as examples/market_maker.py:MarketMaker")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise StrategyError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    # Annotations of its parameters are looked up by the module's name.
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    found = getattr(module, name, None)
    if not isinstance(found, type) or not issubclass(found, Strategy):
        there = [one for one in vars(module).values() if isinstance(one, type) and issubclass(one, Strategy)]
        names = ", ".join(one.__name__ for one in there if one is not Strategy) or "none"
        raise StrategyError(f"{path}: no strategy {name!r}; it has {names}")
    return found(parameters(found, params or {}))


def parameters(kind: type[Strategy], given: Mapping[str, str]) -> StrategyParams:
    """The parameters of a strategy from texts. Raises StrategyError naming what does not fit, and what there is."""
    fields = {field.name: field for field in msgspec.structs.fields(kind.Params)}
    unknown = [name for name in given if name not in fields]
    if unknown:
        raise StrategyError(
            f"{kind.__name__} has no parameter {', '.join(unknown)}; it has {', '.join(fields) or 'none'}"
        )
    try:
        return msgspec.convert(dict(given), kind.Params, strict=False)
    except msgspec.ValidationError as error:
        raise StrategyError(f"{kind.__name__}: {error}") from None
