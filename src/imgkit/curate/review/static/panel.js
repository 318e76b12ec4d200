// What is known about the picture on the stage: why it is here, what it looks like, where it came from.

import { RELABEL } from "./listing.js";
import { bytes, fill, h, number, percent } from "./dom.js";
import { get } from "./server.js";

const KEPT = 600;
const AHEAD = 16;
const EXAMPLES = 6;
const COPIES = 12;
const EXAMPLES_MS = 60_000;

/** Facts by row, fetched ahead in batches. */
export class Facts extends EventTarget {
  constructor(store) {
    super();
    this.store = store;
    this.known = new Map();
    this.asked = new Set();
  }

  of(row) { return this.known.get(row) ?? null; }

  async want(rows) {
    const missing = rows.filter((row) => row >= 0 && !this.known.has(row) && !this.asked.has(row)).slice(0, 64);
    if (!missing.length) return;
    for (const row of missing) this.asked.add(row);
    try {
      const { items } = await get(`/api/items?of=${missing.map((row) => this.store.listing.ref(row)).join(",")}`);
      const byRef = new Map(missing.map((row) => [this.store.listing.ref(row), row]));
      for (const item of items) this.known.set(byRef.get(item.item), item);
      for (const row of [...this.known.keys()].slice(0, Math.max(0, this.known.size - KEPT))) this.known.delete(row);
      this.dispatchEvent(new Event("known"));
    } catch { /* shown when the server is back */ }
    for (const row of missing) this.asked.delete(row);
  }

  /** Ask for a row at once, and for those that follow in good time. */
  wantAround(rows, position) {
    if (this.known.has(rows[position]) && this.known.has(rows[Math.min(position + 4, rows.length - 1)])) return;
    this.want(rows.slice(position, position + AHEAD));
  }

  clear() { this.known.clear(); }
}

/** Up to six pictures that a label's name should bring to mind: confirmed by a person first. */
export function examples(store, label, except) {
  const { listing } = store;
  const confirmed = [], plain = [];
  for (let row = 0; row < listing.rows && confirmed.length < EXAMPLES; row++) {
    if (row === except || store.labelOf(row) !== label || !store.kept(row)) continue;
    if (store.decided(row)) confirmed.push(row);
    else if (plain.length < EXAMPLES && !listing.isSuspect(row)) plain.push(row);
  }
  return [...confirmed, ...plain].slice(0, EXAMPLES);
}

export class Panel {
  constructor(store, facts) {
    this.store = store;
    this.facts = facts;
    this.row = -1;
    this.labelExamples = new Map();
    this.why = h("section.why", { "aria-label": "Why this picture is here" });
    this.copies = h("section.copystrip", { "aria-label": "Its copies" });
    this.likeness = h("section.likeness", { "aria-label": "What it looks like" });
    this.compare = h("section.examples", { "aria-label": "Examples of the labels" });
    this.origin = h("section.origin", { "aria-label": "Where it came from" });
    const unfold = (event) => {  // on a narrow screen there is room for its head only
      if (matchMedia("(max-width: 700px)").matches && !event.target.closest("a")) document.body.classList.toggle("turned");
    };
    this.element = h("aside.panel", { "aria-label": "About this picture", onclick: unfold }, this.why, this.copies, this.likeness, this.compare, this.origin);
    facts.addEventListener("known", () => this.show(this.row));
  }

  show(row) {
    this.row = row;
    if (row < 0) { for (const part of [this.why, this.copies, this.likeness, this.compare, this.origin]) fill(part); return; }
    const facts = this.facts.of(row);
    this.#why(row, facts);
    this.#copies(row);
    this.#likeness(row, facts);
    this.#examples(row);
    this.#origin(row, facts);
  }

  #why(row, facts) {
    const { listing } = this.store;
    const reason = listing.reason(row);
    const head = reason ? sentence(listing.say(reason)) : "Nothing was found against it";
    fill(this.why,
      h("h2", {}, head),
      facts?.detail && suggestion(facts)?.check !== listing.checks[listing.check[row]] ? h("p.detail", {}, facts.detail) : null,
      facts ? h("div.chips", {}, facts.findings.map((one) => this.#finding(one))) : null);
  }

  #finding({ check, score, threshold }) {
    const over = score >= threshold;
    const text = `${this.store.listing.title(check)} ${shortScore(score)}`;
    return h("span.chip", { class: over ? "over" : "", title: `score ${score}, taken for bad from ${threshold}` }, text);
  }

  /** The copies that go the way of the picture, beside the reason that is about all of them. */
  #copies(row) {
    const { listing } = this.store;
    const others = listing.isCopy(row) ? listing.members[listing.group[row]].filter((one) => one !== row) : [];
    if (!others.length) { fill(this.copies); return; }
    fill(this.copies, h("h3", {}, others.length === 1 ? "Its copy" : `Its ${number(others.length)} copies`),
      h("div.thumbs", {}, others.slice(0, COPIES).map((one) => h("img", {
        src: listing.thumb(one, 192), alt: this.store.labelName(this.store.labelOf(one)), loading: "lazy", decoding: "async",
        title: [this.store.labelName(this.store.labelOf(one)), listing.reason(one) && listing.say(listing.reason(one))].filter(Boolean).join("\n"),
      }))));
  }

