"""How the database of the shop came about."""
