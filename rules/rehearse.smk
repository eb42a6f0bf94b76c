# rehearse: every cell of the scale's sheets, cut to a step or two.
rule rehearse_job:
    output:
        "results/rehearsal/{scale}/{study}/{group}-{key}.json",
    log:
        "logs/rehearsal/{scale}/{study}/{group}-{key}.log",
    resources:
        **({"gpu": 1} if ACCELERATED else {}),
    params:
        spec=rehearsal_spec,
    message:
        "rehearse {wildcards.study} {wildcards.group}"
    shell:
        REHEARSE


rule rehearse:
    input:
        lambda wildcards: list(rehearsals()),
