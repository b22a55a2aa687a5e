"""Rollout retires an API credential on schedule without breaking the customers who still use it.

The stages, in order; each is a file of that name in ``domain/`` (may we?), ``services/``
(do it, once), ``adapters/db/`` (its SQL) and ``workers/`` (when):

    inventory   accounts, their people and their keys
    usage       who still calls with a key, and through what
    plan        one YAML file becomes a date for every account
    notices     people are told, in time, and we can prove it
    cutoff      the key stops by itself on its date
    audit       who decided what, when, on what evidence

Beside them, ``alarms``: what an operator must look at, because nothing else will mend it.

Imports point inwards: ``workers | rollout.web | rollout.cli → bootstrap → adapters → services →
domain``.
"""
