# train: one generic rule, one instance per study that has the verb.
for STUDY in FLOW.studies_with("train"):

    rule:
        name:
            f"{STUDY}_train_job"
        input:
            task_inputs,
        output:
            **FLOW.output_patterns(STUDY, "train"),
        log:
            f"logs/{STUDY}/{{group}}/{{seed}}/train-{{key}}.log",
        priority: 2
        threads: 1
        resources:
            gpu=FLOW.gpus(STUDY, "train"),
        params:
            spec=task_spec,
        message:
            f"{STUDY} train {{wildcards.group}} {{wildcards.seed}}"
        shell:
            "python -m retrace.job {params.spec:q} > {log} 2>&1"
