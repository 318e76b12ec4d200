// The audit: a blind random sample of what is kept, with known bad pictures in between, and what it says.

import { KEEP, REJECT, RELABEL } from "./listing.js";
import { announce, fill, h, number, percent, span, toast } from "./dom.js";
import { Stage } from "./stage.js";

const SECONDS_EACH = 1.2;

export class AuditView {
  /** @param {import("./main.js").App} app */
  constructor(app) {
    this.app = app;
    this.store = app.store;
    this.position = -1;
    this.given = new Map();  // question to our answer, until the server has counted it
    this.stage = new Stage(app.pictures, app.store, {
      swipe: (direction) => this.act({ right: "keep", left: "reject", up: "unsure" }[direction]),
      twoFingerTap: () => app.act("undo"),
      painted: () => this.stage.prefetch(this.rows, this.position, (row) => this.rows.indexOf(row) > this.position),
    });
    this.heading = h("div.heading");
    this.card = h("div.card");
    this.track = h("div.looks", { "aria-hidden": "true" });
    this.element = h("div.audit", {}, h("div.middle", {}, this.heading, this.stage.element, this.track), this.card);
    this.store.addEventListener("answered", () => { if (app.view === this) this.store.refreshAudit(); });
    this.store.addEventListener("audit", () => { if (app.view === this) this.#counted(); });
  }

  get audit() { return this.store.audit; }
  get rows() { return this.audit?.rows ?? []; }

  enter(_, { row = -1 } = {}) {
    this.given.clear();
    const position = row >= 0 ? this.rows.indexOf(row) : -1;
    this.reading = false;
    this.#goTo(position >= 0 ? position : this.#nextOpen(-1));
  }

  leave() { this.stage.show(-1); }
  advice() { return ""; }

  timeLeft() {
    const pace = this.store.pace(), look = this.#nextLook();
    return pace && look ? span((60 * (look[1] - this.#answeredCount())) / pace) : "";
  }

  progress() { return { open: this.rows.length - this.#answeredCount(), all: this.rows.length }; }

  #answer(position) { return this.given.get(position) ?? this.audit?.answers[position] ?? ""; }
  #answeredCount() { return this.rows.reduce((sum, _, n) => sum + (this.#answer(n) !== ""), 0); }

  #nextOpen(position) {
    for (let n = position + 1; n < this.rows.length; n++) if (!this.#answer(n)) return n;
    for (let n = 0; n < position; n++) if (!this.#answer(n)) return n;
    return -1;
  }

  #lastLook() {
    const answered = this.#answeredCount();
    return (this.audit?.looks ?? []).filter(([, questions]) => questions <= answered).at(-1) ?? null;
  }

  #nextLook() {
    const answered = this.#answeredCount();
    return (this.audit?.looks ?? []).find(([, questions]) => questions > answered) ?? null;
  }

  #goTo(position) {
    this.position = position;
    const asking = position >= 0 && !this.reading;
    this.stage.element.hidden = !asking;
    this.stage.show(asking ? this.rows[position] : -1);
    this.refresh();
  }

  refresh() {
    const asking = this.position >= 0 && !this.reading;
    fill(this.heading, asking ? [
      h("span.ask", {}, "Is this a usable photo of"),
      h("span.label", {}, this.store.labelName(this.store.listing.label[this.rows[this.position]])), h("span.ask", {}, "?"),
    ] : null);
    if (asking) this.stage.element.setAttribute("aria-label", `Is this a usable photo of ${this.store.labelName(this.store.listing.label[this.rows[this.position]])}?`);
    this.#tracks();
    this.#card();
    this.app.showActions(asking ? [
      { name: "undo", text: "Undo", kind: "quiet", off: !this.store.done.length },
      { name: "reject", text: "No", kind: "reject" },
      { name: "unsure", text: "Unsure", kind: "unsure" },
      { name: "relabel", text: "It is…", kind: "relabel" },
      { name: "keep", text: "Yes", kind: "keep" },
    ] : []);
  }

  #tracks() {
    const looks = this.audit?.looks ?? [], answered = this.#answeredCount();
    const end = looks.at(-1)?.[1] ?? 0;
    if (!end) { fill(this.track); return; }
    const filled = h("span.filled");
    filled.style.width = `${(100 * answered) / end}%`;
    fill(this.track, filled, looks.map(([sampled, questions]) => {
      const tick = h("span.tick", { class: questions <= answered ? "reached" : "" }, number(sampled));
      tick.style.left = `${(100 * questions) / end}%`;
      return tick;
    }));
  }

  #card() {
    this.card.hidden = false;
    if (!this.audit) { this.#invitation(); return; }
    const next = this.#nextLook(), result = this.audit.result;
    const open = next ? next[1] - this.#answeredCount() : 0;
    fill(this.card, result ? this.#result(result) : [
      h("h2", {}, "The result stays hidden for now"),
      h("p", {}, `It is shown after ${number(next?.[0] ?? 0)} pictures, so that nobody stops just when it looks good.`),
      h("p.small", {}, "Yes: a photo that shows what the label says. No: anything else. Unsure counts neither way.")],
    next ? h("p.small", {}, `${number(open)} more until ${result ? "the next" : "the first"} result, about ${span(open * SECONDS_EACH)}.`) : h("p.small", {}, "The whole sample was looked at."),
    this.reading && this.position >= 0 ? h("button.primary", { onclick: () => { this.reading = false; this.#goTo(this.position); } }, `Go on to ${number(next?.[0] ?? 0)}`) : null,
    result ? h("button.quiet", { onclick: () => this.#start() }, "New audit with a fresh sample") : null,
    result ? h("button.quiet", { onclick: () => this.app.open("overview") }, "To the overview") : null);
  }

  #invitation() {
    fill(this.card,
      h("h2", {}, "How much noise is left?"),
      h("p", {}, "Look at a random sample of the pictures that are kept and that nobody has looked at. You see no scores and no suggestions."),
      h("p", {}, "Some pictures that you rejected before come back in between: they show how sharp the eye is today."),
      h("p", {}, `100 pictures take about ${span(100 * SECONDS_EACH)}. The result comes with its 95 % interval.`),
      h("button.primary", { onclick: () => this.#start() }, "Start the audit"));
    this.app.showActions([]);
  }

  async #start() {
    try {
      await this.store.startAudit();
      this.given.clear();
      this.reading = false;
      this.#goTo(this.#nextOpen(-1));
    } catch (error) { toast(error.message, { kind: "error", seconds: 6 }); }
  }

  #result(result) {
    const noise = result.noise_left;
    return [
      h("h2", {}, "Noise left in the set"),
      h("p.figure", {}, h("strong", {}, percent(noise.value)), h("span", {}, ` between ${percent(noise.low)} and ${percent(noise.high)}`)),
      intervalBar(noise),
      h("dl", {},
        h("dt", {}, "Looked at"), h("dd", {}, `${number(result.sampled)} of ${number(result.unseen)} unseen pictures`),
        h("dt", {}, "Bad among them"), h("dd", {}, `${number(result.bad)}, now out`),
        result.unsure ? [h("dt", {}, "Unsure"), h("dd", {}, number(result.unsure))] : null,
        h("dt", {}, "Known bad ones found"), h("dd", {}, result.trials ? `${result.trials_found} of ${result.trials}` : "none to try yet"),
        result.corrected !== null && result.trials_found < result.trials ? [h("dt", {}, "With that in mind"), h("dd", {}, `about ${percent(result.corrected)}`)] : null),
      result.bad === 0 ? h("p.small", {}, "None found does not mean none left: the upper end of the interval says how many there may be.") : null,
    ];
  }

  act(name) {
    if (this.reading || this.position < 0) {
      if (name === "accept" || name === "keep") { this.card.querySelector("button.primary")?.click(); return true; }
      return ["next", "previous", "reject", "unsure", "relabel"].includes(name);
    }
    switch (name) {
      case "keep": return this.#say("keep", [{ action: KEEP }]);
      case "reject": return this.#say("reject", [{ action: REJECT, reason: "user.rejected" }]);
      case "reject_as": this.app.askReason(this.stage.element, (reason) => this.#say("reject", [{ action: REJECT, reason }])); return true;
      case "unsure": return this.#say("unsure", []);
      case "relabel": this.app.askLabel(this.store.listing.label[this.rows[this.position]], (to) => this.#sayLabel(to)); return true;
      case "zoom": this.stage.toggleZoom(); return true;
      case "square": this.stage.toggleSquare(); return true;
      case "previous": this.#goTo(Math.max(0, this.position - 1)); return true;
      case "next": if (this.#answer(this.position)) this.#goTo(this.#nextOpen(this.position)); return true;
      case "accept": return true;
      default: {
        const digit = /^label([1-9])$/.exec(name);
        if (!digit || Number(digit[1]) > this.store.labels.length) return false;
        return this.#sayLabel(Number(digit[1]) - 1);
      }
    }
  }

  #sayLabel(to) {
    const home = this.store.listing.label[this.rows[this.position]] === to;
    return home ? this.#say("keep", [{ action: KEEP }]) : this.#say("relabel", [{ action: RELABEL, to }]);
  }

  #say(answer, changes) {
    const row = this.stage.painted;
    if (row < 0 || row !== this.rows[this.position]) { this.app.tooEarly(); return true; }
    this.given.set(this.position, answer);
    this.store.perform({
      kind: "answer", mode: "audit", row, answer, audit: this.audit.id, dwell: this.stage.dwell,
      changes: changes.map((change) => ({ ...change, rows: [row] })),
    });
    announce({ keep: "yes", reject: "no", relabel: "another label", unsure: "unsure" }[answer]);
    const look = this.#lastLook();
    this.reading = Boolean(look && look[1] === this.#answeredCount());
    this.#goTo(this.#nextOpen(this.position));
    return true;
  }

  /** The server has counted: its answers replace ours, and at a look there is a result. */
  #counted() {
    if (!this.store.outbox.waiting.length) this.given.clear();
    this.refresh();
  }

  reveal(row) {
    const position = this.rows.indexOf(row);
    if (position < 0) return false;
    this.given.set(position, "");
    this.reading = false;
    this.#goTo(position);
    return true;
  }
}

/** A line from 0 to a round end with the interval and the estimate on it. */
export function intervalBar({ value, low, high }) {
  const end = [0.02, 0.05, 0.1, 0.2, 0.5, 1].find((one) => one >= high * 1.15) ?? 1;
  const range = h("span.range"), point = h("span.point");
  range.style.left = `${(100 * low) / end}%`;
  range.style.width = `${Math.max(0.5, (100 * (high - low)) / end)}%`;
  point.style.left = `${(100 * value) / end}%`;
  return h("div.interval", { role: "img", "aria-label": `${percent(value)}, 95 % interval ${percent(low)} to ${percent(high)}` },
    h("span.line"), range, point, h("span.from", {}, "0"), h("span.to", {}, percent(end)));
}
