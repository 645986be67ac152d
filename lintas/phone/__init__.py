"""The phone under test, over adb: what runs on it, whose sockets are whose, and what was changed there put back."""
