"""The project: settings, addresses, and the way in for a server.

- ``settings``: what platforms say is read from the environment
- ``urls``: the shop, the login, the admin and the dashboard
- ``wsgi``: what a server asks
"""
