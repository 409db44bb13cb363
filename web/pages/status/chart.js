// A line chart as SVG, with a scale, clock times, and a tooltip for pointers and
// for the keyboard. Its table of figures says the same in text.

const width = 300;
const height = 100;
const clear = 4; // above the highest point, for the width of the line

const clock = (at, seconds) =>
  new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', ...(seconds && { second: '2-digit' }) });

// A Chart of lines. A line is {label, read}, see History.points; key is the
// figure without which the chart is not shown, and runbook the part of the
// runbook that it belongs to.
export class Chart {
  #title;
  #lines;
  #format;
  #least; // what the scale reaches at least
  #part;
  #paths;
  #rows;
  #drawn = { points: [], from: 0, to: 1, top: 1 };
  #cursor = null; // a time, or null

  constructor({ title, key, lines, format, runbook, least = 1 }) {
    this.#title = title;
    this.#lines = lines;
    this.#format = format;
    this.#least = least;
    this.key = key;
    this.element = document.getElementById('chart').content.firstElementChild.cloneNode(true);
    const part = (this.#part = (name) => this.element.querySelector(`[data-part="${name}"]`));
    part('title').textContent = title;
    part('caption').textContent = `${title}: last values`;
    part('runbook').hidden = !runbook;
    if (runbook) {
      part('runbook').href = runbook;
      part('runbook').setAttribute('aria-label', `Runbook: ${title}`);
    }
    part('svg').setAttribute('viewBox', `0 0 ${width} ${height}`);
    // Where lines lie upon each other, the earlier ones are wider and can be
    // seen on both sides.
    this.#paths = lines.map((_, i) => {
      const path = svg('path', { class: `line series-${i + 1}`, 'stroke-width': 2 * (lines.length - i) });
      part('lines').append(path);
      return path;
    });
    this.#rows = lines.map(({ label }, i) => this.#row(label, i));
    this.#listen(part('plot'));
  }

  #row(label, i) {
    const row = document.getElementById('row').content.firstElementChild.cloneNode(true);
    row.querySelector('[data-part="label"]').textContent = label;
    row.querySelector('[data-part="key"]').classList.add(`series-${i + 1}`);
    this.#part('rows').append(row);
    return { now: row.querySelector('[data-part="now"]'), peak: row.querySelector('[data-part="peak"]') };
  }

  // draw shows what the history holds between two times. It returns the figures
  // of the first line: {now, peak}, as text.
  draw(history, from, to) {
    const all = this.#lines.map(({ read }) => history.points(from, read));
    const peaks = all.map((points) => points.reduce((most, { value }) => Math.max(most, value ?? 0), 0));
    const top = scale(Math.max(this.#least, 1.05 * Math.max(...peaks)));
    this.#drawn = { points: all, from, to, top };
    const said = all.map((points, i) => {
      this.#paths[i].setAttribute('d', this.#path(points));
      const last = points.at(-1)?.value ?? null;
      const now = last === null ? '–' : this.#format(last);
      const peak = this.#format(peaks[i]);
      this.#rows[i].now.textContent = now;
      this.#rows[i].peak.textContent = peak;
      return { now, peak, text: `${this.#lines[i].label} ${now}, peak ${peak}` };
    });
    ['low', 'middle', 'high'].forEach((name, i) => (this.#part(name).textContent = this.#format((top * i) / 2)));
    ['start', 'between', 'end'].forEach((name, i) => (this.#part(name).textContent = clock(from + ((to - from) * i) / 2, to - from < 600_000)));
    this.#part('svg').setAttribute(
      'aria-label',
      `${this.#title}, ${clock(from)} to ${clock(to)}: ${said.map(({ text }) => text).join('; ')}.`,
    );
    this.#part('restarts').replaceChildren(
      ...history.restarts(from).map((at) => svg('path', { class: 'restart', d: `M${this.#x(at)} 0V${height}` })),
    );
    this.#point();
    return said[0];
  }

  #x(at) {
    const { from, to } = this.#drawn;
    return (((at - from) / (to - from)) * width).toFixed(1);
  }

  #y(value) {
    return (height - (value / this.#drawn.top) * (height - clear)).toFixed(1);
  }

  #path(points) {
    let d = '';
    let pen = 'M';
    for (const { at, value } of points) {
      if (value !== null) d += `${pen}${this.#x(at)} ${this.#y(value)}`;
      pen = value === null ? 'M' : 'L';
    }
    return d;
  }

  // listen moves the cursor: by pointer, or by the arrow keys.
  #listen(plot) {
    const put = (at) => {
      this.#cursor = at;
      this.#point();
    };
    plot.onpointermove = plot.onpointerdown = ({ clientX }) => {
      const { left, width } = plot.getBoundingClientRect();
      const { from, to } = this.#drawn;
      put(from + ((clientX - left) / width) * (to - from));
    };
    plot.onpointerleave = plot.onblur = () => put(null);
    plot.onfocus = () => plot.matches(':focus-visible') && put(this.#drawn.to);
    plot.onkeydown = (event) => {
      const times = this.#times();
      const i = times.indexOf(this.#nearest(times, this.#cursor ?? this.#drawn.to));
      const next = { ArrowLeft: i - 1, ArrowRight: i + 1, PageUp: i - 10, PageDown: i + 10, Home: 0, End: times.length - 1 }[event.key];
      if (event.key === 'Escape') put(null);
      else if (next !== undefined && times.length > 0) put(times[Math.min(Math.max(next, 0), times.length - 1)]);
      else return;
      event.preventDefault();
    };
  }

  #times() {
    return (this.#drawn.points[0] ?? []).map(({ at }) => at);
  }

  #nearest(times, at) {
    return times.reduce((best, t) => (Math.abs(t - at) < Math.abs(best - at) ? t : best), times[0]);
  }

  // point shows the values at the cursor.
  #point() {
    const times = this.#times();
    const shown = this.#cursor !== null && times.length > 0;
    this.#part('tip').hidden = !shown;
    this.#part('cursor').setAttribute('d', '');
    if (!shown) return;
    const at = this.#nearest(times, this.#cursor);
    const x = this.#x(at);
    this.#part('cursor').setAttribute('d', `M${x} 0V${height}`);
    // Beside the cursor, on the side with more room.
    this.#part('tip').dataset.side = x > width / 2 ? 'left' : 'right';
    const values = this.#lines.map(({ label }, i) => {
      const value = this.#drawn.points[i].find((point) => point.at === at)?.value ?? null;
      return `${label}: ${value === null ? '–' : this.#format(value)}`;
    });
    this.#part('tip').textContent = [clock(at, true), ...values].join('\n');
  }
}

function svg(name, attributes) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

// scale is the next round number that is not below a value, and that can be
// halved.
export function scale(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 6, 8, 10].map((n) => n * power).find((n) => n >= value);
}
