"""Stops of a copied position: which there should be, and what is to be done about it. Pure.

`terms`: what the client's settings and the leader ask for; `protection`: the prices that follow
from the entry, the best price and the targets reached; `legs`: how the position is shared out
among stop orders; `steps`: from wanted and existing orders to place, amend, cancel; `states`: the
life of a stop order.
"""
