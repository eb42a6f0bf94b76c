# attack: one generic rule, one instance per study that has the verb.
for STUDY in FLOW.studies_with("attack"):

    rule:
        name:
            f"{STUDY}_attack_job"
        input:
            task_inputs,
        output:
            **FLOW.output_patterns(STUDY, "attack"),
        log:
            f"logs/{STUDY}/{{group}}/{{seed}}/attack-{{key}}.log",
        priority: 1
        threads: 1
        resources:
            gpu=FLOW.gpus(STUDY, "attack"),
        params:
            spec=task_spec,
        message:
            f"{STUDY} attack {{wildcards.group}} {{wildcards.seed}}"
        shell:
            "python -m retrace.job {params.spec:q} > {log} 2>&1"
