// The dashboard: asks the service every two seconds and writes what it says. All text goes through textContent, so nothing that a
// client sent (stream names, labels, addresses of images) is ever read as markup.
"use strict";

const kPollMs = 2000;
const kTimeoutMs = 8000;
const kHistory = 90; // points of a sparkline: three minutes
const kAlertsShown = 50;

const byId = (id) => document.getElementById(id);

// element("td", {class: "number"}, "text", child)
function element(tag, attributes = {}, ...children) {
  const made = ["svg", "polyline", "polygon", "line", "text"].includes(tag)
    ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

function write(node, text) {
  if (node.textContent !== text) node.textContent = text; // an unchanged text keeps selection and screen readers quiet
}

// ---- words and numbers ----------------------------------------------------------------------------------------------------------

const whole = new Intl.NumberFormat("en");
const percent = (ratio) => (ratio === null ? "–" : `${(100 * ratio).toFixed(1)}%`);
const number = (value) => (value === null ? "–" : Number(value).toPrecision(3));
const clock = (time) => (time ? new Date(time).toLocaleString("en-GB", {dateStyle: "medium", timeStyle: "medium"}) : "–");

function ago(time) {
  if (!time) return "–";
  const seconds = Math.max(0, Math.round((Date.now() - new Date(time)) / 1000));
  if (seconds < 90) return `${seconds} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} days ago`;
}

function stateOf(stream) {
  if (stream.alert) return ["Drift alert", "bad"];
  if (stream.pending) return ["Over the limit", "warn"];
  return stream.window.size < stream.window.capacity ? ["Filling its window", "plain"] : ["In distribution", "good"];
}

// ---- calls ------------------------------------------------------------------------------------------------------------------------

async function call(path, options = {}) {
  const response = await fetch(path, {signal: AbortSignal.timeout(kTimeoutMs), ...options});
  const body = await response.json().catch(() => ({detail: `the answer (status ${response.status}) is not JSON`}));
  if (!response.ok) throw new Error(body.detail || body.title || `status ${response.status}`);
  return body;
}

// ---- streams ----------------------------------------------------------------------------------------------------------------------

const streamRows = new Map(); // name -> {row, cells, history}

function sparkline(history) {
  const top = Math.max(0.1, ...history.map((h) => h.upper));
  const x = (i) => (100 * i) / Math.max(9, history.length - 1); // the first points do not jump over the whole width
  const y = (value) => 20 * (1 - value / top);
  const line = history.map((h, i) => `${x(i)},${y(h.rate)}`);
  const upper = history.map((h, i) => `${x(i)},${y(h.upper)}`);
  const lower = history.map((h, i) => `${x(i)},${y(h.lower)}`).reverse();
  const first = history[0].rate, last = history[history.length - 1].rate;
  return element("svg", {class: "spark", viewBox: "0 0 100 20", preserveAspectRatio: "none", role: "img",
                         "aria-label": `OOD rate with its bounds: from ${percent(first)} to ${percent(last)}`},
                 element("polygon", {points: [...upper, ...lower].join(" ")}), element("polyline", {points: line.join(" ")}));
}

function newStreamRow(name) {
  const numeric = new Set(["rate", "bounds", "window", "images"]);
  const cells = {};
  const row = element("tr", {"data-stream": name}, element("th", {scope: "row"}, name));
  for (const key of ["state", "rate", "bounds", "spark", "window", "images", "last", "reference"]) {
    cells[key] = element("td", numeric.has(key) ? {class: "number"} : {});
    row.append(cells[key]);
  }
  cells.badge = element("span");
  cells.state.append(cells.badge);
  return {row, cells, history: []};
}

function showStream(stream) {
  let entry = streamRows.get(stream.stream);
  if (!entry) streamRows.set(stream.stream, (entry = newStreamRow(stream.stream)));
  const {cells, history} = entry;
  const [state, kind] = stateOf(stream);
  write(cells.badge, state);
  cells.badge.className = `badge ${kind}`;
  const {size, capacity, ood_rate: rate, lower, upper} = stream.window;
  write(cells.rate, size ? percent(rate) : "–");
  write(cells.bounds, size ? `${percent(lower)} – ${percent(upper)}` : "–");
  write(cells.window, `${whole.format(size)} / ${whole.format(capacity)}`);
  write(cells.images, whole.format(stream.images));
  write(cells.last, ago(stream.last_seen));
  write(cells.reference, stream.reference);
  history.push({rate: rate ?? 0, lower: lower ?? 0, upper: upper ?? 1});
  if (history.length > kHistory) history.shift();
  cells.spark.replaceChildren(sparkline(history));
  return entry.row;
}

function showStreams(streams) {
  const names = new Set(streams.map((stream) => stream.stream));
  for (const [name, entry] of streamRows) {
    if (names.has(name)) continue;
    entry.row.remove();
    streamRows.delete(name);
  }
  // Streams that need a person come first.
  const urgency = (stream) => (stream.alert ? 0 : stream.pending ? 1 : 2);
  streams.sort((a, b) => urgency(a) - urgency(b) || a.stream.localeCompare(b.stream));
  placeInOrder(byId("streams"), streams.map(showStream));
  byId("no-streams").hidden = streams.length > 0;
}

// Moves only what is out of place: a node that stays keeps its focus.
function placeInOrder(parent, nodes) {
  nodes.forEach((node, i) => {
    if (parent.children[i] !== node) parent.insertBefore(node, parent.children[i] ?? null);
  });
  while (parent.children.length > nodes.length) parent.lastElementChild.remove();
}

// ---- one image --------------------------------------------------------------------------------------------------------------------

let previewUrl = null;

function answerView(answer) {
  const decision = answer.ood ? ["Out of distribution", "bad"] : ["In distribution", "good"];
  const rows = answer.neighbours.map((n) => element("tr", {}, element("td", {}, n.label || "–"),
    element("td", {class: "number"}, number(n.distance)), element("td", {}, n.uri || n.id)));
  return element("div", {},
    element("p", {}, element("span", {class: `badge ${decision[1]}`}, decision[0]), ` p-value ${number(answer.p_value)} ` +
      `(limit ${answer.alpha}), score ${number(answer.score)}, distance ${number(answer.distance)} (limit ${number(answer.threshold)})`),
    element("h3", {}, "Nearest reference images"),
    element("table", {}, element("thead", {}, element("tr", {}, element("th", {scope: "col"}, "Label"),
      element("th", {scope: "col", class: "number"}, "Distance"), element("th", {scope: "col"}, "Image"))), element("tbody", {}, ...rows)),
    element("p", {class: "quiet"}, `${answer.reference}, ${number(answer.took_ms.total)} ms, request `, element("code", {}, answer.request_id)));
}

async function scoreFile(file) {
  if (!file || !byId("try").reportValidity()) return;
  const result = byId("result");
  write(result, `Scoring ${file.name} …`);
  const query = new URLSearchParams({stream: byId("try-stream").value, reference: byId("try-reference").value});
  try {
    const answer = await call(`v1/score?${query}`, {method: "POST", body: file, headers: {"Content-Type": file.type || "application/octet-stream"}});
    if (previewUrl) URL.revokeObjectURL(previewUrl);
    previewUrl = URL.createObjectURL(file);
    result.replaceChildren(element("div", {class: "card answer"}, element("img", {src: previewUrl, alt: `The image ${file.name}`}), answerView(answer)));
  } catch (error) {
    result.replaceChildren(element("p", {class: "lost"}, `${file.name} was not scored: ${error.message}`));
  }
}

function setUpForm() {
  const drop = byId("drop");
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => { event.preventDefault(); scoreFile(event.dataTransfer.files[0]); });
  // A file that misses the box must not replace the page.
  for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
  byId("try-file").addEventListener("change", (event) => { scoreFile(event.target.files[0]); event.target.value = ""; });
  byId("try").addEventListener("submit", (event) => event.preventDefault());
}

