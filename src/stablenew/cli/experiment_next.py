"""`stablenew experiment next`: which pictures, made and rated now, would change the advice most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from stablenew.workspace import Workspace


def say_next(
    workspace: Workspace,
    experiment_id: str | None,
    *,
    model: str | None,
    pack: str | None,
    who: str | None,
    images: int,
    per_second: bool,
    save_as: str | None,
    as_json: bool,
) -> None:
    """Print the settings, and store them as an experiment on the same prompts where `save_as` names one."""
    import msgspec

    from stablenew.controller.advice_desk import AdviceDesk
    from stablenew.learning.advice import Question

    question = Question(experiment_id=experiment_id, model=model, pack=pack, who=who)
    rows = AdviceDesk(workspace).next_row(question, images=images, per_second=per_second)
    varied = [name for name in rows[0] if len({str(row.get(name)) for row in rows}) > 1]
    for number, row in enumerate(rows):
        if as_json:
            click.echo(msgspec.json.encode(row).decode())
        else:
            said = ", ".join(f"{name}={row[name]}" for name in varied) or "as you have them"
            click.echo(f"  {said}" + ("   (the best known so far)" if number == 0 else ""))
    if save_as is None:
        if not as_json and experiment_id is not None:
            click.echo(f"make them with: stablenew experiment next {experiment_id} --save-as NAME")
        return
    if experiment_id is None:
        raise click.UsageError("--save-as needs an experiment whose prompts it can go on with: experiment next ID")
    click.echo(_stored(workspace, experiment_id, save_as, rows))


def _stored(workspace: Workspace, experiment_id: str, name: str, rows: Any) -> str:
    """Store an experiment of the settings `rows` on new seeds of the old one's prompts, and say how to go on."""
    from stablenew.learning.experiments import new_experiment, read_experiment, save_experiment
    from stablenew.learning.learning_plan import make_learning_plan
    from stablenew.pipeline.next_cells import cells_to_try, unseen_seeds

    old = read_experiment(workspace, experiment_id)
    tested = [setting.name for setting in old.plan.tested]
    plan = make_learning_plan(
        baseline=old.plan.baseline,
        prompts=old.plan.prompts,
        design="listed",
        cells=cells_to_try(workspace, [{name: row[name] for name in tested if name in row} for row in rows]),
        stage=old.plan.stage,
        seeds=unseen_seeds(workspace, old.plan.seeds if isinstance(old.plan.seeds, int) else len(old.plan.seeds)),
        note=f"the pictures that would change the advice of {experiment_id} most",
    )
    made = new_experiment(plan, backend=old.backend, backend_url=old.backend_url, experiment_id=name)
    save_experiment(workspace, made)
    return f"stored as {name}; run it with: stablenew experiment run {name}"
