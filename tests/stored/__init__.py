"""Jobs as each version stored them, in ``0.2.json`` and the like, and the proof that they still run."""
