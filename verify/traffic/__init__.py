"""Recorded traffic: v1's answers to real requests beside v2's, with everything they can tell.

`verify_traffic` streams the requests, stores both answers in one Parquet file and judges them:
places, values, order within requests, quality with intervals, slices, v1's own noise.
"""
