"""Stops of copied positions: kept in line with what is held, whatever happens in between.

`marking`: what a fill changed is due; `planning`: the decision under the position's lock, written
before anything leaves; `keeping`: sends it and goes on until all is in line; `learning`: what the
venue said of a stop order, the only place where its state changes; `checking`: look-ups; `exits`:
the orders that stops become; `watching`: prices, where they are followed; `leaders`: a leader
moved its stops; `alerting`: positions that stay unguarded; `strangers`: fills that may be a stop's.
"""
