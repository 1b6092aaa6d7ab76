"""What Slurm says of a job that it refused, ended, or keeps waiting: in one sentence, with what to set."""

import re
from dataclasses import dataclass

TOP = "at the top of slurm/config.yaml"
REFUSED = re.compile(r"SLURM sbatch failed\. The error message was '(.*?)'\.\n", re.S)  # the words of Snakemake's executor
FAILED_BEFORE = re.compile(r"Job submission failed with exception: (.*?)(?:For further error details|\Z)", re.S)
ENDED = re.compile(r"SLURM-job '(\w+)' failed(?: due to a node failure)?, SLURM status is: '(\w+)'")
SUFFIX = "For further error details see the cluster/cloud log"  # which Snakemake adds to what an executor says
PASSING = re.compile(  # what may be over in a minute: the only refusals that are tried again
    r"unable to contact|timed? ?out|temporarily|connection refused|zero bytes|try again|communication|credential|database|"
    r"configuration source|maxsubmit|job submit limit|'sacctmgr' reported|too many",
    re.I,
)
ADVICE = {  # pattern of what Slurm says -> what to do; the first that is found
    r"partition.*account|account.*partition": f"set account and the partitions {TOP} to what you may use: `sacctmgr show assoc user=$USER`",
    r"qos": f"set qos {TOP} (ROBUSTLENS_QOS): `sacctmgr show assoc user=$USER format=account,qos`, `sacctmgr show qos`",
    r"account|association": f"set account {TOP} (ROBUSTLENS_ACCOUNT): `sacctmgr show assoc user=$USER`",
    r"time limit|wall": f"set max_runtime {TOP} (ROBUSTLENS_MAX_RUNTIME, minutes): `sinfo -s`",
    r"reservation": f"set reservation {TOP} (ROBUSTLENS_RESERVATION): `scontrol show reservation`",
    r"feature|constraint": f"set constraint {TOP} (ROBUSTLENS_CONSTRAINT): `sinfo -o '%P %f'`",
    r"gres|gpus": f"set gpus and gpu_model {TOP} (ROBUSTLENS_GPUS, ROBUSTLENS_GPU_MODEL): `sinfo -o '%P %G'`",
    r"partition": f"set cpu_partition and gpu_partition {TOP} (ROBUSTLENS_CPU_PARTITION, ROBUSTLENS_GPU_PARTITION): `sinfo -s`",
    r"memory": f"set max_mem {TOP} (ROBUSTLENS_MAX_MEM, MB): `sinfo -o '%P %m'`",
    r"node configuration|cpu count|node count": f"set max_mem, gpus, gpu_model and constraint {TOP} to what a node has: `sinfo -N -l`",
    r"submit": "let fewer jobs be in the queue: --jobs 20, or `jobs` in slurm/config.yaml",
}
USUAL = {
    "None",
    "Priority",
    "Resources",
    "Dependency",
    "BeginTime",
    "Cleaning",
    "Prolog",
    "JobArrayTaskLimit",
    "NodesReserved",
    "launching",
}
OTHERS = "others of your account or user use it up: it starts when they end, unless the job asks for more than the limit itself"
WAITING = {  # pattern of the reason of a job that is pending -> what to do; the first that is found
    r"^(QOS|Assoc)Max(Wall|CpuMinutes|GRESMinutes)|PartitionTimeLimit|^(QOS|Assoc)?TimeLimit": ADVICE["time limit|wall"],
    r"^(QOS|Assoc)Max(Mem|Memory)\w*PerJob|^(QOS|Assoc)?MaxMem": ADVICE["memory"],
    r"^(QOS|Assoc)Max(GRES|Cpu|Node)\w*PerJob": "lower gpus, training_gpus or cpus_per_task in slurm/config.yaml, or set another qos",
    r"^InvalidAccount|AccountNotAllowed|account not permitted": ADVICE["account|association"],
    r"^InvalidQOS|QOSNotAllowed|QOS not permitted": ADVICE["qos"],
    r"Grp|MaxJobs|PerUser|PerAccount|UsageThreshold|Licenses": OTHERS,
    r"ReqNodeNotAvail|Reserved": "its nodes are down or reserved (`scontrol show reservation`): a max_runtime that ends before may help",
    r"BadConstraints|Constraint": ADVICE["feature|constraint"],
    r"Reservation": ADVICE["reservation"],
    r"PartitionConfig|PartitionNodeLimit": "no node of the partition has the CPUs, memory or GPUs that it asks for: `sinfo -N -l`",
    r"PartitionDown|PartitionInactive": ADVICE["partition"],
    r"Held": "`scontrol release <job>` lets it go, or ask who looks after the cluster",
}


@dataclass(frozen=True)
class Said:
    """What the scheduler said of a job that failed: ``sentence``; ``refused``: it never took the job, and never would; ``began``: the job
    may have written its log."""

    sentence: str
    refused: bool
    began: bool


def said_of_failure(message: str | None) -> Said | None:
    """From the message that Snakemake's executor gives with a failed job; None where it says no more than that it failed."""
    message = message or ""
    found = REFUSED.search(message) or FAILED_BEFORE.search(message)
    if found:
        words = "; ".join(_plain(line) for line in found[1].splitlines() if line.strip())
        if PASSING.search(words):
            return Said(f"Slurm could not be asked: {words}" if "submit" not in words.lower() else _advised(words), False, False)
        return Said(_advised(words), True, False)
    if found := ENDED.search(message):
        number, state = found.groups()
        return Said(f"Slurm ended job {number}: {state}", False, True) if state != "FAILED" else None
    own = " ".join(message.partition(SUFFIX)[0].split())
    return Said(f"the executor says: {own[:300]}", False, True) if own and SUFFIX in message else None


def _advised(words: str) -> str:
    sentences = reversed(words.split("; "))  # the last is Slurm's own; those before it name what was asked for
    advice = next((advice for sentence in sentences for pattern, advice in ADVICE.items() if re.search(pattern, sentence, re.I)), "")
    return f"Slurm refused it: {words[:300]}" + (f": {advice}" if advice else "")


def _plain(line: str) -> str:
    """A line of sbatch without what it puts in front of each."""
    return re.sub(r"^(sbatch: )?((error|fatal): )?(Batch job submission failed: )?", "", line.strip()).rstrip(".")


def advice_for_waiting(reason: str) -> str | None:
    """What to do about a job that is pending for this reason; None where it is one of those that pass by themselves."""
    reason = reason.strip("()").partition(",")[0].strip()
    if reason in USUAL:
        return None
    return next((advice for pattern, advice in WAITING.items() if re.search(pattern, reason)), "`scontrol show job <job>` says more")
