"""What did adversarial robustness change in an image classifier? The library behind the workflow; it never imports snakemake."""
