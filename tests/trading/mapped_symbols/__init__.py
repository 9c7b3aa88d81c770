"""Copies that trade another symbol than the leader's: their books, orders and exits are in it."""
