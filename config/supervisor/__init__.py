"""The embedded default's process supervisor: one command starts, watches and ends all of it.

It exists because the embedded default needs no root and no service manager. Production uses
systemd or containers instead (deploy/), with the same commands.
"""
