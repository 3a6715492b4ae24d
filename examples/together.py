"""Trains the runs of a recipe together (`examples/vectorized.py`), into the folders of the runs.

The folders have the files that `examples.runs.train` writes. What is interrupted begins again.
"""

import contextlib
from collections.abc import Callable
from typing import Any

from examples import durable, runs, vectorized


def train(
    group: list[runs.Run],
    splits: runs.Splits,
    together: int,
    on_epoch_end: Callable[[int], None],
    on_run_end: Callable[[runs.Run, dict[str, Any]], None],
) -> None:
    """Trains the runs of one recipe that no other process is training.

    Args:
        group: The runs, which differ in their seeds only.
        splits: Their data.
        together: The number of runs in one program.
        on_epoch_end: Called with the number of runs that have finished an epoch.
        on_run_end: Called with each finished run and its metrics.

    Raises:
        SystemExit: if a folder has another run, or the backend is not JAX.
    """
    program = None
    for start in range(0, len(group), together):
        with contextlib.ExitStack() as stack:
            free = [
                run
                for run in group[start : start + together]
                if _is_free(run, stack) and run.metrics is None
            ]
            if not free:
                continue
            program = program or vectorized.Program(free[0].recipe, splits, together=together)
            rate = free[0].recipe.training.learning_rate
            copies = [vectorized.Copy(run.seed, rate) for run in free]
            for run, result in zip(free, program.train(copies, on_epoch_end), strict=True):
                on_run_end(run, _save(run, program.restore(result), result, splits))


def _is_free(run: runs.Run, stack: contextlib.ExitStack) -> bool:
    """Locks the folder of a run until the end of `stack`."""
    run.folder.mkdir(parents=True, exist_ok=True)
    try:
        stack.enter_context(durable.lock(run.folder, "trains"))
    except durable.Busy:
        return False
    durable.remove_parts(run.folder)
    runs.check_settings(run)
    return True


def _save(run: runs.Run, model: Any, result: vectorized.Result, splits: runs.Splits) -> Any:
    with durable.replacing(run.folder / "model.keras") as part:
        model.save(part)
    result.parameters.save(run.folder / "parameters.npz")
    durable.write(run.folder / "history.json", {**result.history, "of": run.fingerprint})
    found = {**result.metrics, "device": vectorized.device()}
    return runs.finish(run, model, found, splits, result.history)