  #likeness(row, facts) {
    const finding = suggestion(facts);
    if (!finding) { fill(this.likeness); return; }
    const own = this.store.labelName(this.store.listing.label[row]);
    const other = this.#nameOf(finding.detail.suggested);
    fill(this.likeness, h("h3", {}, "What it looks like"),
      bar(other, finding.detail.probability, "suggested"), bar(own, finding.detail.own_probability, "own"));
  }

  #nameOf(slug) { return this.store.labels.find(([one]) => one === slug)?.[1] ?? slug; }

  #examples(row) {
    const labels = [this.store.labelOf(row), this.store.listing.suggested[row]].filter((one, n, all) => one >= 0 && all.indexOf(one) === n);
    const parts = labels.map((label) => this.#examplesOf(label));
    if (parts.length === this.compare.children.length && parts.every((part, n) => part === this.compare.children[n])) return;
    this.compare.replaceChildren(...parts);
  }

  /** The examples of a label, kept with their decoded pictures for a while. */
  #examplesOf(label) {
    const kept = this.labelExamples.get(label);
    if (kept && performance.now() - kept.at < EXAMPLES_MS) return kept.element;
    const { listing } = this.store, rows = examples(this.store, label, this.row);
    const image = (one) => h("img", { src: listing.thumb(one, 192), alt: "", loading: "lazy", decoding: "async" });
    const element = h("div", { hidden: !rows.length }, h("h3", {}, `Examples of ${this.store.labelName(label)}`), h("div.thumbs", {}, rows.map(image)));
    this.labelExamples.set(label, { at: performance.now(), element });
    return element;
  }

  #origin(row, facts) {
    if (!facts) { fill(this.origin); return; }
    const source = facts.source;
    const rows = [
      ["Size", `${number(facts.width)} × ${number(facts.height)} px, ${bytes(facts.bytes)}`],
      source && ["Found by", `${source.provider}, no. ${number(source.rank)}`],
      source?.query && ["Query", source.query],
      source?.title && ["Title", source.title],
      source?.author && ["Author", source.author],
      source && ["Licence", source.license || "unknown"],
    ].filter(Boolean);
    fill(this.origin, h("h3", {}, "Where it came from"),
      h("dl", {}, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
      source?.page ? h("a", { href: source.page, target: "_blank", rel: "noopener noreferrer" }, source.host || "its page", " ↗") : null);
  }
}

/** What is in force, in words, for badges and announcements. */
export function markWords(store, row) {
  const { action, reason, to, unsure } = store.marks.get(row);
  if (action === RELABEL) return { kind: "relabel", text: `→ ${store.labelName(to)}${alongWith(store, row)}` };
  if (action === 1) return { kind: "keep", text: "Kept" };
  if (action === 2) return { kind: "reject", text: `${rejectedFor(store, reason)}${alongWith(store, row)}` };
  const { by, state, label, reason: followed, of } = store.outcome(row);
  if (by === "person" && of >= 0) {
    return state === "reject" ? { kind: "reject", text: `${rejectedFor(store, followed)}, with a copy of it` }
      : { kind: "relabel", text: `→ ${store.labelName(label)}, with a copy of it` };
  }
  return unsure ? { kind: "unsure", text: "Unsure" } : { kind: "", text: "" };
}

const rejectedFor = (store, reason) => (reason && reason !== "user.rejected" ? `Rejected: ${store.listing.say(reason)}` : "Rejected");

/** How many copies go the way of a picture: ", with 2 copies". */
function alongWith(store, row) {
  const count = store.copiesThatFollow(row);
  return count ? `, with ${number(count)} ${count === 1 ? "copy" : "copies"}` : "";
}

/** The finding that says which label fits better, with the probabilities of both. */
const suggestion = (facts) => facts?.findings.find(({ detail }) => detail.suggested && detail.probability !== undefined);

function bar(name, share, kind) {
  const filled = h("span.filled");
  filled.style.width = `${Math.round(100 * (share ?? 0))}%`;
  return h("div.bar", { class: kind }, h("span.name", {}, name), h("span.track", { "aria-hidden": "true" }, filled),
    h("span.share", {}, percent(share ?? 0)));
}

export const sentence = (text) => (text ? text[0].toUpperCase() + text.slice(1) : "");
const shortScore = (score) => (score >= 10 ? String(Math.round(score)) : score.toFixed(2).replace(/\.?0+$/, ""));
