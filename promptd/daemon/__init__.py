"""The process that serves: its life, its upkeep of the library, and its state on disk."""
