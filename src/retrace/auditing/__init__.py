"""An audit of one's own model: its answers, shadow models, attacks, a bound on epsilon, a page."""
