"""Cutoff: the key stops by itself on its date, once, and can come back for a while.

sweep      claim what is due, judge it, write the verdicts: one transaction per batch
preview    who would be cut or held at a time, and why
restore    switch keys on again until a date, at which they are cut again
"""
