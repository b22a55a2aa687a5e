"""Celery tasks, one thin file per stage, and the APScheduler clock that rings them.

app        the Celery application: every sweep is a task, and a sweep drains what is due
worker     one worker process; it also polls by itself, so nothing depends on the clock
clock      one clock process; two may run, a lease chooses one
inventory … audit   the sweeps of a stage: what is rung, and how often
"""
