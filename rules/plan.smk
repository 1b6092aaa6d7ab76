# NEEDS  nothing: the config, and whatever has been built
# MAKES  nothing: prints what is to do, and what it costs


localrules:
    plan,


rule plan:
    """What this study costs: jobs, images, passes through networks, time, bytes. Runs nothing else."""
    log:
        "logs/plan.log",
    conda:
        "../envs/robustlens.yaml"
    params:
        rates=f"{ROOT}/resources/rates.csv",
        config=config,
        stages=[rule.name for rule in workflow.rules],
        snakefile=str(workflow.main_snakefile),
        python=PYTHON,
        launched_in=workflow.rundir,
        arguments=command_line,
        code=code("plan.py"),
    script:
        "../workflow_scripts/plan.py"
