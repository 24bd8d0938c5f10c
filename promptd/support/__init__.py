"""What every package may use: logging, counters, atomic files, locks. Nothing here knows a component."""
