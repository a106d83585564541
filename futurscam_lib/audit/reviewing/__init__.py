"""The parts of a review: what the runs of a period did, and what a reviewer must look at."""
