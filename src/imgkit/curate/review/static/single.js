// One picture after the other: suspects, labels, second look.

import { KEEP, REJECT, RELABEL } from "./listing.js";
import { announce, cap, fill, h, number, span, toast } from "./dom.js";
import { leftWords, stopWords } from "./estimate.js";
import { Panel, markWords, sentence } from "./panel.js";
import { Stage } from "./stage.js";
import { isOpen, resorted, rowsOf } from "./queue.js";

const LAST_WATCHED = 50;
const FEW_BAD = 0.1;
const LEARN_EVERY = 10;  // decisions

export class SingleView {
  /** @param {import("./main.js").App} app */
  constructor(app) {
    this.app = app;
    this.store = app.store;
    this.rows = [];
    this.position = -1;
    this.stage = new Stage(app.pictures, app.store, {
      swipe: (direction) => this.act({ right: "keep", left: "reject", up: "unsure" }[direction]),
      twoFingerTap: () => app.act("undo"),
      painted: () => this.#settled(),
    });
    this.panel = new Panel(app.store, app.facts);
    this.heading = h("div.heading");
    this.done = h("div.empty", { hidden: true });
    this.element = h("div.single", {}, h("div.middle", {}, this.heading, this.stage.element, this.done), this.panel.element);
  }

  get row() { return this.rows[this.position] ?? -1; }

  enter(mode, { row = -1 } = {}) {
    this.mode = mode;
    this.#ranked();
    this.rows = rowsOf(mode, this.store, this.app.filter);
    const wanted = row >= 0 ? this.rows.indexOf(row) : -1;
    if (row >= 0 && wanted < 0) { this.rows.unshift(row); this.#goTo(0); return; }
    this.#goTo(wanted >= 0 ? wanted : this.#nextOpen(-1));
  }

  leave() { this.stage.show(-1); }

  /** The most uncertain first needs to know how likely each is wrong; what is left, how many wrong ones are. */
  async #ranked() {
    const asked = this.asked = {};
    const before = this.store.learnt;
    if (!(await this.store.learn()) || this.asked !== asked || this.app.view !== this) return;
    if (this.mode === "uncertain" && (!before.size || this.row < 0)) {
      this.rows = rowsOf(this.mode, this.store, this.app.filter);
      this.#goTo(this.#nextOpen(-1));
    } else if (this.row < 0) this.#nothingLeft();
  }

  /** Rows that wait, and rows in all, for the progress bar. */
  progress() {
    const open = this.rows.reduce((sum, row) => sum + isOpen(this.mode, this.store, row), 0);
    return { open, all: this.rows.length };
  }

