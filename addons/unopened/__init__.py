"""What the addon *opaque* is made of: one concern a file."""
