"""The commands.

- ``release``: what comes once with each deploy
"""
