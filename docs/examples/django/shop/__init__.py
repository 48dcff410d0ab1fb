"""The app: orders and what becomes of them.

- ``models``: an order
- ``jobs``: what a visitor should not wait for
- ``tasks``: the same by Django's own interface
- ``views``: the pages
- ``admin``: orders in the admin
"""
