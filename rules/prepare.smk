# prepare: one generic rule, one instance per study that has the verb.
# priority: what others wait for runs first, so that no core idles at the end
for STUDY in FLOW.studies_with("prepare"):

    rule:
        name:
            f"{STUDY}_prepare_job"
        input:
            task_inputs,
        output:
            **FLOW.output_patterns(STUDY, "prepare"),
        log:
            f"logs/{STUDY}/{{group}}/{{seed}}/prepare-{{key}}.log",
        priority: 3
        threads: 1
        resources:
            gpu=FLOW.gpus(STUDY, "prepare"),
        params:
            spec=task_spec,
        message:
            f"{STUDY} prepare {{wildcards.group}} {{wildcards.seed}}"
        shell:
            "python -m retrace.job {params.spec:q} > {log} 2>&1"
