"""The client's pages. Each reads through `.for_customer(request.customer)` only."""
