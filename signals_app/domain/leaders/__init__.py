"""What a leader's orders, fills and positions say to followers. Pure.

A leader in one-way mode has one signed position in a symbol, one in hedge mode a long and a short
one at a time. Followers copy their sum, the exposure: so leaders and followers of either mode work
together, and a hedge is followed as what it is, less exposure (docs/adr/0009).
"""
