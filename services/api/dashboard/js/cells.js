// Values that others look at: a cell tells its listeners once per frame at most, however often it changes.

const waiting = new Set();
let asked = false;

function tell() {
  asked = false;
  const cells = [...waiting];
  waiting.clear();
  for (const cell of cells) for (const listener of [...cell.listeners]) listener(cell.value);
}

export class Cell {
  /** `isUrgent`: tells at once and each time; for what a person's next key depends on. */
  constructor(value, isUrgent = false) {
    this.value = value;
    this.isUrgent = isUrgent;
    this.version = 0;
    this.listeners = new Set();
  }

  set(value) {
    this.value = value;
    this.touch();
  }

  /** The value was changed in place. */
  touch() {
    this.version += 1;
    if (!this.listeners.size) return;
    if (this.isUrgent) {
      for (const listener of [...this.listeners]) listener(this.value);
      return;
    }
    waiting.add(this);
    if (!asked) {
      asked = true;
      requestAnimationFrame(tell);
    }
  }

  /** Returns how to stop listening. */
  listen(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}
