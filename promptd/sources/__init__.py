"""Where components come from. Sources do not import one another; base.py says what they have in common."""
