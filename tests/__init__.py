"""Tests, in the rooms of the project: `tests/<room>/test_<module>.py`."""
