"""What a job does, one module a kind: run a stage, judge a paper, draw it, report."""
