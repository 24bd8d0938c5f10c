"""Looking after the daemon from the side: samples of everybody's statistics, and the health snapshot."""
