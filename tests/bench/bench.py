"""mvgraph against PyTorch, paired and alternating; tools/bench is the entry.

Both sides start from the same weights and inputs and take whole training steps (forward, loss, backward, optimizer).
Their first ten losses must agree, or the timing is void. Steps run in alternating blocks, mvgraph's and each
opponent's, and what counts is the median of the ratios of neighbouring blocks.
"""
import argparse
import math
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import opponents
import report
import workers

LOSSES = 10
TOLERANCE = 1e-4  # relative, f32 against f32
TREND = 0.05  # likewise, where the opponent computes in 16 bits
BUSY = 0.2  # cores of other programs that a run may be disturbed by


@dataclass
class Case:
    title: str
    unit: str  # what the batch size counts, in the singular
    quick: tuple  # batch sizes
    full: tuple


CASES = {
    "cmanet_one": Case("CMANet, stage one, four views", "sample", (1, 2), (1, 2, 4, 8)),
    "cmanet_two": Case("CMANet, stage two, four views", "sample", (1, 2), (1, 2, 4, 8)),
    "swin_t": Case("Swin-T, 256x256", "image", (1, 4), (1, 4, 16)),
    "resnet50": Case("ResNet-50 with deconvolutions, 256x256", "image", (1, 4), (1, 4, 16)),
    "v2v": Case("V2V, 48^3", "volume", (1, 2), (1, 2, 4)),
    "lifting": Case("CanonPose's lifting network, four views", "sample", (64, 256), (64, 256, 1024)),
    "smpl": Case("SMPL, forward and backward", "pose", (32, 128), (32, 128, 512)),
}


@dataclass
class Pace:
    warmup: int  # steps before timing, the first one included
    seconds: float  # of a block, at least
    pairs: int
    profiled: int  # steps of the profile
    is_brief: bool  # opponents after the first, and the profile, at the largest batch size of a case alone


FULL = Pace(warmup=LOSSES, seconds=2, pairs=7, profiled=5, is_brief=False)
QUICK = Pace(warmup=3, seconds=0.3, pairs=6, profiled=1, is_brief=True)
OTHER_PAIRS = 2  # of brief runs, with opponents after the first


class Side:
    """One process of a pairing, and what it showed so far."""

    def __init__(self, worker, pairs):
        self.worker, self.pairs, self.losses, self.steps, self.compile_seconds = worker, pairs, [], 1, 0
        self.step_seconds, self.step_processor_seconds = [], []  # of each timed block

    def run(self, steps):
        """Seconds of one of the steps."""
        answer = self.worker.ask(do="run", steps=steps)
        self.losses += answer["losses"][:LOSSES - len(self.losses)]
        self.compile_seconds = self.compile_seconds or answer.get("compile_seconds", 0)
        return answer["seconds"] / steps

    def warm_up(self, pace):
        self.first_step_seconds = self.run(1)
        warm = self.run(pace.warmup - 1)
        self.steps = math.ceil(pace.seconds / warm)

    def run_block(self):
        begun = self.worker.processor_seconds()
        self.step_seconds.append(self.run(self.steps))
        self.step_processor_seconds.append((self.worker.processor_seconds() - begun) / self.steps)

    def describe(self, peak_megabytes):
        return {
            "step_seconds": statistics.median(self.step_seconds),
            "step_processor_seconds": statistics.median(self.step_processor_seconds),
            "first_step_seconds": self.first_step_seconds, "compile_seconds": self.compile_seconds,
            "peak_megabytes": peak_megabytes, "losses": self.losses, "steps_a_block": self.steps,
            "blocks": len(self.step_seconds),
        }


class Mismatch(Exception):
    """Losses differ, the timing is void."""


def check_losses(name, ours, theirs, tolerance):
    for step, (a, b) in enumerate(zip(ours, theirs), 1):
        if not abs(a - b) <= tolerance * max(abs(a), abs(b)):
            raise Mismatch(f"losses differ from {name}'s in step {step}: {a:.9g} and {b:.9g}")


def describe_ratios(ours, theirs):
    """Of neighbouring blocks: below 1 mvgraph is faster."""
    ratios = sorted(a / b for a, b in zip(ours, theirs))
    return {"median": statistics.median(ratios), "low": ratios[0], "high": ratios[-1], "pairs": len(ratios)}


def profile(case, batch, pace, binary, cache):
    """Time by class of operator, and the first step with what the caches hold by now."""
    with workers.start_mvgraph(binary, cache) as worker:
        worker.ask(do="open", case=case, batch=batch, is_timed=True)
        first = worker.ask(do="run", steps=1)
        worker.ask(do="run", steps=pace.profiled)
        return {**worker.ask(do="profile"), "first_step_seconds": first["seconds"],
                "compile_seconds": first["compile_seconds"]}


