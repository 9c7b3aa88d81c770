"""A local exchange that speaks OKX's v5 protocol. It imports nothing else of this project."""
