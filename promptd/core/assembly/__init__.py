"""From a plan and its texts to a prompt: compile once, fill with values, account for every piece."""
