"""A project of Django with one app, `shop`."""
