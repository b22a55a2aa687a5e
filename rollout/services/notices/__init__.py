"""Notices: a row is the outbox.

scheduling     a step is due: one row per person, claimed and written in one transaction
reading_hours  when somebody may be written to, by their own clocks
delivery       claim rows, hand them to the mail server, record how each attempt ended
versions       what each letter is made of, noted before its first letter
bundles        what is due to one reader goes in one letter
recording      what becomes of a notice, by what the mail server said
together       a transaction for all connections that wait for one
breaker        what does harm stops by itself, until a person resumes it
escalation     whom to tell instead, where a message cannot be delivered
reports        what comes back by mail, and what it proves
unsubscribing  optional messages, switched off and on by their readers
preview        the message of a step as the people of an account would get it
trial          the same, sent to oneself
keeping        what was sent, shown again exactly, and how long it is kept
templates      which templates there are, and what operators put in their place
overview       what was told, what is to come, and whom nobody has told in time
"""
