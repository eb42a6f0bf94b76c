"""The report: one self-contained HTML page of verdicts, figures and costs."""
