// What everything on the page uses: its data, elements, colours, numbers as text.

const report = JSON.parse(document.getElementById("data").textContent);
const bytes = decodeBase64(document.getElementById("blob").textContent);
const ARRAYS = { f32: Float32Array, i32: Int32Array, i16: Int16Array, u8: Uint8Array };

function decodeBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const decoded = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) decoded[i] = binary.charCodeAt(i);
  return decoded;
}

// A place in the blob as an array that shares its memory.
function array(place) {
  return place ? new ARRAYS[place.type](bytes.buffer, place.at, place.count) : null;
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") node.style.cssText = value;
    else if (value !== false && value != null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

// Text becomes text nodes: names from files are never markup.
function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function runColor(index) {
  return `var(--run${index % 6})`;
}

function chip(text, color) {
  return el("span", { class: "chip", style: `--color: ${color}` }, text);
}

const darkness = matchMedia("(prefers-color-scheme: dark)");
const colors = new Map();
darkness.addEventListener("change", () => colors.clear());

// A colour of the style sheet as [red, green, blue].
function cssColor(name) {
  if (!colors.has(name)) {
    const value = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    colors.set(name, [1, 3, 5].map((at) => parseInt(value.slice(at, at + 2), 16)));
  }
  return colors.get(name);
}

function formatNumber(value) {
  if (!Number.isFinite(value)) return "-";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-4) return value.toExponential(1).replace("e+", "e");
  return String(Number(value.toPrecision(4)));
}

const pictureUrls = [];

function pictureUrl(index) {
  pictureUrls[index] ??= URL.createObjectURL(new Blob([array(report.pictures[index])], { type: "image/jpeg" }));
  return pictureUrls[index];
}
