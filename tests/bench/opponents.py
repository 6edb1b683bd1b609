"""Which PyTorch is there, whether it is a fair opponent, and the ways it is run."""
import os

import workers

MAPPED_LIMIT = str(1 << 40)
# A malloc that keeps pages: nothing is mapped apart, nothing given back to the system.
REUSED = {"MALLOC_MMAP_THRESHOLD_": MAPPED_LIMIT, "MALLOC_TRIM_THRESHOLD_": MAPPED_LIMIT, "MALLOC_MMAP_MAX_": "0"}
LEAST_SHARE = 0.1  # of the processor's rate; reference BLAS reaches 2 %, an optimised one more than half


def processor_rate():
    """10^9 f32 operations a second that the cores can do, from their flags and clock."""
    flags, clocks = set(), []
    for line in open("/proc/cpuinfo"):
        key, _, value = line.partition(":")
        if key.strip() == "flags":
            flags = set(value.split())
        elif key.strip() == "cpu MHz":
            clocks.append(float(value))
    each_cycle = 32 if "fma" in flags else 16 if "avx" in flags else 8
    return max(clocks, default=2000) * 1e-3 * each_cycle * len(os.sched_getaffinity(0))


def find():
    """What PyTorch says of itself; ends the program where it is no fair opponent."""
    with workers.start_torch("torch", {}) as worker:
        try:
            about = worker.ask(do="describe")
        except workers.WorkerError as problem:
            raise SystemExit(f"bench: no PyTorch: {problem}; install python3-torch and python3-torchvision")
    rate = processor_rate()
    print(f"PyTorch {about['version']}, {about['threads']} threads, BLAS {', '.join(about['blas']) or 'built in'}, "
          f"{about['gigaflops']:.0f} of about {rate:.0f} GFLOP/s in one linear layer")
    if about["gigaflops"] < LEAST_SHARE * rate:
        raise SystemExit(
            f"bench: this PyTorch multiplies at {about['gigaflops']:.1f} GFLOP/s where the processor does about "
            f"{rate:.0f}: its BLAS is the reference one, and no opponent. Remedy: apt-get install libopenblas0-pthread")
    return about


def ways(about):
    """[(name, environment, options of opponent.Opponent.open)], the first is the one of the headline ratio."""
    if about["cuda"] is None:
        found = [("torch", {}, {}), ("torch, pages reused", REUSED, {})]
        if about["has_compile"]:
            found.append(("torch.compile", {}, {"compile": "default"}))
        return found
    return [
        ("torch", {}, {"device": "cuda"}),
        ("torch, TF32", {}, {"device": "cuda", "tf32": True}),
        ("torch, AMP bf16", {}, {"device": "cuda", "autocast": True}),
        ("torch.compile, AMP bf16", {}, {"device": "cuda", "autocast": True, "compile": "default"}),
        ("max-autotune, AMP bf16", {}, {"device": "cuda", "autocast": True, "compile": "max-autotune"}),
    ]
