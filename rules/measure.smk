# measure: one generic rule, one instance per study that has the verb.
for STUDY in FLOW.studies_with("measure"):

    rule:
        name:
            f"{STUDY}_measure_job"
        input:
            task_inputs,
        output:
            **FLOW.output_patterns(STUDY, "measure"),
        log:
            f"logs/{STUDY}/{{group}}/{{seed}}/measure-{{key}}.log",
        threads: 1
        resources:
            gpu=FLOW.gpus(STUDY, "measure"),
        params:
            spec=task_spec,
        message:
            f"{STUDY} measure {{wildcards.group}} {{wildcards.seed}}"
        shell:
            "python -m retrace.job {params.spec:q} > {log} 2>&1"
