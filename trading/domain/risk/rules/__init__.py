"""One module a rule; the registry finds them."""
