"""From a sample of someone's data to a pipeline that reads it: format, fields, times, order, identity, views.

Pure: bytes and values in, findings and text out; files are sampled by `datanexus.sampling`. Nothing is guessed
silently: each finding carries in words what it rests on and what else it could be.
"""
