"""The working tree as a source: files below some directories, read safely and validated by stat."""