// ---- references -------------------------------------------------------------------------------------------------------------------

let shownReferences = "";

function stateOfReference(reference) {
  if (!reference.writable) return [`Read-only: ${reference.read_only_because}`, "warn"];
  if (reference.compaction.running) return ["Compacting", "plain"];
  if (reference.compaction.failed) return ["Compaction failed: see the log", "bad"];
  return ["Writable", "good"];
}

function referenceRow(reference) {
  const [state, kind] = stateOfReference(reference);
  return element("tr", {"data-reference": reference.reference}, element("th", {scope: "row"}, reference.reference),
    element("td", {}, element("span", {class: `badge ${kind}`}, state)), element("td", {class: "number"}, whole.format(reference.version)),
    element("td", {class: "number"}, whole.format(reference.items)), element("td", {class: "number"}, whole.format(reference.revision)),
    element("td", {}, clock(reference.created)));
}

async function refreshReferences() {
  const {references} = await call("v1/references");
  withImages.clear();
  for (const reference of references) if (reference.images) withImages.add(reference.reference);
  const content = JSON.stringify(references);
  if (content === shownReferences) return; // an open list of choices stays open
  shownReferences = content;
  byId("references").replaceChildren(...references.map(referenceRow));
  const chosen = byId("try-reference").value;
  byId("try-reference").replaceChildren(...references.map((r) => element("option", {}, r.reference)));
  byId("try-reference").value = references.some((r) => r.reference === chosen) ? chosen : references[0].reference;
}

// ---- the loop ---------------------------------------------------------------------------------------------------------------------

let answered = false; // there is something to see, if only something old

async function poll() {
  try {
    const {streams} = await call("v1/streams");
    showStreams(streams);
    answered = true;
    await refreshReferences();
    await refreshAlerts();
    write(byId("connection"), "Live");
    byId("connection").className = "";
  } catch (error) {
    write(byId("connection"), answered ? "The service does not answer; trying again. What you see is old." : `No answer yet: ${error.message}`);
    byId("connection").className = "lost";
  }
  setTimeout(poll, kPollMs);
}

write(byId("own-url"), location.origin);
setUpForm();
poll();
