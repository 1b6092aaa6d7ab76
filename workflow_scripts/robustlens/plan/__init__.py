"""What a study will cost before it runs: its jobs, their forward passes and bytes, and the time they take at measured rates."""
