"""One example of every message type, every field set: what golden bytes and round trips are made from."""

from __future__ import annotations

from tapewire import messages as m
from tapewire.wire._wire import BoolField, EnumField, IntField, ListField, TextField

CLASSES: tuple[type[m.Message], ...] = tuple(
    cls for cls in vars(m).values() if isinstance(cls, type) and issubclass(cls, m.Message) and cls is not m.Message
)


def example(cls: type[m.Message]) -> m.Message:
    """Every field holds a value of its own, derived from its place, so that no two fields can be mixed up unseen."""
    fields: dict[str, object] = {}
    for place, (name, field) in enumerate(cls.FIELDS.items(), start=1):
        if name == "type":
            continue
        if isinstance(field, IntField):
            top = 2 ** (8 * field.size - field.signed) - 1
            fields[name] = -place if field.signed else top - place
        elif isinstance(field, BoolField):
            fields[name] = True
        elif isinstance(field, EnumField):
            fields[name] = max(field.enum.__members__.values())
        elif isinstance(field, TextField):
            fields[name] = f"{name}-é"[: (field.capacity or 40) - 2]
        elif isinstance(field, ListField):
            fields[name] = [(place, 2, 3, m.Side.buy), (-place, 5, 2**32 - 1, m.Side.sell)]
    return cls(**fields)
