# draw: the figures of one paper, one instance per paper since their names differ.
for PAPER in FLOW.papers:

    rule:
        name:
            f"{PAPER}_draw_job"
        input:
            product_inputs,
        output:
            FLOW.figure_patterns(PAPER),
        log:
            f"logs/draw/{PAPER}-{{key}}.log",
        localrule: True
        params:
            spec=product_spec,
        message:
            f"draw {PAPER}"
        shell:
            COMMAND
