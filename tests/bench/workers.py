"""Worker processes: mvgraph's side and PyTorch's, spoken to in lines of JSON; see worker.lua."""
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class WorkerError(Exception):
    """A worker ended before it answered; says why."""


class Worker:
    def __init__(self, name, command, environment):
        self.name = name
        self.log = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                                        text=True, cwd=ROOT, env={**os.environ, **environment})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(BrokenPipeError):  # of what it did not read
            self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()

    def ask(self, **command):
        """The answer to one command."""
        said = []  # what it prints beside answers
        try:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
            for line in self.process.stdout:
                if line.startswith("bench "):
                    return json.loads(line[len("bench "):])
                said.append(line)
        except BrokenPipeError:
            pass
        raise WorkerError(f"{self.name} ended with {self.process.wait()}: {self.find_reason(said)}")

    def find_reason(self, said):
        """The last line of a Python traceback, or the first two of a Lua error."""
        self.log.seek(0)
        log = self.log.read()
        lines = [line.strip("# \n") for line in said or log.splitlines()]
        return lines[-1] if "Traceback" in log else " ".join(lines[1:3] if said else lines[-1:])

    def peak_megabytes(self):
        """What the device held at most; on a CPU the largest resident size so far."""
        held = self.ask(do="memory").get("device_megabytes")
        if held is not None:
            return held
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024


    def processor_seconds(self):
        """Time that all threads have computed so far."""
        fields = open(f"/proc/{self.process.pid}/stat").read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def busy_cores(seconds=1.0):
    """How many cores the machine's other programs keep busy just now."""
    def read():
        values = [int(value) for value in open("/proc/stat").readline().split()[1:9]]
        return (sum(values) - values[3] - values[4]) / os.sysconf("SC_CLK_TCK")
    before = read()
    time.sleep(seconds)
    return (read() - before) / seconds


def start_mvgraph(binary, cache):
    """With caches of its own in the folder `cache`: an empty one makes the first step a cold one."""
    command = [str(binary), "test", "tests/bench/worker.lua", "--trust"]
    return Worker("mvgraph", command, {"XDG_CACHE_HOME": str(cache)})


def start_torch(name, environment):
    script = Path(__file__).parent / "opponent.py"
    threads = str(len(os.sched_getaffinity(0)))
    return Worker(name, [sys.executable, str(script)], {"OMP_NUM_THREADS": threads, **environment})
