"""One file for each format, with a `PARSER` in it (signals_app/domain/parsers/registry.py)."""
