"""Monitoring: samples of statistics, health, alerts and recommendations, snapshot, history and metrics."""
