"""Webhooks: where an account's own machines hear what its people are told.

addresses   which URLs may be called, and which servers are never reached
secrets     with what requests are signed; derived, never stored
attempts    how an answer is judged, and when it is tried again
events      what is sent
"""
