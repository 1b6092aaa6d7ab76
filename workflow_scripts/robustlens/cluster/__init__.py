"""What a cluster with Slurm allows, says and keeps waiting; the profile in slurm/ and the lines of progress ask here."""
