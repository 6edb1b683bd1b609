"""What tools/bench shows: progress, the table on the terminal, and the same with all details as Markdown and JSON."""
import datetime
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import workers

RESULTS = Path(__file__).parent / "results"


class Progress:
    """One line that is rewritten on a terminal, a line a row elsewhere."""

    def __init__(self, done, total, label):
        bar = "#" * round(16 * done / total)
        self.label = f"[{bar:<16}] {done + 1}/{total} {label}"
        self.is_terminal = sys.stderr.isatty()
        if not self.is_terminal:
            print(self.label, file=sys.stderr, flush=True)

    def __call__(self, what):
        if self.is_terminal:
            print(f"\r\033[K{self.label}: {what}", end="", file=sys.stderr, flush=True)

    def end(self):
        if self.is_terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def format_seconds(seconds):
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def format_ratio(ratio):
    return f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})"


def describe_batch(case, batch):
    return f"{case.title}, {batch} {case.unit}{'s' if batch > 1 else ''}"


def describe_row(case, result):
    """One line for a finished row."""
    title = describe_batch(case, result["batch"])
    if "void" in result:
        return f"{title}: void, {result['void']}"
    ratios = [f"{format_ratio(side['ratio'])} of {name}" for name, side in result["sides"].items() if "ratio" in side]
    return f"{title}: {format_seconds(result['sides']['mvgraph']['step_seconds'])} a step, " + ", ".join(ratios)


def make_table(rows):
    """Markdown that reads well on a terminal, too."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def run(*command):
    return subprocess.run(command, cwd=workers.ROOT, capture_output=True, text=True).stdout.strip()


def find_processor():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


class Report:
    def __init__(self, cases, results, opponents, surroundings, words):
        self.cases, self.results, self.opponents = cases, results, opponents
        self.surroundings, self.words = surroundings, words

    def measured(self):
        return [result for result in self.results if "void" not in result]

    def table(self):
        first, others = self.opponents[:1], self.opponents[1:]
        rows = [["case", "batch", "mvgraph", "of it an item"] + first + [f"of {name}" for name in first + others]
                + ["peak MB"] + [f"{name}'s" for name in first] + ["first step, cold (warm)"]
                + [f"{name}'s" for name in first]]
        for result in self.results:
            head = [self.cases[result["case"]].title, str(result["batch"])]
            if "void" in result:
                rows.append(head + ["void: " + result["void"][:60]] + [""] * (len(rows[0]) - 3))
                continue
            sides = result["sides"]
            warm = f" ({format_seconds(result['profile']['first_step_seconds'])})" if result["profile"] else ""
            ours, theirs = sides["mvgraph"], [sides[name] for name in first]
            rows.append(
                head + [format_seconds(ours["step_seconds"]), format_seconds(ours["step_seconds"] / result["batch"])]
                + [format_seconds(side["step_seconds"]) for side in theirs]
                + [format_ratio(sides[name]["ratio"]) if name in sides else "" for name in first + others]
                + [f"{side['peak_megabytes']:.0f}" for side in [ours] + theirs]
                + [format_seconds(ours["first_step_seconds"]) + warm]
                + [format_seconds(side["first_step_seconds"]) for side in theirs])
        return make_table(rows)

    def about(self):
        device = next((result["about"] for result in self.measured()), {"device": "none", "driver": "none"})
        return {
            "date": datetime.date.today().isoformat(), "command": " ".join(["tools/bench"] + self.words),
            "commit": run("git", "describe", "--always", "--dirty", "--abbrev=12"),
            "device": device["device"], "driver": device["driver"], "processor": find_processor(),
            "cores": len(os.sched_getaffinity(0)), "compiler": run("cc", "--version").split("\n")[0],
            **self.surroundings,
        }

    def details(self, result):
        processor = [f"{name} {format_seconds(side['step_processor_seconds'])}" for name, side in
                     result["sides"].items()]
        cold, warm = result["sides"]["mvgraph"], result["profile"]
        text = (f"Processor time of a step: {', '.join(processor)}. Compiling took "
                f"{format_seconds(cold['compile_seconds'])} with cold caches")
        if not warm:
            return [text + "."]
        steps = [f"- {step['ms']:.1f} ms  {step['name']}" for step in warm["steps"]]
        return [f"{text}, {format_seconds(warm['compile_seconds'])} with warm ones.", self.class_table(result),
                "The longest steps:", "\n".join(steps)]

    def class_table(self, result):
        """Achieved rates by class of operator, of a run that was timed step by step."""
        peak = result["profile"]["peak"]
        rows = [["class", "ms", "%", "GFLOP/s", "GB/s", "of the roofline"]]
        for row in result["profile"]["classes"]:
            known = row.get("gigaflops")
            rows.append([row["name"], f"{row['ms']:.1f}", f"{100 * row['share']:.1f}", f"{known:.1f}" if known else "-",
                         f"{row['gigabytes_per_second']:.1f}", f"{100 * row['roofline']:.0f} %"
                         if "roofline" in row else "-"])
        units = {"gigaflops": "GFLOP/s", "gigabytes_per_second": "GB/s"}
        limits = [f"{peak[key]:.0f} {unit}" for key, unit in units.items() if key in peak]
        return f"At best {' and '.join(limits)} here.\n\n{make_table(rows)}"

    def markdown(self):
        about = self.about()
        torch = about["torch"]
        parts = [
            "# mvgraph against PyTorch",
            f"`{about['command']}`, {about['date']}, commit {about['commit']}. {about['processor']}, {about['cores']} "
            f"cores; {about['device']}, {about['driver']}. PyTorch {torch['version']} with {torch['threads']} threads, "
            f"{torch['gigaflops']:.0f} GFLOP/s in a linear layer, BLAS: {', '.join(torch['blas']) or 'built in'}"
            f"{'; ' + torch['cuda'] if torch['cuda'] else ''}. At the beginning other programs kept "
            f"{about['busy_cores']:.1f} cores busy.",
            "Ratios are mvgraph's time by PyTorch's, the median of paired blocks (least to largest); times are medians "
            "of a step.",
            self.table(),
        ]
        for result in self.results:
            case = self.cases[result["case"]]
            parts.append("## " + describe_batch(case, result["batch"]))
            parts += ["void: " + result["void"]] if "void" in result else self.details(result)
        return "\n\n".join(parts) + "\n"

    def write(self, quick):
        """Markdown and JSON named after the device; written aside, then renamed."""
        about = self.about()
        name = re.sub(r"[^a-z0-9]+", "-", f"{about['device']} {about['processor']}".lower()).strip("-")
        base = RESULTS / (name + ("-quick" if quick else ""))
        RESULTS.mkdir(exist_ok=True)
        paths = []
        data = json.dumps({**about, "rows": self.results}, indent=1) + "\n"
        for suffix, text in ((".md", self.markdown()), (".json", data)):
            path = base.with_suffix(suffix)
            aside = path.with_suffix(suffix + ".new")
            aside.write_text(text)
            aside.replace(path)
            paths.append(path.relative_to(workers.ROOT))
        return paths
