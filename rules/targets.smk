# Names to ask for: all, every paper, every study, every verb of a study.
localrules:
    all,


rule all:
    default_target: True
    input:
        FLOW.everything(),


for NAME in FLOW.target_names:

    rule:
        name:
            NAME
        input:
            FLOW.target(NAME),
