"""Notices: a row is the outbox.

scheduling    a step is due: one row per person, claimed and written in one transaction
delivery      claim rows, hand them to the mail server, record how each attempt ended
reports       what comes back by mail, and what it proves
"""
