"""Reads values from the file and the environment into sections, and says exactly what is wrong with one."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_type_hints

import msgspec
from msgspec import inspect

from tapewire.config.section import Section
from tapewire.errors import ConfigError, FixedError
from tapewire.fixed import exponent_of, to_mantissa

PREFIX = "TAPEWIRE_"
NOT_CONFIGURATION = frozenset({"TAPEWIRE_CONFIG", "TAPEWIRE_LOG", "TAPEWIRE_DEBUG", "TAPEWIRE_RECORDINGS"})
TEST_PREFIX = "TAPEWIRE_TEST_"
DEFAULT = "default"

_S = TypeVar("_S", bound=Section)
Table = dict[str, Any]

# Also of one that is written wrong, which is when it stands in an error; and a password may hold / and @.
_IN_URL = re.compile(r"([a-z][a-z0-9+.-]*:/*|//)[^\s\"']*@", re.IGNORECASE)
_HASH = re.compile(r"(scrypt\$)[^\s\"']+")


class Given(NamedTuple):
    """A value somebody set, and where. `text` marks one from the environment, which is always text."""

    value: Any
    origin: str
    text: bool = False


def read_file(path: Path) -> Table:
    """The tree of a TOML file with a Given at each leaf. Raises ConfigError with the line on a syntax error."""
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file. Name one with --config or TAPEWIRE_CONFIG") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    return {key: _marked(value, str(path)) for key, value in tree.items()}


def _marked(value: Any, origin: str) -> Any:
    if isinstance(value, dict):
        return {key: _marked(inner, origin) for key, inner in value.items()}
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return [_marked(item, origin) for item in value]
    return Given(value, origin)


def overlay_environment(tree: Table, environ: Mapping[str, str]) -> None:
    """Sets `TAPEWIRE_<SECTION>__<KEY>` over the file's values; `TAPEWIRE_FEED__BINANCE__URL` is feed.binance.url."""
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in NOT_CONFIGURATION or name.startswith(TEST_PREFIX):
            continue
        *sections, key = name[len(PREFIX) :].lower().split("__")
        table = tree
        for at, section in enumerate(sections):
            inner = table.setdefault(section, {})
            if not isinstance(inner, dict):
                raise ConfigError(
                    f"environment {name}: {'.'.join(sections[: at + 1])} holds a list of tables; set it in the file"
                )
            table = inner
        table[key] = Given(environ[name], f"environment {name}", text=True)


class Reader:
    """Turns tables into sections; `origins` collects where each value came from, by its path."""

    def __init__(self) -> None:
        self.origins: dict[str, str] = {}

    def section(self, cls: type[_S], table: Any, path: str, skip: Iterable[str] = ()) -> _S:
        """The section at `path`. Raises ConfigError naming the path, what it holds and what is allowed."""
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {_where(table)}expected a table [{path}] with keys, found {_shown(table)}")
        hints = get_type_hints(cls, include_extras=True)
        fields = {field.encode_name: field for field in msgspec.structs.fields(cls)}
        self._refuse_unknown(table, fields, path)
        table = self._with_exponents(table, fields, path)
        values: dict[str, Any] = {}
        for key, field in fields.items():
            if key in skip:
                continue
            at = f"{path}.{key}" if path else key
            if key in table and (info := _list_of_sections(hints[field.name])) is not None:
                values[field.name] = self._list_of(info, table[key], at)
            elif inspect.is_struct_type(hints[field.name]):
                values[field.name] = self.section(hints[field.name], table.get(key, {}), at)
            elif key in table:
                given = table[key]
                if not isinstance(given, Given):
                    raise ConfigError(f"{at}: expected {allowed(hints[field.name])}, found a table")
                values[field.name] = self._value(hints[field.name], given, at, values)
                self.origins[at] = given.origin
            elif field.required:
                raise ConfigError(f"{at}: missing; expected {allowed(hints[field.name])}")
            else:
                values[field.name] = field.default
                self.origins[at] = DEFAULT
        return cls(**values)

    def _list_of(self, info: inspect.VarTupleType, tables: Any, at: str) -> tuple[Any, ...]:
        cls: type[Any] = info.item_type.cls  # type: ignore[attr-defined]  # _list_of_sections has looked
        self.origins[at] = _origin(tables)
        if isinstance(tables, Given) and tables.value == []:
            return ()
        if not isinstance(tables, list):
            keys = ", ".join(field.encode_name for field in msgspec.structs.fields(cls))
            raise ConfigError(f"{at}: {_where(tables)}holds {_shown(tables)}; expected a list of {{ {keys} }}")
        if info.max_length is not None and len(tables) > info.max_length:
            raise ConfigError(f"{at}: ({self.origins[at]}) holds {len(tables)}; expected at most {info.max_length}")
        return tuple(self.section(cls, table, f"{at}[{place}]") for place, table in enumerate(tables))

    def _refuse_unknown(self, table: Table, fields: Mapping[str, object], path: str) -> None:
        for key, given in table.items():
            if key not in fields:
                at = f"{path}.{key}" if path else key
                close = difflib.get_close_matches(key, fields, n=1, cutoff=0.5)
                hint = f"did you mean {close[0]}? " if close else ""
                raise ConfigError(f"{at}: {_where(given)}unknown key; {hint}Known here: {', '.join(fields)}")

    def _with_exponents(self, table: Table, fields: Mapping[str, object], path: str) -> Table:
        """Fills exponents that were left out from the tick and lot, before any decimal needs them."""
        filled = dict(table)
        for exponent, step in (("price_exponent", "tick_size"), ("qty_exponent", "lot_size")):
            given = table.get(step)
            if exponent not in fields or exponent in table or not isinstance(given, Given):
                continue
            try:
                filled[exponent] = Given(exponent_of(_decimal_text(given)), f"from {step}")
            except FixedError as error:
                raise ConfigError(f"{path}.{step}: {_where(given)}{error}") from None
        return filled

    def _value(self, hint: Any, given: Given, at: str, earlier: Mapping[str, Any]) -> Any:
        extra = _extra(hint)
        raw = given.value
        if hint is Path:
            if not isinstance(raw, str) or not raw:
                raise _refused(at, given, "a path")
            return Path(raw).expanduser()
        if exponent := extra.get("decimal"):
            try:
                raw = to_mantissa(_decimal_text(given), earlier[exponent])
            except FixedError as error:
                raise ConfigError(f"{at}: {_where(given)}holds {_shown(given)}: {error}") from None
        elif given.text and _is_tuple(hint):
            raw = [part.strip() for part in raw.split(",") if part.strip()]
        try:
            value = msgspec.convert(raw, hint, strict=not given.text)
        except msgspec.ValidationError:
            raise _refused(at, given, allowed(hint)) from None
        # NaN is neither below nor above a bound, so bounds alone let it pass.
        if value != value or (extra.get("power_of_two") and value & (value - 1)):
            raise _refused(at, given, allowed(hint))
        return value


