"""`make chaos`: random signals through the real stack while everything around it fails.

`population`: who follows whom; `traffic`: what the leaders do; `storm`: what the venue does to
requests; `wreckage`: what happens to our processes; `books`: our rows as the comparison takes
them; `verdict`: the comparison with the exchange's ledger; `run`: one run of it all.
"""
