// A small line chart as SVG, with its figures in a table below: that is what
// the chart says, for those who do not see it.


const width = 300;
const height = 84;
const clear = 3; // above the highest point, for the width of the line

// A Chart of lines. A line is {label, read(history) → points}.
export class Chart {
  #lines;
  #format;
  #least; // what the scale reaches at least
  #title;
  #part;
  #paths;
  #rows;

  constructor({ title, lines, format, least = 1 }) {
    this.#title = title;
    this.#lines = lines;
    this.#format = format;
    this.#least = least;
    this.element = document.getElementById('chart').content.firstElementChild.cloneNode(true);
    const part = (this.#part = (key) => this.element.querySelector(`[data-part="${key}"]`));
    part('title').textContent = title;
    part('caption').textContent = `${title}: last values`;
    part('svg').setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.#paths = lines.map((_, i) => {
      const path = svg('path', { class: `line series-${i + 1}` });
      part('lines').append(path);
      return path;
    });
    this.#rows = lines.map(({ label }, i) => this.#row(label, i));
  }

  #row(label, i) {
    const row = document.getElementById('row').content.firstElementChild.cloneNode(true);
    row.querySelector('[data-part="label"]').textContent = label;
    row.querySelector('[data-part="key"]').classList.add(`series-${i + 1}`);
    this.#part('rows').append(row);
    return { now: row.querySelector('[data-part="now"]'), most: row.querySelector('[data-part="most"]') };
  }

  // draw shows what the history holds.
  draw(history) {
    const { start, end } = history;
    const span = end - start;
    const all = this.#lines.map((line) => line.read(history).filter(({ at }) => at >= start));
    const most = all.map((points) => Math.max(0, ...points.map(({ value }) => value ?? 0)));
    const top = scale(Math.max(this.#least, 1.1 * Math.max(...most)));
    const minutes = Math.round(span / 60_000);
    const x = (at) => (width - ((end - at) / span) * width).toFixed(1);
    const y = (value) => (height - (value / top) * (height - clear)).toFixed(1);

    const said = [];
    all.forEach((points, i) => {
      let d = '';
      let pen = 'M';
      for (const { at, value } of points) {
        if (value === null) {
          pen = 'M';
          continue;
        }
        d += `${pen}${x(at)} ${y(value)}`;
        pen = 'L';
      }
      this.#paths[i].setAttribute('d', d);
      const last = points.at(-1)?.value ?? null;
      const now = last === null ? '–' : this.#format(last);
      this.#rows[i].now.textContent = now;
      this.#rows[i].most.textContent = this.#format(most[i]);
      said.push(`${this.#lines[i].label} ${now}, at most ${this.#format(most[i])}`);
    });
    this.#part('start').textContent = `${minutes} min ago`;
    this.#part('top').textContent = this.#format(top);
    this.#part('svg').setAttribute('aria-label', `${this.#title}, last ${minutes} min: ${said.join('; ')}.`);
    this.#part('restarts').replaceChildren(
      ...history
        .restarts()
        .filter((at) => at >= start)
        .map((at) => svg('path', { class: 'restart', d: `M${x(at)} 0V${height}` })),
    );
  }
}

function svg(name, attributes) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

// scale is the next round number that is not below a value.
export function scale(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 3, 4, 5, 6, 8, 10].map((n) => n * power).find((n) => n >= value);
}
