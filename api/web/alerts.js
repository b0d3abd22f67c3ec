// The alerts of the dashboard: a card each, with the curve of the rule, what the images have in common, and the strangest of them.
// Uses app.js, which is loaded after it and asks for the refresh.
"use strict";

const alertCards = new Map(); // id -> {card, content: what is shown now}
let known = null; // ids that fired before; null until the first answer

function neighbourText(neighbours) {
  return neighbours.map((n) => `${n.label || "no label"} at ${number(n.distance)} (${n.uri || n.id})`).join("; ") || "–";
}

const withImages = new Set(); // references whose training images can be shown

// Training images side by side, each with its label and distance; as text where they cannot be shown.
function neighbourView(reference, neighbours) {
  const name = reference.replace(/@[0-9]+$/, "");
  if (!withImages.has(name) || !neighbours.length) return element("span", {}, neighbourText(neighbours));
  return element("span", {class: "pictures"}, ...neighbours.map((n) => element("figure", {},
    element("img", {src: `v1/references/${encodeURIComponent(name)}/items/${encodeURIComponent(n.id)}/image`, alt: `Reference image ${n.uri || n.id}`,
                    title: n.uri || n.id, loading: "lazy", width: 64}),
    element("figcaption", {}, `${n.label || "no label"} at ${number(n.distance)}`))));
}

function picture(pictures, requestId) {
  const found = pictures.find((p) => p.request_id === requestId);
  return found ? element("img", {src: found.url.slice(1), alt: `Image of request ${requestId}`, width: 72}) : null;
}

function evidenceTable(alert, pictures) {
  const heads = ["Picture", "Image", "Score", "p-value", "Distance", "Nearest reference images", "Request"];
  const rows = alert.evidence.map((e) => element("tr", {}, element("td", {}, picture(pictures, e.request_id) ?? "–"),
    element("td", {class: "number"}, whole.format(e.image)),
    element("td", {class: "number"}, number(e.score)), element("td", {class: "number"}, number(e.p_value)),
    element("td", {class: "number"}, number(e.distance)), element("td", {}, neighbourView(alert.reference, e.neighbours)),
    element("td", {}, element("code", {}, e.request_id))));
  return element("div", {class: "wide", tabindex: "0", role: "region", "aria-label": "Evidence"},
    element("table", {}, element("thead", {}, element("tr", {}, ...heads.map((h) => element("th", {scope: "col"}, h)))),
            element("tbody", {}, ...rows)));
}

// The curve of the rule, its limit, and where the drift is estimated to have begun. By image, not by time: silent nights are no calm.
function curveView(curve, started) {
  if (curve.length < 2) return null;
  const limits = curve.map((p) => p.limit).filter((limit) => limit !== null);
  const top = 1.1 * Math.max(...curve.map((p) => p.value), ...limits, 1e-9);
  const bottom = Math.min(0, ...curve.map((p) => p.value));
  const first = curve[0].image, last = curve[curve.length - 1].image;
  const x = (image) => (600 * (image - first)) / Math.max(1, last - first);
  const y = (value) => 120 * (1 - (value - bottom) / (top - bottom));
  const line = (points, kind) => element("polyline", {class: kind, points: points.map(([at, value]) => `${x(at)},${y(value)}`).join(" ")});
  const begun = started ? Math.min(Math.max(started.image, first), last) : first;
  const text = `The rule's value over images ${whole.format(first)} to ${whole.format(last)}, when it fired at ${number(curve[curve.length - 1].value)}` +
    (limits.length ? `; its limit is ${number(limits[limits.length - 1])}` : "") + (started ? `; the drift probably began at image ${whole.format(started.image)}` : "") + ".";
  return element("figure", {class: "curve"},
    element("svg", {viewBox: "0 0 600 120", preserveAspectRatio: "none", role: "img", "aria-label": text},
      element("line", {class: "begun", x1: x(begun), x2: x(begun), y1: 0, y2: 120}),
      line(curve.filter((p) => p.limit !== null).map((p) => [p.image, p.limit]), "limit"), line(curve.map((p) => [p.image, p.value]), "value")),
    element("figcaption", {class: "quiet"}, text));
}

