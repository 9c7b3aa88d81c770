"""`make stream-storm`: leaders and clients trade while the lines of all of them fail.

`population`: who follows whom; `hands`: what leaders and clients do at the exchange; `weather`:
what happens to sockets and streamers; `books`: our rows as the comparison takes them; `verdict`:
the comparison with the exchange's ledger; `run`: one run of it all.
"""
