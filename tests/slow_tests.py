"""Which tests are marked slow. ``make fast`` leaves them out, ``make test`` runs them too."""

from pathlib import Path

FOLDER = Path(__file__).parent

SLOW = (
    "cli/test_here.py",
    "curate/test_alignment.py",
    "curate/test_by_hand.py",
    "curate/test_cards.py",
    "curate/test_checks_table.py",
    "curate/test_curate.py",
    "curate/test_curate_command.py",
    "curate/test_curate_read_errors.py",
    "curate/test_curate_remote.py",
    "curate/test_killed.py",
    "curate/test_probabilities.py",
    "curate/test_report.py",
    "demo/test_demo_faults.py",
    "demo/test_demo_run.py",
    "engine/test_engine.py",
    "harvest/test_acceptance.py",
    "harvest/test_adopted_files.py",
    "harvest/test_disk.py",
    "harvest/test_edited_queries.py",
    "harvest/test_harvest.py",
    "harvest/test_harvest_command.py",
    "harvest/test_harvest_read_errors.py",
    "harvest/test_keys.py",
    "harvest/test_provider_conformance.py",
    "harvest/test_providers_on_the_web.py",
    "harvest/test_remove.py",
    "harvest/test_search_session.py",
    "harvest/test_takedown.py",
    "manifest/test_crash.py",
    "net/test_fetch.py",
    "net/test_guard.py",
    "net/test_hostile_hosts.py",
    "review/test_review_outcomes.py",
    "review/test_review_scripts.py",
    "review/test_review_serve.py",
    "test_address_space.py",
    "test_command_line.py",
    "test_counts.py",
    "test_interface.py",
    "test_labels.py",
    "test_whole_way.py",
    "train/test_train_calibration.py",
    "train/test_train_check.py",
    "train/test_train_distributed.py",
    "train/test_train_epochs.py",
    "train/test_train_error_report.py",
    "train/test_train_final.py",
    "train/test_train_fit.py",
    "train/test_train_from.py",
    "train/test_train_headline.py",
    "train/test_train_kill.py",
    "train/test_train_learning.py",
    "train/test_train_options.py",
    "train/test_train_probe_memory.py",
    "train/test_train_read_errors.py",
    "train/test_train_run.py",
    "train/test_train_search.py",
    "train/test_train_serve.py",
    "train/test_train_serve_bombs.py",
    "train/test_train_serve_hostile.py",
    "train/test_train_small_sets.py",
    "vision/test_backbone.py",
    "vision/test_guarded.py",
    "vision/test_metadata.py",
    "vision/test_textured_backbone.py",
    "printed_commands",
    "distribution",
)
"""Files and folders of tests that start processes, train a model, or take seconds."""

SLOW_FIXTURES = frozenset({"chromium", "machines", "photos"})
"""Fixtures that start a browser or a cluster, or that are real photographs to measure on."""


def is_slow(item):
    """Whether a test is marked slow: by its file, or by what it is given."""
    below = item.path.relative_to(FOLDER)
    named = {below.as_posix(), *(folder.as_posix() for folder in below.parents)}
    return not named.isdisjoint(SLOW) or not SLOW_FIXTURES.isdisjoint(item.fixturenames)
