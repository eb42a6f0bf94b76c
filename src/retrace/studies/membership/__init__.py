"""Membership: who leaks least under real attacks, and where the leak sits (CWRF, PPTP, SRCM)."""
