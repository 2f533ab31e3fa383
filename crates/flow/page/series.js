// A growing table of numbers. The first column contains the times in microseconds, in ascending
// order. A number that is unknown is NaN.

export class Series {
  constructor(columns) {
    this.columns = columns;
    this.length = 0;
    this.data = new Float64Array(columns * 4);
  }

  /**
   * Adds a row that is a copy of the last row, and returns the position of the new row in `data`. If
   * the time is the same as in the last row, no row is added.
   */
  rowAt(time) {
    const { columns, length } = this;
    const last = (length - 1) * columns;
    if (length > 0 && time <= this.data[last]) return last;
    const position = length * columns;
    if (position === this.data.length) this.resize(length * 2);
    if (length > 0) this.data.copyWithin(position, last, position);
    else this.data.fill(NaN, 0, columns);
    this.data[position] = time;
    this.length += 1;
    return position;
  }

  /** Returns a value of a row, or NaN if the row does not exist. */
  get(row, column) {
    return row >= 0 && row < this.length ? this.data[row * this.columns + column] : NaN;
  }

  last(column) {
    return this.get(this.length - 1, column);
  }

  /** Returns the last row that is not later than a time, or -1. */
  rowBefore(time) {
    const { data, columns } = this;
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (data[middle * columns] <= time) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Removes the rows that end before a time. Returns the number of removed rows. */
  dropBefore(time) {
    const dropped = this.rowBefore(time);
    if (dropped <= 0) return 0;
    this.data.copyWithin(0, dropped * this.columns, this.length * this.columns);
    this.length -= dropped;
    if (this.length * this.columns * 4 < this.data.length) this.resize(Math.max(4, this.length * 2));
    return dropped;
  }

  resize(rows) {
    const data = new Float64Array(rows * this.columns);
    data.set(this.data.subarray(0, this.length * this.columns));
    this.data = data;
  }
}
