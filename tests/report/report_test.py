"""Reports in headless Chromium: they load without an error or a request, their slider moves the bodies, their numbers
are those of the run. Speaks TAP; screenshots stay in the output folder.

usage: report_test.py MVGRAPH OUTPUT_FOLDER
"""

import json
import os
import shutil
import subprocess
import sys

from browser import Browser, find_chromium

HERE = os.path.dirname(os.path.abspath(__file__))
MAX_BYTES, MAX_SECONDS = 15e6, 2.0
CANVAS = "document.querySelectorAll('canvas')"


class Suite:
    """Prints TAP."""

    def __init__(self):
        self.count = self.failures = 0

    def check(self, name, passed, detail=""):
        self.count += 1
        self.failures += not passed
        print(f"{'ok' if passed else 'not ok'} {self.count} - {name}", flush=True)
        if not passed:
            print("# " + str(detail).replace("\n", "\n# "), flush=True)

    def end(self):
        print(f"1..{self.count}")
        return 1 if self.failures else 0


def mvgraph(*words):
    done = subprocess.run([sys.argv[1], *words], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"mvgraph {' '.join(words)}: {done.stderr}")
    return done.stdout


def make_runs(folder):
    """Two runs that differ in their noise and one of several people; the paths of the report of one of the two, of both
    and of the third."""
    for name, noise in (("precise", "0.02"), ("noisy", "0.12")):
        mvgraph("run", f"{HERE}/oracle.lua", "--device", "null", "--set", f"noise={noise}", "--out", f"{folder}/{name}")
    both = f"{folder}/both.html"
    mvgraph("report", f"{folder}/precise", f"{folder}/noisy", "--out", both)
    mvgraph("run", f"{HERE}/crowd.lua", "--device", "null", "--out", f"{folder}/crowd")
    return f"{folder}/precise/report.html", both, f"{folder}/crowd/report.html"


def drawing(page, index=0):
    """What a canvas shows, as text that differs when a pixel does."""
    page.settle()
    return page.evaluate(f"{CANVAS}[{index}].toDataURL()")


def slide(page, position):
    page.evaluate(f"(() => {{ const s = document.querySelector('input[type=range]'); s.value = {position};"
                  " s.dispatchEvent(new Event('input')); })()")


def text(page, selector):
    return page.evaluate(f"document.querySelector('{selector}').textContent")


def check_load(suite, page, path):
    seconds = page.open(path)
    for _ in range(2):  # other programs may have had the processor
        seconds = min(seconds, page.open(path))
    size = os.path.getsize(path)
    print(f"# {os.path.basename(path)}: {size / 1e6:.2f} MB, drawn after {seconds:.2f} s")
    suite.check("the page opens without a message on the console", not page.problems, page.problems)
    asked = [url for url in page.requests if not url.startswith(("file://", "data:", "blob:"))]
    files = [url for url in page.requests if url.startswith("file://")]
    suite.check("the page asks for nothing but itself", not asked and len(files) == 1, page.requests)
    suite.check(f"a page of 100 samples has at most {MAX_BYTES / 1e6:.0f} MB", size <= MAX_BYTES, size)
    suite.check(f"it is drawn within {MAX_SECONDS:.0f} s", seconds < MAX_SECONDS, f"{seconds:.2f} s")


def check_viewer(suite, page):
    first, caption = drawing(page), text(page, ".pane small")
    suite.check("a body is drawn", len(first) > 10000, len(first))
    slide(page, 37)
    moved = drawing(page)
    suite.check("the slider moves the body", moved != first)
    suite.check("the slider moves the caption", text(page, ".pane small") != caption
                and page.evaluate(f"{CANVAS}[0].dataset.position") == "37", text(page, ".pane small"))
    slide(page, 0)
    suite.check("and back: the same pixels", drawing(page) == first)
    box = page.evaluate(f"(({{ x, y }}) => ({{ x, y }}))({CANVAS}[0].getBoundingClientRect())")
    page.drag(box["x"] + 200, box["y"] + 100, box["x"] + 290, box["y"] + 110)
    suite.check("the mouse turns the body", drawing(page) != first)
    page.evaluate("[...document.querySelectorAll('button')].find((b) => b.textContent == 'Reset view').click()")
    suite.check("the view can be reset", drawing(page) == first)
    for part in ("skeleton", "mesh", "reference"):
        switch = (f"[...document.querySelectorAll('label')].find((l) => l.textContent == '{part}')"
                  ".querySelector('input').click()")
        page.evaluate(switch)
        suite.check(f"the {part} can be left out", drawing(page) != first)
        page.evaluate(switch)
    page.evaluate("document.querySelector('button.play').click()")
    page.evaluate("new Promise((done) => setTimeout(done, 900))")
    page.evaluate("document.querySelector('button.play').click()")
    suite.check("playing moves on", int(page.evaluate(f"{CANVAS}[0].dataset.position")) > 0)
    slide(page, 0)


