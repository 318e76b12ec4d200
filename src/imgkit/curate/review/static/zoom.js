// Look closer: wheel, drag, pinch, one key; and swipes where fingers decide.

const LARGEST = 24;
const SWIPE_PX = 72;
const TAP_MS = 280;

/** One zoom for all pictures that are shown together, so that they stay aligned. */
export class Zoom {
  /**
   * @param {HTMLElement} surface  where pointers and wheel act
   * @param {() => HTMLElement[]} targets  what is moved and scaled
   * @param {object} [on]  swipe(direction), swiping(dx, dy), twoFingerTap(), change(scale)
   */
  constructor(surface, targets, on = {}) {
    this.surface = surface;
    this.targets = targets;
    this.on = on;
    this.pointers = new Map();
    this.pointer = null;
    this.locked = false;
    this.reset();
    surface.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    surface.addEventListener("pointerdown", (event) => this.#down(event));
    surface.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"]) surface.addEventListener(end, (event) => this.#up(event));
    surface.addEventListener("pointerleave", () => { if (!this.pointers.size) this.pointer = null; });
  }

  reset() {
    this.scale = 1;
    this.x = this.y = 0;
    this.apply();
  }

  apply() {
    const near = this.scale === 1 && !this.x && !this.y;
    for (const target of this.targets()) {
      target.style.transform = near ? "" : `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
    }
    this.surface.classList.toggle("zoomed", this.scale > 1);
    this.on.change?.(this.scale);
  }

  /** Between fitting and `scale`, at the pointer. */
  toggle(scale) {
    if (this.scale > 1) this.reset();
    else this.#scaleAt(Math.max(scale, 1.5), this.pointer ?? this.#middle());
  }

  #middle() {
    const box = this.surface.getBoundingClientRect();
    return { x: box.left + box.width / 2, y: box.top + box.height / 2 };
  }

  /** The middle of the picture under a point: each pane of a pair has its own. */
  #centreAt({ x, y }) {
    const boxes = this.targets().map((target) => target.parentElement.getBoundingClientRect());
    const box = boxes.find((one) => x >= one.left && x <= one.right && y >= one.top && y <= one.bottom) ?? boxes[0];
    return { x: box.left + box.width / 2, y: box.top + box.height / 2 };
  }

  #scaleAt(scale, point) {
    const wanted = Math.min(LARGEST, Math.max(1, scale));
    const centre = this.#centreAt(point);
    const ratio = wanted / this.scale;
    this.x = (point.x - centre.x) * (1 - ratio) + this.x * ratio;
    this.y = (point.y - centre.y) * (1 - ratio) + this.y * ratio;
    this.scale = wanted;
    if (wanted === 1) this.x = this.y = 0;
    this.apply();
  }

  #wheel(event) {
    if (event.ctrlKey && !event.deltaY) return;
    event.preventDefault();
    this.#scaleAt(this.scale * Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), { x: event.clientX, y: event.clientY });
  }

  #down(event) {
    if (event.button > 0 || event.target.closest("button, a")) return;
    this.surface.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, startX: event.clientX, startY: event.clientY });
    this.touch = event.pointerType !== "mouse";
    if (this.pointers.size === 2) { this.tapAt = event.timeStamp; this.moved = 0; this.pinch = this.#spread(); }
  }

  #spread() {
    const [a, b] = [...this.pointers.values()];
    return { distance: Math.hypot(a.x - b.x, a.y - b.y), x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  }

  #move(event) {
    this.pointer = { x: event.clientX, y: event.clientY };
    const held = this.pointers.get(event.pointerId);
    if (!held) return;
    const dx = event.clientX - held.x, dy = event.clientY - held.y;
    held.x = event.clientX;
    held.y = event.clientY;
    if (this.pointers.size === 2) {
      const now = this.#spread();
      this.moved += Math.abs(now.distance - this.pinch.distance) + Math.abs(now.x - this.pinch.x);
      this.#scaleAt(this.scale * (now.distance / Math.max(1, this.pinch.distance)), now);
      this.pinch = now;
    } else if (this.scale > 1) {
      this.x += dx;
      this.y += dy;
      this.apply();
    } else if (this.touch && this.on.swipe) this.on.swiping?.(event.clientX - held.startX, event.clientY - held.startY);
  }

  #up(event) {
    const held = this.pointers.get(event.pointerId);
    if (!held) return;
    this.pointers.delete(event.pointerId);
    if (this.pinch) {
      if (!this.pointers.size) {
        if (this.moved < 12 && event.timeStamp - this.tapAt < TAP_MS) this.on.twoFingerTap?.();
        this.pinch = null;
      }
      return;
    }
    this.on.swiping?.(0, 0);
    if (!this.touch || this.scale > 1 || event.type === "pointercancel" || !this.on.swipe) return;
    const dx = event.clientX - held.startX, dy = event.clientY - held.startY;
    if (Math.abs(dx) > SWIPE_PX && Math.abs(dx) > 1.5 * Math.abs(dy)) this.on.swipe(dx > 0 ? "right" : "left");
    else if (dy < -SWIPE_PX && -dy > 1.5 * Math.abs(dx)) this.on.swipe("up");
  }
}

/** Give a picture the size that fits its box, at most `most` times its own pixels, and tell that size. */
export function fit(image, box, { width = image.naturalWidth, height = image.naturalHeight, most = 2.5 } = {}) {
  const room = box.getBoundingClientRect();
  if (!width || !height || !room.width) return { width: 0, height: 0 };
  const scale = Math.min(room.width / width, room.height / height, most);
  const size = { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
  image.style.width = `${size.width}px`;
  image.style.height = `${size.height}px`;
  return size;
}
