# report: the page, the table and the picture of all verdicts; publish: copies under names that people know.
rule report_job:
    input:
        product_inputs,
    output:
        "results/report/{scale}-{key}.html",
        "results/report/{scale}-{key}.csv",
        "results/report/{scale}-{key}.svg",
        "results/report/{scale}-{key}.png",
    log:
        "logs/report/{scale}-{key}.log",
    localrule: True
    params:
        spec=product_spec,
    message:
        "report"
    shell:
        COMMAND


rule publish_job:
    input:
        product_inputs,
    output:
        local(touch("results/published/{scale}/{name}-{key}")),
    log:
        "logs/publish/{scale}/{name}-{key}.log",
    localrule: True
    params:
        spec=product_spec,
    message:
        "publish {wildcards.name}"
    shell:
        PUBLISH
