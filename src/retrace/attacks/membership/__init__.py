"""Membership inference attacks: scores of members and non-members, and what is made of them."""
