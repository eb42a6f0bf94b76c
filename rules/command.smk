# The shell line of a job. No rules.
# Elsewhere than on this disk: Snakemake brings a job's files, and takes away what it leaves
STORED = workflow.storage_settings.default_storage_provider is not None

# Snakemake puts each job's command together three times to log it. A dry run prints none unless told to
SILENT = ARGUMENTS.dryrun and not workflow.output_settings.printshellcmds
COMMAND = "" if SILENT else "python -m retrace.job <<< {params.spec:q} > {log} 2>&1"
if STORED:
    COMMAND = COMMAND.replace(".job", ".job --to {output[0]:q}")
PUBLISH = COMMAND.replace("{output[0]", "{input[0]")  # its stamp is on this disk
