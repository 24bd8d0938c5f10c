"""One library held in memory and kept current, and everything that answers from it; no socket here."""
