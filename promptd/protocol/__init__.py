"""The wire, shared by both ends: records, parameters, replies, the table of methods, and the framing.

Pure: no socket, clock or file, and nothing of ours but the errors.
"""
