"""A budget divided among groups: which group an item is in, what each group may spend, which one to look at next.

group      by document, section or cluster of meaning, or by stratum of score
quota      how a budget is divided
bandit     which group to look at next, where looking costs
"""
