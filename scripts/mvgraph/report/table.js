// Tables: results of stages, errors of joints and actions, configurations.

const LOWER_IS_BETTER = {
  mpjpe_mm: true, n_mpjpe_mm: true, pa_mpjpe_mm: true, reprojection_px: true, pck150: false, n_pck150: false, auc: false,
  jdr_detected: false, jdr_refined: false, jdr_hidden_detected: false, jdr_hidden_refined: false,
  pss50: false, pss100: false, ap25: false, ap50: false, ap100: false, ap150: false, recall500: false, pcp: false,
};
const DEFINITIONS = {
  mpjpe_mm: "mean distance of predicted and reference joints once their roots lie on each other; lower is better",
  pa_mpjpe_mm: "the same once the pose is moved, turned and scaled onto the reference (Procrustes); lower is better",
  pck150: "share of joints that are less than 150 mm off, roots on each other; higher is better",
  auc: "that share averaged over thresholds of 0, 5, ..., 150 mm; higher is better",
  n_mpjpe_mm: "the same as MPJPE once the pose is scaled onto the reference, too; lower is better",
  n_pck150: "share of joints that are less than 150 mm off after that; higher is better",
  jdr_detected: "share of detected joints less than half a head off their true places; higher is better",
  jdr_refined: "the same of the joints after refinement; higher is better",
  jdr_hidden_detected: "the same of detected joints that the view does not show; higher is better",
  jdr_hidden_refined: "the same of those after refinement; higher is better",
  pss50: "share of poses in the same of 50 clusters of poses as the reference (Pose Structure Score); higher is better",
  pss100: "the same with 100 clusters; higher is better",
  ap25: "average precision of predicted people, who are right if their joints are less than 25 mm off on average, each "
    + "true person once; higher is better",
  ap50: "the same within 50 mm; higher is better",
  ap100: "the same within 100 mm; higher is better",
  ap150: "the same within 150 mm; higher is better",
  recall500: "share of true people of whom a prediction is less than 500 mm off on average; higher is better",
  pcp: "share of body parts whose ends are off by less than half of its length on average; higher is better",
  reprojection_px: "mean distance of reprojected and surely detected keypoints, pixels of the crop; lower is better",
};
// Of several people in a frame, who have metrics that others lack.
const DEFINITIONS_OF_PEOPLE = {
  mpjpe_mm: "mean distance of predicted and reference joints in the world, over people who were found; lower is better",
};

// report.columns: field, name, unit, format such as "%.1f".
function metricColumns(rows, without = []) {
  return report.columns
    .filter(([field]) => !without.includes(field) && rows.some((row) => typeof row[field] === "number"))
    .map(([field, name, unit, format]) => ({ field, name, unit, digits: Number(format.match(/\.(\d)/)[1]) }));
}

function findBest(rows, field) {
  const values = rows.map((row) => row[field]).filter((value) => typeof value === "number");
  if (values.length < 2 || !(field in LOWER_IS_BETTER)) return null;
  return LOWER_IS_BETTER[field] ? Math.min(...values) : Math.max(...values);
}

function metricCell(row, column, best) {
  const value = row[column.field];
  if (typeof value !== "number") return el("td", {}, "-");
  return el("td", { class: value === best ? "best" : null }, value.toFixed(column.digits));
}

// An error with a bar as long as its share of the column's largest.
function barCell(row, column) {
  const cell = metricCell(row, column, null), value = row[column.field];
  if (LOWER_IS_BETTER[column.field] && typeof value === "number") {
    cell.className = "bar";
    cell.style.cssText = `--share: ${((52 * value) / column.most).toFixed(1)}%; --color: ${runColor(column.index)}`;
  }
  return cell;
}

function scrolled(label, table) {
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, table);
}

function head(first, columns) {
  const cells = columns.map(({ name, unit }) => el("th", { scope: "col" }, name, el("br"), el("small", {}, unit)));
  return el("thead", {}, el("tr", {}, el("th", { scope: "col" }, first), ...cells));
}

