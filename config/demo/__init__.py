"""The demo and the smoke test: invented firms and followers on the paper exchange."""
