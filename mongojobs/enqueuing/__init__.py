"""From a call in the app to a stored job."""
