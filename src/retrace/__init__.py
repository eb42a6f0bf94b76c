"""Retrace regenerates published results and judges every claim with a statistical test."""
