"""Where components come from. Each source stands alone; base.py says what they have in common."""
