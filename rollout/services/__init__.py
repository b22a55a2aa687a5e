"""Use cases, one file per stage. Each public call owns exactly one transaction, or says how many.

A service loads what it needs through the ports, lets the domain decide, writes what was decided
together with its facts, and commits. It knows no SQL, no broker and no web.
"""
