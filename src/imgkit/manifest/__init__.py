"""The data folder and its SQLite file. Nothing outside this room knows how it is stored."""

from imgkit.manifest.folder import DataFolder
from imgkit.manifest.locks import sole_owner
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
    Question,
    ReviewAction,
    SearchState,
    Verdict,
)
from imgkit.manifest.review_log import ReviewLog
from imgkit.manifest.store import Manifest
from imgkit.manifest.verdicts import final_state

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
    "Proposal",
    "Query",
    "Question",
    "ReviewAction",
    "ReviewLog",
    "SearchState",
    "Verdict",
    "final_state",
    "sole_owner",
]
