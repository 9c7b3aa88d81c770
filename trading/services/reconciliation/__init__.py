"""The exchange as the second opinion (docs/reconciliation.md).

`passing`: a reading, and a pass over many accounts; `books`: the transaction that compares and
follows one; `ledger`: an account's rows in memory; `open_orders`: what works at the venue, between
readings, too; `findings`: what is written of what was not our doing.
"""
