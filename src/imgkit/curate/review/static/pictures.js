// Pictures decoded ahead of time, so that the next one is painted in the frame after the key.

const KEPT = 28;

export class Pictures {
  /** @param {(row: number) => string} address */
  constructor(address) {
    this.address = address;
    this.entries = new Map();  // row to entry, the longest unused first
  }

  /** The picture of a row, on its way or ready. @returns {{image: HTMLImageElement, state: string, ready: Promise<void>}} */
  want(row, priority = "auto") {
    let entry = this.entries.get(row);
    if (entry) {
      this.entries.delete(row);
      if (priority === "high") entry.image.fetchPriority = "high";
    } else entry = this.#load(row, priority);
    this.entries.set(row, entry);
    this.#evict();
    return entry;
  }

  /** Forget all: the row numbers mean other pictures now. */
  clear() { this.entries.clear(); }

  #load(row, priority) {
    const image = new Image();
    image.alt = "";
    image.draggable = false;
    image.decoding = "async";
    image.fetchPriority = priority;
    image.src = this.address(row);
    const entry = { image, state: "loading", ready: null };
    entry.ready = image.decode().then(() => { entry.state = "ready"; }, () => { entry.state = "broken"; });
    return entry;
  }

  #evict() {
    for (const [row, { image, state }] of this.entries) {
      if (this.entries.size <= KEPT) return;
      if (image.isConnected) continue;
      if (state === "loading") image.src = "";
      this.entries.delete(row);
    }
  }
}