function groupView(group, pictures, reference, seen) {
  const nearest = group.nearest_label ? `, ${whole.format(group.of_label)} of them nearest to ${group.nearest_label}` : "";
  const what = group.images === seen ? `${whole.format(seen)} images that nothing separates into groups` : `${whole.format(group.images)} of ${whole.format(seen)} images look alike`;
  const shown = group.examples.map((e) => picture(pictures, e.request_id)).filter((p) => p !== null);
  return element("li", {}, element("p", {}, `${what}${nearest}; first seen ` +
    `${clock(group.first_seen.at)} (image ${whole.format(group.first_seen.image)}), last ${ago(group.last_seen.at)}. `,
    element("span", {class: "quiet"}, "Examples: ", ...group.examples.flatMap((e) => [element("code", {}, e.request_id), " "]))),
    shown.length ? element("p", {class: "pictures"}, ...shown) : null,
    group.neighbours.length ? element("p", {}, "Nearest reference images: ", neighbourView(reference, group.neighbours)) : null);
}

function breakdownView(breakdown, pictures, reference) {
  const about = breakdown.about === "strange" ? breakdown.strange : breakdown.images;
  const counted = `Of ${whole.format(breakdown.images)} images since image ${whole.format(breakdown.from_image)}, ${whole.format(breakdown.strange)} are strange. ` +
    (breakdown.about === "strange" ? "What follows is about these." : "That is not more than chance explains: what follows is about all of them.");
  const surely = breakdown.properties.filter((p) => p.meaning !== null);
  const properties = surely.map((p) => `${p.meaning} (${p.name} ${number(p.median)}, reference ${number(p.reference_median)})`);
  const labels = breakdown.labels.map((l) => `${l.label || "no label"} ${percent(l.share)} (expected ${percent(l.expected)})`);
  return element("div", {class: "breakdown"}, element("h3", {}, "What they have in common"), element("p", {}, counted),
    properties.length ? element("p", {}, `They are ${properties.join("; ")}.`) : null,
    labels.length ? element("p", {}, `Nearest labels: ${labels.join(", ")}.`) : null,
    element("ul", {class: "groups"}, ...breakdown.groups.map((group) => groupView(group, pictures, reference, about))));
}

// The part of an alert that is asked for when its card is opened, and again while it is open.
function fillDetail(place, detail) {
  const content = JSON.stringify([detail.curve, detail.breakdown, detail.pictures, [...withImages]]);
  if (place.dataset.content === content) return;
  place.dataset.content = content;
  const curve = curveView(detail.curve, detail.started);
  place.replaceChildren(...[curve && element("h3", {}, "Curve of the rule"), curve,
    detail.breakdown && breakdownView(detail.breakdown, detail.pictures, detail.reference), element("h3", {}, "Strangest images"),
    detail.evidence.length ? evidenceTable(detail, detail.pictures) : element("p", {class: "quiet"}, "None were kept.")].filter((part) => part));
}

async function refreshDetail(card) {
  if (!card.open) return;
  fillDetail(card.querySelector(".detail"), await call(`v1/alerts/${encodeURIComponent(card.dataset.alert)}`));
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
    element("div", {class: "detail"}),
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
  if (!entry) {
    alertCards.set(alert.id, (entry = {card: element("details", {"data-alert": alert.id}), content: ""}));
    const card = entry.card;
    card.addEventListener("toggle", () => refreshDetail(card).catch(() => {})); // the next poll tries again, and says so
  }
  const content = JSON.stringify(alert);
  if (entry.content !== content) {
    const detail = entry.card.querySelector(".detail");
    entry.card.replaceChildren(...alertContent(alert).filter((part) => part !== null));
    if (detail) entry.card.querySelector(".detail").replaceWith(detail); // what is there stays until there is news
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
  await Promise.all([...byId("alerts").children].map(refreshDetail));
}
