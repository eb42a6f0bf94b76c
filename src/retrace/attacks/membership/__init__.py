"""Membership inference attacks: scores of members and non-members, and what is made of them.

An attack is a function of the module of its name: `from retrace.attacks.membership.lira import lira`.
"""
