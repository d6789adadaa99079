"""What a message is: no I/O, no clock."""
