"""Tokens of senders that can set no header: found wherever they stand, kept only as a hash.

`tdm_` and 32 letters or digits: 190 bits, so that a hash without salt gives nothing away.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Iterable

TOKEN_PREFIX = "tdm_"  # noqa: S105  (the public marker in front of a token)
_LENGTH = 32
_ALPHABET = string.ascii_letters + string.digits
_TOKEN = re.compile(rb"tdm_[A-Za-z0-9]{8,64}")
_TEXT_TOKEN = re.compile(r"tdm_[A-Za-z0-9]{8,64}")
_MASK = "tdm_***"
_MOST_CANDIDATES = 8


def token_new() -> str:
    return TOKEN_PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def tokens_in(body: bytes) -> list[str]:
    """What looks like a token, wherever in the body."""
    return [found.decode() for found in _TOKEN.findall(body)[:_MOST_CANDIDATES]]


def token_fits(offered: Iterable[str], hashes: Iterable[str]) -> bool:
    """Whether one of them is live; in the same time whichever it is."""
    live = [known for known in hashes if known]
    fits = False
    for token in offered:
        digest = token_hash(token)
        for known in live:
            fits |= hmac.compare_digest(digest, known)
    return fits


def without_tokens(body: bytes) -> bytes:
    """The body as it may be stored and shown: everything that looks like a token is masked."""
    return _TOKEN.sub(_MASK.encode(), body)


def text_without_tokens(text: str) -> str:
    return _TEXT_TOKEN.sub(_MASK, text)
