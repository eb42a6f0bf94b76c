# Retrace: regenerate the results of fifteen papers and judge every claim of every paper.
# `snakemake --cores all` does everything; `snakemake <paper>`, `<study>` or `<study>_<verb>` a part.
from snakemake.utils import min_version

min_version("9.27")


# built from envs/Dockerfile, which installs the pins; only used with --sdm apptainer
container: "docker://retrace:0.1.0"


configfile: "config/config.yaml"


include: "rules/reruns.smk"
include: "rules/common.smk"
include: "rules/command.smk"
include: "rules/asked.smk"
include: "rules/hooks.smk"
include: "rules/elsewhere.smk"
include: "rules/stages.smk"
include: "rules/judge.smk"
include: "rules/draw.smk"
include: "rules/report.smk"
include: "rules/targets.smk"


# a stage's job on a cluster knows its own orders alone
if not ORDERED:

    include: "rules/rehearsal.smk"
    include: "rules/rehearse.smk"


# here and not in an included file, which cannot set the default target
rule all:
    default_target: True
    input:
        target_inputs("all"),


onstart:
    refuse_unfit_machine()
    lift_default_rate_limit(workflow)
    prepare_jobs_elsewhere()
    start_jobs_at_once()


onsuccess:
    WARM.stop()
    print_verdicts()
    print_rehearsal()


onerror:
    WARM.stop()
    print_rehearsal()
