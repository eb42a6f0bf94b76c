"""Training for certification: adversarial, certified, and losses on the stability of ReLUs."""
