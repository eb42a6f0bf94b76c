"""Certification: does pruning make networks easier to certify? (CertifiedPruning)"""
