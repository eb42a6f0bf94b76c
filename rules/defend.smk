# defend: one generic rule, one instance per study that has the verb.
for STUDY in FLOW.studies_with("defend"):

    rule:
        name:
            f"{STUDY}_defend_job"
        input:
            task_inputs,
        output:
            **FLOW.output_patterns(STUDY, "defend"),
        log:
            f"logs/{STUDY}/{{group}}/{{seed}}/defend-{{key}}.log",
        threads: 1
        resources:
            gpu=FLOW.gpus(STUDY, "defend"),
        params:
            spec=task_spec,
        message:
            f"{STUDY} defend {{wildcards.group}} {{wildcards.seed}}"
        shell:
            "python -m retrace.job {params.spec:q} > {log} 2>&1"
