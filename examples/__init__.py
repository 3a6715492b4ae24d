"""Runnable studies and demos on real data."""
