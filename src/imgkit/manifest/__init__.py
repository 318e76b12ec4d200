"""The data folder and its SQLite file. Nothing outside this room knows how it is stored."""

from imgkit.manifest.folder import DataFolder
from imgkit.manifest.locks import exclusive_access, sole_owner
from imgkit.manifest.nouns import (
    Audit,
    Candidate,
    CandidateState,
    Count,
    Decision,
    Finding,
    Image,
    Item,
    Judgement,
    Proposal,
    Query,
    QueryRow,
    Question,
    ReviewAction,
    SearchState,
    Verdict,
)
from imgkit.manifest.outcomes import Outcome, PictureCounts, Standing
from imgkit.manifest.review_log import ReviewLog
from imgkit.manifest.store import Manifest

__all__ = [
    "Audit",
    "Candidate",
    "CandidateState",
    "Count",
    "DataFolder",
    "Decision",
    "Finding",
    "Image",
    "Item",
    "Judgement",
    "Manifest",
    "Outcome",
    "PictureCounts",
    "Proposal",
    "Query",
    "QueryRow",
    "Question",
    "ReviewAction",
    "ReviewLog",
    "SearchState",
    "Standing",
    "Verdict",
    "exclusive_access",
    "sole_owner",
]
