# prepare, train, defend, attack, measure: one rule, one instance per study and verb.
for STUDY, VERB in FLOW.stages:

    rule:
        name:
            f"{STUDY}_{VERB}_job"
        input:
            task_inputs,
        output:
            **FLOW.output_patterns(STUDY, VERB),
        log:
            f"logs/{STUDY}/{{group}}/{{seed}}/{VERB}-{{key}}.log",
        priority: task_priority
        threads: 1
        resources:
            **FLOW.resources(STUDY, VERB),
            runtime=task_minutes,
            mem_mb=task_megabytes,
        params:
            spec=task_spec,
        shell:
            COMMAND
