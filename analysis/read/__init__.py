"""Read: one message in, its fields and transmissions out. Pure: it knows no other message, no clock, no screen."""
