"""The RFPs as DataFrames: frames, filters, analyses, export."""

from futurscam_lib.analysis import analyses
from futurscam_lib.analysis.frames import languages, rfps, skills

__all__ = ["analyses", "languages", "rfps", "skills"]
