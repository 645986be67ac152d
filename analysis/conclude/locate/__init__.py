"""Locate: in which country the machine that answered stands, and how sure that is."""
