"""Networks taught by other networks: DMP and SELENA."""
