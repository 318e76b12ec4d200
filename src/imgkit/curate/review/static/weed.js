// A page of pictures at a time, marked as the probabilities say: a person only changes what is wrong, and one key goes on.

import { KEEP, REJECT, RELABEL } from "./listing.js";
import { announce, fill, h, number } from "./dom.js";
import { leftWords, stopWords } from "./estimate.js";

export const PAGE = 40;
const OUT_FROM = 0.5;
const GLANCE_MS = 120;  // a picture; a page that was confirmed sooner was not looked at

/** What a page does with a picture by default: out for the reason of its check from a probability of a half on. */
export function byDefault(listing, row, probability) {
  if (probability < OUT_FROM) return { action: KEEP };
  const reason = listing.verdict(row) === "k" ? "" : listing.reason(row);
  return { action: REJECT, reason: reason && !reason.startsWith("dup.") ? reason : "user.rejected" };
}

/** Why a picture is marked out: as a person says, as the checks say, or because pictures like it went out. */
export function whyOut(listing, row, { reason, known, probability }) {
  if (reason !== "user.rejected" && reason !== listing.reason(row)) return listing.say(reason);
  if (listing.verdict(row) !== "k" || listing.probability[row] >= OUT_FROM) return known || listing.say(listing.reason(row)) || "";
  return probability >= OUT_FROM ? "like others that went out" : "";
}

/** The rows of the next page among ranked ones: not those that wait for a second look; for confirming only those marked out. */
export function pageOf(mode, { rows, scores }, passes) {
  const page = [];
  for (let n = 0; n < rows.length && page.length < PAGE; n++) {
    if (mode === "confirm" && scores[n] < OUT_FROM) break;
    if (passes(rows[n])) page.push([rows[n], scores[n]]);
  }
  return page;
}

