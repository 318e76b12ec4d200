// Copies, two at a time: side by side, flipped in place, or as their difference; the better one first.

import { KEEP, REJECT } from "./listing.js";
import { announce, bytes, fill, h, number, percent } from "./dom.js";
import { markWords } from "./panel.js";
import { groupIsOpen, groupsOf } from "./queue.js";
import { Zoom, fit } from "./zoom.js";

const MANNERS = ["side", "flip", "difference"];

/** As in a finding: as it is, mirrored, upside down, turned by 180°, then the same four of the transposed picture. */
const ORIENTATIONS = [
  "", "matrix(-1,0,0,1,0,0)", "matrix(1,0,0,-1,0,0)", "matrix(-1,0,0,-1,0,0)",
  "matrix(0,1,1,0,0,0)", "matrix(0,1,-1,0,0,0)", "matrix(0,-1,1,0,0,0)", "matrix(0,-1,-1,0,0,0)",
];

export class PairView {
  /** @param {import("./main.js").App} app */
  constructor(app) {
    this.app = app;
    this.store = app.store;
    this.groups = [];
    this.position = -1;
    this.manner = "side";
    this.flipped = false;
    this.painted = null;
    this.heading = h("div.heading");
    this.panes = [this.#pane("left"), this.#pane("right")];
    this.table = h("div.deltas");
    this.members = h("div.members", { role: "group", "aria-label": "All members of the group" });
    this.surface = h("div.panes", {}, this.panes.map(({ element }) => element));
    this.done = h("div.empty", { hidden: true });
    this.element = h("div.pair", {}, this.heading, this.surface, this.table, this.members, this.done);
    this.zoom = new Zoom(this.surface, () => this.panes.map(({ layer }) => layer), {});
    new ResizeObserver(() => this.#fit()).observe(this.surface);
    app.facts.addEventListener("known", () => { if (app.view === this) this.#facts(); });
  }

  #pane(side) {
    const layer = h("div.layer"), frame = h("div.frame", {}, layer), caption = h("div.caption");
    return { side, layer, frame, caption, element: h("figure.pane", { class: `pane-${side}`, role: "img" }, frame, caption) };
  }

  enter(mode, { group = -1, row = -1 } = {}) {
    this.mode = mode;
    this.groups = groupsOf(this.store, this.app.filter);
    const wanted = group >= 0 ? group : row >= 0 ? this.store.listing.group[row] : -1;
    const at = this.groups.indexOf(wanted);
    this.#goTo(at >= 0 ? at : this.#nextOpen(-1));
  }

  leave() { this.painted = null; }

  progress() {
    const open = this.groups.reduce((sum, group) => sum + groupIsOpen(this.store, group), 0);
    return { open, all: this.groups.length };
  }

  advice() { return ""; }
  timeLeft() { return ""; }

  #nextOpen(position) {
    for (let n = position + 1; n < this.groups.length; n++) if (groupIsOpen(this.store, this.groups[n])) return n;
    for (let n = 0; n < position; n++) if (groupIsOpen(this.store, this.groups[n])) return n;
    return -1;
  }

  get rows() { return this.position < 0 ? [] : this.store.listing.members[this.groups[this.position]]; }

  /** Members that could still be in the set: not rejected by a person. */
  #alive() { return this.rows.filter((row) => !this.store.rejected(row)); }

  #goTo(position) {
    this.position = position;
    const none = position < 0;
    for (const part of [this.surface, this.table, this.members]) part.hidden = none;
    this.done.hidden = !none;
    if (none) { this.#nothingLeft(); return; }
    this.pair = this.#firstPair();
    this.settled = new Set();
    this.zoom.reset();
    this.#show();
  }

  /** The best member against the first of the others that waits. */
  #firstPair() {
    const alive = this.#alive(), rows = alive.length >= 2 ? alive : this.rows;
    const left = rows[0];
    return [left, rows.find((row) => row !== left && !this.store.decided(row)) ?? rows.find((row) => row !== left)];
  }

  #nothingLeft() {
    this.painted = null;
    this.heading.replaceChildren();
    const any = this.groups.length > 0;
    fill(this.done, h("div.big", { "aria-hidden": "true" }, "✓"),
      h("h2", {}, any ? "All copies decided" : "No copies"),
      h("p", {}, any ? `${number(this.groups.length)} groups. Go back with ${this.app.keymap.cap("previous_group")} to look again.` : "No two pictures are copies of one another."),
      h("div.row", {}, any ? h("button", { onclick: () => this.#goTo(0) }, "Look through all groups") : null, this.app.nextModeButton("duplicates")));
    this.app.showActions([{ name: "undo", text: "Undo", kind: "quiet", off: !this.store.done.length }]);
    announce("All copies decided");
  }

  #show() {
    const pair = this.pair;
    this.painted = null;
    this.flipped = false;
    this.element.dataset.manner = this.manner;
    this.#layer();
    const entries = pair.map((row) => this.app.pictures.want(row, "high"));
    Promise.all(entries.map(({ ready }) => ready)).then(() => {
      if (this.pair !== pair || this.app.view !== this) return;
      entries.forEach(({ image, state }, n) => {
        this.panes[n].layer.replaceChildren(state === "broken" ? h("p.broken", {}, "This file cannot be shown.") : image);
      });
      this.#fit();
      this.zoom.apply();
      requestAnimationFrame(() => { if (this.pair === pair) { this.painted = pair; this.paintedAt = performance.now(); } });
      this.#prefetch();
    });
    this.app.facts.want([...pair, ...this.#following()]);
    this.refresh();
  }

  #following() {
    const next = this.#nextOpen(this.position);
    return next < 0 ? [] : this.store.listing.members[this.groups[next]].slice(0, 3);
  }

  #prefetch() {
    for (const row of [...this.rows.filter((one) => !this.pair.includes(one)).slice(0, 3), ...this.#following()]) {
      this.app.pictures.want(row, "low");
    }
  }

  /** Side by side each fits its pane. Laid over each other they share one box, the right one turned as its finding says. */
  #fit() {
    if (!this.pair) return;
    const [first, second] = this.panes.map(({ frame }) => frame.querySelector("img"));
    const overlaid = this.manner !== "side";
    if (first) fit(first, this.panes[0].frame);
    if (!second) return;
    second.style.transform = "";
    if (!overlaid || !first) { fit(second, this.panes[1].frame); return; }
    const size = fit(second, this.panes[0].frame, { width: first.naturalWidth, height: first.naturalHeight });
    const orientation = this.#link(...this.pair)?.orientation ?? 0;
    if (orientation >= 4) { second.style.width = `${size.height}px`; second.style.height = `${size.width}px`; }
    second.style.transform = ORIENTATIONS[orientation] ?? "";
  }

  /** What the checks say about this very pair, null where they compared others. */
  #link(left, right) {
    const { listing } = this.store;
    for (const [one, other] of [[left, right], [right, left]]) {
      const found = this.app.facts.of(one)?.findings.find(({ detail }) => detail.copy_of === listing.id(other));
      if (found) return found.detail;
    }
    return null;
  }

  refresh() {
    if (this.position < 0) { this.#nothingLeft(); return; }
    this.#heading();
    this.#captions();
    this.#facts();
    this.#strip();
    this.app.showActions(this.#actions());
  }

  #heading() {
    const labels = new Set(this.rows.map((row) => this.store.labelOf(row)));
    fill(this.heading,
      h("span.label", {}, labels.size > 1 ? "One picture, several labels" : this.store.labelName([...labels][0])),
      h("span.maybe", {}, labels.size > 1 ? "which is right?" : `${this.rows.length} copies`),
      h("span.place", {}, `group ${number(this.position + 1)} of ${number(this.groups.length)}`));
  }

  #captions() {
    const [left, right] = this.pair;
    for (const [n, row] of [left, right].entries()) {
      const { kind, text } = markWords(this.store, row);
      const better = n === 0 && this.store.listing.inSet(row);
      fill(this.panes[n].caption,
        h("span.side", {}, n === 0 ? "A" : "B"),
        better ? h("span.star", { title: "the better one by size, sharpness and compression" }, "★ better") : null,
        h("span.name", {}, this.store.labelName(this.store.labelOf(row))),
        kind ? h("span.tag", { "data-kind": kind }, text) : null,
        this.store.waits(row) ? h("span.tag", { "data-kind": "suspect" }, this.store.listing.say(this.store.outcome(row).reason)) : null);
      this.panes[n].element.setAttribute("aria-label",
        `${n === 0 ? "A, left" : "B, right"}: ${this.store.labelName(this.store.labelOf(row))}${better ? ", the better one" : ""}${text ? `, ${text}` : ""}`);
    }
  }

  #facts() {
    if (this.position < 0 || !this.pair) return;
    const [left, right] = this.pair, { listing } = this.store;
    const link = this.#link(left, right);
    const facts = this.pair.map((row) => this.app.facts.of(row));
    const pixels = this.pair.map((row) => listing.width[row] * listing.height[row]);
    const rows = [
      ["Pixels", this.pair.map((row) => `${listing.width[row]} × ${listing.height[row]}`), delta(pixels[0], pixels[1])],
      ["File", this.pair.map((row) => bytes(listing.bytes[row])), delta(listing.bytes[left], listing.bytes[right])],
      ["Found by", this.pair.map((row, n) => facts[n]?.source?.provider ?? "…"), ""],
      ["Licence", this.pair.map((row, n) => facts[n]?.source?.license || "unknown"), ""],
    ];
    fill(this.table,
      h("table", {}, h("tbody", {}, rows.map(([name, [a, b], difference]) =>
        h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, a), h("td", {}, b), h("td.delta", { class: { "+": "more", "−": "less" }[difference[0]] ?? "" }, difference))))),
      h("p.link", {}, this.manner === "difference" ? "Black where both are equal" : link ? linkWords(link) : listing.label[left] !== listing.label[right] ? "the same picture under two labels" : ""));
  }

  #strip() {
    fill(this.members, this.rows.length < 3 ? null : this.rows.map((row, n) => {
      const { kind } = markWords(this.store, row);
      const shown = this.pair.indexOf(row);
      return h("button.member", {
        "data-kind": kind, "aria-pressed": shown >= 0 ? "true" : "false", "aria-label": `member ${n + 1}${shown < 0 ? "" : shown ? ", shown as B" : ", shown as A"}`,
        onclick: () => { if (row !== this.pair[0]) { this.pair = [this.pair[0], row]; this.#show(); } },
      }, h("img", { src: this.store.listing.thumb(row, 192), alt: "" }), h("span", {}, shown === 0 ? "A" : shown === 1 ? "B" : ""));
    }));
  }

  #actions() {
    return [
      { name: "undo", text: "Undo", kind: "quiet", off: !this.store.done.length },
      { name: "flip", text: "Flip", kind: "look", on: this.manner === "flip" },
      { name: "difference", text: "Difference", kind: "look", on: this.manner === "difference", wide: true },
      { name: "keep_left", text: "Keep A", kind: "keep" },
      { name: "keep_right", text: "Keep B", kind: "keep" },
      { name: "keep_both", text: "Both", kind: "relabel" },
      { name: "keep_neither", text: "Neither", kind: "reject" },
      this.rows.length > 2 ? { name: "accept_group", text: "Best of all", kind: "keep", wide: true } : null,
    ].filter(Boolean);
  }

  act(name) {
    switch (name) {
      case "keep_left": return this.#decide([[0, KEEP], [1, REJECT]]);
      case "keep_right": return this.#decide([[1, KEEP], [0, REJECT]]);
      case "keep_both": return this.#decide([[0, KEEP], [1, KEEP]]);
      case "keep_neither": case "reject": return this.#decide([[0, REJECT], [1, REJECT]], "user.rejected");
      case "accept_group": return this.#acceptGroup();
      case "accept": case "keep": return this.rows.length > 2 ? this.#acceptGroup() : this.#decide([[0, KEEP], [1, REJECT]]);
      case "flip": return this.#flip();
      case "difference": return this.#setManner(this.manner === "difference" ? "side" : "difference");
      case "compare": return this.#setManner(MANNERS[(MANNERS.indexOf(this.manner) + 1) % MANNERS.length]);
      case "next_group": case "next": case "page_down": return this.#step(1);
      case "previous_group": case "previous": case "page_up": return this.#step(-1);
      case "first": this.#goTo(0); return true;
      case "last": this.#goTo(this.groups.length - 1); return true;
      case "zoom": this.zoom.toggle(2.5); return true;
      case "single": this.app.open("suspects", { row: this.pair?.[1] ?? -1 }); return true;
      default: return false;
    }
  }

  #step(steps) {
    if (!this.groups.length) return true;
    const from = this.position < 0 ? this.groups.length : this.position;
    this.#goTo(Math.min(this.groups.length - 1, Math.max(0, from + steps)));
    return true;
  }

  /** A rejected copy is a copy; a rejected member under another label has the wrong label. */
  #reasonFor(row, other) {
    return this.store.listing.label[row] === this.store.listing.label[other] ? "dup.near" : "bad.conflict";
  }

  #decide(verdicts, reason = "") {
    if (!this.painted || this.painted !== this.pair) { if (this.position >= 0) this.app.tooEarly(); return true; }
    const pair = this.pair;
    const changes = verdicts.map(([n, action]) => ({
      action, reason: action === REJECT ? reason || this.#reasonFor(pair[n], pair[1 - n]) : "", rows: [pair[n]],
    }));
    this.app.decide({ mode: this.mode, row: pair[1], changes, dwell: performance.now() - this.paintedAt });
    for (const row of pair) this.settled.add(row);
    this.#onwards();
    return true;
  }

  #acceptGroup() {
    if (!this.painted) { if (this.position >= 0) this.app.tooEarly(); return true; }
    const [best, ...rest] = this.rows;
    const changes = [{ action: KEEP, rows: [best] }, ...rest.map((row) => ({ action: REJECT, reason: this.#reasonFor(row, best), rows: [row] }))];
    this.app.decide({ mode: this.mode, row: best, changes, dwell: performance.now() - this.paintedAt });
    this.#goTo(this.#nextOpen(this.position));
    return true;
  }

  /** Inside a group the survivor meets the next member; then comes the next group. */
  #onwards() {
    const alive = this.#alive();
    const waiting = this.rows.find((row) => !this.settled.has(row) && !this.store.rejected(row));
    const survivor = alive.find((row) => this.settled.has(row));
    if (waiting !== undefined && survivor !== undefined) { this.pair = [survivor, waiting]; this.#show(); return; }
    if (waiting !== undefined && alive.length > 1) { this.pair = [alive[0], alive[1]]; this.#show(); return; }
    if (this.app.advances) this.#goTo(this.#nextOpen(this.position)); else this.refresh();
  }

  #flip() {
    if (this.manner !== "flip") return this.#setManner("flip");
    this.flipped = !this.flipped;
    this.#layer();
    announce(this.flipped ? "B" : "A");
    return true;
  }

  #setManner(manner) {
    this.manner = manner;
    this.flipped = manner === "flip" ? !this.flipped : false;
    this.element.dataset.manner = manner;
    this.zoom.reset();
    this.#layer();
    this.#fit();
    this.app.showActions(this.#actions());
    this.#facts();
    return true;
  }

  #layer() { this.element.dataset.top = this.flipped ? "right" : "left"; }

  reveal(row) {
    const at = this.groups.indexOf(this.store.listing.group[row]);
    if (at < 0) return false;
    this.#goTo(at);
    const other = this.rows.find((one) => one !== row);
    if (row !== this.rows[0]) this.pair = [this.rows[0], row];
    else if (other !== undefined) this.pair = [row, other];
    this.#show();
    return true;
  }
}

function linkWords(link) {
  const parts = [];
  if (link.agreement !== undefined) parts.push(`${percent(link.agreement)} of the blocks agree`);
  if (link.bits !== undefined) parts.push(`hash distance ${link.bits} of 64 bits`);
  if (link.area !== undefined && link.area < 0.97) parts.push(`crop: ${percent(link.area)} of the area`);
  if (link.angle) parts.push(`turned by ${Math.abs(link.angle)}°`);
  if (link.orientation) parts.push(["", "mirrored", "upside down", "turned by 180°"][link.orientation] ?? "turned by 90°");
  return parts.join(" · ") || "equal pixels";
}

/** How much more the second has: "+120 %", "−40 %", "same". */
function delta(a, b) {
  if (a === b) return "same";
  if (!a) return "";
  const share = Math.round((100 * (b - a)) / a);
  return share === 0 ? "same" : share > 0 ? `+${number(share)} %` : `−${number(-share)} %`;
}
