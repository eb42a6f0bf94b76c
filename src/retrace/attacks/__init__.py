"""Membership-inference attacks as functions of arrays; numpy, scipy and scikit-learn only."""
