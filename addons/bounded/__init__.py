"""How many connections are open at once: whoever listens here takes in no more than its process has room for, closes
idle ones first, and says so once."""
