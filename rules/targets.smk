# Names to ask for, besides all: every paper, every study, every verb of a study.
localrules:
    all,
    rehearse,


for NAME in FLOW.target_names:

    rule:
        name:
            NAME
        input:
            target_inputs(NAME),
