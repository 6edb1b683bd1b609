// The page from top to bottom.

function section(title, ...children) {
  return el("section", {}, el("h2", {}, title), ...children);
}

function describeRun(run, index) {
  const facts = [run.experiment !== run.name ? run.experiment : null, run.preset && `preset ${run.preset}`,
    `seed ${run.seed}`, `dataset ${run.dataset}`, run.sample_count && `${run.sample_count} test samples`,
    run.is_finished ? null : "not finished"];
  return el("div", {}, chip(run.name, runColor(index)), " ", el("small", {}, facts.filter(Boolean).join(", ")));
}

function header(runs) {
  return el("header", {}, el("h1", {}, runs.length === 1 ? runs[0].name : `${runs.length} runs side by side`),
    el("div", { class: "runs" }, ...runs.map(describeRun)));
}

// One chart a stage and loss, curves of all runs in it, over steps or over time.
function trainingSection(runs) {
  const stages = [...new Set(runs.flatMap((run) => run.curves.map((curve) => curve.stage)))];
  if (!stages.length) return null;
  const holder = el("div"), settings = { isLog: false, over: "steps" };
  const curvesOf = (stage, name) => runs.flatMap((run, index) => run.curves.filter((curve) => curve.stage === stage)
    .flatMap((curve) => {
      const values = name === "learning rate" ? curve.lr : curve.losses.find((loss) => loss.name === name)?.values;
      if (!values) return [];
      const label = runs.length > 1 ? run.name : name;
      return [{ name: label, color: runColor(index), x: array(curve[settings.over]), y: array(values) }];
    }));
  const build = () => holder.replaceChildren(...stages.map((stage) => {
    const own = runs.flatMap((run) => run.curves.filter((curve) => curve.stage === stage));
    const names = [...new Set(own.flatMap((curve) => curve.losses.map((loss) => loss.name))), "learning rate"];
    const charts = names.map((name) => {
      const chart = new Chart({ title: name, xLabel: settings.over === "steps" ? "step" : "seconds", yLabel: name,
        series: curvesOf(stage, name), isSmoothed: name !== "learning rate" });
      chart.isLog = settings.isLog && name !== "learning rate";
      return chart.node;
    });
    return el("div", {}, el("p", { class: "stage" }, stage), el("div", { class: "charts" }, ...charts));
  }));
  build();
  const change = (key, value) => {
    settings[key] = value;
    build();
  };
  return section("Training", el("div", { class: "controls" },
    el("label", {}, el("input", { type: "checkbox", onchange: (event) => change("isLog", event.target.checked) }),
      "logarithmic losses"),
    el("select", { "aria-label": "horizontal axis", onchange: (event) => change("over", event.target.value) },
      el("option", { value: "steps" }, "over steps"), el("option", { value: "seconds" }, "over time")),
    el("small", {}, "where a bold curve is smoothed, the faint one is as logged")), holder);
}

function sampleSections(runs) {
  const withSamples = runs.map((run, index) => ({ run, index })).filter(({ run }) => run.samples?.indices.length);
  if (!withSamples.length) return [];
  const viewer = new Viewer(withSamples);
  const seek = (row) => {
    viewer.seek(row);
    viewer.node.scrollIntoView({ behavior: "smooth", block: "start" });
  };
  const chosen = withSamples.filter(({ run }) => run.chosen.length).map(({ run, index }, i) => el("div", {},
    runs.length > 1 ? el("p", {}, chip(run.name, runColor(index))) : null,
    chosenSamples(run, viewer.panes[i].samples, seek)));
  return [section("Bodies", viewer.node),
    chosen.length ? section("Best, median and worst samples", el("div", { class: "columns" }, ...chosen), cropKey())
      : null];
}

function breakdown(first, runs, field) {
  const table = breakdownTable(first, runs, field);
  return table && section(`By ${first}`, table);
}

function buildPage() {
  const { runs } = report;
  const [bodies, chosen] = sampleSections(runs);
  const parts = [header(runs), section("Results", resultTable(runs), definitions(runs)), bodies, chosen,
    trainingSection(runs), breakdown(runs.find((run) => run.action_kind)?.action_kind ?? "action", runs, "action_rows"),
    breakdown("joint", runs, "joint_rows"), section("Configuration", ...configTable(runs)),
    el("footer", { class: "note" }, `mvgraph ${report.version}. This file is complete: it loads nothing.`)];
  document.getElementById("main").append(...parts.filter(Boolean));
}

buildPage();
