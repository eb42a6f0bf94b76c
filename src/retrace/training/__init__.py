"""Training, retraining under a stop rule, and evaluation of networks held with their data in memory."""
