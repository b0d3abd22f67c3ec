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
  const made = tag === "svg" || tag === "polyline" || tag === "polygon"
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

// ---- alerts -----------------------------------------------------------------------------------------------------------------------

const alertCards = new Map(); // id -> {card, content: what is shown now}
let known = null; // ids that fired before; null until the first answer

function neighbourText(neighbours) {
  return neighbours.map((n) => `${n.label || "no label"} at ${number(n.distance)} (${n.uri || n.id})`).join("; ") || "–";
}

function evidenceTable(evidence) {
  const heads = ["Image", "Score", "p-value", "Distance", "Nearest reference images", "Request"];
  const rows = evidence.map((e) => element("tr", {}, element("td", {class: "number"}, whole.format(e.image)),
    element("td", {class: "number"}, number(e.score)), element("td", {class: "number"}, number(e.p_value)),
    element("td", {class: "number"}, number(e.distance)), element("td", {}, neighbourText(e.neighbours)),
    element("td", {}, element("code", {}, e.request_id))));
  return element("div", {class: "wide", tabindex: "0", role: "region", "aria-label": "Evidence"},
    element("table", {}, element("thead", {}, element("tr", {}, ...heads.map((h) => element("th", {scope: "col"}, h)))),
            element("tbody", {}, ...rows)));
}

function acknowledgeButton(alert) {
  const button = element("button", {type: "button"}, "Acknowledge");
  const note = element("span", {role: "status"});
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await call(`v1/alerts/${encodeURIComponent(alert.id)}/ack`, {method: "POST"});
      button.closest("details").querySelector("summary").focus(); // the button is about to go
      await refreshAlerts();
    } catch (error) {
      button.disabled = false;
      write(note, ` Not acknowledged: ${error.message}`);
    }
  });
  return element("p", {}, button, note);
}

// Which way the retraining has come that the alert asked for.
function retrainText(request) {
  if (!request) return null;
  const trial = request.trial
    ? ` On ${whole.format(request.trial.images)} recent images version ${request.trial.version} found ${whole.format(request.trial.ood)} out of distribution, ` +
      `the live version ${whole.format(request.trial.live_ood)}: ${request.trial.passed ? "passed" : "not passed"}.` : "";
  const version = request.reference_version ? `, version ${request.reference_version}` : "";
  return element("p", {class: "retrain"}, `Retraining: ${request.status}${version}.${trial} `, element("code", {}, request.id));
}

// Puts the labelled images of the alert's stream into the reference.
function acceptButton(alert) {
  const button = element("button", {type: "button"}, "Accept labelled images as normal");
  const note = element("span", {role: "status"});
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const done = await call(`v1/alerts/${encodeURIComponent(alert.id)}/accept`, {method: "POST"});
      write(note, ` ${whole.format(done.accepted)} images joined ${done.reference}; version ${done.rollback_version} is as it was before.`);
    } catch (error) {
      write(note, ` Not accepted: ${error.message}`);
    }
    button.disabled = false;
  });
  return element("p", {}, button, note);
}

function alertContent(alert) {
  const firing = alert.state === "firing";
  const bets = ["e-detector", "ood-cusum", "property-shift"].includes(alert.rule); // their false alarms are simulated, not bounded
  const rare = alert.false_alarms_per_image > 0
    ? `Without drift, ${bets ? "about" : "at most"} one such alert is expected in ${whole.format(Math.round(1 / alert.false_alarms_per_image))} images. ` : "";
  const resolved = alert.resolved ? `Resolved ${clock(alert.resolved.at)} at image ${whole.format(alert.resolved.image)}. ` : "";
  const window = `Over the last ${whole.format(alert.window)} images the OOD rate was ${percent(alert.ood_rate)} (95% bounds ` +
    `${percent(alert.lower)} to ${percent(alert.upper)})`;
  const why = alert.rule === "accuracy"
    ? `The neighbours' vote is wrong more often than on the reference's own images, probably since ${clock(alert.started.at)}. ${window}. `
    : alert.rule.startsWith("ood-rate")
    ? `${window}; the limit is ${percent(alert.threshold)}. `
    : `Images differ by more than chance explains, probably since image ${whole.format(alert.started.image)}, ${clock(alert.started.at)}. ${window}. `;
  return [
    element("summary", {}, element("span", {class: `badge ${firing ? "bad" : "plain"}`}, firing ? "Firing" : "Resolved"), " ",
      element("strong", {}, alert.stream), ` – OOD rate ${percent(alert.ood_rate)}, ${clock(alert.fired?.at)}`,
      alert.acknowledged ? ", acknowledged" : "",
      firing && alert.silenced_until ? ", silenced" : ""),
    element("p", {}, `${why}${rare}${resolved}Reference ${alert.reference}, rule ${alert.rule}.`),
    element("h3", {}, "Strangest images"),
    alert.evidence.length ? evidenceTable(alert.evidence) : element("p", {class: "quiet"}, "None were kept."),
    element("p", {class: "quiet"}, "Alert ", element("code", {}, alert.id),
      alert.acknowledged ? `, acknowledged ${clock(alert.acknowledged)}` : "",
      alert.silenced_until ? `, silenced until ${clock(alert.silenced_until)}` : ""),
    retrainText(alert.retrain),
    firing ? acceptButton(alert) : null,
    alert.acknowledged ? null : acknowledgeButton(alert),
  ];
}

function showAlert(alert) {
  let entry = alertCards.get(alert.id);
  if (!entry) alertCards.set(alert.id, (entry = {card: element("details", {"data-alert": alert.id}), content: ""}));
  const content = JSON.stringify(alert);
  if (entry.content !== content) {
    entry.card.replaceChildren(...alertContent(alert).filter((part) => part !== null));
    entry.card.className = alert.state;
    entry.content = content;
  }
  return entry.card;
}

function announce(alerts) {
  const firing = alerts.filter((alert) => alert.state === "firing");
  document.title = firing.length ? `(${firing.length}) driftd` : "driftd";
  const fresh = known === null ? [] : firing.filter((alert) => !known.has(alert.id));
  if (fresh.length) write(byId("announcement"), `Drift alert on ${fresh.map((alert) => alert.stream).join(", ")}`);
  known = new Set(firing.map((alert) => alert.id));
}

async function refreshAlerts() {
  const page = (state) => call(`v1/alerts?state=${state}&limit=${kAlertsShown}`);
  const [{alerts: firing}, {alerts: resolved}, {retrain}] = await Promise.all([page("firing"), page("resolved"), call("v1/retrain")]);
  const alerts = [...firing, ...resolved];
  for (const alert of alerts) alert.retrain = retrain.find((request) => request.alerts.includes(alert.id)) ?? null;
  announce(alerts);
  const shown = alerts.slice(0, kAlertsShown);
  placeInOrder(byId("alerts"), shown.map(showAlert));
  const ids = new Set(shown.map((alert) => alert.id));
  for (const id of alertCards.keys()) if (!ids.has(id)) alertCards.delete(id);
  byId("no-alerts").hidden = alerts.length > 0;
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
    await refreshAlerts();
    await refreshReferences();
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
