"""What looks after evidence with a plan in hand: index, audit, reach, power, decide."""