  #nextOpen(position) {
    for (let n = position + 1; n < this.rows.length; n++) if (isOpen(this.mode, this.store, this.rows[n])) return n;
    for (let n = 0; n < position; n++) if (isOpen(this.mode, this.store, this.rows[n])) return n;
    return -1;
  }

  #goTo(position) {
    this.position = position;
    const row = this.row;
    this.stage.element.hidden = row < 0;
    this.done.hidden = row >= 0;
    this.stage.show(row);
    if (row < 0) this.#nothingLeft();
    this.refresh();
  }

  #nothingLeft() {
    this.heading.replaceChildren();
    const any = this.rows.length > 0, { remaining = null } = this.store.ranked ?? {};
    const clean = any && Boolean(remaining?.stop);
    const title = !any ? "Nothing here" : clean ? "All done here" : "Nothing waits here";
    fill(this.done,
      clean ? h("div.big", { "aria-hidden": "true" }, "✓") : null,
      h("h2", {}, title),
      h("p", {}, any ? `${number(this.rows.length)} pictures decided.` : this.app.isFiltered ? "No picture passes the filter." : "No check has found anything of this kind."),
      remaining ? [h("p", {}, leftWords(remaining)), h("p", {}, stopWords(remaining))] : null,
      h("div.row", {}, remaining && !clean ? h("button.primary", { onclick: () => this.app.open("weed") }, "Go on: Weed") : this.app.nextModeButton(this.mode)));
    announce(title);
  }

  /** What belongs to the picture at once; the rest may wait until after the frame with the picture. */
  refresh() {
    const row = this.row;
    this.app.showActions(this.#actions(row));
    if (row < 0) { this.panel.show(row); return; }
    const { kind, text } = markWords(this.store, row);
    this.stage.mark(kind, text);
    this.#heading(row);
    this.app.afterPaint(() => {
      if (this.row !== row) return;
      this.panel.show(row);
      this.stage.element.setAttribute("aria-label", this.#spoken(row));
      this.app.facts.wantAround(this.rows, this.position);
    });
  }

  #settled() {
    const next = (row) => !this.app.advances || isOpen(this.mode, this.store, row);
    this.stage.prefetch(this.rows, this.position, next);
  }

  #spoken(row) {
    const { text } = markWords(this.store, row);
    const why = this.store.listing.reason(row);
    return [this.store.labelName(this.store.labelOf(row)), why && this.store.listing.say(why), text].filter(Boolean).join(", ");
  }

  #heading(row) {
    const { listing } = this.store;
    const label = this.store.labelOf(row), moved = label !== listing.label[row];
    const suggestion = this.#suggestion(row);
    fill(this.heading,
      h("span.label", {}, this.store.labelName(label)),
      moved ? h("span.was", {}, `was ${this.store.labelName(listing.label[row])}`) : null,
      suggestion.action === RELABEL && !moved ? h("span.maybe", {}, `or ${this.store.labelName(suggestion.to)}?`) : null,
      h("span.place", {}, `${number(this.position + 1)} of ${number(this.rows.length)}`));
  }

  /** What Enter does: the other label where one fits better, else what the checks advise. */
  #suggestion(row) {
    const { listing } = this.store;
    const to = listing.suggested[row];
    if (to >= 0 && to !== this.store.labelOf(row)) return { action: RELABEL, to, words: this.store.labelName(to) };
    const reason = listing.reason(row);
    if (listing.verdict(row) === "k" || !reason) return { action: KEEP, words: "Keep" };
    return { action: REJECT, reason, words: "Reject" };
  }

  #actions(row) {
    if (row < 0) return [];
    const suggestion = this.#suggestion(row);
    const relabels = suggestion.action === RELABEL;
    return [
      { name: "undo", text: "Undo", kind: "quiet", off: !this.store.done.length },
      { name: "reject", text: "Reject", kind: "reject" },
      { name: "unsure", text: "Unsure", kind: "unsure", wide: true },
      { name: "relabel", text: "Label…", kind: "relabel", wide: relabels },
      relabels ? { name: "accept", text: suggestion.words, kind: "relabel", title: `It is ${suggestion.words}` } : null,
      { name: "keep", text: "Keep", kind: "keep" },
    ].filter(Boolean);
  }

  act(name) {
    const row = this.row;
    switch (name) {
      case "keep": return this.decide({ action: KEEP });
      case "reject": return this.decide({ action: REJECT, reason: this.#ownReason() });
      case "accept": return row < 0 ? true : this.decide(this.#suggestion(row));
      case "reject_as": return this.#painted((one) => this.app.askReason(this.stage.element, (reason) => this.decide({ action: REJECT, reason }, one)));
      case "relabel": return this.#painted((one) => this.app.askLabel(this.store.labelOf(one), (to) => this.decide({ action: RELABEL, to }, one)));
      case "repeat": return this.app.lastChoice ? this.decide(this.app.lastChoice) : true;
      case "unsure": return this.#painted((one) => { this.app.mark(one, this.mode, this.stage.dwell); this.#onwards(); });
      case "next": return this.#move(1);
      case "previous": return this.#move(-1);
      case "page_down": return this.#move(10);
      case "page_up": return this.#move(-10);
      case "first": return this.#move(-this.rows.length);
      case "last": return this.#move(this.rows.length);
      case "zoom": this.stage.toggleZoom(); return true;
      case "lock_zoom": toast(this.stage.toggleLock() ? "Zoom stays for the next picture" : "Zoom starts afresh with each picture"); return true;
      case "square": this.stage.toggleSquare(); return true;
      case "compare": return this.#compare(row);
      default: {
        const reason = this.app.reasonOf(name);
        if (reason) return this.decide({ action: REJECT, reason });
        const digit = /^label([1-9])$/.exec(name);
        if (!digit || Number(digit[1]) > this.store.labels.length) return false;
        return this.decide({ action: RELABEL, to: Number(digit[1]) - 1 });
      }
    }
  }

  #ownReason() {
    const reason = this.row >= 0 ? this.store.listing.reason(this.row) : "";
    return reason && this.store.listing.verdict(this.row) !== "k" ? reason : "user.rejected";
  }

  #compare(row) {
    if (row < 0 || !this.store.listing.isCopy(row)) { toast("This picture has no copies"); return true; }
    this.app.open("duplicates", { group: this.store.listing.group[row] });
    return true;
  }

  /** Run `then` with the painted row; a key that came before the picture is not about it. */
  #painted(then) {
    const row = this.stage.painted;
    if (row < 0 || row !== this.row) { if (this.row >= 0) this.app.tooEarly(); return true; }
    then(row);
    return true;
  }

  /** Decide about the painted picture, or about the one that a dialog was opened for. */
  decide(choice, asked = null) {
    const decide = (row) => {
      const change = choice.action === RELABEL && choice.to === this.store.listing.label[row] ? { action: KEEP } : choice;
      this.app.decide({ mode: this.mode, row, changes: [{ ...change, rows: [row] }], dwell: this.stage.dwell });
      this.#learn();
      if (row === this.row) this.#onwards(); else this.refresh();
    };
    if (asked === null) return this.#painted(decide);
    decide(asked);
    return true;
  }

  /** Now and then, put what still waits in the order that the decisions suggest. */
  async #learn() {
    this.unlearnt = (this.unlearnt ?? 0) + 1;
    if (!["suspects", "uncertain"].includes(this.mode) || this.unlearnt < LEARN_EVERY) return;
    this.unlearnt = 0;
    const { rows } = this;
    if (!(await this.store.learn()) || this.rows !== rows) return;
    this.rows = resorted(this.mode, this.store, rows, this.position);
    if (this.row >= 0) { this.#heading(this.row); this.#settled(); }
  }

  #onwards() {
    if (!this.app.advances) { this.refresh(); return; }
    this.#goTo(this.#nextOpen(this.position));
  }

  #move(steps) {
    if (!this.rows.length) return true;
    const from = this.position < 0 ? (steps > 0 ? -1 : this.rows.length) : this.position;
    this.#goTo(Math.min(this.rows.length - 1, Math.max(0, from + steps)));
    return true;
  }

  /** After an undo or redo: show the picture that it is about. */
  reveal(row) {
    const position = this.rows.indexOf(row);
    if (position < 0) return false;
    this.#goTo(position);
    return true;
  }

  /** A remark when the rest is hardly worth looking at. */
  advice() {
    const decided = this.rows.filter((row) => this.store.decided(row));
    const { open } = this.progress();
    if (decided.length < LAST_WATCHED || open < LAST_WATCHED) return "";
    const recent = this.store.done.slice(-LAST_WATCHED).filter(({ mode, kind }) => mode === this.mode && kind === "decide");
    if (recent.length < LAST_WATCHED) return "";
    const bad = recent.filter(({ row }) => this.store.marks.action[row] !== KEEP).length;
    if (bad / recent.length >= FEW_BAD) return "";
    return `${bad} of the last ${LAST_WATCHED} were bad: the grid is quicker for the rest`;
  }

  timeLeft() {
    const pace = this.store.pace();
    return pace ? span((60 * this.progress().open) / pace) : "";
  }
}

export { sentence };
