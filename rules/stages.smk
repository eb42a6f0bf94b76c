# prepare, train, defend, attack, measure: one rule, one instance per study and verb.
# What others wait for runs first, so that no core idles at the end; nothing waits for defend and measure.
PRIORITY = {"prepare": 3, "train": 2, "attack": 1}

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
        priority: PRIORITY.get(VERB, 0)
        threads: 1
        resources:
            **FLOW.resources(STUDY, VERB),
        params:
            spec=task_spec,
        shell:
            COMMAND
