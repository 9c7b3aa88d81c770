"""The streamer: private streams of every registered kind of subject (venues.streams.registry).

`shards`: which subjects this process has, by leases; `watched`: one subject and what became of its
stream; `streamer`: the loop that connects, watches and hands on; `deliveries` and `reconciling`:
the threads that call the kinds; `states`: what the screens show.
"""