export class WeedView {
  /** @param {import("./main.js").App} app */
  constructor(app) {
    this.app = app;
    this.store = app.store;
    this.pages = [];  // of this session, to show one again after an undo
    this.cells = new Map();
    this.words = h("p.left", { role: "status" });
    this.stop = h("p.stop");
    this.ways = h("div.ways");
    this.board = h("div.board", {
      role: "listbox", tabindex: "0", "aria-multiselectable": "true", "aria-label": "Pictures of this page; those chosen go out",
      onclick: (event) => this.#click(event), ondblclick: (event) => this.#open(event), onmouseover: (event) => { this.hovered = this.#rowOf(event); },
      onmouseleave: () => { this.hovered = -1; },
    });
    this.done = h("div.empty", { hidden: true });
    this.element = h("div.weed", {}, h("header.estimate", {}, h("div", {}, this.words, this.stop), this.ways), this.board, this.done);
    this.#clear();
    app.facts.addEventListener("known", () => { if (app.view === this) this.#captions(); });
  }

  #clear() {
    this.rows = [];
    this.scores = new Map();
    this.choices = new Map();
    this.cursor = 0;
    this.hovered = -1;
  }

  get row() { return this.rows[this.cursor] ?? -1; }
  get looked() { return this.hovered >= 0 ? this.hovered : this.row; }

  enter(mode, { row = -1, back = false } = {}) {
    const same = mode === this.mode && back && this.rows.some((one) => !this.store.decided(one));
    this.mode = mode;
    this.#estimate();
    if (row >= 0 && this.#showPast(row)) return;
    if (same) { this.#show(this.rows.filter((one) => !this.store.decided(one)), row); return; }
    this.#clear();
    this.#next();
  }

  leave() { this.asked = null; }
  progress() { return { open: this.store.ranked?.waiting ?? 0, all: this.store.listing.rows }; }
  advice() { return ""; }
  timeLeft() { return ""; }

  /** Forget pages whose rows mean other pictures now. */
  forget() { this.pages = []; this.#clear(); }

  async #next() {
    const asked = this.asked = {};
    this.element.classList.add("waiting");
    const whole = this.app.isFiltered || this.mode === "confirm";
    const found = await this.store.rank(whole ? {} : { first: 2 * PAGE + this.store.marks.unsureCount() });
    if (this.asked !== asked || this.app.view !== this) return;
    this.element.classList.remove("waiting");
    this.#estimate();
    const passes = (row) => !this.store.marks.unsure[row] && !this.store.decided(row) && this.app.passes(row);
    const page = found ? pageOf(this.mode, found, passes) : [];
    this.scores = new Map(page);
    this.choices = new Map(page.map(([row, score]) => [row, byDefault(this.store.listing, row, score)]));
    this.#show(page.map(([row]) => row));
    if (found) for (const row of found.rows.slice(PAGE, 2 * PAGE)) new Image().src = this.store.listing.thumb(row, 192);
    announce(page.length ? `${page.length} pictures, ${this.#out().length} marked out. ${this.words.textContent}` : this.words.textContent);
  }

  #show(rows, at = -1) {
    this.rows = rows;
    this.cursor = Math.max(0, rows.indexOf(at));
    this.shownAt = performance.now();
    this.cells.clear();
    this.board.hidden = !rows.length;
    this.done.hidden = rows.length > 0;
    fill(this.board, rows.map((row, n) => this.#cell(row, n)));
    this.board.scrollTop = 0;
    if (rows.length) this.board.focus({ preventScroll: true }); else this.#nothingLeft();
    this.refresh();
    this.app.facts.want(rows);
  }

  #cell(row, n) {
    const image = h("img", { src: this.store.listing.thumb(row, 384), alt: "", decoding: "async", draggable: "false" });
    const parts = { mark: h("span.mark", { "aria-hidden": "true" }), name: h("span.name"), why: h("span.why") };
    const copies = this.store.listing.isCopy(row) ? this.store.listing.members[this.store.listing.group[row]].length - 1 : 0;
    const element = h("div.pick", { role: "option", id: `pick-${n}`, "data-row": row }, image, parts.mark,
      copies ? h("span.copies", { title: "What is decided holds for its copies" }, `+${copies}`) : null, h("div.words", {}, parts.name, parts.why));
    this.cells.set(row, { element, ...parts });
    return element;
  }

  #captions() { for (const row of this.cells.keys()) this.#paint(row); }

  #paint(row) {
    const { element, mark, name, why } = this.cells.get(row), { listing } = this.store;
    const { action, reason = "", to = -1 } = this.choices.get(row);
    const kind = { [KEEP]: "", [REJECT]: "reject", [RELABEL]: "relabel" }[action];
    element.dataset.kind = kind;
    element.setAttribute("aria-selected", String(action !== KEEP));
    element.classList.toggle("cursor", this.rows[this.cursor] === row);
    const label = this.store.labelName(this.store.labelOf(row));
    name.textContent = action === RELABEL ? `→ ${this.store.labelName(to)}` : label;
    const known = this.app.facts.of(row)?.why ?? "";
    why.textContent = action === REJECT ? whyOut(listing, row, { reason, known, probability: this.scores.get(row) ?? 0 }) : "";
    mark.textContent = { reject: "✕", relabel: "→" }[kind] ?? "";
    element.title = [label, known, `${Math.round(100 * (this.scores.get(row) ?? 0))} % likely wrong`].filter(Boolean).join("\n");
    element.setAttribute("aria-label", [label, action === KEEP ? "kept" : action === REJECT ? "out" : name.textContent, why.textContent].filter(Boolean).join(", "));
  }

  #estimate() {
    const { remaining = null, out = 0 } = this.store.ranked ?? {};
    this.words.textContent = remaining ? leftWords(remaining) : "…";
    this.stop.textContent = remaining ? stopWords(remaining) : "";
    this.stop.dataset.stop = String(Boolean(remaining?.stop));
    fill(this.ways,
      this.mode === "weed" ? h("button.quiet", { onclick: () => this.app.open("uncertain") }, "Uncertain ones, one by one") : h("button.quiet", { onclick: () => this.app.open("weed") }, "Back to pages"),
      out && this.mode === "weed" ? h("button.quiet", { onclick: () => this.app.open("confirm") }, `Confirm the ${number(out)} that would go out`) : null);
  }

  #out() { return this.rows.filter((row) => this.choices.get(row).action !== KEEP); }

  refresh() {
    for (const row of this.rows) this.#paint(row);
    this.board.setAttribute("aria-activedescendant", `pick-${this.cursor}`);
    const out = this.rows.length ? this.#out().length : 0, kept = this.rows.length - out;
    this.app.showActions([
      { name: "undo", text: "Undo", kind: "quiet", off: !this.store.done.length },
      { name: "similar", text: "More like this", kind: "look", off: !this.rows.length },
      { name: "relabel", text: "Label…", kind: "relabel", off: !this.rows.length },
      { name: "accept", text: `${number(out)} out, ${number(kept)} kept`, title: "Confirm the page", kind: "keep", off: !this.rows.length },
    ]);
  }

  #nothingLeft() {
    const { remaining = null } = this.store.ranked ?? {};
    const title = this.app.isFiltered ? "No picture passes the filter" : this.mode === "confirm" ? "Nothing more would go out" : "Every picture was shown";
    fill(this.done, h("h2", {}, title), remaining ? [h("p", {}, leftWords(remaining)), h("p", {}, stopWords(remaining))] : null,
      h("div.row", {}, this.mode === "confirm" && remaining?.unseen ? h("button", { onclick: () => this.app.open("weed") }, "Go on with pages") : null, this.app.nextModeButton("weed")));
  }

  // what a person does

