"""Durations and sizes as text: "25ms", "10s", "5m", "1h", "1d"; "512KB", "150MB", "1MiB".

One table a quantity, one parser and one writer for both. A key holds a plain number in one unit (`seconds`);
`number` reads text into that unit and `spell` writes it so that it reads back to the same value. The
arithmetic is exact, so nothing is lost on the way. Which key is in which unit is the schema's; a number
without a unit is not read here, since it is in the key's unit already. KB, MB, GB … are powers of 1000,
KiB, MiB, GiB … powers of 1024. Pure.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

# In milliseconds and in bytes; smallest first.
_DURATIONS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SIZES = {"B": 1} | {
    f"{prefix}{binary}B": base**power
    for power, prefix in enumerate("KMGTP", 1)
    for binary, base in (("", 1_000), ("i", 1_024))
}
_TEXT = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]+)")


@dataclass(frozen=True, slots=True)
class Quantity:
    """What is written with a unit: how it is called, the unit of the plain number, and the units in text."""

    noun: str
    base: str
    units: Mapping[str, int]
    per_base: int  # of the smallest unit


# By the unit that a key's plain number is in.
QUANTITIES: Mapping[str, Quantity] = {
    "milliseconds": Quantity("duration", "milliseconds", _DURATIONS, 1),
    "seconds": Quantity("duration", "seconds", _DURATIONS, 1_000),
    "bytes": Quantity("size", "bytes", _SIZES, 1),
}


def number(text: str, unit: str) -> int | float | None:
    """The plain number in `unit` that text such as "1.5s" means, an int if it is whole; None if it is none.

    Durations are in lower case; of sizes the case does not matter ("150mb").
    """
    quantity, match = QUANTITIES[unit], _TEXT.fullmatch(text.strip())
    factor = _factor(quantity, match[2]) if match else None
    if match is None or factor is None:
        return None
    whole, _, decimals = match[1].partition(".")
    try:
        numerator = int(whole + decimals) * factor
        denominator: int = 10 ** len(decimals) * quantity.per_base
        return numerator / denominator if numerator % denominator else numerator // denominator
    except (ValueError, OverflowError):  # thousands of digits
        return None


def _factor(quantity: Quantity, written: str) -> int | None:
    if quantity.noun == "duration":
        return quantity.units.get(written)
    return next((factor for name, factor in quantity.units.items() if name.lower() == written.lower()), None)


def spell(value: float, unit: str) -> str:
    """The shortest text that `number` reads as this value, a whole number if there is one: "2500ms", "1h"."""
    quantity = QUANTITIES[unit]
    smallest = Decimal(repr(value)) * quantity.per_base
    if smallest % 1:
        return f"{smallest.normalize():f}{next(iter(quantity.units))}"
    count = int(smallest)
    names = [
        name
        for name, factor in quantity.units.items()
        if not count % factor and (count or factor == quantity.per_base)
    ]
    return min((f"{count // quantity.units[name]}{name}" for name in reversed(names)), key=len)
