"""Identifiers: 26-character lower-case ULIDs, made by the application before the insert.

Time-ordered (milliseconds, then a counter within the process), so that primary keys append;
letters and digits only, so that an order's id is at once its client order id on every venue
(OKX allows 1 to 32 letters and digits).
"""

from ulid import ULID

ID_LENGTH = 26


def new_id() -> str:
    """A fresh id. Ids made by one process are strictly increasing."""
    return str(ULID()).lower()
