"""File watching: operating system events in, debounced batches out. A hint; replies never depend on it."""
