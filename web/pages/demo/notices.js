// Words for people: what happened, and what went wrong.

import { append, clone } from './rows.js';
import { withoutSecrets } from './token.js';
import { explain } from './words.js';

const $ = (id) => document.getElementById(id);
const maxNotices = 4;
const maxFrames = 100;
const maxAnnouncements = 8;

// announce tells a screen reader what has happened. A later announcement does
// not take the place of an earlier one.
export function announce(text) {
  const item = document.createElement('p');
  item.textContent = text;
  append($('announce'), item, maxAnnouncements);
}

// notice shows an error that is not about one person, with its text as the
// server wrote it.
export function notice(text, words = explain(text)) {
  const same = [...$('notices').children].find((item) => item.dataset.words === words);
  same?.remove();
  const times = Number(same?.dataset.times ?? 0) + 1;
  const [item, part] = clone('notice');
  item.dataset.words = words;
  item.dataset.times = times;
  part('words').textContent = words;
  part('text').textContent = text;
  part('times').textContent = times > 1 ? `${times} times` : '';
  part('dismiss').onclick = () => {
    item.remove();
    $('me-heading').focus();
  };
  append($('notices'), item, maxNotices);
}

// showFrame lists what went over the wire, shortened.
export function showFrame(way, text) {
  const [item, part] = clone('frame');
  item.dataset.way = way;
  part('way').textContent = way === 'out' ? 'Sent:' : 'Received:';
  const shown = withoutSecrets(text);
  part('text').textContent = shown.length > 240 ? `${shown.slice(0, 240)} …` : shown;
  append($('frames'), item, maxFrames);
}

// forget removes all of it.
export function forget() {
  for (const id of ['notices', 'frames', 'announce']) $(id).replaceChildren();
}
