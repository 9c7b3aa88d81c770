"""Customer accounts as subjects of the streamer (venues.streams.registry).

`kind`: which accounts, their keys, their reconciliation; `gathering`: what a batch of pushes
amounts to; `writing`: it enters by the same services as our own results.
"""
