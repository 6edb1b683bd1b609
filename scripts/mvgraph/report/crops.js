// Crops of the cameras with what was detected and what the estimate projects to.

const SURE = 0.05; // detections of lower confidence are not drawn

// Of one of the pictures. width: numbers a point, x and y from -1 to 1; the third is a confidence.
function skeletonMarks(values, picture, width, { names, limbs }, kind) {
  const at = picture * names.length * width;
  const point = (j) => {
    const x = values[at + j * width], y = values[at + j * width + 1];
    const sure = width > 2 ? values[at + j * width + 2] : 1;
    return Number.isFinite(x) && Number.isFinite(y) && sure >= SURE ? { x, y, sure } : null;
  };
  const nodes = [];
  for (const [i, j] of limbs) {
    const a = point(i), b = point(j);
    if (!a || !b) continue;
    nodes.push(svg("line", { x1: a.x, y1: a.y, x2: b.x, y2: b.y, opacity: 0.25 + 0.75 * Math.min(a.sure, b.sure) }));
  }
  for (let j = 0; j < names.length; j++) {
    const p = point(j);
    if (p) nodes.push(svg("circle", { cx: p.x, cy: p.y, r: 0.008, opacity: 0.25 + 0.75 * p.sure }));
  }
  return svg("g", { class: kind }, ...nodes);
}

// One view of one sample.
class Crop {
  constructor(view) {
    this.view = view;
    this.image = el("img", { alt: `camera ${view + 1}`, decoding: "sync" });
    this.marks = svg("svg", { viewBox: "-1 -1 2 2", "aria-hidden": "true" });
    this.node = el("div", { class: "crop", title: `camera ${view + 1}` }, this.image, this.marks);
  }

  show(samples, row) {
    const url = pictureUrl(samples.pictures[row][this.view]);
    if (this.image.src !== url) this.image.src = url;
    const picture = row * samples.pictures[row].length + this.view;
    const groups = [skeletonMarks(samples.keypoints, picture, 3, samples.keypoint_skeleton, "detected")];
    if (samples.reprojection) {
      groups.push(skeletonMarks(samples.reprojection, picture, 2, samples.reprojection_skeleton, "reprojected"));
    }
    this.marks.classList.toggle("several", samples.is_placed);
    this.marks.replaceChildren(...groups);
  }
}

// All views of a sample side by side.
function cropRow(samples) {
  const crops = samples.pictures[0].map((_, view) => new Crop(view));
  const node = el("div", { class: "views" }, ...crops.map((crop) => crop.node));
  return { node, crops, show: (row) => crops.forEach((crop) => crop.show(samples, row)) };
}

function cropKey() {
  return el("p", { class: "key" }, chip("detected", "var(--detected)"), chip("reprojected", "var(--reprojected)"),
    "fainter: less confident");
}

function errorText(run, sample) {
  const errors = array(run.errors);
  if (!errors || !Number.isFinite(errors[sample])) return "";
  return `${run.error_name} ${errors[sample].toFixed(1)} ${run.error_unit}`;
}

// Best, median and worst samples of a run; seek(row) shows one in the viewer.
function chosenSamples(run, samples, seek) {
  const cards = run.chosen.map(({ kind, index }) => {
    const row = samples.indices.indexOf(index), crops = cropRow(samples);
    crops.show(row);
    return el("article", {},
      el("h3", {}, `${kind}: ${errorText(run, index)} `),
      el("small", {}, samples.ids[row], " ", el("button", { class: "link", onclick: () => seek(row) }, "show in 3D")),
      crops.node);
  });
  return el("div", { class: "chosen" }, ...cards);
}
