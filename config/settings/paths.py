"""Where the embedded default's unix sockets are: their paths must stay under 108 bytes."""

import hashlib
import os
import tempfile
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

LONGEST_SOCKET_PATH_BYTES = 100


def socket_path(directory: Path, name: str) -> Path:
    """`directory/name`, or when that is too long a path in /tmp that depends on it alone.

    Every process of one state directory computes the same path, and nobody else may own it.
    """
    wanted = directory / name
    if len(os.fsencode(wanted)) <= LONGEST_SOCKET_PATH_BYTES:
        return wanted
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    short = Path(tempfile.gettempdir()) / f"tandem-{os.getuid()}-{digest}"
    if len(os.fsencode(short / name)) > LONGEST_SOCKET_PATH_BYTES:
        short = Path("/tmp") / short.name  # noqa: S108  (owner and mode are checked below)
    short.mkdir(mode=0o700, exist_ok=True)
    status = short.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise ImproperlyConfigured(f"{short} is not a private directory of this user.")
    return short / name
