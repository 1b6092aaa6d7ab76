"""Makes the scripts and the library importable, as Snakemake does for a job."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "workflow_scripts"))