def check_all(sides, names, tolerances):
    for i in range(1, len(sides)):
        check_losses(names[i], sides[0].losses, sides[i].losses, tolerances[i])


def alternate(sides, names, tolerances, pace, progress):
    """Warms up, then runs blocks in turns until every side has its pairs; raises Mismatch."""
    for name, side in zip(names, sides):
        progress(f"{name} warms up")
        side.warm_up(pace)
    check_all(sides, names, tolerances)
    for pair in range(pace.pairs):
        for name, side in zip(names, sides):
            if pair < side.pairs:
                progress(f"pair {pair + 1} of {pace.pairs}, {name}")
                side.run_block()
    for side in sides[:2]:
        if len(side.losses) < LOSSES:
            side.run(LOSSES - len(side.losses))
    check_all(sides, names, tolerances)


def measure(case, batch, ways, pace, binary, progress, is_profiled):
    """One row of the table, as plain data."""
    names = ["mvgraph"] + [way[0] for way in ways]
    tolerances = [0] + [TREND if way[2].get("autocast") or way[2].get("tf32") else TOLERANCE for way in ways]
    with tempfile.TemporaryDirectory() as folder:
        file, cache = str(Path(folder) / "start.safetensors"), Path(folder) / "cache"
        with workers.start_mvgraph(binary, cache) as worker:
            progress("mvgraph begins")
            about = worker.ask(do="open", case=case, batch=batch, file=file)
            sides = [Side(worker, pace.pairs)]
            started = []
            try:
                for i, (name, environment, options) in enumerate(ways):
                    started.append(workers.start_torch(name, environment))
                    started[-1].ask(do="open", case=case, file=file, **options)
                    sides.append(Side(started[-1], OTHER_PAIRS if i > 0 and pace.is_brief else pace.pairs))
                alternate(sides, names, tolerances, pace, progress)
                peaks = [side.worker.peak_megabytes() for side in sides]
            finally:
                for other in started:
                    other.__exit__()
        progress("profile")
        profiled = profile(case, batch, pace, binary, cache) if is_profiled else None
    measured = {name: side.describe(peak) for name, side, peak in zip(names, sides, peaks)}
    for name, side in zip(names[1:], sides[1:]):
        measured[name]["ratio"] = describe_ratios(sides[0].step_seconds, side.step_seconds)
    return {"case": case, "batch": batch, "about": about, "profile": profiled, "sides": measured}


def parse(words):
    parser = argparse.ArgumentParser(prog="tools/bench", description=__doc__.splitlines()[0])
    parser.add_argument("--case", action="append", choices=list(CASES), help="only this one; may be repeated")
    parser.add_argument("--batch", action="append", type=int, help="only this batch size; may be repeated")
    parser.add_argument("--quick", action="store_true", help="fewer batch sizes and shorter blocks: ten minutes in all")
    parser.add_argument("--binary", type=Path, default=workers.ROOT / "build" / "engine" / "cli" / "mvgraph",
                        help="another build of mvgraph")
    parser.add_argument("--write", action="store_true", help="also write the table into tests/bench/results/")
    return parser.parse_args(words)


def main(words):
    given = parse(words)
    pace = QUICK if given.quick else FULL
    about = opponents.find()
    ways = opponents.ways(about)
    busy = workers.busy_cores()
    if busy > BUSY:
        print(f"Other programs keep {busy:.1f} cores busy: ratios of such a run say little.")
    names = given.case or list(CASES)
    rows = []
    for name in names:
        batches = given.batch or (CASES[name].quick if given.quick else CASES[name].full)
        rows += [(name, batch, batch == max(batches) or not pace.is_brief) for batch in batches]
    results, is_good = [], True
    for i, (name, batch, is_whole) in enumerate(rows):
        progress = report.Progress(i, len(rows), report.describe_batch(CASES[name], batch))
        chosen = ways if is_whole else ways[:1]
        try:
            results.append(measure(name, batch, chosen, pace, given.binary.resolve(), progress, is_whole))
        except (workers.WorkerError, Mismatch) as problem:
            results.append({"case": name, "batch": batch, "void": str(problem)})
            is_good = False
        progress.end()
        print(report.describe_row(CASES[name], results[-1]), flush=True)
    whole = report.Report(CASES, results, [way[0] for way in ways], {"torch": about, "busy_cores": busy}, words)
    print("\n" + whole.table())
    if given.write:
        for path in whole.write(quick=given.quick):
            print(path)
    return 0 if is_good else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