  #rowOf(event) {
    const element = event.target.closest(".pick");
    return element ? Number(element.dataset.row) : -1;
  }

  #click(event) {
    const row = this.#rowOf(event);
    if (row < 0) return;
    this.cursor = this.rows.indexOf(row);
    this.#toggle(row);
  }

  #open(event) {
    const row = this.#rowOf(event);
    if (row < 0) return;
    this.#toggle(row);
    this.app.open("suspects", { row, aside: true });
  }

  #toggle(row) {
    const out = this.choices.get(row).action !== KEEP;
    const otherwise = byDefault(this.store.listing, row, 1);
    this.#choose(row, out ? { action: KEEP } : otherwise);
  }

  #choose(row, choice) {
    this.choices.set(row, choice);
    this.refresh();
    announce(choice.action === KEEP ? "kept" : "out");
    return true;
  }

  act(name, event = null) {
    if (this.element.classList.contains("waiting")) return ["keep", "reject", "accept", "keep_page"].includes(name);
    const row = this.row;
    if (row < 0) return name === "accept" ? (this.done.querySelector("button")?.click(), true) : false;
    switch (name) {
      case "next": return this.#step(event?.key === "ArrowDown" ? this.#columns() : 1);
      case "previous": return this.#step(event?.key === "ArrowUp" ? -this.#columns() : -1);
      case "first": return this.#step(-this.rows.length);
      case "last": return this.#step(this.rows.length);
      case "keep": this.#toggle(row); return true;
      case "reject": return this.#choose(row, byDefault(this.store.listing, row, 1));
      case "reject_as": this.app.askReason(this.board, (reason) => this.#choose(row, { action: REJECT, reason })); return true;
      case "relabel": this.app.askLabel(this.store.labelOf(row), (to) => this.#choose(row, to === this.store.labelOf(row) ? { action: KEEP } : { action: RELABEL, to })); return true;
      case "unsure": this.app.mark(row, this.mode, 0); this.#show(this.rows.filter((one) => one !== row), this.rows[this.cursor + 1]); return true;
      case "accept": case "keep_page": return this.#confirm();
      case "select_all": for (const one of this.rows) this.choices.set(one, byDefault(this.store.listing, one, 1)); this.refresh(); return true;
      case "zoom": case "single": this.app.open("suspects", { row, aside: true }); return true;
      case "compare": this.app.open("duplicates", { row, aside: true }); return true;
      default: {
        const reason = this.app.reasonOf(name);
        if (reason) return this.#choose(row, { action: REJECT, reason });
        const digit = /^label([1-9])$/.exec(name);
        if (!digit || Number(digit[1]) > this.store.labels.length) return false;
        return this.#choose(row, { action: RELABEL, to: Number(digit[1]) - 1 });
      }
    }
  }

  /** All of the page in one action: one undo takes it back. */
  #confirm() {
    const changes = this.rows.map((row) => {
      const choice = this.choices.get(row);
      return choice.action === RELABEL && choice.to === this.store.listing.label[row] ? { action: KEEP, rows: [row] } : { ...choice, rows: [row] };
    });
    const looked = performance.now() - this.shownAt;
    this.pages.push({ rows: [...this.rows], choices: new Map(this.choices), scores: new Map(this.scores) });
    this.app.decide({ mode: this.mode, row: this.rows[0], changes, dwell: looked / this.rows.length < GLANCE_MS ? 1 : looked });
    this.#next();
    return true;
  }

  #columns() {
    const tops = this.rows.map((row) => this.cells.get(row).element.offsetTop);
    return Math.max(1, tops.filter((top) => top === tops[0]).length);
  }

  #step(steps) {
    const before = this.row;
    this.cursor = Math.min(this.rows.length - 1, Math.max(0, this.cursor + steps));
    if (before >= 0) this.#paint(before);
    this.#paint(this.row);
    this.board.setAttribute("aria-activedescendant", `pick-${this.cursor}`);
    this.cells.get(this.row).element.scrollIntoView({ block: "nearest" });
    return true;
  }

  #showPast(row) {
    const at = this.pages.findLastIndex(({ rows }) => rows.includes(row));
    if (at < 0) return false;
    const [{ rows, choices, scores }] = this.pages.splice(at);
    this.asked = null;
    this.element.classList.remove("waiting");
    this.choices = choices;
    this.scores = scores;
    this.#show(rows, row);
    this.#recount();
    return true;
  }

  /** Ask how many wrong ones are left now; the page stays as it is. */
  async #recount() {
    const asked = this.asked = {};
    await this.store.rank({ first: 1 });
    if (this.asked === asked && this.app.view === this) this.#estimate();
  }

  /** After an undo: the page as it was. */
  reveal(row) {
    if (this.#showPast(row)) return true;
    this.#clear();
    this.#next();
    return true;
  }
}

