"""Never run, only type-checked: that the public API keeps the types it is given."""
