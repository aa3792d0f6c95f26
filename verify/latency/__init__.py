"""Latency of v1 and v2 on one machine: measured in pairs, judged by confidence bounds."""
