"""Benchmarks: run by make, never by pytest."""
