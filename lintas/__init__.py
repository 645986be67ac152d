"""The front door: command line, doctor, what is shown in a terminal. Knows every room; no room knows it."""
