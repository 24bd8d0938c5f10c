"""What every package may use: logging, counters, files of the state directory. No component is known here."""