// Baselines and stages of every run; the best of each column is bold.
function resultTable(runs) {
  const all = runs.flatMap((run) => run.rows);
  if (!all.length) return el("p", { class: "note" }, "No stage has been evaluated yet.");
  const columns = metricColumns(all);
  const body = el("tbody");
  runs.forEach((run, index) => {
    if (runs.length > 1) {
      body.append(el("tr", { class: "group" },
        el("th", { colspan: columns.length + 1, scope: "rowgroup" }, chip(run.name, runColor(index)))));
    }
    for (const row of run.rows) {
      const cells = columns.map((column) => metricCell(row, column, findBest(all, column.field)));
      body.append(el("tr", {}, el("th", { scope: "row" }, row.name), ...cells));
    }
  });
  return scrolled("results", el("table", {}, head("", columns), body));
}

// Names of the metrics, and what each run compared: joints, root, alignment, unit.
function definitions(runs) {
  const rows = runs.flatMap((run) => run.rows);
  const list = el("dl"), arePeople = rows.some((row) => "recall500" in row);
  const told = arePeople ? { ...DEFINITIONS, ...DEFINITIONS_OF_PEOPLE } : DEFINITIONS;
  for (const column of metricColumns(rows)) {
    if (told[column.field]) list.append(el("dt", {}, column.name), el("dd", {}, told[column.field]));
  }
  const compared = new Set(rows.flatMap((row) => row.identifier?.match(/[^[\]]+\[[^\]]*\]/g) ?? []));
  for (const text of compared) {
    const [names, details] = text.trim().replace("]", "").split("[");
    list.append(el("dt", {}, "compared"), el("dd", {}, `${names}: ${details}`));
  }
  return list;
}

// One row a joint or action, one group of columns a run; bars compare the rows of a column.
function breakdownTable(title, runs, field) {
  const shown = runs.map((run, index) => ({ run, index })).filter(({ run }) => run[field]?.length);
  if (!shown.length) return null;
  const names = [...new Set(shown.flatMap(({ run }) => run[field].map((row) => row.name)))];
  const columns = shown.flatMap(({ run, index }) => {
    const chosen = metricColumns(run[field]).filter((column) => shown.length === 1 || column.unit !== "%");
    return chosen.map((column) => {
      const values = run[field].map((row) => row[column.field]).filter((value) => typeof value === "number");
      return { ...column, run, index, most: Math.max(...values) };
    });
  });
  const groups = el("tr", {}, el("th"));
  for (const { run, index } of shown) {
    const span = columns.filter((column) => column.run === run).length;
    groups.append(el("th", { colspan: span, scope: "colgroup" }, chip(run.name, runColor(index))));
  }
  const top = head(title, columns);
  if (runs.length > 1) top.prepend(groups);
  const body = el("tbody");
  for (const name of names) {
    const cells = columns.map((column) => {
      const row = column.run[field].find((candidate) => candidate.name === name) ?? {};
      return barCell(row, column);
    });
    body.append(el("tr", {}, el("th", { scope: "row" }, name.replaceAll("_", " ")), ...cells));
  }
  return scrolled(title, el("table", {}, top, body));
}

// Every key; of several runs those that differ come first and stay in sight.
function configTable(runs) {
  const maps = runs.map((run) => new Map(run.config));
  const keys = [...new Set(runs.flatMap((run) => run.config.map(([key]) => key)))].sort();
  const differs = (key) => maps.some((map) => map.get(key) !== maps[0].get(key));
  const table = (wanted) => scrolled("configuration", el("table", {},
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "key"),
      ...runs.map((run, index) => el("th", { class: "text", scope: "col" }, chip(run.name, runColor(index)))))),
    el("tbody", {}, ...wanted.map((key) => el("tr", {}, el("th", { scope: "row" }, key),
      ...maps.map((map) => el("td", { class: "text" }, map.get(key) ?? "-")))))));
  const different = keys.filter(differs);
  const parts = [];
  if (runs.length > 1) {
    const none = () => el("p", { class: "note" }, "The runs have the same configuration.");
    parts.push(different.length ? table(different) : none());
  }
  parts.push(el("details", {}, el("summary", {}, `All ${keys.length} keys`), table(keys)));
  return parts;
}
