"""`make crash`: the price falls by 40 % while accounts with different limits hold the same.

`population`: who is protected by what; `run`: one crash through the real stack; `verdict`: whether
each account ended as set, and what each loss beyond its limit consists of.
"""
