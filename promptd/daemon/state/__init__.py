"""What a daemon keeps on disk between two runs; all of it is cache and safe to delete."""
