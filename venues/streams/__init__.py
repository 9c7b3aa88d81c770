"""Private streams of accounts: what they tell (`events`), who wants to hear it (`registry`), and
the sockets that they come through. No models: the process is customers.streaming's."""
