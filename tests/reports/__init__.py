"""Tests of the report, on audit folders made by hand."""
