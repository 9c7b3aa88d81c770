"""The paper exchange's engine: instruments, prices, books, matching, margin and the ledger.

Pure and single-threaded: no sockets, no framework. `Exchange` is the only way in.
"""