def _decimal_text(given: Given) -> str:
    if isinstance(given.value, str):
        return given.value
    if isinstance(given.value, int) and not isinstance(given.value, bool):
        return str(given.value)
    raise FixedError('expected a decimal number in quotes, such as "0.01", so that no digit is lost, or a whole number')


def _where(given: Any) -> str:
    return f"({given.origin}) " if isinstance(given, Given) else ""


def without_secrets(text: str) -> str:
    """As it may be shown: user and password of a URL, and what a password was hashed to, are left out."""
    return _HASH.sub(r"\1***", _IN_URL.sub(r"\1***@", text))


def _shown(given: Any) -> str:
    value = given.value if isinstance(given, Given) else given
    return without_secrets(json.dumps(value, default=str))


def _refused(at: str, given: Given, expected: str) -> ConfigError:
    return ConfigError(f"{at}: {_where(given)}holds {_shown(given)}; expected {expected}")


def _extra(hint: Any) -> dict[str, Any]:
    info = inspect.type_info(hint) if hint is not Path else None
    return (info.extra or {}) if isinstance(info, inspect.Metadata) else {}


def _list_of_sections(hint: Any) -> inspect.VarTupleType | None:
    """What a list of tables may hold; None for anything else."""
    info = inspect.type_info(hint) if hint is not Path else None
    is_one = isinstance(info, inspect.VarTupleType) and isinstance(info.item_type, inspect.StructType)
    return info if is_one else None  # type: ignore[return-value]


def _origin(tables: Any) -> str:
    """Where a list of tables was written."""
    if isinstance(tables, Given):
        return tables.origin
    return next((given.origin for table in tables for given in table.values() if isinstance(given, Given)), DEFAULT)


def _is_tuple(hint: Any) -> bool:
    info = inspect.type_info(hint)
    info = info.type if isinstance(info, inspect.Metadata) else info
    return isinstance(info, inspect.VarTupleType)


def allowed(hint: Any) -> str:
    """What a key may hold, in words."""
    if hint is Path:
        return "a path"
    info = inspect.type_info(hint)
    extra: dict[str, Any] = {}
    if isinstance(info, inspect.Metadata):
        extra, info = info.extra or {}, info.type
    if "allowed" in extra:
        return str(extra["allowed"])
    if "decimal" in extra:
        return 'a decimal number in quotes, such as "0.01", or a whole number'
    return _described(info) + (", a power of two" if extra.get("power_of_two") else "")


def _described(info: inspect.Type) -> str:
    if isinstance(info, inspect.LiteralType):
        return "one of " + ", ".join(f'"{value}"' for value in info.values)
    if isinstance(info, inspect.BoolType):
        return "true or false"
    if isinstance(info, inspect.IntType):
        return f"an integer from {info.ge} to {info.le}"
    if isinstance(info, inspect.FloatType):
        return f"a number from {info.ge} to {info.le}"
    if isinstance(info, inspect.VarTupleType):
        item = info.item_type
        words = item.extra["allowed"] if isinstance(item, inspect.Metadata) and item.extra else _described(item)
        return f"a list ({info.min_length or 0} or more), each {words}"
    return "text"
