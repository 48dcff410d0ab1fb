"""Values: from Python to BSON and back, equal in type and value."""
