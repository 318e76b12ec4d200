// One picture, large. Knows which picture is painted: decisions are about that one and no other.

import { fill, h } from "./dom.js";
import { Zoom, fit } from "./zoom.js";

const AHEAD = 8;
const BEHIND = 2;
const SLOW_MS = 140;  // a spinner that shows sooner only flickers

export class Stage {
  /**
   * @param {import("./pictures.js").Pictures} pictures
   * @param {import("./store.js").Store} store
   * @param {object} on  swipe(direction), twoFingerTap(), painted(row)
   */
  constructor(pictures, store, on) {
    this.pictures = pictures;
    this.store = store;
    this.on = on;
    this.row = -1;
    this.painted = -1;
    this.paintedAt = 0;
    this.frame = h("div.frame");
    this.outline = h("div.square", { hidden: true, "aria-hidden": "true" });
    this.badge = h("div.badge", { hidden: true });
    this.hint = h("div.swipehint", { "aria-hidden": "true" });
    this.element = h("div.stage", { role: "img", "aria-live": "off" }, this.frame, this.badge, this.hint);
    this.zoom = new Zoom(this.element, () => [...this.frame.children], {
      swipe: (direction) => on.swipe?.(direction),
      swiping: (dx, dy) => this.#swiping(dx, dy),
      twoFingerTap: () => on.twoFingerTap?.(),
      change: (scale) => { if (scale > 1) this.#enlarge(); },
    });
    new ResizeObserver(() => this.fit()).observe(this.frame);
  }

  /** How long the painted picture has been there, in milliseconds. */
  get dwell() { return performance.now() - this.paintedAt; }

  show(row) {
    if (row === this.row && this.painted === row) return;
    this.row = row;
    this.painted = -1;
    if (!this.zoom.locked) this.zoom.reset();
    clearTimeout(this.slow);
    if (row < 0) { fill(this.frame); return; }
    const entry = this.pictures.want(row, "high");
    if (entry.state === "ready") { this.#swap(row, entry); return; }
    this.slow = setTimeout(() => { if (this.painted !== row) fill(this.frame, h("div.spinner", { "aria-label": "loading" })); }, SLOW_MS);
    this.element.classList.add("waiting");
    entry.ready.then(() => { if (this.row === row && this.painted !== row) this.#swap(row, entry); });
  }

  #swap(row, entry) {
    clearTimeout(this.slow);
    this.element.classList.remove("waiting");
    if (entry.state === "broken") {
      fill(this.frame, h("p.broken", {}, "This file cannot be shown: it is missing or damaged."));
    } else {
      this.frame.replaceChildren(entry.image, this.outline);
      this.fit();
      if (this.zoom.locked) this.zoom.apply();
    }
    requestAnimationFrame(() => {
      if (this.row !== row) return;
      this.painted = row;
      this.paintedAt = performance.now();
      this.on.painted?.(row);
    });
  }

  fit() {
    const image = this.frame.querySelector("img");
    if (!image) return;
    const { width, height } = fit(image, this.frame);
    const side = Math.min(width, height);
    this.outline.style.width = this.outline.style.height = `${side}px`;
  }

  /** Load the pictures around a place in a list while there is nothing else to do. */
  prefetch(rows, position, isNext = () => true) {
    let ahead = 0;
    for (let n = position + 1; n < rows.length && ahead < AHEAD; n++) {
      if (!isNext(rows[n])) continue;
      this.pictures.want(rows[n], ahead < 2 ? "auto" : "low");
      ahead++;
    }
    for (let n = position - 1; n >= Math.max(0, position - BEHIND); n--) this.pictures.want(rows[n], "low");
  }

  toggleZoom() {
    const image = this.frame.querySelector("img");
    if (!image) return;
    const shown = image.getBoundingClientRect().width / this.zoom.scale;
    this.zoom.toggle(this.store.listing.width[this.row] / Math.max(1, shown) / (window.devicePixelRatio || 1));
  }

  toggleLock() {
    this.zoom.locked = !this.zoom.locked;
    return this.zoom.locked;
  }

  toggleSquare() { this.outline.hidden = !this.outline.hidden; }

  /** Fetch the original once someone looks closer. */
  #enlarge() {
    const image = this.frame.querySelector("img");
    const row = this.row;
    if (!image || image.dataset.large || !this.store.listing.width[row]) return;
    if (this.store.listing.width[row] <= image.naturalWidth) return;
    image.dataset.large = "1";
    const large = new Image();
    large.src = this.store.listing.zoom(row);
    large.decode().then(() => { if (this.row === row) image.src = large.src; }, () => {});
  }

  #swiping(dx, dy) {
    const image = this.frame.querySelector("img");
    if (!image) return;
    const up = dy < 0 && -dy > 1.5 * Math.abs(dx);
    image.style.transform = dx || dy ? `translate(${up ? 0 : dx}px, ${up ? dy : 0}px) rotate(${up ? 0 : dx / 40}deg)` : "";
    this.hint.dataset.kind = Math.abs(dx) > 24 && !up ? (dx > 0 ? "keep" : "reject") : up && dy < -24 ? "unsure" : "";
    this.hint.textContent = { keep: "Keep", reject: "Reject", unsure: "Unsure" }[this.hint.dataset.kind] ?? "";
  }

  /** Show what is in force for the picture; nothing where nobody has decided. */
  mark(kind, text) {
    this.badge.hidden = !kind;
    this.badge.dataset.kind = kind;
    this.badge.textContent = text;
  }
}
