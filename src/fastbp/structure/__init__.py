"""What is connected with what, and where each number lies: no numbers of weights."""
