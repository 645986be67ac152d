"""What the addon *record* is made of: one concern a file."""
