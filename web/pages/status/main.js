// The status page: what the server does now, and did in the last minutes.

import { Chart } from './chart.js';
import { History } from './history.js';
import { follow } from './stream.js';

const $ = (id) => document.getElementById(id);

const count = (n) => n.toLocaleString('en', { maximumFractionDigits: 0 });
const rate = (n) => n.toLocaleString('en', { maximumFractionDigits: n < 10 ? 1 : 0 });
const megabytes = (n) => `${(n / 1e6).toLocaleString('en', { maximumFractionDigits: n < 1e8 ? 1 : 0 })} MB`;

const value = (label, read) => ({ label, read: (history) => history.values(read) });
const growth = (label, read) => ({ label, read: (history) => history.rates(read) });
const total = (counters) => Object.values(counters).reduce((sum, n) => sum + n, 0);

const charts = [
  new Chart({ title: 'Users online', format: count, lines: [value('Users', (s) => s.connectedUsers)] }),
  new Chart({
    title: 'Connections',
    format: count,
    lines: [
      value('Socket.IO WebSocket', (s) => s.connections.socketio.websocket),
      value('Socket.IO polling', (s) => s.connections.socketio.polling),
      value('Volli WebSocket', (s) => s.connections.volli.websocket),
    ],
  }),
  new Chart({
    title: 'Relays a second',
    format: rate,
    lines: ['offer', 'answer', 'ice-candidate', 'custom-message'].map((event) =>
      growth(event, (s) => s.relays[event] ?? 0),
    ),
  }),
  new Chart({ title: 'Errors a second', format: rate, lines: [growth('Errors', (s) => total(s.errors))] }),
  new Chart({
    title: 'Memory',
    format: megabytes,
    least: 10e6,
    lines: [value('Resident', (s) => s.memory.rss), value('Heap in use', (s) => s.memory.heapUsed)],
  }),
  new Chart({ title: 'Goroutines', format: count, least: 10, lines: [value('Goroutines', (s) => s.goroutines)] }),
];
$('charts').append(...charts.map(({ element }) => element));

const history = new History();

follow('status/events', {
  state(state) {
    if ($('state').dataset.of === state) return;
    $('state').dataset.of = state;
    $('state').dataset.state = { live: 'good', connecting: 'warn', lost: 'bad' }[state];
    $('state').textContent = {
      live: 'Live',
      connecting: 'Connecting …',
      lost: 'Connection lost, trying again',
    }[state];
    document.body.classList.toggle('stale', state === 'lost');
  },
  sample(sample) {
    const before = history.last?.sample.start;
    history.add(sample, performance.now());
    if (before && before !== sample.start) $('news').textContent = 'The server has started anew. Its counters begin at zero.';
    if (!document.hidden) show();
  },
});
document.addEventListener('visibilitychange', () => !document.hidden && history.last && show());

function show() {
  const { sample } = history.last;
  $('uptime').textContent = duration(sample.uptime);
  $('version').textContent = sample.build.version;
  $('revision').textContent = sample.build.revision.slice(0, 12);
  $('go').textContent = sample.build.go;
  for (const chart of charts) chart.draw(history);
  table('relays', sample.relays);
  table('errors', sample.errors);
}

// table lists counters since the start of the server, largest first.
function table(id, counters) {
  const rows = Object.entries(counters).sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  $(`${id}-none`).hidden = rows.length > 0;
  $(`${id}-table`).hidden = rows.length === 0;
  $(id).replaceChildren(
    ...rows.map(([label, n]) => {
      const row = document.getElementById('total').content.firstElementChild.cloneNode(true);
      row.querySelector('[data-part="label"]').textContent = label;
      row.querySelector('[data-part="total"]').textContent = count(n);
      return row;
    }),
  );
}

function duration(seconds) {
  const s = Math.floor(seconds);
  const parts = [
    [Math.floor(s / 86400), 'd'],
    [Math.floor(s / 3600) % 24, 'h'],
    [Math.floor(s / 60) % 60, 'min'],
    [s % 60, 's'],
  ];
  const first = Math.max(0, parts.findIndex(([n]) => n > 0));
  return (first === 0 && s < 1 ? parts.slice(3) : parts.slice(first, first + 2)).map(([n, unit]) => `${n} ${unit}`).join(' ');
}