def check_numbers(suite, page, run):
    with open(f"{run}/metrics.json", encoding="utf-8") as file:
        row = json.load(file)["stages"][-1]
    shown = text(page, "table")
    wanted = [f"{row[key]:.1f}" for key in ("mpjpe_mm", "pa_mpjpe_mm", "pck150", "auc")]
    suite.check("the table has the metrics of the run", all(number in shown for number in wanted), (wanted, shown))
    whole = text(page, "main")
    suite.check("joints and actions have tables", "left wrist" in whole and "By action" in whole and "squat" in whole)
    suite.check("what was compared is said", "alignment: similarity" in whole)
    curves = page.evaluate("document.querySelectorAll('.chart path').length")
    suite.check("losses have curves", curves >= 4, curves)
    crops = "document.querySelectorAll('.crop img')"
    loaded = page.evaluate(f"Promise.all([...{crops}].map((i) => i.decode().then(() => i.naturalWidth)))")
    suite.check("crops are pictures", len(loaded) == 4 * 7 and set(loaded) == {64}, loaded)


def check_width(suite, page, output):
    for name, width, is_dark in (("wide", 1280, False), ("dark", 1280, True), ("phone", 390, False)):
        page.resize(width, 860, is_dark)
        suite.check(f"nothing sticks out of the page, {name}",
                    page.evaluate("document.documentElement.scrollWidth") <= width)
        page.screenshot(f"{output}/report-{name}.png")
    page.resize(1280, 860)


def check_comparison(suite, page, path, output):
    check_load(suite, page, path)
    page.resize(1280, 860)
    before = [drawing(page, i) for i in range(2)]
    suite.check("every run has its body", before[0] != before[1])
    slide(page, 12)
    suite.check("one slider moves all bodies", all(drawing(page, i) != before[i] for i in range(2)))
    suite.check("keys that differ are listed", "noise" in text(page, "section:last-of-type table"))
    page.screenshot(f"{output}/comparison.png")


def check_people(suite, page, path, output):
    check_load(suite, page, path)
    page.resize(1280, 860)
    whole, first = text(page, "main"), drawing(page)
    suite.check("samples of several people have MPJPE alone", "MPJPE of each sample" in whole
                and "PA-MPJPE" not in whole)
    suite.check("metrics are told by the number of people", "By number of people" in whole)
    suite.check("references are not laid over people", "The reference is where it is" in whole
                and "by a similarity" not in whole)
    pixels = page.evaluate(f"""(() => {{
      const canvas = {CANVAS}[0], colors = new Set();
      const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      for (let i = 0; i < data.length; i += 4) colors.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]);
      return colors.size;
    }})()""")
    suite.check("people are drawn", pixels > 500, pixels)
    marks = page.evaluate("document.querySelectorAll('.pane .several .reprojected line').length")
    suite.check("reprojections of people are drawn", marks >= 3 * 14, marks)
    slide(page, 5)
    suite.check("the slider moves people", drawing(page) != first)
    page.screenshot(f"{output}/people.png")


def main():
    program, output, suite = find_chromium(), sys.argv[2], Suite()
    if not program:
        print("1..0 # SKIP no chromium to open pages with (package chromium)")
        return 0
    shutil.rmtree(output, ignore_errors=True)
    os.makedirs(output)
    single, both, people = make_runs(output)
    page = Browser(program)
    try:
        page.resize(1280, 860)
        check_load(suite, page, single)
        check_viewer(suite, page)
        check_numbers(suite, page, os.path.dirname(single))
        check_width(suite, page, output)
        check_comparison(suite, page, both, output)
        suite.check("nothing complained until then", not page.problems, page.problems)
        check_people(suite, page, people, output)
        suite.check("nothing complained until the end", not page.problems, page.problems)
    finally:
        page.close()
    return suite.end()


if __name__ == "__main__":
    sys.exit(main())
