"""Simplified Chinese is complete: every text of code and templates, compiled as written."""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.utils.translation.template import templatize

CATALOGUE = settings.BASE_DIR / "templates" / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"
SOURCES = ("config", "customers", "notifications", "signals_app", "strategies", "trading", "venues")
PLAIN = {"_", "gettext", "gettext_lazy", "gettext_noop"}
PLURAL = {"ngettext", "ngettext_lazy"}
IN_CONTEXT = {"pgettext", "pgettext_lazy"}
MARKS = PLAIN | PLURAL | IN_CONTEXT

Text = tuple[str | None, str]  # context, msgid


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _texts_of(tree: ast.AST) -> Iterator[Text]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or _called(node) not in MARKS or not node.args:
            continue
        literals = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
        if not literals or not all(isinstance(text, str) for text in literals[:1]):
            continue  # a text that comes from elsewhere is marked there
        if _called(node) in IN_CONTEXT:
            yield literals[0], literals[1]
        else:
            yield None, literals[0]


def _texts_of_code() -> Iterator[tuple[Text, Path]]:
    for app in SOURCES:
        for path in (settings.BASE_DIR / app).rglob("*.py"):
            for text in _texts_of(ast.parse(path.read_text(encoding="utf-8"))):
                yield text, path


def _texts_of_templates() -> Iterator[tuple[Text, Path]]:
    for path in (settings.BASE_DIR / "templates").rglob("*.html"):
        code = templatize(path.read_text(encoding="utf-8"), origin=str(path))
        for match in re.finditer(r"\b(?:n|p)?gettext\(|\b_\(", code):
            call = _balanced(code, match.start())
            for text in _texts_of(ast.parse(call)):
                yield text, path


def _balanced(code: str, start: int) -> str:
    """The call that starts here; grows until it parses, so that brackets in texts do no harm."""
    end = code.index(")", start)
    while True:
        try:
            ast.parse(code[start : end + 1])
        except SyntaxError:
            end = code.index(")", end + 1)
        else:
            return code[start : end + 1]


def _catalogue() -> dict[Text, str]:
    """The source file, read without gettext's tools; a fuzzy entry counts as none."""
    entries: dict[Text, str] = {}
    for block in CATALOGUE.read_text(encoding="utf-8").split("\n\n"):
        if re.search(r"^#,.*\bfuzzy\b", block, re.MULTILINE):
            continue
        parts: dict[str, str] = {}
        keyword = ""
        for line in block.splitlines():
            match = re.match(r'(msg\w+(?:\[0\])?) (".*")$', line) or re.match(r'()(".*")$', line)
            if match:
                keyword = match.group(1) or keyword
                parts[keyword] = parts.get(keyword, "") + ast.literal_eval(match.group(2))
        if parts.get("msgid"):
            translated = parts.get("msgstr", "") or parts.get("msgstr[0]", "")
            entries[parts.get("msgctxt"), parts["msgid"]] = translated
    return entries


def _placeholders(text: str) -> list[str]:
    return sorted(re.findall(r"%\(\w+\)[sd]", text))


def test_every_text_has_a_translation():
    catalogue = _catalogue()
    used = [*_texts_of_code(), *_texts_of_templates()]
    assert len(used) > 500
    missing = {
        f"{path.relative_to(settings.BASE_DIR)}: {text[1]}"
        for text, path in used
        if text[1] and not catalogue.get(text)
    }
    assert missing == set()


def test_nothing_in_the_catalogue_is_left_open():
    assert [text for text, translated in _catalogue().items() if not translated] == []


def test_translations_keep_the_placeholders():
    wrong = [
        text
        for text, translated in _catalogue().items()
        if not set(_placeholders(translated)) <= set(_placeholders(text[1]))
        or (_placeholders(text[1]) and not _placeholders(translated))
    ]
    assert wrong == []


def test_the_compiled_catalogue_is_that_of_its_source():
    with CATALOGUE.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    found = {}
    for key, translated in compiled._catalog.items():  # type: ignore[attr-defined]
        if not key:
            continue
        message = key[0] if isinstance(key, tuple) else key
        context, _, msgid = message.rpartition("\x04")
        found[context or None, msgid] = translated
    assert found == _catalogue()
