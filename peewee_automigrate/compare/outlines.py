"""Outlines of a table, declared and actual: do they agree in all that a start asks?

Enters and leaves: values, and the text in which a server tells columns. Pure. Where outlines agree
`diff` finds no change (tests/test_outlines.py); where they don't, the table is read in full.
"""

from __future__ import annotations

from ..schema import NEEDED, NULLABLE, Outline

ITEM, PART = "\x1e", "\x1f"
"""What stands between the items of a list, and between the parts of an item."""


def columns_of(text: str, parts: int) -> list[list[str]]:
    """Return the columns of a text that begins with their number; [] where a name has brought in
    what separates them.
    """
    number, *items = text.split(ITEM)
    found = [item.split(PART) for item in items]
    is_whole = len(found) == int(number) and all(len(each) == parts for each in found)
    return found if is_whole else []


def agree(declared: Outline, actual: Outline) -> bool:
    """Tell whether nothing is missing, nor differs in type, nullability, keys or uniqueness, nor
    refuses rows that the model allows.
    """
    if actual.is_odd:
        return False
    found = actual.columns
    for name, (type_name, null) in declared.columns.items():
        other = found.get(name)
        if other is None or other[0] != type_name or (other[1] == NULLABLE) != (null == NULLABLE):
            return False
    if len(found) > len(declared.columns):
        unknown = found.keys() - declared.columns.keys()
        if any(found[name][1] == NEEDED for name in unknown):
            return False
    missing = [each for each in declared.indexes if each not in actual.indexes]
    surplus = [each for each in actual.indexes if each not in declared.indexes]
    does_unique = all(i[0] == "index" and ("unique", *i[1:]) in actual.indexes for i in missing)
    return does_unique and all(index[0] == "index" for index in surplus)
