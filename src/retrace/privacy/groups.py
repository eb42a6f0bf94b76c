"""Disjoint groups of private records: stable by hash, or by position as a defect to show."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

from retrace.stage import StageError

T = TypeVar("T")


def by_hash(records: Sequence[str], groups: int, key: int) -> list[list[int]]:
    """Places of the records, group by group; a record's group depends on itself and the key alone.

    So to add or remove a record changes one group. Equal records share a group. StageError for fewer records
    than groups. `key` must not be chosen after a look at the records.
    """
    _enough(len(records), groups)
    secret = key.to_bytes(16, "big")
    made: list[list[int]] = [[] for _ in range(groups)]
    for place, record in enumerate(records):
        digest = hashlib.blake2b(record.encode("utf-8"), key=secret, digest_size=16).digest()
        made[int.from_bytes(digest, "big") % groups].append(place)
    return made


def by_position(records: Sequence[T], groups: int) -> list[list[int]]:
    """Places cut into equal runs, as DP-OPT's released code does: one record less moves all later groups."""
    _enough(len(records), groups)
    size = len(records) // groups
    return [list(range(g * size, (g + 1) * size)) for g in range(groups)]


def _enough(records: int, groups: int) -> None:
    if not 1 <= groups <= records:
        raise StageError(
            f"{groups} groups of {records} records: every group needs one; lower `groups` or add records"
        )
