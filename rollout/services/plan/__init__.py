"""Plan: one YAML file becomes a date for every account, and people change their minds about it.

drafting    plan and apply a deprecation
dates       give one account another date: extend
guards      hold, release, exempt; approve, pause and resume cohorts
"""
