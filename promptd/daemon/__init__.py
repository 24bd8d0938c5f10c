"""The process that serves: its start and end, maintenance of the library, and its state on disk."""
