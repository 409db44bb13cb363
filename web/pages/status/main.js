// The status page: what the server does now, and did in the last hour.

import { Chart } from './chart.js';
import { History, quantile, rate, value } from './history.js';
import { follow } from './stream.js';

const $ = (id) => document.getElementById(id);
const runbook = (part) => `https://github.com/oodaa/signaling/blob/main/docs/${part}`;

const digits = (n, most) => n.toLocaleString('en', { maximumFractionDigits: most });
const count = (n) => digits(n, n < 10 && n % 1 ? 1 : 0);
const perSecond = (n) => digits(n, n < 10 ? 1 : 0);
const percent = (n) => `${digits(n, n < 10 ? 1 : 0)} %`;
const time = (s) => (s === 0 ? '0' : s < 1e-3 ? `${digits(s * 1e6, 0)} µs` : s < 1 ? `${digits(s * 1e3, s < 0.01 ? 1 : 0)} ms` : `${digits(s, 1)} s`);
const bytes = (n) => (n === 0 ? '0' : n < 1e6 ? `${digits(n / 1e3, n < 1e4 ? 1 : 0)} kB` : `${digits(n / 1e6, n < 1e8 ? 1 : 0)} MB`);

const line = (label, name) => ({ label, read: value(name) });
const growth = (label, ...names) => ({ label, read: rate(...names) });

// A chart is shown when its key is among the figures that the server sends. Its
// tile, above all charts, shows its first line.
const rows = [
  { title: 'Users', tile: true, key: 'users', format: count, runbook: 'capacity.md', lines: [line('Users', 'users')] },
  {
    title: 'Connections',
    key: 'connections.socketio.websocket',
    format: count,
    runbook: 'capacity.md',
    lines: [
      line('Socket.IO WebSocket', 'connections.socketio.websocket'),
      line('Socket.IO polling', 'connections.socketio.polling'),
      line('Volli WebSocket', 'connections.volli.websocket'),
    ],
  },
  {
    title: 'Relays per second',
    tile: true,
    key: 'relays.offer',
    format: perSecond,
    runbook: 'runbooks.md#what-to-watch',
    lines: [
      growth('all', 'relays.offer', 'relays.answer', 'relays.ice-candidate', 'relays.custom-message'),
      growth('ice-candidate', 'relays.ice-candidate'),
      growth('offer', 'relays.offer'),
      growth('answer', 'relays.answer'),
    ],
  },
  { title: 'Errors per second', tile: true, key: 'errors', format: perSecond, runbook: 'runbooks.md#signalderrorratio', lines: [growth('Errors', 'errors')] },
  {
    title: 'Relay latency',
    tile: true,
    key: 'latency.+Inf',
    format: time,
    least: 1e-4,
    runbook: 'runbooks.md#signaldrelaylatency',
    lines: [
      { label: 'p99', read: quantile('latency.', 0.99) },
      { label: 'p50', read: quantile('latency.', 0.5) },
    ],
  },
  {
    title: 'CPU',
    tile: true,
    key: 'cpu',
    format: percent,
    runbook: 'capacity.md',
    lines: [{ label: 'of one core', read: (now, before) => { const n = rate('cpu')(now, before); return n === null ? null : 100 * n; } }],
  },
  {
    title: 'Memory',
    tile: true,
    key: 'memory.resident',
    format: bytes,
    least: 10e6,
    runbook: 'runbooks.md#signaldmemory',
    lines: [line('Resident', 'memory.resident'), line('Heap in use', 'memory.heap')],
  },
  {
    title: 'Waiting for clients',
    key: 'waiting',
    format: bytes,
    least: 1000,
    runbook: 'runbooks.md#signaldslowconsumers',
    lines: [line('Outboxes', 'waiting')],
  },
  { title: 'Held for users who are away', key: 'held.bytes', format: bytes, least: 1000, runbook: 'runbooks.md#what-to-watch', lines: [line('Held', 'held.bytes')] },
  {
    title: 'Held and redelivered relays per second',
    key: 'held.relays',
    format: perSecond,
    runbook: 'runbooks.md#what-to-watch',
    lines: [growth('Held', 'held.relays'), growth('Redelivered', 'held.redelivered')],
  },
  {
    title: 'Refused by a limit, per second',
    key: 'refused.message',
    format: perSecond,
    runbook: 'runbooks.md#signaldratelimitstorm',
    lines: [growth('Messages', 'refused.message'), growth('Requests and connections', 'refused.request'), growth('Connections of one address', 'refused.address')],
  },
  { title: 'Goroutines', key: 'goroutines', format: count, least: 10, runbook: 'runbooks.md#what-to-watch', lines: [line('Goroutines', 'goroutines')] },
  {
    title: 'Cluster',
    key: 'cluster.joined',
    format: count,
    runbook: 'runbooks.md#signaldclusterlost',
    lines: [line('Instances', 'cluster.instances'), line('Joined (1 is yes)', 'cluster.joined')],
  },
  {
    title: 'Cluster relays per second',
    key: 'cluster.sent',
    format: perSecond,
    runbook: 'runbooks.md#signaldclusterunsteady',
    lines: [growth('Sent', 'cluster.sent'), growth('Received', 'cluster.received'), growth('Failed', 'cluster.failed')],
  },
  {
    title: 'TURN allocations',
    key: 'turn.allocations',
    format: count,
    runbook: 'runbooks.md#signaldturnsaturated',
    lines: [line('Allocations', 'turn.allocations'), line('TCP connections', 'turn.connections')],
  },
  {
    title: 'TURN bytes per second',
    key: 'turn.to-peers',
    format: bytes,
    least: 1000,
    runbook: 'runbooks.md#signaldturnsaturated',
    lines: [growth('To peers', 'turn.to-peers'), growth('From peers', 'turn.from-peers')],
  },
];
const charts = rows.map((row) => ({ row, chart: new Chart({ ...row, runbook: runbook(row.runbook) }), tile: row.tile && makeTile(row) }));
$('charts').append(...charts.map(({ chart }) => chart.element));

