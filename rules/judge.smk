# judge: the verdicts of one paper.
rule judge_job:
    input:
        product_inputs,
    output:
        "results/judge/{paper}-{key}.json",
    log:
        "logs/judge/{paper}-{key}.log",
    localrule: True
    params:
        spec=product_spec,
    message:
        "judge {wildcards.paper}"
    shell:
        COMMAND
