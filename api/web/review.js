// The review of the dashboard: one queued image at a time, to be labelled, accepted into the reference or dismissed. Uses app.js, which
// is loaded first. By keyboard: Enter in the label's field labels; elsewhere in the card A accepts, D dismisses, N shows the next.
"use strict";

const skipped = new Set(); // ids that the person wants to see later
let reviewed = null; // the item in the card

function estimateText(e) {
  const share = (s) => `${percent(s.rate)} (${percent(s.lower)} to ${percent(s.upper)})`;
  const from = `${e.stream}: ${whole.format(e.sample)} of ${whole.format(e.images)} images drawn at random, ${whole.format(e.judged)} labelled`;
  return e.judged ? `${from}; truly out of distribution ${share(e.ood)}, flagged ${share(e.flagged)}, vote wrong ${share(e.wrong)}.` : `${from}.`;
}

async function answerReview(body) {
  const item = reviewed;
  if (!item) return;
  try {
    await call(`v1/review/${encodeURIComponent(item.id)}`, {method: "PATCH", body: JSON.stringify(body)});
    write(byId("review-note"), body.dismiss ? "Dismissed." : body.accept ? `Accepted as ${body.label || item.label}.` : `Labelled ${body.label}.`);
  } catch (error) {
    write(byId("review-note"), `Not answered: ${error.message}`);
    return;
  }
  await showNext();
}

const labelled = (more) => {
  const label = byId("review-label").value.trim();
  if (label) answerReview({label, ...more});
  else byId("review-label").focus();
};

function skip() {
  skipped.add(reviewed.id);
  showNext();
}

function reviewCard(item) {
  const names = [...new Set(item.neighbours.map((n) => n.label).filter((label) => label))];
  const field = element("input", {id: "review-label", maxlength: "256", list: "review-labels", autocomplete: "off"});
  field.addEventListener("keydown", (event) => { if (event.key === "Enter") labelled({}); });
  const button = (text, act) => {
    const made = element("button", {type: "button"}, text);
    made.addEventListener("click", act);
    return made;
  };
  const picture = item.image
    ? element("img", {src: item.image.url.slice(1), alt: `Image of stream ${item.stream}`, width: Math.min(320, 2 * item.image.width)})
    : element("p", {class: "quiet"}, "No picture is kept.");
  return element("div", {class: "card answer", tabindex: "0", role: "group", "aria-label": "Image to review", "data-review": item.id},
    picture,
    element("div", {},
      element("p", {}, element("strong", {}, item.stream), ` – ${item.source === "random" ? "drawn at random" : "strange"}, p-value ${number(item.p_value)}, ${ago(item.created)}`),
      element("h3", {}, "Nearest reference images"),
      element("p", {}, neighbourView(item.reference, item.neighbours)),
      element("p", {}, element("label", {}, "Label ", field), " ", button("Label", () => labelled({})), " ",
        button("Accept into the reference (A)", () => labelled({accept: true})), " ", button("Dismiss (D)", () => answerReview({dismiss: true})), " ",
        button("Next (N)", skip)),
      element("datalist", {id: "review-labels"}, ...names.map((name) => element("option", {value: name})))));
}

const kKeys = {a: () => labelled({accept: true}), d: () => answerReview({dismiss: true}), n: skip};

function onKey(event) {
  if (event.target.tagName === "INPUT" || event.ctrlKey || event.altKey || event.metaKey) return;
  const act = kKeys[event.key.toLowerCase()];
  if (!act || !reviewed) return;
  event.preventDefault();
  act();
}

function showReview(item) {
  const card = byId("review-card");
  const had = card.contains(document.activeElement);
  reviewed = item;
  card.hidden = item === null;
  card.replaceChildren(...(item ? [reviewCard(item)] : []));
  if (item && had) card.firstElementChild.focus();
}

async function showNext() {
  const {items, waiting, estimates} = await call("v1/review?state=waiting&limit=50");
  write(byId("review-summary"), waiting === 0 ? "No image waits for review." : waiting === 1 ? "1 image waits." : `${whole.format(waiting)} images wait.`);
  const texts = estimates.map(estimateText);
  const list = byId("review-estimates");
  if ([...list.children].map((child) => child.textContent).join("\n") !== texts.join("\n")) {
    list.replaceChildren(...texts.map((text) => element("li", {}, text)));
  }
  if (items.every((item) => skipped.has(item.id))) skipped.clear();
  // The card stays while its image waits: nobody wants it exchanged under the hand.
  const still = reviewed && !skipped.has(reviewed.id) && items.find((item) => item.id === reviewed.id);
  if (!still) showReview(items.find((item) => !skipped.has(item.id)) ?? null);
}

async function pollReview() {
  try {
    if (!withImages.size) await refreshReferences(); // a card is drawn once
    await showNext();
  } catch (error) {
    // The line at the top of the page says that the service does not answer.
  }
  setTimeout(pollReview, kPollMs);
}

byId("review-card").addEventListener("keydown", onKey);
pollReview();
