"""Each kind of finding has a name and a sentence, in both languages."""

from __future__ import annotations

from collections import defaultdict

import pytest
from django.utils import translation

from trading.domain.reconciliation import FindingKind
from trading.finding_texts import finding_name, finding_text


@pytest.mark.parametrize("kind", list(FindingKind))
def test_a_kind_is_told_in_words(kind: FindingKind) -> None:
    numbers: defaultdict[str, str] = defaultdict(lambda: "7")
    with translation.override("en"):
        name, text = finding_name(kind), finding_text(kind, numbers)
    assert "_" not in name
    assert text.endswith(".")
    with translation.override("zh-hans"):
        assert finding_name(kind) != name
