"""`stablenew scorers`: automatic judges that are installed, what they say, and what their word is worth to you."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click
import msgspec

from stablenew.cli.options import json_option, workspace_option
from stablenew.cli.records import run_option, where_option

if TYPE_CHECKING:
    from stablenew.learning.learning_record import LearningRecord
    from stablenew.learning.record_filter import Condition
    from stablenew.learning.scorer_rating import JudgedScorer
    from stablenew.learning.scorers import OpenScorer
    from stablenew.workspace import Workspace


@click.group()
def scorers() -> None:
    """Let automatic scorers look at pictures, and see what their word is worth."""


@scorers.command("list")
@workspace_option
@json_option
def list_command(workspace: Workspace, as_json: bool) -> None:
    """List the scorers installed here, and how well each agrees with your own stars."""
    from stablenew.learning.scorers import scorer_statuses

    statuses = scorer_statuses()
    for status in statuses:
        judged = judged_scorer(workspace, status.name)
        calibration = judged.calibration
        if as_json:
            weight = calibration.weight if calibration else 0.0
            said = msgspec.to_builtins(status) | {"pairs": judged.pairs, "weight": weight}
            click.echo(msgspec.json.encode(said).decode())
            continue
        click.echo(f"{status.name}  {status.version}".rstrip())
        click.echo(f"  {status.problem or say_weight(judged)}")
    if not statuses and not as_json:
        click.echo("no scorer is installed: docs/experiments.md says how one is made")


@scorers.command()
@click.argument("name")
@run_option
@where_option
@workspace_option
def run(name: str, run_id: str | None, where: tuple[Condition, ...], workspace: Workspace) -> int:
    """Score the pictures of records that NAME has not scored yet. Scores are kept beside ratings, never as ratings."""
    from stablenew.cli.records import of_run
    from stablenew.learning.learning_record import LearningRecord
    from stablenew.learning.record_index import Query, RecordIndex
    from stablenew.learning.scorers import open_scorer

    scorer = open_scorer(name)
    with RecordIndex.of(workspace) as index:
        found = index.records(Query(where=of_run(where, run_id), descending=False))
        failed = score_all(workspace, scorer, (each for each in found if isinstance(each, LearningRecord)))
    click.echo(say_weight(judged_scorer(workspace, name)))
    return 1 if failed else 0


def rate_experiment(workspace: Workspace, experiment_id: str, name: str) -> None:
    """Let the scorer rate an experiment: as weak ratings where nobody has rated anything, else as scores alone.

    Raises NotFound, ScorerUnavailable.
    """
    from stablenew.learning.experiments import read_experiment, records_of_experiment
    from stablenew.learning.learning_feedback import Rating, RatingWriter, read_ratings
    from stablenew.learning.record_index import RecordIndex
    from stablenew.learning.score_lines import newest_scores
    from stablenew.learning.scorer_rating import person_scores, stand_in_ratings
    from stablenew.learning.scorers import open_scorer

    read_experiment(workspace, experiment_id)
    scorer = open_scorer(name)
    with RecordIndex.of(workspace) as index:
        records = [each for each in records_of_experiment(index, experiment_id) if each.outcome.status == "ok"]
    score_all(workspace, scorer, records)
    ratings = [each for each in read_ratings(workspace.ratings) if isinstance(each, Rating)]
    if person_scores(ratings):
        click.echo("people have rated pictures here, so no stars are made of scores")
        click.echo(say_weight(judged_scorer(workspace, name)))
        return
    said = stand_in_ratings(name, records, newest_scores(workspace.scores, name), ratings)
    writer = RatingWriter(workspace.ratings)
    try:
        writer.append(*said)
    finally:
        writer.close()
    click.echo(f"{len(said)} weak ratings by scorer:{name}; whatever a person says goes before them")


def score_all(workspace: Workspace, scorer: OpenScorer, records: Iterable[LearningRecord]) -> int:
    """Score what is not scored yet, say what failed, and return how many did."""
    from stablenew.learning.score_lines import score_pictures

    done = failed = 0
    for each in score_pictures(scorer, records, workspace.scores, workspace.root):
        done += not each.problem
        failed += bool(each.problem)
        if each.problem:
            click.echo(f"{each.record_id[:8]}: {each.problem}", err=True)
        elif done % 500 == 0:
            click.echo(f"{done:,} pictures", err=True)
    click.echo(f"{done} pictures scored by {scorer.name}" + (f", {failed} failed" if failed else ""))
    return failed


def judged_scorer(workspace: Workspace, name: str) -> JudgedScorer:
    """What the scorer's word is worth beside everything people rated in the workspace."""
    from stablenew.learning.learning_feedback import Rating, read_ratings
    from stablenew.learning.learning_record import LearningRecord
    from stablenew.learning.record_filter import parse_condition
    from stablenew.learning.record_index import Query, RecordIndex
    from stablenew.learning.score_lines import newest_scores
    from stablenew.learning.scorer_rating import JudgedScorer, judge_scorer, person_scores

    scores = newest_scores(workspace.scores, name)
    if not scores:
        return JudgedScorer(pairs=0, calibration=None)
    stars = person_scores(each for each in read_ratings(workspace.ratings) if isinstance(each, Rating))
    with RecordIndex.of(workspace) as index:
        found = index.records(Query(where=(parse_condition("rating!=none"),)))
        return judge_scorer((each for each in found if isinstance(each, LearningRecord)), scores, stars)


def say_weight(judged: JudgedScorer) -> str:
    """What a scorer's word is worth, in a sentence."""
    from stablenew.learning.scorer_weight import PAIRS_MIN

    if judged.pairs < PAIRS_MIN:
        return f"weight not known yet: {judged.pairs} pictures have a score and your stars, {PAIRS_MIN} are needed"
    if judged.calibration is None:
        return f"no weight: its scores do not tell your stars, as far as {judged.pairs} rated pictures show"
    found = judged.calibration
    return (
        f"weight {found.weight:.2f}: its scores tell that share of what moves your stars within a prompt "
        f"({found.pairs} rated pictures; a star told from a score is off by about {found.noise_sd:.1f})"
    )
