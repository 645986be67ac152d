"""Conclude: over the tables of a whole capture, what no single message can say."""
