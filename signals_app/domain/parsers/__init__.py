"""Formats of signals from outside: payload bytes in, canonical signals or one precise problem out.

Each file in `formats` is one format; `registry` finds them by themselves.
"""