const minute = 60_000;
const history = new History();
let range = 60 * minute;
let heard = 0; // when the last sample came, by this machine's clock

for (const input of document.getElementsByName('range')) {
  input.onchange = () => {
    range = input.value * minute;
    show();
  };
}

follow('status/events', {
  state(state) {
    if ($('state').dataset.of === state) return;
    $('state').dataset.of = state;
    $('state').dataset.state = { live: 'good', connecting: 'warn', lost: 'bad' }[state];
    $('state').textContent = { live: 'Live', connecting: 'Connecting …', lost: 'Connection lost, trying again' }[state];
    document.body.classList.toggle('stale', state === 'lost');
    $('age').hidden = state !== 'lost' || !heard;
    if (state === 'live') fill();
  },
  sample(sample) {
    const before = history.last?.start;
    history.add(sample);
    heard = Date.now();
    if (before && before !== sample.start) $('news').textContent = 'The server has restarted. Its counters begin at zero.';
    about(sample);
    if (!document.hidden) show();
  },
});
document.addEventListener('visibilitychange', () => document.hidden || show());
setInterval(() => {
  const seconds = Math.round((Date.now() - heard) / 1000);
  $('age').textContent = `What you see is ${seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`} old.`;
}, 1000);

// fill asks for the hour before this page was opened, or the time that it has
// missed.
async function fill() {
  try {
    const answer = await fetch('status/past');
    if (!answer.ok) return;
    history.fill(await answer.json());
    show();
  } catch {
    // The next time that the server is back.
  }
}

function about({ uptime, build, relays, errors }) {
  $('uptime').textContent = duration(uptime);
  $('version').textContent = build.version;
  $('revision').textContent = build.revision.slice(0, 12);
  $('go').textContent = build.go;
  table('relays', relays);
  table('errors', errors);
}

function show() {
  if (!history.last) return;
  const to = history.last.at;
  // Whole minutes, so that a server that has just started fills its charts.
  const known = Math.ceil((to - history.first.at) / minute) * minute;
  const from = to - Math.min(range, Math.max(minute, known));
  for (const { row, chart, tile } of charts) {
    const shown = history.has(row.key);
    chart.element.hidden = !shown;
    if (tile) tile.element.hidden = !shown;
    if (!shown) continue;
    const { now, peak } = chart.draw(history, from, to);
    if (!tile) continue;
    tile.now.textContent = now;
    tile.peak.textContent = `peak ${peak}`;
  }
}

function makeTile({ title, lines }) {
  const element = document.getElementById('tile').content.firstElementChild.cloneNode(true);
  const part = (name) => element.querySelector(`[data-part="${name}"]`);
  part('title').textContent = lines[0].label === 'p99' ? `${title}, p99` : title;
  $('tiles').append(element);
  return { element, now: part('now'), peak: part('peak') };
}

// table lists counters since the start of the server, largest first.
function table(id, counters) {
  const sorted = Object.entries(counters).sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  $(`${id}-none`).hidden = sorted.length > 0;
  $(`${id}-table`).hidden = sorted.length === 0;
  $(id).replaceChildren(
    ...sorted.map(([label, n]) => {
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
