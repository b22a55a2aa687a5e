"""Notices: a row is the outbox.

scheduling    a step is due: one row per person, claimed and written in one transaction
delivery      claim rows, hand them to the mail server, record how each attempt ended
reports       what comes back by mail, and what it proves
preview       the message of a step as the people of an account would get it
trial         the same, sent to oneself
overview      what was told, what is to come, and whom nobody has told in time
"""
